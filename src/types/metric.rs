//! Metrics and the units they are counted in.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::decode::{Decode, Decoder, Node, words};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A plain number: a count, a rate, anything without a unit.
    #[default]
    Float,
    Percentage,
    Milliseconds,
    Bytes,
    Gibibytes,
    Cores,
    RequestsPerMinute,
    RequestsPerSecond,
}

impl Unit {
    pub const ALL: [Self; 8] = [
        Self::Float,
        Self::Percentage,
        Self::Milliseconds,
        Self::Bytes,
        Self::Gibibytes,
        Self::Cores,
        Self::RequestsPerMinute,
        Self::RequestsPerSecond,
    ];

    /// The text in configuration and on the wire, such as `rps`; empty for plain numbers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float => "",
            Self::Percentage => "%",
            Self::Milliseconds => "ms",
            Self::Bytes => "bytes",
            Self::Gibibytes => "GiB",
            Self::Cores => "cores",
            Self::RequestsPerMinute => "rpm",
            Self::RequestsPerSecond => "rps",
        }
    }

    /// The name, such as `requests_per_second`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Percentage => "percentage",
            Self::Milliseconds => "milliseconds",
            Self::Bytes => "bytes",
            Self::Gibibytes => "gibibytes",
            Self::Cores => "cores",
            Self::RequestsPerMinute => "requests_per_minute",
            Self::RequestsPerSecond => "requests_per_second",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for Unit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Unit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(Self::ALL.map(Self::as_str))
    }
}

impl Decode for Unit {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &Self::ALL.map(|unit| (unit.as_str(), unit)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Metric {
    /// The name, on the wire too.
    pub name: String,
    pub unit: Unit,
}

impl Metric {
    /// A metric of this name and unit.
    pub fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.unit == Unit::Float { Ok(()) } else { write!(f, " ({})", self.unit) }
    }
}

impl Decode for Metric {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let name = fields.required("name");
        let unit = fields.or("unit", Unit::Float);
        fields.ignore_unknown();
        Some(Self { name: name?, unit: unit? })
    }
}
