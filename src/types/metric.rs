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

words! {
    /// How the values of several series of one metric become the one that an objective is judged by.
    #[derive(Default, Hash)]
    pub enum SeriesRule {
        /// Each series is judged; the worst decides.
        Worst = "worst",
        #[default]
        Mean = "mean",
        Sum = "sum",
        /// There must be no more than one.
        Only = "only",
    }
}

impl SeriesRule {
    /// What becomes of several series, for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Worst => "the worst of them decides",
            Self::Mean => "their mean counts",
            Self::Sum => "their sum counts",
            Self::Only => "only one is permitted",
        }
    }

    /// The value of several series; `is_worse` says whether its first argument is worse than the second. Without it the
    /// worst is not known, and the mean counts. `None` if there is no series, or no such number.
    pub fn combine(self, values: &[f64], is_worse: Option<fn(f64, f64) -> bool>) -> Option<f64> {
        let count = u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
        let sum = values.iter().sum::<f64>();
        let combined = match (self, is_worse) {
            (Self::Worst, Some(is_worse)) => {
                values.iter().copied().reduce(|worst, value| if is_worse(value, worst) { value } else { worst })?
            }
            (Self::Sum, _) => sum,
            (Self::Worst | Self::Mean | Self::Only, _) => sum / f64::from(count),
        };
        combined.is_finite().then_some(combined)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Metric {
    /// The name, on the wire too.
    pub name: String,
    pub unit: Unit,
    /// How several series of it become one value.
    #[serde(skip)]
    pub series: SeriesRule,
}

impl Metric {
    /// A metric of this name and unit.
    pub fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, series: SeriesRule::default() }
    }

    /// The same metric with this rule for several series.
    #[must_use]
    pub fn judged_by(self, series: SeriesRule) -> Self {
        Self { series, ..self }
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
        let name: String = name?;
        Some(Self::new(name, unit?))
    }
}
