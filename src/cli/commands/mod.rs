//! One file for each command: its options, and `run`, which does it.

pub(super) mod adjust;
pub(super) mod check;
pub(super) mod completions;
pub(super) mod config;
pub(super) mod connector;
pub(super) mod connector_test;
pub(super) mod connectors;
pub(super) mod demo;
pub(super) mod describe;
pub(super) mod generate;
pub(super) mod init;
pub(super) mod list;
pub(super) mod man;
pub(super) mod measure;
pub(super) mod optimizer;
pub(super) mod run;
pub(super) mod schema;
pub(super) mod show;
pub(super) mod sidecar;
pub(super) mod validate;
pub(super) mod version;
pub(super) mod watch;
