//! Values of metrics as exact decimals.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU64;

use bigdecimal::{BigDecimal, RoundingMode, Zero};

use crate::types::{Reading, SeriesRule, SloKeep, decimal_text};

/// Significant digits of means and products. It is the precision of the decimals that optimizers are used to.
const PRECISION: NonZeroU64 = match NonZeroU64::new(28) {
    Some(digits) => digits,
    None => NonZeroU64::MIN,
};

/// The value of a metric at a check, or what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Level {
    Finite(BigDecimal),
    /// Beyond all numbers; below them when negative.
    Infinite {
        negative: bool,
    },
}

impl Level {
    /// The exact value of a double; `None` when it is no number.
    fn of(x: f64) -> Option<Self> {
        if x.is_infinite() {
            return Some(Self::Infinite { negative: x < 0.0 });
        }
        BigDecimal::try_from(x).ok().map(|exact| Self::Finite(plain(&exact)))
    }

    /// The mean, to 28 significant digits; `None` when there is none.
    fn mean(levels: &[Self]) -> Option<Self> {
        if let [only] = levels {
            return Some(only.clone());
        }
        let mut sum = BigDecimal::zero();
        let mut infinite = None;
        for level in levels {
            match level {
                Self::Finite(value) => sum += value,
                Self::Infinite { negative } if infinite.is_some_and(|other| other != *negative) => return None,
                Self::Infinite { negative } => infinite = Some(*negative),
            }
        }
        if let Some(negative) = infinite {
            return Some(Self::Infinite { negative });
        }
        let count = BigDecimal::from(u64::try_from(levels.len()).ok().filter(|count| *count > 0)?);
        let mean = rounded(&(&sum / &count));
        // An exact mean is shown without the zeros that rounding leaves.
        Some(Self::Finite(if &mean * &count == sum { plain(&mean) } else { mean }))
    }

    /// The sum; `None` when there is none.
    fn sum(levels: &[Self]) -> Option<Self> {
        let count = BigDecimal::from(u64::try_from(levels.len()).ok()?);
        Self::mean(levels)?.times(&count)
    }

    /// The product with a multiplier, to 28 significant digits; `None` when there is none.
    pub(super) fn times(&self, multiplier: &BigDecimal) -> Option<Self> {
        match self {
            Self::Finite(value) => Some(Self::Finite(rounded(&product(value, multiplier)))),
            Self::Infinite { .. } if multiplier.is_zero() => None,
            Self::Infinite { negative } => {
                Some(Self::Infinite { negative: *negative != (multiplier < &BigDecimal::zero()) })
            }
        }
    }

    fn as_f64(&self) -> f64 {
        match self {
            // The standard library's parser is the one that rounds correctly.
            Self::Finite(value) => value.to_plain_string().parse().unwrap_or(f64::NAN),
            Self::Infinite { negative: false } => f64::INFINITY,
            Self::Infinite { negative: true } => f64::NEG_INFINITY,
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Self::Finite(value) if value.is_zero())
    }

    /// Whether the value is too small to judge: from 0 up to `minimum`, exactly.
    pub(super) fn is_near_zero(&self, minimum: f64) -> bool {
        match (self, Self::of(minimum)) {
            (Self::Finite(value), Some(Self::Finite(minimum))) => (BigDecimal::zero()..=minimum).contains(value),
            (Self::Finite(value), Some(Self::Infinite { negative: false })) => *value >= BigDecimal::zero(),
            (Self::Infinite { negative: false }, Some(Self::Infinite { negative: false })) => true,
            _ => false,
        }
    }

    pub(super) fn keeps(&self, keep: SloKeep, threshold: &Self) -> bool {
        let order = self.as_f64().partial_cmp(&threshold.as_f64());
        match keep {
            SloKeep::Below => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            SloKeep::Above => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finite(value) => f.write_str(&decimal_text(value)),
            Self::Infinite { negative: false } => f.write_str("Infinity"),
            Self::Infinite { negative: true } => f.write_str("-Infinity"),
        }
    }
}

/// The same number without zeros at the end of its fraction and without exponent.
fn plain(number: &BigDecimal) -> BigDecimal {
    let number = number.normalized();
    if number.fractional_digit_count() < 0 { number.with_scale(0) } else { number }
}

/// The exact product with all its digits, `1.50` times `1.0` being `1.500`; the operator drops some zeros.
fn product(a: &BigDecimal, b: &BigDecimal) -> BigDecimal {
    let ((a, a_scale), (b, b_scale)) = (a.as_bigint_and_scale(), b.as_bigint_and_scale());
    BigDecimal::new(a.as_ref() * b.as_ref(), a_scale + b_scale)
}

fn rounded(number: &BigDecimal) -> BigDecimal {
    if number.digits() > PRECISION.get() {
        number.with_precision_round(PRECISION, RoundingMode::HalfEven)
    } else {
        number.clone()
    }
}

/// The value of a metric: that of its readings together, each series counting as the mean of its points, as its rule for
/// several series says; `keep` says which of them is the worst, and without it their mean counts. `None` when there is no
/// reading with a value, or when the values have no mean.
pub(crate) fn level(readings: &[Reading], metric: &str, keep: Option<SloKeep>) -> Option<Level> {
    let mut levels = Vec::new();
    let mut rule = SeriesRule::default();
    for reading in readings.iter().filter(|reading| reading.metric().name == metric) {
        rule = reading.metric().series;
        match reading {
            Reading::DataPoint(point) => levels.push(Level::of(point.value)?),
            Reading::TimeSeries(series) if series.is_empty() => {}
            Reading::TimeSeries(series) => {
                let points: Option<Vec<_>> = series.points().iter().map(|point| Level::of(point.value)).collect();
                match points.and_then(|points| Level::mean(&points)) {
                    Some(level) => levels.push(level),
                    // One pod without traffic does not hide what the others are like.
                    None if rule == SeriesRule::Worst => {}
                    None => return None,
                }
            }
        }
    }
    match (rule, keep) {
        (SeriesRule::Worst, Some(keep)) => {
            levels.into_iter().reduce(|worst, level| if worst.keeps(keep, &level) { level } else { worst })
        }
        (SeriesRule::Sum, _) => Level::sum(&levels),
        _ => Level::mean(&levels),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::{DataPoint, Metric, Point, TimeSeries, Unit, UnixTime};

    fn series(name: &str, values: &[f64]) -> Reading {
        let metric = Arc::new(Metric::new(name, Unit::Float));
        let points = values.iter().map(|value| Point::new(UnixTime(0), *value)).collect();
        TimeSeries::new(metric, points).into()
    }

    fn point(name: &str, value: f64) -> Reading {
        DataPoint { metric: Arc::new(Metric::new(name, Unit::Float)), time: UnixTime(0), value }.into()
    }

    #[test]
    fn a_level_is_the_mean_of_means_in_28_digits_and_a_single_value_is_exact() {
        fn check(readings: &[Reading], expected: Option<&str>) {
            assert_eq!(level(readings, "m", None).map(|level| level.to_string()).as_deref(), expected);
        }
        check(&[], None);
        check(&[point("other", 1.0)], None);
        check(&[point("m", 0.1)], Some("0.1000000000000000055511151231257827021181583404541015625"));
        check(&[series("m", &[0.3])], Some("0.299999999999999988897769753748434595763683319091796875"));
        check(&[series("m", &[1.0, 2.0, 4.0]), point("m", 10.0)], Some("6.166666666666666666666666666"));
        check(&[point("m", 3.0), point("m", 4.0)], Some("3.5"));
        check(&[point("m", 50.0), point("m", 150.0)], Some("100"));
        check(&[point("m", 0.25), series("m", &[0.3, 7.25, 0.3, 1.0, 2.0])], Some("1.209999999999999997779553950"));
        check(&[series("m", &[]), point("m", 2.0)], Some("2"));
        check(&[series("m", &[])], None);
        check(&[series("m", &[1.0, f64::NAN])], None);
        check(&[series("m", &[1.0, f64::INFINITY])], Some("Infinity"));
        check(&[series("m", &[f64::NEG_INFINITY, f64::INFINITY])], None);
        check(&[point("m", 1e300), point("m", 1e-300)], Some("5.000000000000000262523801276E+299"));
    }

    #[test]
    fn the_worst_of_several_series_is_the_one_furthest_to_the_wrong_side() {
        let metric = |rule| Arc::new(Metric::new("m", Unit::Float).judged_by(rule));
        let readings = |rule| -> Vec<Reading> {
            let series = |value| TimeSeries::new(metric(rule), vec![Point::new(UnixTime(0), value)]).into();
            [10.0, f64::NAN, 900.0, 10.0].map(series).to_vec()
        };
        for (rule, keep, expected) in [
            (SeriesRule::Worst, Some(SloKeep::Below), Some("900")),
            (SeriesRule::Worst, Some(SloKeep::Above), Some("10")),
            (SeriesRule::Mean, Some(SloKeep::Below), None),
        ] {
            let found = level(&readings(rule), "m", keep).map(|level| level.to_string());
            assert_eq!(found.as_deref(), expected, "{rule:?} {keep:?}");
        }
        let sum: Vec<Reading> = readings(SeriesRule::Sum).into_iter().step_by(2).collect();
        assert_eq!(level(&sum, "m", None).map(|level| level.to_string()).as_deref(), Some("910"));
    }
}
