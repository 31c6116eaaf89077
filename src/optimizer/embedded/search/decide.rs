//! Decisions of the Gaussian process: the next trial, and the recommendation.

use super::acquisition::{Acquisition, HOPELESS, Improvement};
use super::maximize::Hunt;
use super::model::Models;
use super::problem::{
    Forecast, Mode, Objective, Observation, Outcome, Prediction, Problem, Recommendation, Suggestion, Why,
};
use super::safety;
use super::sequence;
use super::space::Point;

/// The probability of feasibility that makes a tried point a possible incumbent.
const PROBABLE: f64 = 0.5;

/// The same of what is recommended.
const RECOMMENDED: f64 = 0.9;

/// Under noise every so many trials the incumbent is measured again.
const AGAIN: usize = 6;

/// Readings of one point that are enough.
const ENOUGH: usize = 4;

/// The share of the trials that may be infeasible in explore mode.
const BUDGET: f64 = 0.2;

/// Bounds of the probability of feasibility that is asked of a trial in explore mode.
const RISK: (f64, f64) = (0.8, 0.95);

/// The share of the trials that take a risk; the others are of points that are as good as known to be feasible.
const RISKY: f64 = 0.5;

/// The score of points beyond the reach of safe mode, below all others.
const TOO_FAR: f64 = -1e15;

/// A point that was tried and lived, as the models see it.
struct Tried {
    point: Point,
    features: Vec<f64>,
    ln_feasible: f64,
    value: f64,
    readings: usize,
}

/// A problem with its history and the models of it.
pub(super) struct Study<'a> {
    pub(super) problem: &'a Problem,
    pub(super) history: &'a [Observation],
    pub(super) models: Models,
    tried: Vec<Tried>,
}

impl<'a> Study<'a> {
    pub(super) fn new(problem: &'a Problem, history: &'a [Observation]) -> Self {
        let models = Models::fit(problem, history);
        let mut tried: Vec<Tried> = Vec::new();
        for trial in history.iter().filter(|trial| trial.outcome != Outcome::Infeasible) {
            if let Some(known) = tried.iter_mut().find(|known| problem.space.same(&known.point, &trial.point)) {
                known.readings += 1;
                continue;
            }
            let features = models.features.of(&trial.point);
            let value = match (&problem.objective, &models.objective) {
                (Objective::Computed(function), _) => function(&trial.point),
                (_, Some(model)) => model.process.mean(&features),
                _ => 0.0,
            };
            let ln_feasible = models.ln_feasible(&features);
            tried.push(Tried { point: trial.point.clone(), features, ln_feasible, value, readings: 1 });
        }
        Self { problem, history, models, tried }
    }

    /// The points that were tried and lived.
    pub(super) fn tried(&self) -> impl Iterator<Item = &Point> {
        self.tried.iter().map(|tried| &tried.point)
    }

    /// The tried point of the least value that is probably feasible.
    fn incumbent(&self) -> Option<&Tried> {
        let probable = self.tried.iter().filter(|tried| tried.ln_feasible >= PROBABLE.ln() && tried.value.is_finite());
        probable.min_by(|a, b| a.value.total_cmp(&b.value))
    }

    pub(super) fn suggest(&self) -> Suggestion {
        let incumbent = self.incumbent();
        let noisy = self.models.noisy();
        if let Some(incumbent) = incumbent
            && noisy
            && self.history.len().is_multiple_of(AGAIN)
            && incumbent.readings < ENOUGH
            && (self.models.objective.is_some() || incumbent.ln_feasible < RECOMMENDED.ln())
            && self.problem.space.snap(&incumbent.point) == incumbent.point
        {
            return self.explained(incumbent.point.clone(), Why::Incumbent, None);
        }
        let acquisition = self.acquisition(incumbent);
        let (problem, space) = (self.problem, &self.problem.space);
        let centre = incumbent.map_or(&problem.baseline, |incumbent| &incumbent.point);
        let region = match problem.mode {
            Mode::Explore => space.dimensions.iter().map(super::space::Dimension::bounds).collect(),
            Mode::Safe => safety::region(problem, self.history, centre),
        };
        let excluded = |point: &[f64]| self.history.iter().any(|trial| space.same(&trial.point, point));
        let score = |point: &[f64]| match problem.mode {
            Mode::Safe if safety::strides(&region, centre, point) > 1.0 => {
                TOO_FAR - safety::strides(&region, centre, point)
            }
            _ => acquisition.score(point),
        };
        let hunt = Hunt {
            space,
            region: &region,
            score: &score,
            excluded: &excluded,
            seeds: &self.seeds(),
            seed: problem.seed,
            stream: self.history.len(),
        };
        let why = if incumbent.is_some() { Why::Improvement } else { Why::Feasibility };
        let best = hunt.best();
        if let Some(step) = self.step(&acquisition, &hunt, best.as_ref()) {
            return step;
        }
        match best {
            Some((point, score)) if problem.mode == Mode::Explore || (score > TOO_FAR && self.is_safe(&point)) => {
                self.explained(point, why, Some(&acquisition))
            }
            _ => self.explained(space.snap(centre), Why::Exhausted, None),
        }
    }

    /// Where no permitted point improves upon a computed objective: the permitted point that teaches most about the most
    /// promising of the others (goal-oriented safe exploration, Turchetta et al. 2019).
    fn step(&self, acquisition: &Acquisition<'_>, hunt: &Hunt<'_>, best: Option<&(Point, f64)>) -> Option<Suggestion> {
        if !matches!(acquisition.improvement, Improvement::Computed { .. })
            || best.is_some_and(|best| best.1 > HOPELESS)
        {
            return None;
        }
        let (space, safe) = (hunt.space, self.problem.mode == Mode::Safe);
        let centre = self.incumbent().map(|incumbent| &incumbent.point)?;
        let too_far = |point: &[f64]| safe && safety::strides(hunt.region, centre, point) > 1.0;
        let promise = |point: &[f64]| if too_far(point) { TOO_FAR } else { acquisition.promise(point) };
        let (goal, promised) = Hunt { score: &promise, ..*hunt }.best()?;
        if promised <= HOPELESS {
            return None;
        }
        let about = self.models.features.of(&goal);
        let least = safety::CONFIDENCE.ln();
        let teaches = |point: &[f64]| {
            if too_far(point) {
                return TOO_FAR;
            }
            let features = self.models.features.of(point);
            let feasible = self.models.ln_feasible(&features);
            if feasible < least {
                HOPELESS + feasible.max(HOPELESS)
            } else {
                self.models.ln_taught(&features, &about) + acquisition.improvement.ln_toll(point)
            }
        };
        let enough = |point: &[f64]| self.readings(point) >= ENOUGH;
        let (point, score) = Hunt { score: &teaches, excluded: &enough, ..*hunt }.best()?;
        (score > HOPELESS).then(|| {
            let mut suggestion = self.explained(space.snap(&point), Why::Step, None);
            suggestion.expected_improvement = self.explained(goal, Why::Step, Some(acquisition)).expected_improvement;
            suggestion
        })
    }

    fn readings(&self, point: &[f64]) -> usize {
        self.tried.iter().find(|tried| self.problem.space.same(&tried.point, point)).map_or(0, |tried| tried.readings)
    }

    fn is_safe(&self, point: &[f64]) -> bool {
        self.models.ln_feasible(&self.models.features.of(point)) >= safety::CONFIDENCE.ln()
    }

    fn acquisition(&self, incumbent: Option<&Tried>) -> Acquisition<'_> {
        let improvement = match (&self.problem.objective, &self.models.objective, incumbent) {
            (Objective::Computed(function), _, Some(incumbent)) => Improvement::Computed {
                function: function.clone(),
                best: incumbent.value,
                unit: incumbent.value.abs().max(f64::MIN_POSITIVE),
            },
            (_, Some(model), Some(_)) => {
                let probable = self.tried.iter().filter(|tried| tried.ln_feasible >= PROBABLE.ln());
                let candidates: Vec<Vec<f64>> = probable.map(|tried| tried.features.clone()).collect();
                Improvement::modelled(&model.process, &candidates, self.problem.seed, self.history.len())
            }
            _ => Improvement::None,
        };
        let least = match self.problem.mode {
            Mode::Explore => self.least(),
            Mode::Safe => safety::CONFIDENCE,
        };
        Acquisition { models: &self.models, improvement, least }
    }

    /// The probability of feasibility that a trial must have in explore mode, so that the expected number of
    /// infeasible trials of the whole search keeps its budget: what is left of it is spread over the trials to come.
    fn least(&self) -> f64 {
        let trials = self.problem.trials.max(self.history.len()) as f64;
        let bad =
            self.history.iter().filter(|trial| !self.is_baseline(trial) && self.problem.is_violated_by(trial)).count();
        let left = BUDGET * trials - bad as f64;
        (1.0 - left / (RISKY * (trials - self.history.len() as f64)).max(1.0)).clamp(RISK.0, RISK.1)
    }

    fn is_baseline(&self, trial: &Observation) -> bool {
        self.problem.space.same(&trial.point, &self.problem.baseline)
    }

    fn seeds(&self) -> Vec<Point> {
        let mut tried: Vec<&Tried> = self.tried.iter().collect();
        let rank = |tried: &Tried| (tried.ln_feasible < PROBABLE.ln(), tried.value);
        tried.sort_by(|a, b| rank(a).0.cmp(&rank(b).0).then(a.value.total_cmp(&b.value)));
        tried.into_iter().take(3).map(|tried| tried.point.clone()).collect()
    }

    fn explained(&self, point: Point, why: Why, acquisition: Option<&Acquisition<'_>>) -> Suggestion {
        let forecast = self.forecast(&point);
        let features = self.models.features.of(&point);
        let expected = acquisition.filter(|acquisition| !matches!(acquisition.improvement, Improvement::None));
        let expected_improvement = expected.map(|acquisition| {
            let gain = acquisition.improvement.ln(&point, &features).exp() * forecast.probability_feasible;
            let best = self.incumbent().map_or(0.0, |incumbent| incumbent.value);
            match &self.models.objective {
                Some(model) => model.difference(gain, best),
                None => gain * best.abs(),
            }
        });
        Suggestion { point, why, forecast: Some(forecast), expected_improvement }
    }

    pub(super) fn forecast(&self, point: &[f64]) -> Forecast {
        let features = self.models.features.of(point);
        let objective = match &self.problem.objective {
            Objective::Computed(function) => Some(Prediction { mean: function(point), deviation: 0.0 }),
            Objective::Measured { .. } => self.models.objective.as_ref().map(|model| model.prediction(&features)),
        };
        let constraints = self.models.constraints.iter();
        Forecast {
            objective,
            constraints: constraints.map(|model| model.as_ref().map(|model| model.prediction(&features))).collect(),
            probability_feasible: self.models.ln_feasible(&features).exp(),
        }
    }

    /// Where a recommendation may be: of a computed objective every tried point, as its model is of feasibility alone.
    fn recommendable(&self) -> Vec<Point> {
        match self.problem.objective {
            Objective::Computed(_) => self.tried.iter().map(|tried| self.problem.space.snap(&tried.point)).collect(),
            Objective::Measured { .. } => self.seeds(),
        }
    }

    /// The minimizer of the posterior mean where all SLOs probably hold, of a computed objective among the tried points
    /// (an untried one could only be cheaper by being less probably feasible); failing that, the most probably feasible point
    /// that was tried, if it is feasible rather than not.
    pub(super) fn recommend(&self) -> Option<Recommendation> {
        let value = |point: &[f64], features: &[f64]| match (&self.problem.objective, &self.models.objective) {
            (Objective::Computed(function), _) => Some(function(point)),
            (_, Some(model)) => Some(model.process.mean(features)),
            _ => None,
        };
        let score = |point: &[f64]| {
            let features = self.models.features.of(point);
            let feasible = self.models.ln_feasible(&features);
            let score = if feasible < RECOMMENDED.ln() {
                -1e12 + feasible.max(-1e9)
            } else {
                -value(point, &features).unwrap_or(0.0)
            };
            if score.is_nan() { f64::NEG_INFINITY } else { score }
        };
        let space = &self.problem.space;
        let computed = matches!(self.problem.objective, Objective::Computed(_));
        let region: Vec<(f64, f64)> = match self.problem.mode {
            Mode::Explore => space.dimensions.iter().map(super::space::Dimension::bounds).collect(),
            Mode::Safe => safety::region(self.problem, self.history, &self.incumbent()?.point),
        };
        let hunt = Hunt {
            space,
            region: &region,
            score: &score,
            excluded: &|point| computed && !self.tried.iter().any(|tried| space.same(&tried.point, point)),
            seeds: &self.recommendable(),
            seed: self.problem.seed,
            stream: self.history.len(),
        };
        let probable = hunt.best().filter(|(_, score)| *score > -1e11).map(|(point, _)| point);
        let most = || {
            let tried = self.tried.iter().filter(|tried| tried.ln_feasible >= PROBABLE.ln());
            tried.max_by(|a, b| a.ln_feasible.total_cmp(&b.ln_feasible)).map(|tried| tried.point.clone())
        };
        let point = probable.or_else(most)?;
        let forecast = self.forecast(&point);
        Some(Recommendation { point, forecast })
    }
}

/// A point of the first design, if the next trial is one of it: 3 to 5 points of the Sobol sequence.
pub(super) fn design(problem: &Problem, history: &[Observation]) -> Option<Point> {
    let space = &problem.space;
    let width = space.dimensions.len();
    let started = history.iter().filter(|trial| !space.same(&trial.point, &problem.baseline)).count();
    let few = if problem.constraints.is_empty() { (width + 1).clamp(3, 5) } else { 3 };
    if started >= few {
        return None;
    }
    let tried = |point: &Point| history.iter().any(|trial| space.same(&trial.point, point));
    let positions = (started..started + 16).map(|index| sequence::sobol(problem.seed, index, width));
    let mut points = positions.map(|position| match problem.mode {
        Mode::Explore => space.at(&position),
        Mode::Safe => safety::near(problem, &position),
    });
    points.find(|point| !tried(point))
}
