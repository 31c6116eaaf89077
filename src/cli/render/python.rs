//! JSON values as Python literals, which programs around existing installations read.

use serde_json::Value;

use crate::types::quoted;

/// The value as a literal that ends without a line break, indented by four blanks.
pub(crate) fn to_python(value: &Value) -> String {
    literal(value, 0)
}

fn literal(value: &Value, indent: usize) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items = items.iter().map(|item| literal(item, indent + 4)).collect();
            between("[", items, "]", indent)
        }
        Value::Object(members) => {
            let member = |(key, member): (&String, &Value)| format!("{}: {}", quoted(key), literal(member, indent + 4));
            between("{", members.iter().map(member).collect(), "}", indent)
        }
    }
}

fn between(open: &str, items: Vec<String>, close: &str, indent: usize) -> String {
    if items.is_empty() {
        return format!("{open}{close}");
    }
    let (margin, end) = (" ".repeat(indent + 4), " ".repeat(indent));
    let lines: Vec<String> = items.into_iter().map(|item| format!("{margin}{item},\n")).collect();
    format!("{open}\n{}{end}{close}", lines.concat())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_has_them() {
        let value = json!({"a": [1, 2.5, null], "it's": true, "b": {}, "c": []});
        let expected = "{\n    'a': [\n        1,\n        2.5,\n        None,\n    ],\n    \"it's\": True,\n    'b': {},\n    \
                        'c': [],\n}";
        assert_eq!(to_python(&value), expected);
    }
}
