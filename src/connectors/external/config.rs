//! The section of an external connector: whatever the schema of its executable permits.

use serde_json::Value as Json;

use super::schema::SectionSchema;
use super::validate::check;
use crate::connector::Section;
use crate::decode::{Decoder, Entry, Map, Node, Secrets, Show, TextForm, Value};

/// A valid section with its defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalConfig {
    section: Json,
    redacted: Json,
}

impl ExternalConfig {
    /// Reads and validates a section. Absent keys that the schema names are filled from the environment.
    pub(super) fn parse(schema: &SectionSchema, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Self> {
        let node = filled(schema, section, cx)?;
        check(schema.as_json(), &node, cx);
        let section = schema.completed(node.to_json());
        Some(Self { redacted: schema.redacted(section.clone()), section })
    }

    /// The section with its secrets; for the executable, and nobody else.
    pub(super) fn exposed(&self) -> &Json {
        &self.section
    }
}

/// What was written, with what the environment adds.
fn filled(schema: &SectionSchema, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Node> {
    let mut fields = section.fields(cx)?;
    let mut map = Map::default();
    for (key, property) in schema.properties() {
        let variable = format!("{}{}", section.prefix, key.to_uppercase());
        let origin = fields.origin(key);
        if let Some(node) = fields.node(key, Some(&variable), text_form(property))? {
            map.insert(Entry { key: key.clone(), key_origin: origin, value: node.into_owned() });
        }
    }
    fields.ignore_unknown();
    // In the order of the document, with the keys that the schema does not name.
    let Value::Map(written) = &section.node.value else { return None };
    let mut ordered: Map = written
        .iter()
        .map(|entry| Entry {
            value: map.remove(&entry.key).map_or_else(|| entry.value.clone(), |filled| filled.value),
            ..entry.clone()
        })
        .collect();
    for entry in map {
        ordered.insert(entry);
    }
    Some(Node::new(Value::Map(ordered), section.node.origin.clone()))
}

/// How a variable is read: as it is for a text, else as JSON when it is some.
fn text_form(property: &Json) -> TextForm {
    if property.get("type").and_then(Json::as_str) == Some("string") { TextForm::Text } else { TextForm::JsonOrText }
}

impl Show for ExternalConfig {
    fn show(&self, secrets: Secrets) -> Json {
        match secrets {
            Secrets::Raw => self.section.clone(),
            Secrets::Redacted => self.redacted.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Environment;
    use crate::connector::ConnectorName;
    use crate::decode::Origin;

    fn parse(section: &Json, variables: &[(&str, &str)]) -> Result<ExternalConfig, String> {
        let schema = SectionSchema::new(&json!({
            "type": "object", "additionalProperties": false, "required": ["host"], "properties": {
                "host": { "type": "string" }, "port": { "type": "integer", "default": 6379 },
                "password": { "type": "string", "writeOnly": true },
            },
        }));
        let schema = schema.map_err(|problem| format!("{problem:?}"))?;
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("redis");
        let section = Section { name: &name, node: &node, prefix: "SERVO_REDIS_" };
        Decoder::run(&environment, |cx| cx.within("redis", |cx| ExternalConfig::parse(&schema, section, cx)))
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn variables_fill_absent_keys_and_defaults_the_rest() {
        let variables = [("SERVO_REDIS_HOST", "1234"), ("SERVO_REDIS_PORT", "7000")];
        let config = parse(&json!({}), &variables).expect("valid");
        assert_eq!(*config.exposed(), json!({ "host": "1234", "port": 7000 }));
        let config = parse(&json!({ "host": "h" }), &[]).expect("valid");
        assert_eq!(*config.exposed(), json!({ "host": "h", "port": 6379 }));
    }

    #[test]
    fn what_is_shown_has_its_secrets_redacted() {
        let config = parse(&json!({ "host": "h", "password": "s3cr3t" }), &[]).expect("valid");
        let shown = config.show(Secrets::Redacted);
        assert_eq!(shown, json!({ "host": "h", "password": "REDACTED", "port": 6379 }));
        let raw = config.show(Secrets::Raw);
        assert_eq!(raw["password"], "s3cr3t");
    }

    #[test]
    fn problems_have_key_paths_and_name_the_variable() {
        assert_eq!(
            parse(&json!({ "prt": 1 }), &[("SERVO_REDIS_PORT", "x")]),
            Err("test: redis.prt: extra fields not permitted; did you mean 'port'?\n\
                 environment variable SERVO_REDIS_PORT: redis.port: value is not a valid integer (got \"x\")\n\
                 test: redis.host: field required"
                .to_owned())
        );
        assert_eq!(parse(&json!([]), &[]), Err("test: redis: value is not a valid mapping".to_owned()));
    }
}
