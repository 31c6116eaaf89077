//! What the cluster has, as components with settings; pure.

pub(super) mod components;
pub(super) mod settings;
