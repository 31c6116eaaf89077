//! What can go wrong with an adjustment, each caused for real, and each treated in every way that `on_failure` has.

use serde_json::{Value, json};

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, Section};

const ROLLBACK_ANNOTATION: &str = "servo.opsani.com/rollback";

/// An adjustment that fails.
struct Cause {
    adjustment: Value,
    status: &'static str,
    reason: Value,
    timeout: &'static str,
    settlement: &'static str,
}

impl Cause {
    fn rejected(adjustment: Value, reason: &str) -> Self {
        Self { adjustment, status: "rejected", reason: json!(reason), timeout: "8s", settlement: "0s" }
    }

    fn section(&self, namespace: &Namespace, on_failure: &'static str) -> Section {
        Section { timeout: self.timeout, settlement: self.settlement, on_failure, ..Section::of(namespace) }
    }

    #[track_caller]
    fn assert_told(&self, answer: &Value, on_failure: &str) {
        let told = (&answer["status"], &answer["reason"]);
        assert_eq!(told, (&json!(self.status), &self.reason), "{on_failure}: {answer:#}");
    }
}

/// A Deployment that an adjustment made fail is left, ignored, scaled to nothing or restored. Before each of these it
/// is as it was at first.
async fn assert_treated(namespace: &Namespace, cause: &Cause) {
    let first = namespace.until_ready("deployments/web").await;
    for on_failure in ["exception", "ignore", "shutdown", "rollback"] {
        let session = Session::start(&cause.section(namespace, on_failure)).await;
        let answer = session.adjust(&json!({"main": cause.adjustment})).await;
        let left = namespace.get("deployments/web").await;
        match on_failure {
            "ignore" => assert_eq!(answer["status"], "ok", "{answer:#}"),
            _ => cause.assert_told(&answer, on_failure),
        }
        match on_failure {
            "rollback" => assert_restored(namespace, &first, &answer).await,
            "shutdown" => assert_eq!(left["spec"]["replicas"], 0),
            _ => assert_ne!(workload::adjustable(&left), workload::adjustable(&first), "{on_failure}"),
        }
        session.stop().await;
        let spec = json!({"spec": {"replicas": 1, "template": first["spec"]["template"]}});
        namespace.patch("deployments/web", &spec).await;
        namespace.until_ready("deployments/web").await;
    }
}

async fn assert_restored(namespace: &Namespace, first: &Value, answer: &Value) {
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(message.contains("rolled back"), "{answer:#}");
    // Without another wait: it was healthy when the agent answered.
    let restored = namespace.get("deployments/web").await;
    assert_eq!(workload::adjustable(&restored), workload::adjustable(first));
    assert_eq!(restored["status"]["readyReplicas"], restored["spec"]["replicas"], "{restored:#}");
    assert!(restored["metadata"]["annotations"].get(ROLLBACK_ANNOTATION).is_none(), "{restored:#}");
}

#[tokio::test]
async fn memory_below_the_working_set_is_unstable() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::service(&namespace, 1).await;
    assert_treated(&namespace, &Cause::rejected(json!({"mem": "16Mi"}), "unstable")).await;
}

#[tokio::test]
async fn more_cpu_than_the_node_has_is_unschedulable() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    assert_treated(&namespace, &Cause::rejected(json!({"cpu": 3}), "unschedulable")).await;
}

#[tokio::test]
async fn a_container_that_exits_is_unstable() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    assert_treated(&namespace, &Cause::rejected(json!({"MODE": "exit"}), "unstable")).await;
}

#[tokio::test]
async fn a_pod_that_never_gets_ready_fails_to_start() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    assert_treated(&namespace, &Cause::rejected(json!({"MODE": "never"}), "start-failed")).await;
}

#[tokio::test]
async fn a_pod_that_ceases_to_be_ready_in_settlement_is_unstable() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let cause = Cause::rejected(json!({"MODE": "flaky"}), "unstable");
    assert_treated(&namespace, &Cause { settlement: "8s", ..cause }).await;
}

#[tokio::test]
async fn a_quota_that_is_exceeded_fails_the_start() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    namespace
        .create(&json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "little"},
            "spec": {"hard": {"requests.cpu": "150m"}},
        }))
        .await;
    namespace.until("resourcequotas/little", "counted", |quota| quota["status"]["used"].is_object()).await;
    assert_treated(&namespace, &Cause::rejected(json!({"cpu": 0.5}), "start-failed")).await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_and_the_values_are_restored_all_the_same() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let mut containers = namespace.get("deployments/web").await["spec"]["template"]["spec"]["containers"].clone();
    containers[0]["image"] = "localhost/absent:1".into();
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let first = namespace.patch("deployments/web", &patch).await;
    let cause = Cause::rejected(json!({"cpu": 0.1}), "image-pull-failed");
    let cause = Cause { status: "failed", ..cause };
    for on_failure in ["exception", "rollback"] {
        let session = Session::start(&cause.section(&namespace, on_failure)).await;
        let answer = session.adjust(&json!({"main": cause.adjustment})).await;
        cause.assert_told(&answer, on_failure);
        session.stop().await;
        let left = namespace.get("deployments/web").await;
        let amount = &workload::resources(&left)["limits"]["cpu"];
        if on_failure == "exception" {
            assert_eq!(amount, "100m");
            namespace.patch("deployments/web", &json!({"spec": {"template": first["spec"]["template"]}})).await;
        } else {
            assert_eq!(workload::adjustable(&left), workload::adjustable(&first));
            assert!(answer["message"].as_str().unwrap().contains("rolling back failed"), "{answer:#}");
        }
    }
}

#[tokio::test]
async fn a_deployment_that_is_gone_is_told() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let session = Session::start(&Section::of(&namespace)).await;
    session.describe().await;
    namespace.delete("deployments/web").await;
    namespace.until("deployments/web", "gone", Value::is_null).await;
    let answer = session.adjust(&json!({"main": {"cpu": 0.1}})).await;
    assert_eq!((&answer["status"], &answer["reason"]), (&json!("failed"), &Value::Null), "{answer:#}");
    assert!(answer["message"].as_str().unwrap().contains("web"), "{answer:#}");
    session.stop().await;
}

#[tokio::test]
async fn an_account_that_may_not_patch_is_told_so() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    let first = workload::deployment(&namespace, 1).await;
    let kubeconfig = namespace.kubeconfig(json!([{
        "apiGroups": ["", "apps"], "resources": ["deployments", "replicasets", "pods"], "verbs": ["get", "list", "watch"],
    }]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig.await).unwrap();
    let kubeconfig = path.display().to_string();
    for on_failure in ["exception", "shutdown", "rollback"] {
        let section = Section { kubeconfig: kubeconfig.clone(), on_failure, timeout: "8s", ..Section::of(&namespace) };
        let session = Session::start(&section).await;
        let answer = session.adjust(&json!({"main": {"cpu": 0.1}})).await;
        assert_eq!(
            (&answer["status"], &answer["reason"]),
            (&json!("failed"), &Value::Null),
            "{on_failure}: {answer:#}"
        );
        assert!(answer["message"].as_str().unwrap().contains("patch"), "{on_failure}: {answer:#}");
        assert_eq!(namespace.get("deployments/web").await["spec"], first["spec"]);
        session.stop().await;
    }
}
