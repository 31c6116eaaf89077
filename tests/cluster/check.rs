//! `servo check` against a cluster: with all right, and with each single thing wrong.

use serde_json::{Value, json};

use crate::session::configuration;
use crate::support::cluster::{Cluster, Namespace};
use crate::support::http_server::{HttpServer, Reply};
use crate::support::servo_bin::{Finished, ServoBin};
use crate::workload::{self, Section};

async fn check(section: &Section) -> Finished {
    let optimizer = HttpServer::start(|_| Reply::ok()).await;
    ServoBin::configured(&configuration(&optimizer, section)).run("check --verbose").await
}

/// The check that failed is named; what it found is told.
#[track_caller]
fn assert_fails(finished: &Finished, expected: &str) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains(expected), "{expected}: {finished:?}");
}

/// All that the checks ask for, in one namespace.
fn rules() -> Value {
    json!([
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"],
         "verbs": ["get", "list", "watch", "update", "patch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "pods/log", "pods/logs", "pods/status"],
         "verbs": ["create", "delete", "get", "list", "watch"]},
    ])
}

async fn check_as(namespace: &Namespace, rules: Value) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, namespace.kubeconfig(rules).await).unwrap();
    check(&Section { kubeconfig: path.display().to_string(), ..Section::of(namespace) }).await
}

#[tokio::test]
async fn a_cluster_with_all_right_passes() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    for finished in [check(&Section::of(&namespace)).await, check_as(&namespace, rules()).await] {
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let mut without_patch = rules();
    without_patch[0]["verbs"] = json!(["get", "list", "watch", "update"]);
    let finished = check_as(&namespace, without_patch).await;
    assert_fails(&finished, "check_kubernetes_permissions");
    assert!(finished.stdout.contains("patch"), "{finished:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_workload_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    let section = Section::of(&namespace);
    let absent = Section { namespace: "there-is-none".to_owned(), ..section.clone() };
    assert_fails(&check(&absent).await, "check_kubernetes_namespace");
    assert_fails(&check(&section).await, "check_kubernetes_deployments_item_0");

    workload::deployment(&namespace, 1).await;
    let template = namespace.get("deployments/web").await["spec"]["template"].clone();
    let mut unlimited = template.clone();
    unlimited["spec"]["containers"][0]["resources"] = Value::Null;
    namespace.patch("deployments/web", &json!({"spec": {"template": unlimited}})).await;
    namespace.until_ready("deployments/web").await;
    assert_fails(&check(&section).await, "check_kubernetes_resource_requirements_item_0");

    let mut never = template.clone();
    never["spec"]["containers"][0]["env"] = json!([{"name": "MODE", "value": "never"}]);
    namespace.patch("deployments/web", &json!({"spec": {"template": never}})).await;
    assert_fails(&check(&section).await, "check_kubernetes_deployments_are_ready_item_0");
}

#[tokio::test]
async fn a_cluster_that_is_away_is_not_connected() {
    let Some(cluster) = Cluster::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig()).unwrap().replace(":6443", ":6444");
    std::fs::write(&path, kubeconfig).unwrap();
    let namespace = cluster.namespace().await;
    let section = Section { kubeconfig: path.display().to_string(), ..Section::of(&namespace) };
    assert_fails(&check(&section).await, "check_kubernetes_connectivity");
}
