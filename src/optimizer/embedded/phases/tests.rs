//! Campaigns on formulas.

use std::sync::Arc;

use super::*;
use crate::config::SearchAlgorithm;
use crate::optimizer::embedded::search::{Constraint, Dimension, ObjectiveSource, Scale, Space};

/// The objective and the constrained metric at a point; `None` where a trial fails.
type Truth<'a> = &'a dyn Fn(&[f64]) -> Option<(f64, f64)>;

type TruthByPhase<'a> = &'a dyn Fn(Purpose, &[f64]) -> Option<(f64, f64)>;

/// A campaign that is over.
struct Campaign {
    evidence: Vec<Evidence>,
    conclusion: Conclusion,
}

impl Campaign {
    fn purposes(&self) -> Vec<Purpose> {
        self.evidence.iter().map(|trial| trial.purpose).collect()
    }

    fn verdict(&self) -> Option<&Verdict> {
        self.conclusion.chosen.as_ref()?.verdict.as_ref()
    }

    fn winner(&self) -> &Point {
        &self.conclusion.chosen.as_ref().expect("something is recommended").point
    }

    fn confirmed(&self) -> Vec<&Point> {
        let confirmation = self.evidence.iter().filter(|trial| trial.purpose == Purpose::Confirmation);
        confirmation.map(|trial| &trial.observation.point).collect()
    }
}

/// One setting from 0 to 10 in steps of 1, which is 5 at first; the metric must be at most 100.
fn problem(objective: ObjectiveSource, trials: usize) -> Problem {
    Problem {
        space: Space { dimensions: vec![Dimension::Steps { min: 0.0, max: 10.0, step: 1.0 }] },
        baseline: vec![5.0],
        objective,
        constraints: vec![Constraint { name: "p99".to_owned(), threshold: 100.0, scale: Scale::Log }],
        mode: CampaignMode::Explore,
        risk: 0.2,
        algorithm: SearchAlgorithm::GaussianProcess,
        seed: 1,
        trials,
    }
}

fn computed() -> ObjectiveSource {
    ObjectiveSource::Computed(Arc::new(|x| 1.0 + x[0]))
}

fn measured() -> ObjectiveSource {
    ObjectiveSource::Measured { scale: Scale::Linear }
}

/// Runs a campaign to its end. Readings have multiplicative noise of this deviation.
fn run(problem: &Problem, noise: f64, truth: Truth<'_>) -> Campaign {
    run_with(problem, noise, &|_, point| truth(point))
}

/// The same with a truth that depends on the phase.
fn run_with(problem: &Problem, noise: f64, truth: TruthByPhase<'_>) -> Campaign {
    go_on(Vec::new(), problem, noise, truth, &|_| false)
}

/// Continues a campaign. Trials of these numbers say nothing.
fn go_on(
    mut evidence: Vec<Evidence>,
    problem: &Problem,
    noise: f64,
    truth: TruthByPhase<'_>,
    is_void: &dyn Fn(usize) -> bool,
) -> Campaign {
    let mut generator = fastrand::Rng::with_seed(problem.seed);
    let continued_at = evidence.len();
    loop {
        let phases = Phases { problem, evidence: &evidence, continued_at };
        let (purpose, point, potential) = match phases.next() {
            Step::Baseline => (Purpose::Baseline, problem.baseline.clone(), None),
            Step::Search(suggestion) => (Purpose::Search, suggestion.point, suggestion.potential),
            Step::Confirm(point, _) => (Purpose::Confirmation, point, None),
            Step::ConfirmBaseline => (Purpose::Confirmation, problem.baseline.clone(), None),
            Step::Finish(conclusion) => return Campaign { evidence, conclusion: *conclusion },
        };
        let mut factor = || {
            let radius = (-2.0 * (1.0 - generator.f64()).ln()).sqrt();
            (noise * radius * (std::f64::consts::TAU * generator.f64()).cos()).exp()
        };
        let outcome = match truth(purpose, &point) {
            _ if is_void(evidence.len() + 1) => Outcome::Void,
            None => Outcome::Infeasible,
            Some((objective, metric)) => {
                Outcome::Measured { objective: Some(objective * factor()), constraints: vec![Some(metric * factor())] }
            }
        };
        evidence.push(Evidence { purpose, observation: Observation { point, outcome }, potential });
        assert!(evidence.len() <= problem.trials, "the budget is exceeded");
    }
}

fn is_close(point: &[f64], value: f64) -> bool {
    (point[0] - value).abs() < 1e-9
}

#[test]
fn a_cheaper_setting_that_keeps_the_slo_is_confirmed_by_its_own_readings() {
    let campaign = run(&problem(computed(), 20), 0.02, &|x| Some((0.0, if x[0] < 3.0 { 300.0 } else { 50.0 })));
    assert_eq!(campaign.verdict(), Some(&Verdict::Confirmed), "{:?}", campaign.conclusion);
    assert!(is_close(campaign.winner(), 3.0));
    // The cost of the baseline is known, so that measuring it again would tell nothing.
    assert!(campaign.confirmed().iter().all(|point| is_close(point, 3.0)));
}

#[test]
fn a_measured_objective_is_confirmed_in_turns_with_the_baseline() {
    let campaign = run(&problem(measured(), 20), 0.02, &|x| Some((100.0 - 5.0 * x[0], 50.0)));
    assert_eq!(campaign.verdict(), Some(&Verdict::Confirmed), "{:?}", campaign.conclusion);
    let confirmed = campaign.confirmed();
    assert!(is_close(confirmed[0], 10.0) && is_close(confirmed[1], 5.0) && is_close(confirmed[2], 10.0));
    assert!(is_close(campaign.winner(), 10.0));
}

#[test]
fn what_violates_in_the_confirmation_is_dropped_for_the_next_candidate() {
    // The search is flattered by 3.
    let campaign = run_with(&problem(computed(), 30), 0.02, &|purpose, x| {
        let least = if purpose == Purpose::Search { 2.5 } else { 3.5 };
        Some((0.0, if x[0] > least { 50.0 } else { 300.0 }))
    });
    let confirmed = campaign.confirmed();
    assert!(is_close(confirmed[0], 3.0) && is_close(confirmed[1], 3.0), "{confirmed:?}");
    assert!(is_close(campaign.winner(), 4.0), "{confirmed:?}");
    assert_eq!(campaign.verdict(), Some(&Verdict::Confirmed));
}

#[test]
fn settings_that_hold_too_narrowly_are_not_confirmed() {
    let campaign = run(&problem(computed(), 12), 0.3, &|x| Some((0.0, if x[0] < 3.0 { 900.0 } else { 92.0 })));
    assert_ne!(campaign.verdict(), Some(&Verdict::Confirmed), "{:?}", campaign.conclusion);
}

#[test]
fn noise_is_no_improvement() {
    for (noise, truth, seeds) in [(0.1, 100.0, 6), (0.0, 7.0, 1), (0.0, 0.0, 1), (0.0, -3.0, 1)] {
        let confirmed = (1..=seeds).filter(|seed| {
            let problem = Problem { seed: *seed, ..problem(measured(), 14) };
            run(&problem, noise, &|_| Some((truth, 50.0))).verdict() == Some(&Verdict::Confirmed)
        });
        let confirmed = confirmed.count();
        assert!(confirmed <= usize::from(noise > 0.0), "{confirmed} of {seeds} at {noise}");
    }
}

#[test]
fn safe_mode_ends_where_the_baseline_violates_and_explore_looks_for_feasibility() {
    let truth = |x: &[f64]| Some((0.0, 600.0 / x[0].max(0.5)));
    let safe = Problem { mode: CampaignMode::Safe, ..problem(computed(), 20) };
    let ended = run(&safe, 0.02, &truth);
    assert_eq!(ended.purposes(), [Purpose::Baseline; 3]);
    assert_eq!(ended.conclusion, Conclusion { stop: Stop::BaselineViolates, chosen: None });
    let explored = run(&problem(computed(), 20), 0.02, &truth);
    assert_eq!(explored.verdict(), Some(&Verdict::Confirmed), "{:?}", explored.conclusion);
    assert!(explored.winner()[0] >= 6.0, "{:?}", explored.winner());
}

#[test]
fn a_lattice_that_was_measured_whole_ends_the_search() {
    let small = Space { dimensions: vec![Dimension::Steps { min: 1.0, max: 3.0, step: 1.0 }] };
    let problem = Problem { space: small, baseline: vec![2.0], ..problem(measured(), 30) };
    let campaign = run(&problem, 0.02, &|x| Some((10.0 - x[0], 50.0)));
    let searched = campaign.purposes().iter().filter(|purpose| **purpose == Purpose::Search).count();
    assert!(searched <= 3, "{:?}", campaign.purposes());
    assert_eq!(campaign.conclusion.stop, Stop::Exhausted);
    assert!(is_close(campaign.winner(), 3.0), "{:?}", campaign.conclusion);
}

#[test]
fn only_measured_points_are_recommended_however_fine_the_lattice_is() {
    for max in [1_000.0, 1e9] {
        let fine = Space { dimensions: vec![Dimension::Steps { min: 1.0, max, step: 1.0 }] };
        let problem = Problem { space: fine, baseline: vec![1.0], constraints: Vec::new(), ..problem(measured(), 12) };
        let campaign = run(&problem, 0.0, &|x| Some((5.0 + 100.0 * ((x[0] - 1.0) / (max - 1.0) - 0.7).abs(), 0.0)));
        let winner = campaign.winner();
        let searched = campaign.evidence.iter().filter(|trial| trial.purpose == Purpose::Search);
        assert!(searched.map(|trial| &trial.observation.point).any(|point| point == winner), "{winner:?}");
        assert_eq!(campaign.verdict(), Some(&Verdict::Confirmed), "{:?}", campaign.conclusion);
    }
}

#[test]
fn when_every_trial_fails_the_baseline_stays() {
    let campaign = run(&problem(computed(), 12), 0.02, &|x| is_close(x, 5.0).then_some((0.0, 50.0)));
    assert!(is_close(campaign.winner(), 5.0) && campaign.verdict().is_none(), "{:?}", campaign.conclusion);
    assert!(campaign.confirmed().is_empty());
}

#[test]
fn a_budget_without_room_confirms_nothing() {
    let campaign = run(&problem(computed(), 5), 0.02, &|_| Some((0.0, 50.0)));
    assert_eq!(campaign.evidence.len(), 5);
    assert!(matches!(campaign.verdict(), None | Some(Verdict::TooFewMeasurements)));
}

#[test]
fn trials_that_say_nothing_are_no_readings_and_their_settings_are_not_suggested_again() {
    let problem = problem(computed(), 24);
    let truth = |_: Purpose, x: &[f64]| Some((0.0, if x[0] < 3.0 { 300.0 } else { 50.0 }));
    let whole = go_on(Vec::new(), &problem, 0.02, &truth, &|_| false);
    let confirmation = whole.evidence.iter().position(|trial| trial.purpose == Purpose::Confirmation).unwrap();
    // A baseline, a trial of the search, and each first one of the confirmation.
    let campaign = go_on(Vec::new(), &problem, 0.02, &truth, &|number| {
        [2, 6].contains(&number) || number > confirmation && number % 2 == 0
    });
    let measured = |purpose: Purpose| {
        let of = campaign.evidence.iter().filter(move |trial| trial.purpose == purpose);
        of.filter(|trial| trial.observation.outcome != Outcome::Void).count()
    };
    assert_eq!(campaign.purposes()[..5], [[Purpose::Baseline; 4].as_slice(), &[Purpose::Search]].concat());
    assert_eq!(measured(Purpose::Baseline), BASELINE_READINGS);
    let void = &campaign.evidence[5];
    assert!(void.purpose == Purpose::Search && void.observation.outcome == Outcome::Void, "{void:?}");
    let again = campaign.evidence.iter().filter(|trial| trial.observation.point == void.observation.point).count();
    assert_eq!(again, 1);
    assert!(measured(Purpose::Confirmation) >= FEWEST, "{:?}", campaign.purposes());
    assert_eq!(campaign.verdict(), Some(&Verdict::Confirmed), "{:?}", campaign.conclusion);
}

#[test]
fn a_larger_budget_is_searched_before_it_is_confirmed_again() {
    let truth = |_: Purpose, x: &[f64]| Some((100.0 - 0.05 * x[0], 50.0));
    let wide = Space { dimensions: vec![Dimension::Steps { min: 0.0, max: 1000.0, step: 1.0 }] };
    let small = Problem { space: wide, ..problem(measured(), 8) };
    let first = go_on(Vec::new(), &small, 0.02, &truth, &|_| false);
    let spent = first.evidence.len();
    let longer = go_on(first.evidence, &Problem { trials: 20, ..small }, 0.02, &truth, &|_| false);
    let more = &longer.purposes()[spent..];
    assert!(more[0] == Purpose::Search && more.contains(&Purpose::Confirmation), "{more:?}");
}

#[test]
fn what_promised_nothing_may_promise_something_under_other_prices() {
    let truth = |_: Purpose, _: &[f64]| Some((0.0, 50.0));
    let wide = Space { dimensions: vec![Dimension::Steps { min: 0.0, max: 1000.0, step: 1.0 }] };
    let cheap = Problem { space: wide, baseline: vec![500.0], ..problem(computed(), 40) };
    let first = go_on(Vec::new(), &cheap, 0.02, &truth, &|_| false);
    assert_eq!(first.conclusion.stop, Stop::NoImprovement);
    assert!(is_close(first.winner(), 0.0), "{:?}", first.conclusion);
    let spent = first.evidence.len();
    let objective = ObjectiveSource::Computed(Arc::new(|x| 1001.0 - x[0]));
    let other = go_on(first.evidence, &Problem { objective, ..cheap }, 0.02, &truth, &|_| false);
    assert_eq!(other.purposes()[spent], Purpose::Search);
    assert!(is_close(other.winner(), 1000.0), "{:?}", other.conclusion);
}
