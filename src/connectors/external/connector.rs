//! The connector: asks its executable, and starts it again when it has failed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::config::ExternalConfig;
use super::handshake::{GreetingError, Handshake, greet};
use super::messages;
use super::peer::{Call, CallError, Peer};
use super::protocol::RemoteError;
use super::session::{Fault, Request, Session};
use crate::checks::{Check, CheckRequest};
use crate::connector::{
    Adjust, AdjustRequest, Checkable, Components, Connector, ConnectorName, Describe, DescribeRequest, ErrorKind,
    Event, EventContext, EventError, Hooks, Lifecycle, Measure, MeasureRequest, Metadata, Metrics, Outcome, Phase,
};
use crate::types::{self, Component, Description, Measurement, Metric};

/// How long `configure` may take.
pub(super) const CONFIGURE_LIMIT: Duration = Duration::from_secs(30);
/// The pause before the first restart in a row; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connector whose work is done by an executable.
pub(super) struct ExternalConnector {
    name: ConnectorName,
    program: PathBuf,
    handshake: Arc<Handshake>,
    config: ExternalConfig,
    life: Mutex<Life>,
}

/// The present run of the executable, and how the last ones went.
#[derive(Default)]
struct Life {
    peer: Option<Peer>,
    /// Failures since the last answer.
    failures: u32,
    failed_at: Option<Instant>,
}

impl Life {
    fn fail(&mut self) {
        self.peer = None;
        self.failures += 1;
        self.failed_at = Some(Instant::now());
    }

    fn succeed(&mut self) {
        self.failures = 0;
        self.failed_at = None;
    }

    /// When it may be started again.
    fn restart_at(&self) -> Option<Instant> {
        Some(self.failed_at? + pause(self.failures))
    }
}

/// The pause after so many failures in a row.
fn pause(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// Why the executable is not running.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("it refused its configuration: {0}")]
    Refused(String),
}

impl ExternalConnector {
    pub(super) fn new(
        name: ConnectorName,
        program: PathBuf,
        handshake: Arc<Handshake>,
        config: ExternalConfig,
    ) -> Self {
        Self { name, program, handshake, config, life: Mutex::default() }
    }

    /// Starts the executable and configures it.
    async fn start(&self, cx: &EventContext) -> Result<Peer, StartError> {
        let secrets = self.handshake.schema.secrets(self.config.exposed());
        let mut session = Session::start(&self.program, self.name.as_str(), secrets)?;
        match self.prepare(&mut session, cx).await {
            Ok(()) => Ok(Peer::watch(session, self.name.as_str())),
            Err(error) => {
                session.end().await;
                Err(error)
            }
        }
    }

    async fn prepare(&self, session: &mut Session, cx: &EventContext) -> Result<(), StartError> {
        greet(session, &self.handshake.metadata.default_name).await?;
        let optimizer = cx.services().optimizer.as_ref();
        let params = json!({
            "name": self.name.as_str(),
            "config": self.config.exposed(),
            "optimizer": optimizer.map(|optimizer| json!({ "id": optimizer.id, "name": optimizer.name })),
        });
        let request = Request {
            method: "configure",
            params: &params,
            limit: CONFIGURE_LIMIT,
            cancellation: &CancellationToken::new(),
        };
        let answer = session.call(request, |_, _| {}).await?;
        answer.map(drop).map_err(|error| StartError::Refused(error.message))
    }

    /// The running executable, started again if need be.
    async fn running<'l>(&self, life: &'l mut Life, cx: &EventContext) -> Result<&'l Peer, EventError> {
        if life.peer.as_ref().is_some_and(Peer::is_gone) {
            life.fail();
        }
        if life.peer.is_none() {
            if let Some(restart_at) = life.restart_at() {
                tracing::info!(failures = life.failures, "starting the connector again");
                cx.unless_cancelled(sleep_until(restart_at)).await?;
            }
            match cx.unless_cancelled(self.start(cx)).await? {
                Ok(peer) => life.peer = Some(peer),
                Err(error) => {
                    life.fail();
                    return Err(self.failure(cx, error));
                }
            }
        }
        life.peer.as_ref().ok_or_else(|| EventError::failed("the connector is not running"))
    }

    /// Asks the executable in the middle of an event.
    async fn ask(
        &self,
        cx: &EventContext,
        method: &'static str,
        params: Json,
        more: Duration,
    ) -> Result<Json, EventError> {
        let mut life = cx.unless_cancelled(self.life.lock()).await?;
        let peer = self.running(&mut life, cx).await?;
        let limit = self.handshake.limit(cx.phase(), cx.event()) + more;
        let answer = peer.call(Call { method, params, limit, cx: cx.clone() }).await;
        match &answer {
            Ok(_) => life.succeed(),
            Err(error) => {
                life.fail();
                tracing::warn!(%error, "the connector failed in the middle of an event");
            }
        }
        if cx.cancellation().is_cancelled() {
            // Whatever it answered: who cancels wants to hear that.
            return Err(cx.cancelled().await);
        }
        match answer {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(told(cx, error)),
            Err(CallError::Fault(fault)) => Err(self.failure(cx, fault)),
            Err(gone @ CallError::Gone) => Err(self.failure(cx, gone)),
        }
    }

    /// The result of an event, read.
    fn understood<T>(&self, cx: &EventContext, read: Result<T, String>) -> Result<T, EventError> {
        read.map_err(|problems| {
            EventError::new(kind(cx), format!("connector '{}' answered {} wrongly:\n{problems}", self.name, cx.event()))
        })
    }

    fn failure(&self, cx: &EventContext, source: impl std::error::Error + Send + Sync + 'static) -> EventError {
        EventError::new(kind(cx), format!("connector '{}' failed", self.name)).with_source(source)
    }
}

/// How a failure of this event is counted.
fn kind(cx: &EventContext) -> ErrorKind {
    match cx.event() {
        Event::Measure => ErrorKind::MeasurementFailed,
        Event::Adjust => ErrorKind::AdjustmentFailed,
        _ => ErrorKind::Failed,
    }
}

/// The error that an executable answered.
fn told(cx: &EventContext, error: RemoteError) -> EventError {
    let kind = match error.status.as_deref() {
        Some("rejected") => ErrorKind::Rejected,
        Some("aborted") => ErrorKind::Aborted,
        Some("cancelled") => ErrorKind::Cancelled,
        None | Some("failed") => kind(cx),
        Some(other) => {
            tracing::warn!(status = other, "the connector answered by a status that is not known: taken for failed");
            kind(cx)
        }
    };
    let told = EventError::new(kind, error.message);
    match error.reason {
        Some(reason) => told.with_reason(reason),
        None => told,
    }
}

impl Connector for ExternalConnector {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &self.handshake.metadata
    }

    fn as_describe(&self) -> Option<&dyn Describe> {
        self.handshake.has(Phase::On, Event::Describe).then_some(self)
    }

    fn as_metrics(&self) -> Option<&dyn Metrics> {
        self.handshake.has(Phase::On, Event::Metrics).then_some(self)
    }

    fn as_components(&self) -> Option<&dyn Components> {
        self.handshake.has(Phase::On, Event::Components).then_some(self)
    }

    fn as_measure(&self) -> Option<&dyn Measure> {
        self.handshake.has(Phase::On, Event::Measure).then_some(self)
    }

    fn as_adjust(&self) -> Option<&dyn Adjust> {
        self.handshake.has(Phase::On, Event::Adjust).then_some(self)
    }

    fn as_check(&self) -> Option<&dyn Checkable> {
        self.handshake.has(Phase::On, Event::Check).then_some(self)
    }

    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        Some(self)
    }

    fn as_hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }
}

#[async_trait]
impl Lifecycle for ExternalConnector {
    async fn attach(&self, cx: &EventContext) -> Result<Vec<Box<dyn Connector>>, EventError> {
        let mut life = self.life.lock().await;
        self.running(&mut life, cx).await?;
        Ok(Vec::new())
    }

    async fn detach(&self, _cx: &EventContext) -> Result<(), EventError> {
        let peer = self.life.lock().await.peer.take();
        if let Some(peer) = peer {
            peer.dismiss().await;
        }
        Ok(())
    }
}

#[async_trait]
impl Describe for ExternalConnector {
    async fn describe(&self, cx: &EventContext, request: &DescribeRequest) -> Result<Description, EventError> {
        let result = self.ask(cx, "describe", messages::describe(request), Duration::ZERO).await?;
        self.understood(cx, messages::description(&result))
    }
}

#[async_trait]
impl Metrics for ExternalConnector {
    async fn metrics(&self, cx: &EventContext) -> Result<Vec<Arc<Metric>>, EventError> {
        let result = self.ask(cx, "metrics", json!({}), Duration::ZERO).await?;
        self.understood(cx, messages::metrics(&result))
    }
}

#[async_trait]
impl Components for ExternalConnector {
    async fn components(&self, cx: &EventContext) -> Result<Vec<Component>, EventError> {
        let result = self.ask(cx, "components", json!({}), Duration::ZERO).await?;
        self.understood(cx, messages::components(&result))
    }
}

#[async_trait]
impl Measure for ExternalConnector {
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        let control = &request.control;
        let own_time = (control.delay + control.warmup + control.duration).to_std();
        let result = self.ask(cx, "measure", messages::measure(request), own_time).await?;
        self.understood(cx, messages::measurement(&result))
    }
}

#[async_trait]
impl Adjust for ExternalConnector {
    async fn adjust(&self, cx: &EventContext, request: &AdjustRequest) -> Result<Description, EventError> {
        let settlement = request.control.settlement.map(types::Duration::to_std).unwrap_or_default();
        let result = self.ask(cx, "adjust", messages::adjust(request), settlement).await?;
        self.understood(cx, messages::description(&result))
    }
}

#[async_trait]
impl Checkable for ExternalConnector {
    /// The executable runs all its checks; those that are asked for are kept.
    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        let result = self.ask(cx, "check", json!({}), Duration::ZERO).await?;
        Ok(request.select(self.understood(cx, messages::checks(&result))?))
    }
}

#[async_trait]
impl Hooks for ExternalConnector {
    fn hooks(&self) -> Vec<(Phase, Event)> {
        self.handshake.hooks()
    }

    async fn before(&self, cx: &EventContext, event: Event) -> Result<(), EventError> {
        self.ask(cx, "before", messages::before(event), Duration::ZERO).await.map(drop)
    }

    async fn after(&self, cx: &EventContext, event: Event, outcome: &Outcome<'_>) -> Result<(), EventError> {
        self.ask(cx, "after", messages::after(event, outcome), Duration::ZERO).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses = [1, 2, 3, 7, 100].map(|failures| pause(failures).as_millis());
        assert_eq!(pauses, [500, 1_000, 2_000, 30_000, 30_000]);
    }
}
