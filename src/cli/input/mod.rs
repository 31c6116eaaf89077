//! What comes from the person: options of every command, answers to questions, and signals.

pub(super) mod globals;
pub(super) mod interrupt;
pub(super) mod prompt;
