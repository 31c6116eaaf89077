//! One file for each command: its options, and `run`, which does it. Commands about the same thing share a folder.

pub(super) mod adjust;
pub(super) mod check;
pub(super) mod configuration;
pub(super) mod connectors;
pub(super) mod demo;
pub(super) mod describe;
pub(super) mod journal;
pub(super) mod list;
pub(super) mod measure;
pub(super) mod optimize;
pub(super) mod optimizer;
pub(super) mod program;
pub(super) mod run;
pub(super) mod show;
pub(super) mod sidecar;
pub(super) mod watch;
