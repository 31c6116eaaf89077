//! Fast fail: judges readings against service level objectives, so that a trial that hurts is ended early.
//!
//! An [`SloObserver`] holds what it judged during one measurement; a [`Schedule`] says when to look. Both are pure: who
//! measures, waits and ends the measurement is the caller. Values are exact decimals, so that no mean or product
//! rounds what is shown; they are compared with thresholds as doubles, so that a reading of 0.1 keeps to 0.1.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU64;

use bigdecimal::{BigDecimal, RoundingMode, Zero};
use jiff::civil::DateTime;
use serde::{Serialize, Serializer};

use crate::decode::{Decode, Decoder, Node, TextForm};
use crate::types::{Duration, Reading, SloCondition, SloInput, SloKeep, decimal_text};

/// The reason that an optimizer gets for a measurement that was ended.
pub const SLO_VIOLATION: &str = "slo-violation";

/// The time between two checks when none is configured.
const DEFAULT_PERIOD: Duration = Duration::from_secs(60);

/// The least time between two checks: a period of 0 means "as often as possible", not "all the time".
const LEAST_PERIOD: Duration = Duration::from_micros(100_000);

/// Significant digits of means and products. It is the precision of the decimals that optimizers are used to.
const PRECISION: NonZeroU64 = match NonZeroU64::new(28) {
    Some(digits) => digits,
    None => NonZeroU64::MIN,
};

/// The section `fast_fail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FastFailConfig {
    /// Whether nothing is judged; 0 or 1 in configuration.
    #[serde(serialize_with = "as_integer")]
    pub disabled: bool,
    /// Time between two checks.
    pub period: Duration,
    /// Length of the window that each check looks at; that of the period when not said.
    pub span: Duration,
    /// No check before this time has passed.
    pub skip: Duration,
    /// Whether a value of exactly 0 counts as no value.
    pub treat_zero_as_missing: bool,
}

impl Default for FastFailConfig {
    fn default() -> Self {
        Self {
            disabled: false,
            period: DEFAULT_PERIOD,
            span: DEFAULT_PERIOD,
            skip: Duration::ZERO,
            treat_zero_as_missing: false,
        }
    }
}

impl Decode for FastFailConfig {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let disabled = fields.or("disabled", ZeroOrOne(false));
        let period = fields.or("period", DEFAULT_PERIOD);
        let span: Option<Option<Duration>> = fields.or("span", None);
        let skip = fields.or("skip", Duration::ZERO);
        let treat_zero_as_missing = fields.or("treat_zero_as_missing", false);
        fields.finish();
        let period = period?;
        Some(Self {
            disabled: disabled?.0,
            period,
            span: span?.unwrap_or(period),
            skip: skip?,
            treat_zero_as_missing: treat_zero_as_missing?,
        })
    }
}

/// A switch that is written as a number.
struct ZeroOrOne(bool);

impl Decode for ZeroOrOne {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match i64::decode(node, cx)? {
            0 => Some(Self(false)),
            1 => Some(Self(true)),
            other => {
                let (order, bound) = if other < 0 { ("greater", 0) } else { ("less", 1) };
                cx.invalid(node, format!("ensure this value is {order} than or equal to {bound}"));
                None
            }
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn as_integer<S: Serializer>(switch: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*switch))
}

/// When to check during one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    period: Duration,
    skip: Duration,
    total: Duration,
}

impl Schedule {
    /// The checks of a measurement that takes `total`, warmup included.
    pub fn new(config: &FastFailConfig, total: Duration) -> Self {
        Self { period: config.period.max(LEAST_PERIOD), skip: config.skip, total }
    }

    /// When, counted from the start, the first check after `elapsed` is due: at the next whole period that is not
    /// skipped and not after the end. `None` when there is no further one.
    pub fn next_after(&self, elapsed: Duration) -> Option<Duration> {
        let period = self.period.as_micros();
        let after = elapsed.max(Duration::ZERO).as_micros() / period + 1;
        let unskipped = (self.skip.as_micros() + period - 1).div_euclid(period);
        let due = Duration::from_micros(period.saturating_mul(after.max(unskipped)));
        (due <= self.total).then_some(due)
    }
}

/// The value of a metric at a check, or what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Level {
    /// An exact decimal.
    Finite(BigDecimal),
    /// Beyond all numbers; below them when negative.
    Infinite {
        /// Which side.
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

    /// The product with a multiplier, to 28 significant digits; `None` when there is none.
    fn times(&self, multiplier: &BigDecimal) -> Option<Self> {
        match self {
            Self::Finite(value) => Some(Self::Finite(rounded(&product(value, multiplier)))),
            Self::Infinite { .. } if multiplier.is_zero() => None,
            Self::Infinite { negative } => {
                Some(Self::Infinite { negative: *negative != (multiplier < &BigDecimal::zero()) })
            }
        }
    }

    /// The nearest double.
    fn as_f64(&self) -> f64 {
        match self {
            // The standard library's parser is the one that rounds correctly.
            Self::Finite(value) => value.to_plain_string().parse().unwrap_or(f64::NAN),
            Self::Infinite { negative: false } => f64::INFINITY,
            Self::Infinite { negative: true } => f64::NEG_INFINITY,
        }
    }

    fn is_zero(&self) -> bool {
        matches!(self, Self::Finite(value) if value.is_zero())
    }

    /// Whether the value is too small to judge: from 0 up to `minimum`, exactly.
    fn is_near_zero(&self, minimum: f64) -> bool {
        match (self, Self::of(minimum)) {
            (Self::Finite(value), Some(Self::Finite(minimum))) => (BigDecimal::zero()..=minimum).contains(value),
            (Self::Finite(value), Some(Self::Infinite { negative: false })) => *value >= BigDecimal::zero(),
            (Self::Infinite { negative: false }, Some(Self::Infinite { negative: false })) => true,
            _ => false,
        }
    }

    fn keeps(&self, keep: SloKeep, threshold: &Self) -> bool {
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

/// The value of a metric: the mean over its readings, each series counting as the mean of its points. `None` when
/// there is no reading with a value, or when the values have no mean.
pub fn level(readings: &[Reading], metric: &str) -> Option<Level> {
    let mut levels = Vec::new();
    for reading in readings.iter().filter(|reading| reading.metric().name == metric) {
        match reading {
            Reading::DataPoint(point) => levels.push(Level::of(point.value)?),
            Reading::TimeSeries(series) if series.is_empty() => {}
            Reading::TimeSeries(series) => {
                let points: Option<Vec<_>> = series.points().iter().map(|point| Level::of(point.value)).collect();
                levels.push(Level::mean(&points?)?);
            }
        }
    }
    Level::mean(&levels)
}

/// What a check found of one condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The metric kept to its threshold.
    Passed,
    /// It did not.
    Failed {
        /// What the metric was.
        metric: Level,
        /// What it was compared with.
        threshold: Level,
    },
    /// The metric had no value.
    MissingMetric,
    /// The metric whose value is the threshold had none.
    MissingThreshold,
    /// The metric was too small to be judged.
    ZeroMetric(Level),
    /// The threshold was too small to be judged by.
    ZeroThreshold(Level),
}

impl Verdict {
    /// Its name in logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::MissingMetric => "missing_metric",
            Self::MissingThreshold => "missing_threshold",
            Self::ZeroMetric(_) => "zero_metric",
            Self::ZeroThreshold(_) => "zero_threshold",
        }
    }

    /// Judges one condition by these readings.
    fn of(condition: &SloCondition, readings: &[Reading], treat_zero_as_missing: bool) -> Self {
        let present = |level: &Level| !(treat_zero_as_missing && level.is_zero());
        let Some(metric) = level(readings, &condition.metric).filter(present) else { return Self::MissingMetric };
        let threshold = if let Some(threshold) = &condition.threshold {
            Level::Finite(threshold.clone()).times(&condition.threshold_multiplier)
        } else {
            let name = condition.threshold_metric.as_deref().unwrap_or_default();
            level(readings, name).and_then(|level| level.times(&condition.threshold_multiplier)).filter(present)
        };
        let Some(threshold) = threshold else { return Self::MissingThreshold };
        if condition.threshold.is_none() {
            if metric.is_near_zero(condition.slo_metric_minimum) {
                return Self::ZeroMetric(metric);
            }
            if threshold.is_near_zero(condition.slo_threshold_minimum) {
                return Self::ZeroThreshold(threshold);
            }
        }
        if metric.keeps(condition.keep, &threshold) { Self::Passed } else { Self::Failed { metric, threshold } }
    }

    /// The verdict on this condition as a sentence.
    fn text(&self, condition: &SloCondition) -> String {
        let metric = &condition.metric;
        match self {
            Self::Passed => "SLO passed".to_owned(),
            Self::Failed { metric, threshold } => {
                format!("SLO failed metric value {metric} was not {} threshold value {threshold}", condition.keep)
            }
            Self::MissingMetric => format!("Metric {metric} was not found in readings"),
            Self::MissingThreshold => {
                let threshold = condition.threshold_metric.as_deref().unwrap_or_default();
                format!("Threshold metric {threshold} was not found in readings")
            }
            Self::ZeroMetric(value) => format!("Skipping SLO {metric} due to near-zero metric value of {value}"),
            Self::ZeroThreshold(value) => {
                format!("Skipping SLO {metric} due to near-zero threshold value of {value}")
            }
        }
    }
}

/// A condition with what was found of it, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    condition: SloCondition,
    verdicts: VecDeque<(DateTime, Verdict)>,
}

impl Observed {
    /// The condition.
    pub fn condition(&self) -> &SloCondition {
        &self.condition
    }

    /// The verdicts that still count, oldest first, each with the local time of its check.
    pub fn verdicts(&self) -> impl Iterator<Item = &(DateTime, Verdict)> {
        self.verdicts.iter()
    }

    /// Adds a verdict and says whether the condition is violated. Only a judgement can violate, and only it makes the
    /// oldest verdicts go; those without a judgement take up places.
    fn push(&mut self, checked_at: DateTime, verdict: Verdict) -> bool {
        let judged = matches!(verdict, Verdict::Passed | Verdict::Failed { .. });
        self.verdicts.push_back((checked_at, verdict));
        if !judged {
            return false;
        }
        let window = usize::try_from(self.condition.trigger_window).unwrap_or(usize::MAX);
        let excess = self.verdicts.len().saturating_sub(window);
        self.verdicts.drain(..excess);
        let failed = self.verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Failed { .. })).count();
        i64::try_from(failed).unwrap_or(i64::MAX) >= self.condition.trigger_count
    }
}

/// `(latency below 5)[2023-06-15 12:01:00 SLO passed, …]`.
impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<String> = self
            .verdicts
            .iter()
            .map(|(checked_at, verdict)| format!("{} {}", time_text(*checked_at), verdict.text(&self.condition)))
            .collect();
        write!(f, "{}[{}]", self.condition, outcomes.join(", "))
    }
}

/// Microseconds only when there are any.
fn time_text(time: DateTime) -> String {
    let format = if time.subsec_nanosecond() < 1_000 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S.%6f" };
    time.strftime(format).to_string()
}

/// At least one objective was violated often enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SLO violation(s) observed: {0}")]
pub struct SloViolation(String);

/// The objectives of one measurement with what was found of them so far.
#[derive(Debug, Clone)]
pub struct SloObserver {
    observed: Vec<Observed>,
    treat_zero_as_missing: bool,
}

impl SloObserver {
    /// An observer that has seen nothing.
    pub fn new(slo: &SloInput, config: &FastFailConfig) -> Self {
        let conditions = slo.conditions.iter().cloned();
        let observed = conditions.map(|condition| Observed { condition, verdicts: VecDeque::new() }).collect();
        Self { observed, treat_zero_as_missing: config.treat_zero_as_missing }
    }

    /// What was found of each condition, in their order.
    pub fn observed(&self) -> &[Observed] {
        &self.observed
    }

    /// Judges all conditions by the readings of one check, made at this local time.
    ///
    /// # Errors
    /// When any is violated: names all that are, with their verdicts.
    pub fn check(&mut self, checked_at: DateTime, readings: &[Reading]) -> Result<(), SloViolation> {
        let mut violations = Vec::new();
        for observed in &mut self.observed {
            let verdict = Verdict::of(&observed.condition, readings, self.treat_zero_as_missing);
            if observed.push(checked_at, verdict) {
                violations.push(observed.to_string());
            }
        }
        tracing::info!("SLO statuses from last check: {}", self.summary());
        if violations.is_empty() { Ok(()) } else { Err(SloViolation(violations.join(", "))) }
    }

    /// The latest verdicts, counted: `x2 passed [(a below 1), (b below 2)], x1 failed [(c below 3)]`.
    fn summary(&self) -> String {
        let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
        for observed in &self.observed {
            let Some((_, verdict)) = observed.verdicts.back() else { continue };
            let condition = observed.condition.to_string();
            match groups.iter_mut().find(|(status, _)| *status == verdict.as_str()) {
                Some((_, conditions)) => conditions.push(condition),
                None => groups.push((verdict.as_str(), vec![condition])),
            }
        }
        let texts = groups
            .iter()
            .map(|(status, conditions)| format!("x{} {status} [{}]", conditions.len(), conditions.join(", ")));
        texts.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decode::{NoVariables, Origin};
    use crate::types::{DataPoint, Metric, Point, TimeSeries, Unit, UnixTime};

    fn config(json: &serde_json::Value) -> Result<FastFailConfig, String> {
        let node = Node::from_json(json, &Origin::whole("test"));
        Decoder::run(&NoVariables, |cx| FastFailConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    fn observer(condition: &serde_json::Value) -> SloObserver {
        let slo = serde_json::json!({ "conditions": [condition] });
        let node = Node::from_json(&slo, &Origin::whole("test"));
        let slo = Decoder::run(&NoVariables, |cx| SloInput::decode(&node, cx)).unwrap();
        SloObserver::new(&slo, &FastFailConfig::default())
    }

    fn series(name: &str, values: &[f64]) -> Reading {
        let metric = Arc::new(Metric::new(name, Unit::Float));
        let points = values.iter().map(|value| Point::new(UnixTime(0), *value)).collect();
        TimeSeries::new(metric, points).into()
    }

    fn point(name: &str, value: f64) -> Reading {
        DataPoint { metric: Arc::new(Metric::new(name, Unit::Float)), time: UnixTime(0), value }.into()
    }

    #[test]
    fn the_span_is_the_period_unless_said() {
        for (json, period, span) in [
            (serde_json::json!({}), 60, 60),
            (serde_json::json!({"period": "5m"}), 300, 300),
            (serde_json::json!({"period": "5m", "span": null}), 300, 300),
            (serde_json::json!({"period": "5m", "span": 0}), 300, 0),
        ] {
            let config = config(&json).unwrap();
            assert_eq!((config.period, config.span), (Duration::from_secs(period), Duration::from_secs(span)));
        }
    }

    #[test]
    fn every_problem_of_the_section_is_named() {
        let json = serde_json::json!({"disabled": 2, "period": null, "skip": "soon", "Span": 1});
        let problems = config(&json).unwrap_err();
        for key in ["disabled", "period", "skip", "Span"] {
            assert!(problems.contains(&format!("{key}: ")), "{key} in {problems}");
        }
    }

    #[test]
    fn checks_are_due_at_whole_periods_after_the_skipped_time_and_not_after_the_end() {
        fn check(period: &str, skip: &str, total: &str, due: &[&str]) {
            let config = config(&serde_json::json!({"period": period, "skip": skip})).unwrap();
            let schedule = Schedule::new(&config, total.parse().unwrap());
            let next = |elapsed: &Duration| schedule.next_after(*elapsed);
            let all: Vec<_> = std::iter::successors(next(&Duration::ZERO), next).map(|at| at.to_string()).collect();
            assert_eq!(all, due, "{period} {skip} {total}");
        }
        check("300ms", "0", "900ms", &["300ms", "600ms", "900ms"]);
        check("300ms", "0", "1s", &["300ms", "600ms", "900ms"]);
        check("300ms", "500ms", "1s", &["600ms", "900ms"]);
        check("300ms", "600ms", "1s", &["600ms", "900ms"]);
        check("300ms", "-5s", "500ms", &["300ms"]);
        check("1m", "0", "2s", &[]);
        check("0", "0", "250ms", &["100ms", "200ms"]);
    }

    #[test]
    fn a_check_that_takes_long_skips_those_that_it_missed() {
        let schedule = Schedule::new(&FastFailConfig::default(), Duration::from_secs(600));
        assert_eq!(schedule.next_after(Duration::from_secs(130)), Some(Duration::from_secs(180)));
        assert_eq!(schedule.next_after(Duration::from_secs(180)), Some(Duration::from_secs(240)));
        assert_eq!(schedule.next_after(Duration::from_secs(600)), None);
    }

    #[test]
    fn a_level_is_the_mean_of_means_in_28_digits_and_a_single_value_is_exact() {
        fn check(readings: &[Reading], expected: Option<&str>) {
            assert_eq!(level(readings, "m").map(|level| level.to_string()).as_deref(), expected);
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
    fn equal_doubles_keep_to_a_threshold_on_both_sides() {
        for keep in ["below", "above"] {
            let mut observer = observer(&serde_json::json!({"metric": "m", "threshold": "0.1", "keep": keep}));
            assert_eq!(observer.check(DateTime::default(), &[point("m", 0.1)]), Ok(()));
        }
    }

    #[test]
    fn missing_verdicts_take_up_places_and_trigger_nothing() {
        let condition = serde_json::json!({"metric": "m", "threshold": 1, "trigger_count": 2, "trigger_window": 3});
        let mut observer = observer(&condition);
        let at = "2023-06-15T12:01:00".parse().unwrap();
        assert!(observer.check(at, &[point("m", 2.0)]).is_ok());
        for _ in 0..3 {
            assert!(observer.check(at, &[]).is_ok());
        }
        assert_eq!(observer.observed()[0].verdicts().count(), 4);
        assert!(observer.check(at, &[point("m", 2.0)]).is_ok());
        assert_eq!(observer.observed()[0].verdicts().count(), 3);
        let violation = observer.check("2023-06-15T12:02:00.25".parse().unwrap(), &[point("m", 2.0)]).unwrap_err();
        assert_eq!(
            violation.to_string(),
            "SLO violation(s) observed: (m below 1)[2023-06-15 12:01:00 Metric m was not found in readings, \
             2023-06-15 12:01:00 SLO failed metric value 2 was not below threshold value 1, \
             2023-06-15 12:02:00.250000 SLO failed metric value 2 was not below threshold value 1]"
        );
    }

    #[test]
    fn an_infinite_threshold_times_zero_is_missing() {
        let condition = serde_json::json!({"metric": "m", "threshold_metric": "t", "threshold_multiplier": 0});
        let mut observer = observer(&condition);
        let readings = [point("m", 2.0), point("t", f64::INFINITY)];
        assert!(observer.check(DateTime::default(), &readings).is_ok());
        assert_eq!(observer.summary(), "x1 missing_threshold [(m below t)]");
    }
}
