//! The workload that is adjusted, and the agent's configuration for it.

use serde_json::{Value, json};

use crate::support::cluster::Namespace;

/// Holds the old values of a workload that may have to be rolled back.
pub(super) const RECORD: &str = "leases/servo-deployment-web";

/// The tuning pod.
pub(super) const TUNING: &str = "pods/web-tuning";

/// What the container does is decided by the variable `MODE`, which an adjustment may set: `exit`, also after many words
/// (`noisy`), never be ready, cease to be ready (`flaky`), or be ready after a while (`slow`).
/// Before it exits it stays a moment, as a container runtime may lose what is said last.
const SCRIPT: &str = "case $MODE in \
    exit) echo no way on; sleep 1; exit 3;; \
    noisy) seq 30000; echo no way on; sleep 1; exit 3;; \
    never) ;; \
    flaky) touch /tmp/ready; sleep 4; rm /tmp/ready;; \
    slow) sleep 8; touch /tmp/ready;; \
    *) touch /tmp/ready;; \
    esac; exec sleep 3600";

/// A container that is ready at once, and needs little.
fn container() -> Value {
    json!({
        "name": "main", "image": "localhost/busybox:1", "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/busybox", "sh", "-c", SCRIPT],
        "env": [{"name": "MODE", "value": "fine"}, {"name": "KEPT", "value": "as it is"}],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "50m", "memory": "32Mi"}},
        "readinessProbe": {
            "exec": {"command": ["/bin/busybox", "test", "-f", "/tmp/ready"]},
            "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5,
        },
    })
}

/// The HTTP service that holds 16 MB.
fn service_container() -> Value {
    json!({
        "name": "main", "image": "localhost/workload:1", "imagePullPolicy": "Never",
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
    })
}

fn workload(kind: &str, replicas: u32, container: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    });
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = "web".into();
    }
    object
}

/// The Deployment `web`, ready.
pub(super) async fn deployment(namespace: &Namespace, replicas: u32) -> Value {
    namespace.create(&workload("Deployment", replicas, &container())).await;
    namespace.until_ready("deployments/web").await
}

/// The `StatefulSet` `web`, ready.
pub(super) async fn stateful_set(namespace: &Namespace, replicas: u32) -> Value {
    namespace.create(&workload("StatefulSet", replicas, &container())).await;
    namespace.until_ready("statefulsets/web").await
}

/// Changes the first container of the Deployment or `StatefulSet` by a JSON merge patch, and its pods with it.
pub(super) async fn change_container(namespace: &Namespace, object: &str, change: &Value) -> Value {
    let mut template = namespace.get(object).await["spec"]["template"].clone();
    for (key, value) in change.as_object().unwrap() {
        template["spec"]["containers"][0][key] = value.clone();
    }
    namespace.patch(object, &json!({"spec": {"template": template}})).await
}

/// The Deployment `web` of HTTP services, ready.
pub(super) async fn service(namespace: &Namespace, replicas: u32) -> Value {
    namespace.create(&workload("Deployment", replicas, &service_container())).await;
    namespace.until_ready("deployments/web").await
}

/// The connector's section of a configuration, for the administrator and one workload.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) kubeconfig: String,
    pub(super) namespace: String,
    pub(super) kind: &'static str,
    pub(super) on_failure: &'static str,
    pub(super) timeout: &'static str,
    pub(super) settlement: &'static str,
    pub(super) is_canary: bool,
    /// More keys, as an object.
    pub(super) more: Value,
}

impl Section {
    pub(super) fn of(namespace: &Namespace) -> Self {
        Self {
            kubeconfig: namespace.cluster.kubeconfig().display().to_string(),
            namespace: namespace.name().to_owned(),
            kind: "deployments",
            on_failure: "exception",
            timeout: "30s",
            settlement: "0s",
            is_canary: false,
            more: json!({}),
        }
    }

    /// As YAML.
    pub(super) fn text(&self) -> String {
        let mut section = json!({
            "kubeconfig": self.kubeconfig, "namespace": self.namespace, "timeout": self.timeout,
            "settlement": self.settlement, "on_failure": self.on_failure,
            (self.kind): [{
                "name": "web",
                "replicas": {"min": 0, "max": 4},
                "containers": [{
                    "name": "main", "alias": "main",
                    "cpu": {"min": "50m", "max": "4", "step": "50m"},
                    "memory": {"min": "32Mi", "max": "512Mi", "step": "32Mi"},
                    "env": [{"name": "MODE", "type": "enum",
                        "values": ["fine", "better", "exit", "noisy", "never", "flaky", "slow"]}],
                }],
            }],
        });
        if self.is_canary {
            section[self.kind][0]["strategy"] = json!({"type": "canary", "alias": "tuning"});
        }
        for (key, value) in self.more.as_object().unwrap() {
            section[key] = value.clone();
        }
        format!("kubernetes: {section}\n")
    }
}

/// What an adjustment may change of a workload or pod, as it stands in the object.
pub(super) fn adjustable(object: &Value) -> Value {
    let pod = object["spec"].get("template").unwrap_or(object);
    let container = &pod["spec"]["containers"][0];
    json!({"replicas": object["spec"]["replicas"], "resources": container["resources"], "env": container["env"]})
}

/// Whether the specification of an object has changed.
pub(super) fn is_changed_since(first: &Value) -> impl Fn(&Value) -> bool {
    move |object| object["metadata"]["generation"] != first["metadata"]["generation"]
}

/// Requests and limits of a first container.
pub(super) fn resources(object: &Value) -> &Value {
    let pod = object["spec"].get("template").unwrap_or(object);
    &pod["spec"]["containers"][0]["resources"]
}

/// The pods of the workload that are not ending.
pub(super) async fn pods(namespace: &Namespace) -> Vec<Value> {
    let mut pods = namespace.list("pods?labelSelector=app%3Dweb").await;
    pods.retain(|pod| pod["metadata"].get("deletionTimestamp").is_none());
    pods
}
