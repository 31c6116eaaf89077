//! Signed time spans and their text: `1h30m`, `500ms`, `2y4mm3d`.

use std::borrow::Cow;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::decode::{Decode, Decoder, Node, Value, Written};

const MICROS_PER_SECOND: i128 = 1_000_000;
const SECOND: u128 = 1_000_000;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;
const MONTH: u128 = 30 * DAY;
const YEAR: u128 = 365 * DAY;

/// The longest span either way, in days; existing configurations know no longer one.
const LONGEST_DAYS: i128 = 999_999_999;

/// Units of the text form with their nanoseconds. Both micro signs are written in the wild.
const UNITS: [(&str, f64); 11] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
    ("d", 86_400e9),
    ("w", 604_800e9),
    ("mm", 2_592_000e9),
];
/// A year of 365 days, in nanoseconds.
const YEAR_NANOS: f64 = 31_536_000e9;

/// A signed span of time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i128);

/// Why a text or a number is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No number with a unit was found.
    #[error("invalid duration '{0}': write a number with a unit, such as 5m or 1h30m")]
    Invalid(String),
    /// A unit that does not exist.
    #[error("unknown unit '{unit}' in duration '{text}': use ns, us, ms, s, m, h, d, w, mm (months) or y")]
    UnknownUnit { unit: String, text: String },
    /// A part that is no number with a unit.
    #[error("invalid duration '{text}': '{part}' is not a number with a unit; write it like 1h30m or -1h5m")]
    Ignored { part: String, text: String },
    /// A number that is none.
    #[error("invalid value '{value}' in duration '{text}'")]
    InvalidValue { value: String, text: String },
    /// Longer than 999999999 days, or not a finite number.
    #[error("duration '{0}' is out of range: at most 999999999 days either way")]
    OutOfRange(String),
}

impl Duration {
    pub const ZERO: Self = Self(0);

    pub const fn from_micros(micros: i128) -> Self {
        Self(micros)
    }

    /// A span of whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs as i128 * MICROS_PER_SECOND)
    }

    /// A span of the standard library, rounded down to microseconds.
    pub fn from_std(span: std::time::Duration) -> Self {
        Self(i128::try_from(span.as_micros()).unwrap_or(i128::MAX))
    }

    /// A span of seconds, rounded to microseconds, half to even.
    ///
    /// # Errors
    /// [`DurationError::OutOfRange`] for what is not finite or longer than 999999999 days.
    pub fn from_secs_f64(secs: f64) -> Result<Self, DurationError> {
        let out_of_range = || DurationError::OutOfRange(secs.to_string());
        // Split first: a large count of seconds leaves no bits for microseconds.
        let whole = to_integer(secs.trunc()).ok_or_else(out_of_range)?;
        let micros = to_integer((secs.fract() * 1e6).round_ties_even()).ok_or_else(out_of_range)?;
        whole
            .checked_mul(MICROS_PER_SECOND)
            .and_then(|whole| whole.checked_add(micros))
            .and_then(Self::in_range)
            .ok_or_else(out_of_range)
    }

    /// Reads duration text.
    ///
    /// Numbers directly followed by a unit are added up, in any order; everything between them is ignored, so that
    /// `1h 30m` and `1h, 30m` mean `1h30m`. A `-` as very first character makes the whole negative.
    ///
    /// # Errors
    /// Names what is wrong: nothing found, an unknown unit, a number that is none, too long.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        if matches!(text, "0" | "+0" | "-0") {
            return Ok(Self::ZERO);
        }
        let terms = terms(text);
        if terms.is_empty() {
            return Err(DurationError::Invalid(text.to_owned()));
        }
        let mut nanos = 0.0;
        for Term { number, unit, .. } in terms {
            nanos += nanos_of(number, unit, text)?;
        }
        let micros = (nanos / 1e3).round_ties_even();
        let micros = if text.starts_with('-') { -micros } else { micros };
        to_integer(micros).and_then(Self::in_range).ok_or_else(|| DurationError::OutOfRange(text.to_owned()))
    }

    /// As [`Self::parse`], refusing text that it would ignore, such as the `30` of `1m30`: for what people write.
    ///
    /// # Errors
    /// As [`Self::parse`], and names what is ignored.
    pub fn parse_exact(text: &str) -> Result<Self, DurationError> {
        let duration = Self::parse(text)?;
        match ignored_part(text) {
            Some(part) => Err(DurationError::Ignored { part: part.to_owned(), text: text.to_owned() }),
            None => Ok(duration),
        }
    }

    pub const fn as_micros(self) -> i128 {
        self.0
    }

    #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The span for timers; a negative one is zero.
    pub fn to_std(self) -> std::time::Duration {
        let micros = u128::try_from(self.0).unwrap_or(0);
        // Beyond 64 bits of seconds every timer is endless.
        let secs = u64::try_from(micros / SECOND).unwrap_or(u64::MAX);
        let nanos = u32::try_from(micros % SECOND * 1000).unwrap_or(0);
        std::time::Duration::new(secs, nanos)
    }

    /// The text form without years, months and days: hours grow instead.
    pub fn plain(self) -> String {
        self.text(&[(HOUR, "h"), (MINUTE, "m")])
    }

    fn in_range(micros: i128) -> Option<Self> {
        const DAY_MICROS: i128 = DAY.cast_signed();
        let days = micros.div_euclid(DAY_MICROS);
        (-LONGEST_DAYS..=LONGEST_DAYS).contains(&days).then_some(Self(micros))
    }

    fn text(self, units: &[(u128, &str)]) -> String {
        let magnitude = self.0.unsigned_abs();
        if magnitude == 0 {
            return "0".to_owned();
        }
        let mut text = if self.0 < 0 { "-".to_owned() } else { String::new() };
        if magnitude < SECOND {
            push_counts(&mut text, magnitude, &[(1_000, "ms"), (1, "us")]);
        } else {
            let rest = push_counts(&mut text, magnitude, units);
            if rest > 0 {
                text.push_str(&seconds_text(rest));
                text.push('s');
            }
        }
        text
    }
}

/// A number directly followed by letters.
struct Term<'t> {
    /// The offset of the number in its text.
    start: usize,
    number: &'t str,
    unit: &'t str,
}

/// All terms of a text, left to right.
fn terms(text: &str) -> Vec<Term<'_>> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let is_letter = |c: char| c.is_ascii_lowercase() || c == 'µ' || c == 'μ';
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(start) = text[offset..].find(is_number).map(|at| offset + at) {
        let rest = &text[start..];
        let (number, after) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
        let (unit, _) = after.split_at(after.find(|c| !is_letter(c)).unwrap_or(after.len()));
        if !unit.is_empty() {
            found.push(Term { start, number, unit });
        }
        offset = start + number.len() + unit.len();
    }
    found
}

/// The first part of a text that belongs to no term, besides a sign in front, blanks and commas.
fn ignored_part(text: &str) -> Option<&str> {
    if matches!(text, "0" | "+0" | "-0") {
        return None;
    }
    let part = |from: usize, to: usize| {
        let part = text[from..to].trim_matches(|c: char| c.is_whitespace() || c == ',');
        (!part.is_empty()).then_some(part)
    };
    let mut end = usize::from(text.starts_with(['+', '-']));
    for Term { start, number, unit } in terms(text) {
        if let Some(ignored) = part(end, start) {
            return Some(ignored);
        }
        end = start + number.len() + unit.len();
    }
    part(end, text.len())
}

fn nanos_of(number: &str, unit: &str, text: &str) -> Result<f64, DurationError> {
    let size = if unit == "y" {
        YEAR_NANOS
    } else {
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        known.ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?.1
    };
    let count: f64 =
        number.parse().map_err(|_| DurationError::InvalidValue { value: number.to_owned(), text: text.to_owned() })?;
    Ok(count * size)
}

/// The integer of a rounded double, where it fits.
#[expect(clippy::cast_possible_truncation, reason = "the bound is checked first")]
fn to_integer(x: f64) -> Option<i128> {
    // Far above the longest span, far below what 128 bits hold.
    const BOUND: f64 = 1e30;
    (x.abs() < BOUND).then_some(x as i128)
}

/// Writes the count of each unit that is not zero and returns what is left.
fn push_counts(text: &mut String, micros: u128, units: &[(u128, &str)]) -> u128 {
    units.iter().fold(micros, |rest, (size, unit)| {
        if rest / size > 0 {
            text.extend([(rest / size).to_string().as_str(), unit]);
        }
        rest % size
    })
}

/// Seconds below a minute with six significant digits; all of them where rounding would give 60.
#[expect(clippy::cast_precision_loss, reason = "below 60 million")]
fn seconds_text(micros: u128) -> String {
    let decimals = if micros >= 10 * SECOND {
        4
    } else if micros >= SECOND {
        5
    } else {
        6
    };
    let rounded = format!("{:.decimals$}", micros as f64 / 1e6);
    let text = if rounded.starts_with("60") { format!("{}.{:06}", micros / SECOND, micros % SECOND) } else { rounded };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text(&[(YEAR, "y"), (MONTH, "mm"), (DAY, "d"), (HOUR, "h"), (MINUTE, "m")]))
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Add for Duration {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Duration {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Duration {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Duration {
    fn sum<I: Iterator<Item = Self>>(durations: I) -> Self {
        durations.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Duration text, or a number of seconds; booleans are 1 s and 0.
impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean"],
            "format": "duration",
            "pattern": "^[+-]?0$|[0-9.]+(ns|us|µs|μs|ms|s|m|h|d|w|mm|y)",
            "examples": ["300ms", "5m", "2h45m", "72h3m0.5s"],
        })
    }
}

impl Decode for Duration {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let decoded = match &node.value {
            Value::Text(text) if cx.is_exact() => Self::parse_exact(text),
            Value::Text(text) => Self::parse(text),
            Value::Integer(secs) => secs
                .checked_mul(MICROS_PER_SECOND)
                .and_then(Self::in_range)
                .ok_or_else(|| DurationError::OutOfRange(secs.to_string())),
            Value::Float(secs) => Self::from_secs_f64(*secs),
            Value::Bool(b) => Ok(Self::from_secs(i64::from(*b))),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            Value::Timestamp(_) | Value::List(_) | Value::Map(_) => {
                cx.invalid(node, "invalid type: a duration is text such as 5m, or a number of seconds");
                return None;
            }
        };
        decoded.map_err(|error| cx.invalid_unquoted(node, error.to_string())).ok()
    }
}

/// A duration above zero.
pub(crate) struct PositiveDuration(Duration);

impl Decode for PositiveDuration {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let duration = Duration::decode(node, cx)?;
        if duration <= Duration::ZERO {
            cx.invalid(node, "a duration above zero is needed, such as 1m");
            return None;
        }
        Some(Self(duration))
    }
}

impl Written for PositiveDuration {
    type Value = Duration;

    fn value(self) -> Duration {
        self.0
    }
}

impl JsonSchema for PositiveDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PositiveDuration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Duration>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_form_reads_back_as_the_same_span() {
        for micros in
            [0, 1, 999, 1_500, 999_999, 1_000_000, 90_500_000, -59_000_001, 31_536_000_000_000, i128::from(u32::MAX)]
        {
            let duration = Duration::from_micros(micros);
            // Six digits of seconds are shown, so what is finer than that is not compared.
            for text in [duration.to_string(), duration.plain()] {
                let read = Duration::parse(&text).expect("a text form is duration text");
                assert!((read - duration).as_micros().abs() < 100, "{text}");
            }
        }
    }

    #[test]
    fn seconds_that_would_round_up_to_a_minute_are_shown_exactly() {
        assert_eq!(Duration::from_micros(119_999_996).to_string(), "1m59.999996s");
        assert_eq!(Duration::from_micros(119_999_900).to_string(), "1m59.9999s");
    }

    #[test]
    fn spans_beyond_a_billion_days_are_refused() {
        for text in ["999999999d", "-999999998d"] {
            assert!(Duration::parse(text).is_ok(), "{text}");
        }
        for text in ["1000000000d", "-1000000000d", "3000000y", "99999999999999999999y"] {
            assert_eq!(Duration::parse(text), Err(DurationError::OutOfRange(text.to_owned())));
        }
        for secs in [f64::NAN, f64::INFINITY, 1e20, -1e20] {
            assert!(Duration::from_secs_f64(secs).is_err(), "{secs}");
        }
    }

    #[test]
    fn timers_take_a_negative_span_as_none() {
        assert_eq!(Duration::from_secs(-5).to_std(), std::time::Duration::ZERO);
        assert_eq!(Duration::from_micros(1_500_001).to_std(), std::time::Duration::from_micros(1_500_001));
        assert_eq!(Duration::from_std(std::time::Duration::from_nanos(1_999)), Duration::from_micros(1));
    }

    #[test]
    fn spans_add_up_and_are_serialized_as_text() {
        let spans = [Duration::from_secs(60), Duration::from_micros(500_000), -Duration::from_secs(1)];
        let sum: Duration = spans.into_iter().sum();
        assert_eq!(sum, Duration::from_micros(59_500_000));
        assert_eq!(serde_json::to_string(&sum).expect("text is JSON"), "\"59.5s\"");
    }

    #[test]
    fn what_a_person_writes_has_no_part_without_meaning() {
        for text in ["1h30m", "1h 30m", "1h, 30m", "-5s", "+5m", "0", "1.5h"] {
            assert_eq!(Duration::parse_exact(text), Duration::parse(text), "{text}");
        }
        for (text, part) in [("1m30", "30"), ("1h-5m", "-"), ("5m garbage", "garbage"), ("1,000s", "1"), ("(5m)", "(")]
        {
            let error = Duration::parse_exact(text).expect_err(text).to_string();
            assert!(error.contains(&format!("'{part}' is not a number with a unit; write it like")), "{error}");
        }
    }
}
