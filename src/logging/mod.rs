//! The log: what the program says of its work, on stderr, in a file, and in memory for diagnostics.
//!
//! Everything is logged with `tracing`. A line names its *component*: the field `connector` of the event or of the
//! spans around it, else `servo`; the field `event` follows in brackets, and a span with the field `servo` puts an
//! optimizer's id before it, which only an assembly of several servos does. Two levels of existing configurations
//! have no `tracing` level, so they are fields:
//!
//! ```
//! tracing::info!(success = true, "all checks passed"); // SUCCESS
//! tracing::error!(critical = true, "shutting down"); // CRITICAL
//! ```
//!
//! The field `progress` (percent) marks a progress report: on a terminal it moves a bar below the log instead of
//! adding a line. Every other field follows the message as `key=value`.
//!
//! Nothing here redacts: secrets are of a type that cannot be printed, and what dependencies log below WARN, which
//! may be whatever goes over the wire, is never shown.

mod bars;
mod buffer;
mod format;
mod layer;
mod level;
mod record;

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use indicatif::MultiProgress;
use tracing_subscriber::layer::SubscriberExt;

pub(crate) use buffer::LogBuffer;
pub(crate) use level::{LogLevel, UnknownLogLevel};

use bars::ProgressBars;
use layer::{Console, LogLayer};

/// How lines on stderr are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// For people: `YYYY-MM-DD HH:MM:SS.mmm | LEVEL    | component - message`, in local time.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// What to log, and where to.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogOptions {
    /// The lowest level that is kept, by the file and the buffer.
    pub level: LogLevel,
    /// The lowest level that is shown on stderr, where that shows less.
    pub console_level: Option<LogLevel>,
    /// How lines on stderr are written; the file and the buffer hold text.
    pub format: LogFormat,
    /// Whether lines on stderr may be coloured; they are only on a terminal.
    pub colour: bool,
    /// A file to append to, without colours. Its folder is created.
    pub file: Option<PathBuf>,
    /// Where progress bars are drawn, on a terminal.
    pub screen: MultiProgress,
}

/// Begins to log, for the life of the process. Returns the lines of the recent past.
///
/// A file that cannot be opened is one warning in the log.
///
/// # Errors
/// When the process already logs.
pub(crate) fn init(options: &LogOptions) -> Result<LogBuffer, tracing::subscriber::SetGlobalDefaultError> {
    let buffer = LogBuffer::default();
    let on_terminal = io::stderr().is_terminal();
    let console = Console {
        threshold: options.console_level.map_or(options.level, |level| level.max(options.level)),
        format: options.format,
        colour: options.colour && on_terminal,
        writer: Box::new(io::stderr()),
        bars: (on_terminal && options.format == LogFormat::Text).then(|| ProgressBars::on(options.screen.clone())),
    };
    let file = options.file.as_deref().map(|path| (path, open(path)));
    let (file, failure) = match file {
        None => (None, None),
        Some((_, Ok(file))) => (Some(file), None),
        Some((path, Err(error))) => (None, Some((path, error))),
    };
    let layer = LogLayer::new(options.level, console, file, buffer.clone());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    if let Some((path, error)) = failure {
        tracing::warn!(path = %path.display(), %error, "cannot write the log file: logging to stderr alone");
    }
    Ok(buffer)
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options().append(true).create(true).open(path)
}

/// Hands what this thread logs to a layer of a test, until the guard is dropped.
#[cfg(test)]
pub(crate) fn listen(
    layer: impl tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync,
) -> tracing::subscriber::DefaultGuard {
    static EVERYTHING: std::sync::Once = std::sync::Once::new();
    // Whether anybody listens is remembered for each place that logs. One who listens to everything keeps tests that
    // run at the same time from turning each other's places off.
    EVERYTHING.call_once(|| {
        let global = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        assert!(global.is_ok(), "no test sets another global subscriber");
    });
    tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_appended_to_and_its_folder_created() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("logs/servo.log");
        for line in ["one\n", "two\n"] {
            io::Write::write_all(&mut open(&path)?, line.as_bytes())?;
        }
        assert_eq!(fs::read_to_string(&path)?, "one\ntwo\n");
        Ok(())
    }
}
