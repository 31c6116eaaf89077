//! Numbers of a setting: plain numbers, cores or bytes, each with its own arithmetic and texts.

use bigdecimal::{BigDecimal, ToPrimitive};
use serde_json::Value as Json;

use super::kind::Form;
use crate::types::{ByteSize, Core, Number, Scalar};

/// A number of a setting. Those of one setting are all of one variant.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Amount {
    Number(Number),
    Cores(Core),
    Bytes(ByteSize),
}

impl From<Number> for Amount {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<Core> for Amount {
    fn from(cores: Core) -> Self {
        Self::Cores(cores)
    }
}

impl From<ByteSize> for Amount {
    fn from(size: ByteSize) -> Self {
        Self::Bytes(size)
    }
}

impl Amount {
    /// As a double: of cores or bytes.
    #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
    pub fn as_f64(&self) -> f64 {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Cores(cores) => cores.as_f64(),
            Self::Bytes(size) => size.bytes() as f64,
        }
    }

    /// The text for people, such as `250m` or `1.5Gi`.
    pub fn human(&self) -> String {
        match self {
            Self::Bytes(size) => size.human(),
            Self::Number(_) | Self::Cores(_) => self.exact(),
        }
    }

    /// The number on the wire: cores and GiB as floats.
    pub fn wire(&self) -> Scalar {
        match self {
            Self::Number(number) => Scalar::from(*number),
            Self::Cores(cores) => Scalar::Float(cores.as_f64()),
            Self::Bytes(size) => Scalar::Float(size.as_gib()),
        }
    }

    /// The text that loses nothing, where messages speak of differences.
    pub(super) fn exact(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Cores(cores) => cores.to_string(),
            Self::Bytes(size) => size.to_string(),
        }
    }

    /// The form in a configuration.
    pub(super) fn dump(&self) -> Json {
        match self {
            Self::Number(number) => number.to_json(),
            Self::Cores(cores) => cores.to_string().into(),
            Self::Bytes(size) => size.dump().into(),
        }
    }

    /// The number that a new value of a pinned setting is compared with.
    pub(super) fn stored(&self) -> Scalar {
        match self {
            Self::Bytes(size) => Scalar::Integer(size.bytes()),
            Self::Number(_) | Self::Cores(_) => self.wire(),
        }
    }

    /// The sum; `None` if it does not fit.
    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Number(Number::Integer(a)), Self::Number(Number::Integer(b))) => {
                Self::Number(Number::Integer(a.checked_add(*b)?))
            }
            (Self::Number(a), Self::Number(b)) => Self::Number(Number::Float(a.as_f64() + b.as_f64())),
            (Self::Cores(a), Self::Cores(b)) => Self::Cores(Core::new(a.cores() + b.cores())),
            (Self::Bytes(a), Self::Bytes(b)) => Self::Bytes(ByteSize(a.bytes().checked_add(b.bytes())?)),
            _ => return None,
        })
    }

    /// The difference; `None` if it does not fit.
    pub(super) fn minus(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Number(Number::Integer(a)), Self::Number(Number::Integer(b))) => {
                Self::Number(Number::Integer(a.checked_sub(*b)?))
            }
            (Self::Number(a), Self::Number(b)) => Self::Number(Number::Float(a.as_f64() - b.as_f64())),
            (Self::Cores(a), Self::Cores(b)) => Self::Cores(Core::new(a.cores() - b.cores())),
            (Self::Bytes(a), Self::Bytes(b)) => Self::Bytes(ByteSize(a.bytes().checked_sub(b.bytes())?)),
            _ => return None,
        })
    }

    /// A decimal as a number of this one's kind; `None` if it does not fit.
    pub(super) fn like(&self, decimal: &BigDecimal) -> Option<Self> {
        Some(match self {
            Self::Number(Number::Integer(_)) => Self::Number(Number::Integer(decimal.to_i64()?)),
            Self::Number(Number::Float(_)) => Self::Number(Number::Float(decimal.to_f64()?)),
            Self::Cores(_) => Self::Cores(Core::new(decimal.clone())),
            Self::Bytes(_) => Self::Bytes(ByteSize(decimal.to_i64()?)),
        })
    }

    /// A live value as a number of a form; `None` if it cannot be one.
    pub(super) fn of_live(form: Form, value: &Scalar) -> Option<Self> {
        match form {
            Form::Text => None,
            Form::TextNumber => value.number().map(Self::Number),
            Form::Number | Form::Float | Form::Integer => live_number(value).map(Self::Number),
            Form::Cores => Core::parse(&value.to_string()).ok().map(Self::Cores),
            Form::Bytes => match value {
                Scalar::Integer(bytes) => Some(ByteSize(*bytes)),
                Scalar::Float(gib) => ByteSize::from_gib(*gib),
                Scalar::Text(text) => ByteSize::parse(text).ok(),
            }
            .map(Self::Bytes),
        }
    }

    /// The kind of number: the bounds of one range must agree.
    pub(super) fn number_type(&self) -> &'static str {
        match self {
            Self::Number(Number::Integer(_)) => "int",
            Self::Number(Number::Float(_)) => "float",
            Self::Cores(_) | Self::Bytes(_) => "",
        }
    }
}

fn live_number(value: &Scalar) -> Option<Number> {
    let number = match value {
        Scalar::Integer(integer) => Number::Integer(*integer),
        Scalar::Float(float) => Number::Float(*float),
        Scalar::Text(text) => {
            let text = text.trim();
            let integer = text.parse().map(Number::Integer).ok();
            integer.or_else(|| text.parse().map(Number::Float).ok())?
        }
    };
    number.as_f64().is_finite().then_some(number)
}
