//! The difference of two means with its confidence interval.
//!
//! Pure.

use serde::{Deserialize, Serialize};

use super::values::mean;

/// The share of intervals that do not hold the true difference.
const ERROR: f64 = 0.05;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Difference {
    pub baseline: f64,
    /// The mean with the other settings.
    pub winner: f64,
    /// The bounds of the 95% confidence interval of `winner` − `baseline`; `None` with too few measurements.
    pub interval: Option<[f64; 2]>,
}

impl Difference {
    pub(crate) fn exact(baseline: f64, winner: f64) -> Self {
        let difference = winner - baseline;
        Self { baseline, winner, interval: Some([difference; 2]) }
    }

    /// Between samples, by Welch's test, which does not ask for equal variances (Welch, *The generalization of
    /// 'Student's' problem*, Biometrika 34, 1947). `None` when one is empty.
    pub(crate) fn welch(baseline: &[f64], winner: &[f64]) -> Option<Self> {
        let (before, after) = (mean(baseline)?, mean(winner)?);
        let interval = error(baseline).zip(error(winner)).map(|((a, m), (b, n))| {
            let squared = a + b;
            // Two samples without any variation differ exactly.
            let freedom = if squared > 0.0 { squared.powi(2) / (a * a / (m - 1.0) + b * b / (n - 1.0)) } else { m + n };
            let radius = student(freedom) * squared.sqrt();
            let difference = after - before;
            [difference - radius, difference + radius]
        });
        Some(Self { baseline: before, winner: after, interval })
    }

    /// The difference as a share of the baseline; `None` when that is zero.
    pub(crate) fn relative(&self) -> Option<f64> {
        let share = (self.winner - self.baseline) / self.baseline.abs();
        share.is_finite().then_some(share)
    }

    /// The interval as shares of the baseline.
    pub(crate) fn relative_interval(&self) -> Option<[f64; 2]> {
        let shares = self.interval?.map(|bound| bound / self.baseline.abs());
        shares.iter().all(|share| share.is_finite()).then_some(shares)
    }
}

/// The squared standard error of the mean, and the size of the sample; `None` with fewer than two.
fn error(sample: &[f64]) -> Option<(f64, f64)> {
    let count = u32::try_from(sample.len()).ok().filter(|count| *count >= 2).map(f64::from)?;
    let centre = mean(sample)?;
    let squares: f64 = sample.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (count - 1.0) / count, count))
}

/// The quantile of Student's distribution that leaves half of [`ERROR`] above it, by the incomplete beta function
/// (Abramowitz and Stegun, 26.7.1).
fn student(freedom: f64) -> f64 {
    let x = puruspe::invbetai(ERROR, freedom / 2.0, 0.5);
    (freedom * (1.0 - x) / x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 2e-3 * expected.abs().max(1e-3), "{found} is not {expected}");
    }

    #[test]
    fn quantiles_are_as_tabled() {
        for (freedom, quantile) in [(1.0, 12.706), (2.0, 4.303), (5.0, 2.571), (30.0, 2.042), (1e6, 1.960)] {
            check(student(freedom), quantile);
        }
    }

    #[test]
    fn the_interval_is_that_of_welch() {
        // Worked by hand: means 3 and 6, variances 1 and 4, three of each; 2.94 degrees of freedom.
        let difference = Difference::welch(&[2.0, 3.0, 4.0], &[4.0, 6.0, 8.0]).unwrap();
        let [low, high] = difference.interval.unwrap();
        check(f64::midpoint(low, high), 3.0);
        check(high - low, 2.0 * 3.2187 * (5.0_f64 / 3.0).sqrt());
        check(difference.relative().unwrap(), 1.0);
    }

    #[test]
    fn too_few_measurements_have_no_interval_and_equal_ones_a_point() {
        assert_eq!(Difference::welch(&[1.0, 2.0], &[3.0]).unwrap().interval, None);
        assert_eq!(Difference::welch(&[], &[3.0]), None);
        assert_eq!(Difference::welch(&[1.0, 1.0], &[3.0, 3.0]).unwrap().interval, Some([2.0, 2.0]));
    }
}
