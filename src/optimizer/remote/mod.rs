//! The optimizer behind HTTP: every message is a `POST` of JSON to one address.
//!
//! Needs an address and credentials, from the configuration or from a connection file that may change while the agent
//! runs. Retries what may pass by itself: transport errors, 5xx, 404, and answers that are not JSON. Redirects are not
//! followed, and credentials never reach a log or an error.

mod answer;
mod auth;
mod client;
mod connection;
mod error;
mod proxies;

pub(crate) use client::RemoteOptimizer;
pub(crate) use error::BuildError;
