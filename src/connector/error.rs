//! How an event fails.

use std::error::Error;

use crate::causes;

/// The reason of a failure when the settings that were asked for never came into force, such as for an admission webhook.
pub(crate) const NOT_APPLIED: &str = "not-applied";

/// The reason of a failure when somebody else changed the settings after they had come into force.
pub(crate) const OVERWRITTEN: &str = "overwritten";

/// The reason of a failure when the surroundings, not the settings, kept a measurement from being made.
pub(crate) const NOT_MEASURED: &str = "not-measured";

/// What kind of failure it is; decides the status that the optimizer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The event was called off, by the optimizer, a `before` hook or a shutdown.
    Cancelled,
    /// Any failure without a kind of its own.
    Failed,
    MeasurementFailed,
    AdjustmentFailed,
    /// The application refused the adjustment: it would not start, or was not stable.
    Rejected,
    /// The event was ended because a service-level objective was violated.
    Aborted,
}

/// The failure of an event. Of several at once the one of the highest [`ErrorKind`] is answered.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EventError {
    kind: ErrorKind,
    message: String,
    reason: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl EventError {
    /// A failure of this kind; `message` is for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), reason: None, source: None }
    }

    /// A failure without a kind of its own.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// The event was called off.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Cancelled, message)
    }

    pub fn measurement_failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::MeasurementFailed, message)
    }

    pub fn adjustment_failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::AdjustmentFailed, message)
    }

    /// The application refused the adjustment.
    pub fn rejected(message: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, message).with_reason(reason)
    }

    /// The event was ended, such as by a violated objective.
    pub fn aborted(message: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Aborted, message).with_reason(reason)
    }

    /// With a word for programs, such as `slo-violation`.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// With the error underneath. Its text is part of no message; the chain is printed once, at the edge.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The message followed by those of the errors underneath, joined by `: `.
    pub fn chain(&self) -> String {
        causes::chain(self)
    }
}
