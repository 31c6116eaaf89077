//! Settings that live in environment variables of a container.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::range::{Held, RangeKind, Ranged};
use super::{EnumSetting, Kind};
use crate::decode::{Decode, Decoder, Fields, Node, Value};
use crate::types::{Number, Scalar};

/// A setting in an environment variable, told apart by its `type`.
#[derive(Debug, Clone, PartialEq)]
pub enum EnvironmentSetting {
    Range(EnvironmentRangeSetting),
    Enum(EnvironmentEnumSetting),
}

impl EnvironmentSetting {
    /// The name, on the wire too.
    pub fn name(&self) -> &str {
        match self {
            Self::Range(range) => range.name(),
            Self::Enum(list) => list.name(),
        }
    }

    /// The name of the variable in the container.
    pub fn variable_name(&self) -> &str {
        match self {
            Self::Range(range) => range.variable_name(),
            Self::Enum(list) => list.variable_name(),
        }
    }

    /// A new value as the text of the variable, in the type that the setting gives it, inside the bounds or not;
    /// `None` when it is no number of that type.
    pub fn variable_text(&self, value: &Scalar) -> Option<String> {
        match self {
            Self::Range(EnvironmentRangeSetting { value_type: Some(value_type), .. }) => {
                let number = value_type.convert_live(value).number()?;
                number.as_f64().is_finite().then(|| number.to_string())
            }
            Self::Range(_) | Self::Enum(_) => Some(value.to_string()),
        }
    }
}

/// All fields, as a configuration has them.
impl Serialize for EnvironmentSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Range(range) => range.serialize(serializer),
            Self::Enum(list) => list.serialize(serializer),
        }
    }
}

impl Decode for EnvironmentSetting {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            cx.invalid(node, "value is not a valid mapping");
            return None;
        };
        let Some(discriminator) = map.get("type").map(|entry| &entry.value) else {
            cx.invalid(node, "type is missing: use 'range' or 'enum'");
            return None;
        };
        match &discriminator.value {
            Value::Text(text) if text == "range" => EnvironmentRangeSetting::decode(node, cx).map(Self::Range),
            Value::Text(text) if text == "enum" => EnvironmentEnumSetting::decode(node, cx).map(Self::Enum),
            _ => {
                cx.invalid(discriminator, "unexpected type; permitted: 'range', 'enum'");
                None
            }
        }
    }
}

/// The kind of the range in [`EnvironmentRangeSetting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvironmentRange;

impl RangeKind for EnvironmentRange {
    type Bound = Number;
    const CLASS: &'static str = "EnvironmentRangeSetting";

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Number> {
        Number::decode(node, cx)
    }

    /// Text of a number is a float: variables are text.
    fn decode_value(node: &Node, cx: &mut Decoder<'_>) -> Option<Number> {
        if let Value::Integer(_) | Value::Float(_) | Value::Null = &node.value {
            return Number::decode(node, cx);
        }
        let value = f64::decode(node, cx)?;
        if !value.is_finite() {
            cx.invalid(node, "value is not a valid float: it must be finite");
            return None;
        }
        Some(Number::Float(value))
    }
}

/// What the value of a variable is turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueType {
    Integer,
    Float,
}

impl ValueType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "int",
            Self::Float => "float",
        }
    }

    /// The number in this type; fractions are cut off.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    fn convert(self, number: Number) -> Number {
        match (self, number) {
            (Self::Integer, Number::Float(x)) => Number::Integer(x as i64),
            (Self::Float, Number::Integer(_)) => Number::Float(number.as_f64()),
            (Self::Integer, Number::Integer(_)) | (Self::Float, Number::Float(_)) => number,
        }
    }

    /// A live value in this type; text that is no such number stays text.
    fn convert_live(self, value: &Scalar) -> Scalar {
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

/// A number in an environment variable.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentRangeSetting {
    range: Ranged<EnvironmentRange>,
    literal: Option<String>,
    value_type: Option<ValueType>,
}

impl EnvironmentRangeSetting {
    /// The name of the variable in the container: the literal one, or that of the setting.
    pub fn variable_name(&self) -> &str {
        variable_name(self.literal.as_deref(), self.range.name())
    }

    pub fn range(&self) -> &Ranged<EnvironmentRange> {
        &self.range
    }
}

impl Decode for EnvironmentRangeSetting {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let literal = fields.or("literal", None);
        let value_type: Option<Option<ValueType>> = fields.or("value_type", None);
        let range: Option<Ranged<EnvironmentRange>> = Ranged::decode_fields(&mut fields, None);
        fields.ignore_unknown();
        let (mut range, literal, value_type) = (range?, literal?, value_type?);
        if let (Some(Held::Number(value)), Some(value_type)) = (&mut range.value, value_type) {
            *value = value_type.convert(*value);
        }
        Some(Self { range, literal, value_type })
    }
}

/// The literal name of a variable when it is not empty, else that of its setting.
fn variable_name<'a>(literal: Option<&'a str>, name: &'a str) -> &'a str {
    literal.filter(|literal| !literal.is_empty()).unwrap_or(name)
}

impl Kind for EnvironmentRangeSetting {
    fn name(&self) -> &str {
        self.range.name()
    }

    fn pinned(&self) -> bool {
        self.range.pinned()
    }

    fn value(&self) -> Option<Scalar> {
        self.range.value()
    }

    fn stored(&self) -> Option<Scalar> {
        self.range.stored()
    }

    fn human_readable_value(&self) -> String {
        self.range.human_readable_value()
    }

    fn summary(&self) -> String {
        self.range.summary()
    }

    fn to_wire(&self) -> Map<String, Json> {
        self.range.to_wire()
    }

    fn dump(&self) -> Map<String, Json> {
        let mut dump = self.range.dump();
        dump.insert("literal".to_owned(), self.literal.as_deref().into());
        dump.insert("value_type".to_owned(), self.value_type.map(ValueType::as_str).into());
        dump
    }

    fn pin(&mut self, pinned: bool) {
        self.range.pin(pinned);
    }

    /// Without a type that says what the text should be, it stays text.
    fn store(&mut self, value: Option<&Scalar>) {
        self.range.value = value.map(|value| {
            let live = self.value_type.map_or_else(|| value.clone(), |value_type| value_type.convert_live(value));
            match live.number() {
                Some(number) => Held::Number(number),
                None => Held::Text(live.to_string()),
            }
        });
    }
}

impl fmt::Display for EnvironmentRangeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.range.fmt(f)
    }
}

/// A text in an environment variable.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentEnumSetting {
    list: EnumSetting,
    literal: Option<String>,
}

impl EnvironmentEnumSetting {
    /// The name of the variable in the container: the literal one, or that of the setting.
    pub fn variable_name(&self) -> &str {
        variable_name(self.literal.as_deref(), self.list.name())
    }

    /// The texts that there are.
    pub fn values(&self) -> &[String] {
        self.list.values()
    }
}

impl Decode for EnvironmentEnumSetting {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields: Fields<'_, '_, '_> = cx.fields(node)?;
        let literal = fields.or("literal", None);
        let common = EnumSetting::decode_common(&mut fields, None, None);
        let list = EnumSetting::decode_fields(&mut fields, common);
        fields.ignore_unknown();
        Some(Self { list: list?, literal: literal? })
    }
}

impl Kind for EnvironmentEnumSetting {
    fn name(&self) -> &str {
        self.list.name()
    }

    fn pinned(&self) -> bool {
        self.list.pinned()
    }

    fn value(&self) -> Option<Scalar> {
        self.list.value()
    }

    fn stored(&self) -> Option<Scalar> {
        self.list.stored()
    }

    fn human_readable_value(&self) -> String {
        self.list.human_readable_value()
    }

    fn summary(&self) -> String {
        self.list.summary_as("EnvironmentEnumSetting")
    }

    fn to_wire(&self) -> Map<String, Json> {
        self.list.to_wire()
    }

    fn dump(&self) -> Map<String, Json> {
        let mut dump = self.list.dump();
        dump.insert("literal".to_owned(), self.literal.as_deref().into());
        dump
    }

    fn pin(&mut self, pinned: bool) {
        self.list.pin(pinned);
    }

    fn store(&mut self, value: Option<&Scalar>) {
        self.list.store(value);
    }
}

impl fmt::Display for EnvironmentEnumSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}
