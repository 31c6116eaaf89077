//! How a workload is optimized.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};

use crate::decode::{Decode, Decoder, Node, Secrets, Show, TextForm, Value, words};
use crate::k8s::ContainerName;

const DEFAULT: &str = "default";
const CANARY: &str = "canary";

/// How a workload is optimized.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Strategy {
    /// All pods of the workload are adjusted.
    #[default]
    Default,
    /// One pod of its own, made from the workload's template, is adjusted beside it.
    Canary {
        /// The name of that pod's component; without it, the container's name and `-tuning`.
        alias: Option<ContainerName>,
    },
}

impl Strategy {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Default => DEFAULT,
            Self::Canary { .. } => CANARY,
        }
    }
}

/// The form in which a strategy was written, and is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Text,
    Mapping,
}

/// A strategy as the configuration has it: its name, or a mapping of `type` and `alias`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StrategySetting {
    strategy: Strategy,
    form: Form,
}

impl StrategySetting {
    pub fn strategy(&self) -> &Strategy {
        &self.strategy
    }
}

/// A strategy that is shown as a mapping.
impl From<Strategy> for StrategySetting {
    fn from(strategy: Strategy) -> Self {
        Self { strategy, form: Form::Mapping }
    }
}

impl Show for StrategySetting {
    fn show(&self, secrets: Secrets) -> Json {
        let name = self.strategy.as_str();
        match (&self.strategy, self.form) {
            (_, Form::Text) => name.into(),
            (Strategy::Default, Form::Mapping) => json!({ "type": name }),
            (Strategy::Canary { alias }, Form::Mapping) => json!({ "type": name, "alias": alias.show(secrets) }),
        }
    }
}

/// The type of a strategy without its details.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Default,
    Canary,
}

impl Decode for Type {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &[(DEFAULT, Self::Default), (CANARY, Self::Canary)])
    }
}

impl JsonSchema for StrategySetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Strategy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let alias = generator.subschema_for::<Option<ContainerName>>();
        json_schema!({
            "anyOf": [
                words([DEFAULT, CANARY]),
                {
                    "type": "object",
                    "properties": { "type": { "type": "string", "enum": [DEFAULT], "default": DEFAULT } },
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": {
                        "type": { "type": "string", "enum": [CANARY], "default": CANARY },
                        "alias": alias,
                    },
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl Decode for StrategySetting {
    const TEXT_FORM: TextForm = TextForm::JsonOrText;

    /// A mapping without a type is a canary when it has an alias.
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            let strategy = match Type::decode(node, cx)? {
                Type::Default => Strategy::Default,
                Type::Canary => Strategy::Canary { alias: None },
            };
            return Some(Self { strategy, form: Form::Text });
        };
        let mut fields = cx.fields(node)?;
        let kind = fields.or("type", if map.contains("alias") { Type::Canary } else { Type::Default });
        let strategy = match kind {
            Some(Type::Default) => Some(Strategy::Default),
            Some(Type::Canary) => fields.or("alias", None).map(|alias| Strategy::Canary { alias }),
            None => {
                fields.accept("alias");
                None
            }
        };
        fields.finish();
        strategy.map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{NoVariables, Origin};

    fn decode(strategy: &Json) -> Result<StrategySetting, String> {
        let node = Node::from_json(strategy, &Origin::whole("test"));
        Decoder::run(&NoVariables, |cx| StrategySetting::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_form_that_was_written_is_shown() {
        let alias = |text| ContainerName::parse(text).ok();
        for (written, shown, strategy) in [
            (json!("default"), json!("default"), Strategy::Default),
            (json!("canary"), json!("canary"), Strategy::Canary { alias: None }),
            (json!({}), json!({ "type": "default" }), Strategy::Default),
            (json!({ "type": "default" }), json!({ "type": "default" }), Strategy::Default),
            (json!({ "type": "canary" }), json!({ "type": "canary", "alias": null }), Strategy::Canary { alias: None }),
            (
                json!({ "alias": "x" }),
                json!({ "type": "canary", "alias": "x" }),
                Strategy::Canary { alias: alias("x") },
            ),
        ] {
            let setting = decode(&written).unwrap_or_else(|problems| panic!("{written}: {problems}"));
            assert_eq!(setting.strategy(), &strategy, "{written}");
            assert_eq!(setting.show(Secrets::Redacted), shown);
        }
    }

    #[test]
    fn problems_are_those_of_the_form_that_was_written() {
        for (written, path) in [
            (json!(null), "test: none is not"),
            (json!("Canary"), "test: value is not a valid enumeration member"),
            (json!(["canary"]), "test: value is not a valid enumeration member"),
            (json!({ "type": "nope", "alias": "x" }), "test: type: value is not a valid enumeration member"),
            (json!({ "type": "default", "alias": "x" }), "test: alias: extra fields"),
            (json!({ "type": "canary", "alias": "-" }), "test: alias: a name"),
            (json!({ "kind": "canary" }), "test: kind: extra fields"),
        ] {
            let problems = decode(&written).expect_err(&written.to_string());
            assert!(problems.starts_with(path) && problems.lines().count() == 1, "{problems}");
        }
    }
}
