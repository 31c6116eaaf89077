//! The words of a search: what is asked, what was observed, what is answered.
//!
//! Numbers only: names of settings, units and protocols belong to the callers.

use std::fmt;
use std::sync::Arc;

use super::space::{Point, Space};

/// What is searched for, and how.
#[derive(Clone, Debug)]
pub struct Problem {
    pub space: Space,
    /// The settings before the search; trial 0.
    pub baseline: Point,
    pub objective: Objective,
    pub constraints: Vec<Constraint>,
    /// How bold the trials may be.
    pub mode: Mode,
    pub algorithm: Algorithm,
    pub seed: u64,
    pub trials: usize,
}

impl Problem {
    /// Whether a trial failed or a reading of it violates an SLO.
    pub(super) fn is_violated_by(&self, trial: &Observation) -> bool {
        match &trial.outcome {
            Outcome::Infeasible => true,
            Outcome::Measured { constraints, .. } => constraints
                .iter()
                .zip(&self.constraints)
                .any(|(reading, constraint)| reading.is_some_and(|reading| reading > constraint.threshold)),
        }
    }
}

/// A known function of the settings, such as their cost per hour.
pub(crate) type Function = Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// What is minimized; a caller that maximizes negates.
#[derive(Clone)]
pub enum Objective {
    /// Known for every point without a trial; never modelled.
    Computed(Function),
    Measured {
        /// How the model sees it.
        scale: Scale,
    },
}

impl fmt::Debug for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Computed(_) => f.write_str("Computed"),
            Self::Measured { scale } => f.debug_struct("Measured").field("scale", scale).finish(),
        }
    }
}

/// A service-level objective: a metric's value is to be at most the threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    pub name: String,
    /// The greatest permitted value, in the unit of the metric; a caller that keeps a metric above one negates both.
    pub threshold: f64,
    /// How the model sees the metric.
    pub scale: Scale,
}

/// How a model sees a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Its natural logarithm; for latencies and costs. A value that is not positive counts as a tiny one.
    Log,
}

/// How bold the trials may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A load test or an isolated canary: some trials may violate SLOs.
    Explore,
    /// Live traffic: only points where all SLOs hold with probability 0.95, near the incumbent.
    Safe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    GaussianProcess,
    /// Uniformly at random, for comparison.
    Random,
    /// The scrambled Sobol sequence, for comparison.
    Sobol,
}

/// What is known of one trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The point that was tried.
    pub point: Point,
    pub outcome: Outcome,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It ran to its end. A reading that is missing or not finite is no reading.
    Measured {
        /// The reading of the objective; ignored if the objective is computed.
        objective: Option<f64>,
        /// Readings in the order of [`Problem::constraints`].
        constraints: Vec<Option<f64>>,
    },
    Infeasible,
}

/// The next point to try, and what was expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The point; always of the lattice.
    pub point: Point,
    pub why: Why,
    /// What the models say about it; none without models.
    pub forecast: Option<Forecast>,
    /// How much less than the incumbent's the objective is expected to be, in its unit, weighted with the probability
    /// of feasibility; at a logarithmic scale a difference of logarithms times the incumbent's value. None without
    /// models or without an incumbent.
    pub expected_improvement: Option<f64>,
}

/// What the models say about a point.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Of the objective; a computed one has deviation 0. None before its first reading.
    pub objective: Option<Prediction>,
    /// Of the constrained metrics, in the order of [`Problem::constraints`]; none before a metric's first reading.
    pub constraints: Vec<Option<Prediction>>,
    /// That all SLOs hold and that the trial does not fail.
    pub probability_feasible: f64,
}

/// A metric's true value (not its next reading) at a point, in the unit of the metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    pub mean: f64,
    pub deviation: f64,
}

/// Why a point was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// One of the first points, which cover the range.
    Design,
    /// The algorithm is random, or there was no model to ask.
    Random,
    /// The algorithm is Sobol's sequence.
    Sobol,
    /// No feasible point is known: the one that is most probably feasible.
    Feasibility,
    Improvement,
    /// No better point is safe enough to be tried: this one teaches most about whether the best of them would be.
    Step,
    /// The incumbent again, because readings are noisy.
    Incumbent,
    /// Safe mode found no other point that is safe enough, or every point of the lattice was tried.
    Exhausted,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Design => "covers the range before there is a model",
            Self::Random => "at random",
            Self::Sobol => "next of the Sobol sequence",
            Self::Feasibility => "most probably meets the SLOs, which no trial does yet",
            Self::Improvement => "greatest expected improvement",
            Self::Step => "teaches most about a better setting, which is too risky to be tried yet",
            Self::Incumbent => "the best setting so far, measured again",
            Self::Exhausted => "the best setting so far, as no untried one may be tried",
        })
    }
}

/// What to run in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// The point. Of a computed objective one that was tried without failing; of a measured one the minimizer of the
    /// posterior mean where the SLOs probably hold, which may never have been tried.
    pub point: Point,
    /// What the models say about it.
    pub forecast: Forecast,
}
