//! An application that the agent is led to optimize: its objects, the traffic that it has, and the Prometheus that
//! scrapes it.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::cluster::{Cluster, Namespace};
use crate::support::components::component;
use crate::support::http_server::HttpServer;
use crate::support::prometheus::Prometheus;
use crate::support::servo_bin::ServoBin;

use crate::session::with_optimizer;

/// Requests per second of all users.
pub(super) const RATE: u32 = 30;

/// The real programs, and the cluster that has the image of the sidecar.
pub(super) struct Programs {
    pub(super) cluster: Cluster,
    pub(super) prometheus: PathBuf,
    vegeta: PathBuf,
}

impl Programs {
    /// `None` after a visible word, where one of them cannot be had.
    pub(super) async fn get() -> Option<Self> {
        let cluster = Cluster::shared()?;
        let programs = Self { cluster, prometheus: component("prometheus-3")?, vegeta: component("vegeta")? };
        Cluster::load(component("image-envoy")?).await;
        Some(programs)
    }
}

/// The bare Deployment `shop`.
pub(super) fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                    "name": "main", "image": "localhost/workload:1", "imagePullPolicy": "Never",
                    "ports": [{"containerPort": 8080}],
                    "env": [{"name": "WORK_US", "value": "2000"}, {"name": "WORKERS", "value": "8"}],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "250m", "memory": "128Mi"},
                    },
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                }]},
            },
        },
    })
}

/// The same as the checks and remedies leave it.
pub(super) fn onboarded_deployment() -> Value {
    let mut deployment = deployment();
    let template = &mut deployment["spec"]["template"];
    template["metadata"] = json!({
        "labels": {
            "app": "shop", "sidecar.opsani.com/type": "envoy", "servo.opsani.com/optimizer": "dev.opsani.com_app",
        },
        "annotations": {
            "prometheus.opsani.com/scrape": "true", "prometheus.opsani.com/scheme": "http",
            "prometheus.opsani.com/path": "/stats/prometheus", "prometheus.opsani.com/port": "9901",
            "servo.opsani.com/optimizer": "dev.opsani.com/app",
        },
    });
    template["spec"]["containers"].as_array_mut().unwrap().push(json!({
        "name": "opsani-envoy", "image": "opsani/envoy-proxy:v1.24.0", "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "OPSANI_ENVOY_PROXY_SERVICE_PORT", "value": "9980"},
            {"name": "OPSANI_ENVOY_PROXIED_CONTAINER_PORT", "value": "8080"},
            {"name": "OPSANI_ENVOY_PROXY_METRICS_PORT", "value": "9901"},
        ],
        "ports": [
            {"name": "opsani-proxy", "containerPort": 9980}, {"name": "opsani-metrics", "containerPort": 9901},
        ],
        "resources": {
            "requests": {"cpu": "125m", "memory": "128Mi"}, "limits": {"cpu": "250m", "memory": "256Mi"},
        },
    }));
    deployment
}

/// The Service `shop`, which sends its requests to this port of the pods.
pub(super) fn service(target: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"},
        "spec": {"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80, "targetPort": target}]},
    })
}

/// What the checks ask of the servo's own namespace: its pod, with a container for Prometheus, and a `ConfigMap`.
pub(super) fn servo() -> [Value; 2] {
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prometheus-config"},
        "data": {"prometheus.yml": ""},
    });
    [config, servo_pod("servo", &json!({}))]
}

/// A pod like the servo's, with a container for Prometheus that has these keys. Nothing runs in it.
pub(super) fn servo_pod(name: &str, prometheus: &Value) -> Value {
    let idle = json!({
        "image": "localhost/busybox:1", "imagePullPolicy": "Never", "command": ["/bin/busybox", "sleep", "3600"],
    });
    let [mut servo, mut beside] = [idle.clone(), idle];
    servo["name"] = "servo".into();
    beside["name"] = "prometheus".into();
    beside["ports"] = json!([{"containerPort": 9090}]);
    for (key, value) in prometheus.as_object().unwrap() {
        beside[key] = value.clone();
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0, "containers": [servo, beside],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    })
}

/// A Prometheus that scrapes the pods of a namespace whose annotations ask for it.
pub(super) async fn prometheus(program: PathBuf, namespace: &Namespace) -> Prometheus {
    let config = include_str!("prometheus.yml")
        .replace("KUBECONFIG", &namespace.cluster.kubeconfig().display().to_string())
        .replace("NAMESPACE", namespace.name());
    Prometheus::start(program, &config).await
}

/// The section of the connector for `shop`, with keys that differ.
pub(super) fn section(namespace: &Namespace, prometheus: &Prometheus, keys: &Value) -> String {
    let mut section = json!({
        "namespace": namespace.name(), "deployment": "shop", "container": "main", "service": "shop",
        "prometheus_base_url": prometheus.url, "timeout": "1m",
        "cpu": {"min": "50m", "max": "500m", "step": "50m"},
        "memory": {"min": "64Mi", "max": "512Mi", "step": "32Mi"},
    });
    for (key, value) in keys.as_object().unwrap() {
        section[key] = value.clone();
    }
    format!("opsani_dev: {section}\n")
}

/// The binary with these sections, as the administrator of the cluster.
pub(super) fn servo_of(sections: &str, cluster: &Cluster, optimizer: &HttpServer) -> ServoBin {
    let kubeconfig = cluster.kubeconfig().display().to_string();
    ServoBin::configured(&with_optimizer(optimizer, sections)).env("KUBECONFIG", &kubeconfig)
}

/// Users of a Service, each request by a connection of its own, so that new pods get their share. They go with this
/// value.
pub(super) struct Users {
    _attack: Child,
    _targets: tempfile::NamedTempFile,
}

impl Users {
    pub(super) fn of(programs: &Programs, service: &Value) -> Self {
        let targets = tempfile::NamedTempFile::new().unwrap();
        let address = service["spec"]["clusterIP"].as_str().unwrap();
        std::fs::write(targets.path(), format!("GET http://{address}/\n")).unwrap();
        let attack = Command::new(&programs.vegeta)
            .args(["attack", "-keepalive=false", "-timeout=2s", &format!("-rate={RATE}")])
            .arg(format!("-targets={}", targets.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { _attack: attack, _targets: targets }
    }
}
