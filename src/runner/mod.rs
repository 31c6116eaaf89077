//! The life of servos under their optimizers: hello, commands until told to stop, goodbye.
//!
//! Each servo runs by itself: whatever happens to one optimizer does not disturb the servos of the others. A servo ends
//! when it is stopped, or when it cannot begin: a connector that does not start up, an optimizer that does not answer
//! HELLO within its limits. Everything else is logged, and the servo pauses and asks again.

mod command;
mod diagnostics;
mod observer;
mod progress;
mod shutdown;
mod status;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub(crate) use diagnostics::LogSource;
pub(crate) use observer::{Ending, Observer, RunEvent};
pub(crate) use shutdown::Signals;
pub use status::word as status_word;

use observer::ObservedOptimizer;

use crate::connector::ProgressSender;
use crate::optimizer::OptimizerError;
use crate::retry::jitter;
use crate::servo::{Dispatch, Servo};

/// Time for all goodbyes together. Kubernetes kills a pod 30 s after it asked it to stop.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a completion that is being posted may delay the goodbye.
const COMPLETION_IN_FLIGHT: Duration = Duration::from_secs(10);

/// How long an optimizer that has put another servo in our place is left alone; this one is about to be removed.
const DEPROVISIONING: Duration = Duration::from_hours(1);

/// The pause after this many failing turns is at most 64 s: short enough to be back soon after an outage.
const LONGEST_PAUSE_DOUBLINGS: u64 = 7;

/// How long to wait after a person has declined to ask for a command.
const DECLINED_PAUSE: Duration = Duration::from_mins(1);

#[async_trait]
pub(crate) trait Confirm: Send + Sync {
    async fn confirm(&self, question: &str) -> bool;
}

#[derive(Clone, Default)]
pub(crate) struct RunOptions {
    /// Say hello and wait, without asking for commands.
    pub no_poll: bool,
    /// Asked before each step that talks to the optimizer.
    pub confirm: Option<Arc<dyn Confirm>>,
    /// The recent log, for diagnostics.
    pub log: Option<Arc<dyn LogSource>>,
    pub observer: Option<Arc<dyn Observer>>,
    /// Ends the run as a signal does, when it is cancelled.
    pub until: Option<CancellationToken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunOutcome {
    /// Stopped by a signal, everything cleaned up.
    Stopped,
    /// Stopped by a signal, everything cleaned up, but an application does not have the settings that it should have.
    NotRestored,
    /// No servo could go on.
    NoneLeft,
    /// No servo could go on, one of them because its configuration has to change.
    Misconfigured,
    /// A second signal came before everything was cleaned up.
    Forced,
}

/// Why a servo ended by itself.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("failed to start up: {0}")]
    Startup(String),
    #[error("gave up on connecting to the optimizer")]
    Hello(#[source] OptimizerError),
    #[error("the application was not left with the settings that it should have")]
    NotRestored,
    #[error("no optimizer is configured")]
    NoOptimizer,
    #[error("the optimization cannot go on")]
    Campaign(#[source] OptimizerError),
}

impl RunError {
    /// Whether the configuration has to change.
    fn is_of_configuration(&self) -> bool {
        match self {
            Self::Hello(OptimizerError::Halted { is_of_configuration, .. })
            | Self::Campaign(OptimizerError::Halted { is_of_configuration, .. }) => *is_of_configuration,
            _ => false,
        }
    }
}

/// The request to stop, and why.
#[derive(Debug, Default)]
struct Stop {
    token: CancellationToken,
    reason: OnceLock<&'static str>,
}

impl Stop {
    fn begin(&self, reason: &'static str) {
        // Only the first reason counts: it is the one that began the stop.
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    fn reason(&self) -> &'static str {
        self.reason.get().copied().unwrap_or("shutdown")
    }
}

/// Runs servos until a signal stops them or none is left.
pub(crate) async fn run(servos: &[Servo], options: &RunOptions, signals: &mut Signals) -> RunOutcome {
    let stop = Stop::default();
    let runs = join_all(servos.iter().map(|servo| {
        // Lines of a servo that is alone need not say whose they are.
        let span = tracing::info_span!("servo", servo = (servos.len() > 1).then(|| servo.name()));
        run_servo(servo, options, &stop).instrument(span)
    }));
    tokio::pin!(runs);
    let until = options.until.clone().unwrap_or_default();
    tokio::select! {
        ends = &mut runs => {
            let is_misconfigured = ends.iter().flatten().any(RunError::is_of_configuration);
            return if is_misconfigured { RunOutcome::Misconfigured } else { RunOutcome::NoneLeft };
        }
        () = until.cancelled() => stop.begin("finished"),
        signal = signals.next() => {
            tracing::info!(signal, "stopping; a second signal forces the end");
            stop.begin(signal);
        }
    }
    tokio::select! {
        ends = &mut runs => {
            tracing::info!("stopped");
            let is_restored = !ends.iter().flatten().any(|end| matches!(end, RunError::NotRestored));
            if is_restored { RunOutcome::Stopped } else { RunOutcome::NotRestored }
        }
        signal = signals.next() => {
            tracing::warn!(signal, "forced to end before everything was cleaned up");
            RunOutcome::Forced
        }
    }
}

/// One servo from startup to shutdown. Its failure is logged here, and returned.
async fn run_servo(servo: &Servo, options: &RunOptions, stop: &Stop) -> Option<RunError> {
    let dispatch = Dispatch::new(ProgressSender::default(), stop.token.child_token());
    let cleanup = Cleanup { servo, done: OnceCell::new() };
    let result = match servo.startup(&dispatch).await {
        Ok(()) => connect(servo, options, stop, &cleanup).await,
        Err(error) => Err(RunError::Startup(error.chain())),
    };
    if let Err(error) = &result
        && !stop.token.is_cancelled()
    {
        let error: &dyn std::error::Error = error;
        tracing::error!(critical = true, error, "this servo stops");
    }
    cleanup.run().await;
    observer::notify(options.observer.as_deref(), servo.name(), &RunEvent::Ended);
    result.err()
}

/// The end of a servo's connectors, once.
struct Cleanup<'a> {
    servo: &'a Servo,
    done: OnceCell<()>,
}

impl Cleanup<'_> {
    async fn run(&self) {
        // A stopped servo still cleans up, so this work is not under the token that stopped it.
        self.done.get_or_init(async || self.servo.shutdown(&Dispatch::default()).await).await;
    }
}

async fn connect(servo: &Servo, options: &RunOptions, stop: &Stop, cleanup: &Cleanup<'_>) -> Result<(), RunError> {
    let seam = servo.optimizer().ok_or(RunError::NoOptimizer)?.as_ref();
    let optimizer = ObservedOptimizer { servo: servo.name(), optimizer: seam, observer: options.observer.as_deref() };
    if !confirmed(options, "Connect to the optimizer?", stop).await {
        tracing::warn!("not connected to the optimizer, as asked: waiting for a signal");
        stop.token.cancelled().await;
        return Ok(());
    }
    let session = async {
        tokio::select! {
            biased;
            // A hello that was answered is followed by a goodbye, even when a stop came at the same moment.
            hello = say_hello(servo, optimizer) => hello?,
            () = stop.token.cancelled() => return Ok(()),
        }
        optimizer.notify(&RunEvent::Connected);
        tracing::info!(success = true, connectors = servo.connectors().len(), "connected to the optimizer");
        let session = Session { servo, optimizer, options, stop, completing: Mutex::new(()) };
        // Cleaning up does not wait for an optimizer that does not answer the goodbye: the pod may be killed by then.
        let serve_and_clean_up = async {
            let served = session.serve().await;
            let is_restored = session.restore_baseline().await;
            cleanup.run().await;
            served.map(|()| is_restored)
        };
        let say_goodbye = async {
            session.say_goodbye().await;
            Ok(())
        };
        // A campaign that cannot go on ends the servo; everything else goes on until it is stopped.
        let (is_restored, ()) = tokio::try_join!(serve_and_clean_up, say_goodbye)?;
        if is_restored { Ok(()) } else { Err(RunError::NotRestored) }
    };
    // From the first hello on: new credentials may be what it waits for.
    let maintained = async {
        seam.maintain().await;
        std::future::pending().await
    };
    tokio::select! {
        result = session => result,
        result = maintained => result,
    }
}

/// Says hello; an optimizer that has put another servo in our place is asked again after a long time.
async fn say_hello(servo: &Servo, optimizer: ObservedOptimizer<'_>) -> Result<(), RunError> {
    let telemetry = servo.services().telemetry.snapshot();
    loop {
        match optimizer.hello(&telemetry).await {
            Err(error @ OptimizerError::UnexpectedServo) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, pause = ?DEPROVISIONING, "waiting to be removed");
                tokio::time::sleep(DEPROVISIONING).await;
            }
            hello => return hello.map_err(RunError::Hello),
        }
    }
}

async fn confirmed(options: &RunOptions, question: &str, stop: &Stop) -> bool {
    let Some(confirm) = &options.confirm else { return true };
    tokio::select! {
        () = stop.token.cancelled() => false,
        agreed = confirm.confirm(question) => agreed,
    }
}

struct Session<'a> {
    servo: &'a Servo,
    optimizer: ObservedOptimizer<'a>,
    options: &'a RunOptions,
    stop: &'a Stop,
    /// Held while a command runs from the end of its work on, so that goodbye does not overtake its completion.
    completing: Mutex<()>,
}

impl Session<'_> {
    /// Everything that goes on between hello and goodbye.
    ///
    /// # Errors
    /// A campaign in this process cannot go on.
    async fn serve(&self) -> Result<(), RunError> {
        if self.options.no_poll {
            tracing::warn!("not asking the optimizer for commands, as asked: waiting for a signal");
            self.stop.token.cancelled().await;
            return Ok(());
        }
        let diagnostics = async {
            tokio::select! {
                () = self.stop.token.cancelled() => {}
                () = diagnostics::poll(self.servo, self.optimizer.optimizer, self.options.log.as_deref()) => {}
            }
            Ok(())
        };
        tokio::try_join!(self.command_loop(), diagnostics).map(|((), ())| ())
    }

    async fn command_loop(&self) -> Result<(), RunError> {
        let mut failures = 0;
        while !self.stop.token.is_cancelled() {
            if !confirmed(self.options, "Poll for next command?", self.stop).await {
                tracing::info!("sleeping for 1m before asking again");
                self.pause(DECLINED_PAUSE).await;
                continue;
            }
            let Err(error) = self.turn().await else {
                failures = 0;
                continue;
            };
            if matches!(error, OptimizerError::Halted { .. }) {
                return Err(RunError::Campaign(error));
            }
            failures += 1;
            let pause = match error {
                OptimizerError::UnexpectedServo => DEPROVISIONING,
                _ => pause_after(failures),
            };
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, ?pause, "the turn failed: asking the optimizer again after a pause");
            self.pause(pause).await;
        }
        Ok(())
    }

    /// One command: asked for, executed, answered.
    async fn turn(&self) -> Result<(), OptimizerError> {
        let command = tokio::select! {
            // A command that comes with the stop must not be answered after the goodbye.
            biased;
            () = self.stop.token.cancelled() => return Ok(()),
            command = self.optimizer.next_command() => command?,
        };
        let Some(completion) = command::execute(self.servo, self.optimizer, command, &self.stop.token).await else {
            return Ok(());
        };
        let _guard = self.completing.lock().await;
        tokio::select! {
            result = command::complete(self.optimizer, &completion) => result,
            () = async { self.stop.token.cancelled().await; tokio::time::sleep(COMPLETION_IN_FLIGHT).await } => Ok(()),
        }
    }

    async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = self.stop.token.cancelled() => {}
            () = tokio::time::sleep(duration) => {}
        }
    }

    /// Does what the optimizer asks for before the end. A second signal ends it. Returns whether the application has the
    /// settings that it is to be left with.
    async fn restore_baseline(&self) -> bool {
        if self.servo.has_wrong_settings() {
            return false;
        }
        if !self.servo.leaves_settings() {
            return true;
        }
        match self.optimizer.optimizer.restore_command().await {
            Ok(None) => true,
            Ok(Some(task)) => command::restore_baseline(self.servo, &task).await,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "failed to ask the optimizer for the settings to put back");
                false
            }
        }
    }

    /// Says goodbye once the stop has begun, while the running command is being ended.
    async fn say_goodbye(&self) {
        self.stop.token.cancelled().await;
        self.optimizer.notify(&RunEvent::Stopping);
        let goodbye = async {
            let _guard = self.completing.lock().await;
            self.optimizer.goodbye(self.stop.reason()).await
        };
        match tokio::time::timeout(GOODBYE_TIMEOUT, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "failed to say goodbye to the optimizer");
            }
            Err(_) => tracing::error!(critical = true, "the optimizer did not answer the goodbye within 30s"),
        }
    }
}

/// Half of a doubling bound, plus as much again at random: never none, never all agents at once.
fn pause_after(failures: u64) -> Duration {
    let doublings = failures.min(LONGEST_PAUSE_DOUBLINGS);
    let bound = Duration::from_secs(1 << (doublings - 1));
    bound / 2 + jitter(doublings) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_about_a_minute_and_are_never_none() {
        for (failures, bound) in [(1, 1), (2, 2), (3, 4), (7, 64), (8, 64), (1_000_000, 64)] {
            for _ in 0..100 {
                let pause = pause_after(failures);
                assert!(pause >= Duration::from_secs(bound) / 2 && pause <= Duration::from_secs(bound), "{pause:?}");
            }
        }
    }
}
