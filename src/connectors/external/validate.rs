//! Whether a section keeps to the schema of its connector, told like the problems of every other section.

use regex::Regex;
use serde_json::{Value as Json, json};

use crate::decode::{Decoder, KeyPath, Map, NoVariables, Node, Problem, Value, nearest};

/// Reports everything that is wrong with a value. The schema has been read by
/// [`SectionSchema`](super::schema::SectionSchema), which leaves no unknown keyword in it.
pub(super) fn check(schema: &Json, node: &Node, cx: &mut Decoder<'_>) {
    if schema.get("writeOnly") == Some(&json!(true)) {
        return cx.hiding(|cx| check_open(schema, node, cx));
    }
    check_open(schema, node, cx);
}

fn check_open(schema: &Json, node: &Node, cx: &mut Decoder<'_>) {
    if *schema == json!(false) {
        return cx.invalid(node, "nothing is permitted here");
    }
    if let Some(rule) = type_problem(schema, node) {
        return if node.is_null() { cx.invalid_unquoted(node, rule) } else { cx.invalid(node, rule) };
    }
    check_constants(schema, node, cx);
    match &node.value {
        Value::Map(map) => check_map(schema, node, map, cx),
        Value::List(items) => check_list(schema, node, items, cx),
        Value::Text(text) | Value::Timestamp(text) => check_text(schema, node, text, cx),
        Value::Integer(_) | Value::Float(_) => check_number(schema, node, cx),
        Value::Null | Value::Bool(_) => {}
    }
    check_branches(schema, node, cx);
}

/// Whether a value has no problem.
fn passes(schema: &Json, node: &Node) -> bool {
    Decoder::run(&NoVariables, |cx| {
        check(schema, node, cx);
        Some(())
    })
    .is_ok()
}

/// The types that a schema permits; empty is all.
fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::Array(words)) => words.iter().filter_map(Json::as_str).collect(),
        Some(word) => word.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}

fn is_of_type(word: &str, value: &Value) -> bool {
    match value {
        Value::Null => word == "null",
        Value::Bool(_) => word == "boolean",
        Value::Integer(_) => matches!(word, "integer" | "number"),
        Value::Float(x) => word == "number" || (word == "integer" && x.fract() == 0.0),
        Value::Text(_) | Value::Timestamp(_) => word == "string",
        Value::List(_) => word == "array",
        Value::Map(_) => word == "object",
    }
}

fn type_problem(schema: &Json, node: &Node) -> Option<String> {
    let types = types(schema);
    if types.is_empty() || types.iter().any(|word| is_of_type(word, &node.value)) {
        return None;
    }
    if node.is_null() {
        return Some("none is not an allowed value".to_owned());
    }
    let known: Vec<&str> = types.iter().filter(|word| **word != "null").copied().collect();
    Some(match known.as_slice() {
        ["boolean"] => "value could not be parsed to a boolean".to_owned(),
        ["integer"] => "value is not a valid integer".to_owned(),
        ["number"] => "value is not a valid float".to_owned(),
        ["string"] => format!("text expected, not a {}", node.value.kind()),
        ["array"] => "value is not a valid list".to_owned(),
        ["object"] => "value is not a valid mapping".to_owned(),
        several => format!("the value must be one of: {}", several.join(", ")),
    })
}

fn check_constants(schema: &Json, node: &Node, cx: &mut Decoder<'_>) {
    let permitted = match (schema.get("enum"), schema.get("const")) {
        (Some(Json::Array(values)), _) => values.as_slice(),
        (_, Some(constant)) => std::slice::from_ref(constant),
        _ => return,
    };
    let value = node.to_json();
    if !permitted.iter().any(|permitted| same(permitted, &value)) {
        let permitted: Vec<String> = permitted.iter().map(quoted).collect();
        let permitted = permitted.join(", ");
        cx.invalid(node, format!("value is not a valid enumeration member; permitted: {permitted}"));
    }
}

/// Numbers are the same when their values are.
fn same(a: &Json, b: &Json) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

fn quoted(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'"))
}

fn check_map(schema: &Json, node: &Node, map: &Map, cx: &mut Decoder<'_>) {
    let known = schema.get("properties").and_then(Json::as_object);
    let others = schema.get("additionalProperties").unwrap_or(&Json::Bool(true));
    for entry in map {
        match known.and_then(|known| known.get(&entry.key)) {
            Some(schema) => cx.within(&entry.key, |cx| check(schema, &entry.value, cx)),
            None if *others == json!(false) => {
                let near = nearest(&entry.key, known.into_iter().flatten().map(|(key, _)| key.as_str()));
                cx.report(Problem {
                    origin: entry.key_origin.clone(),
                    path: KeyPath::new([entry.key.as_str()]),
                    value: None,
                    rule: "extra fields not permitted".to_owned(),
                    hint: near.map(|near| format!("did you mean '{near}'?")),
                });
            }
            None => cx.within(&entry.key, |cx| check(others, &entry.value, cx)),
        }
    }
    let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    for key in required.filter(|key| !map.contains(key)) {
        cx.within(key, |cx| cx.invalid_unquoted(node, "field required"));
    }
    check_count(schema, ("minProperties", "maxProperties", "keys"), node, map.len(), cx);
}

fn check_list(schema: &Json, node: &Node, items: &[Node], cx: &mut Decoder<'_>) {
    if let Some(schema) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            cx.within(index.to_string(), |cx| check(schema, item, cx));
        }
    }
    check_count(schema, ("minItems", "maxItems", "items"), node, items.len(), cx);
    let is_repeated = |(index, item): (usize, &Node)| items[..index].contains(item);
    if schema.get("uniqueItems") == Some(&json!(true)) && items.iter().enumerate().any(is_repeated) {
        cx.invalid_unquoted(node, "the list has duplicated items");
    }
}

fn check_text(schema: &Json, node: &Node, text: &str, cx: &mut Decoder<'_>) {
    check_count(schema, ("minLength", "maxLength", "characters"), node, text.chars().count(), cx);
    if let Some(pattern) = schema.get("pattern").and_then(Json::as_str)
        && Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
    {
        cx.invalid(node, format!("text does not match the pattern {pattern:?}"));
    }
}

fn check_count(
    schema: &Json,
    (least, most, what): (&str, &str, &str),
    node: &Node,
    count: usize,
    cx: &mut Decoder<'_>,
) {
    let bound = |keyword: &str| usize::try_from(schema.get(keyword)?.as_u64()?).ok();
    if let Some(least) = bound(least).filter(|least| count < *least) {
        cx.invalid(node, format!("ensure this value has at least {least} {what}"));
    }
    if let Some(most) = bound(most).filter(|most| count > *most) {
        cx.invalid(node, format!("ensure this value has at most {most} {what}"));
    }
}

/// Whether a number keeps to a bound.
type Holds = fn(f64, f64) -> bool;

fn check_number(schema: &Json, node: &Node, cx: &mut Decoder<'_>) {
    let Some(number) = node.to_json().as_f64() else { return };
    let rules: [(&str, &str, Holds); 5] = [
        ("minimum", "ensure this value is greater than or equal to", |x, bound| x >= bound),
        ("maximum", "ensure this value is less than or equal to", |x, bound| x <= bound),
        ("exclusiveMinimum", "ensure this value is greater than", |x, bound| x > bound),
        ("exclusiveMaximum", "ensure this value is less than", |x, bound| x < bound),
        ("multipleOf", "ensure this value is a multiple of", is_multiple),
    ];
    for (keyword, rule, holds) in rules {
        if let Some(bound) = schema.get(keyword)
            && bound.as_f64().is_some_and(|bound| !holds(number, bound))
        {
            cx.invalid(node, format!("{rule} {bound}"));
        }
    }
}

/// As far as doubles can tell: 0.3 is a multiple of 0.1.
fn is_multiple(x: f64, of: f64) -> bool {
    let times = x / of;
    (times - times.round()).abs() < 1e-9
}

fn check_branches(schema: &Json, node: &Node, cx: &mut Decoder<'_>) {
    let branches = |keyword: &str| schema.get(keyword).and_then(Json::as_array);
    for branch in branches("allOf").into_iter().flatten() {
        check(branch, node, cx);
    }
    if schema.get("not").is_some_and(|schema| passes(schema, node)) {
        cx.invalid(node, "the value is one of those that are not permitted");
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(branches) = branches(keyword) else { continue };
        match branches.iter().filter(|branch| passes(branch, node)).count() {
            0 => check_nearest(branches, node, cx),
            1 => {}
            _ if keyword == "anyOf" => {}
            _ => cx.invalid(node, "the value has several of the permitted forms, where exactly one is permitted"),
        }
    }
}

/// Reports what is wrong with a value that has none of several forms: by the only form of its type, if there is one.
fn check_nearest(branches: &[Json], node: &Node, cx: &mut Decoder<'_>) {
    let of_type: Vec<&Json> = branches.iter().filter(|branch| type_problem(branch, node).is_none()).collect();
    match of_type.as_slice() {
        [only] => check(only, node, cx),
        _ => cx.invalid(node, "the value has none of the permitted forms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::parse_documents;

    /// The problems of YAML text, one a line, without the name of the file.
    fn problems(schema: &Json, text: &str) -> Vec<String> {
        let documents = parse_documents(text, "f").expect("valid YAML").documents;
        let checked = Decoder::run(&NoVariables, |cx| {
            check(schema, &documents[0], cx);
            Some(())
        });
        checked.err().map_or_else(Vec::new, |found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_rule_that_is_broken_is_told_with_line_and_key_path() {
        fn case(property: &Json, value: &str, expected: &[&str]) {
            let schema = json!({ "type": "object", "properties": { "a": property } });
            assert_eq!(problems(&schema, &format!("a: {value}\n")), expected, "{property} {value}");
        }
        case(&json!({ "type": "integer" }), "1", &[]);
        case(&json!({ "type": "integer" }), "1.0", &[]);
        case(&json!({ "type": "integer" }), "1.5", &["f:1:4: a: value is not a valid integer (got 1.5)"]);
        case(&json!({ "type": "string" }), "[x]", &["f:1:4: a: text expected, not a list"]);
        case(&json!({ "type": "string" }), "2020-01-01", &[]);
        case(&json!({ "type": "boolean" }), "yes", &[]);
        case(&json!({ "type": ["string", "null"] }), "null", &[]);
        case(&json!({ "type": "string" }), "null", &["f:1:4: a: none is not an allowed value"]);
        case(
            &json!({ "enum": ["x", 1] }),
            "y",
            &["f:1:4: a: value is not a valid enumeration member; permitted: 'x', 1 (got \"y\")"],
        );
        case(&json!({ "const": 1 }), "1.0", &[]);
        case(&json!({ "minimum": 2 }), "1", &["f:1:4: a: ensure this value is greater than or equal to 2 (got 1)"]);
        case(&json!({ "exclusiveMaximum": 2 }), "2", &["f:1:4: a: ensure this value is less than 2 (got 2)"]);
        case(&json!({ "multipleOf": 0.1 }), "0.3", &[]);
        case(&json!({ "multipleOf": 2 }), "3", &["f:1:4: a: ensure this value is a multiple of 2 (got 3)"]);
        case(&json!({ "maxLength": 1 }), "éé", &["f:1:4: a: ensure this value has at most 1 characters (got \"éé\")"]);
        case(&json!({ "pattern": "^x" }), "y", &["f:1:4: a: text does not match the pattern \"^x\" (got \"y\")"]);
        case(
            &json!({ "items": { "type": "integer" } }),
            "[1, b]",
            &["f:1:8: a.1: value is not a valid integer (got \"b\")"],
        );
        case(&json!({ "uniqueItems": true }), "[1, 1]", &["f:1:4: a: the list has duplicated items"]);
        case(&json!({ "minProperties": 1 }), "{}", &["f:1:4: a: ensure this value has at least 1 keys"]);
        case(
            &json!({ "not": { "type": "string" } }),
            "b",
            &["f:1:4: a: the value is one of those that are not permitted (got \"b\")"],
        );
        case(&json!(false), "1", &["f:1:4: a: nothing is permitted here (got 1)"]);
        let forms = json!({ "oneOf": [{ "type": "integer", "minimum": 2 }, { "type": "string" }] });
        case(&forms, "b", &[]);
        case(&forms, "1", &["f:1:4: a: ensure this value is greater than or equal to 2 (got 1)"]);
        case(&forms, "[]", &["f:1:4: a: the value has none of the permitted forms"]);
        case(&json!({ "oneOf": [{ "minimum": 0 }, { "minimum": 1 }] }), "0", &[]);
        case(
            &json!({ "oneOf": [{ "minimum": 0 }, { "minimum": 1 }] }),
            "1",
            &["f:1:4: a: the value has several of the permitted forms, where exactly one is permitted (got 1)"],
        );
        case(
            &json!({ "allOf": [{ "minimum": 2 }, { "maximum": 0 }] }),
            "1",
            &[
                "f:1:4: a: ensure this value is greater than or equal to 2 (got 1)",
                "f:1:4: a: ensure this value is less than or equal to 0 (got 1)",
            ],
        );
    }

    #[test]
    fn unknown_and_missing_keys_are_told_like_everywhere_else() {
        let schema = json!({ "type": "object", "properties": { "host": { "type": "string" }, "port": {} },
            "required": ["host"], "additionalProperties": false });
        assert_eq!(
            problems(&schema, "port: 1\nprt: 2\n"),
            ["f:2:1: prt: extra fields not permitted; did you mean 'port'?", "f:1:1: host: field required"]
        );
    }

    #[test]
    fn a_secret_is_not_repeated() {
        let schema = json!({ "type": "object", "properties": {
            "token": { "type": "string", "maxLength": 3, "writeOnly": true },
        } });
        assert_eq!(problems(&schema, "token: s3cr3t\n"), ["f:1:8: token: ensure this value has at most 3 characters"]);
    }
}
