//! How bad a failing check is.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::decode::{Decode, Decoder, Node, Value, words};

/// The severity of a check, from harmless to fatal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    /// Must be mended before the servo is ready.
    #[default]
    Common,
    /// Nothing after it makes sense when it fails.
    Critical,
}

impl Severity {
    /// All severities, from harmless to fatal.
    pub const ALL: [Self; 3] = [Self::Warning, Self::Common, Self::Critical];

    /// The word in configuration and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Common => "common",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for Severity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Severity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(Self::ALL.map(Self::as_str))
    }
}

impl Decode for Severity {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if let Value::Text(text) = &node.value
            && let Some(severity) = Self::ALL.into_iter().find(|severity| severity.as_str() == text)
        {
            return Some(severity);
        }
        let permitted = "value is not a valid enumeration member; permitted: 'warning', 'common', 'critical'";
        cx.invalid(node, permitted);
        None
    }
}
