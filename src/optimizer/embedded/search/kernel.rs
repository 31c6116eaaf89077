//! How similar two points are: Matérn 5/2 with a length scale per dimension, and the features that it compares.
//!
//! As only points of the lattice are looked at, features are always those of a permitted or a measured point, which is
//! the rounding inside the kernel of Garrido-Merchán and Hernández-Lobato 2020.

use super::space::{Dimension, Space};

const ROOT_5: f64 = 2.236_067_977_499_79;

/// The ratio of the bounds from which a dimension is seen on a logarithmic scale.
const WIDE: f64 = 4.0;

/// How points become features: a number in \[0, 1\] for an ordered dimension, one-hot columns for a choice.
#[derive(Clone, Debug)]
pub(super) struct Features {
    space: Space,
    /// For each feature the dimension that it is of.
    pub(super) owners: Vec<usize>,
}

impl Features {
    pub(super) fn new(space: &Space) -> Self {
        let owners = space.dimensions.iter().enumerate().flat_map(|(index, dimension)| {
            let columns = if let Dimension::Choice { .. } = dimension { dimension.values() } else { 1 };
            std::iter::repeat_n(index, columns)
        });
        let mut owners: Vec<usize> = owners.collect();
        if owners.is_empty() {
            // A space of one point has one constant feature.
            owners.push(0);
        }
        Self { owners, space: space.clone() }
    }

    /// How many length scales there are.
    pub(super) fn dimensions(&self) -> usize {
        self.space.dimensions.len().max(1)
    }

    /// The features of a point. Different choices are at distance 1 from each other, as the ends of a range are.
    pub(super) fn of(&self, point: &[f64]) -> Vec<f64> {
        let mut features = Vec::with_capacity(self.owners.len());
        for (dimension, &value) in self.space.dimensions.iter().zip(point) {
            if let Dimension::Choice { .. } = dimension {
                let chosen = dimension.snap(value) as usize;
                let hot = |index| if index == chosen { std::f64::consts::FRAC_1_SQRT_2 } else { 0.0 };
                features.extend((0..dimension.values()).map(hot));
            } else {
                features.push(warped(dimension, value));
            }
        }
        features.resize(self.owners.len(), 0.5);
        features
    }
}

/// Where a value is between the bounds, in \[0, 1\]: on a logarithmic scale if the range is positive and wide, as ratios
/// are what matters of cores, memory, replicas and workers. This is the input warping of Snoek et al. 2014 with a fixed
/// shape.
fn warped(dimension: &Dimension, value: f64) -> f64 {
    let (low, high) = dimension.bounds();
    if low > 0.0 && high >= WIDE * low && value.is_finite() {
        (value.clamp(low, high) / low).ln() / (high / low).ln()
    } else {
        dimension.unit(value)
    }
}

/// A covariance function: `amplitude` times Matérn 5/2 of the scaled distance, plus `bias`, the prior variance of a
/// constant mean.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// Of each feature: the reciprocal of its dimension's length scale.
    pub(super) rates: Vec<f64>,
    pub(super) amplitude: f64,
    pub(super) bias: f64,
}

impl Kernel {
    /// The covariance at a squared scaled distance (Rasmussen and Williams 2006, equation 4.17).
    pub(super) fn at(&self, squared: f64) -> f64 {
        self.amplitude * matern(squared) + self.bias
    }

    /// The covariance of a point with itself.
    pub(super) fn prior(&self) -> f64 {
        self.amplitude + self.bias
    }

    /// Features times rates: distances of these are scaled distances.
    pub(super) fn scaled(&self, features: &[f64]) -> Vec<f64> {
        features.iter().zip(&self.rates).map(|(value, rate)| value * rate).collect()
    }
}

/// Matérn 5/2 of a squared distance: (1 + √5 r + 5/3 r²) exp(−√5 r).
pub(super) fn matern(squared: f64) -> f64 {
    let reach = ROOT_5 * squared.sqrt();
    (1.0 + reach + reach * reach / 3.0) * (-reach).exp()
}

/// The derivative of [`matern`] by the logarithm of a length scale, divided by that dimension's share of the squared
/// distance: 5/3 (1 + √5 r) exp(−√5 r).
pub(super) fn matern_slope(squared: f64) -> f64 {
    let reach = ROOT_5 * squared.sqrt();
    5.0 / 3.0 * (1.0 + reach) * (-reach).exp()
}

/// The squared distance of two lists of features.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_matern_five_halves() {
        // By hand at distance 1: (1 + √5 + 5/3) e^−√5.
        assert!((matern(1.0) - 0.523_994_108_831_820_3).abs() < 1e-12);
        assert!((matern(0.0) - 1.0).abs() < 1e-15);
        let h = 1e-6;
        let slope = (matern((1.0 / f64::exp(h)).powi(2)) - matern(f64::exp(h).powi(2))) / (2.0 * h);
        assert!((slope - matern_slope(1.0)).abs() < 1e-8);
    }

    #[test]
    fn choices_are_one_hot_and_equally_far_from_each_other() {
        let dimensions = vec![Dimension::Choice { values: 3 }, Dimension::Steps { min: 2.0, max: 4.0, step: 0.5 }];
        let features = Features::new(&Space { dimensions });
        assert_eq!(features.owners, [0, 0, 0, 1]);
        let [a, b, c] = [0.0, 1.0, 2.0].map(|choice| features.of(&[choice, 3.0]));
        for (one, other) in [(&a, &b), (&b, &c), (&a, &c)] {
            assert!((distance(one, other) - 1.0).abs() < 1e-12);
        }
        assert!((a[3] - 0.5).abs() < 1e-12);
    }
}
