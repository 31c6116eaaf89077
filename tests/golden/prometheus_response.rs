//! What a measurement makes of the answers of a Prometheus server: real sockets, and the connector as a servo uses it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use servox::internals::connector::{
    BuildContext, Connector, ConnectorName, ErrorKind, Event, EventContext, EventContextText, EventError,
    MeasureRequest, OptimizerIdentity, Phase, ProgressSender, Section, Services,
};
use servox::internals::connectors::CONNECTORS;
use servox::internals::decode::{Decoder, NoVariables, Node, Origin};
use servox::internals::network::Network;
use servox::internals::types::{Control, Duration, Measurement, Reading};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

use crate::http_server::{HttpServer, Reply};
use crate::support::{expect_equal, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let warnings = Warnings::default();
    let subscriber = tracing_subscriber::registry().with(warnings.clone());
    let result = tracing::subscriber::with_default(subscriber, || {
        runtime.map_err(|error| error.to_string())?.block_on(measure(&case["input"]))
    });
    let (measured, requests) = result?;
    let expected = expectation(case);
    let lenient = case.get("lenient").is_some();
    match (expected, measured) {
        (Ok(readings), Ok(measurement)) => expect_readings(&readings, &measurement)?,
        // Input that Prometheus never sends may be refused.
        (Ok(_), Err(_)) if lenient => return Ok(()),
        (Ok(_), Err(error)) => return Err(format!("expected readings, got {}", error.chain())),
        (Err(_), Err(error)) => expect_failure(case, &error)?,
        (Err(error), Ok(measurement)) => return Err(format!("expected {error}, got {measurement:?}")),
    }
    if text(case, "defect") != Some("P3") {
        let expected = case["output"].get("requests").unwrap_or(&case["requests"]);
        expect_equal("requests", expected, &json!(requests))?;
    }
    let logs = case["output"]["logs"].as_array().into_iter().flatten();
    let expected: Vec<&str> = logs.filter(|log| log[0] == "WARNING").filter_map(|log| log[1].as_str()).collect();
    if text(case, "defect").is_none() {
        // The reference repeats no request, and reads no note of the server.
        let texts = warnings.texts();
        let own = |text: &&str| text.starts_with("failed to ask ") || text.starts_with("Prometheus warns of ");
        let shared: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !own(text)).collect();
        expect_equal("warnings", &expected, &shared)?;
    }
    Ok(())
}

/// The readings, or what fails.
fn expectation(case: &Value) -> Result<Value, String> {
    match text(case, "defect") {
        // Data that are no query result are a failure, never "no data".
        Some("P3") => Err("data of another kind".to_owned()),
        Some("P4") => single_value(case),
        // Only one item with value 1 says that a metric is absent.
        Some("P6") => Ok(json!([])),
        _ => match text(case, "error") {
            Some(error) => Err(error.to_owned()),
            None => Ok(case["output"]["readings"].clone()),
        },
    }
}

/// A single number is one series of one point; everything else that is no list of series is a failure.
fn single_value(case: &Value) -> Result<Value, String> {
    let data = &case["input"]["range_response"]["body"]["data"];
    let value = data["result"][1].as_str().and_then(|text| text.parse::<f64>().ok()).or(data["result"][1].as_f64());
    let (Some("scalar"), Some(value), Some(time)) = (text(data, "resultType"), value, data["result"][0].as_f64())
    else {
        return Err("no number".to_owned());
    };
    let metric = &case["input"]["metric"];
    let time = servox::internals::types::UnixTime::from_seconds_f64(time).to_string();
    Ok(json!([{
        "kind": "time_series", "metric": metric["name"], "unit": metric["unit"], "id": "{instance=None,job=None}",
        "annotation": "", "data_points": [[time, value]],
    }]))
}

/// Every failure is one of the measurement, and names the metric, the address, and what Prometheus says.
fn expect_failure(case: &Value, error: &EventError) -> Result<(), String> {
    let message = error.chain();
    expect_equal("kind", &ErrorKind::MeasurementFailed, &error.kind())?;
    // What Prometheus does says nothing of the settings.
    expect_equal("reason", &Some("not-measured"), &error.reason())?;
    let body = &case["input"]["range_response"]["body"];
    let refusal = ["errorType", "error"].iter().map(|key| text(body, key).unwrap_or_default());
    let is_whole = body["errorType"].is_string() && body["error"].is_string() && body["status"] == "error";
    let said = refusal.filter(|_| is_whole);
    let metric = text(&case["input"]["metric"], "name").unwrap_or_default();
    for part in [metric].into_iter().chain(said) {
        if !message.contains(part) {
            return Err(format!("{message:?} does not say {part:?}"));
        }
    }
    Ok(())
}

fn expect_readings(expected: &Value, measurement: &Measurement) -> Result<(), String> {
    let readings: Value = measurement.readings.iter().map(shown).collect();
    expect_equal("readings", expected, &readings)
}

fn shown(reading: &Reading) -> Value {
    let Reading::TimeSeries(series) = reading else { return json!("a data point") };
    let points: Value =
        series.points().iter().map(|point| json!([point.time.to_string(), number(point.value)])).collect();
    json!({
        "kind": "time_series",
        "metric": series.metric().name,
        "unit": series.metric().unit.as_str(),
        "id": series.id(),
        "annotation": series.annotation(),
        "data_points": points,
    })
}

fn number(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}

/// Measures with a connector of one metric, and returns what came of it and the paths of the requests.
async fn measure(input: &Value) -> Result<(Result<Measurement, EventError>, Vec<String>), String> {
    let (range, absent) = (reply(&input["range_response"]), reply(&input["absent_response"]));
    let mut is_first = true;
    let server = HttpServer::start(move |request| {
        // Each query is asked once when the measurement begins; the cases are about what comes after that.
        if std::mem::take(&mut is_first) {
            let one = json!([{"metric": {}, "value": [1, "1"]}]);
            return Reply::Json(200, json!({"status": "success", "data": {"resultType": "vector", "result": one}}));
        }
        if request.path.starts_with("/api/v1/query_range?") { range.clone() } else { absent.clone() }
    });
    let server = server.await;
    let connector = connector(&json!({"base_url": server.url(), "metrics": [input["metric"]]}))?;
    let event = EventContextText(Phase::On, Event::Measure);
    // The cases are those of a remote optimizer, for which a step gives way that is longer than the measurement.
    let (id, name) = ("dev.opsani.com/app".to_owned(), "app".to_owned());
    let optimizer = Some(OptimizerIdentity { id, name, embedded: false });
    let cx = EventContext::new(
        connector.name().clone(),
        event,
        Arc::new(Services { optimizer, ..Services::default() }),
        ProgressSender::default(),
        CancellationToken::new(),
    );
    let control = Control { duration: Duration::from_micros(1000), ..Control::default() };
    let request = MeasureRequest { metrics: Vec::new(), control };
    let measured = connector.as_measure().ok_or("it does not measure")?.measure(&cx, &request).await;
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let mut requests: Vec<String> = server.requests().iter().skip(1).map(|request| path(&request.path)).collect();
    // What may pass is asked for again, which the cases do not know.
    requests.dedup();
    Ok((measured, requests))
}

fn reply(response: &Value) -> Reply {
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(404);
    match text(response, "text") {
        Some(body) => Reply::Text(status, body.to_owned()),
        None => Reply::Json(status, response["body"].clone()),
    }
}

fn connector(section: &Value) -> Result<Box<dyn Connector>, String> {
    let factory = CONNECTORS.iter().find(|factory| factory.metadata().default_name == "prometheus");
    let factory = factory.ok_or("no connector of this type")?;
    let node = Node::from_json(section, &Origin::whole("section"));
    let name = ConnectorName::new("prometheus");
    let section = Section { name: &name, node: &node, prefix: "SERVO_PROMETHEUS_" };
    let prepared =
        Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).map_err(|problems| problems.to_string())?;
    let cx = BuildContext { optimizer: None, network: Network::default() };
    prepared.build(name, &cx).map_err(|error| error.to_string())
}

/// The messages of all warnings.
#[derive(Debug, Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn texts(&self) -> Vec<String> {
        self.0.lock().map(|texts| texts.clone()).unwrap_or_default()
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _cx: tracing_subscriber::layer::Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::WARN {
            event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                if field.name() == "message"
                    && let Ok(mut texts) = self.0.lock()
                {
                    texts.push(format!("{value:?}"));
                }
            });
        }
    }
}
