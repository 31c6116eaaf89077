//! JSON Schema of what the decoder takes.
//!
//! Types say what they are written as by `schemars::JsonSchema`. Here are the schemas of the scalars, and what the
//! decoder takes besides: the text `yes` for a boolean, a number for a text. A schema that refused these would
//! refuse configurations that load.

use std::borrow::Cow;

use regex::Regex;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};

use super::{FilePath, HttpUrl, Secret, StrictInteger};

/// The keyword of a key whose default is the value of the key beside it that this names.
pub(crate) const DEFAULT_FROM: &str = "x-default-from";

/// The keyword of a key whose default is the value of the same key in the section around it.
pub(crate) const INHERITED: &str = "x-inherited";

/// Any spelling of the words that [`bool`] is decoded from.
const BOOLEAN_WORD: &str =
    "^([Tt]([Rr][Uu][Ee])?|[Yy]([Ee][Ss])?|[Oo][Nn]|[Ff]([Aa][Ll][Ss][Ee])?|[Nn][Oo]?|[Oo][Ff][Ff]|[01])$";

/// The pattern of text that is a whole number, wherever one is taken.
pub(crate) const INTEGER_TEXT: &str = r"^\s*[+-]?[0-9][0-9_]*\s*$";

/// The pattern of text that is a number, wherever one is taken.
pub(crate) const NUMBER_TEXT: &str = r"^\s*[+-]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)([eE][+-]?[0-9]+)?\s*$";

/// The generator of all schemas: draft 2020-12, with the coercions of the decoder.
pub(crate) fn schema_generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12();
    settings.with_transform(RecursiveTransform(coerce)).with_transform(RecursiveTransform(tidy)).into_generator()
}

/// Adds to the type of a scalar what is converted to it.
fn coerce(schema: &mut Schema) {
    let is_free = ["enum", "const"].into_iter().all(|keyword| schema.get(keyword).is_none());
    let format = schema.get("format").and_then(Json::as_str);
    let Some(name) = scalar_type(schema).filter(|_| is_free) else { return };
    let (types, pattern): (&[&str], _) = match (name.as_str(), format) {
        ("boolean", _) => (&["boolean", "integer", "string"], Some(BOOLEAN_WORD)),
        // `schemars` names the size of Rust's integers, which strict ones do not have.
        ("integer", Some("int64" | "uint64")) => (&["integer", "number", "boolean", "string"], Some(INTEGER_TEXT)),
        ("number", Some("double")) => (&["number", "boolean", "string"], Some(NUMBER_TEXT)),
        ("string", None | Some("file-path" | "password")) => (&["string", "number", "boolean"], None),
        _ => return,
    };
    let mut types = json!(types);
    if is_nullable(schema)
        && let Json::Array(types) = &mut types
    {
        types.push(json!("null"));
    }
    schema.insert("type".to_owned(), types);
    if let Some(pattern) = pattern {
        schema.remove("format");
        schema.insert("pattern".to_owned(), json!(pattern));
    }
    if name == "boolean" {
        schema.insert("minimum".to_owned(), json!(0));
        schema.insert("maximum".to_owned(), json!(1));
    }
    if name == "string" {
        narrow(schema);
    }
}

/// Takes back what is not text and would break the pattern as text.
fn narrow(schema: &mut Schema) {
    let pattern = schema.get("pattern").and_then(Json::as_str).and_then(|pattern| Regex::new(pattern).ok());
    let (Some(pattern), Some(Json::Array(types))) = (pattern, schema.get_mut("type")) else { return };
    let fits = |texts: &[&str]| texts.iter().any(|text| pattern.is_match(text));
    let (is_number, is_boolean) = (fits(&["-77", "7", "77", "7.7"]), fits(&["True", "False"]));
    types.retain(|name| (name != "number" || is_number) && (name != "boolean" || is_boolean));
}

/// The one type of a schema besides null.
fn scalar_type(schema: &Schema) -> Option<String> {
    match schema.get("type")? {
        Json::String(name) => Some(name.clone()),
        Json::Array(names) => {
            let mut names = names.iter().filter_map(Json::as_str).filter(|name| *name != "null");
            let only = names.next()?.to_owned();
            names.next().is_none().then_some(only)
        }
        _ => None,
    }
}

fn is_nullable(schema: &Schema) -> bool {
    matches!(schema.get("type"), Some(Json::Array(names)) if names.contains(&json!("null")))
}

/// Leaves out defaults that only say that there is none.
fn tidy(schema: &mut Schema) {
    if schema.get("default").is_some_and(Json::is_null) {
        schema.remove("default");
    }
}

/// The schema of one of several words.
pub(crate) fn words(words: impl IntoIterator<Item = &'static str>) -> Schema {
    let words: Vec<&str> = words.into_iter().collect();
    json_schema!({ "type": "string", "enum": words })
}

macro_rules! scalar_schema {
    ($($kind:ty: $name:literal, $schema:tt;)*) => {
        $(impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

scalar_schema! {
    Secret: "Secret", { "type": "string", "writeOnly": true, "format": "password" };
    HttpUrl: "HttpUrl", { "type": "string", "format": "uri", "pattern": "^\\s*[Hh][Tt][Tt][Pp][Ss]?://", "minLength": 1, "maxLength": 65536 };
    FilePath: "FilePath", { "type": "string", "format": "file-path" };
    StrictInteger: "StrictInteger", { "type": "integer" };
}
