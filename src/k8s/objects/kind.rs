//! Kinds of workloads.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::decode::{Decode, Decoder, Node};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
}

impl WorkloadKind {
    /// The kind in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

/// A kind of workload in the spelling of a configuration, which messages and commands repeat: either word may begin
/// with a small letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SpelledKind {
    text: String,
    #[serde(skip)]
    kind: WorkloadKind,
}

impl SpelledKind {
    pub fn deployment() -> Self {
        Self { text: "Deployment".to_owned(), kind: WorkloadKind::Deployment }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn kind(&self) -> WorkloadKind {
        self.kind
    }
}

impl JsonSchema for SpelledKind {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SpelledKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([Dd]eployment|[Ss]tateful[Ss]et)$" })
    }
}

impl Decode for SpelledKind {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, cx)?;
        let kind = match text.as_str() {
            "Deployment" | "deployment" => WorkloadKind::Deployment,
            "StatefulSet" | "Statefulset" | "statefulSet" | "statefulset" => WorkloadKind::StatefulSet,
            _ => {
                cx.invalid(node, "a kind of workload is Deployment or StatefulSet");
                return None;
            }
        };
        Some(Self { text, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{NoVariables, Origin, Value};

    #[test]
    fn a_kind_keeps_its_spelling() {
        for (text, kind) in [
            ("Deployment", Some(WorkloadKind::Deployment)),
            ("deployment", Some(WorkloadKind::Deployment)),
            ("statefulSet", Some(WorkloadKind::StatefulSet)),
            ("Statefulset", Some(WorkloadKind::StatefulSet)),
            ("DEPLOYMENT", None),
            ("Deployment\n", None),
            ("Rollout", None),
            ("", None),
        ] {
            let node = Node::new(Value::Text(text.to_owned()), Origin::whole("test"));
            let decoded = Decoder::run(&NoVariables, |cx| SpelledKind::decode(&node, cx)).ok();
            assert_eq!(decoded.as_ref().map(SpelledKind::kind), kind, "{text}");
            assert_eq!(decoded.as_ref().map(SpelledKind::as_str), kind.map(|_| text));
        }
    }
}
