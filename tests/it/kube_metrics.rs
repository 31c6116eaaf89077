//! Measurements and checks of the connector `kube_metrics` on a scripted API server, and the binary without a cluster.

use std::sync::Arc;

use serde_json::{Value, json};
use servox::internals::checks::{Check, CheckRequest, run_one};
use servox::internals::connector::{
    BuildContext, Connector, ConnectorName, ErrorKind, Event, EventContext, EventContextText, EventError,
    MeasureRequest, Phase, ProgressSender, Section,
};
use servox::internals::connectors::CONNECTORS;
use servox::internals::connectors::kube_metrics::CHECK_METRICS_API;
use servox::internals::decode::{Decoder, NoVariables, Node, Origin};
use servox::internals::network::Network;
use servox::internals::types::{Control, Duration, Measurement, Reading, UnixTime};
use servox::internals::wire::measurement::encode;
use tokio_util::sync::CancellationToken;

use crate::support::kube_api::cluster::{Cluster, deployment};
use crate::support::kube_api::{Effect, Fault, Key, KubeApi, Refusal};
use crate::support::servo_bin::ServoBin;

/// What the metrics API says of a pod.
fn metrics(pod: &str, cpu: &str) -> Value {
    json!({
        "apiVersion": "metrics.k8s.io/v1beta1", "kind": "Pod",
        "metadata": {"name": pod, "namespace": "default", "labels": {"app.kubernetes.io/name": "web"}},
        "timestamp": "2026-01-01T00:00:00Z", "window": "15s",
        "containers": [{"name": "main", "usage": {"cpu": cpu, "memory": "64Mi"}}],
    })
}

fn metrics_of(pod: &str) -> Key {
    Key::new("metrics.k8s.io", "pods", "default", pod)
}

/// A cluster with three pods of `web`, the last of which the metrics API does not know yet.
async fn api() -> KubeApi {
    let mut objects = deployment("web", 3);
    objects.extend([metrics("web-rev1-0", "25m"), metrics("web-rev1-1", "50m")]);
    KubeApi::start(objects, Cluster::healthy()).await
}

/// A connector of these metrics that samples every 20 ms.
fn connector(api: &KubeApi, metrics: &[&str]) -> Box<dyn Connector> {
    let section = json!({
        "namespace": "default", "name": "web", "metrics_to_collect": metrics, "kubeconfig": api.kubeconfig(),
        "metric_collection_frequency": "20ms",
    });
    let factory = CONNECTORS.iter().find(|factory| factory.metadata().default_name == "kube_metrics").unwrap();
    let node = Node::from_json(&section, &Origin::whole("section"));
    let name = ConnectorName::new("kube_metrics");
    let section = Section { name: &name, node: &node, prefix: "SERVO_KUBE_METRICS_" };
    let prepared = Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).unwrap();
    prepared.build(name, &BuildContext { optimizer: None, network: Network::default() }).unwrap()
}

fn context(event: Event, cancellation: &CancellationToken) -> EventContext {
    EventContext::new(
        ConnectorName::new("kube_metrics"),
        EventContextText(Phase::On, event),
        Arc::default(),
        ProgressSender::default(),
        cancellation.clone(),
    )
}

async fn measure(connector: &dyn Connector, names: &[&str], millis: i128) -> Result<Measurement, EventError> {
    let control = Control { duration: Duration::from_micros(millis * 1000), ..Control::default() };
    let request = MeasureRequest { metrics: names.iter().map(|&name| name.to_owned()).collect(), control };
    let cx = context(Event::Measure, &CancellationToken::new());
    connector.as_measure().unwrap().measure(&cx, &request).await
}

/// The number of points of each series.
fn counts(measurement: &Measurement) -> Vec<(String, usize)> {
    let series = measurement.readings.iter().filter_map(Reading::as_series);
    series.map(|series| (format!("{} {}", series.metric().name, series.id()), series.len())).collect()
}

#[tokio::test]
async fn every_pod_that_is_known_has_a_series_of_its_own() {
    let api = api().await;
    let connector = connector(&api, &["main_cpu_saturation", "main_pod_restart_count", "tuning_cpu_usage"]);
    let measurement = measure(&*connector, &[], 1).await.unwrap();
    let wire = encode(&measurement, UnixTime::now());
    let saturation = json!([
        {"id": "web-rev1-0", "data": [[1_767_225_600, 20.0]]},
        {"id": "web-rev1-1", "data": [[1_767_225_600, 40.0]]},
    ]);
    assert_eq!(wire["metrics"]["main_cpu_saturation"], json!({"unit": "%", "values": saturation}));
    assert_eq!(wire["metrics"]["main_pod_restart_count"]["values"].as_array().unwrap().len(), 3);
    assert_eq!(wire["metrics"].get("tuning_cpu_usage"), None);
}

#[tokio::test]
async fn a_pod_that_goes_keeps_its_points_and_one_that_comes_is_measured_from_then_on() {
    let api = api().await;
    let connector = connector(&api, &["main_mem_usage"]);
    let (measurement, ()) = tokio::join!(measure(&*connector, &[], 1500), async {
        api.wait_for("GET pods", 1).await;
        api.change(|objects| {
            objects.remove(&metrics_of("web-rev1-0"));
            objects.remove(&Key::pod("default", "web-rev1-0"));
            objects.put(metrics("web-rev1-2", "75m"));
        });
    });
    let counts = counts(&measurement.unwrap());
    let names: Vec<&str> = counts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["web-rev1-0", "web-rev1-1", "web-rev1-2"].map(|pod| format!("main_mem_usage {pod}")));
    let [gone, stayed, came] = [0, 1, 2].map(|place| counts[place].1);
    assert!(stayed > gone && stayed > came && stayed == gone + came, "{counts:?}");
}

#[tokio::test]
async fn nothing_is_asked_for_that_nobody_wants() {
    for (names, asked) in [
        (&["throughput"][..], &[][..]),
        (&["main_pod_restart_count"], &["deployments/web", "pods"]),
        (&["main_cpu_usage"], &["deployments/web", "pods"]),
        (&["tuning_pod_restart_count"], &["deployments/web", "pods/web-tuning"]),
        (&["tuning_mem_usage"], &["deployments/web", "pods/web-tuning", "pods"]),
    ] {
        let api = api().await;
        let all = ["main_cpu_usage", "main_pod_restart_count", "tuning_mem_usage", "tuning_pod_restart_count"];
        measure(&*connector(&api, &all), names, 1).await.unwrap();
        let asked: Vec<String> = asked.iter().map(|asked| format!("GET {asked}")).collect();
        assert_eq!(api.summaries(|_| true), asked, "{names:?}");
    }
}

/// A fault of the requests to the metrics API.
fn of_metrics_api(effect: Effect) -> Fault {
    Fault::when(|call| call.target.as_ref().is_some_and(|target| target.group == "metrics.k8s.io"), effect)
}

#[tokio::test]
async fn every_failure_of_the_api_is_a_failed_measurement_that_says_what_is_missing() {
    for (fault, said) in [
        (
            of_metrics_api(Effect::Answer(404, json!("404 page not found"))),
            &["Resource not found, failing measurement: the cluster has no metrics API", "install", "404 Not Found"][..],
        ),
        (
            of_metrics_api(Effect::Refuse(Refusal::new(403, "pods is forbidden"))),
            &["failed to sample: ", "list metrics of pods in namespace \"default\"", "pods is forbidden"],
        ),
        (
            Fault::on("GET deployments/web", Effect::Refuse(Refusal::new(404, "deployments \"web\" not found")))
                .after(1),
            &["Resource not found, failing measurement: ", "deployments \"web\" not found"],
        ),
    ] {
        assert_fails(fault, 30_000, said).await;
    }
}

async fn assert_fails(fault: Fault, millis: i128, said: &[&str]) {
    let api = api().await;
    api.fault(fault);
    let connector = connector(&api, &["main_cpu_usage", "tuning_pod_restart_count"]);
    let error = measure(&*connector, &[], millis).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::MeasurementFailed, None));
    for said in said {
        assert!(error.chain().contains(said), "{said:?} is not in {}", error.chain());
    }
}

#[tokio::test]
async fn a_measurement_fails_of_which_no_sample_could_be_had() {
    for (fault, said) in [
        (
            of_metrics_api(Effect::Refuse(Refusal::new(503, "service unavailable"))),
            ["failed to sample: the cluster has no metrics API", "service unavailable"],
        ),
        (
            Fault::on("GET pods/web-tuning", Effect::Refuse(Refusal::new(500, "etcd is gone"))),
            ["failed to sample: ", "etcd is gone"],
        ),
        (Fault::on("GET pods/web-tuning", Effect::Drop), ["failed to sample: ", "no answer from the Kubernetes"]),
    ] {
        assert_fails(fault, 200, &said).await;
    }
}

#[tokio::test]
async fn a_sample_that_cannot_be_had_for_the_moment_is_missing_and_the_others_stay() {
    for effect in [Effect::Drop, Effect::Refuse(Refusal::new(503, "the server is currently unable"))] {
        let api = api().await;
        api.fault(of_metrics_api(effect).after(1).times(2));
        let connector = connector(&api, &["main_cpu_usage"]);
        let (measurement, ()) = tokio::join!(measure(&*connector, &[], 1000), api.wait_for("GET pods", 5));
        let counts = counts(&measurement.unwrap());
        let asked = api.summaries(|call| call.summary() == "GET pods").len();
        assert_eq!(counts.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [asked - 2; 2], "{counts:?}");
    }
}

#[tokio::test]
async fn a_cancelled_measurement_ends_in_the_middle_of_a_request() {
    let api = api().await;
    api.fault(Fault::on("GET deployments/web", Effect::Hang));
    let (connector, cancellation) = (connector(&api, &["main_cpu_usage"]), CancellationToken::new());
    let cx = context(Event::Measure, &cancellation);
    let control = Control { duration: Duration::from_secs(600), ..Control::default() };
    let request = MeasureRequest { metrics: Vec::new(), control };
    let (measured, ()) = tokio::join!(connector.as_measure().unwrap().measure(&cx, &request), async {
        api.wait_for("GET deployments/web", 1).await;
        cancellation.cancel();
    });
    assert_eq!(measured.unwrap_err().kind(), ErrorKind::Cancelled);
}

async fn check(connector: &dyn Connector) -> Vec<Check> {
    let cx = context(Event::Check, &CancellationToken::new());
    connector.as_check().unwrap().check(&cx, &CheckRequest::default()).await.unwrap()
}

#[tokio::test]
async fn the_checks_pass_on_a_cluster_with_a_metrics_api() {
    let api = api().await;
    let checks = check(&*connector(&api, &["main_cpu_usage"])).await;
    let shown: Vec<(&str, &str, bool)> =
        checks.iter().map(|check| (check.id.as_str(), check.name.as_str(), check.success)).collect();
    assert_eq!(
        shown,
        [
            ("check_target_resource", "Deployment \"web\" is readable", true),
            ("check_metrics_api_permissions", "Metrics API Permissions", true),
            ("check_metrics_api", "Metrics API connectivity", true),
            ("check_target_containers", "Container configured or target is single container application", true),
        ]
    );
    assert_eq!(checks[2].message.as_deref(), Some("found metrics of 2 pods"));
}

#[tokio::test]
async fn a_check_that_fails_says_what_to_do() {
    let not_found = || Refusal::new(404, "not found");
    for (fault, is_allowed, failing, hint) in [
        (Some(Fault::on("GET deployments/web", Effect::Refuse(not_found()))), true, "check_target_resource", "'name'"),
        (None, false, "check_metrics_api_permissions", "list of pods in the API group metrics.k8s.io"),
        (Some(of_metrics_api(Effect::Refuse(not_found()))), true, CHECK_METRICS_API, "metrics-server"),
    ] {
        let api = api().await;
        api.allow(move |attributes| is_allowed || attributes["group"] != "metrics.k8s.io");
        if let Some(fault) = fault {
            api.fault(fault);
        }
        let checks = check(&*connector(&api, &["main_cpu_usage"])).await;
        let first = checks.iter().find(|check| !check.success).unwrap();
        assert_eq!(first.id, failing);
        assert!(first.hint.as_deref().is_some_and(|text| text.contains(hint)), "{first:?} {:?}", first.hint);
    }
}

#[tokio::test]
async fn the_check_of_the_metrics_api_runs_with_what_it_takes() {
    let api = api().await;
    let connector = connector(&api, &["main_cpu_usage"]);
    let cx = context(Event::Attach, &CancellationToken::new());
    let check = run_one(connector.as_check().unwrap(), &cx, CHECK_METRICS_API).await.unwrap();
    assert!(check.success);
    let asked =
        ["GET deployments/web", "POST selfsubjectaccessreviews", "GET deployments/web", "GET pods"].map(str::to_owned);
    assert_eq!(api.summaries(|_| true), asked);
}

#[tokio::test]
async fn without_a_cluster_the_connector_says_where_it_looked() {
    let servo = ServoBin::configured("connectors: [kube_metrics]\nkube_metrics: {namespace: default, name: web}\n");
    let finished = servo.run("describe").await;
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("found no Kubernetes cluster"), "{}", finished.stderr);
}
