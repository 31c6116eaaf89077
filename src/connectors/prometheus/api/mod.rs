//! The HTTP API of a Prometheus server: requests, answers, and how both travel.
//!
//! - `request`: paths and parameters, pure;
//! - `transport`: connections, credentials, headers;
//! - `client`: one exchange, and repeating it while its failure may pass;
//! - `json`, `response`, `result`, `names`, `targets`: reading answers as they arrive;
//! - `words`: what a server says that refuses, whatever it speaks;
//! - `memory`: how large an answer may be.

mod client;
mod json;
mod memory;
mod names;
mod request;
mod response;
mod result;
pub(super) mod targets;
mod transport;
mod words;

pub(super) use client::{Client, ClientError, Noted};
pub(super) use json::Allowance;
pub(super) use memory::answer_limit;
pub(super) use names::NearestNames;
pub use request::{ApiRequest, QueryError, Window, check_name};
pub(super) use response::Notes;
pub(super) use result::{QueryResult, Series};
pub(super) use targets::Targets;
