//! The embedded kind of the `optimizer` section: an optimizer of our own, in this process.
//!
//! [`CampaignConfig`] says what is optimized and how; this adds who the optimizer is and where its journal lies.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde_json::{Value as Json, json};

use super::campaign::CampaignConfig;
use super::dump::{Dump, Members};
use crate::decode::{Decode, Decoder, Fields, Node, TextForm};

/// The key that only an optimizer in this process has.
pub(super) const EMBEDDED: &str = "embedded";

/// An optimizer of our own, in this process.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EmbeddedOptimizer {
    /// Its identifier; `embedded.local/` and the name by default.
    #[schemars(with = "Option<String>")]
    id: String,
    /// Its short name; `servo` by default.
    #[schemars(default = "default_name")]
    name: String,
    /// The file of results, from which an interrupted optimization goes on; `servo-journal.jsonl` by default.
    #[schemars(with = "String", default = "default_journal")]
    journal: PathBuf,
    /// What is optimized, and how.
    #[schemars(flatten)]
    campaign: CampaignConfig,
}

fn default_name() -> &'static str {
    "servo"
}

fn default_journal() -> &'static str {
    "servo-journal.jsonl"
}

impl EmbeddedOptimizer {
    /// The identifier, such as `embedded.local/servo`.
    pub fn id(&self) -> &str {
        &self.id
    }

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

    pub(super) fn to_json(&self, dump: Dump) -> Json {
        let mut members = Members::new(dump);
        members.unless_default("id", &self.id, self.id == default_id(&self.name));
        members.unless_default("name", &self.name, self.name == default_name());
        members.unless_default("journal", &self.journal, self.journal == Path::new(default_journal()));
        self.campaign.show(&mut members);
        json!({ EMBEDDED: members.finish() })
    }
}

fn default_id(name: &str) -> String {
    format!("embedded.local/{name}")
}

impl Decode for EmbeddedOptimizer {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let id = plain_name("id", "/", &mut fields);
        let name = plain_name("name", "", &mut fields);
        let journal = fields.or("journal", default_journal().to_owned());
        let campaign = CampaignConfig::read(&mut fields);
        fields.finish();
        let name = name?.unwrap_or_else(|| default_name().to_owned());
        let journal = journal?;
        if journal.is_empty() {
            cx.within("journal", |cx| cx.invalid(node, "the path of a file expected"));
            return None;
        }
        Some(Self { id: id?.unwrap_or_else(|| default_id(&name)), name, journal: journal.into(), campaign: campaign? })
    }
}

/// A text that can be part of labels and file names; `Some(None)` when there is none.
#[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
fn plain_name(key: &str, besides: &str, fields: &mut Fields<'_, '_, '_>) -> Option<Option<String>> {
    let Some(text) = fields.or::<Option<String>>(key, None)? else { return Some(None) };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || besides.contains(c);
    if (1..=128).contains(&text.len()) && text.chars().all(is_plain) {
        return Some(Some(text));
    }
    fields.fail_at(key, "1 to 128 letters, digits, dots, hyphens and underscores expected");
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Detail, Objective, OptimizerConfig, Secrets};
    use crate::decode::{NoVariables, Origin};

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
                let shown = config.to_json(Dump { secrets: Secrets::Redacted, detail });
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
