//! The connector `opsani_dev` on a scripted API server and a scripted Prometheus: what it adds, what its checks find when
//! one thing is broken, and what its remedies change.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use servox::internals::assembly;
use servox::internals::checks::{Check, CheckRequest};
use servox::internals::config::file::parse_documents;
use servox::internals::config::{Environment, OptimizerRequirement};
use servox::internals::connector::ConnectorName;
use servox::internals::servo::{Dispatch, Servo};
use servox::internals::types::Severity;

use crate::support::http_server::{HttpServer, Reply, Request};
use crate::support::kube_api::cluster::{Cluster, Fate, befall, deployment, namespace};
use crate::support::kube_api::{Call, Effect, Fault, Key, KubeApi, Refusal};

/// What the servo finds.
struct World {
    objects: Vec<Value>,
    /// Keys of the section that differ.
    keys: Value,
    optimizer: Value,
    environment: Vec<(&'static str, &'static str)>,
    /// The requests that Prometheus has seen, of the workload and of the tuning pod; none is no series.
    requests: [Option<&'static str>; 2],
    targets: usize,
    prometheus_status: u16,
    faults: Vec<Fault>,
    denied: fn(&Value) -> bool,
    version: &'static str,
}

impl World {
    fn of(objects: Vec<Value>) -> Self {
        Self {
            objects,
            keys: json!({}),
            optimizer: json!({"id": "dev.opsani.com/app", "token": "s3cr3t"}),
            environment: Vec::new(),
            requests: [Some("5"), Some("3")],
            targets: 2,
            prometheus_status: 200,
            faults: Vec::new(),
            denied: |_| false,
            version: "34",
        }
    }

    /// A bare application behind a service, and a servo with its Prometheus.
    fn bare() -> Self {
        let mut objects = deployment("web", 1);
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "namespace": "default"},
            "spec": {
                "type": "ClusterIP", "selector": {"app.kubernetes.io/name": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": 8480, "protocol": "TCP"}],
            },
        });
        let config_map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prometheus-config", "namespace": "default"},
        });
        let mut servo = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "servo-1", "namespace": "default", "labels": {"app.kubernetes.io/name": "servo"}},
            "spec": {"containers": [
                {"name": "servo", "image": "servo"},
                {"name": "prometheus", "image": "prometheus", "ports": [{"containerPort": 9090}]},
            ]},
        });
        befall(&mut servo, &Fate::Ready);
        objects.extend([namespace("default"), service, config_map, servo]);
        Self::of(objects)
    }

    /// The same after the checks and remedies have led it to the end.
    async fn onboarded() -> Self {
        let shop = Self::bare().open().await;
        shop.onboard().await;
        Self::of(shop.objects())
    }

    fn object(&mut self, kind: &str, name: &str) -> &mut Value {
        let mut objects = self.objects.iter_mut();
        objects.find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap()
    }

    fn remove(&mut self, kind: &str, name: &str) {
        self.objects.retain(|object| object["kind"] != kind || object["metadata"]["name"] != name);
    }

    /// The pod of the present template.
    fn pod(&mut self) -> &mut Value {
        let mut objects = self.objects.iter_mut();
        objects
            .find(|object| object["metadata"]["labels"].get("pod-template-hash").is_some() && object["kind"] == "Pod")
            .unwrap()
    }

    fn template(&mut self) -> &mut Value {
        &mut self.object("Deployment", "web")["spec"]["template"]
    }

    async fn open(self) -> Shop {
        let api = KubeApi::start(self.objects, Cluster::healthy()).await;
        self.faults.into_iter().for_each(|fault| api.fault(fault));
        api.allow(move |attributes| !(self.denied)(attributes));
        api.set_version(json!({"major": "1", "minor": self.version, "platform": "linux/amd64"}));
        let requests = Arc::new(Mutex::new(self.requests));
        let known = Arc::clone(&requests);
        let (status, targets) = (self.prometheus_status, self.targets);
        let prometheus = HttpServer::start(move |request| match status {
            200 => answer(request, *known.lock().unwrap(), targets),
            status => Reply::Json(status, Value::Null),
        })
        .await;
        let mut section = json!({
            "namespace": "default", "deployment": "web", "container": "main", "service": "front",
            "prometheus_base_url": prometheus.url(),
            "cpu": {"min": "125m", "max": "4"}, "memory": {"min": "128Mi", "max": "4Gi"},
        });
        for (key, value) in self.keys.as_object().unwrap() {
            section[key] = value.clone();
        }
        let mut config = json!({"opsani_dev": section});
        if !self.optimizer.is_null() {
            config["optimizer"] = self.optimizer;
        }
        let kubeconfig = api.kubeconfig().display().to_string();
        let environment = self.environment.into_iter().chain([("KUBECONFIG", kubeconfig.as_str())]);
        let servo = attached(&config, &Environment::from_pairs(environment)).await;
        Shop { api, servo, _prometheus: prometheus, requests }
    }
}

/// A servo of a configuration. JSON is YAML.
async fn attached(config: &Value, environment: &Environment) -> Servo {
    let file = parse_documents(&config.to_string(), "servo.yaml").unwrap();
    let registry = servox::internals::connectors::CONNECTORS;
    let mut loaded = assembly::load(file, registry, environment, OptimizerRequirement::Optional).unwrap();
    let mut servo = loaded.servos.pop().unwrap().build(environment).unwrap();
    servo.attach(&Dispatch::default()).await.unwrap();
    servo
}

fn answer(request: &Request, [main, tuning]: [Option<&str>; 2], targets: usize) -> Reply {
    let data = if request.path.starts_with("/api/v1/targets") {
        let target = json!({
            "labels": {"job": "web"}, "discoveredLabels": {}, "scrapePool": "web", "scrapeUrl": "http://web/metrics",
            "globalUrl": "http://web/metrics", "lastError": "", "lastScrape": "2026-01-01T00:00:00Z",
            "lastScrapeDuration": 0.1, "health": "up",
        });
        json!({"activeTargets": vec![target; targets], "droppedTargets": []})
    } else {
        let value = if request.path.contains("%21%3D") { main } else { tuning };
        let result: Vec<Value> =
            value.into_iter().map(|value| json!({"metric": {}, "value": [1_700_000_000, value]})).collect();
        json!({"resultType": "vector", "result": result})
    };
    Reply::Json(200, json!({"status": "success", "data": data}))
}

/// A servo before its cluster.
struct Shop {
    api: KubeApi,
    servo: Servo,
    _prometheus: HttpServer,
    requests: Arc<Mutex<[Option<&'static str>; 2]>>,
}

impl Shop {
    /// Runs all checks, whatever fails.
    async fn checks(&self) -> Vec<Check> {
        self.checks_until(None).await
    }

    /// Runs the checks until one of this severity fails.
    async fn checks_until(&self, halt_on: Option<Severity>) -> Vec<Check> {
        let dispatch = Dispatch::default().only(vec![ConnectorName::new("opsani_dev")]);
        let request = CheckRequest { halt_on, ..CheckRequest::default() };
        let (_, checks) = self.servo.check(&request, &dispatch).await.unwrap().pop().unwrap();
        checks.unwrap()
    }

    async fn check(&self, id: &str) -> Check {
        self.checks().await.into_iter().find(|check| check.id == id).unwrap()
    }

    /// Applies remedies until nothing fails.
    async fn onboard(&self) {
        for _ in 0..100 {
            let checks = self.checks_until(Some(Severity::Critical)).await;
            let failing: Vec<_> = checks.into_iter().filter(|check| !check.success).collect();
            if failing.is_empty() {
                return;
            }
            for check in &failing {
                if let Some(remedy) = &check.remedy {
                    remedy.apply().await.unwrap();
                }
            }
        }
        panic!("{:#?}", self.checks().await);
    }

    fn objects(&self) -> Vec<Value> {
        let mut all = Vec::new();
        self.api.change(|objects| {
            for (group, resource) in [
                ("", "namespaces"),
                ("", "services"),
                ("", "configmaps"),
                ("", "pods"),
                ("apps", "deployments"),
                ("apps", "replicasets"),
            ] {
                all.extend(objects.all(group, resource, "").map(|(_, object)| object.clone()));
            }
        });
        all
    }

    /// What was written so far, in order: what, and the body.
    fn writes(&self) -> Vec<(String, Value)> {
        let writes = self.api.calls().into_iter().filter(Call::is_write);
        writes.map(|call| (call.summary(), call.body)).collect()
    }
}

/// Ids, names and severities are known to programs, and so is their order.
const CHECKS: [(&str, &str, &str); 29] = [
    ("check_optimizer", "Optimizer Configuration", "critical"),
    ("check_connectivity", "Connectivity to Kubernetes", "critical"),
    ("check_version", "Kubernetes version", "warning"),
    ("check_permissions", "Kubernetes permissions", "critical"),
    ("check_opsani_dev_kubernetes_namespace", "Namespace \"default\" is readable", "critical"),
    ("check_opsani_dev_kubernetes_controller", "Deployment \"web\" is readable", "critical"),
    ("check_opsani_dev_kubernetes_container", "Container \"main\" is readable", "critical"),
    ("check_resource_requirements", "Container \"main\" has resource requirements", "critical"),
    (
        "check_target_container_resources_within_limits",
        "Target container resources fall within optimization range",
        "critical",
    ),
    ("check_controller_readiness", "Deployment \"web\"  is ready", "critical"),
    ("check_opsani_dev_kubernetes_service", "Service front is readable", "critical"),
    ("check_opsani_dev_kubernetes_service_type", "Service front has compatible type", "warning"),
    ("check_opsani_dev_kubernetes_service_port", "Service front has unambiguous target port", "common"),
    ("check_service_routes_traffic_to_controller", "Service routes traffic to web Pods", "common"),
    ("check_prometheus_config_map", "Prometheus ConfigMap exists", "critical"),
    ("check_prometheus_sidecar_exists", "Prometheus sidecar is running", "common"),
    ("check_prometheus_sidecar_is_ready", "Prometheus sidecar is ready", "common"),
    ("check_prometheus_restart_count", "Prometheus sidecar is stable", "warning"),
    ("check_prometheus_container_port", "Prometheus has container port on 9090", "critical"),
    ("check_prometheus_is_accessible", "Prometheus is accessible", "critical"),
    ("check_controller_annotations", "web PodSpec has expected annotations", "common"),
    ("check_controller_labels", "Deployment PodSpec has expected labels", "common"),
    ("check_controller_envoy_sidecars", "Deployment has Envoy sidecar container", "critical"),
    ("check_pod_envoy_sidecars", "Pods have Envoy sidecar containers", "common"),
    ("check_prometheus_targets", "Prometheus is discovering targets", "common"),
    ("check_envoy_sidecar_metrics", "Envoy proxies are being scraped", "common"),
    ("check_service_proxy", "Traffic is proxied through Envoy", "critical"),
    ("check_tuning_is_running", "Tuning pod is running", "common"),
    ("check_traffic_metrics", "Pods are processing traffic", "common"),
];

#[tokio::test]
async fn an_application_is_led_from_bare_to_ready_by_small_patches_and_then_left_alone() {
    let shop = World::bare().open().await;
    shop.onboard().await;
    let checks = shop.checks().await;
    let found: Vec<_> =
        checks.iter().map(|check| (check.id.as_str(), check.name.as_str(), check.severity.as_str())).collect();
    assert_eq!(found, CHECKS);

    let writes = shop.writes();
    let of_metadata = |part: &str, texts: Value| json!({"spec": {"template": {"metadata": {part: texts}}}});
    let annotations = json!({
        "prometheus.opsani.com/path": "/stats/prometheus", "prometheus.opsani.com/port": "9901",
        "prometheus.opsani.com/scheme": "http", "prometheus.opsani.com/scrape": "true",
        "servo.opsani.com/optimizer": "dev.opsani.com/app",
    });
    let labels = json!({"servo.opsani.com/optimizer": "dev.opsani.com_app", "sidecar.opsani.com/type": "envoy"});
    let web = "PATCH deployments/web".to_owned();
    assert_eq!(writes[0], (web.clone(), of_metadata("annotations", annotations)));
    assert_eq!(writes[1], (web.clone(), of_metadata("labels", labels)));
    let injected = &writes[2].1["spec"]["template"]["spec"]["containers"];
    assert_eq!((&writes[2].0, injected.as_array().map(Vec::len)), (&web, Some(1)));
    assert_eq!(
        (&injected[0]["name"], &injected[0]["image"]),
        (&json!("opsani-envoy"), &json!("opsani/envoy-proxy:v1.24.0"))
    );
    let rest: Vec<&str> = writes[3..].iter().map(|(summary, _)| summary.as_str()).collect();
    assert_eq!(rest.iter().filter(|summary| **summary == "POST pods").count(), 1, "{rest:?}");
    let retargeted = writes.iter().find(|(summary, _)| summary == "PATCH services/front").unwrap();
    assert_eq!(retargeted.1, json!({"spec": {"ports": [{"port": 80, "targetPort": 9980}]}}));
    assert_eq!(writes.len(), 5, "{writes:#?}");
    let service = shop.api.object(&Key::new("", "services", "default", "front")).unwrap();
    assert_eq!(service["spec"]["ports"], json!([{"name": "http", "port": 80, "targetPort": 9980, "protocol": "TCP"}]));

    shop.api.forget_calls();
    shop.onboard().await;
    assert_eq!(shop.writes(), []);
}

#[tokio::test]
async fn a_service_is_not_sent_to_sidecars_before_all_of_its_pods_have_one() {
    let shop = World::bare().open().await;
    let check = shop.check("check_service_proxy").await;
    assert!(check.message.unwrap().contains("must not yet: pods 'web-rev1-0' have no sidecar"));
    assert!(check.remedy.is_none());
    let check = shop.check("check_tuning_is_running").await;
    assert!(check.message.unwrap().contains("is not made before the pod template has an Envoy sidecar"));
    assert_eq!(shop.writes(), []);
}

#[tokio::test]
async fn a_remedy_looks_again_and_gives_way_to_others() {
    let mut world = World::bare();
    let conflict = || Effect::Refuse(Refusal::new(409, "the object has been modified"));
    world.faults.push(Fault::on("PATCH deployments/web", conflict()).times(1));
    let shop = world.open().await;
    let checks = shop.checks().await;
    let remedy = |id: &str| checks.iter().find(|check| check.id == id).unwrap().remedy.clone().unwrap();
    for id in ["check_controller_annotations", "check_controller_labels"] {
        remedy(id).apply().await.unwrap();
        let written = shop.writes().len();
        remedy(id).apply().await.unwrap();
        assert_eq!(shop.writes().len(), written, "{id}");
    }
    remedy("check_controller_envoy_sidecars").apply().await.unwrap();
    let again = remedy("check_controller_envoy_sidecars").apply().await.unwrap_err();
    assert!(again.contains("already"), "{again}");
}

#[tokio::test]
async fn hints_are_commands_of_the_same_patches() {
    let shop = World::bare().open().await;
    for (id, expected) in [
        (
            "check_controller_labels",
            r#"kubectl --namespace default patch deployment/web --type strategic --patch '{"spec":{"template":{"metadata":{"labels":{"servo.opsani.com/optimizer":"dev.opsani.com_app","sidecar.opsani.com/type":"envoy"}}}}}'"#,
        ),
        (
            "check_controller_envoy_sidecars",
            "kubectl --namespace default patch deployment/web --type strategic --patch '{",
        ),
    ] {
        let hint = shop.check(id).await.hint.unwrap();
        assert!(hint.contains(expected), "{hint}");
    }
    *shop.requests.lock().unwrap() = [Some("0"), Some("0")];
    let check = shop.check("check_envoy_sidecar_metrics").await;
    assert!(check.hint.unwrap().contains("kubectl --namespace default port-forward deployment/web 9980 &"));
    assert!(check.remedy.is_some());
}

async fn names(world: World) -> Vec<String> {
    let shop = world.open().await;
    let names = shop.servo.connectors().iter().map(|connector| connector.name().to_string());
    names.filter(|name| name.starts_with("opsani")).collect()
}

#[tokio::test]
async fn the_connectors_that_do_the_work_are_added_and_kube_metrics_only_where_it_can_work() {
    let both = ["opsani_dev", "opsani-dev:kubernetes", "opsani-dev:prometheus"];
    let all = [both[0], both[1], both[2], "opsani-dev:kube-metrics"];
    assert_eq!(names(World::bare()).await, all);

    let mut world = World::bare();
    let is_metrics = |call: &Call| call.target.as_ref().is_some_and(|target| target.group == "metrics.k8s.io");
    world.faults.push(Fault::when(is_metrics, Effect::Refuse(Refusal::new(404, "no such resource"))));
    assert_eq!(names(world).await, both);

    let mut world = World::bare();
    world.denied = |attributes| attributes["group"] == "metrics.k8s.io";
    assert_eq!(names(world).await, both);

    let mut world = World::bare();
    world.remove("Deployment", "web");
    assert_eq!(names(world).await, both);
}

/// What is broken, what fails then, and what the first of them says.
type Case = (&'static str, fn(&mut World), &'static [&'static str], &'static str);

/// Checks the whole list of what fails, or its beginning when it ends with `...`.
async fn check_cases(cases: &[Case]) {
    let onboarded = World::onboarded().await.objects;
    for (what, break_it, expected, message) in cases {
        let mut world = World::of(onboarded.clone());
        break_it(&mut world);
        let checks = world.open().await.checks().await;
        let failing: Vec<&Check> = checks.iter().filter(|check| !check.success).collect();
        let ids: Vec<&str> = failing.iter().map(|check| check.id.as_str()).collect();
        match expected {
            [first @ .., "..."] => assert_eq!(ids.get(..first.len()), Some(first), "{what}: {failing:#?}"),
            all => assert_eq!(ids, *all, "{what}: {failing:#?}"),
        }
        let said = failing[0].message.as_deref().unwrap_or_default();
        assert!(said.contains(message), "{what}: {said}");
        assert!(failing[0].hint.is_some() || failing[0].id == "check_connectivity", "{what}: no hint");
    }
}

#[tokio::test]
async fn a_check_of_the_cluster_and_the_workload_fails_for_its_reason_alone() {
    check_cases(&[
        ("no optimizer", |world| world.optimizer = Value::Null, &["check_optimizer"], "no optimizer is configured"),
        (
            "no API server",
            |world| world.faults.push(Fault::on("GET /version", Effect::Refuse(Refusal::new(503, "not now")))),
            &["check_connectivity", "check_version"],
            "not now",
        ),
        (
            "an old cluster",
            |world| world.version = "15+",
            &["check_version"],
            "Kubernetes is 1.15+, and 1.16 is needed",
        ),
        (
            "no permission",
            |world| {
                world.denied =
                    |attributes| attributes["subresource"] == "portforward" && attributes["verb"] == "create";
            },
            &["check_permissions"],
            "Not allowed to \"create\" resource \"pods/portforward\"",
        ),
        (
            "no namespace",
            |world| world.remove("Namespace", "default"),
            &["check_opsani_dev_kubernetes_namespace"],
            "namespaces \"default\"",
        ),
        (
            "no workload",
            |world| world.remove("Deployment", "web"),
            &["check_opsani_dev_kubernetes_controller", "check_opsani_dev_kubernetes_container", "..."],
            "deployments \"web\"",
        ),
        (
            "no container",
            |world| world.keys = json!({"container": "other"}),
            &["check_opsani_dev_kubernetes_container", "check_resource_requirements", "..."],
            "failed reading Container 'other' in Deployment 'web'",
        ),
        (
            "no resources",
            |world| world.template()["spec"]["containers"][0]["resources"] = Value::Null,
            &["check_resource_requirements", "check_target_container_resources_within_limits"],
            "does not define the resource memory. At least one of the following must be specified: requests, limits",
        ),
        (
            "only a request, and the limit is wanted",
            |world| {
                world.template()["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": "128Mi"});
                world.keys = json!({"cpu": {"min": "125m", "max": "4", "get": ["limit"]}});
            },
            &["check_resource_requirements", "check_target_container_resources_within_limits"],
            "the resource cpu. At least one of the following must be specified: limits",
        ),
        (
            "too few cores",
            |world| world.keys = json!({"cpu": {"min": "250m", "max": "4"}}),
            &["check_target_container_resources_within_limits"],
            "target container CPU value 125m must be greater than optimizable minimum 250m",
        ),
        (
            "too much memory by the configuration's own request",
            |world| world.keys = json!({"memory": {"min": "128Mi", "max": "4Gi", "request": "5Gi"}}),
            &["check_target_container_resources_within_limits"],
            "target container Memory value 5.0Gi must be less than optimizable maximum 4.0Gi",
        ),
        (
            "a pod that is missing",
            |world| world.object("Deployment", "web")["status"]["unavailableReplicas"] = json!(1),
            &["check_controller_readiness"],
            "1 pods are unavailable",
        ),
    ])
    .await;
}

#[tokio::test]
async fn without_resources_those_of_the_configuration_count() {
    let mut world = World::onboarded().await;
    world.template()["spec"]["containers"][0]["resources"] = Value::Null;
    world.keys = json!({
        "cpu": {"min": "125m", "max": "4", "request": "1"}, "memory": {"min": "128Mi", "max": "4Gi", "limit": "1Gi"},
    });
    let checks = world.open().await.checks().await;
    assert!(checks.iter().all(|check| check.success), "{checks:#?}");
}

#[tokio::test]
async fn a_check_of_the_service_fails_for_its_reason_alone() {
    check_cases(&[
        (
            "no service",
            |world| world.remove("Service", "front"),
            &[
                "check_opsani_dev_kubernetes_service",
                "check_opsani_dev_kubernetes_service_type",
                "check_opsani_dev_kubernetes_service_port",
                "check_service_routes_traffic_to_controller",
                "check_service_proxy",
            ],
            "there is no service 'front' in namespace 'default'",
        ),
        (
            "a service elsewhere",
            |world| world.object("Service", "front")["spec"]["type"] = json!("ExternalName"),
            &["check_opsani_dev_kubernetes_service_type"],
            "found ExternalName",
        ),
        (
            "two ports",
            |world| {
                let ports = json!([{"name": "http", "port": 80, "targetPort": 9980}, {"name": "admin", "port": 81}]);
                world.object("Service", "front")["spec"]["ports"] = ports;
            },
            &["check_opsani_dev_kubernetes_service_port", "check_service_proxy"],
            "service defines more than one port (http 80:9980/TCP, admin 81:81/TCP)",
        ),
        (
            "an unknown port",
            |world| world.keys = json!({"port": "web"}),
            &["check_opsani_dev_kubernetes_service_port", "check_service_proxy"],
            "could not find a port named: web",
        ),
        (
            "another selector",
            |world| {
                let selector = json!({"app.kubernetes.io/name": "web", "tier": "front"});
                world.object("Service", "front")["spec"]["selector"] = selector;
            },
            &["check_service_routes_traffic_to_controller"],
            "Missing labels: tier=front",
        ),
        (
            "no selector",
            |world| world.object("Service", "front")["spec"]["selector"] = Value::Null,
            &["check_service_routes_traffic_to_controller"],
            "no selector",
        ),
        (
            "a service around the sidecar",
            |world| world.object("Service", "front")["spec"]["ports"][0]["targetPort"] = json!(8480),
            &["check_service_proxy"],
            "service 'front' is not routing traffic through Envoy sidecar on port 9980",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_check_of_the_servos_own_pod_fails_for_its_reason_alone() {
    check_cases(&[
        (
            "no config map",
            |world| world.remove("ConfigMap", "prometheus-config"),
            &["check_prometheus_config_map"],
            "no ConfigMap named 'servo.prometheus-app' or 'prometheus-config' found in namespace 'default'",
        ),
        (
            "a config map in another namespace than the servo's",
            |world| world.environment = vec![("POD_NAMESPACE", "servos")],
            &["check_prometheus_config_map"],
            "found in namespace 'servos'",
        ),
        (
            "no servo",
            |world| world.remove("Pod", "servo-1"),
            &[
                "check_prometheus_sidecar_exists",
                "check_prometheus_sidecar_is_ready",
                "check_prometheus_restart_count",
                "check_prometheus_container_port",
            ],
            "no servo pod is running in namespace 'default'",
        ),
        (
            "another servo",
            |world| world.environment = vec![("POD_NAME", "servo-2"), ("POD_NAMESPACE", "default")],
            &[
                "check_prometheus_sidecar_exists",
                "check_prometheus_sidecar_is_ready",
                "check_prometheus_restart_count",
                "check_prometheus_container_port",
            ],
            "no servo pod 'servo-2' is running in namespace 'default'",
        ),
        (
            "no Prometheus in it",
            |world| world.object("Pod", "servo-1")["spec"]["containers"][1]["name"] = json!("other"),
            &["check_prometheus_sidecar_exists", "check_prometheus_restart_count", "check_prometheus_container_port"],
            "no 'prometheus' container found in pod 'servo-1' in namespace 'default'",
        ),
        (
            "not ready",
            |world| befall(world.object("Pod", "servo-1"), &Fate::Unready),
            &["check_prometheus_sidecar_is_ready"],
            "pod 'servo-1' is not ready",
        ),
        (
            "restarts",
            |world| world.object("Pod", "servo-1")["status"]["containerStatuses"][1]["restartCount"] = json!(3),
            &["check_prometheus_restart_count"],
            "container 'prometheus' in pod 'servo-1' has restarted 3 times",
        ),
        (
            "no port",
            |world| world.object("Pod", "servo-1")["spec"]["containers"][1]["ports"] = Value::Null,
            &["check_prometheus_container_port"],
            "expected 1 container port but found 0",
        ),
        (
            "another port",
            |world| world.object("Pod", "servo-1")["spec"]["containers"][1]["ports"][0]["containerPort"] = json!(80),
            &["check_prometheus_container_port"],
            "expected Prometheus container port on 9090 but found 80",
        ),
        (
            "a Prometheus that refuses",
            |world| world.prometheus_status = 503,
            &[
                "check_prometheus_is_accessible",
                "check_prometheus_targets",
                "check_envoy_sidecar_metrics",
                "check_traffic_metrics",
            ],
            "503",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_check_of_the_sidecar_and_its_traffic_fails_for_its_reason_alone() {
    check_cases(&[
        (
            "an annotation",
            |world| {
                let annotations = world.template()["metadata"]["annotations"].as_object_mut().unwrap();
                annotations.shift_remove("prometheus.opsani.com/path");
            },
            &["check_controller_annotations"],
            "Deployment 'web' is missing annotations: prometheus.opsani.com/path",
        ),
        (
            "another optimizer",
            |world| world.optimizer = json!({"id": "dev.opsani.com/other", "token": "s3cr3t"}),
            &["check_controller_labels"],
            "Deployment 'web' is missing labels: servo.opsani.com/optimizer=dev.opsani.com_other",
        ),
        (
            "a service that leads nowhere",
            |world| {
                world.template()["spec"]["containers"].as_array_mut().unwrap().truncate(1);
            },
            &["check_controller_envoy_sidecars"],
            "and it cannot be added: service 'front' already sends its requests to the sidecar's port",
        ),
        (
            "an old pod",
            |world| {
                world.pod()["spec"]["containers"].as_array_mut().unwrap().truncate(1);
            },
            &["check_pod_envoy_sidecars"],
            "do not have envoy sidecar container ('opsani-envoy')",
        ),
        ("no targets", |world| world.targets = 0, &["check_prometheus_targets"], "no active targets were found"),
        (
            "no traffic",
            |world| world.requests = [Some("0"), Some("3")],
            &["check_envoy_sidecar_metrics", "check_traffic_metrics"],
            "Envoy is not reporting any traffic to Prometheus for metric 'main_request_total'",
        ),
        (
            "no number",
            |world| world.requests = [Some("NaN"), Some("3")],
            &["check_envoy_sidecar_metrics", "check_traffic_metrics"],
            "Envoy is not reporting any traffic",
        ),
        (
            "nothing scraped",
            |world| world.requests = [None, Some("3")],
            &["check_envoy_sidecar_metrics", "check_traffic_metrics"],
            "query returned no response data",
        ),
        (
            "no traffic to the tuning pod",
            |world| world.requests = [Some("5"), Some("0")],
            &["check_traffic_metrics"],
            "a value of 0.0 which is not greater than zero for metric 'tuning_request_total'",
        ),
        (
            "an old tuning pod",
            |world| {
                world.object("Pod", "web-tuning")["spec"]["containers"].as_array_mut().unwrap().truncate(1);
            },
            &["check_tuning_is_running"],
            "tuning pod 'web-tuning' is older than the sidecar of the others",
        ),
        (
            "a tuning pod that cannot be made",
            |world| {
                world.remove("Pod", "web-tuning");
                let refusal = Refusal::new(403, "exceeded quota");
                world.faults.push(Fault::on("POST pods", Effect::Refuse(refusal)));
            },
            &["check_tuning_is_running"],
            "exceeded quota",
        ),
    ])
    .await;
}

#[tokio::test]
async fn without_a_tuning_pod_none_is_made_and_its_traffic_is_not_asked_for() {
    let mut world = World::bare();
    world.keys = json!({"create_tuning_pod": false});
    world.requests = [Some("5"), None];
    let shop = world.open().await;
    shop.onboard().await;
    assert!(shop.api.object(&Key::pod("default", "web-tuning")).is_none());
    assert_eq!(shop.check("check_traffic_metrics").await.message.as_deref(), Some("main_request_total=5.0rps"));
}
