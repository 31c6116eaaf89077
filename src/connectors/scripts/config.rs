//! The section of a `scripts` connector.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;

use crate::connector::{Event, EventContextText, Phase};
use crate::decode::{Decode, Decoder, Entry, Fields, IfSet, Node, Secrets, Show, TextForm, Value, keys};
use crate::types::Duration;

keys! {
    /// Runs commands before, during and after events, by `/bin/sh`. The keys of the mappings are events, such as
    /// `measure` and `adjust`; `servo show events --all` lists them. A command that fails is logged, and changes nothing.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub(crate) struct ScriptsConfig {
        /// Free text.
        pub(super) description: Option<String> = None,
        /// Run before the event begins.
        pub(super) before: Option<Scripts> = None,
        /// Run beside the connectors that handle the event.
        pub(super) on: Option<Scripts> = None,
        /// Run when the event has been handled.
        pub(super) after: Option<Scripts> = None,
        /// How long a command may take; above zero. It is ended after that. Not said, it is 1 h for `measure` and `adjust`,
        /// 10 s for `shutdown` and `detach`, and 5 m for other events.
        pub(super) timeout: Option<Duration> as IfSet = None,
    }
    check: ScriptsConfig::check;
}

impl ScriptsConfig {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.timeout.is_some_and(|timeout| timeout <= Duration::ZERO) {
            fields.fail_at("timeout", "a duration above zero is needed, such as 30s");
            return None;
        }
        Some(self)
    }

    /// How long a command of an event may take.
    pub(super) fn timeout(&self, event: Event) -> Duration {
        self.timeout.unwrap_or(match event {
            Event::Measure | Event::Adjust => Duration::from_secs(3600),
            // Nothing may hold up a stop.
            Event::Shutdown | Event::Detach => Duration::from_secs(10),
            _ => Duration::from_secs(300),
        })
    }

    /// The scripts of a phase, in their order.
    pub(super) fn scripts(&self, phase: Phase) -> &[Script] {
        let scripts = match phase {
            Phase::Before => &self.before,
            Phase::On => &self.on,
            Phase::After => &self.after,
        };
        scripts.as_ref().map_or(&[], |scripts| &scripts.0)
    }
}

/// The scripts of one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scripts(Vec<Script>);

/// The commands of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    key: String,
    /// The event that it names.
    pub(super) event: Event,
    pub(super) commands: Vec<String>,
}

impl Show for Scripts {
    fn show(&self, secrets: Secrets) -> Json {
        Json::Object(self.0.iter().map(|script| (script.key.clone(), script.commands.show(secrets))).collect())
    }
}

impl JsonSchema for Scripts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scripts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<BTreeMap<String, Vec<String>>>()
    }
}

/// A mapping of events to lists of commands. Every event is checked, so that all that are wrong are reported.
impl Decode for Scripts {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            cx.invalid(node, "value is not a valid mapping of events to lists of commands");
            return None;
        };
        let scripts: Vec<Option<Script>> =
            map.iter().map(|entry| cx.within(&entry.key, |cx| Script::decode(entry, cx))).collect();
        scripts.into_iter().collect::<Option<_>>().map(Self)
    }
}

impl Script {
    fn decode(entry: &Entry, cx: &mut Decoder<'_>) -> Option<Self> {
        // A phase before the name is tolerated; the key around it decides.
        let event = match entry.key.parse() {
            Ok(EventContextText(_, event)) => Some(event),
            Err(error) => {
                let key = Node::new(Value::Text(entry.key.clone()), entry.key_origin.clone());
                cx.invalid_unquoted(&key, error.to_string());
                None
            }
        };
        let commands = Vec::decode(&entry.value, cx);
        Some(Self { key: entry.key.clone(), event: event?, commands: commands? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::{ConnectorName, Section};
    use crate::decode::{NoVariables, Origin};

    fn parse(section: &serde_json::Value) -> Result<ScriptsConfig, String> {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("scripts");
        let section = Section { name: &name, node: &node, prefix: "SERVO_SCRIPTS_" };
        Decoder::run(&NoVariables, |cx| cx.within("scripts", |cx| section.keys::<ScriptsConfig>(cx)))
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_section_is_shown_as_written() {
        for section in [
            json!({ "description": null, "before": null, "on": null, "after": null }),
            json!({ "description": "d", "before": {}, "on": { "on:measure": [] }, "after": { "adjust": ["a", "b"] } }),
        ] {
            let shown = parse(&section).map(|config| config.show(Secrets::Redacted));
            assert_eq!(shown, Ok(section));
        }
    }

    #[test]
    fn events_keep_their_order_and_the_enclosing_key_decides_the_phase() {
        let section = json!({ "before": { "measure": ["a"], "after:adjust": ["b"], "before:measure": ["c"] } });
        let config = parse(&section).expect("valid");
        let events: Vec<_> = config.scripts(Phase::Before).iter().map(|script| script.event).collect();
        assert_eq!(events, [Event::Measure, Event::Adjust, Event::Measure]);
        assert_eq!(config.scripts(Phase::After), []);
    }

    #[test]
    fn numbers_and_booleans_become_commands() {
        let config = parse(&json!({ "on": { "check": [1, true, "x\ny"] } })).expect("valid");
        assert_eq!(config.scripts(Phase::On)[0].commands, ["1", "True", "x\ny"]);
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        fn check(section: &serde_json::Value, paths: &[&str]) {
            let problems = parse(section).expect_err("invalid");
            let found: Vec<_> = problems.lines().filter_map(|line| line.split(": ").nth(1)).collect();
            assert_eq!(found, paths, "{problems}");
        }
        check(&json!({ "before": ["a"] }), &["scripts.before"]);
        check(&json!({ "during": { "measure": ["a"] } }), &["scripts.during"]);
        check(&json!({ "on": { "measure": "echo" } }), &["scripts.on.measure"]);
        check(&json!({ "on": { "measure": null } }), &["scripts.on.measure"]);
        check(&json!({ "on": { "measure": ["a", null] } }), &["scripts.on.measure.1"]);
        check(
            &json!({ "before": { "Measure": ["a"], "": ["b"] }, "after": { "during:check": null } }),
            &["scripts.before.Measure", "scripts.before.", "scripts.after.during:check", "scripts.after.during:check"],
        );
        let problems = parse(&json!({ "before": { "measured": [] } })).expect_err("invalid");
        assert!(problems.starts_with("test: scripts.before.measured: unknown event \"measured\": the events are"));
    }
}
