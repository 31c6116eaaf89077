//! Which settings to try next, and which to run in the end: an optimizer that is asked and told.
//!
//! Every function is a pure one of the problem and the history: no clock, no I/O, no state, so that a replayed journal
//! leads to the same decisions. Nothing here fails: whatever the readings are, the answer is a permitted point.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and indices of lattices are far below 2^52, and negative or fractional numbers are cut on purpose"
)]

mod problem;
mod sequence;
mod space;

pub use problem::{
    Algorithm, Constraint, Forecast, Function, Mode, Objective, Observation, Outcome, Prediction, Problem,
    Recommendation, Scale, Suggestion, Why,
};
pub use space::{Dimension, Point, Space};

/// Tries to find a point that was not tried yet before one is repeated.
const TRIES: usize = 64;

/// The next point to try.
pub fn suggest(problem: &Problem, history: &[Observation]) -> Suggestion {
    let why = match problem.algorithm {
        Algorithm::Random => Why::Random,
        Algorithm::GaussianProcess | Algorithm::Sobol => Why::Sobol,
    };
    let point = unmodelled(problem, history);
    Suggestion { point, why, forecast: None, expected_improvement: None }
}

/// What to run in the end, as far as the history tells; none while nothing feasible is known.
pub fn recommend(problem: &Problem, history: &[Observation]) -> Option<Recommendation> {
    let feasible = history.iter().filter_map(|trial| match &trial.outcome {
        Outcome::Measured { objective, constraints } => {
            let holds = constraints
                .iter()
                .zip(&problem.constraints)
                .all(|(reading, constraint)| reading.is_some_and(|reading| reading <= constraint.threshold));
            let value = match &problem.objective {
                Objective::Computed(function) => function(&trial.point),
                Objective::Measured { .. } => (*objective)?,
            };
            holds.then_some((trial.point.clone(), value))
        }
        Outcome::Infeasible => None,
    });
    let (point, value) = feasible.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let objective = Some(Prediction { mean: value, deviation: 0.0 });
    let forecast =
        Forecast { objective, constraints: vec![None; problem.constraints.len()], probability_feasible: 0.5 };
    Some(Recommendation { point, forecast })
}

/// How much a dimension matters to each modelled metric: shares that add up to 1 over the dimensions; see `sensitivity`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Of the objective; none if it is computed or has no model.
    pub objective: Option<f64>,
    /// Of the constrained metrics, in the order of [`Problem::constraints`].
    pub constraints: Vec<Option<f64>>,
}

/// One metric of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The objective.
    Objective,
    /// The constraint of this index.
    Constraint(usize),
}

/// How much each dimension matters to each metric, one entry per dimension.
pub fn sensitivity(problem: &Problem, history: &[Observation]) -> Vec<Sensitivity> {
    let _ = history;
    let constraints = vec![None; problem.constraints.len()];
    vec![Sensitivity { objective: None, constraints }; problem.space.dimensions.len()]
}

/// A metric along one dimension, averaged over the others: values of the dimension with predictions, in order. Empty
/// without a model of the metric.
pub fn partial_dependence(
    problem: &Problem,
    history: &[Observation],
    dimension: usize,
    metric: Metric,
) -> Vec<(f64, Prediction)> {
    let _ = (problem, history, dimension, metric);
    Vec::new()
}

/// A point of the front of the objective against the tightest SLO.
#[derive(Clone, Debug, PartialEq)]
pub struct Tradeoff {
    /// A point that was tried.
    pub point: Point,
    /// The objective's posterior mean, or its computed value.
    pub objective: f64,
    /// How far the posterior mean of the tightest SLO's metric is below its threshold, as a share of the threshold's
    /// magnitude; negative when violated.
    pub margin: f64,
}

/// The tried points that no other one beats in both the objective and the tightest margin, cheapest first.
pub fn front(problem: &Problem, history: &[Observation]) -> Vec<Tradeoff> {
    let _ = (problem, history);
    Vec::new()
}

/// The next untried point of the algorithm's sequence.
fn unmodelled(problem: &Problem, history: &[Observation]) -> Point {
    let space = &problem.space;
    let dimensions = space.dimensions.len();
    let mut generator = sequence::generator(problem.seed, history.len());
    let started = history.iter().filter(|trial| !space.same(&trial.point, &problem.baseline)).count();
    let mut points = (started..started + TRIES).map(|index| match problem.algorithm {
        Algorithm::Random => space.at(&sequence::random(&mut generator, dimensions)),
        _ => space.at(&sequence::sobol(problem.seed, index, dimensions)),
    });
    let tried = |point: &Point| history.iter().any(|trial| space.same(&trial.point, point));
    points.find(|point| !tried(point)).unwrap_or_else(|| space.snap(&problem.baseline))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(algorithm: Algorithm) -> Problem {
        let dimensions = vec![
            Dimension::Steps { min: 0.25, max: 1.0, step: 0.25 },
            Dimension::Choice { values: 3 },
            Dimension::Steps { min: 1.0, max: 9.0, step: 0.0 },
        ];
        Problem {
            space: Space { dimensions },
            baseline: vec![0.5, 0.0, 1.0],
            objective: Objective::Measured { scale: Scale::Linear },
            constraints: Vec::new(),
            mode: Mode::Explore,
            algorithm,
            seed: 7,
            trials: 30,
        }
    }

    fn tried(point: Point) -> Observation {
        Observation { point, outcome: Outcome::Infeasible }
    }

    #[test]
    fn unmodelled_points_are_of_the_lattice_untried_and_the_same_again() {
        for algorithm in [Algorithm::Random, Algorithm::Sobol] {
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
