//! Errors with what caused them: a message does not repeat its causes, which stand beneath it.

use std::error::Error;

/// The error's message followed by those of the errors beneath it, joined by `: `.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Level(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn every_level_is_told_once_outermost_first() {
        let error = Level("a", Some(Box::new(Level("b", Some(Box::new(Level("c", None)))))));
        assert_eq!(chain(&error), "a: b: c");
        assert_eq!(chain(&Level("a", None)), "a");
    }
}
