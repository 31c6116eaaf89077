//! Checks: small questions about readiness, each with an id, a severity, and often a hint or a remedy.
//!
//! A connector lists its checks in a [`CheckSuite`] and runs those that a [`CheckRequest`] selects. [`run_flow`]
//! repeats the checks of a whole servo until they pass or the time is up. [`table`] writes what was found.
//!
//! Nothing here knows a connector, prints, or dispatches events.

mod failure;
mod flow;
mod suite;
pub(crate) mod table;

pub use crate::connector::{Check, CheckRequest};
pub(crate) use crate::connector::{CheckFilter, CheckStatus, ConnectorChecks, Remedy};
pub(crate) use failure::{CheckFailure, CheckOutcome};
pub(crate) use flow::{CheckAnswers, Delay, FlowObserver, FlowOptions, FlowOutcome, Readiness, run_flow};
pub use suite::run_one;
pub(crate) use suite::{CheckSuite, RunOneError};
