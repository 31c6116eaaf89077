//! The `tracing` layer: turns events into entries and hands each to the console, the file and the buffer.
//!
//! It writes where the event happens and does not queue: an entry is never lost, not even the last one.

use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use jiff::Zoned;
use serde_json::Value;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::bars::ProgressBars;
use super::record::{Origin, Record};
use super::{LogBuffer, LogFormat, LogLevel, format};

/// Where people and collectors look.
pub(super) struct Console {
    /// The lowest level that is shown.
    pub(super) threshold: LogLevel,
    pub(super) format: LogFormat,
    pub(super) colour: bool,
    pub(super) writer: Box<dyn Write + Send>,
    pub(super) bars: Option<ProgressBars>,
}

/// The layer with its sinks.
pub(super) struct LogLayer {
    threshold: LogLevel,
    console_threshold: LogLevel,
    format: LogFormat,
    colour: bool,
    writer: Mutex<Box<dyn Write + Send>>,
    bars: Option<ProgressBars>,
    /// `None` without a file, and after the first failure to write to it.
    file: Mutex<Option<File>>,
    buffer: LogBuffer,
}

impl LogLayer {
    pub(super) fn new(threshold: LogLevel, console: Console, file: Option<File>, buffer: LogBuffer) -> Self {
        let Console { threshold: console_threshold, format, colour, writer, bars } = console;
        Self {
            threshold,
            console_threshold,
            format,
            colour,
            writer: Mutex::new(writer),
            bars,
            file: Mutex::new(file),
            buffer,
        }
    }

    fn deliver(&self, record: &Record, operation: Option<&Id>) {
        let text = format::text(record);
        self.buffer.push(&text);
        let failure = self.write_to_file(&text);
        if record.level >= self.console_threshold && !self.draw(record, operation) {
            self.write_to_console(record, text);
        }
        if let Some(error) = failure {
            let mut warning = Record::new(Zoned::now(), LogLevel::Warning);
            "cannot write to the log file any more: logging to stderr alone".clone_into(&mut warning.message);
            warning.fields.push(("error", Value::from(error.to_string())));
            self.write_to_console(&warning, format::text(&warning));
        }
    }

    fn write_to_file(&self, text: &str) -> Option<std::io::Error> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let error = file.as_mut()?.write_all(text.as_bytes()).err()?;
        *file = None;
        Some(error)
    }

    /// Shows progress as a bar. False when the entry is to be a line: it is no progress of a running operation,
    /// or its last.
    fn draw(&self, record: &Record, operation: Option<&Id>) -> bool {
        let (Some(bars), Some(operation), Some(percent)) = (&self.bars, operation, record.progress) else {
            return false;
        };
        if percent >= 100.0 {
            bars.remove(operation);
            return false;
        }
        bars.show(operation, &record.origin.to_string(), percent, &record.message);
        true
    }

    fn write_to_console(&self, record: &Record, text: String) {
        let written = match (self.format, self.colour) {
            (LogFormat::Json, _) => format::json(record),
            (LogFormat::Text, true) => format::coloured(record),
            (LogFormat::Text, false) => text,
        };
        let write = || {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            // A closed stderr leaves nobody to tell.
            writer.write_all(written.as_bytes()).ok();
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    /// Our spans are wanted at every level, as they say where a warning comes from.
    fn enabled(&self, metadata: &Metadata<'_>, _cx: Context<'_, S>) -> bool {
        // What this library logs of a failed request stands, with its cause, in the error that it returns.
        if metadata.target().starts_with("kube_client") && !metadata.is_span() {
            return false;
        }
        let ours = is_ours(metadata.target());
        let wanted = if ours { self.threshold.tracing() } else { self.threshold.tracing().min(Level::WARN) };
        (metadata.is_span() && ours) || (*metadata.level() <= wanted && !is_repeated(metadata.target()))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        if let Some(span) = cx.span(id) {
            let mut origin = Origin::default();
            attributes.record(&mut origin);
            span.extensions_mut().insert(origin);
        }
    }

    fn on_record(&self, id: &Id, values: &span::Record<'_>, cx: Context<'_, S>) {
        if let Some(span) = cx.span(id)
            && let Some(origin) = span.extensions_mut().get_mut::<Origin>()
        {
            values.record(origin);
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let mut record = Record::new(Zoned::now(), event.metadata().level().into());
        event.record(&mut record);
        if record.level < self.threshold {
            return;
        }
        let mut operation = None;
        for span in cx.event_scope(event).into_iter().flatten() {
            if let Some(origin) = span.extensions().get::<Origin>() {
                record.origin.inherit(origin);
                if operation.is_none() && origin.event.is_some() {
                    operation = Some(span.id());
                }
            }
        }
        self.deliver(&record, operation.as_ref());
    }

    fn on_close(&self, id: Id, _cx: Context<'_, S>) {
        if let Some(bars) = &self.bars {
            bars.remove(&id);
        }
    }
}

/// Whether an event is of this crate. What others log below WARN may hold credentials on their way out.
fn is_ours(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

/// Whether an event says what a request's error says as well. The client of Kubernetes logs each failed try, and the
/// caller alone knows whether that matters.
fn is_repeated(target: &str) -> bool {
    target == "kube_client::client::builder"
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use indicatif::{MultiProgress, ProgressDrawTarget};
    use tracing::{debug, error, info, info_span, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Setup {
        threshold: LogLevel,
        format: LogFormat,
        bars: bool,
    }

    const TEXT: Setup = Setup { threshold: LogLevel::Info, format: LogFormat::Text, bars: false };

    /// What the console shows of `work`, without the times of text lines.
    fn logged(setup: &Setup, work: impl FnOnce()) -> String {
        let console = Shared::default();
        let layer = LogLayer::new(
            setup.threshold,
            Console {
                threshold: setup.threshold,
                format: setup.format,
                colour: false,
                writer: Box::new(console.clone()),
                bars: setup
                    .bars
                    .then(|| ProgressBars::on(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()))),
            },
            None,
            LogBuffer::default(),
        );
        let guard = crate::logging::listen(layer);
        work();
        drop(guard);
        let bytes = console.0.lock().expect("no panic").clone();
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.lines().map(|line| line.split_once(" | ").map_or(line, |(_, rest)| rest).to_owned() + "\n").collect()
    }

    #[test]
    fn success_and_critical_are_levels_of_their_own() {
        let everything = || {
            debug!("a");
            info!("b");
            info!(success = true, "c");
            warn!("d");
            error!("e");
            error!(critical = true, "f");
        };
        let shown = |threshold| {
            let text = logged(&Setup { threshold, ..TEXT }, everything);
            text.lines().map(|line| line.replace(" | servo - ", "").replace(' ', "")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(LogLevel::Debug), "DEBUGa INFOb SUCCESSc WARNINGd ERRORe CRITICALf");
        assert_eq!(shown(LogLevel::Success), "SUCCESSc WARNINGd ERRORe CRITICALf");
        assert_eq!(shown(LogLevel::Critical), "CRITICALf");
    }

    #[test]
    fn the_origin_of_an_entry_comes_from_its_spans_whatever_the_threshold() {
        let text = logged(&Setup { threshold: LogLevel::Warning, ..TEXT }, || {
            let _servo = info_span!("servo", servo = "o.org/app").entered();
            let _event = info_span!("event", connector = "wait", event = %"measure").entered();
            warn!(attempt = 2, "slow");
            warn!(connector = "vegeta", "slower");
        });
        assert_eq!(
            text,
            "WARNING  | o.org/app(wait[measure]) - slow attempt=2\n\
             WARNING  | o.org/app(vegeta[measure]) - slower\n"
        );
    }

    #[test]
    fn other_crates_are_not_heard_below_warning() {
        let text = logged(&Setup { threshold: LogLevel::Trace, ..TEXT }, || {
            debug!(target: "h2::proto", "authorization: Bearer s3cr3t");
            warn!(target: "h2::proto", "odd frame");
            debug!("ours");
        });
        assert_eq!(text, "WARNING  | servo - odd frame\nDEBUG    | servo - ours\n");
    }

    #[test]
    fn a_failed_try_is_told_by_the_caller_alone() {
        let text = logged(&TEXT, || {
            error!(target: "kube_client::client::builder", "failed with error client error (Connect)");
            warn!("repeating a request");
        });
        assert_eq!(text, "WARNING  | servo - repeating a request\n");
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to read")]
        struct Outer(#[source] io::Error);

        let text = logged(&TEXT, || {
            let outer = Outer(io::Error::other("disk on fire"));
            error!(error = &outer as &dyn std::error::Error, "gave up");
        });
        assert_eq!(text, "ERROR    | servo - gave up error=\"failed to read: disk on fire\"\n");
    }

    #[test]
    fn progress_is_a_line_where_there_is_no_terminal() {
        let text = logged(&TEXT, || {
            let _event = info_span!("event", connector = "wait", event = "measure").entered();
            info!(progress = 25.0, "25.00% complete");
        });
        assert_eq!(text, "INFO     | wait[measure] - 25.00% complete\n");
    }

    #[test]
    fn progress_of_an_operation_is_a_bar_on_a_terminal_and_its_end_a_line() {
        let text = logged(&Setup { bars: true, ..TEXT }, || {
            info!(progress = 10.0, "of no operation");
            let _event = info_span!("event", connector = "wait", event = "measure").entered();
            info!(progress = 25.0, "25.00% complete");
            info!("between");
            info!(progress = 100.0, "100.00% complete");
        });
        assert_eq!(
            text,
            "INFO     | servo - of no operation\n\
             INFO     | wait[measure] - between\n\
             INFO     | wait[measure] - 100.00% complete\n"
        );
    }

    #[test]
    fn json_lines_carry_progress_as_a_number() {
        let text = logged(&Setup { format: LogFormat::Json, ..TEXT }, || info!(progress = 25.0, "working"));
        let line: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["progress"], 25.0);
        assert_eq!(line["message"], "working");
    }
}
