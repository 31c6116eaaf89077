//! Means of readings, their confidence bounds, and the difference of two means with its confidence interval.
//!
//! Pure. The noise of latencies, rates and counts grows with their size, so readings of one sign are compared by their
//! logarithms, where their variances may be pooled; all others as they are, where they may not.

use serde::{Deserialize, Serialize};

use super::values::mean;

/// The share of intervals that miss the true difference.
pub(super) const ERROR: f64 = 0.05;

/// The share of intervals that may miss it where a decision is taken before all readings are there.
pub(super) const EARLY_ERROR: f64 = 0.01;

/// The fewest readings of a sample of which an interval speaks.
pub(super) const FEWEST: usize = 2;

/// How two samples differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Difference {
    /// The mean of the baseline; the geometric mean if readings were compared by their logarithms.
    pub baseline: f64,
    /// The same of the other settings.
    pub winner: f64,
    /// The bounds of the 95% confidence interval of `winner` − `baseline`; `None` with fewer than two readings of either.
    pub interval: Option<[f64; 2]>,
    /// How many readings there are of the baseline and of the other settings; `None` if both are computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readings: Option<[usize; 2]>,
}

impl Difference {
    /// Between computed numbers.
    pub(crate) fn exact(baseline: f64, winner: f64) -> Self {
        let difference = winner - baseline;
        Self { baseline, winner, interval: Some([difference; 2]), readings: None }
    }

    /// Between samples of readings, with an interval that misses the true difference in a share of `error`. `None` if
    /// one is empty.
    pub(super) fn between(baseline: &[f64], winner: &[f64], error: f64) -> Option<Self> {
        let Some(scale) = LogScale::of(&[baseline, winner]) else { return Self::welch(baseline, winner, error) };
        let (before, after) = (scale.logarithms(baseline), scale.logarithms(winner));
        let (low, high) = (mean(&before)?, mean(&after)?);
        let interval = pooled(&[&before, &after]).filter(|_| is_enough(baseline) && is_enough(winner)).map(|pooled| {
            let shares = size(&before).recip() + size(&after).recip();
            let radius = student(pooled.freedom, error) * (pooled.variance * shares).sqrt();
            let bounds = [high - low - radius, high - low + radius].map(|ratio| scale.natural(low) * ratio.exp_m1());
            [bounds[0].min(bounds[1]), bounds[0].max(bounds[1])]
        });
        let readings = Some([baseline.len(), winner.len()]);
        Some(Self { baseline: scale.natural(low), winner: scale.natural(high), interval, readings })
    }

    /// By Welch's test, which does not ask for equal variances (Welch, *The generalization of 'Student's' problem*,
    /// Biometrika 34, 1947).
    fn welch(baseline: &[f64], winner: &[f64], error: f64) -> Option<Self> {
        let (before, after) = (mean(baseline)?, mean(winner)?);
        let interval = squared_error(baseline).zip(squared_error(winner)).map(|((a, m), (b, n))| {
            let squared = a + b;
            // Two samples without any variation differ exactly.
            let freedom = if squared > 0.0 { squared.powi(2) / (a * a / (m - 1.0) + b * b / (n - 1.0)) } else { m + n };
            let radius = student(freedom, error) * squared.sqrt();
            let difference = after - before;
            [difference - radius, difference + radius]
        });
        let readings = Some([baseline.len(), winner.len()]);
        Some(Self { baseline: before, winner: after, interval, readings })
    }

    /// The difference as a share of the baseline; `None` if the baseline is zero.
    pub(crate) fn relative(&self) -> Option<f64> {
        let share = (self.winner - self.baseline) / self.baseline.abs();
        share.is_finite().then_some(share)
    }

    /// The interval as shares of the baseline.
    pub(crate) fn relative_interval(&self) -> Option<[f64; 2]> {
        let shares = self.interval?.map(|bound| bound / self.baseline.abs());
        shares.iter().all(|share| share.is_finite()).then_some(shares)
    }

    /// Whether the winner's value is lower for certain: the interval excludes zero.
    pub(super) fn is_lower(&self) -> bool {
        self.interval.is_some_and(|[_, high]| high < 0.0)
    }
}

/// A one-sided confidence bound of a sample's mean: it is below the true mean in a share of `error`. The noise is judged
/// by `others` too, readings of the same metric under other settings, where that is possible. `None` with fewer than two
/// readings.
pub(super) fn upper_bound(sample: &[f64], others: &[f64], error: f64) -> Option<f64> {
    if !is_enough(sample) {
        return None;
    }
    let Some(scale) = LogScale::of(&[sample, others]) else {
        let (squared, count) = squared_error(sample)?;
        return Some(mean(sample)? + student(count - 1.0, 2.0 * error) * squared.sqrt());
    };
    let (sample, others) = (scale.logarithms(sample), scale.logarithms(others));
    let pooled = pooled(&[&sample, &others])?;
    let radius = student(pooled.freedom, 2.0 * error) * (pooled.variance / size(&sample)).sqrt();
    Some(scale.natural(mean(&sample)? + scale.sign * radius))
}

fn size(sample: &[f64]) -> f64 {
    u32::try_from(sample.len()).map_or(f64::MAX, f64::from)
}

fn is_enough(sample: &[f64]) -> bool {
    sample.len() >= FEWEST
}

/// The logarithms of readings that all have the same sign.
#[derive(Clone, Copy)]
struct LogScale {
    sign: f64,
}

impl LogScale {
    fn of(samples: &[&[f64]]) -> Option<Self> {
        let all = |sign: f64| samples.iter().copied().flatten().all(|reading| sign * reading > 0.0);
        [1.0, -1.0].into_iter().find(|sign| all(*sign)).map(|sign| Self { sign })
    }

    fn logarithms(self, readings: &[f64]) -> Vec<f64> {
        readings.iter().map(|reading| (self.sign * reading).ln()).collect()
    }

    fn natural(self, logarithm: f64) -> f64 {
        self.sign * logarithm.exp()
    }
}

/// A variance within samples, with its degrees of freedom.
struct Pooled {
    variance: f64,
    freedom: f64,
}

fn pooled(samples: &[&[f64]]) -> Option<Pooled> {
    let (mut squares, mut freedom) = (0.0, 0.0);
    for sample in samples {
        let Some(centre) = mean(sample) else { continue };
        squares += sample.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
        freedom += size(sample) - 1.0;
    }
    (freedom > 0.0).then(|| Pooled { variance: squares / freedom, freedom })
}

/// The squared standard error of the mean, and the size of the sample; `None` with fewer than two readings.
fn squared_error(sample: &[f64]) -> Option<(f64, f64)> {
    let count = u32::try_from(sample.len()).ok().filter(|count| *count >= 2).map(f64::from)?;
    let centre = mean(sample)?;
    let squares: f64 = sample.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (count - 1.0) / count, count))
}

/// The quantile of Student's distribution that leaves half of `error` above it, by the incomplete beta function
/// (Abramowitz and Stegun, 26.7.1).
fn student(freedom: f64, error: f64) -> f64 {
    let x = puruspe::invbetai(error, freedom / 2.0, 0.5);
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
            check(student(freedom, 0.05), quantile);
        }
    }

    #[test]
    fn the_interval_is_that_of_welch() {
        // Worked by hand: means 3 and 6, variances 1 and 4, three of each; 2.94 degrees of freedom.
        let difference = Difference::welch(&[2.0, 3.0, 4.0], &[4.0, 6.0, 8.0], ERROR).unwrap();
        let [low, high] = difference.interval.unwrap();
        check(f64::midpoint(low, high), 3.0);
        check(high - low, 2.0 * 3.2187 * (5.0_f64 / 3.0).sqrt());
        check(difference.relative().unwrap(), 1.0);
    }

    #[test]
    fn too_few_measurements_have_no_interval_and_equal_ones_a_point() {
        assert_eq!(Difference::welch(&[1.0, 2.0], &[3.0], ERROR).unwrap().interval, None);
        assert_eq!(Difference::welch(&[], &[3.0], ERROR), None);
        assert_eq!(Difference::welch(&[1.0, 1.0], &[3.0, 3.0], ERROR).unwrap().interval, Some([2.0, 2.0]));
    }

    #[test]
    fn readings_of_one_sign_are_compared_by_their_ratio_and_mirrored_ones_alike() {
        // Logarithms 0, 1, 2 and 2, 3, 4: means 1 and 3, pooled variance 1, 4 degrees of freedom.
        let e = |power: f64| power.exp();
        let before = [e(0.0), e(1.0), e(2.0)];
        let after = [e(2.0), e(3.0), e(4.0)];
        let difference = Difference::between(&before, &after, ERROR).unwrap();
        check(difference.baseline, e(1.0));
        check(difference.winner, e(3.0));
        let radius = 2.7764 * (2.0_f64 / 3.0).sqrt();
        let [low, high] = difference.interval.unwrap();
        check(low, e(1.0) * (2.0 - radius).exp_m1());
        check(high, e(1.0) * (2.0 + radius).exp_m1());
        assert_eq!(difference.readings, Some([3, 3]));
        let mirrored = Difference::between(&before.map(|x| -x), &after.map(|x| -x), ERROR).unwrap();
        assert_eq!(mirrored.interval, Some([-high, -low]));
    }

    #[test]
    fn a_single_reading_has_neither_interval_nor_bound() {
        assert_eq!(Difference::between(&[1.0, 2.0, 3.0], &[9.0], ERROR).unwrap().interval, None);
        assert_eq!(upper_bound(&[9.0], &[1.0, 2.0], ERROR), None);
    }

    #[test]
    fn a_bound_is_above_the_mean_by_the_quantile_of_student() {
        // Zero has no logarithm, so that the sample alone counts: mean 1, standard error 0.5774, t of 2 degrees 2.920.
        check(upper_bound(&[0.0, 1.0, 2.0], &[5.0], ERROR).unwrap(), 1.0 + 2.920 * 0.577_35);
        check(upper_bound(&[5.0, 5.0], &[0.0], ERROR).unwrap(), 5.0);
        // Logarithms 1, 1, 1 beside 0, 2: pooled variance 2/3 with 3 degrees of freedom, t 2.353.
        let e = 1.0_f64.exp();
        let radius = 2.353 * (2.0_f64 / 9.0).sqrt();
        check(upper_bound(&[e, e, e], &[1.0, e * e], ERROR).unwrap(), (1.0 + radius).exp());
        check(upper_bound(&[-e, -e, -e], &[-1.0, -e * e], ERROR).unwrap(), -(1.0 - radius).exp());
    }
}
