//! Commands: what an optimizer asks an agent to do.

use serde_json::Value as Json;

use crate::decode::Problems;
use crate::types::{Adjustment, Control, Duration, Operation};

/// One command.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Echoed in every progress report and completion, if the command carried it.
    pub uid: Option<Json>,
    /// What to do.
    pub instruction: Instruction,
}

/// What a command says.
#[derive(Debug, Clone, PartialEq)]
pub enum Instruction {
    /// Work for the connectors.
    Perform(Box<Task>),
    /// Ask again later.
    Sleep {
        /// How long to wait.
        duration: Duration,
        /// Why, for the log.
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

/// Work for the connectors.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Describe the application.
    Describe {
        /// The optimizer's control object.
        control: Control,
    },
    /// Measure it.
    Measure {
        /// Names of metrics; empty means all.
        metrics: Vec<String>,
        /// The optimizer's control object.
        control: Control,
    },
    /// Adjust it.
    Adjust {
        /// In the optimizer's order.
        adjustments: Vec<Adjustment>,
        /// The optimizer's control object.
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
