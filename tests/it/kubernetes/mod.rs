//! The Kubernetes connector on a scripted API server.

mod server;
mod sidecar;
