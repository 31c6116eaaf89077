//! The search space: dimensions in the units of the settings, the lattice of permitted values, and the unit cube.
//!
//! Knows ranges and lattices only; no metric, no model.

/// One number per dimension, in the unit of the setting; a choice is its index.
pub type Point = Vec<f64>;

/// One dimension of the search space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dimension {
    /// The values `min`, `min + step`, … up to `max`; a step of 0 leaves `min` alone.
    Steps {
        /// The first value.
        min: f64,
        /// No value is greater.
        max: f64,
        /// Distance of neighbours; 0: one value.
        step: f64,
    },
    /// The indices 0 to `values` − 1, without an order.
    Choice {
        /// How many there are; at least 1.
        values: usize,
    },
}

impl Dimension {
    /// How many values there are.
    pub fn values(&self) -> usize {
        match *self {
            Self::Steps { min, max, step } => steps(min, max, step) + 1,
            Self::Choice { values } => values.max(1),
        }
    }

    /// The permitted value at a position in \[0, 1\]: each value has an equal share of the interval, so that a uniform
    /// position makes each equally likely.
    pub fn at(&self, position: f64) -> f64 {
        let position = if position.is_nan() { 0.5 } else { position.clamp(0.0, 1.0) };
        self.value((position * self.values() as f64) as usize)
    }

    /// The value of an index of the lattice; the last one for greater indices.
    pub fn value(&self, index: usize) -> f64 {
        let index = index.min(self.values() - 1) as f64;
        match *self {
            Self::Steps { min, step, .. } => min + index * step,
            Self::Choice { .. } => index,
        }
    }

    /// The permitted value nearest to any number.
    pub fn snap(&self, value: f64) -> f64 {
        match *self {
            Self::Steps { min, step, .. } if step > 0.0 && value.is_finite() => {
                self.value(((value - min) / step).round().max(0.0) as usize)
            }
            Self::Choice { .. } if value.is_finite() => self.value(value.round().max(0.0) as usize),
            _ => self.value(0),
        }
    }

    /// The lowest and the highest value.
    pub fn bounds(&self) -> (f64, f64) {
        (self.value(0), self.value(usize::MAX))
    }

    /// Where a value is between the bounds, as a number in \[0, 1\]; ½ if the bounds coincide.
    pub fn unit(&self, value: f64) -> f64 {
        let (min, max) = self.bounds();
        if max > min && value.is_finite() { ((value - min) / (max - min)).clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// Steps that fit between the bounds, forgiving a last one that misses by rounding.
fn steps(min: f64, max: f64, step: f64) -> usize {
    let steps = (max - min) / step;
    if steps.is_finite() && steps > 0.0 { (steps + 1e-9).floor() as usize } else { 0 }
}

/// The dimensions that are searched; pinned settings are not among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// In the order of the numbers of a [`Point`].
    pub dimensions: Vec<Dimension>,
}

impl Space {
    /// How many points there are; `None` if there are more than `limit`.
    pub fn size(&self, limit: usize) -> Option<usize> {
        self.dimensions
            .iter()
            .try_fold(1_usize, |size, dimension| size.checked_mul(dimension.values()).filter(|size| *size <= limit))
    }

    /// Every point, the last dimension varying fastest; empty unless there are at most `limit`.
    pub fn enumerate(&self, limit: usize) -> Vec<Point> {
        let Some(size) = self.size(limit) else { return Vec::new() };
        (0..size).map(|number| self.numbered(number)).collect()
    }

    fn numbered(&self, mut number: usize) -> Point {
        let mut point = vec![0.0; self.dimensions.len()];
        for (value, dimension) in point.iter_mut().zip(&self.dimensions).rev() {
            let values = dimension.values();
            *value = dimension.value(number % values);
            number /= values;
        }
        point
    }

    /// The permitted point at a position in the unit cube.
    pub fn at(&self, position: &[f64]) -> Point {
        self.dimensions.iter().zip(position).map(|(dimension, &position)| dimension.at(position)).collect()
    }

    /// The permitted point nearest to any point; missing numbers become the lowest value.
    pub fn snap(&self, point: &[f64]) -> Point {
        let numbers = point.iter().copied().chain(std::iter::repeat(f64::NAN));
        self.dimensions.iter().zip(numbers).map(|(dimension, value)| dimension.snap(value)).collect()
    }

    /// Whether two points are the same up to rounding.
    pub fn same(&self, a: &[f64], b: &[f64]) -> bool {
        self.dimensions.iter().zip(a.iter().zip(b)).all(|(dimension, (&a, &b))| {
            let (min, max) = dimension.bounds();
            (a - b).abs() <= 1e-9 * (max - min).max(f64::MIN_POSITIVE)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Dimension = Dimension::Steps { min: 0.25, max: 1.0, step: 0.25 };

    #[test]
    fn a_lattice_has_the_values_that_fit_between_its_bounds() {
        let check = |min, max, step, expected| assert_eq!(Dimension::Steps { min, max, step }.values(), expected);
        check(0.25, 1.0, 0.25, 4);
        check(0.1, 0.3, 0.1, 3);
        check(1.0, 4.5, 1.0, 4);
        check(2.0, 8.0, 0.0, 1);
        check(8.0, 2.0, 1.0, 1);
    }

    #[test]
    fn positions_share_the_unit_interval_equally() {
        let check = |position, expected: f64| assert!((CPU.at(position) - expected).abs() < 1e-12, "{position}");
        check(0.0, 0.25);
        check(0.24, 0.25);
        check(0.26, 0.5);
        check(0.99, 1.0);
        check(1.0, 1.0);
        check(f64::NAN, 0.75);
    }

    #[test]
    fn any_number_snaps_to_a_permitted_value() {
        let check = |dimension: Dimension, value, expected| assert!(dimension.snap(value).total_cmp(&expected).is_eq());
        check(CPU, 0.6, 0.5);
        check(CPU, -3.0, 0.25);
        check(CPU, 1e300, 1.0);
        check(CPU, f64::NAN, 0.25);
        check(Dimension::Choice { values: 3 }, 1.7, 2.0);
        check(Dimension::Choice { values: 0 }, 1.7, 0.0);
    }

    #[test]
    fn enumeration_lists_every_point_once_or_none_beyond_the_limit() {
        let space = Space { dimensions: vec![CPU, Dimension::Choice { values: 2 }] };
        let points = space.enumerate(8);
        assert_eq!(points.len(), 8);
        assert_eq!(points[1], [0.25, 1.0]);
        assert_eq!(points[7], [1.0, 1.0]);
        assert!(space.enumerate(7).is_empty());
    }
}
