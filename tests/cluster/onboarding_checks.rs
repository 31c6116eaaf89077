//! Each check of the way to an application that can be optimized, with its condition alone broken: that check fails and
//! no other, and says what to do. Where that is a command, it is run as it stands, and the check passes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::session::with_optimizer;
use crate::shop::{self, Programs};
use crate::support::cluster::Namespace;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::prometheus::Prometheus;
use crate::support::servo_bin::ServoBin;

/// An onboarded application without users, and who asks about it.
struct Prepared {
    namespace: Namespace,
    prometheus: Prometheus,
    optimizer: HttpServer,
}

/// One thing that is broken.
struct Case {
    id: &'static str,
    /// Keys of the section that differ.
    keys: Value,
    environment: Vec<(&'static str, String)>,
    /// What the failure says, and its hint.
    said: &'static str,
    hint: &'static str,
}

impl Case {
    fn new(id: &'static str, said: &'static str, hint: &'static str) -> Self {
        Self { id, keys: json!({}), environment: Vec::new(), said, hint }
    }

    fn with(self, keys: Value) -> Self {
        Self { keys, ..self }
    }

    /// With the Deployment of this name.
    fn of(self, deployment: &str) -> Self {
        self.with(json!({"deployment": deployment}))
    }

    /// As if the servo were in this pod.
    fn in_pod(self, namespace: &Namespace, name: &str) -> Self {
        let environment = vec![("POD_NAMESPACE", namespace.name().to_owned()), ("POD_NAME", name.to_owned())];
        Self { environment, ..self }
    }

    /// What the configuration gives the container need not be in its template.
    fn with_cpu_request(mut self) -> Self {
        self.keys["cpu"] = json!({"min": "50m", "max": "500m", "step": "50m", "request": "100m"});
        self
    }

    fn by_account(self, kubeconfig: String) -> Self {
        Self { environment: vec![("KUBECONFIG", kubeconfig)], ..self }
    }
}

impl Prepared {
    async fn new(programs: &Programs) -> Self {
        let namespace = programs.cluster.namespace().await;
        for object in shop::servo().iter().chain([&shop::onboarded_deployment(), &shop::service(9980)]) {
            namespace.create(object).await;
        }
        let prometheus = shop::prometheus(programs.prometheus.clone(), &namespace).await;
        namespace.until_ready("deployments/shop").await;
        namespace.until_pod_ready("pods/servo").await;
        let optimizer = HttpServer::start(|_| Reply::ok()).await;
        Self { namespace, prometheus, optimizer }
    }

    fn servo(&self, case: &Case) -> ServoBin {
        let sections = shop::section(&self.namespace, &self.prometheus, &case.keys);
        let kubeconfig = self.kubeconfig();
        let servo = ServoBin::configured(&with_optimizer(&self.optimizer, &sections)).env("KUBECONFIG", &kubeconfig);
        case.environment.iter().fold(servo, |servo, (name, value)| servo.env(name, value))
    }

    fn kubeconfig(&self) -> String {
        self.namespace.cluster.kubeconfig().display().to_string()
    }

    /// The failure of the check, which is the only one of it and those that it stands on.
    async fn failure(&self, case: &Case) -> Option<Value> {
        let finished = self.servo(case).run(&format!("check opsani_dev --id {} --output json", case.id)).await;
        let told: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
        let checks = told.get(0).unwrap_or(&told)["checks"].as_array().unwrap();
        let failing: Vec<_> = checks.iter().filter(|check| check["success"] == false).collect();
        assert!(checks.iter().any(|check| check["id"] == case.id) && failing.len() <= 1, "{}: {told:#}", case.id);
        failing.first().map(|&check| check.clone())
    }

    /// It fails for the right reason, and only it; the hint.
    async fn assert_fails(&self, case: &Case) -> String {
        let Some(check) = self.failure(case).await else { panic!("{} passes", case.id) };
        let [message, hint] = ["message", "hint"].map(|key| check[key].as_str().unwrap_or_default());
        let is_expected = check["id"] == case.id && message.contains(case.said) && hint.contains(case.hint);
        assert!(is_expected, "{}: {:?} and {:?}: {check:#}", case.id, case.said, case.hint);
        hint.to_owned()
    }

    /// It passes, perhaps not at once.
    async fn assert_passes(&self, case: &Case) {
        let mut left = 20;
        while let Some(check) = self.failure(case).await {
            assert!(left > 0, "{check:#}");
            left -= 1;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// It fails, and passes after the command of its hint.
    async fn assert_hint_helps(&self, case: &Case) {
        let hint = self.assert_fails(case).await;
        let (_, command) = hint.split_once(": ").unwrap_or_else(|| panic!("{hint}"));
        assert!(command.starts_with("kubectl "), "{hint}");
        self.paste(command).await;
        self.assert_passes(case).await;
    }

    /// Runs a line as a person does in a shell.
    async fn paste(&self, line: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), "").unwrap();
        let output = shell(line, folder.path(), &self.kubeconfig()).await;
        assert!(output.status.success(), "{line}: {output:?}");
    }

    /// A Deployment like `shop` that has no pods, with a change of its template.
    async fn create_variant(&self, name: &str, replicas: u32, change: impl FnOnce(&mut Value)) {
        let mut deployment = shop::onboarded_deployment();
        deployment["metadata"]["name"] = name.into();
        deployment["spec"]["replicas"] = replicas.into();
        change(&mut deployment["spec"]["template"]);
        self.namespace.create(&deployment).await;
        self.namespace
            .until(&format!("deployments/{name}"), "seen", |object| {
                object["status"]["observedGeneration"] == object["metadata"]["generation"]
            })
            .await;
    }

    async fn create_service(&self, name: &str, spec: Value) {
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
        self.namespace.create(&object).await;
    }
}

async fn shell(line: &str, folder: &Path, kubeconfig: &str) -> std::process::Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(folder).env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
    shell.output().await.unwrap()
}

/// All that the checks ask for, but for one verb.
fn rules_without_port_forwarding() -> Value {
    let all = json!(["create", "delete", "get", "list", "watch", "update", "patch"]);
    let resources = ["pods", "pods/logs", "pods/status", "pods/exec", "services"];
    let but_create = json!(["delete", "get", "list", "watch", "update", "patch"]);
    json!([
        {"apiGroups": ["apps"], "resources": ["deployments", "deployments/status", "replicasets"], "verbs": all},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": resources, "verbs": all},
        {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": but_create},
        {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["list"]},
    ])
}

fn main_of(template: &mut Value) -> &mut Value {
    &mut template["spec"]["containers"][0]
}

#[tokio::test]
async fn each_check_fails_for_its_own_reason_and_says_what_to_do() {
    let Some(programs) = Programs::get().await else { return };
    let prepared = Prepared::new(&programs).await;
    of_traffic(&prepared).await;
    of_the_application(&prepared).await;
    of_the_service(&prepared).await;
    of_the_servo(&prepared, &programs).await;
    of_the_pods(&prepared).await;
}

/// Nobody uses the application yet.
async fn of_traffic(prepared: &Prepared) {
    let scraped = Case::new(
        "check_envoy_sidecar_metrics",
        "Envoy is not reporting any traffic to Prometheus for metric 'main_request_total'",
        "send traffic to the application on port 9980: kubectl",
    );
    let up = async || prepared.prometheus.value("envoy_cluster_upstream_rq_total").await.is_some();
    prepared.prometheus.until("scraping the sidecar", up).await;
    prepared.assert_hint_helps(&scraped).await;
    let processed = Case::new(
        "check_traffic_metrics",
        "query returned no response data",
        "wait until Prometheus has scraped the sidecars",
    );
    prepared.assert_fails(&processed).await;
}

async fn of_the_application(prepared: &Prepared) {
    let namespace = &prepared.namespace;
    let away = tempfile::NamedTempFile::new().unwrap();
    let kubeconfig = std::fs::read_to_string(namespace.cluster.kubeconfig()).unwrap().replace(":6443", ":6444");
    std::fs::write(away.path(), kubeconfig).unwrap();
    let account = namespace.account(rules_without_port_forwarding()).await;
    let forbidden = r#"Not allowed to "create" resource "pods/portforward""#;
    prepared.create_variant("unlimited", 0, |template| main_of(template)["resources"] = json!({})).await;
    let large = json!({"requests": {"cpu": "2", "memory": "128Mi"}});
    prepared.create_variant("large", 0, |template| main_of(template)["resources"] = large).await;
    prepared.create_variant("unready", 1, |template| main_of(template)["image"] = "localhost/none:1".into()).await;
    let cases = [
        Case::new("check_connectivity", "no answer", "check that the API server is reachable from here")
            .by_account(away.path().display().to_string()),
        Case::new("check_permissions", forbidden, "pods/portforward").by_account(account.kubeconfig()),
        Case::new("check_opsani_dev_kubernetes_namespace", "there-is-none", "kubectl get namespaces")
            .with(json!({"namespace": "there-is-none"})),
        Case::new("check_opsani_dev_kubernetes_controller", "\"other\" not found", "get deployments").of("other"),
        Case::new("check_opsani_dev_kubernetes_container", "failed reading Container 'other'", "main, opsani-envoy")
            .with(json!({"container": "other"})),
        Case::new("check_controller_readiness", "is not ready", "wait for its pods, or see what keeps them")
            .of("unready"),
    ];
    join_all(cases.iter().map(|case| prepared.assert_fails(case))).await;
    namespace.delete("deployments/unready").await;
    let hint = "such as: kubectl";
    let undefined = Case::new("check_resource_requirements", "does not define the resource memory", hint);
    let undefined = undefined.of("unlimited").with_cpu_request();
    let hint = "widen the range 'cpu' of the configuration, or change the container: kubectl";
    let outside = "target container CPU value 2 must be less than optimizable maximum 500m";
    let outside = Case::new("check_target_container_resources_within_limits", outside, hint).of("large");
    for case in [undefined, outside] {
        prepared.assert_hint_helps(&case).await;
    }
}

async fn of_the_service(prepared: &Prepared) {
    let port = |name: &str, port: u16| json!({"name": name, "port": port, "targetPort": 9980});
    let selector = json!({"app": "shop"});
    prepared.create_service("several", json!({"selector": selector, "ports": [port("a", 80), port("b", 81)]})).await;
    prepared.create_service("others", json!({"selector": {"app": "other"}, "ports": [port("http", 80)]})).await;
    prepared.create_service("outside", json!({"type": "ExternalName", "externalName": "example.com"})).await;
    prepared.create_service("direct", shop::service(8080)["spec"].clone()).await;
    let case = |id, said, hint, service: &str| Case::new(id, said, hint).with(json!({"service": service}));
    let correct = "set 'service' of the configuration to the one that sends traffic to the pods";
    let cases = [
        case("check_opsani_dev_kubernetes_service", "there is no service 'none'", "get services", "none"),
        case("check_opsani_dev_kubernetes_service_type", "but found ExternalName", correct, "outside"),
        case("check_opsani_dev_kubernetes_service_port", "more than one port", "set 'port' of the config", "several"),
        case("check_service_routes_traffic_to_controller", "Missing labels: app=other", correct, "others"),
    ];
    join_all(cases.iter().map(|case| prepared.assert_fails(case))).await;
    let not_routed = "is not routing traffic through Envoy sidecar on port 9980";
    let direct = case("check_service_proxy", not_routed, "update the target port: kubectl", "direct");
    prepared.assert_hint_helps(&direct).await;
    let ports = &prepared.namespace.get("services/direct").await["spec"]["ports"];
    assert_eq!(*ports, json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 9980}]));
}

async fn of_the_servo(prepared: &Prepared, programs: &Programs) {
    let namespace = &prepared.namespace;
    let pods = namespace.list("pods?labelSelector=app%3Dshop").await;
    let without_prometheus = pods[0]["metadata"]["name"].as_str().unwrap();
    let never = json!({"readinessProbe": {"exec": {"command": ["/bin/busybox", "false"]}}});
    let once = "[ -f /data/begun ] && exec sleep 3600; touch /data/begun; exit 1";
    let restarted = json!({
        "command": ["/bin/busybox", "sh", "-c", once], "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    });
    let elsewhere = json!({"ports": [{"containerPort": 9091}]});
    for (name, keys) in [("never-ready", &never), ("restarted", &restarted), ("elsewhere", &elsewhere)] {
        namespace.create(&shop::servo_pod(name, keys)).await;
    }
    namespace.until_pod_ready("pods/elsewhere").await;
    let has_restarted = |pod: &Value| {
        let containers = pod["status"]["containerStatuses"].as_array();
        containers.into_iter().flatten().any(|container| container["restartCount"] == 1)
    };
    namespace.until("pods/restarted", "restarted", has_restarted).await;
    namespace.until("pods/never-ready", "running", |pod| pod["status"]["phase"] == "Running").await;
    let idle = Prometheus::start(programs.prometheus.clone(), "").await;
    let case = |id, said, hint, pod: &str| Case::new(id, said, hint).in_pod(namespace, pod);
    let add = "add a container named 'prometheus' to the pods of the servo";
    let container_port = "expected Prometheus container port on 9090 but found 9091";
    let cases = [
        case("check_prometheus_sidecar_exists", "no 'prometheus' container found", add, without_prometheus),
        case("check_prometheus_sidecar_is_ready", "'never-ready' is not ready", "describe pod never", "never-ready"),
        case("check_prometheus_restart_count", "has restarted 1 times", "see why: kubectl", "restarted"),
        case("check_prometheus_container_port", container_port, "the one containerPort 9090", "elsewhere"),
        Case::new("check_prometheus_is_accessible", "127.0.0.1:9", "check that Prometheus runs at http://127.0.0.1:9")
            .with(json!({"prometheus_base_url": "http://127.0.0.1:9"})),
        Case::new("check_prometheus_targets", "no active targets were found", "see its scrape_configs")
            .with(json!({"prometheus_base_url": idle.url})),
    ];
    join_all(cases.iter().map(|case| prepared.assert_fails(case))).await;
    let config_map = Case::new(
        "check_prometheus_config_map",
        "no ConfigMap named 'servo.prometheus-app' or 'prometheus-config' found",
        "create configmap prometheus-config --from-file=prometheus.yml",
    );
    namespace.delete("configmaps/prometheus-config").await;
    prepared.assert_hint_helps(&config_map).await;
}

async fn of_the_pods(prepared: &Prepared) {
    let namespace = &prepared.namespace;
    prepared.create_variant("unannotated", 0, |template| template["metadata"]["annotations"] = json!({})).await;
    prepared.create_variant("unlabelled", 0, |template| template["metadata"]["labels"] = json!({"app": "shop"})).await;
    let remove_sidecar = |template: &mut Value| drop(template["spec"]["containers"].as_array_mut().unwrap().pop());
    prepared.create_variant("direct", 0, remove_sidecar).await;
    prepared.create_service("straight", shop::service(8080)["spec"].clone()).await;
    // A tuning pod that was made before the sidecar was.
    let mut tuning_pod = shop::servo_pod("shop-tuning", &json!({}));
    tuning_pod["metadata"]["labels"] = json!({"app": "shop", "opsani_role": "tuning"});
    namespace.create(&tuning_pod).await;

    let no_sidecar = "pod template spec does not include envoy sidecar container ('opsani-envoy')";
    let cases = [
        Case::new("check_controller_annotations", "is missing annotations: prometheus.opsani.com/path, ", ": kubectl")
            .of("unannotated"),
        Case::new("check_controller_labels", "sidecar.opsani.com/type=envoy", ": kubectl").of("unlabelled"),
        Case::new("check_controller_envoy_sidecars", no_sidecar, "inject the sidecar: kubectl")
            .with(json!({"deployment": "direct", "service": "straight"})),
        Case::new("check_tuning_is_running", "is older than the sidecar of the others", "have it made anew: kubectl"),
    ];
    join_all(cases.iter().map(|case| prepared.assert_hint_helps(case))).await;
    let made = namespace.get("pods/shop-tuning").await;
    assert_eq!(made["spec"]["containers"][1]["name"], "opsani-envoy", "{made:#}");
}
