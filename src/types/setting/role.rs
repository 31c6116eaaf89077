//! What a setting stands for in a container: a resource's requests and limits, or an environment variable.

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use crate::decode::{Decode, Decoder, Node, Value};
use crate::types::{Number, Scalar};

/// What a setting stands for, beyond its value.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// Whatever its connector makes of it.
    Connector,
    /// A resource of a container.
    Resource {
        /// The request of a container that has none.
        request: Option<Amount>,
        /// The limit of a container that has none.
        limit: Option<Amount>,
        /// Where the value is read from: the first that is there counts.
        get: Vec<ResourceRequirement>,
        /// Where a new value is written to.
        set: Vec<ResourceRequirement>,
    },
    /// An environment variable of a container.
    Variable {
        /// The variable, if it does not have the setting's name.
        literal: Option<String>,
        /// The type of number that the variable holds.
        value_type: Option<ValueType>,
    },
}

/// One of the two requirements of a container's resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceRequirement {
    /// What is set aside for it.
    Request,
    /// What it may use at most.
    Limit,
}

impl ResourceRequirement {
    /// Both, in the order in which they are looked at.
    pub const ALL: [Self; 2] = [Self::Request, Self::Limit];

    /// The text in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Limit => "limit",
        }
    }

    /// The key of a container's resources.
    pub fn resources_key(self) -> &'static str {
        match self {
            Self::Request => "requests",
            Self::Limit => "limits",
        }
    }
}

impl Decode for ResourceRequirement {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &Self::ALL.map(|requirement| (requirement.as_str(), requirement)))
    }
}

/// At least one requirement; both when none is given.
pub(super) struct Requirements(pub(super) Vec<ResourceRequirement>);

impl Default for Requirements {
    fn default() -> Self {
        Self(ResourceRequirement::ALL.to_vec())
    }
}

impl Decode for Requirements {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            cx.invalid_unquoted(node, "ensure this value has at least 1 items");
            return None;
        }
        Vec::decode(node, cx).map(Self)
    }
}

/// The type of number that a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    Integer,
    Float,
}

impl ValueType {
    /// The text in configuration.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "int",
            Self::Float => "float",
        }
    }

    /// The number in this type; fractions are cut off.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    pub(super) fn convert(self, number: Number) -> Number {
        match (self, number) {
            (Self::Integer, Number::Float(x)) => Number::Integer(x as i64),
            (Self::Float, Number::Integer(_)) => Number::Float(number.as_f64()),
            (Self::Integer, Number::Integer(_)) | (Self::Float, Number::Float(_)) => number,
        }
    }

    /// A live value in this type; text that is not such a number stays text.
    pub(super) fn convert_live(self, value: &Scalar) -> Scalar {
        let number = match (self, value) {
            (_, Scalar::Integer(_) | Scalar::Float(_)) => value.number(),
            (Self::Integer, Scalar::Text(text)) => text.trim().parse().ok().map(Number::Integer),
            (Self::Float, Scalar::Text(text)) => text.trim().parse().ok().map(Number::Float),
        };
        number.map_or_else(|| value.clone(), |number| Scalar::from(self.convert(number)))
    }
}

impl Decode for ValueType {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "int" => Some(Self::Integer),
            Value::Text(text) if text == "float" => Some(Self::Float),
            _ => {
                cx.invalid(node, "Unrecognized numeric type: use 'int' or 'float'");
                None
            }
        }
    }
}
