//! An element of the key `targets`, which old configurations have: what Prometheus once said that it scrapes. It is
//! checked and shown, and used by nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::decode::{Decode, Decoder, Node, TextForm, Value, words};
use crate::types::Duration;

/// Something that Prometheus scraped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnownTarget {
    /// The scrape configuration that it belongs to. Required.
    scrape_pool: String,
    /// Where it was scraped. Required.
    scrape_url: String,
    /// The same, as seen from other machines. Required.
    global_url: String,
    /// Whether the last scrape succeeded. Required.
    health: Health,
    /// Its labels.
    labels: Option<Labels>,
    /// Its labels before they were rewritten. Required.
    discovered_labels: Labels,
    /// When it was scraped. Required.
    last_scrape: Time,
    /// How long that took; a number counts seconds. Required.
    last_scrape_duration: Duration,
    /// Why the last scrape failed; empty when it did not. Required.
    last_error: String,
}

impl Decode for KnownTarget {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let scrape_pool = fields.required("scrapePool");
        let scrape_url = fields.required("scrapeUrl");
        let global_url = fields.required("globalUrl");
        let health = fields.required("health");
        let labels = fields.or("labels", None);
        let discovered_labels = fields.required("discoveredLabels");
        let last_scrape = fields.required("lastScrape");
        let last_scrape_duration = fields.required("lastScrapeDuration");
        let last_error = fields.required("lastError");
        // Later releases of Prometheus say more.
        fields.ignore_unknown();
        Some(Self {
            scrape_pool: scrape_pool?,
            scrape_url: scrape_url?,
            global_url: global_url?,
            health: health?,
            labels: labels?,
            discovered_labels: discovered_labels?,
            last_scrape: last_scrape?,
            last_scrape_duration: last_scrape_duration?,
            last_error: last_error?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Up,
    Down,
    Unknown,
}

impl Decode for Health {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &[("up", Self::Up), ("down", Self::Down), ("unknown", Self::Unknown)])
    }
}

impl JsonSchema for Health {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Health".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(["up", "down", "unknown"])
    }
}

/// Names and values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
struct Labels(BTreeMap<String, String>);

impl Decode for Labels {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            cx.invalid(node, "value is not a valid mapping of names to texts");
            return None;
        };
        let label = |entry: &crate::decode::Entry, cx: &mut Decoder<'_>| {
            Some((entry.key.clone(), cx.within(&entry.key, |cx| String::decode(&entry.value, cx))?))
        };
        let labels: Vec<_> = map.iter().map(|entry| label(entry, cx)).collect();
        labels.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// A time as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Time(String);

impl Decode for Time {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if let Value::Text(text) | Value::Timestamp(text) = &node.value
            && jiff::fmt::temporal::Pieces::parse(text).is_ok_and(|pieces| pieces.time().is_some())
        {
            return Some(Self(text.clone()));
        }
        cx.invalid_with_hint(node, "invalid datetime format", "write it as 2020-09-09T10:04:02Z");
        None
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::{NoVariables, Origin};

    fn decode(target: &serde_json::Value) -> Result<KnownTarget, String> {
        let node = Node::from_json(target, &Origin::whole("f"));
        Decoder::run(&NoVariables, |cx| KnownTarget::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_target_is_shown_as_it_was_written() {
        let mut target = json!({
            "scrapePool": "p", "scrapeUrl": "http://a", "globalUrl": "http://b", "health": "up", "labels": {"a": "b"},
            "discoveredLabels": {}, "lastScrape": "2020-09-09T10:04:02.662498189Z", "lastScrapeDuration": "13ms",
            "lastError": "",
        });
        let shown = |target: &serde_json::Value| decode(target).map(|target| serde_json::to_value(target).unwrap());
        assert_eq!(shown(&target), Ok(target.clone()));
        target["lastScrapeDuration"] = json!(1.5);
        assert_eq!(shown(&target).unwrap()["lastScrapeDuration"], "1.5s");
    }

    #[test]
    fn what_a_target_lacks_is_reported_all_at_once() {
        let problems = decode(&json!({"health": "sick", "labels": null, "lastScrape": "noon"})).unwrap_err();
        for key in [
            "scrapePool",
            "scrapeUrl",
            "globalUrl",
            "health",
            "discoveredLabels",
            "lastScrape",
            "lastScrapeDuration",
            "lastError",
        ] {
            assert!(problems.contains(&format!("f: {key}: ")), "{key}: {problems}");
        }
        assert!(!problems.contains("f: labels: "), "{problems}");
    }
}
