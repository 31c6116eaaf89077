//! What a search is asked, what it observed, and what it answers.
//!
//! Numbers only: names of settings, units and protocols belong to the callers.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::space::{Point, Space};
use crate::config::{CampaignMode, SearchAlgorithm};

/// What is searched for, and how.
#[derive(Clone, Debug)]
pub struct Problem {
    pub space: Space,
    /// The settings before the search, which may be between the points of the lattice.
    pub baseline: Point,
    pub objective: ObjectiveSource,
    pub constraints: Vec<Constraint>,
    pub mode: CampaignMode,
    /// The share of the trials that may violate an SLO in explore mode.
    pub risk: f64,
    pub algorithm: SearchAlgorithm,
    pub seed: u64,
    /// The budget, baseline and confirmation included.
    pub trials: usize,
}

impl Problem {
    /// Whether a trial failed or a reading of it violates an SLO.
    pub(super) fn is_violated_by(&self, trial: &Observation) -> bool {
        match &trial.outcome {
            Outcome::Infeasible => true,
            Outcome::Void => false,
            Outcome::Measured { constraints, .. } => constraints
                .iter()
                .zip(&self.constraints)
                .any(|(reading, constraint)| reading.is_some_and(|reading| reading > constraint.threshold)),
        }
    }
}

/// A known function of the settings, such as their cost per hour.
pub(crate) type Function = Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// How the value that is minimized is known; a caller that maximizes negates.
#[derive(Clone)]
pub enum ObjectiveSource {
    /// Known for every point without a trial; never modelled.
    Computed(Function),
    Measured {
        /// How the model sees it.
        scale: Scale,
    },
}

impl ObjectiveSource {
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self, Self::Computed(_))
    }

    /// The value at a point; `None` if it has to be measured.
    pub(crate) fn computed(&self, point: &[f64]) -> Option<f64> {
        match self {
            Self::Computed(function) => Some(function(point)),
            Self::Measured { .. } => None,
        }
    }
}

impl fmt::Debug for ObjectiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Computed(_) => f.write_str("Computed"),
            Self::Measured { scale } => f.debug_struct("Measured").field("scale", scale).finish(),
        }
    }
}

/// An SLO: the value of a metric must be at most the threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// The metric, for messages.
    pub name: String,
    /// The greatest permitted value, in the unit of the metric; a caller that keeps a metric above a threshold negates both.
    pub threshold: f64,
    /// How the model sees the metric.
    pub scale: Scale,
}

/// How a model sees a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Its natural logarithm, for latencies and costs; linear if a reading is not positive.
    Log,
}

/// A trial and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub point: Point,
    pub outcome: Outcome,
}

/// The outcome of a trial.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was measured to its end. A reading that is not finite counts as missing.
    Measured {
        /// The reading of the objective; ignored if the objective is computed.
        objective: Option<f64>,
        /// Readings in the order of [`Problem::constraints`].
        constraints: Vec<Option<f64>>,
    },
    /// The adjustment was rejected, something failed, or the measurement was ended for an SLO.
    Infeasible,
    /// It says nothing about the point, which is not suggested again.
    Void,
}

/// The next point to try, and what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The point; always of the lattice.
    pub point: Point,
    pub why: Why,
    /// What the models predict; `None` if there are none.
    pub forecast: Option<Forecast>,
    /// By how much the objective is expected to be below the incumbent's, in its unit, weighted by the probability of
    /// feasibility; on a logarithmic scale a difference of logarithms times the incumbent's value. `None` if there are
    /// no models or no incumbent.
    pub expected_improvement: Option<f64>,
    /// The expected improvement of the best point that is not measured yet, whether it may be tried or not, as a share of
    /// the incumbent's objective (of the range of its readings where that is greater), weighted by the probability of
    /// feasibility; 0 if every point is measured. `None` if there are no models or no incumbent.
    pub potential: Option<f64>,
}

/// What the models predict at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Of the objective, negated if it is maximized; a computed one has deviation 0. `None` before its first reading.
    pub objective: Option<Prediction>,
    /// Of the SLOs' metrics, in the order of [`Problem::constraints`]; `None` before a metric's first reading.
    pub constraints: Vec<Option<Prediction>>,
    /// The probability that all SLOs hold and the trial does not fail.
    pub probability_feasible: Option<f64>,
}

/// The true value of a metric (not its next reading) at a point, in the unit of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    pub mean: f64,
    pub deviation: f64,
}

impl Prediction {
    pub(crate) fn is_finite(&self) -> bool {
        self.mean.is_finite() && self.deviation.is_finite()
    }
}

/// Why a point was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// One of the first points, which cover the range.
    Design,
    /// The algorithm is random.
    Random,
    /// The algorithm is the Sobol sequence.
    Sobol,
    /// No feasible point is known, and this one is the most probable.
    Feasibility,
    Improvement,
    /// A better point is too risky to be tried, and this one tells most about whether it is feasible.
    Exploration,
    /// The incumbent again, because readings are noisy.
    Incumbent,
    /// Every point that may be tried was tried.
    Exhausted,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Design => "covers the range before there is a model",
            Self::Random => "at random",
            Self::Sobol => "the next point of the Sobol sequence",
            Self::Feasibility => "most probably meets the SLOs, which no trial does yet",
            Self::Improvement => "greatest expected improvement",
            Self::Exploration => "tells most about a better setting that is too risky to be tried yet",
            Self::Incumbent => "the best setting so far, measured again",
            Self::Exhausted => "the best setting so far, as no untried one may be tried",
        })
    }
}

/// What to run in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// A point that was measured.
    pub point: Point,
    pub forecast: Forecast,
}
