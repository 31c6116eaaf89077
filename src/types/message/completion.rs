//! What an agent tells its optimizer of a command, and what it is answered.

use serde_json::Value as Json;

use crate::types::{Description, Measurement, Operation};

/// Progress of the running command.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is running.
    pub operation: Operation,
    /// The command's `uid`.
    pub uid: Option<Json>,
    /// From 0 to 100.
    pub percent: f64,
    /// Since the handler began.
    pub runtime: std::time::Duration,
    /// A line of the log.
    pub message: String,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The command's `uid`.
    pub uid: Option<Json>,
    /// What came of it.
    pub result: CommandResult,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandResult {
    /// Of DESCRIBE.
    Described(Description),
    /// Of MEASURE.
    Measured(Measurement),
    /// Of ADJUST: the state after it, as far as it was described.
    Adjusted(Description),
    /// It failed, in one of the ways that the protocol knows.
    Failed {
        /// What was running.
        operation: Operation,
        /// How it failed.
        status: Status,
    },
}

impl CommandResult {
    /// What was running.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Described(_) => Operation::Description,
            Self::Measured(_) => Operation::Measurement,
            Self::Adjusted(_) => Operation::Adjustment,
            Self::Failed { operation, .. } => *operation,
        }
    }
}

/// The way in which a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The word on the wire.
    pub word: StatusWord,
    /// For people.
    pub message: String,
    /// For programs.
    pub reason: Option<String>,
}

/// How an agent names a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusWord {
    /// Any failure without a word of its own.
    Failed,
    /// The application refused an adjustment.
    Rejected,
    /// Ended because an objective was violated.
    Aborted,
    /// Cancelled by the optimizer.
    Cancelled,
}

impl StatusWord {
    /// All words.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Rejected, Self::Aborted, Self::Cancelled];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An optimizer's answer to a progress report or a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Ok,
    /// The running command is cancelled.
    Cancel {
        /// Why.
        reason: Option<String>,
    },
    /// The two sides no longer agree on the running command: drop it and ask for the next one.
    UnexpectedEvent {
        /// Why.
        reason: Option<String>,
    },
    /// The report belongs to a command that is no longer the current one.
    StaleCommand,
    /// Not accepted; logged, nothing more.
    Invalid {
        /// The whole answer, as text.
        text: String,
    },
}
