//! Checks: small questions about readiness, each with an id, a severity, and often a hint or a remedy.

mod check;
mod filter;

pub use check::{Check, CheckRequest, Remedy};
pub use filter::{CheckFilter, FilterError, TextFilter};
