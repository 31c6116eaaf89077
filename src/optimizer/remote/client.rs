//! The HTTP client: posts, retries, and the side channel for diagnostics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::read_json;
use super::connection::Connections;
use super::error::BuildError;
use super::proxies;
use crate::causes;
use crate::config::{CommonConfig, OptimizerConfig, SslVerify};
use crate::network::Network;
use crate::optimizer::{Diagnostics, DiagnosticsRequest, Optimizer, OptimizerError, Retries};
use crate::retry::{Attempt, Limits, retry};
use crate::telemetry::USER_AGENT;
use crate::types::{Answer, Command, Completion, Progress, UnixTime};
use crate::wire::{answer, command, completion, request};

/// Time to connect when the configuration does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time without a byte of an answer when the configuration does not say. Generous: an optimizer may think.
const READ_TIMEOUT: Duration = Duration::from_mins(5);

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits of a round of diagnostics, which comes again in a minute anyway.
const DIAGNOSTICS_LIMITS: Limits =
    Limits { max_time: Some(Duration::from_mins(10)), max_tries: Some(20), max_wait: None };

/// An optimizer that speaks the protocol over HTTP.
pub(crate) struct RemoteOptimizer {
    http: reqwest::Client,
    connections: Connections,
    servo_uid: Option<String>,
    limits: Limits,
    hello_limits: Limits,
    retries: RetryCount,
}

#[derive(Debug, Default)]
struct RetryCount {
    total: AtomicU64,
    in_a_row: AtomicU64,
}

impl RemoteOptimizer {
    /// Makes a client; talks to nobody yet.
    ///
    /// # Errors
    /// When the configuration cannot be used in these surroundings.
    pub(crate) fn new(
        config: &OptimizerConfig,
        settings: &CommonConfig,
        servo_uid: Option<&str>,
        network: &Network,
    ) -> Result<Self, BuildError> {
        let limits = |name| {
            let backoff = settings.backoff(name);
            Limits {
                max_time: backoff.max_time.map(crate::types::Duration::to_std),
                max_tries: backoff.max_tries,
                max_wait: None,
            }
        };
        Ok(Self {
            http: http_client(settings, network)?,
            connections: Connections::new(config).map_err(BuildError::Credentials)?,
            servo_uid: servo_uid.map(str::to_owned),
            limits: limits("__default__"),
            hello_limits: limits("connect"),
            retries: RetryCount::default(),
        })
    }

    /// Posts an event and reads its answer, within limits.
    async fn post<T>(
        &self,
        event: &'static str,
        body: Bytes,
        limits: Limits,
        parse: fn(&Value) -> Result<T, String>,
    ) -> Result<T, OptimizerError> {
        tracing::trace!(event, body = %String::from_utf8_lossy(&body), "request to the optimizer");
        let on_wait = |error: &OptimizerError, wait: Duration| {
            let error: &dyn std::error::Error = error;
            tracing::warn!(event, error, ?wait, "the request failed: trying again");
            self.retries.total.fetch_add(1, Ordering::Relaxed);
            self.retries.in_a_row.fetch_add(1, Ordering::Relaxed);
        };
        let attempt = || async { self.exchange(event, body.clone()).await.map_err(|error| classify(event, error)) };
        let answer = retry(limits, on_wait, attempt).await;
        self.retries.in_a_row.store(0, Ordering::Relaxed);
        let answer = answer?;
        tracing::trace!(event, %answer, "answer of the optimizer");
        parse(&answer).map_err(|problem| OptimizerError::Unintelligible {
            url: self.connections.shown_endpoint(),
            event,
            problem,
        })
    }

    /// One try of a post.
    async fn exchange(&self, event: &'static str, body: Bytes) -> Result<Value, OptimizerError> {
        let result = self.send(Method::POST, "servo", event, body.clone()).await;
        if let Err(OptimizerError::HttpStatus { status: 401, event: refused, .. }) = &result
            && *refused == event
            && self.connections.current().await?.auth.refused().await
        {
            // It may have expired on the way, and a completion must not be lost for that.
            return self.send(Method::POST, "servo", event, body).await;
        }
        result
    }

    /// One request with credentials. An answer that quotes them is not passed on with them.
    async fn send(
        &self,
        method: Method,
        path: &str,
        event: &'static str,
        body: Bytes,
    ) -> Result<Value, OptimizerError> {
        let connection = self.connections.current().await?;
        let (name, value) = connection.auth.header(&self.http).await?;
        // The token alone, whatever its scheme: it is the last word.
        let token = value.to_str().ok().and_then(|value| value.rsplit(' ').next()).unwrap_or_default().to_owned();
        let request = self
            .http
            .request(method, connection.address(path))
            .header(name, value)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        read_json(request, event, &[&token]).await
    }

    /// The body of an event of this servo.
    fn request(&self, event: &str, param: &impl Serialize) -> Bytes {
        request::envelope(event, param, self.servo_uid.as_deref())
    }

    /// One exchange of the side channel, repeated on 5xx and transport errors.
    async fn asset(&self, method: Method, path: &str, body: &Value) -> Result<Value, OptimizerError> {
        let on_wait = |_: &OptimizerError, _: Duration| {};
        let body = Bytes::from(body.to_string());
        let attempt = || async {
            self.send(method.clone(), path, "diagnostics", body.clone()).await.map_err(|error| match error {
                OptimizerError::HttpStatus { status: 500.., .. } | OptimizerError::Transport { .. } => {
                    Attempt::transient(error)
                }
                other => Attempt::permanent(other),
            })
        };
        retry(DIAGNOSTICS_LIMITS, on_wait, attempt).await
    }
}

fn http_client(settings: &CommonConfig, network: &Network) -> Result<reqwest::Client, BuildError> {
    let mut builder = match settings.ssl_verify() {
        SslVerify::Default => network.client_builder()?,
        SslVerify::Off => {
            tracing::warn!("TLS certificates of the optimizer are not verified (settings.ssl_verify: false)");
            network.unverified_client_builder()?
        }
        SslVerify::Bundle(path) => network.client_builder_with(path)?,
    };
    builder = proxies::apply(builder, settings.proxies())?;
    let timeouts = settings.timeouts();
    let or = |timeout: Option<crate::types::Duration>, default| timeout.map_or(default, crate::types::Duration::to_std);
    builder = builder
        .connect_timeout(or(timeouts.connect, CONNECT_TIMEOUT))
        .read_timeout(or(timeouts.read, READ_TIMEOUT))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(write) = timeouts.write {
        builder = builder.tcp_user_timeout(write.to_std());
    }
    builder.build().map_err(BuildError::Client)
}

/// Whether another try may help. HELLO is tried again whatever happens: credentials and routes may still be on their way
/// when the agent starts.
fn classify(event: &str, error: OptimizerError) -> Attempt<OptimizerError> {
    match error {
        // Whatever is said to a goodbye, it was heard.
        OptimizerError::Unintelligible { .. } if event == "GOODBYE" => Attempt::permanent(error),
        OptimizerError::Transport { .. }
        | OptimizerError::Unintelligible { .. }
        | OptimizerError::HttpStatus { status: 404 | 500.., .. } => Attempt::transient(error),
        OptimizerError::HttpStatus { .. } if event == "HELLO" => Attempt::transient(error),
        OptimizerError::HttpStatus { .. }
        | OptimizerError::ConnectionFile { .. }
        | OptimizerError::UnexpectedServo
        | OptimizerError::Halted { .. }
        | OptimizerError::Interrupted => Attempt::permanent(error),
    }
}

#[async_trait]
impl Optimizer for RemoteOptimizer {
    async fn hello(&self, telemetry: &BTreeMap<String, String>) -> Result<(), OptimizerError> {
        let body = self.request("HELLO", &request::hello(USER_AGENT, telemetry));
        self.post("HELLO", body, self.hello_limits, answer::decode_greeting).await
    }

    async fn next_command(&self) -> Result<Command, OptimizerError> {
        let body = self.request("WHATS_NEXT", &Value::Null);
        self.post("WHATS_NEXT", body, self.limits, command::decode).await
    }

    async fn report(&self, progress: &Progress) -> Result<Answer, OptimizerError> {
        let event = progress.operation.as_str();
        self.post(event, self.request(event, &request::progress(progress)), self.limits, answer::decode).await
    }

    async fn complete(&self, completion: &Completion) -> Result<Answer, OptimizerError> {
        let (operation, body) = completion::encode(completion, UnixTime::now(), self.servo_uid.as_deref());
        self.post(operation.as_str(), body, self.limits, answer::decode).await
    }

    async fn goodbye(&self, reason: &str) -> Result<(), OptimizerError> {
        let body = self.request("GOODBYE", &json!({"reason": reason}));
        match self.post("GOODBYE", body, self.limits, answer::decode_greeting).await {
            Err(OptimizerError::Unintelligible { .. }) => Ok(()),
            result => result,
        }
    }

    async fn reachable(&self) -> Result<String, String> {
        match self.exchange("HELLO", self.request("HELLO", &Value::Null)).await {
            // Only the status counts: whatever is said with 200 comes from an optimizer.
            // An answer of the token endpoint is none of the optimizer's.
            Ok(_) | Err(OptimizerError::Unintelligible { event: "HELLO", .. }) => {
                Ok("Response status code: 200".to_owned())
            }
            Err(OptimizerError::HttpStatus { status, .. }) => Err(format!("Response status code: {status}")),
            Err(error) => Err(causes::chain(&error)),
        }
    }

    async fn maintain(&self) {
        self.connections.follow().await;
    }

    fn retries(&self) -> Retries {
        Retries {
            total: self.retries.total.load(Ordering::Relaxed),
            in_a_row: self.retries.in_a_row.load(Ordering::Relaxed),
        }
    }

    fn diagnostics(&self) -> Option<&dyn Diagnostics> {
        Some(self)
    }
}

#[async_trait]
impl Diagnostics for RemoteOptimizer {
    async fn poll(&self) -> Result<DiagnosticsRequest, OptimizerError> {
        let path = "assets/opsani.com/diagnostics-check";
        let answer = match self.asset(Method::GET, path, &json!({"data": null})).await {
            Err(OptimizerError::HttpStatus { status: ..500, .. }) => return Ok(DiagnosticsRequest::Withhold),
            answer => answer?,
        };
        match answer.get("data").unwrap_or(&answer).as_str() {
            Some("WITHHOLD") => Ok(DiagnosticsRequest::Withhold),
            Some("SEND") => Ok(DiagnosticsRequest::Send),
            Some("STOP") => Ok(DiagnosticsRequest::Stop),
            _ => {
                tracing::error!(%answer, "the answer to a diagnostics check cannot be understood: sending nothing");
                Ok(DiagnosticsRequest::Withhold)
            }
        }
    }

    async fn send(&self, output: &Value) -> Result<(), OptimizerError> {
        self.asset(Method::PUT, "assets/opsani.com/diagnostics-output", &json!({"data": output})).await?;
        self.asset(Method::PUT, "assets/opsani.com/diagnostics-check", &json!({"data": "WITHHOLD"})).await?;
        Ok(())
    }
}
