//! The `settings.backoff` table: how long and how often requests are repeated.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use super::variables::BACKOFF_PREFIX;
use crate::decode::{Decode, Decoder, Fields, Form, Node, Properties, Secrets, Show, TextForm, Value, keys};
use crate::types::Duration;

/// The entry for everything that has none of its own.
pub(crate) const DEFAULT_BACKOFF: &str = "__default__";

/// The entry for the first contact with the optimizer.
pub(crate) const CONNECT_BACKOFF: &str = "connect";

/// Long enough to sit out the restart of an optimizer.
const DEFAULT_MAX_TIME: Duration = Duration::from_secs(10 * 60);

/// Long enough for an optimizer that is deployed after the servo.
const CONNECT_MAX_TIME: Duration = Duration::from_secs(60 * 60);

/// How long to go on with one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffSettings {
    /// Time after which no further try begins; without one there is no limit.
    pub max_time: Option<Duration>,
    /// Number of tries; without one there is no limit.
    pub max_tries: Option<u64>,
}

/// The table as configured, above the built-in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BackoffTable(Option<BTreeMap<String, BackoffEntry>>);

keys! {
    /// How long and how often one kind of request is repeated.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct BackoffEntry {
        /// Time after which no further try begins; null is no limit. Without it the entry `__default__` decides, then
        /// the built-in ones.
        max_time: Limit as LimitOrAbsent = Limit::Inherited,
        /// Number of tries; null is no limit.
        max_tries: Option<i64> = None,
    }
    variables: BACKOFF_PREFIX;
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Limit {
    /// The key is absent: the next table below decides.
    Inherited,
    /// The key is null.
    None,
    At(Duration),
}

impl BackoffTable {
    pub(super) const BUILT_IN: Self = Self(None);

    /// The limits for requests of this kind: its entry, else the default one, else the built-in entries. An entry
    /// without `max_time` takes that of the next; one without `max_tries` has no limit.
    pub(super) fn lookup(&self, name: &str) -> BackoffSettings {
        let entry = |name: &str| self.0.as_ref().and_then(|entries| entries.get(name));
        let configured = [entry(name), entry(DEFAULT_BACKOFF)];
        let max_time = configured.iter().flatten().find_map(|entry| match entry.max_time {
            Limit::Inherited => None,
            Limit::None => Some(None),
            Limit::At(time) => Some(Some(time)),
        });
        let max_tries = configured.iter().flatten().next().and_then(|entry| entry.max_tries);
        BackoffSettings {
            max_time: max_time.unwrap_or(Some(built_in(name))),
            max_tries: max_tries.map(|tries| u64::try_from(tries).unwrap_or(0)),
        }
    }
}

/// Adds to each entry of a shown table the limit that it leaves to the next one, as null: all keys are there, but an
/// absent limit no longer differs from none.
pub(super) fn show_absent_limits(table: &mut Json) {
    for entry in table.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Json::Object(limits) = entry {
            limits.entry("max_time").or_insert(Json::Null);
        }
    }
}

impl Show for BackoffTable {
    fn show(&self, secrets: Secrets) -> Json {
        match &self.0 {
            Some(entries) => entries.show(secrets),
            None => json!({
                DEFAULT_BACKOFF: {"max_time": DEFAULT_MAX_TIME, "max_tries": null},
                CONNECT_BACKOFF: {"max_time": CONNECT_MAX_TIME, "max_tries": null},
            }),
        }
    }
}

/// The form of a limit: null is not the same as an absent key.
struct LimitOrAbsent;

impl Form<Limit> for LimitOrAbsent {
    fn read(key: &'static str, _: Option<Limit>, fields: &mut Fields<'_, '_, '_>) -> Option<Limit> {
        Some(match fields.get::<Option<Duration>>(key)? {
            None => Limit::Inherited,
            Some(None) => Limit::None,
            Some(Some(time)) => Limit::At(time),
        })
    }

    fn show(key: &'static str, value: &Limit, secrets: Secrets, members: &mut Map<String, Json>) {
        let shown = match value {
            Limit::Inherited => return,
            Limit::None => Json::Null,
            Limit::At(time) => time.show(secrets),
        };
        members.insert(key.to_owned(), shown);
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&Limit>, properties: &mut Properties<'_>) {
        properties.add::<Option<Duration>>(key, documentation, Some(Json::Null));
    }
}

impl JsonSchema for BackoffTable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BackoffTable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<BTreeMap<String, BackoffEntry>>()
    }
}

fn built_in(name: &str) -> Duration {
    if name == CONNECT_BACKOFF { CONNECT_MAX_TIME } else { DEFAULT_MAX_TIME }
}

impl Decode for BackoffTable {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            let rule = if node.is_null() { "none is not an allowed value" } else { "value is not a valid mapping" };
            cx.invalid_unquoted(node, rule);
            return None;
        };
        let entries: Vec<_> = map
            .iter()
            .map(|entry| Some((entry.key.clone(), cx.within(&entry.key, |cx| BackoffEntry::decode(&entry.value, cx))?)))
            .collect();
        Some(Self(Some(entries.into_iter().collect::<Option<_>>()?)))
    }
}
