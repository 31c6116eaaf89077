//! The embedded kind of the `optimizer` section: an optimizer of our own, in this process.
//!
//! [`CampaignConfig`] says what is optimized and how; this adds who the optimizer is and where its journal lies.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::campaign::CampaignConfig;
use crate::decode::{Decode, Decoder, Flat, Node, Written, keys};

/// The key that only an optimizer in this process has.
pub(super) const EMBEDDED: &str = "embedded";

keys! {
    /// An optimizer of our own, in this process.
    #[derive(Debug, Clone, PartialEq)]
    pub struct EmbeddedOptimizer {
        /// Its identifier; `embedded.local/` and the name by default.
        id: Option<String> as Option<PlainId> = None,
        /// Its short name; `servo` by default.
        name: String as PlainName = "servo".to_owned(),
        /// The file of results, from which an interrupted optimization goes on; `servo-journal.jsonl` by default.
        journal: PathBuf as Journal = PathBuf::from("servo-journal.jsonl"),
        /// What is optimized, and how.
        campaign: CampaignConfig as Flat,
    }
}

impl EmbeddedOptimizer {
    /// The identifier, such as `embedded.local/servo`.
    pub fn id(&self) -> Cow<'_, str> {
        self.id.as_ref().map_or_else(|| format!("embedded.local/{}", self.name).into(), Cow::from)
    }

    /// The short name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file of results, relative to the working directory.
    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// What is optimized, and how.
    pub fn campaign(&self) -> &CampaignConfig {
        &self.campaign
    }
}

/// Texts that can be part of labels and file names, where `besides` are allowed too.
macro_rules! plain_texts {
    ($($(#[$about:meta])* $name:ident: $value:ty, $decode:expr;)*) => {
        $($(#[$about])*
        struct $name($value);

        impl Decode for $name {
            fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
                let text = String::decode(node, cx)?;
                let decoded: Result<$value, &str> = $decode(text);
                decoded.map_err(|rule| cx.invalid_unquoted(node, rule)).ok().map(Self)
            }
        }

        impl Written for $name {
            type Value = $value;

            fn value(self) -> $value {
                self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                generator.subschema_for::<String>()
            }
        })*
    };
}

plain_texts! {
    PlainId: String, |text| plain(text, "/");
    PlainName: String, |text| plain(text, "");
    Journal: PathBuf, |text: String| {
        if text.is_empty() { Err("the path of a file expected") } else { Ok(PathBuf::from(text)) }
    };
}

/// A text that can be part of labels and file names.
fn plain(text: String, besides: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || besides.contains(c);
    if (1..=128).contains(&text.len()) && text.chars().all(is_plain) {
        Ok(text)
    } else {
        Err("1 to 128 letters, digits, dots, hyphens and underscores expected")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::config::{Objective, OptimizerConfig};
    use crate::decode::{Detail, Dump, NoVariables, Origin, Secrets, shown};

    fn decode(embedded: &Json) -> Result<OptimizerConfig, String> {
        let node = Node::from_json(&json!({ "embedded": embedded }), &Origin::whole("f"));
        Decoder::run(&NoVariables, |cx| OptimizerConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    fn slo() -> Json {
        json!([{"metric": "p99_latency", "threshold": 250, "keep": "below"}])
    }

    #[test]
    fn nothing_but_the_objectives_is_needed() {
        let config = decode(&json!({ "slo": slo() })).unwrap();
        assert_eq!((config.display_id().as_str(), config.name()), ("embedded.local/servo", "servo"));
        assert!(config.base_url().is_none() && config.url().is_none() && config.connection_file().is_none());
        let OptimizerConfig::Embedded(embedded) = config else { panic!("another kind") };
        assert_eq!(embedded.campaign().trials, 30);
        assert_eq!(embedded.journal(), Path::new("servo-journal.jsonl"));
    }

    #[test]
    fn what_is_shown_reads_back_equal() {
        let all = json!({"id": "x.example/y", "name": "y", "journal": "a/b.jsonl", "objective": {"maximize": "m"},
            "prices": {"cpu": 1}, "trials": 7, "measure": {"duration": "10s"}, "mode": "safe", "algorithm": "sobol",
            "seed": -3, "apply": true,
            "slo": [{"metric": "a", "threshold": 0.1, "keep": "above", "trigger_count": 2, "trigger_window": 3},
                    {"metric": "b", "threshold_metric": "c", "threshold_multiplier": 1.5}]});
        for section in [json!({ "slo": slo() }), all] {
            let config = decode(&section).unwrap();
            for detail in [Detail::Set, Detail::Full] {
                let shown = shown(&config, Dump { secrets: Secrets::Redacted, detail });
                assert_eq!(decode(&shown["embedded"]).as_ref(), Ok(&config), "{shown}");
            }
        }
    }

    #[test]
    fn objectives_are_the_cost_or_one_metric() {
        for (written, expected) in [
            (json!("cost"), Objective::Cost),
            (json!({"minimize": "cost"}), Objective::Cost),
            (json!({"minimize": "m"}), Objective::Minimize("m".to_owned())),
        ] {
            let OptimizerConfig::Embedded(embedded) = decode(&json!({"objective": written, "slo": slo()})).unwrap()
            else {
                panic!("another kind")
            };
            assert_eq!(embedded.campaign().objective, expected);
        }
        for wrong in [json!("speed"), json!({"maximize": "cost"}), json!({}), json!({"minimize": "a", "maximize": "b"})]
        {
            let problems = decode(&json!({"objective": wrong, "slo": slo()})).unwrap_err();
            assert!(problems.starts_with("f: embedded.objective: "), "{problems}");
        }
    }

    #[test]
    fn every_problem_is_named_by_its_key() {
        let section = json!({"trials": 3, "prices": {"cpu": -1}, "measure": {"duration": 0}, "mode": "bold",
            "algorithm": "best", "seed": "x", "id": "a b", "name": "a/b", "bogus": 1,
            "slo": [{"metric": "a"}, {"metric": "a", "threshold": 1, "sharp": true}]});
        let problems = decode(&section).unwrap_err();
        for key in ["prices.cpu", "measure", "mode", "algorithm", "seed", "id", "name", "bogus", "slo.0", "slo.1.sharp"]
        {
            assert!(problems.contains(&format!("f: embedded.{key}: ")), "{key}: {problems}");
        }
        assert!(decode(&json!({"slo": slo(), "trials": 3})).unwrap_err().contains("embedded.trials: "));
        assert!(decode(&json!({})).unwrap_err().contains("embedded.slo: field required"));
    }
}
