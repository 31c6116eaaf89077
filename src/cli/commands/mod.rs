//! One file for each command: its options, and `run`, which does it.

pub(super) mod run;
pub(super) mod version;
