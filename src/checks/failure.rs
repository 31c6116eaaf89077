//! How a check fails: what is wrong, and what can be done about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::causes;

use crate::connector::Remedy;

/// What the body of a check found: nothing to say, a message, or a failure.
pub(crate) type CheckOutcome = Result<Option<String>, CheckFailure>;

/// The failure of a check. Every error becomes one with `?`: its message is the error's with those underneath.
/// That is also why this is no error itself.
#[derive(Clone)]
pub(crate) struct CheckFailure {
    pub message: String,
    pub hint: Option<String>,
    /// What can be done by program.
    pub remedy: Option<Arc<dyn Remedy>>,
}

impl CheckFailure {
    /// A failure with this message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, remedy: None }
    }

    /// With what to do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what can be done about it by program.
    #[must_use]
    pub(crate) fn with_remedy(mut self, remedy: impl Remedy + 'static) -> Self {
        self.remedy = Some(Arc::new(remedy));
        self
    }
}

impl<E: Error> From<E> for CheckFailure {
    fn from(error: E) -> Self {
        Self::new(causes::chain(&error))
    }
}

/// Everything but the remedy, which need not be printable.
impl fmt::Debug for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckFailure").field("message", &self.message).field("hint", &self.hint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::EventError;

    #[test]
    fn an_error_becomes_a_failure_with_its_causes() {
        let read = || -> CheckOutcome { Err(EventError::failed("cannot read pods").with_source(fmt::Error))? };
        let message = read().unwrap_err().message;
        assert_eq!(message, format!("cannot read pods: {}", fmt::Error));
    }
}
