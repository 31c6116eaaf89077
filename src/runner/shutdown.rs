//! Signals: the first one asks for a clean stop, a second one forces the end.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// Signals within this time of one that was heard are the same one: `timeout`, terminals and process managers send it to
/// the process and to its group.
const DOUBLES: Duration = Duration::from_secs(1);

/// The signals that end the agent.
pub(crate) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    user1: Signal,
    heard: Option<Instant>,
}

impl Signals {
    /// Begins to listen; from here on none of them ends the process by itself.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            user1: signal(SignalKind::user_defined1())?,
            heard: None,
        })
    }

    /// The name of the next signal. Those within a second of one that was returned count as that one.
    ///
    /// # Cancel safety
    /// Cancel safe: a signal is never lost.
    pub(crate) async fn next(&mut self) -> &'static str {
        loop {
            let name = tokio::select! {
                _ = self.hangup.recv() => "SIGHUP",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.user1.recv() => "SIGUSR1",
            };
            if self.heard.is_none_or(|heard| heard.elapsed() >= DOUBLES) {
                self.heard = Some(Instant::now());
                return name;
            }
        }
    }
}
