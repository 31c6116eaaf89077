//! Objects for the tests of this connector, shaped as an API server gives them.

use serde_json::{Value as Json, json};

use super::config::workload::WorkloadConfig;
use super::{FACTORY, KubernetesConfig};
use crate::connector::{ConnectorFactory, ConnectorName, Section};
use crate::decode::{Decoder, NoVariables, Node, Origin};
use crate::k8s::{Workload, WorkloadKind};
use crate::types::{Adjustment, Scalar};

/// The configuration of deployment `web` with this container and this strategy.
pub(super) fn config_of(containers: &Json, strategy: &Json, replicas: &Json) -> WorkloadConfig {
    let deployment = json!({ "name": "web", "containers": containers, "strategy": strategy, "replicas": replicas });
    let node = Node::from_json(&json!({ "deployments": [deployment] }), &Origin::whole("test"));
    let name = ConnectorName::new("kubernetes");
    let section = Section { name: &name, node: &node, prefix: "SERVO_KUBERNETES_" };
    let config: KubernetesConfig =
        Decoder::run(&NoVariables, |cx| FACTORY.parse(section, cx)).expect("the section is valid");
    config.deployments.into_iter().flatten().next().expect("a deployment")
}

/// The configuration of a container, with these keys beside or instead of the usual ones.
pub(super) fn container(name: &str, keys: &Json) -> Json {
    let mut container = json!({
        "name": name,
        "cpu": { "min": "125m", "max": 4, "step": "125m" },
        "memory": { "min": "128Mi", "max": "4Gi", "step": "128Mi" },
    });
    merge(&mut container, keys);
    container
}

/// Deployment `web` with container `main` adjusted by itself.
pub(super) fn saturation(keys: &Json) -> WorkloadConfig {
    config_of(&json!([container("main", keys)]), &json!("default"), &json!({ "min": 1, "max": 4 }))
}

/// Deployment `web` with container `main` and a tuning pod.
pub(super) fn canary(keys: &Json) -> WorkloadConfig {
    let strategy = json!({ "type": "canary", "alias": "tuning" });
    config_of(&json!([container("main", keys)]), &strategy, &json!({ "min": 1, "max": 4 }))
}

/// Deployment `web` in the cluster: one pod with containers `main` and `sidecar`. Keys replace those of `main`.
pub(super) fn workload(main: &Json) -> Workload {
    let mut container = json!({
        "name": "main",
        "image": "example/web:1.0",
        "ports": [{ "containerPort": 8480, "protocol": "TCP" }],
        "resources": {
            "requests": { "cpu": "125m", "memory": "128Mi" },
            "limits": { "cpu": "250m", "memory": "256Mi" },
        },
    });
    merge(&mut container, main);
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "default", "uid": "2", "generation": 1,
            "annotations": { "deployment.kubernetes.io/revision": "1" },
        },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app.kubernetes.io/name": "web" } },
            "template": {
                "metadata": {
                    "labels": { "app.kubernetes.io/name": "web" },
                    "annotations": { "note": "kept" },
                    "creationTimestamp": null,
                },
                "spec": {
                    "containers": [
                        container,
                        { "name": "sidecar", "image": "s:1", "resources": { "limits": { "cpu": "100m" } } },
                    ],
                    "initContainers": [{ "name": "proxy", "image": "p:1", "restartPolicy": "Always" }],
                    "restartPolicy": "Always",
                    "hostUsers": false,
                },
            },
        },
        "status": {
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{ "type": "Available", "status": "True" }, { "type": "Progressing", "status": "True" }],
        },
    });
    Workload::from_json(WorkloadKind::Deployment, object).expect("an object of the API")
}

/// An adjustment with a JSON number or string.
pub(super) fn adjustment(component: &str, setting: &str, value: &Json) -> Adjustment {
    let value = match value {
        Json::String(text) => Scalar::Text(text.clone()),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Scalar::Float(number.as_f64().expect("a double")), Scalar::Integer)
        }
        other => panic!("{other} is no value"),
    };
    Adjustment::new(component, setting, value)
}

fn merge(object: &mut Json, keys: &Json) {
    for (key, value) in keys.as_object().expect("keys are a mapping") {
        object[key] = value.clone();
    }
}

/// The workload after a strategic merge patch, as an API server does it: mappings are merged, null removes, lists of
/// containers and variables are merged by name.
pub(super) fn merged(workload: &Workload, patch: &Json) -> Workload {
    let mut after = workload.clone();
    let Some(spec) = patch.get("spec") else { return after };
    if let Some(replicas) = spec.get("replicas") {
        after.replicas = replicas.as_i64().and_then(|count| count.try_into().ok()).expect("a count");
    }
    if let Some(template) = spec.get("template") {
        merge_patch(&mut after.template, template);
    }
    after
}

fn merge_patch(target: &mut Json, patch: &Json) {
    match (target, patch) {
        (Json::Object(target), Json::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.shift_remove(key);
                } else {
                    merge_patch(target.entry(key).or_insert(Json::Null), value);
                }
            }
        }
        (Json::Array(target), Json::Array(patch)) => {
            for element in patch {
                let place = target.iter().position(|other| other["name"] == element["name"]);
                match (place, element["$patch"] == "delete") {
                    (Some(place), true) => drop(target.remove(place)),
                    (Some(place), false) => merge_patch(&mut target[place], element),
                    (None, is_delete) => assert!(!is_delete, "{element} is not there"),
                }
                if place.is_none() {
                    target.push(element.clone());
                }
            }
        }
        (target, patch) => {
            *target = match patch {
                Json::Object(_) => json!({}),
                other => return *target = other.clone(),
            };
            merge_patch(target, patch);
        }
    }
}

/// A pod of the newest revision in the cluster, running and ready, with these keys of its `status` replaced.
pub(super) fn pod(name: &str, status: &Json) -> k8s_openapi::api::core::v1::Pod {
    let mut whole = json!({
        "phase": "Running",
        "conditions": [{ "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": "True" }],
        "containerStatuses": [container_status(&json!({}))],
    });
    merge(&mut whole, status);
    let object = json!({ "metadata": { "name": name, "uid": format!("uid-{name}") }, "status": whole });
    serde_json::from_value(object).expect("an object of the API")
}

/// The status of container `main`, with these keys replaced.
pub(super) fn container_status(keys: &Json) -> Json {
    let mut status = json!({
        "name": "main", "ready": true, "restartCount": 0, "image": "example/web:1.0", "imageID": "",
        "state": { "running": { "startedAt": "2023-06-15T00:00:05Z" } },
    });
    merge(&mut status, keys);
    status
}
