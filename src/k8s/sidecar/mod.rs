//! The Envoy sidecar: what has to change for it, and changing it.

pub(super) mod injection;
pub(super) mod plan;
