//! The schema that an executable gives of its section: read once, then asked for defaults and secrets.
//!
//! A documented part of JSON Schema 2020-12, as a validator of all of it is 2.8 MB of program. What is beyond that part
//! is refused when the schema is read, so that no rule of it is silently left out. Pure.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value as Json, json};

/// The keywords that hold nothing else but schemas by name.
const OF_SCHEMAS_BY_NAME: [&str; 1] = ["properties"];
/// The keywords that hold a list of schemas.
const OF_SCHEMAS: [&str; 3] = ["anyOf", "oneOf", "allOf"];
/// The keywords that hold a schema.
const OF_SCHEMA: [&str; 3] = ["items", "additionalProperties", "not"];
/// The keywords that hold a whole number from 0 on.
const OF_COUNT: [&str; 6] = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
/// The keywords that hold a number.
const OF_NUMBER: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/// The keywords that hold a boolean.
const OF_BOOLEAN: [&str; 4] = ["uniqueItems", "writeOnly", "readOnly", "deprecated"];
/// The keywords that decide nothing, and those that are looked at elsewhere.
const FREE: [&str; 8] = ["const", "title", "description", "default", "examples", "format", "$comment", "$schema"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// The schema of a section: a mapping, its references replaced by what they refer to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SectionSchema(Json);

impl SectionSchema {
    /// Reads the schema of a section.
    ///
    /// # Errors
    /// Where it goes beyond the part of JSON Schema that is known, or is not the schema of a mapping; a fragment.
    pub(super) fn new(schema: &Json) -> Result<Self, String> {
        let definitions = ["$defs", "definitions"].map(|key| schema.get(key).cloned().unwrap_or_else(|| json!({})));
        let reader = Reader { definitions };
        let mut root = schema.clone();
        if let Json::Object(keywords) = &mut root {
            keywords.retain(|key, _| !matches!(key.as_str(), "$defs" | "definitions" | "$id" | "$schema"));
        }
        let read = reader.read(&root, "", &mut Vec::new())?;
        if read.get("type") != Some(&json!("object")) {
            return Err("a section is a mapping, so that its \"type\" must be \"object\"".to_owned());
        }
        Ok(Self(read))
    }

    pub(super) fn as_json(&self) -> &Json {
        &self.0
    }

    /// The keys that the schema names, with their schemas.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&String, &Json)> {
        properties(&self.0)
    }

    /// The section with the defaults of what it lacks, at every level that it has.
    pub(super) fn completed(&self, mut section: Json) -> Json {
        complete(&self.0, &mut section);
        section
    }

    /// The section with what is `writeOnly` replaced.
    pub(super) fn redacted(&self, mut section: Json) -> Json {
        each_secret(&self.0, &mut section, &mut |secret| {
            if !secret.is_null() {
                *secret = json!("REDACTED");
            }
        });
        section
    }

    /// The texts in what is `writeOnly`.
    pub(super) fn secrets(&self, section: &Json) -> BTreeSet<String> {
        let mut secrets = BTreeSet::new();
        each_secret(&self.0, &mut section.clone(), &mut |secret| texts(secret, &mut secrets));
        secrets
    }

    /// A section to begin with: an example of the schema's, else the defaults and a value for every required key.
    pub(super) fn sample(&self) -> Json {
        example(&self.0)
    }
}

/// The keys that a schema names, with their schemas.
fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema.get("properties").and_then(Json::as_object).into_iter().flatten()
}

/// All schemas that a value may be of: the one given, and its branches.
fn alternatives(schema: &Json) -> Vec<&Json> {
    let branches = OF_SCHEMAS.iter().filter_map(|keyword| schema.get(*keyword)?.as_array()).flatten();
    std::iter::once(schema).chain(branches.flat_map(alternatives)).collect()
}

fn complete(schema: &Json, value: &mut Json) {
    match value {
        Json::Object(members) => {
            for (key, property) in properties(schema) {
                if let Some(member) = members.get_mut(key) {
                    complete(property, member);
                } else if let Some(default) = property.get("default") {
                    members.insert(key.clone(), default.clone());
                }
            }
        }
        Json::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    complete(schema, item);
                }
            }
        }
        _ => {}
    }
}

fn each_secret(schema: &Json, value: &mut Json, change: &mut impl FnMut(&mut Json)) {
    for schema in alternatives(schema) {
        if schema.get("writeOnly") == Some(&json!(true)) {
            return change(value);
        }
        match value {
            Json::Object(members) => {
                for (key, member) in members {
                    let named = schema.get("properties").and_then(|properties| properties.get(key));
                    if let Some(schema) = named.or_else(|| schema.get("additionalProperties")) {
                        each_secret(schema, member, change);
                    }
                }
            }
            Json::Array(items) => {
                if let Some(schema) = schema.get("items") {
                    for item in items {
                        each_secret(schema, item, change);
                    }
                }
            }
            _ => {}
        }
    }
}

fn texts(value: &Json, found: &mut BTreeSet<String>) {
    match value {
        Json::String(text) if !text.is_empty() => drop(found.insert(text.clone())),
        Json::Number(number) => drop(found.insert(number.to_string())),
        Json::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Json::Object(members) => members.values().for_each(|member| texts(member, found)),
        Json::String(_) | Json::Null | Json::Bool(_) => {}
    }
}

fn example(schema: &Json) -> Json {
    let given = schema.get("examples").and_then(|examples| examples.get(0));
    let listed = || schema.get("enum").and_then(|values| values.get(0));
    if let Some(value) = given.or_else(|| schema.get("default")).or_else(|| schema.get("const")).or_else(listed) {
        return value.clone();
    }
    let of_type = schema.get("type").map(|types| types.get(0).unwrap_or(types)).and_then(Json::as_str);
    match of_type {
        Some("object") => {
            let required: Vec<&str> = schema
                .get("required")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
                .filter_map(Json::as_str)
                .collect();
            let wanted = |key: &str, property: &Json| required.contains(&key) || property.get("default").is_some();
            let members = properties(schema).filter(|(key, property)| wanted(key, property));
            Json::Object(members.map(|(key, property)| (key.clone(), example(property))).collect())
        }
        Some("array") => json!([]),
        Some("string") => json!("text"),
        Some("boolean") => json!(false),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        _ => alternatives(schema).get(1).map_or(Json::Null, |branch| example(branch)),
    }
}

/// Reads a schema: checks its keywords and replaces its references.
struct Reader {
    definitions: [Json; 2],
}

impl Reader {
    /// `place` is where the schema stands, `open` the definitions that it stands in.
    fn read<'a>(&'a self, schema: &'a Json, place: &str, open: &mut Vec<&'a str>) -> Result<Json, String> {
        let keywords = match schema {
            Json::Bool(_) => return Ok(schema.clone()),
            Json::Object(keywords) => keywords,
            _ => return Err(wrong(place, "a schema is a mapping or a boolean")),
        };
        let mut read = match keywords.get("$ref") {
            Some(reference) => self.referred(reference, place, open)?,
            None => Map::new(),
        };
        for (keyword, value) in keywords.iter().filter(|(keyword, _)| *keyword != "$ref") {
            let place = format!("{place}/{keyword}");
            read.insert(keyword.clone(), self.keyword(keyword, value, &place, open)?);
        }
        Ok(Json::Object(read))
    }

    fn referred<'a>(
        &'a self,
        reference: &'a Json,
        place: &str,
        open: &mut Vec<&'a str>,
    ) -> Result<Map<String, Json>, String> {
        let unknown = || wrong(place, &format!("the reference {reference} is not to #/$defs/NAME of the schema"));
        let text = reference.as_str().ok_or_else(unknown)?;
        let [new, old] = &self.definitions;
        let found = (text.strip_prefix("#/$defs/").and_then(|name| new.get(name)))
            .or_else(|| text.strip_prefix("#/definitions/").and_then(|name| old.get(name)));
        let definition = found.ok_or_else(unknown)?;
        if open.contains(&text) {
            return Err(wrong(place, &format!("{text} refers to itself, which is not supported")));
        }
        open.push(text);
        let read = self.read(definition, text, open)?;
        open.pop();
        match read {
            Json::Object(keywords) => Ok(keywords),
            _ => Err(wrong(place, "a reference to a boolean is not supported")),
        }
    }

    fn keyword<'a>(
        &'a self,
        keyword: &str,
        value: &'a Json,
        place: &str,
        open: &mut Vec<&'a str>,
    ) -> Result<Json, String> {
        let problem = match keyword {
            _ if OF_SCHEMA.contains(&keyword) => return self.read(value, place, open),
            _ if OF_SCHEMAS.contains(&keyword) => return self.list(value, place, open),
            _ if OF_SCHEMAS_BY_NAME.contains(&keyword) => return self.by_name(value, place, open),
            _ if FREE.contains(&keyword) || keyword.starts_with("x-") => None,
            _ if OF_COUNT.contains(&keyword) => value.as_u64().is_none().then_some("must be a whole number"),
            "multipleOf" => value.as_f64().is_none_or(|number| number <= 0.0).then_some("must be a number above 0"),
            _ if OF_NUMBER.contains(&keyword) => (!value.is_number()).then_some("must be a number"),
            _ if OF_BOOLEAN.contains(&keyword) => (!value.is_boolean()).then_some("must be true or false"),
            "type" => type_problem(value),
            "enum" => value.as_array().is_none_or(Vec::is_empty).then_some("must be a list of values"),
            "required" => {
                let is_names = value.as_array().is_some_and(|names| names.iter().all(Json::is_string));
                (!is_names).then_some("must be a list of keys")
            }
            "pattern" => pattern_problem(value),
            _ => Some("is not among the keywords that are supported"),
        };
        problem.map_or_else(|| Ok(value.clone()), |problem| Err(wrong(place, problem)))
    }

    fn list<'a>(&'a self, value: &'a Json, place: &str, open: &mut Vec<&'a str>) -> Result<Json, String> {
        let schemas = value.as_array().filter(|schemas| !schemas.is_empty());
        let schemas = schemas.ok_or_else(|| wrong(place, "must be a list of schemas"))?;
        let read =
            schemas.iter().enumerate().map(|(index, schema)| self.read(schema, &format!("{place}/{index}"), open));
        read.collect()
    }

    fn by_name<'a>(&'a self, value: &'a Json, place: &str, open: &mut Vec<&'a str>) -> Result<Json, String> {
        let schemas = value.as_object().ok_or_else(|| wrong(place, "must be a mapping of schemas"))?;
        let mut read = Map::new();
        for (name, schema) in schemas {
            read.insert(name.clone(), self.read(schema, &format!("{place}/{name}"), open)?);
        }
        Ok(Json::Object(read))
    }
}

fn wrong(place: &str, problem: &str) -> String {
    let place = if place.is_empty() { "the schema" } else { place };
    format!("{place}: {problem}")
}

fn type_problem(value: &Json) -> Option<&'static str> {
    let is_type = |word: &Json| word.as_str().is_some_and(|word| TYPES.contains(&word));
    let is_valid = match value {
        Json::Array(words) => !words.is_empty() && words.iter().all(is_type),
        word => is_type(word),
    };
    (!is_valid).then_some("must be one or several of null, boolean, integer, number, string, array and object")
}

fn pattern_problem(value: &Json) -> Option<&'static str> {
    match value.as_str().map(Regex::new) {
        None => Some("must be text"),
        Some(Err(_)) => Some("is no regular expression without look-around and back-references"),
        Some(Ok(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schema: &Json) -> SectionSchema {
        SectionSchema::new(schema).unwrap_or_else(|problem| panic!("{schema}: {problem}"))
    }

    #[test]
    fn references_are_replaced_and_keywords_beside_them_count() {
        let schema = read(&json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "type": "object",
            "properties": { "a": { "$ref": "#/$defs/Size", "default": 2 } },
            "$defs": { "Size": { "type": "integer", "default": 1 } },
        }));
        assert_eq!(
            *schema.as_json(),
            json!({ "type": "object", "properties": { "a": { "type": "integer", "default": 2 } } })
        );
    }

    #[test]
    fn what_is_not_supported_is_refused_with_its_place() {
        fn check(schema: &Json, place: &str) {
            let problem = SectionSchema::new(schema).expect_err(place);
            assert!(problem.starts_with(place), "{schema}: {problem}");
        }
        let with = |property: Json| json!({ "type": "object", "properties": { "a": property } });
        check(&json!([]), "the schema: ");
        check(&json!({ "type": "array" }), "a section is a mapping");
        check(&with(json!({ "type": "text" })), "/properties/a/type: ");
        check(&with(json!({ "patternProperties": {} })), "/properties/a/patternProperties: ");
        check(&with(json!({ "pattern": "(?=a)" })), "/properties/a/pattern: ");
        check(&with(json!({ "anyOf": [true, { "minLength": -1 }] })), "/properties/a/anyOf/1/minLength: ");
        check(&with(json!({ "$ref": "https://example.com" })), "/properties/a: ");
        let recursive = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/A" } },
            "$defs": { "A": { "items": { "$ref": "#/$defs/A" } } } });
        check(&recursive, "#/$defs/A/items: ");
    }

    #[test]
    fn defaults_fill_what_is_absent_at_every_level() {
        let schema = read(&json!({ "type": "object", "properties": {
            "a": { "default": 1 }, "b": { "type": "object", "properties": { "c": { "default": [] } } },
            "d": { "type": "object", "default": {}, "properties": { "e": { "default": 1 } } },
        } }));
        let completed = schema.completed(json!({ "b": {}, "f": null }));
        assert_eq!(completed, json!({ "b": { "c": [] }, "f": null, "a": 1, "d": {} }));
    }

    #[test]
    fn secrets_are_found_wherever_the_schema_marks_them() {
        let secret = json!({ "type": "string", "writeOnly": true });
        let schema = read(&json!({ "type": "object", "properties": {
            "token": { "anyOf": [{ "type": "null" }, secret] }, "none": secret, "open": { "type": "string" },
            "users": { "items": { "properties": { "key": secret } } },
            "map": { "additionalProperties": secret }, "all": { "type": "object", "writeOnly": true },
        } }));
        let section = json!({
            "token": "s1", "none": null, "open": "o", "users": [{ "key": "s2", "name": "n" }],
            "map": { "x": "s3" }, "all": { "y": ["s4", 5, true] },
        });
        assert_eq!(
            schema.redacted(section.clone()),
            json!({
                "token": "REDACTED", "none": null, "open": "o", "users": [{ "key": "REDACTED", "name": "n" }],
                "map": { "x": "REDACTED" }, "all": "REDACTED",
            })
        );
        assert_eq!(Vec::from_iter(schema.secrets(&section)), ["5", "s1", "s2", "s3", "s4"]);
    }

    #[test]
    fn a_sample_has_every_required_key_and_every_default() {
        let schema = json!({ "type": "object", "required": ["host", "mode", "n"], "properties": {
            "host": { "type": "string" }, "port": { "type": "integer", "default": 6379 },
            "mode": { "enum": ["a", "b"] }, "n": { "type": "number", "minimum": 3 }, "other": { "type": "string" },
        } });
        assert_eq!(read(&schema).sample(), json!({ "host": "text", "port": 6379, "mode": "a", "n": 3 }));
        let with_example = json!({ "type": "object", "examples": [{ "a": 1 }] });
        assert_eq!(read(&with_example).sample(), json!({ "a": 1 }));
    }
}
