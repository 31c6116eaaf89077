//! Plays the recorded cluster: after each write of the client the states follow that followed in the recording.
//!
//! What the client wrote stays as the client wrote it; the recorded cluster only adds what a cluster adds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::effects;
use super::recording::{Recording, Seen, Written};
use crate::kube_api::cluster::{Cluster, Fate, befall};
use crate::kube_api::{Controller, Key, Objects, Stage, Verb, Write};

/// Time between two states.
const PACE: Duration = Duration::from_millis(20);

/// Time before a state that came while the client polled.
const LATE: Duration = Duration::from_millis(600);

/// The controller of a case.
#[derive(Clone)]
pub(super) struct Player(Arc<Mutex<Script>>);

struct Script {
    recording: Arc<Recording>,
    step: usize,
    /// The recorded writes that this step has seen, by version.
    seen: Vec<u64>,
    /// For writes of which nothing is recorded, as the reference never came so far.
    fallback: Cluster,
}

impl Player {
    pub(super) fn new(recording: Arc<Recording>) -> Self {
        let script = Script { recording, step: 0, seen: Vec::new(), fallback: Cluster::healthy() };
        Self(Arc::new(Mutex::new(script)))
    }

    /// Begins a step: changes that no write explains happen now.
    pub(super) fn begin(&self, step: usize, objects: &mut Objects) {
        let script = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        script.step = step;
        script.seen.clear();
        let is_written = |key: &Key| script.recording.written_until(step).contains(&key);
        for seen in script.recording.others.iter().filter(|seen| seen.step == step) {
            show(objects, seen, is_written(&seen.key));
        }
    }
}

impl Controller for Player {
    fn react(&mut self, write: &Write, objects: &Objects) -> Vec<Stage> {
        let script = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spec = |object: &Option<Value>| object.as_ref().map(|object| object["spec"].clone());
        if write.verb == Verb::Modify && spec(&write.before) == spec(&write.after) {
            return Vec::new();
        }
        let candidates = script.recording.writes.iter().filter(|recorded| {
            recorded.step == script.step
                && recorded.is_effective
                && recorded.verb == write.verb
                && recorded.key == write.key
                && !script.seen.contains(&recorded.version)
        });
        // A port may write less often: what is written tells which it is, before the order does.
        let wanted = |recorded: &&Written| {
            let seen =
                script.recording.states.get(&recorded.version).map(|seen| effects::view(&seen.key, &seen.object));
            seen.is_some() && seen == write.after.as_ref().map(|after| effects::view(&write.key, after))
        };
        let recorded = candidates.clone().find(wanted).or_else(|| candidates.clone().next()).cloned();
        match recorded {
            Some(recorded) => {
                script.seen.push(recorded.version);
                stages(&script.recording, recorded)
            }
            None => script.fallback.react(write, objects),
        }
    }
}

fn stages(recording: &Recording, write: Written) -> Vec<Stage> {
    let written: Vec<Key> = recording.writes.iter().map(|write| write.key.clone()).collect();
    let is_written = |key: &Key| written.contains(key);
    if write.verb == Verb::Delete && write.states.is_empty() {
        // The recording did not wait for the end.
        return vec![Stage::after(PACE, move |objects| objects.remove(&write.key))];
    }
    let mut stages: Vec<Stage> = Vec::new();
    for seen in write.states {
        let is_own = is_written(&seen.key);
        // What a controller makes comes together with the status that counts it.
        let delay = match (seen.is_late, is_own) {
            (true, _) => LATE,
            (false, true) => PACE,
            (false, false) => Duration::ZERO,
        };
        let has_pods = recording.states.values().any(|state| is_of_revision(&state.object, &seen.object));
        stages.push(Stage::after(delay, move |objects| {
            show(objects, &seen, is_own);
            if !has_pods {
                make_unready_pods(objects, &seen.object);
            }
        }));
    }
    stages
}

/// Makes a state true. Of an object that the client writes only the status is the cluster's.
fn show(objects: &mut Objects, seen: &Seen, is_own: bool) {
    if seen.is_deleted {
        objects.remove(&seen.key);
    } else if !is_own {
        objects.put(seen.object.clone());
        make_of_template(objects, &seen.object);
    } else {
        let recorded = seen.object.clone();
        objects.update(&seen.key, |object| {
            let lag = recorded["metadata"]["generation"].as_i64().unwrap_or(0)
                - recorded["status"]["observedGeneration"].as_i64().unwrap_or(0);
            object["status"] = recorded["status"].clone();
            if let Some(generation) = object["metadata"]["generation"].as_i64() {
                object["status"]["observedGeneration"] = json!(generation - lag);
            }
        });
    }
}

/// Gives a pod of a StatefulSet's new revision the containers of the template, as any cluster does: the recorded one
/// only changed its revision.
fn make_of_template(objects: &mut Objects, pod: &Value) {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let owner = objects.all("apps", "statefulsets", namespace).find(|(_, set)| is_of_revision(pod, set));
    if let Some(containers) = owner.map(|(_, set)| set["spec"]["template"]["spec"]["containers"].clone()) {
        objects.update(&Key::of(pod), |pod| pod["spec"]["containers"] = containers);
    }
}

/// Whether an object is a pod of the revision that a StatefulSet is being brought to.
fn is_of_revision(pod: &Value, stateful_set: &Value) -> bool {
    let revision = &stateful_set["status"]["updateRevision"];
    revision.is_string() && pod["metadata"]["labels"]["controller-revision-hash"] == *revision
}

/// The reference never asked for the pods of a revision that did not become ready, so the recording lacks them: the
/// last of the pods are theirs.
fn make_unready_pods(objects: &mut Objects, stateful_set: &Value) {
    let status = &stateful_set["status"];
    if status["updateRevision"] == status["currentRevision"] || stateful_set["kind"] != "StatefulSet" {
        return;
    }
    let namespace = stateful_set["metadata"]["namespace"].as_str().unwrap_or_default();
    let name = stateful_set["metadata"]["name"].as_str().unwrap_or_default();
    let pods = objects.all("", "pods", namespace).filter(|(key, _)| key.name.starts_with(&format!("{name}-")));
    let mut pods: Vec<Key> = pods.map(|(key, _)| key.clone()).collect();
    let updated = usize::try_from(status["updatedReplicas"].as_u64().unwrap_or(1)).unwrap_or(1);
    let kept = pods.len().saturating_sub(updated);
    for key in pods.split_off(kept) {
        objects.update(&key, |pod| {
            pod["metadata"]["labels"]["controller-revision-hash"] = status["updateRevision"].clone();
            befall(pod, &Fate::Unready);
        });
    }
}
