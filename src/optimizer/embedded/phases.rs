//! The phases of a campaign, on numbers alone: the baseline, the search, the confirmation of what it found, the verdict.
//!
//! Pure: the same trials lead to the same next step.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::search::{self, Constraint, Forecast, Observation, Outcome, Point, Problem, Suggestion, Why};
use super::statistics::{Difference, EARLY_ERROR, ERROR, FEWEST, upper_bound};
use super::values::mean;
use crate::config::CampaignMode;

/// How often the baseline is measured first: enough for a mean and a notion of the noise.
const BASELINE_READINGS: usize = 3;

/// One in so many trials of the budget is kept for the confirmation, and never more than the greatest reserve.
const TRIALS_PER_CONFIRMATION: usize = 5;
const GREATEST_RESERVE: usize = 10;

/// The smallest budget with a confirmation: the baseline, a trial of the search, and two readings of its winner.
const SMALLEST_BUDGET: usize = BASELINE_READINGS + 1 + FEWEST;

/// The most readings of a candidate in a confirmation.
const MOST_READINGS: usize = 5;

/// So many trials of the search in a row must have little potential for it to stop.
const TRIALS_WITHOUT_POTENTIAL: usize = 5;

/// What counts as little potential: an expected improvement by this share of the incumbent's objective.
const LITTLE_POTENTIAL: f64 = 0.01;

/// Why a trial is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To know the settings as they were described, and how noisy readings are.
    Baseline,
    /// To learn.
    Search,
    /// To confirm what was found: the winner and the baseline in turns.
    Confirmation,
}

impl Purpose {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Search => "search",
            Self::Confirmation => "confirmation",
        }
    }
}

/// Why the search is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    /// The budget is spent.
    Budget,
    /// No setting is expected to be better by 1%.
    NoImprovement,
    /// Every permitted setting was measured.
    Exhausted,
    /// The baseline violates an SLO, and `safe` mode has no safe setting to start from.
    BaselineViolates,
    /// Several trials in a row said nothing about their settings.
    NotMeasured,
}

/// A trial that is over.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    pub(super) purpose: Purpose,
    pub(super) observation: Observation,
    /// Of a trial of the search: see [`Suggestion::potential`].
    pub(super) potential: Option<f64>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Baseline,
    Search(Box<Suggestion>),
    /// Measure the candidate.
    Confirm(Point, Box<Forecast>),
    /// Measure the baseline beside the candidate.
    ConfirmBaseline,
    Finish(Box<Conclusion>),
}

/// What the campaign ends with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    pub(super) stop: Stop,
    pub(super) chosen: Option<Chosen>,
}

/// The settings that the campaign ends with: a winner, or the baseline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) point: Point,
    pub(super) forecast: Forecast,
    /// `None` for the baseline, of which there is nothing to prove.
    pub(super) verdict: Option<Verdict>,
}

/// What the confirmation says of the winner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Every SLO holds by a confidence bound, and the objective is better by a confidence interval that excludes zero.
    /// Where the baseline violates an SLO beyond doubt, keeping all of them is the improvement.
    Confirmed,
    /// Every SLO holds, and the interval of the objective's difference includes zero.
    NoImprovement,
    /// The metrics whose mean violates an SLO; empty if a trial of the confirmation failed or was ended early.
    Violates(Vec<String>),
    /// Too few measurements, or an SLO holds too narrowly for that many.
    TooFewMeasurements,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed => f.write_str("confirmed"),
            Self::NoImprovement => f.write_str("no significant improvement"),
            Self::Violates(metrics) if metrics.is_empty() => f.write_str("a trial of the confirmation failed"),
            Self::Violates(metrics) => write!(f, "violates {}", metrics.join(", ")),
            Self::TooFewMeasurements => f.write_str("not confirmed: too few measurements"),
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the budget was spent",
            Self::NoImprovement => "no setting within the ranges is expected to be better by 1%",
            Self::Exhausted => "every permitted setting was measured",
            Self::NotMeasured => "several measurements in a row said nothing",
            Self::BaselineViolates => {
                "the baseline violates an SLO, and safe mode starts from settings that keep all of them"
            }
        })
    }
}

/// All trials so far.
#[derive(Clone, Copy)]
pub(super) struct Phases<'a> {
    pub(super) problem: &'a Problem,
    pub(super) evidence: &'a [Evidence],
    /// Where the evidence was continued with another configuration: confirmations before that are readings, but the
    /// search goes on.
    pub(super) continued_at: usize,
}

impl Phases<'_> {
    pub(super) fn next(&self) -> Step {
        if self.trials_of(&self.problem.baseline, &[Purpose::Baseline]).len() < BASELINE_READINGS {
            return Step::Baseline;
        }
        if self.problem.mode == CampaignMode::Safe && !self.baseline_violations().is_empty() {
            return Step::Finish(Box::new(Conclusion { stop: Stop::BaselineViolates, chosen: None }));
        }
        if self.current().any(|trial| trial.purpose == Purpose::Confirmation) {
            return self.confirmation(self.stop().unwrap_or(Stop::Exhausted));
        }
        match self.stop() {
            // With nothing to confirm, the reserve is better spent on the search.
            Some(Stop::Budget) if self.left() > FEWEST && self.candidate().is_none() => {}
            Some(stop) => return self.confirmation(stop),
            None => {}
        }
        let suggestion = search::suggest(self.problem, &self.history());
        if suggestion.why == Why::Exhausted {
            return self.confirmation(Stop::Exhausted);
        }
        Step::Search(Box::new(suggestion))
    }

    /// The constraints that the baseline violates on average.
    pub(super) fn baseline_violations(&self) -> Vec<(usize, f64)> {
        self.violated_on_average(&self.of_baseline())
    }

    /// Measures the candidate, and the baseline in turns with it unless the objective is computed, until the verdict is
    /// clear or the readings are used up; a candidate that violates is dropped for the next one.
    fn confirmation(&self, stop: Stop) -> Step {
        let candidates = self.candidates();
        let Some(point) = candidates.last() else { return self.confirm_next(stop, &[]) };
        let trials = self.trials_of(point, &[Purpose::Confirmation]);
        if self.is_dropped(&trials) {
            return self.confirm_next(stop, &candidates);
        }
        if !self.is_decided(point, &trials) && self.left() > 0 {
            return self.confirm(point, &trials);
        }
        self.finish(stop, point)
    }

    /// Whether a candidate needs no more readings.
    fn is_decided(&self, point: &Point, trials: &[&Observation]) -> bool {
        let is_clear = trials.len() >= FEWEST && self.verdict(point, trials, EARLY_ERROR) == Verdict::Confirmed;
        is_clear || trials.len() >= MOST_READINGS
    }

    fn confirm(&self, point: &Point, trials: &[&Observation]) -> Step {
        let of_baseline = self.trials_of(&self.problem.baseline, &[Purpose::Confirmation]).len();
        let must_be_candidate = self.left() <= FEWEST.saturating_sub(trials.len());
        let in_turn = self.problem.objective.is_computed() || trials.len() <= of_baseline;
        if in_turn || must_be_candidate {
            let forecast = search::forecast(self.problem, &self.history(), point);
            return Step::Confirm(point.clone(), Box::new(forecast));
        }
        Step::ConfirmBaseline
    }

    fn confirm_next(&self, stop: Stop, dropped: &[Point]) -> Step {
        let room = self.left() >= FEWEST && self.problem.trials >= SMALLEST_BUDGET;
        if let Some(last) = dropped.last()
            && !room
        {
            return self.finish(stop, last);
        }
        let recommended = search::recommend(self.problem, &self.history(), dropped);
        let is_known = |point: &Point| self.is_decided(point, &self.trials_of(point, &[Purpose::Confirmation]));
        let is_baseline = |point: &Point| self.problem.space.same(point, &self.problem.baseline);
        match (recommended, dropped.last()) {
            (Some(found), _) if !is_baseline(&found.point) && room && !is_known(&found.point) => {
                Step::Confirm(found.point, Box::new(found.forecast))
            }
            (None, Some(last)) => self.finish(stop, last),
            (Some(found), Some(last)) if is_baseline(&found.point) => self.finish(stop, last),
            (Some(found), _) => self.finish(stop, &found.point),
            (None, None) => Step::Finish(Box::new(Conclusion { stop, chosen: None })),
        }
    }

    fn finish(&self, stop: Stop, point: &Point) -> Step {
        let forecast = search::forecast(self.problem, &self.history(), point);
        let is_baseline = self.problem.space.same(point, &self.problem.baseline);
        let trials = self.trials_of(point, &[Purpose::Confirmation]);
        let verdict = (!is_baseline).then(|| self.verdict(point, &trials, ERROR));
        let chosen = Some(Chosen { point: point.clone(), forecast, verdict });
        Step::Finish(Box::new(Conclusion { stop, chosen }))
    }

    /// What the readings of a confirmation say of its candidate.
    fn verdict(&self, point: &Point, trials: &[&Observation], error: f64) -> Verdict {
        if trials.iter().any(|trial| trial.outcome == Outcome::Infeasible) {
            return Verdict::Violates(Vec::new());
        }
        let violated = self.violated_on_average(trials);
        if !violated.is_empty() {
            let names = violated.iter().map(|(index, _)| self.problem.constraints[*index].name.clone());
            return Verdict::Violates(names.collect());
        }
        let baseline = self.of_baseline();
        let holds = |index: usize| {
            let [sample, others] = [trials, &baseline].map(|trials| constraint_readings(trials, index));
            let threshold = self.problem.constraints[index].threshold;
            upper_bound(&sample, &others, error).is_some_and(|bound| bound <= threshold)
        };
        if trials.len() < FEWEST || !(0..self.problem.constraints.len()).all(holds) {
            return Verdict::TooFewMeasurements;
        }
        if self.is_baseline_certainly_violating() {
            return Verdict::Confirmed;
        }
        let [before, after] = [baseline.as_slice(), trials].map(objective_readings);
        let is_better =
            match self.problem.objective.computed(point).zip(self.problem.objective.computed(&self.problem.baseline)) {
                Some((after, before)) => after < before,
                None if before.len() < FEWEST || after.len() < FEWEST => return Verdict::TooFewMeasurements,
                None => Difference::between(&before, &after, error).is_some_and(|difference| difference.is_lower()),
            };
        if is_better { Verdict::Confirmed } else { Verdict::NoImprovement }
    }

    /// Whether a candidate's readings rule it out.
    fn is_dropped(&self, trials: &[&Observation]) -> bool {
        let failed = trials.iter().any(|trial| trial.outcome == Outcome::Infeasible);
        failed || (trials.len() >= FEWEST && !self.violated_on_average(trials).is_empty())
    }

    /// The constraints whose mean reading is beyond the threshold, with that mean.
    fn violated_on_average(&self, trials: &[&Observation]) -> Vec<(usize, f64)> {
        let constraints = self.problem.constraints.iter().enumerate();
        let violated = constraints.filter_map(|(index, constraint)| {
            let mean = mean(&constraint_readings(trials, index))?;
            (mean > constraint.threshold).then_some((index, mean))
        });
        violated.collect()
    }

    /// Whether the baseline violates an SLO beyond doubt, so that any settings that keep all of them are better.
    fn is_baseline_certainly_violating(&self) -> bool {
        let baseline = self.of_baseline();
        let beyond = |(index, constraint): (usize, &Constraint)| {
            let negated: Vec<f64> = constraint_readings(&baseline, index).iter().map(|reading| -reading).collect();
            upper_bound(&negated, &[], ERROR).is_some_and(|bound| bound < -constraint.threshold)
        };
        baseline.iter().all(|trial| trial.outcome == Outcome::Infeasible)
            || self.problem.constraints.iter().enumerate().any(beyond)
    }

    /// The candidate that a confirmation would begin with.
    fn candidate(&self) -> Option<Point> {
        let found = search::recommend(self.problem, &self.history(), &[])?;
        (!self.problem.space.same(&found.point, &self.problem.baseline)).then_some(found.point)
    }

    /// The candidates of the confirmation so far, in order.
    fn candidates(&self) -> Vec<Point> {
        let space = &self.problem.space;
        let mut candidates: Vec<Point> = Vec::new();
        for trial in self.current().filter(|trial| trial.purpose == Purpose::Confirmation) {
            let point = &trial.observation.point;
            let is_known = candidates.iter().any(|known| space.same(known, point));
            if !is_known && !space.same(point, &self.problem.baseline) {
                candidates.push(point.clone());
            }
        }
        candidates
    }

    /// Why the search is over; `None` while it goes on.
    fn stop(&self) -> Option<Stop> {
        let confirmations = self.current().filter(|trial| trial.purpose == Purpose::Confirmation).count();
        if self.evidence.len() - confirmations + self.reserve() >= self.problem.trials {
            return Some(Stop::Budget);
        }
        let is_search = |trial: &&Evidence| trial.purpose == Purpose::Search;
        let searched = self.evidence.iter().filter(is_search).count();
        let enough = (2 * (self.problem.space.dimensions.len() + 1)).max(TRIALS_WITHOUT_POTENTIAL);
        // Another configuration has another potential.
        let current: Vec<&Evidence> = self.current().filter(is_search).collect();
        let latest = current.get(current.len().checked_sub(TRIALS_WITHOUT_POTENTIAL)?..)?;
        let is_little = |trial: &&Evidence| trial.potential.is_some_and(|potential| potential < LITTLE_POTENTIAL);
        (searched >= enough && latest.iter().all(is_little)).then_some(Stop::NoImprovement)
    }

    /// The trials of the budget that are kept for the confirmation.
    fn reserve(&self) -> usize {
        if self.problem.trials < SMALLEST_BUDGET {
            return 0;
        }
        (self.problem.trials / TRIALS_PER_CONFIRMATION).clamp(FEWEST, GREATEST_RESERVE)
    }

    fn left(&self) -> usize {
        self.problem.trials.saturating_sub(self.evidence.len())
    }

    /// The trials since the campaign was last continued.
    fn current(&self) -> impl Iterator<Item = &Evidence> {
        self.evidence.iter().skip(self.continued_at)
    }

    fn history(&self) -> Vec<Observation> {
        self.evidence.iter().map(|trial| trial.observation.clone()).collect()
    }

    fn of_baseline(&self) -> Vec<&Observation> {
        self.trials_of(&self.problem.baseline, &[Purpose::Baseline, Purpose::Search, Purpose::Confirmation])
    }

    fn trials_of(&self, point: &Point, purposes: &[Purpose]) -> Vec<&Observation> {
        let is_meant = |trial: &&Evidence| {
            let says_something = trial.observation.outcome != Outcome::Void;
            let is_same = self.problem.space.same(&trial.observation.point, point);
            says_something && is_same && purposes.contains(&trial.purpose)
        };
        self.evidence.iter().filter(is_meant).map(|trial| &trial.observation).collect()
    }
}

fn constraint_readings(trials: &[&Observation], index: usize) -> Vec<f64> {
    readings(trials, |outcome| match outcome {
        Outcome::Measured { constraints, .. } => constraints.get(index).copied().flatten(),
        Outcome::Infeasible | Outcome::Void => None,
    })
}

fn objective_readings(trials: &[&Observation]) -> Vec<f64> {
    readings(trials, |outcome| match outcome {
        Outcome::Measured { objective, .. } => *objective,
        Outcome::Infeasible | Outcome::Void => None,
    })
}

/// The finite ones.
fn readings(trials: &[&Observation], reading: impl Fn(&Outcome) -> Option<f64>) -> Vec<f64> {
    trials.iter().filter_map(|trial| reading(&trial.outcome)).filter(|reading| reading.is_finite()).collect()
}

#[cfg(test)]
mod tests;
