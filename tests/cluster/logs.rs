//! The logs of containers that fail, in what the optimizer is told of it.

use futures_util::future::join;
use serde_json::{Value, json};

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, Section};

/// More than the logs and the rest of a message may take.
const MOST_BYTES: usize = 70 * 1024;

fn section(namespace: &Namespace) -> Section {
    Section { timeout: "20s", more: json!({"container_logs_in_error_status": true}), ..Section::of(namespace) }
}

/// What is told of an adjustment that makes the container exit.
async fn told(section: &Section, mode: &str) -> String {
    let session = Session::start(section).await;
    let component = if section.is_canary { "tuning" } else { "main" };
    let answer = session.adjust(&json!({component: {"MODE": mode}})).await;
    let told = (&answer["status"], &answer["reason"]);
    assert_eq!(told, (&json!("rejected"), &json!("unstable")), "{answer:#}");
    session.stop().await;
    let Value::String(message) = &answer["message"] else { panic!("{answer:#}") };
    message.clone()
}

async fn told_in(cluster: &Cluster, mode: &str, is_canary: bool) -> String {
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    told(&Section { is_canary, ..section(&namespace) }, mode).await
}

#[tokio::test]
async fn the_last_words_of_a_container_that_exits_are_told() {
    let Some(cluster) = Cluster::shared() else { return };
    let (workload, tuning_pod) = join(told_in(&cluster, "exit", false), told_in(&cluster, "exit", true)).await;
    for message in [workload, tuning_pod] {
        assert!(message.contains("previous (crash):\n") && message.contains("current (latest):\n"), "{message}");
        // In either: the node drops the log of a container when it makes the next one but one.
        assert!(message.contains("no way on\n"), "{message}");
    }
}

#[tokio::test]
async fn the_end_of_a_long_log_is_told() {
    let Some(cluster) = Cluster::shared() else { return };
    let (workload, tuning_pod) = join(told_in(&cluster, "noisy", false), told_in(&cluster, "noisy", true)).await;
    for message in [workload, tuning_pod] {
        assert!(message.contains("bytes left out]"), "{message}");
        assert!(message.contains("\n29999\n30000\nno way on\n"), "{message}");
        assert!(message.len() < MOST_BYTES, "{} bytes", message.len());
    }
}

#[tokio::test]
async fn a_failure_is_told_although_its_logs_may_not_be_read() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let account = namespace
        .account(json!([{
            "apiGroups": ["", "apps"], "resources": ["deployments", "replicasets", "pods"],
            "verbs": ["get", "list", "watch", "patch"],
        }]))
        .await;
    let message = told(&Section { kubeconfig: account.kubeconfig(), ..section(&namespace) }, "exit").await;
    assert!(message.contains("crash restart detected"), "{message}");
    assert!(message.contains("(the log could not be read: ") && message.contains("pods/log"), "{message}");
}
