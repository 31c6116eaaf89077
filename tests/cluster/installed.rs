//! The chart and the kustomize base on the real cluster: an agent in a pod, with the rights of its `ServiceAccount`, that
//! checks, measures and adjusts, and leaves nothing behind.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::image::image;
use crate::support::cluster::{BOUND, Cluster, Namespace};
use crate::support::helm::Helm;
use crate::support::http_server::{HttpServer, Reply, Request};
use crate::workload;

/// This machine, as pods see it.
const MACHINE: &str = "10.89.255.2";

/// An optimizer that pods reach, which gives the commands of a test.
struct Optimizer {
    server: HttpServer,
    commands: Arc<Mutex<VecDeque<Value>>>,
}

impl Optimizer {
    async fn start() -> Self {
        let commands = Arc::<Mutex<VecDeque<Value>>>::default();
        let given = Arc::clone(&commands);
        let listener = TcpListener::bind((MACHINE, 0)).await.unwrap();
        let server = HttpServer::on(listener, move |request| {
            if request.event() != "WHATS_NEXT" {
                return Reply::ok();
            }
            let idle = || json!({"cmd": "SLEEP", "param": {"duration": 0.1, "data": {"reason": "idle"}}});
            Reply::Json(200, given.lock().unwrap().pop_front().unwrap_or_else(idle))
        });
        Self { server, commands }
    }

    fn section(&self) -> Value {
        json!({"id": "dev.example.com/app", "base_url": self.server.url()})
    }

    /// Gives a command, and waits for the answer to it.
    async fn command(&self, command: &str, param: Value, answer: &str) -> Value {
        self.commands.lock().unwrap().push_back(json!({"cmd": command, "param": param}));
        let completion = self
            // A successful measurement has no status.
            .until(answer, |request| ["status", "metrics"].iter().any(|key| request.param().get(*key).is_some()))
            .await;
        completion.param()
    }

    /// Waits for a report that is as wanted.
    async fn until(&self, event: &str, is_wanted: impl Fn(&Request) -> bool) -> Request {
        let end = Instant::now() + BOUND;
        loop {
            let found =
                self.server.requests().into_iter().find(|request| request.event() == event && is_wanted(request));
            if let Some(request) = found {
                return request;
            }
            assert!(Instant::now() < end, "no {event}: {:#?}", self.server.requests());
            sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

/// Runs kubectl in the namespace, with this text on standard input; what it prints.
async fn kubectl(namespace: &Namespace, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(namespace.cluster.kubeconfig()).args(["--namespace", namespace.name()]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything in the namespace, but for what reports on it and the pods and revisions of Deployments.
async fn objects(namespace: &Namespace) -> BTreeSet<String> {
    let kinds = kubectl(namespace, &["api-resources", "--namespaced", "--verbs=list", "--output=name"], "").await;
    let kinds: Vec<&str> =
        kinds.lines().filter(|kind| !kind.contains("events") && *kind != "pods.metrics.k8s.io").collect();
    let listed =
        kubectl(namespace, &["get", &kinds.join(","), "--output=name", "--selector=!pod-template-hash"], "").await;
    listed.lines().map(str::to_owned).collect()
}

/// The workload, which is measured by the metrics API.
async fn measured_workload(namespace: &Namespace) {
    workload::deployment(namespace, 1).await;
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods", namespace.name());
    let end = Instant::now() + BOUND;
    while namespace.cluster.send("GET", &path, None).await.unwrap()["items"].as_array().unwrap().is_empty() {
        assert!(Instant::now() < end, "no metrics");
        sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Sections for the workload; `more` is for the workload.
fn sections(more: &Value) -> Value {
    let mut workload = json!({
        "name": "web", "replicas": {"min": 1, "max": 2},
        "containers": [{
            "name": "main", "alias": "main", "cpu": {"min": "50m", "max": "1", "step": "50m"},
            "memory": {"min": "32Mi", "max": "128Mi", "step": "32Mi"},
        }],
    });
    workload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "kubernetes": {"timeout": "40s", "settlement": "0s", "deployments": [workload]},
        "kube_metrics": {"name": "web", "container": "main", "metrics_to_collect": ["main_cpu_usage"]},
    })
}

/// Installs the objects, has the agent do all of its work with this component, and removes it.
async fn works_and_goes(namespace: &Namespace, optimizer: &Optimizer, manifests: &str, name: &str, component: &str) {
    let before = objects(namespace).await;
    kubectl(namespace, &["apply", "--filename=-"], manifests).await;
    optimizer.until("HELLO", |_| true).await;

    let checked = kubectl(namespace, &["exec", &format!("deployment/{name}"), "--", "/bin/servo", "check"], "").await;
    assert!(!checked.is_empty());
    let control = json!({"metrics": [], "control": {"duration": 1}});
    let measurement = optimizer.command("MEASURE", control, "MEASUREMENT").await;
    assert!(measurement.to_string().contains("main_cpu_usage"), "{measurement:#}");
    let state = json!({"application": {"components": {component: {"settings": {"cpu": {"value": 0.1}}}}}});
    let adjustment = optimizer.command("ADJUST", json!({"state": state, "control": {}}), "ADJUSTMENT").await;
    assert_eq!(adjustment["status"], "ok", "{adjustment:#}");
    assert_eq!(adjustment["state"]["application"]["components"][component]["settings"]["cpu"]["value"], 0.1);

    kubectl(namespace, &["delete", "--filename=-", "--cascade=foreground", "--timeout=60s"], manifests).await;
    optimizer.until("GOODBYE", |_| true).await;
    assert_eq!(objects(namespace).await, before);
}

#[tokio::test]
async fn the_chart_installs_an_agent_that_works_and_goes() {
    let Some(cluster) = Cluster::shared() else { return };
    let Some(helm) = Helm::find() else { return };
    let (image, namespace, optimizer) = (image().await, cluster.namespace().await, Optimizer::start().await);
    measured_workload(&namespace).await;
    let mut config = sections(&json!({}));
    config["optimizer"] = optimizer.section();
    let (repository, tag) = image.rsplit_once(':').unwrap();
    let values = json!({
        "config": config, "token": {"value": "s3cr3t"}, "image": {"repository": repository, "tag": tag},
    });
    let manifests = helm.render("shop", namespace.name(), &values).text;
    works_and_goes(&namespace, &optimizer, &manifests, "servo-shop", "main").await;
    let web = namespace.get("deployments/web").await;
    assert_eq!(workload::resources(&web)["requests"]["cpu"], "100m");
}

/// An overlay of the base, as a user writes one.
fn overlay(folder: &Path, namespace: &str, image: &str, config: &Value) {
    let (name, tag) = image.rsplit_once(':').unwrap();
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/base");
    // A base is named by a relative path.
    let base =
        format!("{}{}", "../".repeat(folder.components().count() - 1), base.strip_prefix("/").unwrap().display());
    let rule = json!({"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["get", "list"]});
    let patch = json!([{"op": "add", "path": "/rules/-", "value": rule}]).to_string();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": namespace,
        "resources": [base], "images": [{"name": "servo", "newName": name, "newTag": tag}],
        "configMapGenerator": [{"name": "servo-config", "behavior": "replace", "files": ["servo.yaml"]}],
        "secretGenerator": [{
            "name": "servo-optimizer", "literals": ["token=s3cr3t"], "options": {"disableNameSuffixHash": true},
        }],
        "patches": [{"target": {"kind": "Role", "name": "servo"}, "patch": patch}],
    });
    std::fs::write(folder.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    std::fs::write(folder.join("servo.yaml"), config.to_string()).unwrap();
}

#[tokio::test]
async fn the_base_installs_an_agent_with_a_tuning_pod_that_works_and_goes() {
    let Some(cluster) = Cluster::shared() else { return };
    let (image, namespace, optimizer) = (image().await, cluster.namespace().await, Optimizer::start().await);
    measured_workload(&namespace).await;
    let mut config = sections(&json!({"strategy": {"type": "canary", "alias": "tuning"}}));
    config["optimizer"] = optimizer.section();
    config["kube_metrics"]["namespace"] = namespace.name().into();
    // What its Role allows.
    config["kubernetes"]["permissions"] = json!([
        {"group": "", "resources": ["namespaces"], "verbs": ["get"]},
        {"group": "apps", "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch"]},
        {"group": "apps", "resources": ["replicasets"], "verbs": ["get", "list"]},
        {"group": "", "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "delete"]},
    ]);
    let folder = tempfile::tempdir().unwrap();
    overlay(folder.path(), namespace.name(), image, &config);
    let manifests = kubectl(&namespace, &["kustomize", &folder.path().display().to_string()], "").await;
    works_and_goes(&namespace, &optimizer, &manifests, "servo", "tuning").await;
    assert!(namespace.get(workload::TUNING).await.is_null());
}
