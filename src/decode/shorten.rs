//! Configuration as `servo config` shows it: what is set and is not the default anyway.
//!
//! A value may only be shortened as far as it still reads the same. The schema says which keys may be worth leaving
//! out; whether they can be is decided by reading the shortened value again.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;

use super::{DEFAULT_FROM, Decode, Decoder, Detail, Dump, NoVariables, Node, Origin, Secrets, Show, schema_generator};

/// A value as it is shown.
pub(crate) fn shown<T: Decode + JsonSchema + Show>(value: &T, dump: Dump) -> Json {
    let read =
        |node: &Node| Decoder::run(&NoVariables, |cx| T::decode(node, cx)).ok().map(|value| value.show(Secrets::Raw));
    shown_with(|secrets| value.show(secrets), SchemaGenerator::subschema_for::<T>, read, dump)
}

/// As [`shown`], by functions that show the value, give its schema, and read another one and show that with its
/// secrets.
pub(crate) fn shown_with(
    show: impl Fn(Secrets) -> Json,
    schema: impl FnOnce(&mut SchemaGenerator) -> Schema,
    read: impl Fn(&Node) -> Option<Json>,
    dump: Dump,
) -> Json {
    let whole = show(Secrets::Raw);
    let shown = match dump.detail {
        Detail::Full => whole,
        Detail::Set => shortened(&whole, schema, read),
    };
    match dump.secrets {
        Secrets::Raw => shown,
        Secrets::Redacted => masked(shown, &show(Secrets::Redacted)),
    }
}

/// The value without what has its default.
fn shortened(
    whole: &Json,
    schema: impl FnOnce(&mut SchemaGenerator) -> Schema,
    read: impl Fn(&Node) -> Option<Json>,
) -> Json {
    let mut generator = schema_generator();
    let schema = schema(&mut generator);
    let definitions = Json::Object(generator.take_definitions(true));
    let mut candidates = Vec::new();
    Schemas { definitions: &definitions }.collect(schema.as_value(), whole, &mut Vec::new(), &mut candidates);
    let reads_as_whole = |shorter: &Json| {
        let node = Node::from_json(shorter, &Origin::whole("shortened"));
        read(&node).is_some_and(|read| read == *whole)
    };
    let all = candidates.iter().fold(whole.clone(), |value, path| without(value, path));
    if reads_as_whole(&all) {
        return all;
    }
    candidates.iter().fold(whole.clone(), |value, path| {
        let shorter = without(value.clone(), path);
        if reads_as_whole(&shorter) { shorter } else { value }
    })
}

/// Schemas with the definitions that they refer to.
struct Schemas<'a> {
    definitions: &'a Json,
}

impl Schemas<'_> {
    /// Collects the paths of all members whose value is the default, outer ones first.
    fn collect(&self, schema: &Json, value: &Json, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        if let Some(name) = schema.get("$ref").and_then(Json::as_str) {
            let name = name.trim_start_matches("#/$defs/");
            return self.collect(&self.definitions[name], value, path, found);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for branch in schema.get(keyword).and_then(Json::as_array).into_iter().flatten() {
                self.collect(branch, value, path, found);
            }
        }
        match value {
            Json::Object(members) => {
                for (key, member) in members {
                    let declared = schema.get("properties").and_then(|properties| properties.get(key));
                    let Some(property) = declared.or_else(|| schema.get("additionalProperties")) else { continue };
                    path.push(key.clone());
                    if declared.is_some() && is_default(property, member, value) && !found.contains(path) {
                        found.push(path.clone());
                    } else {
                        self.collect(property, member, path, found);
                    }
                    path.pop();
                }
            }
            Json::Array(items) => {
                let Some(schema) = schema.get("items") else { return };
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.collect(schema, item, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

fn is_default(property: &Json, member: &Json, siblings: &Json) -> bool {
    match (property.get("default"), property.get(DEFAULT_FROM).and_then(Json::as_str)) {
        (Some(default), _) => default == member,
        (None, Some(sibling)) => siblings.get(sibling) == Some(member),
        (None, None) => member.is_null(),
    }
}

/// The value without the member at a path.
fn without(mut value: Json, path: &[String]) -> Json {
    if let Some((last, way)) = path.split_last()
        && let Some(place) = way.iter().try_fold(&mut value, |value, segment| step(value, segment))
        && let Json::Object(members) = place
    {
        members.shift_remove(last);
    }
    value
}

fn step<'a>(value: &'a mut Json, segment: &str) -> Option<&'a mut Json> {
    match value {
        Json::Object(members) => members.get_mut(segment),
        Json::Array(items) => items.get_mut(segment.parse::<usize>().ok()?),
        _ => None,
    }
}

/// The value with its leaves taken from a redacted one of the same shape, which may have more.
fn masked(value: Json, redacted: &Json) -> Json {
    match (value, redacted) {
        (Json::Object(members), Json::Object(redacted)) => members
            .into_iter()
            .map(|(key, member)| {
                let member = masked(member, redacted.get(&key).unwrap_or(&Json::Null));
                (key, member)
            })
            .collect(),
        (Json::Array(items), Json::Array(redacted)) => {
            items.into_iter().zip(redacted).map(|(item, redacted)| masked(item, redacted)).collect()
        }
        (_, redacted) => redacted.clone(),
    }
}
