//! `servo check` against a cluster: with all right, and with each single thing wrong.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::session::configuration;
use crate::support::cluster::{Cluster, Namespace};
use crate::support::http_server::{HttpServer, Reply};
use crate::support::servo_bin::{Finished, ServoBin};
use crate::workload::{self, Section};

async fn check(section: &Section) -> Finished {
    let optimizer = HttpServer::start(|_| Reply::ok()).await;
    ServoBin::configured(&configuration(&optimizer, section)).run("check --output json").await
}

#[track_caller]
fn assert_passes(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

/// The check of this id has failed, and its message has this text; the message.
#[track_caller]
fn assert_fails(finished: &Finished, id: &str, text: &str) -> String {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    let mut checks = told.get(0).unwrap_or(&told)["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["id"] == id).unwrap_or_else(|| panic!("{id}: {told:#}"));
    let message = check["message"].as_str().unwrap_or_default();
    assert!(check["success"] == false && message.contains(text), "{text}: {check:#}");
    message.to_owned()
}

/// All that the checks ask for, in one namespace.
fn rules() -> Value {
    let verbs = ["get", "list", "watch", "update", "patch"];
    let verbs_of_pods = ["create", "delete", "get", "list", "watch"];
    json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": verbs_of_pods},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/logs", "pods/status"], "verbs": verbs_of_pods},
    ])
}

fn rules_without(verb: &str, resource: &str) -> Value {
    let mut rules = rules();
    let all = rules.as_array_mut().unwrap();
    let rule = all.iter_mut().find(|rule| rule["resources"][0] == resource).unwrap();
    rule["verbs"].as_array_mut().unwrap().retain(|allowed| allowed != verb);
    // A rule without verbs is none.
    all.retain(|rule| rule["verbs"] != json!([]));
    rules
}

async fn check_as(section: &Section, namespace: &Namespace, rules: Value) -> Finished {
    let account = namespace.account(rules).await;
    check(&Section { kubeconfig: account.kubeconfig(), ..section.clone() }).await
}

fn with_logs(section: Section) -> Section {
    Section { more: json!({"container_logs_in_error_status": true}), ..section }
}

#[tokio::test]
async fn a_cluster_with_all_right_passes() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let section = Section::of(&namespace);
    let canary = with_logs(Section { is_canary: true, ..section.clone() });
    assert_passes(&check(&section).await);
    assert_passes(&check_as(&section, &namespace, rules()).await);
    assert_passes(&check_as(&canary, &namespace, rules()).await);
    // What is not used need not be allowed.
    assert_passes(&check_as(&section, &namespace, rules_without("get", "pods/log")).await);
    assert_passes(&check_as(&section, &namespace, rules_without("get", "statefulsets")).await);
    namespace.delete("deployments/web").await;

    workload::stateful_set(&namespace, 1).await;
    assert_passes(&check_as(&Section { kind: "stateful_sets", ..section }, &namespace, rules()).await);
}

#[tokio::test]
async fn each_permission_that_is_missing_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let deployment = with_logs(Section::of(&namespace));
    let canary = Section { is_canary: true, ..deployment.clone() };
    let stateful_set = Section { kind: "stateful_sets", ..deployment.clone() };
    let checks = [
        (&deployment, "get", "deployments"),
        (&deployment, "watch", "deployments"),
        (&deployment, "patch", "deployments"),
        (&deployment, "list", "replicasets"),
        (&deployment, "get", "pods"),
        (&deployment, "list", "pods"),
        (&deployment, "watch", "pods"),
        (&canary, "create", "pods"),
        (&canary, "delete", "pods"),
        (&deployment, "get", "pods/log"),
        (&deployment, "get", "namespaces"),
        (&stateful_set, "patch", "statefulsets"),
        (&stateful_set, "watch", "statefulsets"),
    ];
    join_all(checks.map(async |(section, verb, resource)| {
        let finished = check_as(section, &namespace, rules_without(verb, resource)).await;
        let denial = format!("Not allowed to \"{verb}\" resource \"{resource}\" in namespace \"{}\"", namespace.name());
        assert_eq!(assert_fails(&finished, "check_kubernetes_permissions", &denial), denial);
    }))
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_named_also_where_no_permissions_are_asked_for() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let section = Section { more: json!({"permissions": []}), ..Section::of(&namespace) };
    for (resource, id) in
        [("namespaces", "check_kubernetes_namespace"), ("deployments", "check_kubernetes_deployments_item_0")]
    {
        let finished = check_as(&section, &namespace, rules_without("get", resource)).await;
        assert_fails(&finished, id, "forbidden");
    }
    let absent = Section { namespace: "there-is-none".to_owned(), ..section };
    assert_fails(&check(&absent).await, "check_kubernetes_namespace", "there-is-none");
}

/// The ids of checks of one kind of workload.
struct Ids {
    readable: &'static str,
    requirements: &'static str,
    ready: &'static str,
}

async fn assert_named(section: &Section, namespace: &Namespace, object: &str, ids: &Ids) {
    let named = json!({"name": "other"});
    let unlimited = json!({"resources": null});
    let never_ready = json!({"env": [{"name": "MODE", "value": "never"}]});
    let first = namespace.get(object).await["spec"]["template"].clone();
    for (change, id, text) in [
        (named, ids.requirements, "no container named \"main\""),
        (unlimited, ids.requirements, "does not define the resource"),
        (never_ready, ids.ready, "is not ready"),
    ] {
        workload::change_container(namespace, object, &change).await;
        assert_fails(&check(section).await, id, text);
        namespace.patch(object, &json!({"spec": {"template": first}})).await;
    }
    namespace.delete(object).await;
    namespace.until(object, "gone", Value::is_null).await;
    assert_fails(&check(section).await, ids.readable, "not found");
}

#[tokio::test]
async fn what_is_wrong_with_a_deployment_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let ids = Ids {
        readable: "check_kubernetes_deployments_item_0",
        requirements: "check_kubernetes_resource_requirements_item_0",
        ready: "check_kubernetes_deployments_are_ready_item_0",
    };
    assert_named(&Section::of(&namespace), &namespace, "deployments/web", &ids).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_stateful_set_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::stateful_set(&namespace, 1).await;
    let section = Section { kind: "stateful_sets", ..Section::of(&namespace) };
    let ids = Ids {
        readable: "check_kubernetes_statefulsets_item_0",
        requirements: "check_kubernetes_stateful_set_resource_requirements_item_0",
        ready: "check_kubernetes_stateful_sets_are_ready_item_0",
    };
    assert_named(&section, &namespace, "statefulsets/web", &ids).await;
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
    assert_fails(&check(&section).await, "check_kubernetes_connectivity", "no answer");
}
