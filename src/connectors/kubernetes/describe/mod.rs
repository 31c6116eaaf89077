//! What the cluster has, as components with settings; pure.

pub(super) mod components;
pub(super) mod running;
pub(super) mod settings;
