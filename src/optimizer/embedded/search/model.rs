//! Models of metrics: the standardized readings of each, and a Gaussian process of them.
//!
//! A trial that failed has no readings. Whether trials fail has a model of its own, so that failures distort the model of
//! no metric: +1 for a failure, −1 otherwise, −1 is expected where nothing is known, and at most 0 is feasible
//! (least-squares classification, Rasmussen and Williams 2006, 6.5).

use super::fit::{self, Prior};
use super::gp::{Moments, Process, Readings};
use super::kernel::Features;
use super::normal;
use super::problem::{ObjectiveSource, Observation, Outcome, Prediction, Problem, Scale};

/// Prior variance of the mean of a standardized metric.
const BIAS: f64 = 1.0;

/// The standard deviation over the range that is expected of the logarithm of an SLO's metric.
const EXPECTED_SPREAD: f64 = 1.0;

/// The probability that an SLO holds of whose metric there is no reading: nothing is known.
const UNKNOWN: f64 = 0.5;

/// A reading beyond the threshold counts as at most so many times the distance by which the best reading keeps it: a
/// service that broke down answers in 30 s or with 100% errors, and beside that every other reading would look as if it
/// barely kept the threshold.
const GREATEST_VIOLATION: f64 = 2.0;

/// A model of one metric.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) process: Process,
    /// Of a constraint: the same readings under more cautious parameters.
    cautious: Option<Process>,
    scale: Scale,
    centre: f64,
    spread: f64,
    /// In the model's unit; `None` for the objective.
    threshold: Option<f64>,
}

impl Model {
    /// Fits readings at points; `None` if there are none.
    fn fit(features: &Features, data: &[(Vec<f64>, f64)], scale: Scale, threshold: Option<f64>) -> Option<Self> {
        let is_positive = data.iter().map(|(_, value)| *value).chain(threshold).all(|value| value > 0.0);
        let scale = if is_positive { scale } else { Scale::Linear };
        let seen = |value: f64| match scale {
            Scale::Linear => value,
            Scale::Log => value.ln(),
        };
        let limit = threshold.map(seen);
        let least = data.iter().map(|(_, value)| seen(*value)).fold(f64::INFINITY, f64::min);
        let worst = limit
            .filter(|limit| least < *limit)
            .map_or(f64::INFINITY, |limit| limit + GREATEST_VIOLATION * (limit - least));
        let mut raw = Readings::default();
        for (point, value) in data {
            raw.add(point, seen(*value).min(worst));
        }
        if raw.len() == 0 {
            return None;
        }
        let (centre, spread) = unit(&raw.means, limit, scale);
        let standard = |value: f64| (value - centre) / spread;
        let readings = Readings {
            means: raw.means.iter().copied().map(standard).collect(),
            scatter: raw.scatter / (spread * spread),
            ..raw
        };
        let prior = Prior { bias: BIAS, dimensions: features.dimensions() };
        let process = fit::fit(&readings, &features.owners, prior)?;
        let cautious = threshold.and_then(|_| fit::cautious(&process, &readings, prior));
        Some(Self { process, cautious, scale, centre, spread, threshold: limit.map(standard) })
    }

    /// The model of whether trials fail; `None` while none has.
    fn viability(features: &Features, data: &[(Vec<f64>, bool)]) -> Option<Self> {
        if data.iter().all(|(_, lives)| *lives) {
            return None;
        }
        let mut readings = Readings::default();
        for (point, lives) in data {
            readings.add(point, if *lives { 0.0 } else { 2.0 });
        }
        let prior = Prior { bias: 0.0, dimensions: features.dimensions() };
        let process = fit::fit(&readings, &features.owners, prior)?;
        let cautious = fit::cautious(&process, &readings, prior);
        Some(Self { process, cautious, scale: Scale::Linear, centre: -1.0, spread: 1.0, threshold: Some(1.0) })
    }

    /// ln of the probability that the true value keeps the threshold (Gardner et al. 2014, equation 8), averaged over
    /// the fitted process and the cautious one, as few readings say little about the parameters.
    pub(super) fn ln_probability(&self, features: &[f64]) -> f64 {
        let fitted = self.ln_of(&self.process, features);
        self.cautious.as_ref().map_or(fitted, |cautious| {
            let doubted = self.ln_of(cautious, features);
            let (low, high) = (fitted.min(doubted), fitted.max(doubted));
            if high.is_finite() { high + (0.5 * (low - high).exp() + 0.5).ln() } else { f64::MIN }
        })
    }

    /// How much of the doubt about a point a reading at another one would remove, by both processes: the share of the
    /// variance times how improbable it is that the threshold is kept.
    fn information_gain(&self, by: &[f64], about: &[f64]) -> f64 {
        let processes = [Some(&self.process), self.cautious.as_ref()];
        let gain = |process: &Process| -self.ln_of(process, about) * process.explained_variance(by, about);
        processes.into_iter().flatten().map(gain).sum()
    }

    /// ln of the probability that the threshold is kept, by one of the processes.
    fn ln_of(&self, process: &Process, features: &[f64]) -> f64 {
        let Some(threshold) = self.threshold else { return 0.0 };
        let (mean, variance) = process.predict(features);
        normal::ln_cdf((threshold - mean) / variance.sqrt())
    }

    /// How far the posterior mean is below the threshold, as a share of the threshold's magnitude in its unit; `None` for
    /// the objective.
    pub(super) fn margin(&self, features: &[f64]) -> Option<f64> {
        let limit = self.natural(self.threshold?);
        Some((limit - self.natural(self.process.mean(features))) / limit.abs().max(1e-12))
    }

    fn natural(&self, standard: f64) -> f64 {
        let value = self.centre + self.spread * standard;
        match self.scale {
            Scale::Linear => value,
            Scale::Log => value.exp(),
        }
    }

    /// The true value at a point in the metric's unit; at a logarithmic scale moments of the lognormal distribution.
    pub(super) fn prediction(&self, features: &[f64]) -> Prediction {
        self.in_unit(self.process.predict(features))
    }

    /// Moments of the model in the metric's unit.
    pub(super) fn in_unit(&self, (mean, variance): Moments) -> Prediction {
        let (mean, deviation) = (self.centre + self.spread * mean, self.spread * variance.sqrt());
        match self.scale {
            Scale::Linear => Prediction { mean, deviation },
            Scale::Log => {
                // A deviation of the logarithm beyond 5 says only that nothing is known.
                let spread = deviation.min(5.0);
                let mean = (mean + 0.5 * spread * spread).min(700.0).exp();
                Prediction { mean, deviation: mean * (spread * spread).exp_m1().sqrt() }
            }
        }
    }

    /// A difference of the model's unit in the metric's unit; at a logarithmic scale around a value of the model.
    pub(super) fn difference(&self, by: f64, around: f64) -> f64 {
        match self.scale {
            Scale::Linear => self.spread * by,
            Scale::Log => self.spread * by * self.natural(around),
        }
    }
}

/// Mean and deviation of the values, never 0. Of a constrained metric the deviation is at least half the distance to
/// the threshold and at least that of a latency over its range, as a metric that was constant so far says nothing about
/// what it may become.
fn unit(values: &[f64], threshold: Option<f64>, scale: Scale) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let expected = if scale == Scale::Log { EXPECTED_SPREAD } else { 0.0 };
    let far = threshold.map_or(0.0, |threshold| ((threshold - mean).abs() / 2.0).max(expected));
    let spread = variance.sqrt().max(far).max(1e-9 * mean.abs());
    if spread > 0.0 && spread.is_finite() { (mean, spread) } else { (mean, 1.0) }
}

/// The models of a problem's metrics.
#[derive(Clone, Debug)]
pub(super) struct Models {
    pub(super) features: Features,
    /// `None` before the first reading, and for a computed objective.
    pub(super) objective: Option<Model>,
    /// In the order of the problem's constraints; `None` before the first reading.
    pub(super) constraints: Vec<Option<Model>>,
    /// `None` while no trial failed.
    pub(super) viability: Option<Model>,
}

impl Models {
    pub(super) fn fit(problem: &Problem, history: &[Observation]) -> Self {
        let features = Features::new(&problem.space);
        let mut objective = Vec::new();
        let mut metrics = vec![Vec::new(); problem.constraints.len()];
        let mut lives = Vec::new();
        let usable = |reading: Option<f64>| reading.filter(|reading| reading.is_finite());
        for trial in history.iter().filter(|trial| trial.outcome != Outcome::Void) {
            let point = features.of(&trial.point);
            lives.push((point.clone(), trial.outcome != Outcome::Infeasible));
            let Outcome::Measured { objective: reading, constraints } = &trial.outcome else { continue };
            objective.extend(usable(*reading).map(|reading| (point.clone(), reading)));
            for (metric, reading) in metrics.iter_mut().zip(constraints) {
                metric.extend(usable(*reading).map(|reading| (point.clone(), reading)));
            }
        }
        let objective = match problem.objective {
            ObjectiveSource::Computed(_) => None,
            ObjectiveSource::Measured { scale } => Model::fit(&features, &objective, scale, None),
        };
        let constraints = problem.constraints.iter().zip(metrics);
        let constraints = constraints
            .map(|(constraint, data)| Model::fit(&features, &data, constraint.scale, Some(constraint.threshold)));
        let constraints = constraints.collect();
        let viability = Model::viability(&features, &lives);
        Self { features, objective, constraints, viability }
    }

    /// ln of the probability that all constraints hold and the trial lives, taken as independent (Gelbart et al. 2014,
    /// equation 4).
    pub(super) fn ln_feasible(&self, features: &[f64]) -> f64 {
        let of_constraint =
            |model: &Option<Model>| model.as_ref().map_or(UNKNOWN.ln(), |model| model.ln_probability(features));
        let constraints: f64 = self.constraints.iter().map(of_constraint).sum();
        let viability = self.viability.as_ref().map_or(0.0, |model| model.ln_probability(features));
        (constraints + viability).max(f64::MIN)
    }

    /// ln of how much a trial at a point would tell about the feasibility of another one: the share of each model's doubt
    /// that it would remove, weighted by how much the model doubts.
    pub(super) fn ln_information_gain(&self, by: &[f64], about: &[f64]) -> f64 {
        let models = self.constraints.iter().chain([&self.viability]).flatten();
        models.map(|model| model.information_gain(by, about)).sum::<f64>().max(f64::MIN_POSITIVE).ln()
    }

    /// The margin of the tightest SLO; infinite without SLOs.
    pub(super) fn tightest_margin(&self, features: &[f64]) -> f64 {
        let margins = self.constraints.iter().flatten().filter_map(|model| model.margin(features));
        margins.fold(f64::INFINITY, f64::min)
    }

    /// Whether readings of any metric differ for the same settings by more than a trifle.
    pub(super) fn noisy(&self) -> bool {
        let mut models = self.constraints.iter().chain([&self.objective]).flatten();
        models.any(|model| model.process.noise > 1e-4 * model.process.kernel.amplitude)
    }
}
