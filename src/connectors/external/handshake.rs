//! What an executable says of itself when it is greeted: metadata, the schema of its section, what it can do.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::protocol::VERSION;
use super::schema::SectionSchema;
use super::session::{Fault, Request, Session};
use crate::connector::{Event, EventContextText, License, Maturity, Metadata, Phase};
use crate::telemetry::USER_AGENT;

/// How long the answer to a greeting may take: an interpreter with many packages starts in seconds.
pub(super) const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// How long the answer to most events may take, and to a measurement beyond its own time.
const EVENT_LIMIT: Duration = Duration::from_mins(1);
/// How long an adjustment may take: a restart with its warm-up.
const ADJUST_LIMIT: Duration = Duration::from_mins(10);
/// The longest limit that an executable may ask for, in seconds.
const LONGEST_LIMIT: f64 = 86_400.0;

/// The events that an executable can take part in.
const EVENTS: [Event; 6] =
    [Event::Describe, Event::Metrics, Event::Components, Event::Measure, Event::Adjust, Event::Check];

/// What an executable said of itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Handshake {
    pub(super) metadata: Metadata,
    /// What its section may be.
    pub(super) schema: SectionSchema,
    /// A section to begin with, when it gave one.
    sample: Option<Json>,
    capabilities: Vec<EventContextText>,
    limits: BTreeMap<Event, Duration>,
}

/// Why there is nothing to know of an executable.
#[derive(Debug, thiserror::Error)]
pub(super) enum GreetingError {
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It answered by an error.
    #[error("it answered initialize by an error: {0}")]
    Refused(String),
    /// What it said is not what the protocol asks for.
    #[error("what it said of itself is wrong: {0}")]
    Wrong(#[from] Wrong),
}

/// What is wrong with an answer to a greeting: the part of it, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {why}")]
pub(super) struct Wrong {
    /// `protocol`, `metadata`, `schema`, `capabilities` or `timeouts`.
    pub(super) part: &'static str,
    why: String,
}

impl Wrong {
    fn new(part: &'static str, why: impl Into<String>) -> Self {
        Self { part, why: why.into() }
    }
}

/// Greets an executable of a type.
///
/// # Errors
/// It misbehaves, refuses, or says what cannot be used.
pub(super) async fn greet(session: &mut Session, type_name: &str) -> Result<Handshake, GreetingError> {
    let answer = greeting(session).await?;
    Ok(Handshake::read(&answer, type_name)?)
}

/// The answer to a greeting, as it is.
///
/// # Errors
/// It misbehaves or refuses.
pub(super) async fn greeting(session: &mut Session) -> Result<Json, GreetingError> {
    let request = Request {
        method: "initialize",
        params: &json!({ "protocol": VERSION, "agent": USER_AGENT }),
        limit: GREETING_LIMIT,
        cancellation: &CancellationToken::new(),
    };
    let answer = session.call(request, |_, _| {}).await?;
    answer.map_err(|error| GreetingError::Refused(error.message))
}

impl Handshake {
    /// Reads an answer to a greeting.
    ///
    /// # Errors
    /// The first part that is wrong.
    pub(super) fn read(answer: &Json, type_name: &str) -> Result<Self, Wrong> {
        if answer["protocol"].as_u64() != Some(VERSION) {
            let why = format!("this servo speaks version {VERSION}, not {}", answer["protocol"]);
            return Err(Wrong::new("protocol", why));
        }
        let metadata = metadata(&answer["metadata"], type_name)?;
        let schema = SectionSchema::new(&answer["schema"]).map_err(|why| Wrong::new("schema", why))?;
        let sample = answer.get("sample").filter(|sample| !sample.is_null()).cloned();
        if sample.as_ref().is_some_and(|sample| !sample.is_object()) {
            return Err(Wrong::new("sample", "it must be a mapping"));
        }
        let capabilities = capabilities(&answer["capabilities"])?;
        Ok(Self { metadata, schema, sample, capabilities, limits: limits(&answer["timeouts"])? })
    }

    /// Whether it takes part in an event in this phase.
    pub(super) fn has(&self, phase: Phase, event: Event) -> bool {
        self.capabilities.contains(&EventContextText(phase, event))
    }

    /// The hooks, in its order.
    pub(super) fn hooks(&self) -> Vec<(Phase, Event)> {
        let hooks = self.capabilities.iter().filter(|capability| capability.0 != Phase::On);
        hooks.map(|EventContextText(phase, event)| (*phase, *event)).collect()
    }

    /// A section to begin with.
    pub(super) fn sample(&self) -> Json {
        self.sample.clone().unwrap_or_else(|| self.schema.sample())
    }

    /// How long an answer may take; what a measurement is asked to take comes on top.
    pub(super) fn limit(&self, phase: Phase, event: Event) -> Duration {
        let usual = if event == Event::Adjust { ADJUST_LIMIT } else { EVENT_LIMIT };
        match phase {
            Phase::On => self.limits.get(&event).copied().unwrap_or(usual),
            Phase::Before | Phase::After => EVENT_LIMIT,
        }
    }
}

fn metadata(said: &Json, type_name: &str) -> Result<Metadata, Wrong> {
    let text = |key: &str| match &said[key] {
        Json::Null => Ok(None),
        Json::String(text) if !text.trim().is_empty() => Ok(Some(text.clone())),
        _ => Err(Wrong::new("metadata", format!("\"{key}\" must be text that is not empty"))),
    };
    let version = text("version")?.ok_or_else(|| Wrong::new("metadata", "it needs a \"version\""))?;
    let class = class_name(type_name);
    let full_name = text("name")?.unwrap_or_else(|| format!("{class} Connector"));
    let license = text("license")?.and_then(|text| {
        [License::Mit, License::Apache2, License::Proprietary].into_iter().find(|known| known.as_str() == text)
    });
    let maturity = text("maturity")?.and_then(|text| {
        [Maturity::Experimental, Maturity::Stable, Maturity::Robust].into_iter().find(|known| known.as_str() == text)
    });
    Ok(Metadata {
        default_name: type_name.to_owned().into(),
        class_name: format!("{class}Connector").into(),
        full_name: full_name.into(),
        version: version.into(),
        description: text("description")?.map(Cow::Owned),
        homepage: text("homepage")?.map(Cow::Owned),
        license,
        maturity,
    })
}

fn class_name(type_name: &str) -> String {
    let words = type_name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn capabilities(said: &Json) -> Result<Vec<EventContextText>, Wrong> {
    let wrong = |why: String| Wrong::new("capabilities", why);
    let words = said.as_array().ok_or_else(|| wrong("it must be a list of events".to_owned()))?;
    let mut capabilities = Vec::new();
    for word in words {
        let capability = word.as_str().and_then(|text| text.parse::<EventContextText>().ok());
        let capability = capability.filter(|EventContextText(_, event)| EVENTS.contains(event)).ok_or_else(|| {
            let events = EVENTS.map(Event::as_str).join(", ");
            wrong(format!("{word} is none: it is one of {events}, or one of them after \"before:\" or \"after:\""))
        })?;
        if !capabilities.contains(&capability) {
            capabilities.push(capability);
        }
    }
    if capabilities.is_empty() {
        return Err(wrong("without any it can do nothing".to_owned()));
    }
    Ok(capabilities)
}

fn limits(said: &Json) -> Result<BTreeMap<Event, Duration>, Wrong> {
    let wrong = |why: String| Wrong::new("timeouts", why);
    let members = match said {
        Json::Null => return Ok(BTreeMap::new()),
        Json::Object(members) => members,
        _ => return Err(wrong("it must be a mapping of events to seconds".to_owned())),
    };
    let limit = |(key, value): (&String, &Json)| {
        let event = key.parse::<Event>().ok().filter(|event| EVENTS.contains(event));
        let event = event.ok_or_else(|| wrong(format!("{key:?} is no event that a connector answers")))?;
        let seconds = value.as_f64().filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST_LIMIT);
        let seconds = seconds.ok_or_else(|| wrong(format!("{key:?} must be seconds, at most {LONGEST_LIMIT}")))?;
        Ok((event, Duration::from_secs_f64(seconds)))
    };
    members.iter().map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: &Json) -> Json {
        let mut answer = json!({
            "protocol": 1, "metadata": { "version": "1.0" }, "schema": { "type": "object" },
            "capabilities": ["measure", "before:adjust"],
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            answer[key] = value.clone();
        }
        answer
    }

    #[test]
    fn names_are_those_of_the_type() {
        let handshake = Handshake::read(&answer(&json!({})), "postgres-tuner").expect("valid");
        let metadata = &handshake.metadata;
        assert_eq!(
            [&metadata.default_name, &metadata.class_name, &metadata.full_name],
            ["postgres-tuner", "PostgresTunerConnector", "PostgresTuner Connector"]
        );
        assert_eq!(handshake.hooks(), [(Phase::Before, Event::Adjust)]);
        assert!(handshake.has(Phase::On, Event::Measure) && !handshake.has(Phase::On, Event::Adjust));
    }

    #[test]
    fn limits_are_the_connectors_own_where_it_gives_them() {
        let handshake = Handshake::read(&answer(&json!({ "timeouts": { "adjust": 1.5 } })), "x").expect("valid");
        assert_eq!(handshake.limit(Phase::On, Event::Adjust), Duration::from_millis(1500));
        assert_eq!(handshake.limit(Phase::After, Event::Adjust), EVENT_LIMIT);
        assert_eq!(handshake.limit(Phase::On, Event::Check), EVENT_LIMIT);
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        for (change, part) in [
            (json!({ "protocol": 2 }), "protocol"),
            (json!({ "protocol": null }), "protocol"),
            (json!({ "metadata": {} }), "metadata"),
            (json!({ "metadata": { "version": "1", "homepage": 1 } }), "metadata"),
            (json!({ "schema": null }), "schema"),
            (json!({ "sample": [] }), "sample"),
            (json!({ "capabilities": [] }), "capabilities"),
            (json!({ "capabilities": ["fly"] }), "capabilities"),
            (json!({ "capabilities": ["before:startup"] }), "capabilities"),
            (json!({ "timeouts": { "adjust": 0 } }), "timeouts"),
        ] {
            let wrong = Handshake::read(&answer(&change), "x").expect_err(part);
            assert_eq!(wrong.part, part, "{wrong}");
        }
    }
}
