//! A configuration as `servo config` shows it: what is set and is not the default anyway.
//!
//! A section may only be shortened as far as it still reads the same. The schema says which keys may be worth
//! leaving out; whether they can be is decided by reading the shortened section again.

use serde_json::Value as Json;

use super::{PreparedServo, Route};
use crate::config::{Detail, Dump, Secrets};
use crate::connector::Section;
use crate::decode::{DEFAULT_FROM, Decoder, NoVariables, Node, Origin, schema_generator};

impl PreparedServo {
    /// The whole configuration as it is shown.
    pub fn shown(&self, dump: Dump) -> Json {
        let sections = self.routes.iter().map(|route| (route.name.as_str().to_owned(), route.shown(dump)));
        self.config.to_json(dump, sections)
    }
}

impl Route {
    /// The section as it is shown.
    pub fn shown(&self, dump: Dump) -> Json {
        let raw = self.section.dump_with_secrets();
        let shown = match dump.detail {
            Detail::Full => raw,
            Detail::Set => self.shortened(&raw),
        };
        match dump.secrets {
            Secrets::Raw => shown,
            Secrets::Redacted => masked(shown, &self.section.dump()),
        }
    }

    /// The section without what has its default.
    fn shortened(&self, whole: &Json) -> Json {
        let mut generator = schema_generator();
        let schema = self.factory.schema(&mut generator);
        let definitions = Json::Object(generator.take_definitions(true));
        let mut candidates = Vec::new();
        let schemas = Schemas { definitions: &definitions };
        schemas.collect(schema.as_value(), whole, &mut Vec::new(), &mut candidates);
        let all = candidates.iter().fold(whole.clone(), |section, path| without(section, path));
        if self.reads_as(&all, whole) {
            return all;
        }
        candidates.iter().fold(whole.clone(), |section, path| {
            let shorter = without(section.clone(), path);
            if self.reads_as(&shorter, whole) { shorter } else { section }
        })
    }

    fn reads_as(&self, section: &Json, whole: &Json) -> bool {
        let node = Node::from_json(section, &Origin::whole("shortened"));
        let section = Section { name: &self.name, node: &node, prefix: "" };
        let parsed = Decoder::run(&NoVariables, |cx| self.factory.parse(section, cx));
        parsed.is_ok_and(|parsed| parsed.dump_with_secrets() == *whole)
    }
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
                    let Some(property) = schema.get("properties").and_then(|properties| properties.get(key)) else {
                        continue;
                    };
                    path.push(key.clone());
                    if is_default(property, member, value) && !found.contains(path) {
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
