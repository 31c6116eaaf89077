//! Bytes of memory: `512Mi`, `1.5Gi`.

use std::fmt;
use std::str::FromStr;

use bigdecimal::{BigDecimal, RoundingMode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::QuantityError;
use crate::decode::{Decode, Decoder, Node, Value};
use crate::types::decimal::trimmed_text;

const KIBI: i64 = 1 << 10;
const GIBI: i64 = 1 << 30;

/// Units without their optional trailing `b`, in lower case. A lone `m` is mega, not milli.
const UNITS: [(&str, i64); 13] = [
    ("", 1),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("p", 1_000_000_000_000_000),
    ("e", 1_000_000_000_000_000_000),
    ("ki", KIBI),
    ("mi", 1 << 20),
    ("gi", GIBI),
    ("ti", 1 << 40),
    ("pi", 1 << 50),
    ("ei", 1 << 60),
];

/// Units of the text form; each is 1024 of the one before.
const TEXT_UNITS: [&str; 7] = ["B", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Digits of the exact text form: existing configuration dumps have as many.
const TEXT_DIGITS: u64 = 28;

/// A whole number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub i64);

impl ByteSize {
    /// This many GiB, a fraction of a byte cut off; `None` when it is not finite or too large.
    #[expect(clippy::cast_precision_loss, reason = "2^30 and 2^63 are exact")]
    pub fn from_gib(gib: f64) -> Option<Self> {
        bytes_of(gib * GIBI as f64)
    }

    /// Reads a size: a whole number is bytes, a number with a point is GiB, anything else needs a unit.
    ///
    /// # Errors
    /// No number with a known unit, or too large.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let too_large = || QuantityError::TooLarge(text.to_owned());
        if let Some(bytes) = whole(text) {
            return i64::try_from(bytes).map(Self).map_err(|_| too_large());
        }
        let (number, unit) = split(text).ok_or_else(|| QuantityError::ByteSize(text.to_owned()))?;
        // With a blank at the end, `1.5` is bytes and `Gi` no unit.
        let is_loose = text.ends_with(char::is_whitespace);
        if unit.is_empty() && number.contains('.') && !is_loose {
            return number.parse().ok().and_then(Self::from_gib).ok_or_else(too_large);
        }
        let folded = unit.to_ascii_lowercase();
        let size = UNITS
            .iter()
            .find(|(name, _)| {
                folded.strip_suffix('b') == Some(name) || (folded == *name && !(is_loose && name.ends_with('i')))
            })
            .ok_or_else(|| QuantityError::ByteUnit { unit: unit.to_owned(), text: text.to_owned() })?
            .1;
        #[expect(clippy::cast_precision_loss, reason = "powers of two and of ten up to 10^18 are exact")]
        let bytes = number.parse::<f64>().ok().and_then(|number| bytes_of(number * size as f64));
        bytes.ok_or_else(too_large)
    }

    pub const fn bytes(self) -> i64 {
        self.0
    }

    /// The size in GiB, which is also the number on the wire.
    #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
    pub fn as_gib(self) -> f64 {
        self.0 as f64 / GIBI as f64
    }

    /// The form of messages and configuration dumps, with one decimal: `1.5Gi`.
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    pub fn human(self) -> String {
        let mut number = self.0 as f64;
        let mut units = TEXT_UNITS.iter();
        let mut unit = units.next();
        while number.abs() >= 1024.0 && units.len() > 0 {
            number /= 1024.0;
            unit = units.next();
        }
        format!("{number:.1}{}", unit.unwrap_or(&""))
    }

    /// The form of configuration dumps: as [`Self::human`] where that is the same size, else the exact text.
    pub fn dump(self) -> String {
        let human = self.human();
        if Self::parse(&human) == Ok(self) { human } else { self.to_string() }
    }
}

/// The leading number and the unit after it; `None` for text of any other shape. Blanks at the end are only allowed
/// after a unit that is spelled out with its `b`.
/// A whole number, which may have underscores between its digits.
fn whole(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let groups = digits.split('_').all(|group| !group.is_empty() && group.chars().all(|c| c.is_ascii_digit()));
    if groups { text.replace('_', "").parse().ok() } else { None }
}

fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let is_number = number.ends_with(|c: char| c.is_ascii_digit()) && number.matches('.').count() <= 1;
    let unit = rest.trim();
    let is_word = unit.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_number && is_word).then_some((number, unit))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounds are checked first")]
fn bytes_of(bytes: f64) -> Option<ByteSize> {
    (bytes.abs() < i64::MAX as f64).then_some(ByteSize(bytes as i64))
}

/// The exact text in the largest unit that gives at least one: `1.5Gi`, `976.5625Ki`, `0B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = BigDecimal::from(KIBI);
        let per_step = BigDecimal::new(9_765_625.into(), 10);
        let mut number = BigDecimal::from(self.0);
        let mut exact = true;
        let mut units = TEXT_UNITS.iter();
        let mut unit = units.next();
        while number.abs() >= limit && units.len() > 0 {
            number = (number * &per_step).normalized();
            if number.digits() > TEXT_DIGITS {
                number = rounded(&number);
                exact = false;
            }
            unit = units.next();
        }
        let text = if exact { trimmed_text(&number) } else { number.to_plain_string() };
        f.pad(&format!("{text}{}", unit.unwrap_or(&"")))
    }
}

/// The number with as many digits as the text form has, half to even.
fn rounded(number: &BigDecimal) -> BigDecimal {
    match std::num::NonZeroU64::new(TEXT_DIGITS) {
        Some(digits) => number.with_precision_round(digits, RoundingMode::HalfEven),
        None => number.clone(),
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.dump())
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer", "number", "boolean"],
            "pattern": r"^\s*([+-]?[0-9]+(_[0-9]+)*\s*|[0-9.]*[0-9]\s*([kmgtpeKMGTPE]?[bB]?\s*|[kmgtpeKMGTPE][iI]([bB]\s*)?))$",
            "examples": ["512Mi", "1.5GiB", 1_073_741_824],
        })
    }
}

/// Text with a unit, an integer of bytes, or a float of GiB; booleans are 1 byte and 0.
impl Decode for ByteSize {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let size = match &node.value {
            Value::Text(text) => Self::parse(text),
            Value::Integer(bytes) => {
                i64::try_from(*bytes).map(Self).map_err(|_| QuantityError::TooLarge(bytes.to_string()))
            }
            Value::Float(gib) => Self::from_gib(*gib).ok_or_else(|| QuantityError::TooLarge(gib.to_string())),
            Value::Bool(b) => Ok(Self(i64::from(*b))),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            Value::Timestamp(_) | Value::List(_) | Value::Map(_) => {
                cx.invalid(node, "a size is text such as 512Mi, a whole number of bytes or a number of GiB");
                return None;
            }
        };
        size.map_err(|error| cx.invalid_unquoted(node, error.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_the_same_size_again() {
        for (bytes, dump) in [
            (1 << 30, "1.0Gi"),
            (128_000_000, "122.0703125Mi"),
            (1_395_864_371, "1.3Gi"),
            (1_395_864_372, "1.300000000745058059692382812Gi"),
            (0, "0.0B"),
            (9_007_199_254_740_991, "7.999999999999999111821580301Pi"),
        ] {
            let size = ByteSize(bytes);
            assert_eq!(size.dump(), dump);
            assert_eq!(ByteSize::parse(dump), Ok(size));
        }
    }

    #[test]
    fn a_number_with_a_point_and_no_unit_is_gib() {
        for (text, bytes) in [("0.25", 1 << 28), ("2.0", 1 << 31), (".5", 1 << 29), ("2", 2)] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn a_blank_at_the_end_leaves_only_units_that_need_no_other_letter() {
        for (text, bytes) in
            [("1.5M ", 1_500_000), ("2MB\n", 2_000_000), ("4GiB ", 1 << 32), ("1.5 ", 1), ("3k ", 3_000)]
        {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)), "{text:?}");
        }
        assert!(matches!(ByteSize::parse("1.5Gi "), Err(QuantityError::ByteUnit { .. })));
    }

    #[test]
    fn underscores_stand_between_digits() {
        for text in ["1_0", " 10 ", "+1_0"] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(10)), "{text:?}");
        }
        for text in ["_1", "1_", "1__0", "_"] {
            assert!(ByteSize::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_follows_the_unit_is_refused() {
        for text in ["1,024", "1GiB!", "5.Gi", "1..5Gi", "1 Gi 2", "1Gi ", "", "Gi", "-1Gi"] {
            assert!(ByteSize::parse(text).is_err(), "{text}");
        }
        assert_eq!(ByteSize::parse("16Ei"), Err(QuantityError::TooLarge("16Ei".to_owned())));
    }
}
