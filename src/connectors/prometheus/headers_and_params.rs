//! What every request carries besides its query: headers and parameters.

use std::borrow::Cow;

use reqwest::header::{self, HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

use crate::decode::{Decode, Decoder, Node, Secret, Secrets, Show, TextForm, Value};

/// Names and values of headers, in the order of the section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Secret)>);

impl Headers {
    /// Those that the client sets itself, or that steer the connection.
    const RESERVED: [HeaderName; 11] = [
        header::PROXY_AUTHORIZATION,
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::ACCEPT_ENCODING,
        header::TRANSFER_ENCODING,
        header::TE,
        header::UPGRADE,
        header::USER_AGENT,
    ];

    /// The headers as they are sent.
    pub(super) fn iter(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        // Both were checked when they were read.
        self.0.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_bytes(value.expose().as_bytes()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        })
    }

    /// The rule that a name breaks beside these.
    fn refusal(name: &str, others: &[HeaderName]) -> Option<&'static str> {
        match HeaderName::from_bytes(name.as_bytes()) {
            Err(_) => Some("no header has such a name"),
            Ok(header::AUTHORIZATION) => Some("write 'authorization' or 'basic_auth' beside 'headers'"),
            Ok(name) if Self::RESERVED.contains(&name) => Some("the client sets this header itself"),
            Ok(name) if others.contains(&name) => Some("the same header is there twice; capitals do not count"),
            Ok(_) => None,
        }
    }
}

impl Decode for Headers {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut names = Vec::new();
        let headers = entries(node, cx, |name, value, cx| {
            let refusal = Self::refusal(name, &names);
            names.extend(HeaderName::from_bytes(name.as_bytes()));
            if let Some(rule) = refusal {
                cx.invalid_unquoted(value, rule);
                return None;
            }
            let secret = Secret::decode(value, cx)?;
            if HeaderValue::from_bytes(secret.expose().as_bytes()).is_err() {
                cx.invalid_unquoted(value, "it has a character that no header carries, such as a line break");
                return None;
            }
            Some(secret)
        });
        headers.map(Self)
    }
}

impl Show for Headers {
    fn show(&self, secrets: Secrets) -> Json {
        Json::Object(self.0.iter().map(|(name, value)| (name.clone(), value.show(secrets))).collect())
    }
}

impl JsonSchema for Headers {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<Secret>() })
    }
}

/// Names and values of parameters, in the order of the section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Vec<String>)>);

impl Params {
    /// Those that say what is asked for.
    const RESERVED: [&str; 5] = ["query", "start", "end", "step", "time"];

    /// The parameters as they are sent.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| values.iter().map(|value| (name.as_str(), value.as_str())))
    }
}

impl Decode for Params {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let params = entries(node, cx, |name, value, cx| {
            if Self::RESERVED.contains(&name) {
                cx.invalid_unquoted(value, "the connector sets this parameter itself");
                return None;
            }
            match &value.value {
                Value::List(_) => Vec::decode(value, cx),
                _ => String::decode(value, cx).map(|text| vec![text]),
            }
        });
        params.map(Self)
    }
}

impl Show for Params {
    fn show(&self, secrets: Secrets) -> Json {
        Json::Object(self.0.iter().map(|(name, values)| (name.clone(), values.show(secrets))).collect())
    }
}

impl JsonSchema for Params {
    fn schema_name() -> Cow<'static, str> {
        "Params".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (one, several) = (generator.subschema_for::<String>(), generator.subschema_for::<Vec<String>>());
        json_schema!({ "type": "object", "additionalProperties": { "anyOf": [one, several] } })
    }
}

/// The entries of a mapping, each value read with its name.
fn entries<T>(
    node: &Node,
    cx: &mut Decoder<'_>,
    mut read: impl FnMut(&str, &Node, &mut Decoder<'_>) -> Option<T>,
) -> Option<Vec<(String, T)>> {
    let Value::Map(map) = &node.value else {
        // It may be a secret without its name, so it is not repeated.
        cx.invalid_unquoted(node, "value is not a valid mapping of names to values");
        return None;
    };
    let read: Vec<Option<(String, T)>> = map
        .iter()
        .map(|entry| {
            let value = cx.within(&entry.key, |cx| read(&entry.key, &entry.value, cx))?;
            Some((entry.key.clone(), value))
        })
        .collect();
    read.into_iter().collect()
}
