//! One file for each command: its options, and `run`, which does it.

pub(super) mod adjust;
pub(super) mod connector;
pub(super) mod describe;
pub(super) mod list;
pub(super) mod measure;
pub(super) mod run;
pub(super) mod version;
