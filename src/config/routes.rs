//! The `connectors` key: which connectors are active, and under which names.
//!
//! Types are known by what is passed in. Identifiers are only looked up; nothing is evaluated or loaded.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

use super::Environment;
use super::variables::SERVO_PREFIX;
use crate::decode::{Decoder, KeyPath, Node, Origin, Problem, Value, Variables as _, nearest};

/// A connector type as far as the configuration needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownConnector<'a> {
    /// The name of its section unless another is chosen, such as `kube_metrics`.
    pub default_name: &'a str,
    /// Its other identifier, such as `KubeMetricsConnector`.
    pub class_name: &'a str,
    /// Whether its default name may not name a connector of another type.
    pub reserved: bool,
}

/// What a document says that may be the type of a connector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedType {
    /// The identifier, or the key of a section.
    pub identifier: String,
    pub origin: Origin,
    pub path: KeyPath,
}

/// Everything in a document that may be the type of a connector: the identifiers that `connectors` lists, or without
/// it the keys of sections. What is wrong with the key is left to [`load`](super::load).
pub(crate) fn named_types(document: &Node, environment: &Environment) -> Vec<NamedType> {
    let Value::Map(keys) = &document.value else { return Vec::new() };
    let variable = format!("{SERVO_PREFIX}CONNECTORS");
    let written = keys.get("connectors").map(|entry| entry.value.clone());
    let node = written.or_else(|| {
        let text = environment.get(&variable)?;
        Some(Node::new(Value::Text(text.to_owned()), Origin::whole(format!("environment variable {variable}"))))
    });
    let of = |identifier: &str, origin: &Origin, path: KeyPath| NamedType {
        identifier: identifier.to_owned(),
        origin: origin.clone(),
        path,
    };
    let descriptor = Decoder::run(environment, |cx| Descriptor::decode(node.as_ref(), cx));
    let Ok(Descriptor::Closed(node)) = descriptor else {
        let sections = keys.iter().filter(|entry| !RESERVED_NAMES.contains(&entry.key.as_str()));
        let sections = sections.filter(|entry| !entry.value.is_null());
        return sections.map(|entry| of(&entry.key, &entry.key_origin, KeyPath::new([&entry.key]))).collect();
    };
    let path = || KeyPath::new(["connectors"]);
    let nodes: Vec<&Node> = match &node.value {
        Value::Map(map) => map.iter().map(|entry| &entry.value).collect(),
        Value::List(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    let texts = nodes.into_iter().filter_map(|node| match &node.value {
        Value::Text(text) => Some(of(text, &node.origin, path())),
        _ => None,
    });
    texts.collect()
}

/// A name with the type that is mounted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) name: &'a str,
    pub(super) connector: &'a str,
    /// Whether the section must be there.
    pub(super) required: bool,
}

/// The `connectors` key with JSON text replaced by what it means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Descriptor {
    /// Absent, null, or empty: every section that is there is active.
    Open(Option<Node>),
    /// A list of identifiers, or a mapping from names to identifiers.
    Closed(Node),
}

/// Names that no connector may have, whatever its type: top-level keys, words of the protocol, and what the
/// reference cannot mount because its own attributes are called so.
const RESERVED_NAMES: [&str; 26] = [
    "name",
    "description",
    "optimizer",
    "connectors",
    "no_diagnostics",
    "servo_uid",
    "settings",
    "checks",
    "servo",
    "control",
    "measure",
    "adjust",
    "optimization",
    "Config",
    "construct",
    "copy",
    "dict",
    "fields",
    "from_orm",
    "json",
    "parse_file",
    "parse_obj",
    "parse_raw",
    "schema",
    "schema_json",
    "validate",
];

impl JsonSchema for Descriptor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Descriptor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "string" } },
                { "type": "object", "additionalProperties": { "type": "string" } },
                { "type": "string", "description": "The same as JSON text." },
                { "type": "null" },
            ],
            "examples": [
                ["kubernetes", "prometheus"],
                { "staging_prom": "prometheus", "gateway_prom": "prometheus" },
            ],
        })
    }
}

impl Descriptor {
    /// Reads the key. Text is JSON.
    pub(super) fn decode(node: Option<&Node>, cx: &mut Decoder<'_>) -> Option<Self> {
        let Some(node) = node else { return Some(Self::Open(None)) };
        match &node.value {
            Value::Text(text) => match serde_json::from_str::<Json>(text) {
                Ok(Json::String(_)) => {
                    cx.invalid(node, "JSON text for connectors must hold a list or a mapping, found text");
                    None
                }
                Ok(json) => Self::of(Node::from_json(&json, &node.origin), cx),
                Err(_) => {
                    let hint = "write a list such as [prometheus, kubernetes]";
                    cx.invalid_with_hint(node, "text must be JSON of a list or a mapping", hint);
                    None
                }
            },
            _ => Self::of(node.clone(), cx),
        }
    }

    fn of(node: Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Null => Some(Self::Open(None)),
            Value::List(items) if items.is_empty() => Some(Self::Open(Some(node))),
            Value::Map(map) if map.is_empty() => Some(Self::Open(Some(node))),
            Value::List(_) | Value::Map(_) => Some(Self::Closed(node)),
            other => {
                let rule = format!("connectors must be a list or a mapping, found {}", other.kind());
                cx.invalid(&node, rule);
                None
            }
        }
    }

    /// The value as it is shown.
    pub(super) fn to_json(&self) -> Option<Json> {
        match self {
            Self::Open(node) => node.as_ref().map(Node::to_json),
            Self::Closed(node) => Some(node.to_json()),
        }
    }

    /// The routes in dispatch order: that of the known types, or that of the key.
    pub(super) fn routes<'a>(
        &'a self,
        known: &[KnownConnector<'a>],
        offered: &[(&'a str, &'a str)],
        cx: &mut Decoder<'_>,
    ) -> Option<Vec<Route<'a>>> {
        let Self::Closed(node) = self else {
            if !offered.is_empty() {
                let route = |(name, connector): &(&'a str, &'a str)| Route { name, connector, required: false };
                return Some(offered.iter().map(route).collect());
            }
            let route =
                |c: &KnownConnector<'a>| Route { name: c.default_name, connector: c.default_name, required: false };
            return Some(known.iter().map(route).collect());
        };
        let found: Vec<Option<Route<'a>>> = match &node.value {
            Value::Map(map) => map
                .iter()
                .map(|entry| {
                    let connector = resolve(&entry.value, known, cx);
                    check_name(&entry.key, connector, known)
                        .map_err(|rule| cx.invalid_unquoted(&Node::new(Value::Null, entry.key_origin.clone()), rule))
                        .ok()?;
                    Some(Route { name: &entry.key, connector: connector?.default_name, required: true })
                })
                .collect(),
            Value::List(items) => items
                .iter()
                .map(|item| {
                    let name = resolve(item, known, cx)?.default_name;
                    Some(Route { name, connector: name, required: true })
                })
                .collect(),
            _ => Vec::new(),
        };
        let mut routes = Vec::new();
        for route in found.into_iter().collect::<Option<Vec<_>>>()? {
            // A list may name a connector twice; it is mounted once.
            if !routes.contains(&route) {
                routes.push(route);
            }
        }
        Some(routes)
    }
}

/// The type that an identifier means: a default name, a class name, or a dotted path that ends with a class name.
fn resolve<'a>(node: &Node, known: &[KnownConnector<'a>], cx: &mut Decoder<'_>) -> Option<KnownConnector<'a>> {
    let Value::Text(identifier) = &node.value else {
        cx.invalid(node, "an identifier of a connector must be text");
        return None;
    };
    let class_name = identifier.rsplit('.').next().unwrap_or(identifier);
    let found = known.iter().find(|c| c.default_name == identifier || c.class_name == class_name).copied();
    if found.is_none() {
        let rule = format!("no connector found for the identifier {identifier:?}");
        let near = nearest(identifier, known.iter().flat_map(|c| [c.default_name, c.class_name]));
        let all = || known.iter().map(|c| c.default_name).collect::<Vec<_>>().join(", ");
        let hint = near.map_or_else(|| format!("known are {}", all()), |near| format!("did you mean '{near}'?"));
        let (origin, path) = (node.origin.clone(), KeyPath::default());
        cx.report(Problem { origin, path, value: None, rule, hint: Some(hint) });
    }
    found
}

/// Checks a name that is given to a connector.
fn check_name(name: &str, connector: Option<KnownConnector<'_>>, known: &[KnownConnector<'_>]) -> Result<(), String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(is_allowed) {
        return Err(format!(
            "{name:?} is not a valid connector name: 3 to 128 letters, digits, hyphens, slashes, periods and underscores"
        ));
    }
    if name.starts_with('_') {
        return Err(format!("{name:?} is not a valid connector name: it may not begin with an underscore"));
    }
    if RESERVED_NAMES.contains(&name) {
        return Err(format!("the name {name:?} is reserved"));
    }
    match known.iter().find(|c| c.reserved && c.default_name == name) {
        Some(owner) if connector != Some(*owner) => {
            Err(format!("the name {name:?} is reserved for connectors of its own type ({})", owner.class_name))
        }
        _ => Ok(()),
    }
}
