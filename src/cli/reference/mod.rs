//! A JSON Schema of configurations as a page of Markdown: a heading for each mapping, a row for each key.
//!
//! It knows what keywords mean, and nothing about what is configured. Nothing is printed here.

mod words;

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::cli::render::output::one_line;
use crate::config::file::to_yaml;
use crate::decode::INHERITED;
use words::{Words, phrase};

/// Longest default that stands in a table; longer ones follow it.
const LONGEST_DEFAULT: usize = 64;

const PREFACE: &str = "\
How to read the tables:

- A *duration* is text such as `90s`, `5m`, `1h30m` or `250ms`, or a number of seconds.
- A *boolean* is `true` or `false`, also `yes`, `no`, `on` and `off`. A *whole number* and a *number* may be quoted.
- A *secret* is a text that is shown as `REDACTED` wherever servo shows the configuration.
- Where *text* is expected, a number or a boolean is taken as it is written. A *URL* begins with `http://` or `https://`.
- A key without a default may be left out, unless it is *required*. *As around it* is what the section around says.
- A key that is absent is taken from the environment variable that stands below the heading of its section, then from
  the same variable in a file `.env`. Lists and mappings are written there as JSON.

Another key is an error, unless the section says that it is ignored. `servo validate` tells all problems of a file at once, and
`servo schema --all` prints the same as JSON Schema, for editors.
";

/// A mapping whose keys have a table of their own.
struct Section<'s> {
    /// Where it may stand, as `kubernetes.deployments[]`. The first one is its heading.
    paths: Vec<String>,
    /// The definition that it is, by which it is recognized.
    definition: Option<&'s str>,
    schema: &'s Json,
}

/// The mappings of a schema, each one once, in the order in which they are met.
struct Page<'s> {
    root: &'s Json,
    sections: Vec<Section<'s>>,
}

/// The page. `command` is what writes it.
pub(crate) fn markdown(schema: &Json, command: &str) -> String {
    let mut page = Page { root: schema, sections: Vec::new() };
    page.collect(schema, "");
    let mut text = format!("<!-- Written by `{command}`. Do not edit. -->\n\n# {}\n", text_of(schema, "title"));
    let description = text_of(schema, "description");
    write!(text, "\n{description}\n\n{PREFACE}\n{}", page.table(schema, None)).ok();
    for section in &page.sections {
        page.write(section, &mut text);
    }
    text
}

impl<'s> Page<'s> {
    fn collect(&mut self, schema: &'s Json, path: &str) {
        for (key, property) in properties(schema) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.collect_value(property, &path, false);
        }
    }

    /// Looks for mappings in a value of this schema. Small ones, which a union has inline, are told in words only.
    fn collect_value(&mut self, schema: &'s Json, path: &str, in_union: bool) {
        let (schema, definition) = self.resolve(schema);
        let alternatives = alternatives(schema);
        if alternatives.is_empty() {
            self.collect_mapping(schema, definition, path, in_union);
        }
        let several = alternatives.iter().filter(|schema| self.is_named_mapping(schema)).count() > 1;
        for alternative in alternatives {
            match definition_of(alternative) {
                Some(name) if several => self.collect_value(alternative, &format!("{path}: {name}"), true),
                _ => self.collect_value(alternative, path, true),
            }
        }
    }

    fn collect_mapping(&mut self, schema: &'s Json, definition: Option<&'s str>, path: &str, in_union: bool) {
        if let Some(items) = schema.get("items") {
            self.collect_value(items, &format!("{path}[]"), false);
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            self.collect_value(values, &format!("{path}.NAME"), false);
        }
        if properties(schema).is_empty() {
            return;
        }
        if in_union && definition.is_none() {
            return self.collect(schema, path);
        }
        let known = self.sections.iter_mut().find(|section| definition.is_some() && section.definition == definition);
        if let Some(section) = known {
            section.paths.push(path.to_owned());
            return;
        }
        self.sections.push(Section { paths: vec![path.to_owned()], definition, schema });
        let parent = path.split(": ").next().unwrap_or(path);
        self.collect(schema, parent);
    }

    fn write(&self, section: &Section<'s>, text: &mut String) {
        let Some((path, others)) = section.paths.split_first() else { return };
        let is_nested = path.contains(['.', '[']);
        write!(text, "\n{} {path}\n", if is_nested { "###" } else { "##" }).ok();
        if let Some(description) = section.schema.get("description").and_then(Json::as_str) {
            write!(text, "\n{}\n", one_line(description)).ok();
        }
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(|path| format!("`{path}`")).collect();
            write!(text, "\nThe same keys are in {}.\n", others.join(", ")).ok();
        }
        if section.schema.get("additionalProperties").is_none() {
            text.push_str("\nOther keys are ignored.\n");
        }
        let prefix = variable_prefix(section.schema);
        if let Some(prefix) = &prefix {
            write!(text, "\nIn the environment: `{prefix}<KEY>`.\n").ok();
        }
        write!(text, "\n{}", self.table(section.schema, prefix.as_deref())).ok();
    }

    /// The keys of a mapping, with their variables unless these are `prefix` and the key; then the long defaults.
    fn table(&self, schema: &'s Json, prefix: Option<&str>) -> String {
        let mut text = "| Key | Type | Default | Meaning |\n|---|---|---|---|\n".to_owned();
        let mut long = String::new();
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Json::as_array)
            .map_or_else(Vec::new, |keys| keys.iter().filter_map(Json::as_str).collect());
        for (key, property) in properties(schema) {
            let words = Words { page: self, property };
            let default = match default_of(property) {
                _ if required.contains(&key.as_str()) => "*required*".to_owned(),
                _ if property[INHERITED] == true => "*as around it*".to_owned(),
                Some(default) if default.chars().count() > LONGEST_DEFAULT => {
                    let default = to_yaml(property.get("default").unwrap_or(&Json::Null));
                    write!(long, "\nThe default of `{key}`:\n\n```yaml\n{}\n```\n", default.trim_end()).ok();
                    "below".to_owned()
                }
                Some(default) => format!("`{}`", default.replace('|', "\\|")),
                None => String::new(),
            };
            let meaning = words.meaning(key, prefix);
            writeln!(text, "| `{key}` | {} | {default} | {meaning} |", words.kind()).ok();
        }
        text + &long
    }

    /// The schema that is meant by a reference, with its name.
    fn resolve(&self, schema: &'s Json) -> (&'s Json, Option<&'s str>) {
        match definition_of(schema) {
            Some(name) => (&self.root["$defs"][name], Some(name)),
            None => (schema, None),
        }
    }

    fn is_named_mapping(&self, schema: &'s Json) -> bool {
        let (schema, definition) = self.resolve(schema);
        definition.is_some() && !properties(schema).is_empty()
    }

    /// The heading of a mapping, where it has one.
    fn heading(&self, schema: &Json, definition: Option<&str>) -> Option<&str> {
        let is_meant = |section: &&Section<'_>| match definition {
            Some(_) => section.definition == definition,
            None => std::ptr::eq(section.schema, schema),
        };
        self.sections.iter().find(is_meant).and_then(|section| section.paths.first()).map(String::as_str)
    }
}

fn properties(schema: &Json) -> &Map<String, Json> {
    static NONE: std::sync::LazyLock<Map<String, Json>> = std::sync::LazyLock::new(Map::new);
    schema.get("properties").and_then(Json::as_object).unwrap_or(&NONE)
}

/// The schemas of which one is to fit, without those that only permit null or require keys.
fn alternatives(schema: &Json) -> Vec<&Json> {
    let unions = ["anyOf", "oneOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array()).flatten();
    unions
        .filter(|schema| {
            schema["type"] != "null" && schema.as_object().is_none_or(|keys| !keys.keys().eq(["required"]))
        })
        .collect()
}

fn definition_of(schema: &Json) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn text_of<'s>(schema: &'s Json, keyword: &str) -> &'s str {
    schema.get(keyword).and_then(Json::as_str).unwrap_or_default()
}

fn default_of(property: &Json) -> Option<String> {
    let default = property.get("default")?;
    let is_nothing = default.as_object().is_some_and(Map::is_empty);
    (!is_nothing).then(|| phrase(default))
}

fn variable_of(property: &Json) -> Option<&str> {
    property.get("env_names")?.get(0)?.as_str()
}

/// What the variables of most keys begin with.
fn variable_prefix(schema: &Json) -> Option<String> {
    properties(schema).iter().find_map(|(key, property)| {
        variable_of(property)?.strip_suffix(&key.to_uppercase()).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The page of a schema with one key.
    fn page(property: &Json) -> String {
        markdown(
            &json!({ "title": "T", "properties": { "key": property }, "$defs": { "Part": {
            "description": "A part.",
                        "additionalProperties": false,
            "properties": { "min": { "type": "integer", "description": "Least.\nOf all. Required." } },
            "required": ["min"],
        } } }),
            "c",
        )
    }

    #[track_caller]
    fn check(property: &Json, row: &str) {
        let page = page(property);
        assert!(page.lines().any(|line| line == row), "{row} in:\n{page}");
    }

    #[test]
    fn a_key_has_its_type_bounds_default_and_meaning() {
        check(
            &json!({ "type": ["integer", "null"], "minimum": 4, "maximum": 10, "default": 5, "description": "How many." }),
            "| `key` | whole number, 4 to 10 | `5` | How many. |",
        );
        check(&json!({ "enum": ["a", "b"], "default": "" }), "| `key` | `a` or `b` | `\"\"` |  |");
        check(&json!({ "type": "string", "writeOnly": true }), "| `key` | secret |  |  |");
        check(&json!({ "type": "string", "env_names": ["KEY"] }), "| `key` | text |  | Variable: `KEY`. |");
        check(&json!({ "type": "string", "examples": ["a|b"] }), "| `key` | text |  | Example: `a\\|b`. |");
        check(
            &json!({ "x-default-from": "other", "type": "string" }),
            "| `key` | text |  | Default: that of `other`. |",
        );
        check(
            &json!({ "anyOf": [{ "const": "cost" }, { "type": "object", "properties": { "max": { "type": "string" } } }] }),
            "| `key` | `cost` or `{max: text}` |  |  |",
        );
    }

    #[test]
    fn a_mapping_has_a_heading_wherever_it_stands() {
        let reference = json!({ "$ref": "#/$defs/Part" });
        for (property, kind, heading) in [
            (reference.clone(), "[mapping](#key)", "## key"),
            (json!({ "anyOf": [reference, { "type": "null" }] }), "[mapping](#key)", "## key"),
            (json!({ "type": "array", "items": reference }), "list of [mappings](#key)", "### key[]"),
            (json!({ "additionalProperties": reference }), "mapping of [mappings](#keyname)", "### key.NAME"),
            (json!({ "properties": { "min": {} } }), "[mapping](#key)", "## key"),
        ] {
            let page = page(&property);
            assert!(page.contains(&format!("| `key` | {kind} |")), "{kind} in:\n{page}");
            assert!(page.lines().any(|line| line == heading), "{heading} in:\n{page}");
        }
        let page = page(&reference);
        assert!(
            page.ends_with(
                "\n## key\n\nA part.\n\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n\
             | `min` | whole number | *required* | Least. Of all. |\n"
            ),
            "{page}"
        );
    }

    #[test]
    fn long_defaults_follow_the_table() {
        let page = page(
            &json!({ "type": "array", "items": { "type": "string" }, "default": ["a".repeat(40), "b".repeat(40)] }),
        );
        assert!(page.contains("| `key` | list of texts | below |  |\n"), "{page}");
        assert!(
            page.ends_with(&format!(
                "\nThe default of `key`:\n\n```yaml\n- {}\n- {}\n```\n",
                "a".repeat(40),
                "b".repeat(40)
            )),
            "{page}"
        );
    }
}
