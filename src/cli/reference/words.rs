//! What a value may be, in words: its type, its bounds, what it means.

use serde_json::Value as Json;

use super::{Page, alternatives, one_line, properties, text_of, variable_of};
use crate::decode::{DEFAULT_FROM, INTEGER_TEXT, NUMBER_TEXT};

/// A key as a row of a table tells it.
pub(super) struct Words<'p, 's> {
    pub(super) page: &'p Page<'s>,
    pub(super) property: &'s Json,
}

impl<'s> Words<'_, 's> {
    /// What its value may be.
    pub(super) fn kind(&self) -> String {
        self.kind_of(self.property, Number::One)
    }

    /// What it is for; examples, and its variable where that is not the prefix and the key.
    pub(super) fn meaning(&self, key: &str, prefix: Option<&str>) -> String {
        let description = one_line(text_of(self.property, "description"));
        // The table says that already.
        let mut sentences = vec![description.strip_suffix(" Required.").unwrap_or(&description).to_owned()];
        if let Some(other) = self.property.get(DEFAULT_FROM).and_then(Json::as_str) {
            sentences.push(format!("Default: that of `{other}`."));
        }
        let examples = self.examples();
        if !examples.is_empty() {
            sentences.push(format!("Example: {}.", examples.join(", ")));
        }
        let expected = prefix.map(|prefix| format!("{prefix}{}", key.to_uppercase()));
        if let Some(variable) = variable_of(self.property).filter(|name| Some(*name) != expected.as_deref()) {
            sentences.push(format!("Variable: `{variable}`."));
        }
        sentences.retain(|sentence| !sentence.is_empty());
        sentences.join(" ").replace('|', "\\|")
    }

    /// Examples that are its own; those of a duration are told once for the page.
    fn examples(&self) -> Vec<String> {
        let (schema, _) = self.page.resolve(self.property);
        let unions = alternatives(schema);
        let schemas = std::iter::once(schema).chain(unions).filter(|schema| schema["format"] != "duration");
        let examples = schemas.filter_map(|schema| schema.get("examples")?.as_array()).flatten();
        examples.map(|example| format!("`{}`", phrase(example))).collect()
    }

    fn kind_of(&self, schema: &'s Json, number: Number) -> String {
        let (schema, definition) = self.page.resolve(schema);
        if let Some(heading) = self.page.heading(schema, definition) {
            return format!("[{}](#{})", number.of("mapping"), anchor(heading));
        }
        if let Some(word) = schema.get("const") {
            return format!("`{}`", phrase(word));
        }
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            let words = words.iter().filter(|word| !word.is_null()).map(|word| format!("`{}`", phrase(word)));
            return either(words.collect());
        }
        let alternatives = alternatives(schema);
        if !alternatives.is_empty() {
            let mut kinds: Vec<String> = Vec::new();
            for kind in alternatives.into_iter().map(|schema| self.alternative(schema, number)) {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            return either(kinds);
        }
        if let Some(items) = schema.get("items") {
            return format!(
                "{} of {}{}",
                number.of("list"),
                self.kind_of(items, Number::Several),
                bounds(schema, "Items", "items")
            );
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            return format!("{} of {}", number.of("mapping"), self.kind_of(values, Number::Several));
        }
        scalar(schema, number)
    }

    /// As [`Self::kind_of`]; a small mapping is written out.
    fn alternative(&self, schema: &'s Json, number: Number) -> String {
        let is_told = self.page.resolve(schema).1.is_some() || properties(schema).is_empty();
        if is_told {
            return self.kind_of(schema, number);
        }
        let keys = properties(schema).iter().map(|(key, value)| {
            let kind = self.kind_of(value, Number::One);
            (format!("{key}: {}", kind.replace('`', "")), kind.starts_with('['))
        });
        let keys: Vec<(String, bool)> = keys.collect();
        let text = keys.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ");
        // A link does not work in code.
        if keys.iter().any(|(_, is_link)| *is_link) { format!("{{{text}}}") } else { format!("`{{{text}}}`") }
    }
}

/// How many there are of what a word means.
#[derive(Clone, Copy)]
enum Number {
    One,
    Several,
}

impl Number {
    fn of(self, word: &str) -> String {
        match self {
            Self::One => word.to_owned(),
            Self::Several => format!("{word}s"),
        }
    }
}

/// What a scalar may be, by its format, its pattern, then its types.
fn scalar(schema: &Json, number: Number) -> String {
    let types = types(schema);
    let is = |names: &[&str]| types.len() == names.len() && names.iter().all(|name| types.contains(name));
    let word = match (text_of(schema, "format"), text_of(schema, "pattern")) {
        _ if schema["writeOnly"] == true => "secret",
        ("duration", _) => "duration",
        ("uri", _) => return number.of("URL"),
        ("file-path", _) => "path",
        ("date-time", _) => "time",
        (_, INTEGER_TEXT) => "whole number",
        (_, NUMBER_TEXT) => "number",
        _ if is(&["boolean", "integer", "string"]) => return number.of("boolean"),
        _ if types.is_empty() => return "anything".to_owned(),
        _ if types == ["object"] => "mapping",
        _ if is(&["string", "number", "boolean"]) => "text",
        _ if types.contains(&"string") && types.contains(&"number") => "text or number",
        _ if types.contains(&"string") && types.contains(&"integer") => "text or whole number",
        _ if types == ["integer"] || is(&["integer", "number"]) => "whole number",
        _ if types == ["string"] => "text",
        _ => return either(types.iter().map(|name| number.of(name)).collect()),
    };
    format!("{}{}{}", number.of(word), range(schema), bounds(schema, "Length", "characters"))
}

/// The names of its types but null.
fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    }
}

fn range(schema: &Json) -> String {
    let bound = |keyword: &str| schema.get(keyword).map(phrase);
    match (bound("minimum"), bound("maximum"), bound("exclusiveMinimum")) {
        (Some(least), Some(most), _) => format!(", {least} to {most}"),
        (Some(least), None, _) => format!(", {least} or more"),
        (None, Some(most), None) => format!(", at most {most}"),
        (None, Some(most), Some(below)) => format!(", above {below}, at most {most}"),
        (None, None, Some(below)) => format!(", above {below}"),
        (None, None, None) => String::new(),
    }
}

/// How long or how many: `minLength` and `maxLength`, or `minItems` and `maxItems`.
fn bounds(schema: &Json, keyword: &str, unit: &str) -> String {
    let bound = |side: &str| schema.get(format!("{side}{keyword}")).map(phrase);
    match (bound("min"), bound("max")) {
        (Some(least), Some(most)) => format!(", {least} to {most} {unit}"),
        (Some(least), None) if least == "1" => ", not empty".to_owned(),
        (Some(least), None) => format!(", {least} {unit} or more"),
        (None, Some(most)) => format!(", at most {most} {unit}"),
        (None, None) => String::new(),
    }
}

/// A value as a file would have it, on one line.
pub(super) fn phrase(value: &Json) -> String {
    match value {
        Json::String(text) if !text.is_empty() && text.trim() == text => text.clone(),
        Json::Array(items) => format!("[{}]", items.iter().map(phrase).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key}: {}", phrase(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn either(mut kinds: Vec<String>) -> String {
    let Some(last) = kinds.pop() else { return String::new() };
    if kinds.is_empty() { last } else { format!("{} or {last}", kinds.join(", ")) }
}

/// What the address of a heading is, on the common hosts of repositories.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
