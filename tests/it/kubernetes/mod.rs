//! The Kubernetes connector on a scripted API server.

mod access;
mod canary;
mod cancel;
mod checks;
mod failures;
mod measured;
mod permissions;
mod rollout;
mod server;
mod settings;
mod settlement;
mod sidecar;
mod verification;

use std::time::Duration;

use serde_json::{Value, json};
use servox::internals::connector::EventError;

use crate::support::kube_api::{Call, Key, KubeApi, Objects, Stage, Write};
use crate::support::kubernetes_servo::{KubernetesServo, status};

/// Longer than anything that is to happen at once, shorter than the timeouts of the workloads.
const SOON: Duration = Duration::from_secs(10);

/// A stanza of a workload with the container `main` under the default strategy; every key of `more` is added.
fn stanza(name: &str, more: &Value) -> Value {
    let mut stanza = json!({
        "name": name,
        "replicas": {"min": 0, "max": 4},
        "containers": [{
            "name": "main",
            "cpu": {"min": "125m", "max": "4", "step": "125m"},
            "memory": {"min": "128MiB", "max": "4GiB", "step": "128MiB"},
        }],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        stanza[key] = value.clone();
    }
    stanza
}

/// A section with these Deployments; every key of `more` is added.
fn section(deployments: &[Value], more: &Value) -> Value {
    let mut section = json!({"timeout": "30s", "deployments": deployments});
    for (key, value) in more.as_object().into_iter().flatten() {
        section[key] = value.clone();
    }
    section
}

/// A section with the Deployment `web` alone.
fn web_section(more: &Value) -> Value {
    section(&[stanza("web", &json!({}))], more)
}

fn web() -> Key {
    Key::deployment("default", "web")
}

async fn attached(api: &KubeApi, section: &Value) -> KubernetesServo {
    let servo = KubernetesServo::attach(&api.kubeconfig(), section, &[]).await.unwrap();
    api.forget_calls();
    servo
}

/// A cluster in which nothing happens by itself.
fn held(_: &Write, _: &Objects) -> Vec<Stage> {
    Vec::new()
}

/// An adjustment of one setting.
fn memory(selector: &str) -> [(&str, Value); 1] {
    [(selector, json!("256Mi"))]
}

fn none() -> Value {
    json!({})
}

/// The writes so far, as summaries.
fn writes(api: &KubeApi) -> Vec<String> {
    api.summaries(Call::is_write)
}

/// What the first container of a workload's template has.
fn container(object: &Value) -> Value {
    object["spec"]["template"]["spec"]["containers"][0].clone()
}

/// Checks status, reason, and that the message has all these texts.
#[track_caller]
fn expect_failure(error: &EventError, expected: (&str, Option<&str>), texts: &[&str]) {
    let message = error.chain();
    assert_eq!(status(error), expected, "{message}");
    for text in texts {
        assert!(message.contains(text), "{text:?} is not in {message:?}");
    }
}
