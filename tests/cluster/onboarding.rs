//! From a bare application to one that is measured and adjusted beside its users.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use servox::internals::k8s::{parse_bytes, parse_cores};
use servox::internals::network::Network;
use tokio::time::Instant;

use crate::session::Session;
use crate::shop::{self, Programs, RATE, Users};
use crate::support::cluster::Namespace;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::servo_bin::{ServoBin, succeeded};

const TUNING: &str = "pods/shop-tuning";

/// How long the first check may take, with rollouts and discoveries.
const ONBOARDING: Duration = Duration::from_mins(3);

/// What the first check leaves: any change of it would count.
async fn left(namespace: &Namespace) -> Vec<Value> {
    let mut objects = Vec::new();
    for object in ["deployments/shop", "services/shop", TUNING, "configmaps/prometheus-config", "pods/servo"] {
        let object = namespace.get(object).await;
        objects.push(json!({"name": object["metadata"]["name"], "version": object["metadata"]["resourceVersion"]}));
    }
    objects
}

/// The pod of the Deployment.
async fn main_pod(namespace: &Namespace) -> Value {
    let pods = namespace.list("pods?labelSelector=app%3Dshop,opsani_role%21%3Dtuning").await;
    let mut pods: Vec<_> = pods.into_iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none()).collect();
    assert_eq!(pods.len(), 1, "{pods:#?}");
    pods.pop().unwrap()
}

/// How many requests the sidecar of a pod has sent to the application, by its own count.
async fn sent(pod: &Value) -> f64 {
    let host = pod["status"]["podIP"].as_str().unwrap();
    let http = Network::default().client_builder().unwrap().build().unwrap();
    let answer = http.get(format!("http://{host}:9901/stats/prometheus")).send().await.unwrap();
    let answer = answer.text().await.unwrap();
    let line = answer.lines().find(|line| line.starts_with("envoy_cluster_upstream_rq_total{")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// What the metrics API says of a pod's container: the time, and its usage as quantities.
async fn usage(namespace: &Namespace, pod: &str) -> Option<(String, Value)> {
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods/{pod}", namespace.name());
    let found = namespace.cluster.send("GET", &path, None).await.ok()?;
    let container = found["containers"].as_array()?.iter().find(|container| container["name"] == "main")?;
    Some((found["timestamp"].as_str()?.to_owned(), container["usage"].clone()))
}

/// All that the metrics API says of a pod while something is done: cores and GiB.
async fn usages_during<T>(namespace: &Namespace, pod: &str, work: impl Future<Output = T>) -> (Vec<(f64, f64)>, T) {
    let mut usages = Vec::new();
    let watched = async {
        loop {
            if let Some((_, usage)) = usage(namespace, pod).await {
                let [cpu, memory] = ["cpu", "memory"].map(|resource| usage[resource].as_str().unwrap());
                usages.push((parse_cores(cpu).unwrap().as_f64(), parse_bytes(memory).unwrap().as_gib()));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = watched => unreachable!("it watches for as long as there is work"),
    };
    (usages, done)
}

/// Waits until the metrics API knows a pod since it is there: it may know an older one of the same name.
async fn until_metered(namespace: &Namespace, pod: &Value) {
    let (name, created) = (pod["metadata"]["name"].as_str().unwrap(), pod["metadata"]["creationTimestamp"].as_str());
    let end = Instant::now() + Duration::from_mins(1);
    while usage(namespace, name).await.is_none_or(|(time, _)| time.as_str() <= created.unwrap()) {
        assert!(Instant::now() < end, "the metrics API does not know {name}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The last value of each metric, and how many series it has.
fn last_values(metrics: &Value) -> BTreeMap<&str, f64> {
    let values = metrics.as_object().unwrap().iter().map(|(name, metric)| {
        let series = metric["values"].as_array().unwrap();
        assert_eq!(series.len(), 1, "{name}: {metric:#}");
        let data = series[0]["data"].as_array().unwrap();
        (name.as_str(), data.last().unwrap()[1].as_f64().unwrap())
    });
    values.collect()
}

#[track_caller]
fn assert_about(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= expected * tolerance, "{what}: {found} is not about {expected}");
}

/// What a measurement must have of a pod, by its role and what it is given.
fn assert_plausible(values: &BTreeMap<&str, f64>, role: &str, cpu_request: f64, gib_request: f64) {
    let of = |name: &str| values[format!("{role}_{name}").as_str()];
    let is_given = [
        ("cpu_request", cpu_request),
        ("mem_request", gib_request),
        ("mem_limit", gib_request),
        ("instance_count", 1.0),
        ("pod_restart_count", 0.0),
        ("error_rate", 0.0),
    ];
    for (name, expected) in is_given {
        assert_about(of(name), expected, 1e-9, &format!("{role}_{name}"));
    }
    assert_about(of("cpu_saturation"), 100.0 * of("cpu_usage") / cpu_request, 1e-6, "cpu saturation");
    assert_about(of("mem_saturation"), 100.0 * of("mem_usage") / gib_request, 1e-6, "memory saturation");
    assert_about(of("success_rate"), of("request_rate"), 0.05, "requests that succeed");
    // Each request takes 2 ms of a core, and a share of the users goes to each pod.
    assert!(of("cpu_usage") > 0.0 && of("cpu_usage") < of("cpu_limit"), "{values:#?}");
    assert!(of("mem_usage") > 16.0 / 1024.0 && of("mem_usage") < gib_request, "{values:#?}");
    assert!(0.0 < of("p50_latency") && of("p50_latency") <= of("p90_latency") && of("p90_latency") < 1000.0);
}

/// `servo check` leads to the end, and has nothing to do a second time.
async fn assert_onboards_once(namespace: &Namespace, servo: &ServoBin) {
    let check = "check --wait 3m --delay 3s --remedy";
    succeeded(&servo.start(check).finish_within(ONBOARDING).await);
    let template = &namespace.get("deployments/shop").await["spec"]["template"];
    assert_eq!(template["metadata"], shop::onboarded_deployment()["spec"]["template"]["metadata"]);
    let containers = template["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.iter().map(|container| &container["name"]).collect::<Vec<_>>(), ["main", "opsani-envoy"]);
    assert_eq!(namespace.get("services/shop").await["spec"]["ports"][0]["targetPort"], 9980);

    let before = left(namespace).await;
    let again = servo.run(check).await;
    succeeded(&again);
    assert_eq!(left(namespace).await, before);
    assert!(!again.stderr.contains("remedy"), "{}", again.stderr);
}

/// A minute of measuring has all metrics, and they are what the metrics API and the sidecars say.
async fn assert_measures(session: &Session, namespace: &Namespace, main: &Value) {
    let tuning = namespace.get(TUNING).await;
    let (first, began) = ([sent(main).await, sent(&tuning).await], Instant::now());
    let (usages, metrics) = usages_during(namespace, "shop-tuning", session.measure(60)).await;
    let seconds = began.elapsed().as_secs_f64();
    let values = last_values(&metrics);
    assert_eq!(values.len(), 31, "{:?}", values.keys());
    assert_plausible(&values, "main", 0.1, 0.125);
    assert_plausible(&values, "tuning", 0.1, 0.125);
    let used = (values["tuning_cpu_usage"], values["tuning_mem_usage"]);
    assert!(usages.contains(&used), "{used:?} is none of {usages:?}");
    assert_about(values["total_request_rate"], RATE.into(), 0.15, "all requests");
    for (role, pod, first) in [("main", main, first[0]), ("tuning", &tuning, first[1])] {
        let by_itself = (sent(pod).await - first) / seconds;
        assert_about(values[format!("{role}_request_rate").as_str()], by_itself, 0.25, role);
    }
}

#[tokio::test]
async fn a_bare_application_becomes_one_that_is_measured_and_adjusted_beside_its_users() {
    let Some(programs) = Programs::get().await else { return };
    let namespace = programs.cluster.namespace().await;
    for object in shop::servo().iter().chain([&shop::deployment()]) {
        namespace.create(object).await;
    }
    let service = namespace.create(&shop::service(8080)).await;
    let prometheus = shop::prometheus(programs.prometheus.clone(), &namespace).await;
    namespace.until_ready("deployments/shop").await;
    let _users = Users::of(&programs, &service);
    let optimizer = HttpServer::start(|_| Reply::ok()).await;
    let sections = shop::section(&namespace, &prometheus, &json!({}));
    let servo = shop::servo_of(&sections, &programs.cluster, &optimizer);

    assert_onboards_once(&namespace, &servo).await;
    let kubeconfig = programs.cluster.kubeconfig().display().to_string();
    let session = Session::start_configured(&sections, &[("KUBECONFIG", &kubeconfig)]).await;
    let described = session.describe().await;
    assert_eq!(described["main"]["settings"]["cpu"]["pinned"], true, "{described:#}");
    assert_eq!(described["tuning"]["settings"]["cpu"]["value"], 0.1, "{described:#}");
    let main = main_pod(&namespace).await;
    until_metered(&namespace, &namespace.get(TUNING).await).await;

    assert_measures(&session, &namespace, &main).await;

    let answer = session.adjust(&json!({"tuning": {"cpu": 0.2, "mem": 0.25}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    until_metered(&namespace, &namespace.get(TUNING).await).await;
    let metrics = session.measure(20).await;
    let values = last_values(&metrics);
    assert_eq!(values.len(), 31, "{:?}", values.keys());
    for (name, given) in [("cpu_request", 0.2), ("cpu_limit", 0.2), ("mem_request", 0.25), ("mem_limit", 0.25)] {
        assert_about(values[format!("tuning_{name}").as_str()], given, 1e-9, name);
    }
    assert_eq!(main_pod(&namespace).await["metadata"]["uid"], main["metadata"]["uid"]);

    session.stop().await;
    namespace.until(TUNING, "gone", Value::is_null).await;
}
