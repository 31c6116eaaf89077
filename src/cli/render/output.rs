//! What commands print: results on standard output in one of three formats, errors on standard error. The only
//! place that prints.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::terminal::Size;
use crate::causes;
use crate::cli::exit::CliError;
use crate::config::file::to_yaml;
use crate::printable::printable;
use crate::table::Table;

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: JSON with stable keys.
    Json,
    /// The same as YAML.
    Yaml,
}

/// The text on one line, in which nothing commands a terminal.
pub(crate) fn one_line(text: &str) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// What a command has to say of one servo.
pub(crate) struct Report {
    pub(crate) servo: String,
    pub(crate) table: Table,
    /// For programs; the servo's name is added.
    pub(crate) value: Map<String, Value>,
}

/// Standard output, or what stands for it.
pub(crate) struct Output {
    writer: Mutex<Box<dyn Write + Send>>,
    colour: bool,
    terminal: bool,
}

impl Output {
    /// Standard output; coloured only when that is wanted and it is a terminal.
    pub(crate) fn stdout(colour_wanted: bool) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { colour: colour_wanted && terminal, terminal, writer: Mutex::new(Box::new(stdout)) }
    }

    /// Whether somebody looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How wide a line may be: unlimited where nobody looks at it.
    pub(crate) fn columns(&self) -> usize {
        let size = if self.terminal { Size::of(io::stdout()) } else { None };
        size.map_or(usize::MAX, |size| size.columns)
    }

    /// Whether colour codes may be printed.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    pub(crate) fn line(&self, line: impl Display) -> Result<(), CliError> {
        self.write(&printable(&format!("{line}\n")))
    }

    /// Prints text as it is, which may end within a line: a question.
    pub(crate) fn write(&self, text: &str) -> Result<(), CliError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).map_err(CliError::Output)
    }

    /// Prints a report on each servo: tables, headed by the servos' names when there are several, or a list with
    /// one element for each servo.
    pub(crate) fn reports(&self, format: Format, several: bool, reports: &[Report]) -> Result<(), CliError> {
        let tables: Vec<String> = reports
            .iter()
            .map(|Report { servo, table, .. }| if several { format!("{servo}\n{table}") } else { table.to_string() })
            .collect();
        let values = reports.iter().map(|Report { servo, value, .. }| {
            let mut object = Map::from_iter([("servo".to_owned(), json!(servo))]);
            object.extend(value.clone());
            Value::Object(object)
        });
        self.result(format, tables.join("\n\n"), &values.collect())
    }

    /// Prints a result: `table` for people, `value` for programs.
    pub(crate) fn result(&self, format: Format, table: impl Display, value: &Value) -> Result<(), CliError> {
        match format {
            Format::Table => self.line(table),
            Format::Json => self.line(format_args!("{value:#}")),
            Format::Yaml => self.write(&to_yaml(value)),
        }
    }
}

/// Says on standard error why a command failed. A reader of standard output that has gone needs no words.
pub(crate) fn report(error: &CliError) {
    let line = match error {
        error if error.is_closed_output() => return,
        CliError::Aborted | CliError::Invalid { .. } => format!("{error}\n"),
        error => format!("error: {}\n", causes::chain(error)),
    };
    // A closed standard error leaves nobody to tell.
    io::stderr().write_all(printable(&line).as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

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

    #[test]
    fn a_result_is_printed_in_the_format_that_was_asked_for() {
        for (format, expected) in [
            (Format::Table, "NAME\none\n"),
            (Format::Json, "[\n  {\n    \"name\": \"one\"\n  }\n]\n"),
            (Format::Yaml, "- name: one\n"),
        ] {
            let written = Shared::default();
            let output = Output { writer: Mutex::new(Box::new(written.clone())), colour: false, terminal: false };
            output.result(format, "NAME\none", &json!([{"name": "one"}])).expect("memory takes everything");
            let written = written.0.lock().expect("no panic").clone();
            assert_eq!(String::from_utf8_lossy(&written), expected);
        }
    }
}
