//! Where a score is greatest: every point of a small lattice, else a search from many points.

use super::descent;
use super::sequence;
use super::space::{Dimension, Point, Space};

/// Lattices of at most this many points are tried out.
const SMALL: usize = 1_500;

/// Points that cover the region, and points around each of the seeds at each of the reaches.
const COVER: usize = 400;
const AROUND: usize = 40;

/// Deviations of points around a seed, as shares of the range.
const REACHES: [f64; 3] = [0.2, 0.05, 0.01];

/// Points that a search climbs from.
const CLIMBS: usize = 4;

/// Steps of a climb along continuous dimensions, and rounds of these and of moves on the lattice.
const STEPS: usize = 20;
const ROUNDS: usize = 6;

pub(super) struct Hunt<'a> {
    pub(super) space: &'a Space,
    /// The permitted values of each dimension; within its bounds.
    pub(super) region: &'a [(f64, f64)],
    /// The greater, the better; never NaN.
    pub(super) score: &'a dyn Fn(&[f64]) -> f64,
    /// Points that must not be the answer.
    pub(super) excluded: &'a dyn Fn(&[f64]) -> bool,
    /// Where it may pay to look.
    pub(super) seeds: &'a [Point],
    pub(super) seed: u64,
    pub(super) stream: usize,
}

/// A point and its score.
pub(super) type Scored = (Point, f64);

impl Hunt<'_> {
    /// The point of the greatest score that was found; none when every point is excluded.
    pub(super) fn best(&self) -> Option<Scored> {
        let all = self.space.enumerate(SMALL);
        if !all.is_empty() {
            let permitted = all.into_iter().filter(|point| self.permits(point) && !(self.excluded)(point));
            return greatest(permitted.map(|point| self.scored(point)));
        }
        let mut candidates: Vec<Scored> = self.candidates().into_iter().map(|point| self.scored(point)).collect();
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut starts: Vec<Scored> = Vec::new();
        for candidate in &candidates {
            let near = |start: &Scored| self.distance(&start.0, &candidate.0) < 0.05;
            if starts.len() < CLIMBS && !starts.iter().any(near) {
                starts.push(candidate.clone());
            }
        }
        let mut found = greatest(candidates.into_iter().find(|(point, _)| !(self.excluded)(point)).into_iter());
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
        let cover = (0..COVER).map(|index| {
            let position = sequence::sobol(self.seed.wrapping_add(self.stream as u64), index, width);
            self.within(&position)
        });
        let mut candidates: Vec<Point> = cover.collect();
        for seed in self.seeds {
            candidates.push(self.snap(seed));
            for reach in REACHES {
                for _ in 0..AROUND {
                    let near = self.space.dimensions.iter().zip(seed).map(|(dimension, &value)| {
                        let (keep, shift) = (generator.rand_float(), sequence::normal(&mut generator));
                        if width > 2 && keep < 0.5 { value } else { shifted(dimension, value, shift * reach) }
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
                Dimension::Continuous { .. } => 0.0,
                Dimension::Choice { .. } => 0.5,
            };
            low - half + position * (high - low + 2.0 * half)
        });
        self.snap(&point.collect::<Vec<_>>())
    }

    /// Climbs from a point, by turns along continuous dimensions and on the lattice.
    fn climb(&self, start: Scored, found: &mut Option<Scored>) {
        let mut at = start;
        for _ in 0..ROUNDS {
            let before = at.1;
            self.slide(&mut at);
            self.consider(&at, found);
            self.step(&mut at, found);
            if at.1 <= before + 1e-9 * before.abs() {
                break;
            }
        }
    }

    fn consider(&self, candidate: &Scored, found: &mut Option<Scored>) {
        if found.as_ref().is_none_or(|found| candidate.1 > found.1) && !(self.excluded)(&candidate.0) {
            *found = Some(candidate.clone());
        }
    }

    /// Follows the slope along the continuous dimensions.
    fn slide(&self, at: &mut Scored) {
        let free: Vec<usize> = (0..at.0.len()).filter(|&index| self.is_continuous(index)).collect();
        if free.is_empty() {
            return;
        }
        // In shares of the region, so that all dimensions count alike.
        let bounds = vec![(0.0, 1.0); free.len()];
        let whole = |shares: &[f64]| {
            let mut point = at.0.clone();
            for (&index, share) in free.iter().zip(shares) {
                let (low, high) = self.region[index];
                point[index] = (low + share * (high - low)).clamp(low, high);
            }
            point
        };
        let negative = |shares: &[f64]| -(self.score)(&whole(shares));
        let slope = |shares: &[f64]| (negative(shares), descent::differences(&negative, shares, &bounds));
        let start = free.iter().map(|&index| {
            let (low, high) = self.region[index];
            (at.0[index] - low) / (high - low)
        });
        let ended = descent::minimize(&slope, &start.collect::<Vec<_>>(), &bounds, STEPS);
        if -ended.value > at.1 {
            *at = (whole(&ended.at), -ended.value);
        }
    }

    fn is_continuous(&self, index: usize) -> bool {
        self.space.dimensions[index].values().is_none() && self.region[index].1 > self.region[index].0
    }

    /// Takes the best move on the lattice: one dimension by some steps, or two of them by one step each.
    fn step(&self, at: &mut Scored, found: &mut Option<Scored>) {
        let moves: Vec<Vec<f64>> = (0..at.0.len()).map(|index| self.moves(index, at.0[index])).collect();
        let mut best = at.clone();
        let mut attempt = |point: Point| {
            if self.permits(&point) {
                let scored = self.scored(point);
                self.consider(&scored, found);
                if scored.1 > best.1 {
                    best = scored;
                }
            }
        };
        for (index, values) in moves.iter().enumerate() {
            for &value in values {
                let mut point = at.0.clone();
                point[index] = value;
                attempt(point.clone());
                for (other, values) in moves.iter().enumerate().skip(index + 1) {
                    for &value in values.iter().take(2) {
                        let mut point = point.clone();
                        point[other] = value;
                        attempt(point);
                    }
                }
            }
        }
        *at = best;
    }

    /// Other values of a dimension of the lattice, nearest first: all choices; 1, 2, 4, 8 steps up and down.
    fn moves(&self, index: usize, value: f64) -> Vec<f64> {
        match self.space.dimensions[index] {
            Dimension::Continuous { .. } => Vec::new(),
            Dimension::Choice { values } => {
                (0..values).map(|choice| choice as f64).filter(|other| differ(*other, value)).collect()
            }
            dimension @ Dimension::Steps { step, .. } => {
                let steps = [1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 8.0, -8.0];
                let others = steps.into_iter().map(|count| dimension.snap(value + count * step));
                let mut others: Vec<f64> = others.filter(|other| differ(*other, value)).collect();
                others.dedup();
                others
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
        _ => value + share * (high - low),
    }
}

fn greatest(scored: impl Iterator<Item = Scored>) -> Option<Scored> {
    scored.reduce(|best, other| if other.1 > best.1 { other } else { best })
}
