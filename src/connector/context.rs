//! What surrounds an event: everything that a handler may touch beside its own configuration.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ConnectorName, Event, EventContextText, EventError, Phase};
use crate::exchange::Exchange;
use crate::k8s::Surroundings;
use crate::network::Network;
use crate::subprocess::SearchPath;
use crate::telemetry::Telemetry;
use crate::types::Operation;

/// Who decides what to try next, as far as connectors need to know: for names, labels and annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptimizerIdentity {
    /// The full identifier, such as `dev.opsani.com/app`.
    pub id: String,
    /// The last part of it.
    pub name: String,
    /// Whether it is our own, in this process: it takes what a remote one does not expect.
    pub embedded: bool,
}

/// What all connectors of a servo share.
#[derive(Debug, Default)]
pub struct Services {
    /// The optimizer, when one is configured.
    pub optimizer: Option<OptimizerIdentity>,
    pub telemetry: Telemetry,
    pub exchange: Exchange,
    /// Proxies and certificate authorities of the surroundings.
    pub network: Network,
    pub programs: SearchPath,
    /// What the surroundings say about Kubernetes.
    pub kubernetes: Surroundings,
}

/// One progress report of a running operation.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressReport {
    pub operation: Operation,
    /// Percent: finite, not 0, and not from 100 to below 101, which the end of the command says.
    pub progress: f64,
    pub started_at: Instant,
    /// The log line that carried it.
    pub message: String,
}

/// Takes progress reports to whoever posts them; without a receiver they are only logged.
#[derive(Debug, Clone, Default)]
pub struct ProgressSender(Option<mpsc::Sender<ProgressReport>>);

impl ProgressSender {
    /// A sender into this channel. A full channel loses the report, as nothing may wait for a slow optimizer.
    pub fn new(channel: mpsc::Sender<ProgressReport>) -> Self {
        Self(Some(channel))
    }

    fn send(&self, report: ProgressReport) {
        if let Some(channel) = &self.0
            && channel.try_send(report).is_err()
        {
            tracing::debug!("dropped a progress report: too many are waiting");
        }
    }
}

/// The surroundings of one handler of one connector.
#[derive(Debug, Clone)]
pub struct EventContext {
    connector: ConnectorName,
    event: Event,
    phase: Phase,
    started_at: Instant,
    progress: ProgressSender,
    cancellation: CancellationToken,
    services: Arc<Services>,
}

impl EventContext {
    /// A context that begins now.
    pub fn new(
        connector: ConnectorName,
        EventContextText(phase, event): EventContextText,
        services: Arc<Services>,
        progress: ProgressSender,
        cancellation: CancellationToken,
    ) -> Self {
        Self { connector, event, phase, started_at: Instant::now(), progress, cancellation, services }
    }

    /// The connector that handles the event.
    pub fn connector(&self) -> &ConnectorName {
        &self.connector
    }

    pub fn event(&self) -> Event {
        self.event
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What the connectors of the servo share.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Cancelled when the event is to end early. For handing on to work that the handler starts; a handler's own
    /// waits are easier with [`Self::cancelled`].
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Resolves to the error to return when the event is to end early.
    ///
    /// # Cancel safety
    /// Cancel safe: for use in `select!`.
    pub async fn cancelled(&self) -> EventError {
        self.cancellation.cancelled().await;
        EventError::cancelled(format!("{} was cancelled", self.event))
    }

    /// What comes of work that leaves nothing behind when it is dropped. What is called off before it begins does not
    /// begin.
    ///
    /// # Errors
    /// The event is to end early.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, EventError> {
        tokio::select! {
            biased;
            error = self.cancelled() => Err(error),
            result = work => Ok(result),
        }
    }

    /// Time since the handler began.
    pub fn elapsed(&self) -> std::time::Duration {
        self.started_at.elapsed()
    }

    /// Logs how far the handler has come and reports it to the optimizer. `percent` of 0, from 100 to below 101, and
    /// what is no finite number are only logged.
    pub fn progress(&self, percent: f64, message: &str) {
        tracing::info!(
            progress = percent,
            connector = %self.connector,
            event = %EventContextText(self.phase, self.event),
            "{message}"
        );
        let Some(operation) = self.event.operation() else { return };
        // The whole number decides: 100.9 is not posted either. What JSON cannot say is no progress.
        if percent == 0.0 || !percent.is_finite() || (100.0..101.0).contains(&percent) {
            return;
        }
        let message = self.log_line(message);
        self.progress.send(ProgressReport { operation, progress: percent, started_at: self.started_at, message });
    }

    /// The message in the format of the log, which is what optimizers are used to.
    fn log_line(&self, message: &str) -> String {
        let time = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        let context = EventContextText(self.phase, self.event);
        format!("{time} | INFO     | {}[{context}] - {message}\n", self.connector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_of_0_of_100_and_without_a_finite_number_is_not_reported() {
        let (sender, mut reports) = mpsc::channel(1);
        let cx = EventContext::new(
            ConnectorName::new("tested"),
            EventContextText(Phase::On, Event::Measure),
            Arc::default(),
            ProgressSender::new(sender),
            CancellationToken::new(),
        );
        for (percent, reported) in [
            (0.0, false),
            (-0.0, false),
            (0.5, true),
            (-1.0, true),
            (99.9, true),
            (100.0, false),
            (100.9, false),
            (101.0, true),
            (f64::NAN, false),
            (f64::INFINITY, false),
        ] {
            cx.progress(percent, "tick");
            assert_eq!(reports.try_recv().is_ok(), reported, "{percent}");
        }
    }
}
