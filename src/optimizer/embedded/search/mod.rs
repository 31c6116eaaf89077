//! The search: which settings to try next, and which to recommend.
//!
//! Every function is pure in the problem and the history: no clock, no I/O, no state, so that a replayed journal leads to
//! the same decisions. Nothing here fails: whatever the readings are, the answer is a permitted point.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and indices of lattices are far below 2^52, and negative or fractional numbers are cut on purpose"
)]

mod acquisition;
mod decide;
mod descent;
mod explain;
mod fit;
mod gp;
mod kernel;
mod maximize;
mod model;
mod normal;
mod problem;
mod safety;
mod sequence;
mod space;

pub use problem::{Constraint, ObjectiveSource, Observation, Outcome, Problem, Scale};
pub(crate) use problem::{Forecast, Prediction, Recommendation, Suggestion, Why};
pub use space::{Dimension, Point, Space};

use crate::config::SearchAlgorithm;
use decide::Analysis;

/// Points of a sequence that are looked at for one that was not measured yet, before a point is repeated.
const ATTEMPTS: usize = 64;

/// The next point to try.
pub fn suggest(problem: &Problem, history: &[Observation]) -> Suggestion {
    let plain = |point, why| Suggestion { point, why, forecast: None, expected_improvement: None, potential: None };
    match problem.algorithm {
        SearchAlgorithm::Random => plain(unmodelled(problem, history), Why::Random),
        SearchAlgorithm::Sobol => plain(unmodelled(problem, history), Why::Sobol),
        SearchAlgorithm::GaussianProcess => match decide::design(problem, history) {
            Some(point) => plain(point, Why::Design),
            None => Analysis::new(problem, history).suggest(),
        },
    }
}

/// The measured point to recommend, unless it is one of the excluded ones; `None` while none is probably feasible.
pub fn recommend(problem: &Problem, history: &[Observation], excluded: &[Point]) -> Option<Recommendation> {
    Analysis::new(problem, history).recommend(excluded)
}

/// What the models predict at a point.
pub(crate) fn forecast(problem: &Problem, history: &[Observation], point: &[f64]) -> Forecast {
    Analysis::new(problem, history).forecast(point)
}

/// How much a dimension matters to each modelled metric: shares that add up to 1 over the dimensions; see `sensitivity`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sensitivity {
    /// Of the objective; none if it is computed or has no model.
    pub objective: Option<f64>,
    /// Of the constrained metrics, in the order of [`Problem::constraints`].
    pub constraints: Vec<Option<f64>>,
}

/// One metric of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Objective,
    /// The constraint of this index.
    Constraint(usize),
}

/// How much each dimension matters to each metric, one entry per dimension.
#[cfg(test)]
pub(crate) fn sensitivity(problem: &Problem, history: &[Observation]) -> Vec<Sensitivity> {
    explain::sensitivity(&Analysis::new(problem, history))
}

/// A metric along one dimension, averaged over the others: values of the dimension with predictions, in order. Empty
/// without a model of the metric.
#[cfg(test)]
pub(crate) fn partial_dependence(
    problem: &Problem,
    history: &[Observation],
    dimension: usize,
    metric: Metric,
) -> Vec<(f64, Prediction)> {
    explain::partial_dependence(&Analysis::new(problem, history), dimension, metric)
}

/// A point of the front of the objective against the tightest SLO.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tradeoff {
    /// A point that was tried.
    pub point: Point,
    /// The objective's posterior mean, or its computed value.
    pub objective: f64,
    /// How far the posterior mean of the tightest SLO's metric is below its threshold, as a share of the threshold's
    /// magnitude; negative when violated.
    pub margin: f64,
}

/// The tried points that no other one beats in both the objective and the tightest margin, cheapest first.
#[cfg(test)]
pub(crate) fn front(problem: &Problem, history: &[Observation]) -> Vec<Tradeoff> {
    explain::front(&Analysis::new(problem, history))
}

/// What moves the objective and what it trades against the SLOs, from models that are fitted once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Explanation {
    pub dimensions: Vec<DimensionExplanation>,
    pub front: Vec<Tradeoff>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DimensionExplanation {
    pub sensitivity: Sensitivity,
    pub objective: Vec<(f64, Prediction)>,
    /// The constrained metrics along it, in the order of [`Problem::constraints`].
    pub constraints: Vec<Vec<(f64, Prediction)>>,
}

/// Everything that the models tell at the end of a search.
pub(crate) fn explain(problem: &Problem, history: &[Observation]) -> Explanation {
    let analysis = Analysis::new(problem, history);
    let curve = |dimension, metric| explain::partial_dependence(&analysis, dimension, metric);
    let dimensions = explain::sensitivity(&analysis).into_iter().enumerate().map(|(dimension, sensitivity)| {
        let constraints = 0..problem.constraints.len();
        DimensionExplanation {
            sensitivity,
            objective: curve(dimension, Metric::Objective),
            constraints: constraints.map(|index| curve(dimension, Metric::Constraint(index))).collect(),
        }
    });
    Explanation { dimensions: dimensions.collect(), front: explain::front(&analysis) }
}

/// The next untried point of the algorithm's sequence.
fn unmodelled(problem: &Problem, history: &[Observation]) -> Point {
    let space = &problem.space;
    let dimensions = space.dimensions.len();
    let mut generator = sequence::generator(problem.seed, history.len());
    let started = history.iter().filter(|trial| !space.same(&trial.point, &problem.baseline)).count();
    let mut points = (started..started + ATTEMPTS).map(|index| match problem.algorithm {
        SearchAlgorithm::Random => space.at(&sequence::random(&mut generator, dimensions)),
        _ => space.at(&sequence::sobol(problem.seed, index, dimensions)),
    });
    let tried = |point: &Point| history.iter().any(|trial| space.same(&trial.point, point));
    points.find(|point| !tried(point)).unwrap_or_else(|| space.snap(&problem.baseline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CampaignMode;

    fn problem(algorithm: SearchAlgorithm) -> Problem {
        let dimensions = vec![
            Dimension::Steps { min: 0.25, max: 1.0, step: 0.25 },
            Dimension::Choice { values: 3 },
            Dimension::Steps { min: 1.0, max: 9.0, step: 0.0 },
        ];
        Problem {
            space: Space { dimensions },
            baseline: vec![0.5, 0.0, 1.0],
            objective: ObjectiveSource::Measured { scale: Scale::Linear },
            constraints: Vec::new(),
            mode: CampaignMode::Explore,
            risk: 0.2,
            algorithm,
            seed: 7,
            trials: 30,
        }
    }

    fn tried(point: Point) -> Observation {
        Observation { point, outcome: Outcome::Infeasible }
    }

    /// A search of a known function, its points in order; constraint: the second number at most 2.5.
    fn searched(problem: &Problem, trials: usize, outcome: impl Fn(&[f64]) -> Outcome) -> Vec<Observation> {
        let mut history = Vec::new();
        while history.len() < trials {
            let point = match history.len() {
                0 => problem.baseline.clone(),
                _ => suggest(problem, &history).point,
            };
            assert_eq!(problem.space.snap(&point), point, "not of the lattice");
            history.push(Observation { outcome: outcome(&point), point });
        }
        history
    }

    fn continuous(width: usize) -> Problem {
        let dimensions = vec![Dimension::Steps { min: -1.0, max: 3.0, step: 0.005 }; width];
        Problem { space: Space { dimensions }, baseline: vec![0.0; width], ..problem(SearchAlgorithm::GaussianProcess) }
    }

    fn measured(objective: f64) -> Outcome {
        Outcome::Measured { objective: Some(objective), constraints: Vec::new() }
    }

    #[test]
    fn a_bowl_is_minimized_and_explained() {
        let problem = continuous(2);
        let history = searched(&problem, 20, |x| measured((x[0] - 1.0).powi(2) + 0.1 * (x[1] - 0.5).powi(2)));
        let found = recommend(&problem, &history, &[]).expect("something is feasible");
        assert!((found.point[0] - 1.0).abs() < 0.05 && (found.point[1] - 0.5).abs() < 0.1, "{found:?}");
        let shares = sensitivity(&problem, &history);
        let share = |index: usize| shares[index].objective.expect("a model");
        assert!(share(0) > 0.9 && (share(0) + share(1) - 1.0).abs() < 1e-9, "{shares:?}");
        let curve = partial_dependence(&problem, &history, 0, Metric::Objective);
        let least = curve.iter().min_by(|a, b| a.1.mean.total_cmp(&b.1.mean)).expect("values");
        assert!((least.0 - 1.0).abs() < 0.4, "{curve:?}");
        assert!(partial_dependence(&problem, &history, 9, Metric::Objective).is_empty());
    }

    #[test]
    fn a_cost_is_minimized_up_to_the_limit_of_a_latency_and_the_front_says_what_a_margin_costs() {
        for mode in [CampaignMode::Explore, CampaignMode::Safe] {
            let dimensions = vec![Dimension::Steps { min: 0.25, max: 8.0, step: 0.25 }];
            let problem = Problem {
                space: Space { dimensions },
                baseline: vec![6.0],
                objective: ObjectiveSource::Computed(std::sync::Arc::new(|x| x[0])),
                constraints: vec![Constraint { name: "p99".to_owned(), threshold: 100.0, scale: Scale::Log }],
                mode,
                ..problem(SearchAlgorithm::GaussianProcess)
            };
            let latency = |x: &[f64]| 200.0 / x[0];
            let history = searched(&problem, 20, |x| {
                if x[0] < 1.0 {
                    return Outcome::Infeasible;
                }
                Outcome::Measured { objective: None, constraints: vec![Some(latency(x))] }
            });
            let found = recommend(&problem, &history, &[]).expect("the baseline is feasible");
            assert!((2.0..=2.5).contains(&found.point[0]), "{mode:?} {found:?}");
            let front = front(&problem, &history);
            assert!(front.len() > 1);
            assert!(front.is_sorted_by(|a, b| a.objective < b.objective && a.margin < b.margin), "{front:?}");
        }
    }

    #[test]
    fn a_trial_that_breaks_down_does_not_make_the_others_look_risky() {
        let steps = |min, max, step| Dimension::Steps { min, max, step };
        let constraint = |name: &str, threshold, scale| Constraint { name: name.to_owned(), threshold, scale };
        let problem = Problem {
            space: Space { dimensions: vec![steps(0.125, 1.5, 0.125), steps(1.0, 16.0, 1.0)] },
            baseline: vec![1.0, 8.0],
            objective: ObjectiveSource::Computed(std::sync::Arc::new(|x| x[0])),
            constraints: vec![constraint("p99", 50.0, Scale::Log), constraint("errors", 1.0, Scale::Linear)],
            trials: 20,
            ..problem(SearchAlgorithm::GaussianProcess)
        };
        // Half a core is enough; with less it falls behind, and with least nobody is answered.
        let found = |x: &[f64]| match x[0] {
            0.125 => [30_001.0, 100.0],
            0.25 => [9_300.0, 0.0],
            0.375 => [77.0, 0.0],
            _ => [4.0 + 0.1 * x[1].sin(), 0.0],
        };
        let told = |x: &[f64]| Outcome::Measured { objective: None, constraints: found(x).map(Some).to_vec() };
        let mut history = searched(&problem, 3, told);
        history.push(Observation { outcome: told(&[0.125, 1.0]), point: vec![0.125, 1.0] });
        while history.len() < 12 {
            let point = suggest(&problem, &history).point;
            history.push(Observation { outcome: told(&point), point });
        }
        let found = recommend(&problem, &history, &[]).expect("the baseline is feasible");
        assert!((found.point[0] - 0.5).abs() < 1e-9, "{history:#?}");
    }

    type Tell<'a> = &'a dyn Fn(&[f64]) -> Outcome;

    #[test]
    fn no_history_makes_it_fail() {
        let nothing = || Outcome::Measured { objective: None, constraints: Vec::new() };
        let odd = |objective: f64| Outcome::Measured { objective: Some(objective), constraints: vec![Some(objective)] };
        let outcomes: [Tell<'_>; 8] = [
            &|_| Outcome::Infeasible,
            &|_| nothing(),
            &|_| odd(0.0),
            &|_| odd(-3.0),
            &|_| odd(f64::NAN),
            &|_| odd(f64::INFINITY),
            &|_| odd(1e300),
            &|x| if x.first().is_some_and(|first| *first > 0.5) { odd(1.0) } else { Outcome::Infeasible },
        ];
        let mut problems = vec![problem(SearchAlgorithm::GaussianProcess), continuous(1)];
        let nothing_to_do = Problem { space: Space { dimensions: Vec::new() }, baseline: vec![], ..continuous(1) };
        problems.push(nothing_to_do);
        for scale in [Scale::Linear, Scale::Log] {
            for mode in [CampaignMode::Explore, CampaignMode::Safe] {
                for (index, outcome) in outcomes.iter().enumerate() {
                    for plain in &problems {
                        let constraints = vec![Constraint { name: "p99".to_owned(), threshold: 0.5, scale }];
                        let problem = Problem {
                            constraints,
                            mode,
                            objective: ObjectiveSource::Measured { scale },
                            ..plain.clone()
                        };
                        let history = searched(&problem, 7, |x| outcome(x));
                        let forecast = recommend(&problem, &history, &[]).map(|found| found.forecast);
                        let share = forecast.as_ref().and_then(|forecast| forecast.probability_feasible).unwrap_or(0.0);
                        assert!((0.0..=1.0).contains(&share), "{index} {forecast:?}");
                        assert_eq!(suggest(&problem, &history), suggest(&problem, &history));
                        let _ = (sensitivity(&problem, &history), front(&problem, &history));
                    }
                }
            }
        }
    }

    #[test]
    fn unmodelled_points_are_of_the_lattice_untried_and_the_same_again() {
        for algorithm in [SearchAlgorithm::Random, SearchAlgorithm::Sobol] {
            let problem = problem(algorithm);
            let mut history = vec![tried(problem.baseline.clone())];
            for _ in 0..8 {
                let suggestion = suggest(&problem, &history);
                assert_eq!(suggestion, suggest(&problem, &history));
                assert_eq!(problem.space.snap(&suggestion.point), suggestion.point);
                assert!(!history.iter().any(|trial| trial.point == suggestion.point), "{suggestion:?}");
                history.push(tried(suggestion.point));
            }
        }
    }
}
