//! Cores of a CPU: `250m`, `1.5`.

use std::fmt;
use std::str::FromStr;

use bigdecimal::{BigDecimal, ToPrimitive};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::QuantityError;
use crate::decode::{Decode, Decoder, Node, Value};
use crate::types::decimal::{decimal_of, parse_decimal, trimmed_text};

/// Suffixes with the number of decimal places they stand for, largest unit first.
const SUFFIXES: [(char, i64); 3] = [('m', 3), ('u', 6), ('n', 9)];

/// An exact number of cores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Core(BigDecimal);

impl Core {
    pub fn new(cores: BigDecimal) -> Self {
        Self(cores)
    }

    /// This many thousandths of a core.
    pub fn from_millis(millis: i64) -> Self {
        Self(BigDecimal::new(millis.into(), 3))
    }

    /// The cores of a double's shortest text; `None` when it is not finite.
    pub fn from_f64(cores: f64) -> Option<Self> {
        decimal_of(cores).map(Self)
    }

    /// Reads `2`, `0.5`, `250m`, `100u`, `5n`, with an exponent if need be.
    ///
    /// # Errors
    /// The text is no number of cores.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        // Blanks may stand around the number, and not behind the unit.
        let (number, places) = SUFFIXES
            .iter()
            .find_map(|(suffix, places)| text.strip_suffix(*suffix).map(|number| (number, *places)))
            .unwrap_or((text, 0));
        parse_decimal(number)
            .map(|number| Self(shifted(&number, -places)))
            .ok_or_else(|| QuantityError::Core(text.to_owned()))
    }

    /// The exact number of cores.
    pub fn cores(&self) -> &BigDecimal {
        &self.0
    }

    /// The number of cores as a double, which is also the number on the wire.
    pub fn as_f64(&self) -> f64 {
        // By its text, which is rounded correctly.
        self.0.to_scientific_notation().parse().unwrap_or(f64::NAN)
    }

    /// Whether it is a whole number of thousandths of a core.
    pub fn is_whole_millis(&self) -> bool {
        shifted(&self.0, 3).is_integer()
    }

    /// Whole thousandths of a core; `None` when there is a rest or they are too many.
    pub fn as_millis(&self) -> Option<i64> {
        let millis = shifted(&self.0, 3);
        if millis.is_integer() { millis.to_i64() } else { None }
    }
}

/// The number times ten to the power of `places`.
fn shifted(number: &BigDecimal, places: i64) -> BigDecimal {
    let (digits, scale) = number.as_bigint_and_exponent();
    BigDecimal::new(digits, scale - places)
}

/// The largest unit that gives at least one, such as `1.5`, `250m`, `0n`; negative quantities in `n`.
impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = BigDecimal::from(1);
        if self.0 >= one {
            return f.pad(&trimmed_text(&self.0));
        }
        let fitting = SUFFIXES.iter().find(|(_, places)| shifted(&self.0, *places) >= one);
        let (suffix, places) = fitting.unwrap_or(&('n', 9));
        f.pad(&format!("{}{suffix}", trimmed_text(&shifted(&self.0, *places))))
    }
}

impl FromStr for Core {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Core {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Core {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Core".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": r"^\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?[mun]?\s*$",
            "examples": ["250m", 0.5, "2"],
        })
    }
}

/// Text with a suffix, or a number of cores.
impl Decode for Core {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let core = match &node.value {
            Value::Text(text) => match Self::parse(text) {
                Ok(core) => Some(core),
                Err(error) => {
                    cx.invalid_unquoted(node, error.to_string());
                    return None;
                }
            },
            Value::Integer(cores) => Some(Self(BigDecimal::from(*cores))),
            Value::Float(cores) => Self::from_f64(*cores),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            Value::Bool(_) | Value::Timestamp(_) | Value::List(_) | Value::Map(_) => None,
        };
        if core.is_none() {
            cx.invalid(node, "could not parse the value as a number of cores: write 250m, 0.5 or 2");
        }
        core
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_stand_around_the_number_and_not_behind_the_unit() {
        for text in [" 100m", "100 m", " 0.1 ", "100_000u"] {
            assert_eq!(Core::parse(text).map(|core| core.to_string()), Ok("100m".to_owned()), "{text:?}");
        }
        for text in ["100m ", "1m\t", "m", "1mm"] {
            assert!(Core::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_double_is_the_nearest_one() {
        for text in ["9.095809406763633e+20", "1.7976931348623157e308", "0.1", "-2.5e-7", "0"] {
            assert_eq!(Core::parse(text).map(|core| core.as_f64()), Ok(text.parse().unwrap()), "{text}");
        }
    }
}
