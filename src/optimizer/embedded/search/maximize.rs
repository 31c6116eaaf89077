//! Maximizes a score over the lattice: every point of a small one, else a pattern search from the best of many points.

use std::cmp::Ordering;

use super::sequence;
use super::space::{Dimension, Point, Space};

/// Lattices of at most this many points are enumerated.
const ENUMERABLE: usize = 1_500;

/// Points that cover the region, and points around each seed at each of the deviations.
const COVERING: usize = 400;
const AROUND: usize = 40;

/// Standard deviations of points around a seed, as shares of a dimension's range.
const DEVIATIONS: [f64; 3] = [0.2, 0.05, 0.01];

/// Points from which a pattern search starts.
const STARTS: usize = 4;

/// The first step of a pattern search, as a share of a dimension's range, and the most moves that it makes.
const FIRST_STEP: f64 = 0.1;
const MOVES: usize = 60;

/// Where a pattern search ends on lattices that are finer, as a share of a dimension's range.
const FINEST_STEP: f64 = 1e-6;

/// How good a point is. The variants are in order: any point of a later one beats every point of an earlier one; within
/// a variant the greater number wins. The numbers are never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Score {
    /// Too far from the incumbent to be tried in safe mode, by minus the distance.
    OutOfReach(f64),
    /// Not feasible enough to be tried, by the logarithm of the probability of feasibility.
    Infeasible(f64),
    /// Feasible enough, but no improvement, by minus the loss.
    NoImprovement(f64),
    /// Worth a trial, by the logarithm of the acquisition function.
    Eligible(f64),
}

impl Score {
    /// A number that is not one counts as the least.
    pub(super) fn eligible(value: f64) -> Self {
        Self::Eligible(if value.is_nan() { f64::NEG_INFINITY } else { value })
    }

    pub(super) fn is_eligible(self) -> bool {
        matches!(self, Self::Eligible(_))
    }

    fn rank(self) -> (u8, f64) {
        match self {
            Self::OutOfReach(value) => (0, value),
            Self::Infeasible(value) => (1, value),
            Self::NoImprovement(value) => (2, value),
            Self::Eligible(value) => (3, value),
        }
    }

    fn compare(self, other: Self) -> Ordering {
        let ((tier, value), (other_tier, other_value)) = (self.rank(), other.rank());
        tier.cmp(&other_tier).then(value.total_cmp(&other_value))
    }

    fn beats(self, other: Self) -> bool {
        self.compare(other).is_gt()
    }
}

/// A point and its score.
pub(super) type Scored = (Point, Score);

/// What is maximized, and where.
#[derive(Clone, Copy)]
pub(super) struct Maximizer<'a> {
    pub(super) space: &'a Space,
    /// The lowest and highest permitted value of each dimension; within its bounds.
    pub(super) region: &'a [(f64, f64)],
    pub(super) score: &'a dyn Fn(&[f64]) -> Score,
    /// Points that must not be the answer.
    pub(super) excluded: &'a dyn Fn(&[f64]) -> bool,
    /// Where good points are likely.
    pub(super) seeds: &'a [Point],
    pub(super) seed: u64,
    pub(super) stream: usize,
}

impl Maximizer<'_> {
    /// The best point that was found; `None` if every point is excluded.
    pub(super) fn best(&self) -> Option<Scored> {
        let all = self.space.enumerate(ENUMERABLE);
        if !all.is_empty() {
            let permitted = all.into_iter().filter(|point| self.permits(point) && !(self.excluded)(point));
            return greatest(permitted.map(|point| self.scored(point)));
        }
        let mut candidates: Vec<Scored> = self.candidates().into_iter().map(|point| self.scored(point)).collect();
        candidates.sort_by(|a, b| b.1.compare(a.1));
        let mut starts: Vec<Scored> = Vec::new();
        for candidate in &candidates {
            let is_near = |start: &Scored| self.distance(&start.0, &candidate.0) < 0.05;
            if starts.len() < STARTS && !starts.iter().any(is_near) {
                starts.push(candidate.clone());
            }
        }
        let mut found = candidates.into_iter().find(|(point, _)| !(self.excluded)(point));
        for start in starts {
            self.climb(start, &mut found);
        }
        found
    }

    fn scored(&self, point: Point) -> Scored {
        let score = (self.score)(&point);
        (point, score)
    }

    fn permits(&self, point: &[f64]) -> bool {
        point.iter().zip(self.region).all(|(value, (low, high))| (*low..=*high).contains(value))
    }

    /// The permitted point nearest to any point.
    fn snap(&self, point: &[f64]) -> Point {
        let dimensions = self.space.dimensions.iter().zip(point).zip(self.region);
        dimensions.map(|((dimension, value), &(low, high))| dimension.snap(value.clamp(low, high))).collect()
    }

    fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        let dimensions = self.space.dimensions.iter().zip(a.iter().zip(b));
        dimensions.map(|(dimension, (a, b))| (dimension.unit(*a) - dimension.unit(*b)).abs()).fold(0.0, f64::max)
    }

    fn candidates(&self) -> Vec<Point> {
        let width = self.space.dimensions.len();
        let mut generator = sequence::generator(self.seed ^ 0x5EED, self.stream);
        let covering = (0..COVERING).map(|index| {
            let position = sequence::sobol(self.seed.wrapping_add(self.stream as u64), index, width);
            self.within(&position)
        });
        let mut candidates: Vec<Point> = covering.collect();
        for seed in self.seeds {
            candidates.push(self.snap(seed));
            for deviation in DEVIATIONS {
                for _ in 0..AROUND {
                    let near = self.space.dimensions.iter().zip(seed).map(|(dimension, &value)| {
                        let (keep, shift) = (generator.rand_float(), sequence::normal(&mut generator));
                        if width > 2 && keep < 0.5 { value } else { shifted(dimension, value, shift * deviation) }
                    });
                    candidates.push(self.snap(&near.collect::<Vec<_>>()));
                }
            }
        }
        candidates
    }

    /// The point at a position of the unit cube, which is stretched over the region.
    fn within(&self, position: &[f64]) -> Point {
        let dimensions = self.space.dimensions.iter().zip(position).zip(self.region);
        let point = dimensions.map(|((dimension, &position), &(low, high))| {
            let half = match *dimension {
                Dimension::Steps { step, .. } => 0.5 * step,
                Dimension::Choice { .. } => 0.5,
            };
            low - half + position * (high - low + 2.0 * half)
        });
        self.snap(&point.collect::<Vec<_>>())
    }

    /// Pattern search (Hooke and Jeeves 1961): takes the best move of some length along one dimension, failing that
    /// along two, and halves the length when no move is better, until it is one step of the lattice.
    fn climb(&self, start: Scored, found: &mut Option<Scored>) {
        let mut at = start;
        let mut share = FIRST_STEP;
        for _ in 0..MOVES {
            let moves: Vec<Vec<f64>> = (0..at.0.len()).map(|index| self.moves(index, at.0[index], share)).collect();
            let single = self.best_move(&at, &moves, false, found);
            let Some(better) = single.or_else(|| self.best_move(&at, &moves, true, found)) else {
                if self.is_finest(share) {
                    break;
                }
                share *= 0.5;
                continue;
            };
            at = better;
        }
    }

    /// The best move along one dimension, or along two, that is better than staying.
    fn best_move(&self, at: &Scored, moves: &[Vec<f64>], pairs: bool, found: &mut Option<Scored>) -> Option<Scored> {
        let mut best: Option<Scored> = None;
        let mut attempt = |point: Point| {
            if !self.permits(&point) {
                return;
            }
            let scored = self.scored(point);
            if found.as_ref().is_none_or(|found| scored.1.beats(found.1)) && !(self.excluded)(&scored.0) {
                *found = Some(scored.clone());
            }
            if scored.1.beats(best.as_ref().map_or(at.1, |best| best.1)) {
                best = Some(scored);
            }
        };
        for (index, values) in moves.iter().enumerate() {
            for &value in values {
                let mut point = at.0.clone();
                point[index] = value;
                if !pairs {
                    attempt(point);
                    continue;
                }
                for (other, values) in moves.iter().enumerate().skip(index + 1) {
                    for &value in values {
                        let mut point = point.clone();
                        point[other] = value;
                        attempt(point);
                    }
                }
            }
        }
        best
    }

    /// Whether no dimension has a shorter move.
    fn is_finest(&self, share: f64) -> bool {
        self.space.dimensions.iter().all(|dimension| match *dimension {
            Dimension::Steps { step, .. } => {
                let (low, high) = dimension.bounds();
                share * (high - low) < 1.5 * step || share < FINEST_STEP
            }
            Dimension::Choice { .. } => true,
        })
    }

    /// Other values of a dimension: all choices, or one move up and one down.
    fn moves(&self, index: usize, value: f64, share: f64) -> Vec<f64> {
        match self.space.dimensions[index] {
            Dimension::Choice { values } => {
                (0..values).map(|choice| choice as f64).filter(|other| differ(*other, value)).collect()
            }
            dimension @ Dimension::Steps { step, .. } => {
                let (low, high) = dimension.bounds();
                let length = (share * (high - low)).max(step);
                let others = [value + length, value - length].map(|other| dimension.snap(other));
                others.into_iter().filter(|other| differ(*other, value)).collect()
            }
        }
    }
}

fn differ(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_ne()
}

/// A value moved by a share of its range; a choice changes at random by how far it is moved.
fn shifted(dimension: &Dimension, value: f64, share: f64) -> f64 {
    let (low, high) = dimension.bounds();
    match *dimension {
        Dimension::Choice { .. } if share.abs() < 0.1 => value,
        Dimension::Choice { values } => (value + (share.abs() * 1e4).floor()) % values.max(1) as f64,
        Dimension::Steps { .. } => value + share * (high - low),
    }
}

fn greatest(scored: impl Iterator<Item = Scored>) -> Option<Scored> {
    scored.reduce(|best, other| if other.1.beats(best.1) { other } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_ordered_by_kind_first_and_by_number_second() {
        let rising = [
            Score::OutOfReach(1e300),
            Score::Infeasible(f64::NEG_INFINITY),
            Score::Infeasible(-1.0),
            Score::NoImprovement(-5.0),
            Score::Eligible(f64::NEG_INFINITY),
            Score::Eligible(-3e9),
            Score::Eligible(-1.0),
        ];
        assert!(rising.is_sorted_by(|a, b| b.beats(*a)));
    }

    #[test]
    fn the_peak_of_a_fine_lattice_is_found_on_a_ridge() {
        let fine = Dimension::Steps { min: 0.0, max: 1e6, step: 1.0 };
        let space = Space { dimensions: vec![fine, fine, Dimension::Choice { values: 3 }] };
        let score = |x: &[f64]| {
            let (a, b) = (x[0] / 1e6 - 0.31, x[1] / 1e6 - 0.77);
            Score::Eligible(-(a + b).powi(2) - 30.0 * (a - b).powi(2) - if x[2] > 1.5 { 0.0 } else { 1.0 })
        };
        let region: Vec<(f64, f64)> = space.dimensions.iter().map(Dimension::bounds).collect();
        let maximizer = Maximizer {
            space: &space,
            region: &region,
            score: &score,
            excluded: &|_| false,
            seeds: &[],
            seed: 1,
            stream: 0,
        };
        let (point, _) = maximizer.best().expect("no point is excluded");
        assert!((point[0] - 3.1e5).abs() < 1e3 && (point[1] - 7.7e5).abs() < 1e3, "{point:?}");
        assert!((point[2] - 2.0).abs() < 1e-9);
    }
}
