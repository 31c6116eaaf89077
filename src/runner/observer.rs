//! The events of a run, and an optimizer whose answers are such events.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::optimizer::{Optimizer, OptimizerError};
use crate::types::{Answer, Command, Completion, Instruction, Operation, Progress};

/// Is notified of the events of running servos as they happen. It must not block: the run waits for it.
pub(crate) trait Observer: Send + Sync {
    fn observe(&self, servo: &str, event: &RunEvent<'_>);
}

/// An event of a running servo.
#[derive(Debug)]
pub(crate) enum RunEvent<'a> {
    /// The optimizer has answered a request.
    Answered,
    /// It has not answered as the protocol says, in spite of all retries.
    Unanswered(&'a OptimizerError),
    /// It has answered the hello: the servo asks for commands from now on.
    Connected,
    Received(&'a Instruction),
    /// A command other than SLEEP is over.
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
    /// Cancelled by the optimizer.
    Cancelled,
    /// Dropped: the two sides no longer agreed on the running command.
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

/// The optimizer of one servo; its observer is notified of every answer.
#[derive(Clone, Copy)]
pub(super) struct ObservedOptimizer<'a> {
    pub(super) servo: &'a str,
    pub(super) optimizer: &'a dyn Optimizer,
    pub(super) observer: Option<&'a dyn Observer>,
}

impl ObservedOptimizer<'_> {
    pub(super) fn notify(self, event: &RunEvent<'_>) {
        notify(self.observer, self.servo, event);
    }

    pub(super) async fn hello(self, telemetry: &BTreeMap<String, String>) -> Result<(), OptimizerError> {
        self.answered(self.optimizer.hello(telemetry).await)
    }

    pub(super) async fn next_command(self) -> Result<Command, OptimizerError> {
        self.answered(self.optimizer.next_command().await)
    }

    pub(super) async fn report(self, progress: &Progress) -> Result<Answer, OptimizerError> {
        self.answered(self.optimizer.report(progress).await)
    }

    pub(super) async fn complete(self, completion: &Completion) -> Result<Answer, OptimizerError> {
        self.answered(self.optimizer.complete(completion).await)
    }

    pub(super) async fn goodbye(self, reason: &str) -> Result<(), OptimizerError> {
        self.answered(self.optimizer.goodbye(reason).await)
    }

    fn answered<T>(self, answer: Result<T, OptimizerError>) -> Result<T, OptimizerError> {
        match &answer {
            Ok(_) => self.notify(&RunEvent::Answered),
            Err(error) => self.notify(&RunEvent::Unanswered(error)),
        }
        answer
    }
}

/// Notifies the observer, if there is one.
pub(super) fn notify(observer: Option<&dyn Observer>, servo: &str, event: &RunEvent<'_>) {
    if let Some(observer) = observer {
        observer.observe(servo, event);
    }
}
