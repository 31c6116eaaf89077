//! Decisions of the Gaussian process: the next trial, and the recommendation.

use super::acquisition::{Acquisition, Improvement};
use super::maximize::{Maximizer, Score, Scored};
use super::model::{Model, Models};
use super::problem::{
    Forecast, ObjectiveSource, Observation, Outcome, Prediction, Problem, Recommendation, Suggestion, Why,
};
use super::safety;
use super::sequence;
use super::space::{Dimension, Point};
use crate::config::CampaignMode;

/// The probability of feasibility from which a measured point may be the incumbent.
const INCUMBENT_FEASIBILITY: f64 = 0.5;

/// The probability of feasibility from which a measured point is recommended.
const RECOMMENDED_FEASIBILITY: f64 = 0.9;

/// If readings are noisy, every so many trials the incumbent is measured again, up to so many readings.
const REMEASURE_EVERY: usize = 6;
const ENOUGH_READINGS: usize = 4;

/// Bounds of the probability of feasibility that a trial in explore mode must have.
const REQUIRED_FEASIBILITY: (f64, f64) = (0.3, 0.95);

/// The share of the trials that may be risky; the others are of points that are almost certainly feasible.
const RISKY_TRIALS: f64 = 0.5;

/// The share of the budget that is left for the search by the baseline and the confirmation.
const SEARCH_SHARE: f64 = 0.75;

/// How much more a point that may not be tried must be worth, as a difference of logarithms, for a trial that explores
/// whether it is feasible.
const WORTH_EXPLORING: f64 = 2.0;

/// Objectives that differ by less than this share are equal, so that the margins decide.
const EQUAL: f64 = 1e-6;

/// A point that was measured, as the models see it.
struct EvaluatedPoint {
    point: Point,
    features: Vec<f64>,
    ln_feasible: f64,
    value: f64,
    readings: usize,
}

/// A problem with its history and the models that were fitted to it.
pub(super) struct Analysis<'a> {
    pub(super) problem: &'a Problem,
    pub(super) history: &'a [Observation],
    pub(super) models: Models,
    evaluated: Vec<EvaluatedPoint>,
}

impl<'a> Analysis<'a> {
    pub(super) fn new(problem: &'a Problem, history: &'a [Observation]) -> Self {
        let models = Models::fit(problem, history);
        let mut evaluated: Vec<EvaluatedPoint> = Vec::new();
        for trial in history.iter().filter(|trial| matches!(trial.outcome, Outcome::Measured { .. })) {
            if let Some(known) = evaluated.iter_mut().find(|known| problem.space.same(&known.point, &trial.point)) {
                known.readings += 1;
                continue;
            }
            let features = models.features.of(&trial.point);
            let value = match (&problem.objective, &models.objective) {
                (ObjectiveSource::Computed(function), _) => function(&trial.point),
                (_, Some(model)) => model.process.mean(&features),
                _ => 0.0,
            };
            let ln_feasible = models.ln_feasible(&features);
            evaluated.push(EvaluatedPoint { point: trial.point.clone(), features, ln_feasible, value, readings: 1 });
        }
        Self { problem, history, models, evaluated }
    }

    /// The points that were measured.
    pub(super) fn evaluated(&self) -> impl Iterator<Item = &Point> {
        self.evaluated.iter().map(|evaluated| &evaluated.point)
    }

    /// The measured point of the lowest value that is probably feasible.
    fn incumbent(&self) -> Option<&EvaluatedPoint> {
        let is_probable = |evaluated: &&EvaluatedPoint| {
            evaluated.ln_feasible >= INCUMBENT_FEASIBILITY.ln() && evaluated.value.is_finite()
        };
        self.evaluated.iter().filter(is_probable).min_by(|a, b| a.value.total_cmp(&b.value))
    }

    pub(super) fn suggest(&self) -> Suggestion {
        let incumbent = self.incumbent();
        let acquisition = self.acquisition(incumbent);
        let (problem, space) = (self.problem, &self.problem.space);
        let centre = incumbent.map_or(&problem.baseline, |incumbent| &incumbent.point);
        let bounds: Vec<(f64, f64)> = space.dimensions.iter().map(Dimension::bounds).collect();
        let region = match problem.mode {
            CampaignMode::Explore => bounds.clone(),
            CampaignMode::Safe => safety::region(problem, self.history, centre),
        };
        let is_measured = |point: &[f64]| self.history.iter().any(|trial| space.same(&trial.point, point));
        let within_reach = |point: &[f64], score: &dyn Fn(&[f64]) -> Score| match problem.mode {
            CampaignMode::Safe if safety::strides(&region, centre, point) > 1.0 => {
                Score::OutOfReach(-safety::strides(&region, centre, point))
            }
            _ => score(point),
        };
        let potential = |point: &[f64]| acquisition.potential(point);
        let seeds = self.seeds();
        let maximizer = Maximizer {
            space,
            region: &bounds,
            score: &potential,
            excluded: &is_measured,
            seeds: &seeds,
            seed: problem.seed,
            stream: self.history.len(),
        };
        // The point of the greatest worth if every point might be tried.
        let ideal = maximizer.best();
        let potential = ideal.as_ref().map_or(Some(0.0), |(_, score)| self.relative_improvement(&acquisition, *score));
        let in_reach = |point: &[f64]| within_reach(point, &|point| acquisition.score(point));
        let best = Maximizer { region: &region, score: &in_reach, ..maximizer }.best();
        let reachable_potential = |point: &[f64]| within_reach(point, &|point| acquisition.potential(point));
        let reachable = Maximizer { region: &region, score: &reachable_potential, ..maximizer };
        let suggestion = if let Some(incumbent) = incumbent.filter(|incumbent| self.is_due_again(incumbent)) {
            self.explained(incumbent.point.clone(), Why::Incumbent, None)
        } else if let Some(suggestion) = self.exploration(&acquisition, &reachable, best.as_ref()) {
            suggestion
        } else {
            let why = if incumbent.is_some() { Why::Improvement } else { Why::Feasibility };
            match best {
                Some((point, score)) if self.may_be_tried(&point, score) => {
                    self.explained(point, why, Some(&acquisition))
                }
                _ => self.explained(space.snap(centre), Why::Exhausted, None),
            }
        };
        Suggestion { potential, ..suggestion }
    }

    /// Whether the incumbent is to be measured once more, as readings are noisy.
    fn is_due_again(&self, incumbent: &EvaluatedPoint) -> bool {
        self.models.noisy()
            && self.history.len().is_multiple_of(REMEASURE_EVERY)
            && incumbent.readings < ENOUGH_READINGS
            && (self.models.objective.is_some() || incumbent.ln_feasible < RECOMMENDED_FEASIBILITY.ln())
            && self.problem.space.snap(&incumbent.point) == incumbent.point
    }

    fn may_be_tried(&self, point: &[f64], score: Score) -> bool {
        match self.problem.mode {
            CampaignMode::Explore => true,
            CampaignMode::Safe => !matches!(score, Score::OutOfReach(_)) && self.is_safe(point),
        }
    }

    /// If a point that may not be tried is worth far more than all that may, or these are worth nothing: the point that
    /// may be tried and tells most about whether that one is feasible (goal-oriented safe exploration, Turchetta et al.
    /// 2019).
    fn exploration(
        &self,
        acquisition: &Acquisition<'_>,
        potential: &Maximizer<'_>,
        best: Option<&Scored>,
    ) -> Option<Suggestion> {
        if matches!(acquisition.improvement, Improvement::FeasibilityOnly) {
            return None;
        }
        let (goal, worth) = potential.best()?;
        let Score::Eligible(worth) = worth else { return None };
        if let Some((_, Score::Eligible(best))) = best
            && (self.problem.objective.is_computed() || worth - best < WORTH_EXPLORING)
        {
            return None;
        }
        let about = self.models.features.of(&goal);
        let information = |point: &[f64]| {
            if let too_far @ Score::OutOfReach(_) = (potential.score)(point) {
                return too_far;
            }
            let features = self.models.features.of(point);
            let feasible = self.models.ln_feasible(&features);
            if feasible < safety::CONFIDENCE.ln() {
                return Score::Infeasible(feasible);
            }
            let gain = self.models.ln_information_gain(&features, &about);
            Score::eligible(gain + acquisition.improvement.ln_cost_penalty(point))
        };
        let is_known = |point: &[f64]| self.readings(point) >= ENOUGH_READINGS;
        let (point, score) = Maximizer { score: &information, excluded: &is_known, ..*potential }.best()?;
        score.is_eligible().then(|| {
            let mut suggestion = self.explained(self.problem.space.snap(&point), Why::Exploration, None);
            let promised = self.explained(goal, Why::Exploration, Some(acquisition));
            suggestion.expected_improvement = promised.expected_improvement;
            suggestion
        })
    }

    fn readings(&self, point: &[f64]) -> usize {
        let known = self.evaluated.iter().find(|known| self.problem.space.same(&known.point, point));
        known.map_or(0, |known| known.readings)
    }

    fn is_safe(&self, point: &[f64]) -> bool {
        self.models.ln_feasible(&self.models.features.of(point)) >= safety::CONFIDENCE.ln()
    }

    fn acquisition(&self, incumbent: Option<&EvaluatedPoint>) -> Acquisition<'_> {
        let improvement = match (&self.problem.objective, &self.models.objective, incumbent) {
            (ObjectiveSource::Computed(function), _, Some(incumbent)) => Improvement::Computed {
                function: function.clone(),
                best: incumbent.value,
                unit: incumbent.value.abs().max(f64::MIN_POSITIVE),
            },
            (_, Some(model), Some(_)) => {
                let probable = self.evaluated.iter().filter(|known| known.ln_feasible >= INCUMBENT_FEASIBILITY.ln());
                let candidates: Vec<Vec<f64>> = probable.map(|known| known.features.clone()).collect();
                Improvement::modelled(&model.process, &candidates, self.problem.seed, self.history.len())
            }
            _ => Improvement::FeasibilityOnly,
        };
        let required_feasibility = match self.problem.mode {
            CampaignMode::Explore => self.required_feasibility(),
            CampaignMode::Safe => safety::CONFIDENCE,
        };
        Acquisition { models: &self.models, improvement, required_feasibility }
    }

    /// The probability of feasibility that a trial in explore mode must have, so that the expected number of trials that
    /// violate stays within the risk that the whole search may take: what is left of it is spread over the trials to
    /// come.
    fn required_feasibility(&self) -> f64 {
        let trials = self.problem.trials.max(self.history.len()) as f64;
        let is_violation = |trial: &&Observation| !self.is_baseline(trial) && self.problem.is_violated_by(trial);
        let violations = self.history.iter().filter(is_violation).count() as f64;
        let left = self.problem.risk * SEARCH_SHARE * trials - violations;
        let risky_trials = (RISKY_TRIALS * (trials - self.history.len() as f64)).max(1.0);
        (1.0 - left / risky_trials).clamp(REQUIRED_FEASIBILITY.0, REQUIRED_FEASIBILITY.1)
    }

    fn is_baseline(&self, trial: &Observation) -> bool {
        self.problem.space.same(&trial.point, &self.problem.baseline)
    }

    fn seeds(&self) -> Vec<Point> {
        let mut ranked: Vec<&EvaluatedPoint> = self.evaluated.iter().collect();
        let is_doubtful = |known: &EvaluatedPoint| known.ln_feasible < INCUMBENT_FEASIBILITY.ln();
        ranked.sort_by(|a, b| is_doubtful(a).cmp(&is_doubtful(b)).then(a.value.total_cmp(&b.value)));
        ranked.into_iter().take(3).map(|known| known.point.clone()).collect()
    }

    /// The expected improvement of a point's score, as a share of the incumbent's objective or of the range of the
    /// objective's readings, whichever is greater. `None` without an incumbent.
    fn relative_improvement(&self, acquisition: &Acquisition<'_>, score: Score) -> Option<f64> {
        let incumbent = self.incumbent()?;
        let Score::Eligible(worth) = score else { return Some(0.0) };
        match (&acquisition.improvement, &self.models.objective) {
            (Improvement::FeasibilityOnly, _) => None,
            (_, None) => Some(worth.exp()),
            (_, Some(model)) => {
                let forecast = |features: &[f64]| model.prediction(features).mean;
                let values: Vec<f64> = self.evaluated.iter().map(|known| forecast(&known.features)).collect();
                let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let range = greatest - values.iter().copied().fold(f64::INFINITY, f64::min);
                let unit = forecast(&incumbent.features).abs().max(range).max(f64::MIN_POSITIVE);
                Some(model.difference(worth.exp(), incumbent.value) / unit)
            }
        }
    }

    fn explained(&self, point: Point, why: Why, acquisition: Option<&Acquisition<'_>>) -> Suggestion {
        let forecast = self.forecast(&point);
        let incumbent = self.incumbent().map_or(0.0, |incumbent| incumbent.value);
        let expected_improvement = acquisition.and_then(|acquisition| match acquisition.potential(&point) {
            _ if matches!(acquisition.improvement, Improvement::FeasibilityOnly) => None,
            Score::Eligible(worth) => Some(match &self.models.objective {
                Some(model) => model.difference(worth.exp(), incumbent),
                None => worth.exp() * incumbent.abs(),
            }),
            _ => Some(0.0),
        });
        Suggestion { point, why, forecast: Some(forecast), expected_improvement, potential: None }
    }

    pub(super) fn forecast(&self, point: &[f64]) -> Forecast {
        let features = self.models.features.of(point);
        let objective = match &self.problem.objective {
            ObjectiveSource::Computed(function) => Some(Prediction { mean: function(point), deviation: 0.0 }),
            ObjectiveSource::Measured { .. } => self.models.objective.as_ref().map(|model| model.prediction(&features)),
        };
        let constraints = self.models.constraints.iter();
        let predicted = |model: &Option<Model>| model.as_ref().map(|model| model.prediction(&features));
        Forecast {
            objective: objective.filter(Prediction::is_finite),
            constraints: constraints.map(|model| predicted(model).filter(Prediction::is_finite)).collect(),
            probability_feasible: Some(self.models.ln_feasible(&features).exp()),
        }
    }

    /// The measured point of the best posterior mean where all SLOs probably hold; failing that, the measured point that
    /// is most probably feasible, if it is feasible rather than not. Points of equal objective are told apart by the
    /// margin of the tightest SLO.
    pub(super) fn recommend(&self, excluded: &[Point]) -> Option<Recommendation> {
        let is_excluded = |point: &[f64]| excluded.iter().any(|other| self.problem.space.same(other, point));
        let eligible: Vec<&EvaluatedPoint> = self
            .evaluated
            .iter()
            .filter(|known| !is_excluded(&known.point) && known.value.is_finite())
            .filter(|known| {
                self.problem.space.snap(&known.point) == known.point || self.is_baseline_point(&known.point)
            })
            .collect();
        let probable = eligible.iter().filter(|known| known.ln_feasible >= RECOMMENDED_FEASIBILITY.ln());
        let best = probable.copied().reduce(|best, other| if self.is_preferred(other, best) { other } else { best });
        let most_feasible = || {
            let doubtful = eligible.iter().filter(|known| known.ln_feasible >= INCUMBENT_FEASIBILITY.ln());
            doubtful.copied().max_by(|a, b| a.ln_feasible.total_cmp(&b.ln_feasible))
        };
        let found = best.or_else(most_feasible)?;
        Some(Recommendation { point: found.point.clone(), forecast: self.forecast(&found.point) })
    }

    fn is_baseline_point(&self, point: &[f64]) -> bool {
        self.problem.space.same(point, &self.problem.baseline)
    }

    fn is_preferred(&self, one: &EvaluatedPoint, other: &EvaluatedPoint) -> bool {
        let difference = one.value - other.value;
        if difference.abs() > EQUAL * one.value.abs().max(other.value.abs()) {
            return difference < 0.0;
        }
        self.models.tightest_margin(&one.features) > self.models.tightest_margin(&other.features)
    }
}

/// A point of the first design, if the next trial is one of it: 3 to 5 points of the Sobol sequence.
pub(super) fn design(problem: &Problem, history: &[Observation]) -> Option<Point> {
    let space = &problem.space;
    let width = space.dimensions.len();
    let started = history.iter().filter(|trial| !space.same(&trial.point, &problem.baseline)).count();
    let size = if problem.constraints.is_empty() { (width + 1).clamp(3, 5) } else { 3 };
    if started >= size {
        return None;
    }
    let is_measured = |point: &Point| history.iter().any(|trial| space.same(&trial.point, point));
    let positions = (started..started + 16).map(|index| sequence::sobol(problem.seed, index, width));
    let mut points = positions.map(|position| match problem.mode {
        CampaignMode::Explore => space.at(&position),
        CampaignMode::Safe => safety::near(problem, &position),
    });
    points.find(|point| !is_measured(point))
}
