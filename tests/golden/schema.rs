//! JSON Schemas: each must take what the recorded one takes, with the same names, types, defaults and required keys.
//!
//! Titles, descriptions, names of definitions and the spelling of the draft are ours. So is what a schema takes
//! besides because the decoder converts it, such as text for a boolean.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use servox::internals::assembly::schema::{Mount, Sections, definitions, of_configuration, of_connector, of_servo};
use servox::internals::connector::ErasedFactory;
use servox::internals::connectors::CONNECTORS;
use servox::internals::types::{ByteSize, Duration};

use crate::support::{expect_equal, text};

/// What we know besides: keys, and words of enumerations.
const ADDITIONS: [&str; 15] = [
    "servo_uid",
    "simulation",
    "rollback",
    "embedded",
    "authorization",
    "basic_auth",
    "tls_config",
    "headers",
    "params",
    "prometheus_http_config",
    "zero_is_good",
    "kind",
    "series",
    "partial",
    "judge_warmup",
];

/// What the reference reads and its schema does not say: the rest of the time limits, and another key for one of the
/// same meaning.
const UNSAID: [&str; 2] = ["timeout", "workload_name"];

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let name = text(case, "id").ok_or("no name")?;
    let golden = &case["schema"];
    if name.starts_with("top-level") {
        return check_definitions(golden, name);
    }
    let aliased = |name: &'static str, connector: &str| factory(connector).map(|factory| Mount { name, factory });
    let ours = match name {
        "servo" => of_servo(),
        "assembly" => {
            of_configuration(&CONNECTORS.iter().map(|f| Mount::default_of(*f)).collect::<Vec<_>>(), Sections::Open)
        }
        "assembly-aliased" => {
            let mounts = [
                aliased("staging_prom", "prometheus")?,
                aliased("gateway_prom", "prometheus")?,
                aliased("load", "vegeta")?,
                aliased("wait", "wait")?,
            ];
            of_configuration(&mounts, Sections::Closed)
        }
        connector => of_connector(factory(connector)?),
    };
    jsonschema::draft202012::meta::validate(&ours).map_err(|error| format!("not a valid schema: {error}"))?;
    Pair { golden, ours: &ours }.compare("", golden, &ours)
}

fn factory(name: &str) -> Result<&'static dyn ErasedFactory, String> {
    let found = CONNECTORS.iter().find(|factory| factory.metadata().default_name == name);
    found.copied().ok_or_else(|| format!("no connector type {name}"))
}

/// Definitions have names of ours; what counts is that there is one for every section.
fn check_definitions(golden: &Value, name: &str) -> Result<(), String> {
    let (factories, with_servo): (Vec<&'static dyn ErasedFactory>, bool) = match name {
        "top-level" => (Vec::new(), false),
        "top-level-all" => (CONNECTORS.to_vec(), true),
        _ => (vec![factory("prometheus")?, factory("vegeta")?, factory("wait")?], false),
    };
    let ours = definitions(factories.iter().copied(), with_servo);
    jsonschema::draft202012::meta::validate(&ours).map_err(|error| format!("not a valid schema: {error}"))?;
    expect_equal("has definitions", &golden.get("definitions").is_some(), &ours.get("$defs").is_some())?;
    let pair = Pair { golden, ours: &ours };
    for factory in factories {
        let class = factory.metadata().class_name.replace("Connector", "");
        let theirs = &golden["definitions"][format!("{class}Configuration")];
        pair.compare(&class, theirs, &ours["$defs"][format!("{class}Config")])?;
    }
    if with_servo {
        pair.compare("servo", &golden["definitions"]["BaseServoConfiguration"], &ours["$defs"]["ServoConfig"])?;
    }
    Ok(())
}

/// Two whole schemas, whose definitions their parts refer to.
struct Pair<'a> {
    golden: &'a Value,
    ours: &'a Value,
}

impl Pair<'_> {
    fn compare(&self, path: &str, golden: &Value, ours: &Value) -> Result<(), String> {
        let golden_default = golden.get("default").filter(|_| golden.get("properties").is_none());
        if let Some(default) = golden_default {
            let ours = ours.get("default").unwrap_or(&Value::Null);
            if !same_default(default, ours) {
                return Err(format!("{path}: expected the default {default}, got {ours}"));
            }
        }
        if golden_default.is_some_and(|default| ours["enum"] == json!([default])) {
            // The word that tells the branches of a union apart is the only one in its branch.
            return Ok(());
        }
        let golden = branches(self.golden, "definitions", golden);
        let ours = branches(self.ours, "$defs", ours);
        for branch in &golden {
            let results: Vec<_> = ours.iter().map(|ours| self.compare_branch(path, branch, ours)).collect();
            if !results.iter().any(Result::is_ok) {
                let problem = results.into_iter().find_map(Result::err);
                return Err(problem.unwrap_or_else(|| format!("{path}: expected {branch}, got nothing")));
            }
        }
        Ok(())
    }

    fn compare_branch(&self, path: &str, golden: &Value, ours: &Value) -> Result<(), String> {
        if let Some(missing) = types(golden).difference(&types(ours)).next() {
            return Err(format!("{path}: {missing} is not taken: {ours}"));
        }
        if let Some(words) = golden["enum"].as_array() {
            let ours = ours["enum"].as_array().cloned().unwrap_or_else(|| vec![ours["const"].clone()]);
            let known = |word: &&Value| !words.contains(word) && !word.is_null() && !is_addition(word);
            if let Some(word) = words.iter().find(|word| !ours.contains(word)).or(ours.iter().find(known)) {
                return Err(format!("{path}: {word} is on one side only"));
            }
        }
        for keyword in ["const", "minItems", "minimum", "maximum", "maxLength", "writeOnly", "examples"] {
            let (golden, ours) = (&golden[keyword], &ours[keyword]);
            let is_looser = keyword == "examples" || (golden.is_null() && keyword != "const");
            if golden != ours && !is_looser {
                return Err(format!("{path}: expected {keyword} {golden}, got {ours}"));
            }
        }
        if golden.get("items").is_some() {
            self.compare(&format!("{path}[]"), &golden["items"], &ours["items"])?;
        }
        if golden["additionalProperties"].is_object() {
            let ours =
                if ours["additionalProperties"].is_object() { &ours["additionalProperties"] } else { &Value::Null };
            let pattern = golden.get("patternProperties").is_some();
            if !pattern {
                self.compare(&format!("{path}{{}}"), &golden["additionalProperties"], ours)?;
            }
        }
        self.compare_properties(path, golden, ours)
    }

    fn compare_properties(&self, path: &str, golden: &Value, ours: &Value) -> Result<(), String> {
        let Some(properties) = golden["properties"].as_object() else { return Ok(()) };
        let own = ours["properties"].as_object().cloned().unwrap_or_default();
        for (key, property) in properties {
            let ours = own.get(key).ok_or_else(|| format!("{path}.{key} is missing"))?;
            self.compare(&format!("{path}.{key}"), property, ours)?;
        }
        if let Some(key) = own.keys().find(|key| {
            !properties.contains_key(*key) && !ADDITIONS.contains(&key.as_str()) && !UNSAID.contains(&key.as_str())
        }) {
            return Err(format!("{path}.{key} is unexpected"));
        }
        let required = |schema: &Value| -> BTreeSet<String> {
            // Of keys that mean the same, the first.
            let lists = [&schema["required"], &schema["oneOf"][0]["required"]];
            let keys = lists.into_iter().filter_map(Value::as_array).flatten();
            keys.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        expect_equal(&format!("{path}: required keys"), &required(golden), &required(ours))?;
        let closed = |schema: &Value| schema["additionalProperties"] == json!(false);
        expect_equal(&format!("{path}: unknown keys refused"), &closed(golden), &closed(ours))
    }
}

fn is_addition(word: &Value) -> bool {
    word.as_str().is_some_and(|word| ADDITIONS.contains(&word))
}

/// The schemas of which one must fit, without that of null. A key that tells the branches apart is required in each.
fn branches(root: &Value, definitions: &str, schema: &Value) -> Vec<Value> {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return branches(root, definitions, &root[definitions][name]);
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let Some(parts) = schema[keyword].as_array().filter(|_| schema.get("properties").is_none()) else { continue };
        let discriminator = schema["discriminator"]["propertyName"].as_str();
        let parts = parts.iter().filter(|part| !part.is_string()).flat_map(|part| branches(root, definitions, part));
        return parts
            .filter(|part| part["type"] != "null")
            .map(|mut part| {
                let required = part.get_mut("required").and_then(Value::as_array_mut);
                if let (Some(key), Some(required)) = (discriminator, required) {
                    required.push(json!(key));
                }
                part
            })
            .collect();
    }
    vec![schema.clone()]
}

/// The types that are taken; a number may be whole.
fn types(schema: &Value) -> BTreeSet<String> {
    let mut types: BTreeSet<String> = match &schema["type"] {
        Value::String(name) => BTreeSet::from([name.clone()]),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => schema["enum"].as_array().into_iter().flatten().chain(schema.get("const")).map(type_of).collect(),
    };
    if types.contains("number") {
        types.insert("integer".to_owned());
    }
    types
}

fn type_of(value: &Value) -> String {
    match value {
        Value::String(_) => "string",
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
    .to_owned()
}

/// Equal, or the same duration or size; the reference quotes one text twice.
fn same_default(golden: &Value, ours: &Value) -> bool {
    let duration = |value: &Value| match value {
        Value::String(text) => Duration::parse(text).ok(),
        Value::Number(number) => number.as_i64().map(Duration::from_secs),
        _ => None,
    };
    let size = |value: &Value| value.as_str().and_then(|text| ByteSize::parse(text).ok());
    let is_same_size = size(golden).is_some_and(|golden| size(ours) == Some(golden));
    let unquoted = golden.as_str().map(|text| json!(text.trim_matches('"')));
    golden == ours
        || is_same_size
        || unquoted.as_ref() == Some(ours)
        || duration(golden).is_some_and(|golden| duration(ours) == Some(golden))
}
