//! The acquisition function: what a trial of a point is worth, in logarithms.
//!
//! It is expected improvement times the probability of feasibility, as a sum of logarithms (Ament et al. 2023), so that
//! regions where either is tiny still tell where it grows.

use nalgebra::{DMatrix, DVector};

use super::gp::Process;
use super::maximize::Score;
use super::model::Models;
use super::normal;
use super::problem::Function;
use super::sequence;

/// By how much the logarithm of an information gain falls for each relative loss of a computed objective.
const COST_PENALTY: f64 = 10.0;

/// Joint posterior samples that noisy expected improvement is averaged over.
const SAMPLES: usize = 16;

/// Noise below this share of the amplitude is none.
const NOISELESS: f64 = 1e-6;

/// A relative gain of a computed objective below this is rounding.
const LEAST_GAIN: f64 = 1e-12;

/// How much better than the incumbent a point is expected to be.
pub(super) enum Improvement {
    /// Of a modelled objective without noise: expected improvement upon the best value.
    Exact { process: Process, best: f64 },
    /// Of a modelled objective under noise: averaged over joint samples of the true values at the points that were
    /// tried, each sample with its own best one (Letham et al. 2019, equation 5).
    Noisy { process: Process, weights: DMatrix<f64>, bests: Vec<f64> },
    /// Of a computed objective, which improves for certain: it has no distribution to integrate over.
    Computed { function: Function, best: f64, unit: f64 },
    /// Only feasibility counts, as no feasible point is known.
    FeasibilityOnly,
}

impl Improvement {
    /// Of a modelled objective; `candidates` are the features of the points that the incumbent may be.
    pub(super) fn modelled(process: &Process, candidates: &[Vec<f64>], seed: u64, stream: usize) -> Self {
        let best = candidates.iter().map(|features| process.mean(features)).fold(f64::INFINITY, f64::min);
        if !best.is_finite() {
            return Self::FeasibilityOnly;
        }
        if process.noise <= NOISELESS * process.kernel.amplitude {
            return Self::Exact { process: process.clone(), best };
        }
        Self::noisy(process, candidates, seed, stream).unwrap_or(Self::Exact { process: process.clone(), best })
    }

    fn noisy(process: &Process, candidates: &[Vec<f64>], seed: u64, stream: usize) -> Option<Self> {
        let (mean, covariance) = process.joint();
        let half = super::gp::factor(&covariance, process.kernel.prior() * 1e2)?.unpack();
        let (factor, known) = process.known()?;
        let n = process.len();
        let mut samples = DMatrix::zeros(n, SAMPLES);
        let shift = seed.wrapping_add(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(stream as u64 + 1));
        for (index, mut sample) in samples.column_iter_mut().enumerate() {
            let deviates = sequence::sobol(shift, index, n);
            let deviates = DVector::from_iterator(n, deviates.into_iter().map(normal::quantile));
            sample.copy_from(&(&mean + &half * deviates));
        }
        let weights = factor.solve(&samples);
        let rows: Vec<DVector<f64>> = candidates.iter().map(|features| known.row(features)).collect();
        let bests =
            weights.column_iter().map(|weights| rows.iter().map(|row| row.dot(&weights)).fold(f64::INFINITY, f64::min));
        let bests = bests.collect();
        Some(Self::Noisy { process: known, weights, bests })
    }

    /// ln of what a point's information is worth for its price: its relative loss of a computed objective counts against
    /// it.
    pub(super) fn ln_cost_penalty(&self, point: &[f64]) -> f64 {
        match self {
            Self::Computed { function, best, unit } => COST_PENALTY * ((best - function(point)) / unit).min(0.0),
            _ => 0.0,
        }
    }

    /// ln of the expected improvement, in the unit of the model or relative to the incumbent's computed objective.
    pub(super) fn score(&self, point: &[f64], features: &[f64]) -> Score {
        match self {
            Self::Exact { process, best } => {
                let (mean, variance) = process.predict(features);
                Score::eligible(ln_expected(best - mean, variance.sqrt()))
            }
            Self::Noisy { process, weights, bests } => {
                let row = process.row(features);
                let means = weights.tr_mul(&row);
                let deviation = process.variance(row).sqrt();
                let terms = means.iter().zip(bests).map(|(mean, best)| ln_expected(best - mean, deviation));
                Score::eligible(ln_mean_exp(&terms.collect::<Vec<_>>()))
            }
            Self::Computed { function, best, unit } => {
                let gain = (best - function(point)) / unit;
                if gain > LEAST_GAIN { Score::eligible(gain.ln()) } else { Score::NoImprovement(gain) }
            }
            Self::FeasibilityOnly => Score::Eligible(0.0),
        }
    }
}

/// ln of the expected improvement of a normal variable whose mean is better by `gain`.
fn ln_expected(gain: f64, deviation: f64) -> f64 {
    deviation.ln() + normal::ln_improvement(gain / deviation)
}

fn ln_mean_exp(terms: &[f64]) -> f64 {
    let greatest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|term| (term - greatest).exp()).sum();
    greatest + (sum / terms.len() as f64).ln()
}

/// What a trial of a point is worth.
pub(super) struct Acquisition<'a> {
    pub(super) models: &'a Models,
    pub(super) improvement: Improvement,
    /// The lowest probability of feasibility of a point that may be tried.
    pub(super) required_feasibility: f64,
}

impl Acquisition<'_> {
    /// What a point would be worth if it might be tried however probably it is feasible.
    pub(super) fn potential(&self, point: &[f64]) -> Score {
        let features = self.models.features.of(point);
        self.weighted(point, &features, self.models.ln_feasible(&features))
    }

    pub(super) fn score(&self, point: &[f64]) -> Score {
        let features = self.models.features.of(point);
        let feasible = self.models.ln_feasible(&features);
        match &self.improvement {
            Improvement::FeasibilityOnly => Score::eligible(feasible),
            _ if feasible < self.required_feasibility.ln() => Score::Infeasible(feasible),
            _ => self.weighted(point, &features, feasible),
        }
    }

    fn weighted(&self, point: &[f64], features: &[f64], feasible: f64) -> Score {
        match self.improvement.score(point, features) {
            Score::Eligible(improvement) => Score::eligible(improvement + feasible),
            other => other,
        }
    }
}
