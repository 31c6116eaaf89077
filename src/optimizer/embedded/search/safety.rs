//! Safe mode: how far a trial may be from the incumbent.
//!
//! This follows from the history alone, so that no state is needed.

use super::problem::{Observation, Problem};
use super::space::{Dimension, Point};

/// The probability that all SLOs hold which a trial must have: 1 − δ with δ = 0.05 (Sui et al. 2015).
pub(super) const CONFIDENCE: f64 = 0.95;

/// Half the width of the trust region, as a share of a dimension's range: at first, at least, and at most.
const FIRST_REACH: f64 = 0.05;
const LEAST_REACH: f64 = 0.025;
const GREATEST_REACH: f64 = 0.2;

/// The step limit: by how much of its range a setting may differ from the incumbent's.
const STEP_LIMIT: f64 = 0.1;

/// Half the width of the box around the baseline that holds the first design.
const DESIGN_REACH: f64 = 0.08;

/// The trust region around the incumbent (Eriksson et al. 2019): its reach doubles after a success and halves after a
/// violation; the step limit is kept in any case. A lattice has at least one step on either side.
pub(super) fn region(problem: &Problem, history: &[Observation], centre: &[f64]) -> Vec<(f64, f64)> {
    let mut reach = FIRST_REACH;
    for trial in history.iter().filter(|trial| !problem.space.same(&trial.point, &problem.baseline)) {
        reach *= if problem.is_violated_by(trial) { 0.5 } else { 2.0 };
        reach = reach.clamp(LEAST_REACH, GREATEST_REACH);
    }
    around(problem, centre, reach.min(STEP_LIMIT))
}

fn around(problem: &Problem, centre: &[f64], reach: f64) -> Vec<(f64, f64)> {
    let dimensions = problem.space.dimensions.iter().zip(centre);
    let bounds = dimensions.map(|(dimension, &value)| {
        let (low, high) = dimension.bounds();
        let step = match *dimension {
            Dimension::Steps { step, .. } => step,
            Dimension::Choice { .. } => return (low, high),
        };
        // Rounding must not rule out a point of the lattice.
        let reach = (reach * (high - low)).max(step) * (1.0 + 1e-9);
        ((value - reach).clamp(low, high), (value + reach).clamp(low, high))
    });
    bounds.collect()
}

/// How far a point is from the centre, in half widths of the trust region, added up over the dimensions: more than 1
/// is too far, so that either one setting takes its whole step or several take parts of theirs. A model of few readings
/// is wrong mostly about moves of several settings at once.
pub(super) fn strides(region: &[(f64, f64)], centre: &[f64], point: &[f64]) -> f64 {
    let dimensions = region.iter().zip(centre.iter().zip(point));
    let shares = dimensions.map(|((low, high), (centre, value))| {
        let half = (high - centre).max(centre - low);
        if half > 0.0 { (value - centre).abs() / half } else { 0.0 }
    });
    // Rounding must not rule out a step that is as long as the half width.
    shares.sum::<f64>() - 1e-6
}

/// A point of the box around the baseline. Choices stay, and so do coarse lattices, one step of which may be half of the
/// replicas.
pub(super) fn near(problem: &Problem, position: &[f64]) -> Point {
    let box_ = around(problem, &problem.baseline, DESIGN_REACH);
    let point = problem.space.dimensions.iter().zip(&problem.baseline).zip(box_.iter().zip(position));
    let point = point.map(|((dimension, &value), ((low, high), position))| match dimension {
        Dimension::Choice { .. } => value,
        Dimension::Steps { min, max, step } if *step > GREATEST_REACH * (max - min) => value,
        Dimension::Steps { .. } => low + position * (high - low),
    });
    problem.space.snap(&point.collect::<Vec<_>>())
}
