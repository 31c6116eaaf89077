//! Who decides what to try next: one seam with two implementors.
//!
//! An agent says HELLO; then it asks for a command, reports progress while it runs, and completes it, again and again;
//! it says GOODBYE at the end. The agent always speaks first, so that an optimizer needs no address of the agent's.
//! [`Optimizer`] is the seam: [`remote`] speaks it over HTTP, [`embedded`] answers in this process, with types. The
//! runner does not know which implementor it has, and this file knows none of them.
//!
//! This module knows no connector: it passes on names, values and texts.

pub(crate) mod embedded;
pub(crate) mod remote;
pub(crate) mod report;
pub(crate) mod server;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::types::{Answer, Command, Completion, Progress, Task};

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

    /// Reports progress of the running command. The answer may cancel it.
    ///
    /// # Errors
    /// When the report cannot be delivered; it is then dropped.
    async fn report(&self, progress: &Progress) -> Result<Answer, OptimizerError>;

    /// Hands over the result of a command.
    ///
    /// # Errors
    /// When it cannot be delivered.
    async fn complete(&self, completion: &Completion) -> Result<Answer, OptimizerError>;

    /// The command that puts the baseline settings back if a stop in the middle of a trial would leave others live;
    /// `None` if there is nothing to put back. Asked for after the last command and before the connectors shut down.
    ///
    /// # Errors
    /// When it cannot be determined.
    async fn restore_command(&self) -> Result<Option<Task>, OptimizerError> {
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
    /// It answered with an HTTP status other than success.
    #[error("the optimizer at {url} answered {event} with HTTP status {status}{}", detail(.body))]
    HttpStatus {
        url: String,
        /// What was said to it.
        event: &'static str,
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// Its answer is not one of the protocol.
    #[error("the optimizer at {url} answered {event}, and the answer is not valid: {problem}")]
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
    /// It cannot go on. Asking again does not help.
    #[error("the optimizer cannot go on")]
    Halted {
        /// Whether the configuration, or a file that it names, has to change.
        is_of_configuration: bool,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
            Self::Halted { .. } => "campaign",
            Self::Interrupted => "interrupted",
        }
    }
}

fn detail(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}
