//! An element of the key `targets`, which old configurations have: what Prometheus once said that it scrapes. It is
//! checked and shown, and used by nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

use crate::decode::{Decode, Decoder, Node, Secrets, Show, TextForm, Value, keys, words};
use crate::types::Duration;

keys! {
    /// Something that Prometheus scraped.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KnownTarget {
        /// The scrape configuration that it belongs to. Required.
        scrape_pool("scrapePool"): String,
        /// Where it was scraped. Required.
        scrape_url("scrapeUrl"): String,
        /// The same, as seen from other machines. Required.
        global_url("globalUrl"): String,
        /// Whether the last scrape succeeded. Required.
        health: Health,
        /// Its labels.
        labels: Option<Labels> = None,
        /// Its labels before they were rewritten. Required.
        discovered_labels("discoveredLabels"): Labels,
        /// When it was scraped. Required.
        last_scrape("lastScrape"): Time,
        /// How long that took; a number counts seconds. Required.
        last_scrape_duration("lastScrapeDuration"): Duration,
        /// Why the last scrape failed; empty when it did not. Required.
        last_error("lastError"): String,
    }
    // Later releases of Prometheus say more.
    unknown: ignored;
}

words! {
    enum Health {
        Up = "up",
        Down = "down",
        Unknown = "unknown",
    }
}

/// Names and values.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
struct Labels(BTreeMap<String, String>);

impl Show for Labels {
    fn show(&self, secrets: Secrets) -> Json {
        self.0.show(secrets)
    }
}

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
#[derive(Debug, Clone, PartialEq, Eq)]
struct Time(String);

impl Show for Time {
    fn show(&self, _: Secrets) -> Json {
        self.0.as_str().into()
    }
}

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
        let shown = |target: &serde_json::Value| decode(target).map(|target| target.show(Secrets::Redacted));
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
