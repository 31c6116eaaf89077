//! The seven levels that configurations may name.

use std::fmt;
use std::str::FromStr;

use tracing::Level;

/// How much a log line matters. Its names are read in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    /// The life of the servo; the default threshold.
    #[default]
    Info,
    /// Something that was waited for came out well: an INFO event with the field `success`.
    Success,
    /// Something went wrong and was dealt with.
    Warning,
    Error,
    /// The servo cannot go on: an ERROR event with the field `critical`.
    Critical,
}

impl LogLevel {
    /// All levels, the lowest first.
    pub(crate) const ALL: [Self; 7] =
        [Self::Trace, Self::Debug, Self::Info, Self::Success, Self::Warning, Self::Error, Self::Critical];

    /// Its name, in upper case.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Success => "SUCCESS",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// The `tracing` level that can carry it.
    pub(super) fn tracing(self) -> Level {
        match self {
            Self::Trace => Level::TRACE,
            Self::Debug => Level::DEBUG,
            Self::Info | Self::Success => Level::INFO,
            Self::Warning => Level::WARN,
            Self::Error | Self::Critical => Level::ERROR,
        }
    }
}

impl From<&Level> for LogLevel {
    fn from(level: &Level) -> Self {
        match *level {
            Level::TRACE => Self::Trace,
            Level::DEBUG => Self::Debug,
            Level::INFO => Self::Info,
            Level::WARN => Self::Warning,
            Level::ERROR => Self::Error,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level {0:?}: use one of {list}", list = LogLevel::ALL.map(LogLevel::as_str).join(", "))]
pub(crate) struct UnknownLogLevel(String);

impl FromStr for LogLevel {
    type Err = UnknownLogLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLogLevel> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownLogLevel(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_in_any_case() {
        for level in LogLevel::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(level.as_str().to_lowercase().parse(), Ok(level));
        }
    }

    #[test]
    fn an_unknown_level_is_refused_with_the_known_ones() {
        let message = "LOUD".parse::<LogLevel>().map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("unknown log level \"LOUD\": use one of TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR, CRITICAL"
                .to_owned())
        );
    }
}
