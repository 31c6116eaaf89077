//! Lists: one of several texts.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::{Common, Kind};
use crate::decode::{Decode, Decoder, Fields, Node, Value};
use crate::types::Scalar;
use crate::types::text::quoted;

const TYPE: &str = "enum";

/// A setting whose value is one of several texts.
#[derive(Debug, Clone, PartialEq)]
pub struct EnumSetting {
    common: Common,
    values: Vec<String>,
    value: Option<Scalar>,
}

impl EnumSetting {
    /// The texts that there are.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// The unit on the wire.
    pub fn unit(&self) -> Option<&str> {
        self.common.unit.as_deref()
    }

    /// Reads the fields of every list after those that all settings have.
    pub(super) fn decode_fields(fields: &mut Fields<'_, '_, '_>, common: Option<Common>) -> Option<Self> {
        let values = fields.required("values");
        let value: Option<Option<Scalar>> = fields.or("value", None);
        let (common, Texts(values), value) = (common?, values?, value?);
        if let Some(value) = &value
            && !values.contains(&value.to_string())
        {
            fields.fail(format!("invalid value: {} is not in the values list {}", value.in_message(), list(&values)));
            return None;
        }
        Some(Self { common, values, value })
    }

    /// The fields that all settings have.
    pub(super) fn decode_common(
        fields: &mut Fields<'_, '_, '_>,
        name: Option<&str>,
        unit: Option<&str>,
    ) -> Option<Common> {
        Common::decode(fields, TYPE, name, unit)
    }

    /// The summary, as a kind of this name.
    pub(super) fn summary_as(&self, class: &str) -> String {
        format!("{class}(values={}, unit={})", list(&self.values), self.common.unit_text())
    }
}

fn list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", quoted.join(", "))
}

/// At least one text; numbers and booleans become text.
struct Texts(Vec<String>);

impl Decode for Texts {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            cx.invalid_unquoted(node, "ensure this value has at least 1 items");
            return None;
        }
        Vec::decode(node, cx).map(Self)
    }
}

impl Decode for EnumSetting {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let common = Self::decode_common(&mut fields, None, None);
        let list = Self::decode_fields(&mut fields, common);
        fields.ignore_unknown();
        list
    }
}

impl Kind for EnumSetting {
    fn name(&self) -> &str {
        &self.common.name
    }

    fn pinned(&self) -> bool {
        self.common.pinned
    }

    fn value(&self) -> Option<Scalar> {
        self.value.clone()
    }

    fn stored(&self) -> Option<Scalar> {
        self.value.clone()
    }

    fn human_readable_value(&self) -> String {
        self.value.as_ref().map_or_else(|| "None".to_owned(), ToString::to_string)
    }

    fn summary(&self) -> String {
        self.summary_as("EnumSetting")
    }

    fn to_wire(&self) -> Map<String, Json> {
        let mut wire = self.common.to_wire(TYPE);
        if let Some(value) = &self.value {
            wire.insert("value".to_owned(), value.to_json());
        }
        wire.insert("values".to_owned(), Json::from(self.values.clone()));
        wire
    }

    fn dump(&self) -> Map<String, Json> {
        let mut dump = self.common.dump(TYPE);
        dump.insert("value".to_owned(), self.value.as_ref().map_or(Json::Null, Scalar::to_json));
        dump.insert("values".to_owned(), Json::from(self.values.clone()));
        dump
    }

    fn pin(&mut self, pinned: bool) {
        self.common.pinned = pinned;
    }

    fn store(&mut self, value: Option<&Scalar>) {
        self.value = value.cloned();
    }
}

impl fmt::Display for EnumSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.common.name, list(&self.values))
    }
}
