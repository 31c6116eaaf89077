//! What a measurement makes of the pods of a workload: real sockets, a scripted API server, and the connector as a servo
//! uses it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use servox::internals::connector::{
    BuildContext, Connector, ConnectorName, ErrorKind, Event, EventContext, EventContextText, EventError,
    MeasureRequest, Phase, ProgressSender, Section,
};
use servox::internals::connectors::CONNECTORS;
use servox::internals::decode::{Decoder, NoVariables, Node, Origin};
use servox::internals::network::Network;
use servox::internals::types::{Control, Duration, Reading, UnixTime};
use tokio_util::sync::CancellationToken;

use crate::http_server::{HttpServer, Reply, Request};
use crate::support::{expect_equal, is_marked, text};

/// Metric, pod, points.
type Output = BTreeMap<String, BTreeMap<String, Vec<(UnixTime, f64)>>>;

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let before = UnixTime::now();
    let (measured, requests) = runtime.map_err(|error| error.to_string())?.block_on(measure(&case["input"]))?;
    match (text(case, "error"), measured) {
        (None, Ok(output)) => expect_equal("output", &expected(case, &output, before)?, &output)?,
        (None, Err(error)) => return Err(format!("expected points, got {}", error.chain())),
        (Some(expected), Err(error)) => expect_failure(expected, &case["input"], &error)?,
        (Some(error), Ok(output)) => return Err(format!("expected {error}, got {output:?}")),
    }
    expect_no_more("requests", &case["requests"], &requests)
}

/// The output of a case. Where it says "now", the time that was found, when that is one of the measurement.
fn expected(case: &Value, found: &Output, before: UnixTime) -> Result<Output, String> {
    let mut output = Output::new();
    for (metric, pods) in case["output"].as_object().into_iter().flatten() {
        for (pod, points) in pods.as_object().into_iter().flatten() {
            let found = found.get(metric).and_then(|pods| pods.get(pod));
            let points = points.as_array().into_iter().flatten().enumerate().map(|(place, point)| {
                let now = found.and_then(|points| points.get(place)).map(|(time, _)| *time);
                let now = now.filter(|time| (before..=UnixTime::now()).contains(time));
                let time = match point[0].as_str() {
                    Some("now") => now.ok_or_else(|| format!("{metric} of {pod} has no time of now")),
                    time => time.and_then(|time| time.parse().ok()).ok_or_else(|| format!("no time: {point}")),
                };
                Ok((time?, point[1].as_f64().ok_or("no value")?))
            });
            let points = points.collect::<Result<_, String>>()?;
            output.entry(metric.clone()).or_default().insert(pod.clone(), points);
        }
    }
    if is_marked(case) {
        add_restarts(&case["input"], &mut output)?;
    }
    Ok(output)
}

/// The restarts of main pods that the reference leaves out for the text in their names.
fn add_restarts(input: &Value, output: &mut Output) -> Result<(), String> {
    const METRIC: &str = "main_pod_restart_count";
    if !items(&input["target_metrics"]).any(|metric| metric == METRIC) {
        return Ok(());
    }
    let last = items(&input["pod_metrics"]).filter(|item| item["tuning"] != true).last();
    let time = last.and_then(|item| item["timestamp"].as_str()?.parse().ok()).ok_or("no time of a main pod")?;
    for pod in items(&input["pods"]).filter(|pod| pod["tuning"] != true) {
        let restarts = pod["restarts"].as_object().into_iter().flatten();
        let restarts = restarts.filter_map(|(_, count)| count.as_f64()).fold(0.0, |sum, count| sum + count);
        let name = text(pod, "name").unwrap_or_default().to_owned();
        output.entry(METRIC.to_owned()).or_default().entry(name).or_insert_with(|| vec![(time, restarts)]);
    }
    Ok(())
}

/// Every failure is one of the measurement, and says what is wrong with what.
fn expect_failure(expected: &str, input: &Value, error: &EventError) -> Result<(), String> {
    expect_equal("kind", &ErrorKind::MeasurementFailed, &error.kind())?;
    expect_equal("reason", &None, &error.reason())?;
    let message = error.chain();
    let names = |item: &Value| message.contains(text(item, "pod").unwrap_or("?"));
    let is_told = match expected.split_once(": ") {
        Some(("ApiException", "status 404")) => message.starts_with("Resource not found, failing measurement: "),
        Some(("ApiException", status)) => message.contains(status.trim_start_matches("status ")),
        Some(("RuntimeError", _)) => message.contains("container") || message.contains("labelled"),
        // All other ones are about quantities.
        _ => message.contains("is no quantity") && items(&input["pod_metrics"]).any(names),
    };
    if is_told { Ok(()) } else { Err(format!("{message:?} does not tell of {expected:?}")) }
}

/// Fewer requests will do, but no others and in no other order.
fn expect_no_more(what: &str, expected: &Value, got: &[Value]) -> Result<(), String> {
    let mut rest = items(expected);
    match got.iter().find(|request| !rest.any(|expected| expected == *request)) {
        None => Ok(()),
        Some(other) => Err(format!("{what}: {other} is not in its place in {expected}, got {got:?}")),
    }
}

/// Measures one sample, as often as a case has some, and returns the points and the requests.
async fn measure(input: &Value) -> Result<(Result<Output, EventError>, Vec<Value>), String> {
    let script = input.clone();
    let server = HttpServer::start(move |request| answer(&script, request)).await;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, access(&server).to_string()).map_err(|error| error.to_string())?;
    let connector = connector(&json!({
        "namespace": "default", "name": name(input), "kind": text(input, "kind").unwrap_or("Deployment"),
        "container": input["container"], "metrics_to_collect": input["target_metrics"], "kubeconfig": kubeconfig,
    }))?;
    let mut output = Output::new();
    for _ in 0..input["samples"].as_u64().unwrap_or(1) {
        match sample(&*connector).await {
            Ok(readings) => add(&readings, &mut output),
            Err(error) => return Ok((Err(error), requests(&server))),
        }
    }
    Ok((Ok(output), requests(&server)))
}

/// A measurement that is too short for a second sample.
async fn sample(connector: &dyn Connector) -> Result<Vec<Reading>, EventError> {
    let event = EventContextText(Phase::On, Event::Measure);
    let progress = ProgressSender::default();
    let cx = EventContext::new(
        connector.name().clone(),
        event,
        std::sync::Arc::default(),
        progress,
        CancellationToken::new(),
    );
    let control = Control { duration: Duration::from_micros(1000), ..Control::default() };
    let request = MeasureRequest { metrics: Vec::new(), control };
    let measure = connector.as_measure().ok_or_else(|| EventError::failed("it does not measure"))?;
    Ok(measure.measure(&cx, &request).await?.readings)
}

fn add(readings: &[Reading], output: &mut Output) {
    for series in readings.iter().filter_map(Reading::as_series) {
        let pods = output.entry(series.metric().name.clone()).or_default();
        let points = series.points().iter().map(|point| (point.time, point.value));
        pods.entry(series.id().to_owned()).or_default().extend(points);
    }
}

fn requests(server: &HttpServer) -> Vec<Value> {
    let request = |request: &Request| {
        let (path, query) = split(&request.path);
        if query.is_empty() { json!([request.method, path]) } else { json!([request.method, path, query]) }
    };
    server.requests().iter().map(request).collect()
}

fn split(path: &str) -> (&str, Map<String, Value>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    (path, pairs.map(|(key, value)| (key.into_owned(), json!(value))).collect())
}

fn access(server: &HttpServer) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server.url()}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    })
}

fn connector(section: &Value) -> Result<Box<dyn Connector>, String> {
    let factory = CONNECTORS.iter().find(|factory| factory.metadata().default_name == "kube_metrics");
    let factory = factory.ok_or("no connector of this type")?;
    let node = Node::from_json(section, &Origin::whole("section"));
    let name = ConnectorName::new("kube_metrics");
    let section = Section { name: &name, node: &node, prefix: "SERVO_KUBE_METRICS_" };
    let prepared =
        Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).map_err(|problems| problems.to_string())?;
    let cx = BuildContext { optimizer: None, network: Network::default() };
    prepared.build(name, &cx).map_err(|error| error.to_string())
}

/// What the API server of a case says.
fn answer(input: &Value, request: &Request) -> Reply {
    let (path, query) = split(&request.path);
    let selector = query.get("labelSelector").and_then(Value::as_str).unwrap_or_default();
    found(input, path, selector).map_or_else(refusal, |object| Reply::Json(200, object))
}

/// The object or list of a path, or the status when there is none.
fn found(input: &Value, path: &str, selector: &str) -> Result<Value, u64> {
    const PODS: &str = "/api/v1/namespaces/default/pods";
    let is_stateful = text(input, "kind").is_some_and(|kind| kind.eq_ignore_ascii_case("statefulset"));
    let plural = if is_stateful { "statefulsets" } else { "deployments" };
    if path == format!("/apis/apps/v1/namespaces/default/{plural}/{}", name(input)) && input["missing_target"] != true {
        return Ok(workload(input));
    }
    if path == "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods" {
        let listed = || list(items(&input["pod_metrics"]).map(metrics), selector);
        return input["fail_metrics"].as_u64().map_or_else(|| Ok(listed()), Err);
    }
    if path == PODS {
        return Ok(list(items(&input["pods"]).map(|item| pod(input, item)), selector));
    }
    let wanted = path.strip_prefix(PODS).and_then(|rest| rest.strip_prefix('/')).ok_or(404_u64)?;
    items(&input["pods"]).find(|item| item["name"] == wanted).map(|item| pod(input, item)).ok_or(404)
}

fn refusal(code: u64) -> Reply {
    let status = json!({"kind": "Status", "status": "Failure", "message": "refused", "reason": "", "code": code});
    Reply::Json(u16::try_from(code).unwrap_or(500), status)
}

/// The objects that a selector of terms `a=b` and `a!=b` selects.
fn list(objects: impl Iterator<Item = Value>, selector: &str) -> Value {
    let is_selected = |object: &Value| {
        selector.split(',').filter(|term| !term.is_empty()).all(|term| {
            let label = |key: &str| object["metadata"]["labels"][key].as_str().map(str::to_owned);
            match (term.split_once("!="), term.split_once('=')) {
                (Some((key, value)), _) => label(key).as_deref() != Some(value),
                (None, Some((key, value))) => label(key).as_deref() == Some(value),
                (None, None) => false,
            }
        })
    };
    json!({"metadata": {}, "items": objects.filter(is_selected).collect::<Vec<_>>()})
}

fn workload(input: &Value) -> Value {
    json!({
        "metadata": {"name": name(input), "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": input["containers"]}}},
    })
}

fn pod(input: &Value, item: &Value) -> Value {
    let none = json!({});
    let restarts = item.get("restarts").unwrap_or(&none).as_object();
    let statuses = restarts.map(|restarts| {
        let status = |(name, count): (&String, &Value)| {
            json!({
                "name": name, "restartCount": count, "image": "", "imageID": "", "ready": true,
            })
        };
        restarts.iter().map(status).collect::<Vec<_>>()
    });
    json!({
        "metadata": metadata(&item["name"], item),
        "spec": {"containers": item.get("containers").unwrap_or(&input["containers"])},
        "status": {"containerStatuses": statuses},
    })
}

fn metrics(item: &Value) -> Value {
    let container = |container: &Value| {
        json!({
            "name": container["name"], "usage": {"cpu": container["cpu"], "memory": container["memory"]},
        })
    };
    json!({
        "metadata": metadata(&item["pod"], item), "timestamp": item["timestamp"], "window": "15s",
        "containers": items(&item["containers"]).map(container).collect::<Vec<_>>(),
    })
}

fn metadata(name: &Value, item: &Value) -> Value {
    let mut labels = json!({"app": "web"});
    if item["tuning"] == true {
        labels["opsani_role"] = json!("tuning");
    }
    json!({"name": name, "namespace": "default", "labels": labels})
}

fn name(input: &Value) -> &str {
    text(input, "name").unwrap_or("web")
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
