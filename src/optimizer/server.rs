//! The embedded optimizer over HTTP: the same campaigns for agents that speak the protocol, several at once.
//!
//! An agent posts its events to `…/accounts/ORGANIZATION/applications/NAME/servo` with a bearer token; whatever stands
//! before that is left to proxies. Each application has a journal of its own. TLS is left to proxies too. The side channel
//! for diagnostics is answered, and asks for nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::embedded::{CampaignError, Driver};
use crate::causes;
use crate::config::ServedApplication;
use crate::decode::Secret;
use crate::http::server::{self, Limits};
use crate::types::{Operation, Unit};
use crate::wire::{command, completion, lenient};

/// The largest request that is read: a measurement of some hundred thousand points.
const LARGEST_REQUEST: usize = 64 << 20;

/// Each agent keeps a connection or two.
const LIMITS: Limits = Limits { connections: 1024, header_time: Duration::from_secs(30), buffer: None };

/// How long a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an agent waits before it asks again when a campaign cannot go on, in seconds.
const STUCK: u32 = 60;

/// An optimizer for several applications.
pub(crate) struct Server {
    applications: HashMap<String, Application>,
}

struct Application {
    token: Secret,
    state: Mutex<State>,
}

struct State {
    driver: Driver,
    /// Why the campaign cannot go on, until the agent was answered so.
    stuck: Option<String>,
}

/// An answer before it is HTTP.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }

    fn refused(status: StatusCode, detail: &str) -> Self {
        Self { status, body: json!({ "detail": detail }) }
    }
}

impl Server {
    /// Opens a journal in the folder for each application.
    ///
    /// # Errors
    /// A journal cannot be used, or belongs to another campaign.
    pub(crate) fn open(applications: Vec<ServedApplication>, journals: &Path) -> Result<Self, CampaignError> {
        let opened = applications.into_iter().map(|application| {
            let journal = journal(journals, &application.id);
            let driver = Driver::open(&application.id, &application.campaign, &journal)?;
            let state = Mutex::new(State { driver, stuck: None });
            Ok((application.id, Application { token: application.token, state }))
        });
        Ok(Self { applications: opened.collect::<Result<_, CampaignError>>()? })
    }

    /// Answers requests until it is told to stop; those that are being answered then are answered.
    ///
    /// # Errors
    /// The listener is broken.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let respond = move |request| answer(Arc::clone(&self), request);
        server::serve(listener, LIMITS, stop, respond).await
    }

    fn respond(&self, method: &Method, path: &str, token: Option<&str>, body: &[u8]) -> Answer {
        let Some((id, rest)) = target(path) else { return Answer::refused(StatusCode::NOT_FOUND, "no such place") };
        let application = self.applications.get(&id);
        // Who cannot prove anything learns nothing about which applications there are.
        let Some(application) =
            application.filter(|known| token.is_some_and(|token| same(token, known.token.expose())))
        else {
            return Answer::refused(StatusCode::UNAUTHORIZED, "a valid bearer token is required");
        };
        match (method, rest) {
            (&Method::POST, "servo") => match lenient::parse(body) {
                Ok((request, nulls)) => {
                    if nulls > 0 {
                        tracing::warn!(
                            application = id,
                            values = nulls,
                            "numbers that are not finite count as no readings"
                        );
                    }
                    application.event(&id, &request)
                }
                Err(error) => {
                    tracing::error!(application = id, %error, "an agent posted a body that is not JSON");
                    Answer::refused(StatusCode::BAD_REQUEST, "the body is not JSON")
                }
            },
            (&Method::GET, rest) if rest.starts_with("assets/") => Answer::ok(json!({ "data": "WITHHOLD" })),
            (&Method::PUT, rest) if rest.starts_with("assets/") => Answer::ok(json!({ "status": "ok" })),
            _ => Answer::refused(StatusCode::NOT_FOUND, "no such place"),
        }
    }
}

/// Where the journal of an application is.
pub(crate) fn journal(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{}.jsonl", id.replace('/', "_")))
}

/// Equal in the same time for every text of a length, so that it does not tell how much of a guess is right.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

/// The application of a path, and what stands behind it.
fn target(path: &str) -> Option<(String, &str)> {
    let (_, rest) = path.split_once("/accounts/")?;
    let (organization, rest) = rest.split_once("/applications/")?;
    let (name, rest) = rest.split_once('/')?;
    Some((format!("{organization}/{name}"), rest.trim_end_matches('/')))
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, LARGEST_REQUEST).collect()).await;
    let answer = match body {
        Ok(Ok(body)) => {
            let body = body.to_bytes();
            let respond = move || {
                let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                let token = header.and_then(|value| value.strip_prefix("Bearer "));
                server.respond(&parts.method, parts.uri.path(), token, &body)
            };
            // Suggestions and disks take their time.
            let responded = tokio::task::spawn_blocking(respond).await;
            responded.unwrap_or_else(|_| Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "the request failed"))
        }
        Ok(Err(_)) => Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or was cut"),
        Err(_) => Answer::refused(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
    };
    let mut response = Response::new(Full::from(answer.body.to_string()));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    if answer.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, hyper::header::HeaderValue::from_static("Bearer"));
    }
    response
}

impl Application {
    fn event(&self, id: &str, request: &Value) -> Answer {
        // Every step leaves the driver whole, so that a panic elsewhere has left nothing half done.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let param = request.get("param").unwrap_or(&Value::Null);
        match request.get("event").and_then(Value::as_str) {
            Some("HELLO") => {
                tracing::info!(application = id, agent = param["agent"].as_str(), "an agent says hello");
                state.driver.hello();
                Answer::ok(json!({ "status": "ok" }))
            }
            Some("GOODBYE") => {
                tracing::info!(application = id, reason = param["reason"].as_str(), "an agent says goodbye");
                state.driver.hello();
                Answer::ok(json!({ "status": "ok" }))
            }
            Some("WHATS_NEXT") => Answer::ok(state.next(id)),
            Some(event) => match operation(event) {
                Some(_) if param.get("progress").is_some() => Answer::ok(json!({ "status": "ok" })),
                Some(operation) => Answer::ok(state.complete(id, operation, param)),
                None => Answer::ok(json!({ "status": "invalid", "reason": format!("unknown event {event:?}") })),
            },
            None => Answer::refused(StatusCode::BAD_REQUEST, "the body has no event"),
        }
    }
}

impl State {
    fn next(&mut self, id: &str) -> Value {
        if let Some(reason) = self.stuck.take() {
            return sleep(&reason);
        }
        match self.driver.next_command() {
            Ok(command) => {
                let command = command::encode(&command);
                tracing::info!(application = id, command = command["cmd"].as_str(), "the agent asks for a command");
                command
            }
            Err(error) => sleep(&report(id, &error)),
        }
    }

    fn complete(&mut self, id: &str, operation: Operation, param: &Value) -> Value {
        let result = match completion::decode(operation, &with_known_units(operation, param)) {
            Ok(result) => result,
            Err(problems) => {
                tracing::error!(application = id, %problems, "an agent posted a completion that is not valid");
                return json!({ "status": "invalid", "reason": problems.to_string() });
            }
        };
        match self.driver.complete(result) {
            Ok(true) => json!({ "status": "ok" }),
            Ok(false) => json!({ "status": "unexpected-event", "reason": "no such command was given" }),
            Err(error) => {
                self.stuck = Some(report(id, &error));
                json!({ "status": "ok" })
            }
        }
    }
}

/// Logs why a campaign cannot go on, and says it with everything underneath.
fn report(id: &str, error: &CampaignError) -> String {
    let text = causes::chain(error);
    tracing::error!(application = id, error = text, "the optimization cannot go on");
    text
}

fn sleep(reason: &str) -> Value {
    json!({ "cmd": "SLEEP", "param": { "duration": STUCK, "data": { "status": "stuck", "reason": reason } } })
}

fn operation(event: &str) -> Option<Operation> {
    let known = [Operation::Description, Operation::Measurement, Operation::Adjustment];
    known.into_iter().find(|operation| operation.as_str() == event)
}

/// The same parameters with every metric in a unit that is known: in another one it is a plain number, whose values are
/// as good.
fn with_known_units(operation: Operation, param: &Value) -> Cow<'_, Value> {
    let pointers: &[&str] = match operation {
        Operation::Measurement => &["/metrics"],
        Operation::Description => &["/descriptor/measurement/metrics", "/measurement/metrics"],
        Operation::Adjustment => &["/state/measurement/metrics", "/measurement/metrics"],
    };
    let is_unknown = |metric: &Value| {
        let unit = metric.get("unit").and_then(Value::as_str);
        unit.is_some_and(|unit| Unit::ALL.iter().all(|known| known.as_str() != unit))
    };
    let mut known = Cow::Borrowed(param);
    for pointer in pointers {
        let metrics = param.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        for (name, metric) in metrics.filter(|(_, metric)| is_unknown(metric)) {
            tracing::warn!(metric = name, unit = metric["unit"].as_str(), "unknown unit: taken as a plain number");
            if let Some(metrics) = known.to_mut().pointer_mut(pointer) {
                metrics[name]["unit"] = Unit::Float.as_str().into();
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_applications_whatever_stands_before() {
        for path in ["/accounts/a.com/applications/app/servo", "/x/y/accounts/a.com/applications/app/servo/"] {
            assert_eq!(target(path), Some(("a.com/app".to_owned(), "servo")));
        }
        for path in ["/", "/accounts/a.com/servo", "/accounts/a.com/applications/app"] {
            assert_eq!(target(path), None);
        }
    }

    fn server(folder: &Path) -> Server {
        let campaign = json!({"slo": [{"metric": "p99_latency", "threshold": 250}], "trials": 5});
        let origin = crate::decode::Origin::whole("test");
        let config = json!({"applications": {"a.com/app": {"token": "s3cr3t", "slo": campaign["slo"], "trials": 5}}});
        let node = crate::decode::Node::from_json(&config, &origin);
        let served = crate::decode::Decoder::run(&crate::decode::NoVariables, |cx| {
            <crate::config::ServedConfig as crate::decode::Decode>::decode(&node, cx)
        });
        Server::open(served.unwrap().applications, folder).unwrap()
    }

    #[test]
    fn only_who_has_the_token_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let server = server(folder.path());
        let (path, body) = ("/accounts/a.com/applications/app/servo", br#"{"event":"WHATS_NEXT","param":null}"#);
        let ask = |path: &str, token: Option<&str>| server.respond(&Method::POST, path, token, body);
        for token in [None, Some(""), Some("S3cr3t"), Some("s3cr3t ")] {
            assert_eq!(ask(path, token).status, StatusCode::UNAUTHORIZED, "{token:?}");
        }
        assert_eq!(ask("/accounts/a.com/applications/other/servo", Some("s3cr3t")).status, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(path, Some("s3cr3t")).body["cmd"], "DESCRIBE");
    }

    #[test]
    fn what_cannot_be_optimized_is_told_with_a_sleep() {
        let folder = tempfile::tempdir().unwrap();
        let server = server(folder.path());
        let post = |event: Value| {
            let path = "/accounts/a.com/applications/app/servo";
            server.respond(&Method::POST, path, Some("s3cr3t"), event.to_string().as_bytes()).body
        };
        assert_eq!(post(json!({"event": "HELLO", "param": {}}))["status"], "ok");
        assert_eq!(post(json!({"event": "WHATS_NEXT"}))["cmd"], "DESCRIBE");
        let descriptor = json!({"application": {"components": {}}, "measurement": {"metrics": {}}});
        assert_eq!(
            post(json!({"event": "DESCRIPTION", "param": {"status": "ok", "descriptor": descriptor}}))["status"],
            "ok"
        );
        let command = post(json!({"event": "WHATS_NEXT"}));
        assert_eq!(command["cmd"], "SLEEP");
        assert!(command["param"]["data"]["reason"].as_str().unwrap().contains("nothing can be optimized"), "{command}");
        assert_eq!(post(json!({"event": "ADJUSTMENT", "param": {"progress": 5}}))["status"], "ok");
        assert_eq!(post(json!({"event": "ADJUSTMENT", "param": {"status": "ok"}}))["status"], "unexpected-event");
        assert_eq!(post(json!({"event": "DANCE"}))["status"], "invalid");
        let malformed = json!({"event": "MEASUREMENT", "param": {"metrics": {"m": {"values": [{"data": [[1]]}]}}}});
        let answer = post(malformed);
        assert_eq!(answer["status"], "invalid");
        assert!(answer["reason"].as_str().unwrap().contains("param.metrics.m.values.0.data.0"), "{answer}");
    }

    #[test]
    fn a_bare_nan_is_no_reading_and_an_unknown_unit_a_plain_number() {
        let folder = tempfile::tempdir().unwrap();
        let server = server(folder.path());
        let post = |body: &str| {
            let path = "/accounts/a.com/applications/app/servo";
            server.respond(&Method::POST, path, Some("s3cr3t"), body.as_bytes())
        };
        post(r#"{"event": "HELLO"}"#);
        post(r#"{"event": "WHATS_NEXT"}"#);
        let cpu = r#"{"type": "range", "min": 1, "max": 4, "step": 1, "value": 2}"#;
        let described = format!(
            r#"{{"event": "DESCRIPTION", "param": {{"application": {{"components": {{"web": {{"settings": {{"cpu": {cpu}}}}}}}}},
                "measurement": {{"metrics": {{"p99_latency": {{"unit": "furlongs"}}}}}}}}}}"#
        );
        assert_eq!(post(&described).body["status"], "ok");
        assert_eq!(post(r#"{"event": "WHATS_NEXT"}"#).body["cmd"], "MEASURE");
        let measured = r#"{"event": "MEASUREMENT", "param": {"metrics": {"p99_latency":
            {"unit": "furlongs", "values": [{"id": "1", "data": [[1, 12.0], [2, NaN], [3, 13.0]]}]}}, "annotations": {}}}"#;
        assert_eq!(post(measured), Answer::ok(json!({ "status": "ok" })));
        // The settings are read again before the trial counts.
        assert_eq!(post(r#"{"event": "WHATS_NEXT"}"#).body["cmd"], "DESCRIBE");
        assert_eq!(post(&described).body["status"], "ok");
        let journal = std::fs::read_to_string(journal(folder.path(), "a.com/app")).unwrap();
        assert!(journal.contains(r#""metrics":{"p99_latency":12.5}"#), "{journal}");
        assert_eq!(post("NaNs").status, StatusCode::BAD_REQUEST);
    }
}
