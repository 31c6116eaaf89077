//! Checks: small questions about readiness, each with an id, a severity, and often a hint or a remedy.

mod check;

pub use check::{Check, CheckRequest, Remedy};
