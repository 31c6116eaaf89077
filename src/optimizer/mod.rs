//! Who decides what to try next: one seam, and what is said across it.
//!
//! A conversation is HELLO; then again and again a command, progress while it runs, and one completion; GOODBYE at the
//! end. The agent always speaks first, so that an optimizer needs no address of the agent's. [`Optimizer`] is the seam:
//! [`remote`] speaks it over HTTP. The runner does not know which implementor it has.
//!
//! This module knows no connector: it passes on names, values and texts.

pub(crate) mod embedded;
pub(crate) mod remote;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod wire;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::decode::Problems;
use crate::types::{Adjustment, Control, Description, Duration, Measurement, Operation};

/// An optimizer, as the runner sees it.
#[async_trait]
pub trait Optimizer: Send + Sync {
    /// Says hello. Repeated by the implementor as far as its limits go.
    ///
    /// # Errors
    /// When the limits are used up.
    async fn hello(&self, telemetry: &BTreeMap<String, String>) -> Result<(), OptimizerError>;

    /// Asks for the next command.
    ///
    /// # Errors
    /// When none can be had; the caller pauses and asks again.
    async fn next_command(&self) -> Result<Command, OptimizerError>;

    /// Reports progress of the running command. The answer may call it off.
    ///
    /// # Errors
    /// When the report cannot be delivered; it is then dropped.
    async fn report(&self, report: &Report) -> Result<Answer, OptimizerError>;

    /// Hands over the result of a command.
    ///
    /// # Errors
    /// When it cannot be delivered.
    async fn complete(&self, completion: &Completion) -> Result<Answer, OptimizerError>;

    /// The last thing to do before the agent ends what it adjusts by: what puts settings of before back that a stop in
    /// the middle of a trial would leave changed.
    ///
    /// # Errors
    /// When it cannot be had.
    async fn parting(&self) -> Result<Option<Task>, OptimizerError> {
        Ok(None)
    }

    /// Says goodbye, with the name of the signal or `shutdown`.
    ///
    /// # Errors
    /// When it cannot be delivered.
    async fn goodbye(&self, reason: &str) -> Result<(), OptimizerError>;

    /// Whether it can be reached: one try, for a check of readiness. The text says what was found.
    async fn reachable(&self) -> Result<String, String>;

    /// Keeps itself up to date, such as by following a file with credentials. Runs beside the command loop and never
    /// returns.
    async fn maintain(&self) {
        std::future::pending::<()>().await;
    }

    /// What its campaign is about and how it goes, when it runs one in this process.
    fn campaign(&self) -> Option<tokio::sync::watch::Receiver<embedded::Snapshot>> {
        None
    }

    /// How often requests had to be repeated so far.
    fn retries(&self) -> Retries {
        Retries::default()
    }

    /// Its side channel for diagnostics, when it has one.
    fn diagnostics(&self) -> Option<&dyn Diagnostics> {
        None
    }
}

/// How often requests to an optimizer were repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retries {
    pub total: u64,
    /// For the request that is under way, when there is one.
    pub in_a_row: u64,
}

/// What an optimizer may ask for beside the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiagnosticsRequest {
    Withhold,
    /// The configuration and the recent log.
    Send,
    /// Nothing, and do not ask again.
    Stop,
}

/// The side channel on which an optimizer's operators ask for configuration and logs.
#[async_trait]
pub trait Diagnostics: Send + Sync {
    /// What is asked for now.
    ///
    /// # Errors
    /// When the question cannot be put.
    async fn poll(&self) -> Result<DiagnosticsRequest, OptimizerError>;

    /// Hands over what was asked for and takes the request back.
    ///
    /// # Errors
    /// When it cannot be delivered.
    async fn send(&self, output: &serde_json::Value) -> Result<(), OptimizerError>;
}

#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Echoed in every report and completion, when the command carried it.
    pub uid: Option<serde_json::Value>,
    pub instruction: Instruction,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Instruction {
    Perform(Box<Task>),
    Sleep {
        duration: Duration,
        reason: String,
    },
    /// A command that cannot be understood; it is answered as failed.
    Malformed {
        /// What it was meant to be.
        operation: Operation,
        /// What is wrong with it.
        problems: Problems,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    Describe {
        control: Control,
    },
    Measure {
        /// Names of metrics; empty means all.
        metrics: Vec<String>,
        control: Control,
    },
    Adjust {
        adjustments: Vec<Adjustment>,
        control: Control,
    },
}

impl Task {
    /// The name under which its progress and completion are posted.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Describe { .. } => Operation::Description,
            Self::Measure { .. } => Operation::Measurement,
            Self::Adjust { .. } => Operation::Adjustment,
        }
    }
}

/// Progress of the running command.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub operation: Operation,
    pub uid: Option<serde_json::Value>,
    pub progress: f64,
    pub runtime: std::time::Duration,
    /// A line of the log.
    pub message: String,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    pub uid: Option<serde_json::Value>,
    pub result: CommandResult,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandResult {
    Described(Description),
    Measured(Measurement),
    /// Of ADJUST: the state after it.
    Adjusted(Description),
    /// It failed, in one of the ways that the protocol knows.
    Failed {
        operation: Operation,
        status: Status,
    },
}

/// The way in which a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The word on the wire.
    pub word: StatusWord,
    pub message: String,
    pub reason: Option<String>,
}

/// How the agent names a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusWord {
    /// Any failure without a word of its own.
    Failed,
    /// The application refused an adjustment.
    Rejected,
    /// Ended because an objective was violated.
    Aborted,
    Cancelled,
}

impl StatusWord {
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

/// An optimizer's answer to a report or a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// The running command is called off.
    Cancel {
        reason: Option<String>,
    },
    /// The two sides have lost each other: drop the command and ask for the next one.
    UnexpectedEvent {
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

/// Why an optimizer did not answer as the protocol says.
#[derive(Debug, thiserror::Error)]
pub enum OptimizerError {
    /// The request could not be sent, or no answer came.
    #[error("failed to reach the optimizer at {url}")]
    Transport {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered with an HTTP status that is no success.
    #[error("the optimizer at {url} answered {event} with HTTP status {status}{}", detail(.body))]
    HttpStatus {
        url: String,
        /// What was said to it.
        event: &'static str,
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// It answered something that is no answer of the protocol.
    #[error("the optimizer at {url} answered {event} with something that cannot be understood: {problem}")]
    Unintelligible {
        url: String,
        /// What was said to it.
        event: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The file with its address and credentials cannot be used.
    #[error("the connection file '{path}' cannot be used: {problem}")]
    ConnectionFile {
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It no longer knows this servo: another one has taken its place.
    #[error("the optimizer no longer expects this servo (servo_uid)")]
    UnexpectedServo,
    /// The campaign of an optimizer in this process cannot go on. Asking again does not help.
    #[error("the embedded optimizer cannot go on")]
    Campaign(#[source] Box<embedded::CampaignError>),
    #[error("the embedded optimizer was interrupted")]
    Interrupted,
}

impl OptimizerError {
    /// The kind of failure, for programs: one word for each variant.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Transport { .. } => "transport",
            Self::HttpStatus { .. } => "http_status",
            Self::Unintelligible { .. } => "unintelligible",
            Self::ConnectionFile { .. } => "connection_file",
            Self::UnexpectedServo => "unexpected_servo",
            Self::Campaign(_) => "campaign",
            Self::Interrupted => "interrupted",
        }
    }
}

fn detail(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}
