//! JSON values as block-style YAML whose unquoted scalars mean the same to this program, to YAML 1.1 and to
//! YAML 1.2 readers.
//!
//! Written here because the writers at hand follow YAML 1.2: they leave `yes`, `1:30` and `2020-01-01` unquoted,
//! which YAML 1.1 reads as something other than text.

use serde_json::{Map, Number, Value as Json};

use super::scalar;
use crate::decode::{Value, plain_float};

/// A value as YAML text in block style that ends with a line break. Keys keep their order, lists are not indented.
pub fn to_yaml(value: &Json) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

/// Writes a value whose first line begins where `out` ends, and whose other lines are indented.
fn block(out: &mut String, value: &Json, indent: usize) {
    match value {
        Json::Object(members) if !members.is_empty() => mapping(out, members, indent),
        Json::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                start_line(out, index, indent);
                out.push_str("- ");
                block(out, item, indent + 2);
            }
        }
        other => {
            out.push_str(&leaf(other, indent));
            out.push('\n');
        }
    }
}

fn mapping(out: &mut String, members: &Map<String, Json>, indent: usize) {
    for (index, (key, value)) in members.iter().enumerate() {
        start_line(out, index, indent);
        out.push_str(&on_one_line(key));
        let (separator, value_indent) = match value {
            Json::Object(members) if !members.is_empty() => ("\n", indent + 2),
            Json::Array(items) if !items.is_empty() => ("\n", indent),
            _ => (" ", indent + 2),
        };
        out.push(':');
        out.push_str(separator);
        if separator == "\n" {
            out.push_str(&" ".repeat(value_indent));
        }
        block(out, value, value_indent);
    }
}

fn start_line(out: &mut String, index: usize, indent: usize) {
    if index > 0 {
        out.push_str(&" ".repeat(indent));
    }
}

fn leaf(value: &Json, indent: usize) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => number(n),
        Json::String(text) => literal(text, indent).unwrap_or_else(|| on_one_line(text)),
        Json::Array(_) => "[]".to_owned(),
        Json::Object(_) => "{}".to_owned(),
    }
}

fn number(n: &Number) -> String {
    match n.as_f64() {
        Some(x) if n.is_f64() => {
            let text = plain_float(x);
            // Without a point, YAML 1.1 reads an exponent as text.
            if text.contains('.') { text } else { text.replace('e', ".0e") }
        }
        _ => n.to_string(),
    }
}

/// Text of several lines as they are, if no reader can take them otherwise.
fn literal(text: &str, indent: usize) -> Option<String> {
    let body = text.trim_end_matches('\n');
    let is_plain = body.contains('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
        && text.chars().all(|c| c == '\n' || !is_special(c));
    if !is_plain {
        return None;
    }
    let chomp = match text.len() - body.len() {
        0 => "-",
        1 => "",
        _ => return None,
    };
    let margin = " ".repeat(indent.max(2));
    let lines = body.lines().map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") });
    Some(format!("|{chomp}\n{}", lines.collect::<Vec<_>>().join("\n")))
}

fn on_one_line(text: &str) -> String {
    if text.chars().any(is_special) {
        double_quoted(text)
    } else if may_stand_unquoted(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn may_stand_unquoted(text: &str) -> bool {
    let starts_with_indicator = text.starts_with(|c| ",[]{}#&*!|>'\"%@`=".contains(c))
        || ["-", "?", ":"].iter().any(|c| text == *c || text.starts_with(&format!("{c} ")));
    !starts_with_indicator
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
        && text != "<<"
        && matches!(scalar::plain(text), Value::Text(_))
        && !is_number_of_yaml_1_2(text)
}

/// Numbers that only YAML 1.2 reads as such: `1e3`, `08`, `0o7`.
fn is_number_of_yaml_1_2(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (digits.parse::<f64>().is_ok()
            || digits.strip_prefix("0o").is_some_and(|d| u64::from_str_radix(d, 8).is_ok()))
}

fn double_quoted(text: &str) -> String {
    let escaped: String = text.chars().map(escaped).collect();
    format!("\"{escaped}\"")
}

fn escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if is_special(c) => format!("\\U{:08X}", u32::from(c)),
        c => c.to_string(),
    }
}

/// Whether a character is a line break, or cannot stand for itself in a YAML text.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::file::parse_documents;

    #[test]
    fn the_style_is_block_with_lists_at_the_level_of_their_key() {
        let value = json!({"a": {"b": [1, {"c": [], "d": [["x"], {}]}]}, "e": null, "f": 1.5, "g": "a\nb\n"});
        let text = "a:\n  b:\n  - 1\n  - c: []\n    d:\n    - - x\n    - {}\ne: null\nf: 1.5\ng: |\n  a\n  b\n";
        assert_eq!(to_yaml(&value), text);
    }

    #[test]
    fn text_that_would_mean_something_else_is_quoted() {
        for text in [
            "yes",
            "on",
            "010",
            "1:30",
            "1_000",
            "2020-01-01",
            "null",
            "~",
            "",
            "1e3",
            "08",
            "0o7",
            "- a",
            "a: b",
            "<<",
            "=",
            "%",
        ] {
            assert_eq!(to_yaml(&json!(text)), format!("'{text}'\n"));
        }
        for text in ["a:b", "GET http://a/?b=c#d", "dev.opsani.com/servox", "-5m", "rate(x[5m])", "it's", "10m", "é"] {
            assert_eq!(to_yaml(&json!(text)), format!("{text}\n"));
        }
    }

    #[test]
    fn what_is_written_reads_back_equal() {
        let texts = [
            "yes",
            "a\nb",
            "a\n\n b\n",
            " lead",
            "trail ",
            "tab\t",
            "\n",
            "a\n\n",
            "'",
            "\"",
            "\\",
            "# c",
            "a # c",
            "a\r\nb",
            "\u{85}",
            "\u{feff}x",
            "---",
            "...",
            "--- a",
            "!x",
            "&a",
            "*a",
            "? a",
            "?",
            "-",
            ":",
            "a:",
            "[a",
            "{a",
            "a]",
            "@",
            "`",
            "%",
            "|",
            ">",
            "😀",
            "\u{7f}",
            "a\n# b",
            "- a\n- b",
            "\ta\nb",
            "x\n...\ny",
        ];
        for text in texts {
            let value = json!({text: text, "list": [text, {"k": [text]}], "floats": [1e-5, 1e16, 1.0, -2.5e-7, 0.1]});
            let yaml = to_yaml(&value);
            let parsed = parse_documents(&yaml, "f").unwrap_or_else(|problems| panic!("{problems}\n{yaml}"));
            assert_eq!(parsed.documents[0].to_json(), value, "{yaml}");
        }
    }
}
