//! Values of settings: numbers and texts as they were written.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::text::quoted;
use crate::decode::{Decode, Decoder, Node, Secrets, Show, Value, plain_float};

/// A number as written: integers and floats are kept apart, and compare by value.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    /// The number as a double.
    #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(i) => i as f64,
            Self::Float(x) => x,
        }
    }

    /// The number as JSON, in the kind it was written in.
    pub fn to_json(self) -> Json {
        match self {
            Self::Integer(i) => Json::from(i),
            Self::Float(x) => Json::from(x),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            _ => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }
}

/// Plain text: `1`, `1.0`, `1e-05`.
impl Show for Number {
    fn show(&self, _: Secrets) -> Json {
        self.to_json()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(i) => write!(f, "{i}"),
            Self::Float(x) => f.write_str(&plain_float(*x)),
        }
    }
}

/// A number that is written as one and finite; text and booleans are refused.
impl Decode for Number {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Integer(i) => {
                let fitting = i64::try_from(*i).ok();
                if fitting.is_none() {
                    cx.invalid(node, "value is not a valid integer: it needs more than 64 bits");
                }
                fitting.map(Self::Integer)
            }
            Value::Float(x) if x.is_finite() => Some(Self::Float(*x)),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                None
            }
            _ => {
                cx.invalid(node, "value is not a valid float or integer");
                None
            }
        }
    }
}

/// The value of a setting or an adjustment, kept as given.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Integer(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    Text(String),
}

impl Scalar {
    /// The value as a number, unless it is text.
    pub fn number(&self) -> Option<Number> {
        match self {
            Self::Integer(i) => Some(Number::Integer(*i)),
            Self::Float(x) => Some(Number::Float(*x)),
            Self::Text(_) => None,
        }
    }

    /// The value as a double, unless it is text.
    pub fn as_f64(&self) -> Option<f64> {
        self.number().map(Number::as_f64)
    }

    /// The value as JSON, in the kind it was given in.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Integer(i) => Json::from(*i),
            Self::Float(x) => Json::from(*x),
            Self::Text(text) => Json::from(text.as_str()),
        }
    }

    /// The form of messages: numbers plain, text in quotes.
    pub(super) fn in_message(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Integer(_) | Self::Float(_) => self.to_string(),
        }
    }
}

impl From<Number> for Scalar {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(i) => Self::Integer(i),
            Number::Float(x) => Self::Float(x),
        }
    }
}

/// Plain text: `1`, `1.0`, `1e-05`, `web`.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(i) => write!(f, "{i}"),
            Self::Float(x) => f.write_str(&plain_float(*x)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(i) => serializer.serialize_i64(*i),
            Self::Float(x) => serializer.serialize_f64(*x),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// A number or text as given; booleans become the text `True` or `False`.
impl Decode for Scalar {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Integer(_) | Value::Float(_) => Number::decode(node, cx).map(Self::from),
            Value::Text(_) | Value::Bool(_) => String::decode(node, cx).map(Self::Text),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                None
            }
            Value::Timestamp(_) | Value::List(_) | Value::Map(_) => {
                cx.invalid(node, format!("a number or text expected, not a {}", node.value.kind()));
                None
            }
        }
    }
}
