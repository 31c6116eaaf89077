//! The checks of the Kubernetes connector, by `servo check` on a scripted API server.

use serde_json::{Value, json};

use crate::support::kube_api::cluster::{Cluster, namespace, stateful_set, workload};
use crate::support::kube_api::{Key, KubeApi};
use crate::support::servo_bin::ServoBin;

/// Deployment `web` and stateful set `db` in namespace `default`, Deployment `far` in namespace `other`.
async fn api() -> KubeApi {
    let objects = [namespace("default"), namespace("other")]
        .into_iter()
        .chain(workload("Deployment", "default", "web", 1))
        .chain(workload("Deployment", "other", "far", 1))
        .chain(stateful_set("db", 1));
    KubeApi::start(objects, Cluster::healthy()).await
}

fn config(deployments: &[(&str, Value)], stateful_sets: &[(&str, Value)]) -> String {
    let stanza = |(name, keys): &(&str, Value)| {
        let mut stanza = json!({
            "name": name,
            "replicas": {"min": 1, "max": 2},
            "containers": [{
                "name": "main",
                "cpu": {"min": "125m", "max": 1, "step": "125m"},
                "memory": {"min": "128Mi", "max": "1Gi", "step": "128Mi", "get": ["limit"]},
            }],
        });
        stanza.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        stanza
    };
    let all = |stanzas: &[(&str, Value)]| stanzas.iter().map(stanza).collect::<Vec<_>>();
    json!({
        "optimizer": {"id": "dev.opsani.com/app", "token": "t"},
        "kubernetes": {"deployments": all(deployments), "stateful_sets": all(stateful_sets)},
    })
    .to_string()
}

/// Everything that there is to check.
fn everything() -> String {
    let far = json!({"namespace": "other", "container_logs_in_error_status": true});
    config(&[("web", json!({})), ("far", far)], &[("db", json!({}))])
}

/// The checks that ran.
async fn checks(api: &KubeApi, config: &str) -> Vec<Value> {
    let servo = ServoBin::configured(config).env("KUBECONFIG", &api.kubeconfig().display().to_string());
    let finished = servo.run("check kubernetes --output json").await;
    let servos: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    servos[0]["checks"].as_array().unwrap().clone()
}

/// The checks that failed: id, message and hint.
async fn failures(api: &KubeApi, config: &str) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = checks(api, config).await;
    let failed = checks.iter().filter(|check| check["success"] == false);
    failed.map(|check| [text(&check["id"]), text(&check["message"]), text(&check["hint"])]).collect()
}

#[tokio::test]
async fn everything_is_checked_in_order() {
    let api = api().await;
    let checks = checks(&api, &everything()).await;
    let found: Vec<_> = checks
        .iter()
        .map(|check| {
            assert_eq!((&check["success"], &check["message"]), (&json!(true), &Value::Null), "{check}");
            ["id", "severity", "name"].map(|key| check[key].as_str().unwrap())
        })
        .collect();
    let expected = [
        ["check_kubernetes_connectivity", "critical", "Connectivity to Kubernetes"],
        ["check_kubernetes_version", "warning", "Kubernetes version"],
        ["check_kubernetes_permissions", "critical", "Required permissions"],
        ["check_kubernetes_namespace", "critical", "Namespace \"default\" is readable"],
        ["check_kubernetes_deployments_item_0", "common", "Deployment \"web\" is readable"],
        ["check_kubernetes_deployments_item_1", "common", "Deployment \"far\" is readable"],
        ["check_kubernetes_statefulsets_item_0", "common", "StatefulSet \"db\" is readable"],
        [
            "check_kubernetes_resource_requirements_item_0",
            "common",
            "Containers in the \"web\" Deployment have resource requirements",
        ],
        [
            "check_kubernetes_resource_requirements_item_1",
            "common",
            "Containers in the \"far\" Deployment have resource requirements",
        ],
        [
            "check_kubernetes_stateful_set_resource_requirements_item_0",
            "common",
            "Containers in the \"db\" StatefulSet have resource requirements",
        ],
        ["check_kubernetes_deployments_are_ready_item_0", "common", "Deployment \"web\" is ready"],
        ["check_kubernetes_deployments_are_ready_item_1", "common", "Deployment \"far\" is ready"],
        ["check_kubernetes_stateful_sets_are_ready_item_0", "common", "StatefulSet \"db\" is ready"],
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn permissions_are_asked_for_in_each_namespace_by_what_is_used_there() {
    let api = api().await;
    checks(&api, &everything()).await;
    let calls = api.calls();
    let asked: Vec<&Value> = calls
        .iter()
        .filter(|call| call.summary() == "POST selfsubjectaccessreviews")
        .map(|call| &call.body["spec"]["resourceAttributes"])
        .collect();
    let of = |namespace: &str, resource: &str| {
        asked.iter().filter(|asked| asked["namespace"] == namespace && asked["resource"] == resource).count()
    };
    assert_eq!((of("default", "deployments"), of("other", "deployments")), (5, 5));
    assert_eq!((of("default", "statefulsets"), of("other", "statefulsets")), (5, 0));
    assert_eq!(asked.len(), 31 + 27);
    let logs: Vec<_> = asked.iter().filter(|asked| asked["subresource"] == "log").collect();
    assert_eq!(logs.len(), 1);
    assert_eq!((&logs[0]["namespace"], &logs[0]["verb"]), (&json!("other"), &json!("get")));
}

#[tokio::test]
async fn everything_that_is_not_allowed_is_told_with_the_rules_to_add() {
    let api = api().await;
    api.allow(|asked| asked["resource"] != "statefulsets" && asked["subresource"] != "log");
    let failures = failures(&api, &everything()).await;
    let [[id, message, hint]] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!(id, "check_kubernetes_permissions");
    assert!(message.starts_with("Not allowed to \"get\" resource \"statefulsets\" in namespace \"default\"; "));
    assert!(message.ends_with("Not allowed to \"get\" resource \"pods/log\" in namespace \"other\""), "{message}");
    let rules = "\
add to the rules of the servo's Role in namespace \"default\":
- apiGroups: [\"apps\"]
  resources: [\"statefulsets\"]
  verbs: [\"get\", \"list\", \"watch\", \"update\", \"patch\"]
add to the rules of the servo's Role in namespace \"other\":
- apiGroups: [\"\"]
  resources: [\"pods/log\"]
  verbs: [\"get\"]";
    assert_eq!(hint, rules);
}

#[tokio::test]
async fn what_is_wrong_with_a_workload_is_told() {
    let api = api().await;
    api.change(|objects| {
        objects.update(&Key::deployment("default", "web"), |web| {
            web["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"memory": "1Gi"}});
        });
        objects.update(&Key::deployment("other", "far"), |far| {
            far["status"]["conditions"] = json!([
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "False", "reason": "Deadline", "message": "it took too long"},
            ]);
        });
        objects.remove(&Key::stateful_set("default", "db"));
    });
    let failures = failures(&api, &everything()).await;
    let told = |id: &str| {
        let found = failures.iter().find(|[found, ..]| found == id).unwrap_or_else(|| panic!("{failures:#?}"));
        (found[1].as_str(), found[2].as_str())
    };
    let (message, hint) = told("check_kubernetes_resource_requirements_item_0");
    assert!(
        message
            .ends_with("does not define the resource memory. At least one of the following must be specified: limits")
    );
    assert_eq!(hint, "kubectl -n default set resources deployment/web -c main --limits=memory=QUANTITY");
    let (message, _) = told("check_kubernetes_deployments_are_ready_item_1");
    assert!(message.contains("it took too long") && message.contains("Deadline"), "{message}");
    let (message, hint) = told("check_kubernetes_statefulsets_item_0");
    assert!(message.contains("\"db\"") && hint.contains("kubectl -n default get statefulsets"), "{message} {hint}");
}

#[tokio::test]
async fn an_old_cluster_is_a_warning_and_a_missing_container_is_named() {
    let api = api().await;
    api.set_version(json!({"major": "1", "minor": "15+", "platform": "linux/amd64"}));
    let sidecar = json!([{
        "name": "sidecar",
        "cpu": {"min": "125m", "max": 1, "step": "125m"},
        "memory": {"min": "128Mi", "max": "1Gi", "step": "128Mi"},
    }]);
    let failures = failures(&api, &config(&[("web", json!({"containers": sidecar}))], &[])).await;
    let ids: Vec<&str> = failures.iter().map(|[id, ..]| id.as_str()).collect();
    assert_eq!(ids, ["check_kubernetes_version", "check_kubernetes_resource_requirements_item_0"]);
    assert_eq!(failures[0][1], "Kubernetes 1.15+ is older than 1.16");
    assert!(failures[1][1].contains("no container named \"sidecar\""), "{failures:?}");
}
