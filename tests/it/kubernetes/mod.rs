//! The Kubernetes connector on a scripted API server.

mod checks;
mod server;
mod sidecar;
