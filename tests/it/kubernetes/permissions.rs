//! Checks of permissions: what is asked, and where.

use serde_json::{Value, json};

use super::{attached, none, section, stanza, web_section};
use crate::support::kube_api::cluster::{Cluster, deployment, namespace, workload};
use crate::support::kube_api::{Call, KubeApi};

const PERMISSIONS: &str = "check_kubernetes_permissions";

fn reviews(api: &KubeApi) -> Vec<Value> {
    let is_review = |call: &Call| call.path.ends_with("/selfsubjectaccessreviews");
    api.calls().into_iter().filter(is_review).map(|call| call.body["spec"]["resourceAttributes"].clone()).collect()
}

/// `web` in the namespace `default`, `api` in `other`.
async fn two_namespaces() -> (KubeApi, Value) {
    let objects = [deployment("web", 1), workload("Deployment", "other", "api", 1)].concat();
    let namespaces = ["default", "other"].map(namespace);
    let api = KubeApi::start(objects.into_iter().chain(namespaces), Cluster::healthy()).await;
    (api, section(&[stanza("web", &none()), stanza("api", &json!({"namespace": "other"}))], &none()))
}

#[tokio::test]
async fn the_permission_check_asks_in_each_namespace() {
    let (api, section) = two_namespaces().await;
    let servo = attached(&api, &section).await;
    let checks = servo.check().await.unwrap();
    assert!(checks.iter().all(|check| check.success), "{checks:?}");
    let asked = |namespace: &str| reviews(&api).iter().filter(|asked| asked["namespace"] == namespace).count();
    assert!(asked("default") > 0 && asked("other") > 0);
}

#[tokio::test]
async fn a_permission_that_is_missing_in_one_namespace_is_named_with_it() {
    let (api, section) = two_namespaces().await;
    let servo = attached(&api, &section).await;
    api.allow(|asked| asked["namespace"] != "other" || asked["verb"] != "patch");
    let checks = servo.check().await.unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| !check.success).collect();
    assert_eq!(failed.len(), 1, "{checks:?}");
    assert_eq!(failed[0].id, PERMISSIONS);
    let message = failed[0].message.clone().unwrap_or_default();
    for text in ["patch", "deployments", "other"] {
        assert!(message.contains(text), "{text:?} is not in {message:?}");
    }
}

#[tokio::test]
async fn asking_twice_asks_the_same() {
    let (api, section) = two_namespaces().await;
    let servo = attached(&api, &section).await;
    servo.check().await.unwrap();
    let first = reviews(&api);
    api.forget_calls();
    servo.check().await.unwrap();
    assert!(!first.is_empty());
    assert_eq!(first, reviews(&api));
}

#[tokio::test]
async fn logs_are_among_the_permissions_where_they_are_wanted() {
    let api = KubeApi::start(deployment("web", 1).into_iter().chain([namespace("default")]), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&json!({"container_logs_in_error_status": true}))).await;
    servo.check().await.unwrap();
    let is_log = |asked: &Value| asked["resource"] == "pods" && asked["subresource"] == "log" && asked["verb"] == "get";
    assert!(reviews(&api).iter().any(is_log), "{:?}", reviews(&api));
}
