//! What can go wrong with an adjustment of a Deployment, each caused for real, and each treated in every way that
//! `on_failure` has.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, RECORD, Section};

const WEB: &str = "deployments/web";

/// An adjustment that fails.
pub(super) struct Cause {
    pub(super) adjustment: Value,
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) timeout: &'static str,
    pub(super) settlement: &'static str,
    /// Whether all is well again with the old values.
    pub(super) is_cured_by_old_values: bool,
}

impl Cause {
    pub(super) fn rejected(adjustment: Value, reason: &'static str) -> Self {
        // Time enough for a pod to start, and to start again, on a machine that is busy.
        let (timeout, settlement) = ("20s", "0s");
        Self { adjustment, status: "rejected", reason, timeout, settlement, is_cured_by_old_values: true }
    }

    /// The pods' image is absent whatever is adjusted.
    pub(super) fn image_pull(adjustment: Value) -> Self {
        let cause = Self::rejected(adjustment, "image-pull-failed");
        Self { status: "failed", is_cured_by_old_values: false, ..cause }
    }

    pub(super) fn section(&self, namespace: &Namespace, on_failure: &'static str) -> Section {
        Section { timeout: self.timeout, settlement: self.settlement, on_failure, ..Section::of(namespace) }
    }

    #[track_caller]
    pub(super) fn assert_told(&self, answer: &Value, on_failure: &str) {
        if on_failure == "ignore" {
            return assert_eq!(answer["status"], "ok", "{answer:#}");
        }
        let told = (&answer["status"], &answer["reason"]);
        assert_eq!(told, (&json!(self.status), &json!(self.reason)), "{on_failure}: {answer:#}");
        if on_failure == "rollback" {
            let said = if self.is_cured_by_old_values { "; rolled back to " } else { "; rolling back failed: " };
            assert!(answer["message"].as_str().unwrap().contains(said), "{answer:#}");
        }
    }
}

/// Does something for each way to treat a failure, all at once, in a namespace for each.
pub(super) async fn for_each_mode(cluster: &Cluster, act: impl AsyncFn(&Namespace, &'static str)) {
    let act = &act;
    let in_mode = async |on_failure| act(&cluster.namespace().await, on_failure).await;
    join_all(["exception", "ignore", "shutdown", "rollback"].map(in_mode)).await;
}

/// A Deployment that an adjustment made fail is left, ignored, scaled to nothing or restored.
async fn assert_treated(cause: &Cause, set_up: impl AsyncFn(&Namespace)) {
    let Some(cluster) = Cluster::shared() else { return };
    for_each_mode(&cluster, async |namespace, on_failure| {
        set_up(namespace).await;
        let first = namespace.get(WEB).await;
        let session = Session::start(&cause.section(namespace, on_failure)).await;
        let answer = session.adjust(&json!({"main": cause.adjustment})).await;
        cause.assert_told(&answer, on_failure);
        // Without another wait: what was restored was healthy when the agent answered.
        let left = namespace.get(WEB).await;
        match on_failure {
            "rollback" => {
                assert_eq!(workload::adjustable(&left), workload::adjustable(&first));
                assert_eq!(namespace.get(RECORD).await, Value::Null);
                if cause.is_cured_by_old_values {
                    assert_eq!(left["status"]["readyReplicas"], left["spec"]["replicas"], "{left:#}");
                }
            }
            "shutdown" => assert_eq!(left["spec"]["replicas"], 0),
            _ => assert_ne!(workload::adjustable(&left), workload::adjustable(&first), "{on_failure}"),
        }
        session.stop().await;
    })
    .await;
}

async fn one_pod(namespace: &Namespace) {
    workload::deployment(namespace, 1).await;
}

#[tokio::test]
async fn memory_below_the_working_set_is_unstable() {
    let one_service = async |namespace: &Namespace| drop(workload::service(namespace, 1).await);
    assert_treated(&Cause::rejected(json!({"mem": "16Mi"}), "unstable"), one_service).await;
}

#[tokio::test]
async fn more_cpu_than_the_node_has_is_unschedulable() {
    assert_treated(&Cause::rejected(json!({"cpu": 3}), "unschedulable"), one_pod).await;
}

#[tokio::test]
async fn a_container_that_exits_is_unstable() {
    assert_treated(&Cause::rejected(json!({"MODE": "exit"}), "unstable"), one_pod).await;
}

#[tokio::test]
async fn a_pod_that_never_gets_ready_fails_to_start() {
    assert_treated(&Cause::rejected(json!({"MODE": "never"}), "start-failed"), one_pod).await;
}

#[tokio::test]
async fn a_pod_that_ceases_to_be_ready_in_settlement_is_unstable() {
    let cause = Cause::rejected(json!({"MODE": "flaky"}), "unstable");
    assert_treated(&Cause { settlement: "8s", ..cause }, one_pod).await;
}

#[tokio::test]
async fn a_quota_that_is_exceeded_fails_the_start() {
    let little_is_allowed = async |namespace: &Namespace| {
        one_pod(namespace).await;
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "little"},
            "spec": {"hard": {"requests.cpu": "150m"}},
        });
        namespace.create(&quota).await;
        namespace.until("resourcequotas/little", "counted", |quota| quota["status"]["used"].is_object()).await;
    };
    assert_treated(&Cause::rejected(json!({"cpu": 0.5}), "start-failed"), little_is_allowed).await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_and_the_values_are_restored_all_the_same() {
    let its_image_is_absent = async |namespace: &Namespace| {
        one_pod(namespace).await;
        workload::change_container(namespace, WEB, &json!({"image": "localhost/absent:1"})).await;
    };
    assert_treated(&Cause::image_pull(json!({"cpu": 0.1})), its_image_is_absent).await;
}
