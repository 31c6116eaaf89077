//! A servo's line to its optimizer: what is said on it, and what becomes of the servo, is told to an observer.
//!
//! Without an observer nothing is done for it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::optimizer::{Answer, Command, Completion, Instruction, Optimizer, OptimizerError, Report};
use crate::types::Operation;

/// Hears of what happens while servos run, as it happens. It must not wait: what it hears of waits for it.
pub(crate) trait Observer: Send + Sync {
    /// Something has happened to this servo.
    fn observe(&self, servo: &str, happening: &Happening<'_>);
}

/// What may happen to a servo.
#[derive(Debug)]
pub(crate) enum Happening<'a> {
    /// The optimizer has answered a request.
    Answered,
    /// It has not, or not as the protocol says, whatever was tried.
    Unanswered(&'a OptimizerError),
    /// It has answered the hello: commands are asked for from now on.
    Connected,
    Received(&'a Instruction),
    /// A command is over. A SLEEP is not told of.
    Finished {
        operation: Operation,
        ending: Ending,
        /// The reason of a failure, for programs.
        reason: Option<&'a str>,
        /// From its arrival to its end.
        took: Duration,
    },
    /// The servo is about to say goodbye.
    Stopping,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Ok,
    /// Failed without a word of its own.
    Failed,
    /// The application refused an adjustment.
    Rejected,
    /// Ended because an objective was violated.
    Aborted,
    /// Called off by the optimizer.
    Cancelled,
    /// Dropped: the two sides had lost each other.
    Dropped,
    /// Ended by the stop of the servo.
    Stopped,
}

impl Ending {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
            Self::Dropped => "dropped",
            Self::Stopped => "stopped",
        }
    }
}

/// The line of one servo.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) servo: &'a str,
    pub(super) optimizer: &'a dyn Optimizer,
    pub(super) observer: Option<&'a dyn Observer>,
}

impl Line<'_> {
    pub(super) fn tell(self, happening: &Happening<'_>) {
        tell(self.observer, self.servo, happening);
    }

    pub(super) async fn hello(self, telemetry: &BTreeMap<String, String>) -> Result<(), OptimizerError> {
        self.heard(self.optimizer.hello(telemetry).await)
    }

    pub(super) async fn next_command(self) -> Result<Command, OptimizerError> {
        self.heard(self.optimizer.next_command().await)
    }

    pub(super) async fn report(self, report: &Report) -> Result<Answer, OptimizerError> {
        self.heard(self.optimizer.report(report).await)
    }

    pub(super) async fn complete(self, completion: &Completion) -> Result<Answer, OptimizerError> {
        self.heard(self.optimizer.complete(completion).await)
    }

    pub(super) async fn goodbye(self, reason: &str) -> Result<(), OptimizerError> {
        self.heard(self.optimizer.goodbye(reason).await)
    }

    fn heard<T>(self, answer: Result<T, OptimizerError>) -> Result<T, OptimizerError> {
        match &answer {
            Ok(_) => self.tell(&Happening::Answered),
            Err(error) => self.tell(&Happening::Unanswered(error)),
        }
        answer
    }
}

/// Tells an observer, when there is one.
pub(super) fn tell(observer: Option<&dyn Observer>, servo: &str, happening: &Happening<'_>) {
    if let Some(observer) = observer {
        observer.observe(servo, happening);
    }
}
