//! Requests to the API server, and their answers.

pub(super) mod cluster;
pub(super) mod error;
pub(super) mod forward;
pub(super) mod metrics;
pub(super) mod request;
pub(super) mod session;
pub(super) mod watch;
