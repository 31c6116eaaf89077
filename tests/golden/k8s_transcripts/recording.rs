//! What a recording says about the cluster behind the API server: how its objects changed, after which write, and
//! which requests it refused.
//!
//! Versions order everything that was seen, in whatever request it was seen.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kube_api::{Key, Target, Verb};

/// A state of an object, as it was first seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) step: usize,
    pub(super) key: Key,
    pub(super) object: Value,
    pub(super) is_deleted: bool,
    /// First seen after the client had polled for a while.
    pub(super) is_late: bool,
}

/// A write of the client that was accepted, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) step: usize,
    pub(super) version: u64,
    pub(super) verb: Verb,
    pub(super) key: Key,
    /// Whether it changed what the object is to be.
    pub(super) is_effective: bool,
    /// The states that followed, in order.
    pub(super) states: Vec<Seen>,
}

/// The whole recording of a case.
pub(super) struct Recording {
    pub(super) writes: Vec<Written>,
    /// Changes that no write explains, by version.
    pub(super) others: Vec<Seen>,
    /// All states, by version.
    pub(super) states: BTreeMap<u64, Seen>,
}

impl Recording {
    pub(super) fn of(case: &Value) -> Self {
        let mut states: BTreeMap<u64, Seen> = BTreeMap::new();
        let initial = case["input"]["initial_objects"].as_array().into_iter().flatten();
        let initial = initial.map(|object| (version_of(object), Key::of(object), object.clone()));
        let known: BTreeMap<u64, Value> = initial.clone().map(|(version, _, object)| (version, object)).collect();
        let mut writes: Vec<Written> = Vec::new();
        for (step, exchanges) in exchanges(case).enumerate() {
            let mut polled = 0;
            let mut is_polling = false;
            for exchange in exchanges {
                let is_late = is_polling && polled == 0;
                if let Some(length) = exchange["repeated_cycle"]["length"].as_u64() {
                    (is_polling, polled) = (true, length);
                }
                polled = polled.saturating_sub(1);
                let Some(target) = target(exchange) else { continue };
                for (object, is_deleted) in objects(exchange, &target) {
                    let version = version_of(&object);
                    if known.contains_key(&version) {
                        continue;
                    }
                    let key = Key { resource: target.resource.clone(), ..Key::of(&object) };
                    if let Some(verb) = verb(exchange) {
                        is_polling = false;
                        let is_effective = verb != Verb::Modify || is_change(&states, &known, &key, &object);
                        let states = Vec::new();
                        writes.push(Written { step, version, verb, key: key.clone(), is_effective, states });
                    }
                    states.entry(version).or_insert(Seen { step, key, object, is_deleted, is_late });
                }
            }
        }
        let mut others = Vec::new();
        for (version, seen) in &states {
            if writes.iter().any(|write| write.version == *version) {
                continue;
            }
            let before = writes.iter_mut().filter(|write| write.version < *version && write.is_effective);
            match before.max_by_key(|write| (kinship(&write.key, &seen.key), write.version)) {
                Some(write) if write.step == seen.step => write.states.push(seen.clone()),
                _ => others.push(seen.clone()),
            }
        }
        Self { writes, others, states }
    }

    /// The last state of an object that was seen until the end of a step.
    pub(super) fn last(&self, step: usize, key: &Key) -> Option<&Seen> {
        self.states.values().rfind(|seen| seen.step <= step && seen.key == *key)
    }

    /// What the client has written until the end of a step.
    pub(super) fn written_until(&self, step: usize) -> Vec<&Key> {
        let mut keys: Vec<&Key> =
            self.writes.iter().filter(|write| write.step <= step).map(|write| &write.key).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// How near an object is to one that was written: itself, one of its own, or any other.
fn kinship(written: &Key, key: &Key) -> usize {
    let is_of = key.namespace == written.namespace && key.name.starts_with(&format!("{}-", written.name));
    match (written == key, is_of) {
        (true, _) => usize::MAX,
        (false, true) => written.name.len(),
        (false, false) => 0,
    }
}

/// Whether a write changed the generation of an object, or anything but its version.
fn is_change(states: &BTreeMap<u64, Seen>, initial: &BTreeMap<u64, Value>, key: &Key, after: &Value) -> bool {
    let seen = states.values().rev().find(|seen| seen.key == *key).map(|seen| &seen.object);
    let before = seen.or_else(|| initial.values().find(|object| Key::of(object) == *key));
    before.is_none_or(|before| before["spec"] != after["spec"])
}

/// The exchanges of each step.
pub(super) fn exchanges(case: &Value) -> impl Iterator<Item = impl Iterator<Item = &Value>> {
    let steps = case["output"]["steps"].as_array().into_iter().flatten();
    steps.map(|step| step["exchanges"].as_array().into_iter().flatten())
}

pub(super) fn target(exchange: &Value) -> Option<Target> {
    Target::parse(exchange["path"].as_str()?)
}

pub(super) fn is_refused(exchange: &Value) -> bool {
    exchange["response_status"].as_u64().is_some_and(|status| status >= 400)
}

pub(super) fn version_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn verb(exchange: &Value) -> Option<Verb> {
    match exchange["method"].as_str()? {
        "POST" => Some(Verb::Create),
        "PATCH" | "PUT" => Some(Verb::Modify),
        "DELETE" => Some(Verb::Delete),
        _ => None,
    }
}

/// The objects that an exchange shows, with their kinds, and whether each is gone.
fn objects(exchange: &Value, target: &Target) -> Vec<(Value, bool)> {
    if is_refused(exchange) || target.resource == "selfsubjectaccessreviews" || target.subresource.is_some() {
        return Vec::new();
    }
    let body = &exchange["response_body"];
    let shown: Vec<(Value, bool)> = if let Some(events) = exchange["watch_events"].as_array() {
        let events = events.iter().filter(|event| event["type"] != "ERROR" && event["type"] != "BOOKMARK");
        events.map(|event| (event["object"].clone(), event["type"] == "DELETED")).collect()
    } else if let Some(items) = body["items"].as_array() {
        items.iter().map(|item| (item.clone(), false)).collect()
    } else {
        vec![(body.clone(), false)]
    };
    let kind = match target.resource.as_str() {
        "deployments" => "Deployment",
        "statefulsets" => "StatefulSet",
        "replicasets" => "ReplicaSet",
        "pods" => "Pod",
        "services" => "Service",
        "namespaces" => "Namespace",
        _ => return Vec::new(),
    };
    let shown = shown.into_iter().map(|(mut object, is_deleted)| {
        object["apiVersion"] = json!(target.api_version());
        object["kind"] = json!(kind);
        (object, is_deleted)
    });
    shown.filter(|(object, _)| version_of(object) > 0).collect()
}
