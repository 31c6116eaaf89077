//! Which names of metrics a query means, and which of those that a server has are nearest to them.

use super::json::{JsonReader, Kind, ReadError};
use super::response::{ResponseData, scalar_text};
use crate::decode::nearest;

/// Words of PromQL that stand where a name may stand.
const WORDS: [&str; 16] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "bool",
    "atan2",
    "inf",
    "nan",
    "start",
    "end",
];

/// Words of PromQL before a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The names of metrics in a query, each once.
pub(super) fn named(query: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = query;
    let mut last_word = "";
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        if first.is_alphabetic() || matches!(first, '_' | ':') {
            let (word, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
            // An aggregation may name its labels before what it aggregates.
            let next = after.trim_start();
            let is_called = ["(", "by ", "by(", "without ", "without("].iter().any(|call| next.starts_with(call));
            let is_word = WORDS.contains(&word.to_lowercase().as_str());
            if !is_called && !is_word && !names.iter().any(|name| name == word) {
                names.push(word.to_owned());
            }
            (last_word, rest) = (word, after);
            continue;
        }
        rest = match first {
            '"' | '\'' | '`' => after_quote(rest, first),
            '{' => after(rest, '}'),
            '[' => after(rest, ']'),
            '(' if BEFORE_LABELS.contains(&last_word.to_lowercase().as_str()) => after(rest, ')'),
            '0'..='9' => &rest[rest.find(|c: char| !is_part(c) && c != '.').unwrap_or(rest.len())..],
            _ => &rest[first.len_utf8()..],
        };
        if !first.is_whitespace() {
            last_word = "";
        }
    }
    names
}

/// What stands after the next bracket that is in no quotes.
fn after(text: &str, bracket: char) -> &str {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '"' | '\'' | '`' => after_quote(rest, first),
            _ => &rest[first.len_utf8()..],
        };
        if first == bracket {
            break;
        }
    }
    rest
}

/// What stands after the text in quotes that is next.
fn after_quote(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return &text[at + c.len_utf8()..],
            _ => {}
        }
    }
    ""
}

/// The names that a server has.
pub(in crate::connectors::prometheus) struct NearestNames(Vec<String>);

impl NearestNames {
    /// Why a query may have no data: which of its names the server has not, and what it has instead.
    pub(in crate::connectors::prometheus) fn of(&self, query: &str) -> String {
        let unknown: Vec<String> = named(query).into_iter().filter(|name| !self.0.contains(name)).collect();
        if unknown.is_empty() {
            return "Prometheus has its names, but no series that it selects".to_owned();
        }
        let told = unknown.iter().map(|name| match nearest(name, self.0.iter().map(String::as_str)) {
            Some(near) => format!("Prometheus has no '{name}'; did you mean '{near}'?"),
            None => format!("Prometheus has no '{name}'"),
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

/// A list of texts, in place of an object.
impl ResponseData for NearestNames {
    const IS_LIST: bool = true;

    async fn read(reader: &mut JsonReader) -> Result<Self, ReadError> {
        const NO_LIST: &str = "'data' is not a list of names";
        let mut names = Vec::new();
        reader.array(NO_LIST).await?;
        while reader.element().await? {
            if reader.kind().await? != Kind::Scalar {
                return Err(ReadError::misfit(NO_LIST));
            }
            names.extend(scalar_text(reader.scalar(NO_LIST).await?));
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_query_are_those_of_its_selectors() {
        for (query, names) in [
            ("up", &["up"][..]),
            ("sum(rate(http_requests_total{code=~\"5..\", path=\"/a}\"}[5m])) by (pod, le)", &["http_requests_total"]),
            ("sum by (pod) (a:b) / on(pod) group_left(x) c offset 5m > 1e3 or vector(0)", &["a:b", "c"]),
            ("1000 * histogram_quantile(0.99, sum(rate(h_bucket[1m])) by (le))", &["h_bucket"]),
            ("label_replace(a, \"b\", \"$1\", 'c', `d`) and a unless NaN", &["a"]),
            ("", &[]),
            ("a{b=\"\\\"}\"} + d", &["a", "d"]),
            ("\"", &[]),
        ] {
            assert_eq!(named(query), names, "{query}");
        }
    }

    #[test]
    fn what_is_nearest_is_said_of_names_that_the_server_has_not() {
        let names = NearestNames(["http_requests_total", "up"].map(str::to_owned).to_vec());
        assert_eq!(
            names.of("rate(http_request_total[1m])"),
            "Prometheus has no 'http_request_total'; did you mean 'http_requests_total'?"
        );
        assert_eq!(names.of("zzz + up"), "Prometheus has no 'zzz'");
        assert!(names.of("up{job=\"x\"}").contains("no series"));
    }
}
