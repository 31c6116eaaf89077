//! Safe mode: how far a trial may be from what is known to hold.
//!
//! Follows from the history alone, so that it needs no state.

use super::problem::{Observation, Problem};
use super::space::{Dimension, Point};

/// The probability that all SLOs hold of a point that may be tried: 1 − δ with δ = 0.05 (Sui et al. 2015).
pub(super) const CONFIDENCE: f64 = 0.95;

/// Half the width of the first trust region, its least and its greatest one, as shares of a range.
const REACH: f64 = 0.05;
const LEAST: f64 = 0.025;
const GREATEST: f64 = 0.2;

/// The step limit: the greatest share of its range by which a setting may differ from the incumbent's.
const STRIDE: f64 = 0.1;

/// Half the width of the first design around the baseline.
const SHRUNKEN: f64 = 0.08;

/// The trust region around the incumbent (Eriksson et al. 2019): its reach doubles after a success and halves after a
/// violation; the step limit is kept in any case. A lattice has at least one step on either side.
pub(super) fn region(problem: &Problem, history: &[Observation], centre: &[f64]) -> Vec<(f64, f64)> {
    let mut reach = REACH;
    for trial in history.iter().filter(|trial| !problem.space.same(&trial.point, &problem.baseline)) {
        reach *= if problem.is_violated_by(trial) { 0.5 } else { 2.0 };
        reach = reach.clamp(LEAST, GREATEST);
    }
    around(problem, centre, reach.min(STRIDE))
}

fn around(problem: &Problem, centre: &[f64], reach: f64) -> Vec<(f64, f64)> {
    let dimensions = problem.space.dimensions.iter().zip(centre);
    let bounds = dimensions.map(|(dimension, &value)| {
        let (low, high) = dimension.bounds();
        let step = match *dimension {
            Dimension::Steps { step, .. } => step,
            Dimension::Continuous { .. } => 0.0,
            Dimension::Choice { .. } => return (low, high),
        };
        // Forgives a bound of the lattice that misses by rounding.
        let reach = (reach * (high - low)).max(step) * (1.0 + 1e-9);
        ((value - reach).clamp(low, high), (value + reach).clamp(low, high))
    });
    bounds.collect()
}

/// How far a point is from the centre, in half widths of the trust region, added up over the dimensions: more than 1
/// is too far, so that one setting takes its whole step or several take a part of theirs. What moves several settings
/// at once is what a model of few readings is wrong about.
pub(super) fn strides(region: &[(f64, f64)], centre: &[f64], point: &[f64]) -> f64 {
    let dimensions = region.iter().zip(centre.iter().zip(point));
    let shares = dimensions.map(|((low, high), (centre, value))| {
        let half = (high - centre).max(centre - low);
        if half > 0.0 { (value - centre).abs() / half } else { 0.0 }
    });
    // Forgives a step that is as long as the half width but for rounding.
    shares.sum::<f64>() - 1e-6
}

/// A point of the shrunken box around the baseline. Choices stay, and so does what only moves in leaps: one step of a
/// coarse lattice may be half of the replicas.
pub(super) fn near(problem: &Problem, position: &[f64]) -> Point {
    let box_ = around(problem, &problem.baseline, SHRUNKEN);
    let point = problem.space.dimensions.iter().zip(&problem.baseline).zip(box_.iter().zip(position));
    let point = point.map(|((dimension, &value), ((low, high), position))| match dimension {
        Dimension::Choice { .. } => value,
        Dimension::Steps { min, max, step } if *step > GREATEST * (max - min) => value,
        _ => low + position * (high - low),
    });
    problem.space.snap(&point.collect::<Vec<_>>())
}
