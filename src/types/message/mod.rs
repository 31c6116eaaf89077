//! What an agent and its optimizer say to each other.

mod command;
mod completion;
mod operation;

pub(crate) use command::{Command, Instruction, Task};
pub use completion::StatusWord;
pub(crate) use completion::{Answer, CommandResult, Completion, Progress, Status};
pub(crate) use operation::Operation;
