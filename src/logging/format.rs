//! How an entry is written: as text, coloured or not, or as JSON. Pure.

use serde_json::{Map, Value, json};

use super::LogLevel;
use super::record::{Record, plain};
use crate::printable::printable;

const RESET: &str = "\x1b[0m";
const GREEN: &str = "\x1b[32m";
const MAGENTA: &str = "\x1b[35m";

/// The entry as text, with its newline. Fields follow the message as `key=value`.
pub(super) fn text(record: &Record) -> String {
    write(record, |part, _| part)
}

/// As [`text`], with the colours of a terminal.
pub(super) fn coloured(record: &Record) -> String {
    write(record, |part, codes| format!("{codes}{part}{RESET}"))
}

/// The entry as one JSON object, with its newline. What is absent has no key.
pub(super) fn json(record: &Record) -> String {
    let mut object = Map::new();
    object.insert("time".to_owned(), json!(format!("{:.3}", record.time.timestamp())));
    object.insert("level".to_owned(), json!(record.level.as_str()));
    let origin = &record.origin;
    let parts = [
        ("servo", &origin.servo),
        ("component", &origin.component),
        ("connector", &origin.connector),
        ("event", &origin.event),
    ];
    for (key, part) in parts {
        if let Some(part) = part {
            object.insert(key.to_owned(), json!(part));
        }
    }
    object.insert("message".to_owned(), json!(record.message));
    if let Some(progress) = record.progress {
        object.insert("progress".to_owned(), json!(progress));
    }
    if !record.fields.is_empty() {
        let fields: Map<String, Value> =
            record.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        object.insert("fields".to_owned(), Value::Object(fields));
    }
    format!("{}\n", Value::Object(object))
}

fn write(record: &Record, paint: impl Fn(String, &str) -> String) -> String {
    let level = codes(record.level);
    let mut line = format!(
        "{} | {} | {} - {}",
        paint(record.time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(), GREEN),
        paint(format!("{:<8}", record.level), level),
        paint(printable(&record.origin.to_string()).into_owned(), MAGENTA),
        paint(printable(&record.message).into_owned(), level),
    );
    for (name, value) in &record.fields {
        line.extend([" ", name, "=", &quoted(value)]);
    }
    line.push('\n');
    line
}

fn codes(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "\x1b[36m\x1b[1m",
        LogLevel::Debug => "\x1b[34m\x1b[1m",
        LogLevel::Info => "\x1b[1m",
        LogLevel::Success => "\x1b[32m\x1b[1m",
        LogLevel::Warning => "\x1b[33m\x1b[1m",
        LogLevel::Error => "\x1b[31m\x1b[1m",
        LogLevel::Critical => "\x1b[41m\x1b[1m",
    }
}

/// The value in quotes when it would otherwise run into its neighbours.
fn quoted(value: &Value) -> String {
    let text = plain(value);
    let plain_word = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
    if plain_word { text } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;
    use jiff::tz::TimeZone;

    use super::*;

    fn record() -> Record {
        let time = datetime(2026, 2, 3, 4, 5, 6, 7_000_000).to_zoned(TimeZone::UTC).expect("a time");
        let mut record = Record::new(time, LogLevel::Info);
        record.origin.connector = Some("prometheus".to_owned());
        record.origin.event = Some("before:measure".to_owned());
        record.message = "scaled workload".to_owned();
        record
    }

    #[test]
    fn a_line_has_time_level_component_and_message() {
        assert_eq!(
            text(&record()),
            "2026-02-03 04:05:06.007 | INFO     | prometheus[before:measure] - scaled workload\n"
        );
    }

    #[test]
    fn fields_follow_the_message_and_are_quoted_where_they_must() {
        let mut record = record();
        record.fields = vec![
            ("replicas", json!(3)),
            ("workload", json!("web/main")),
            ("error", json!("no such \"host\"")),
            ("empty", json!("")),
        ];
        let line = text(&record);
        assert!(
            line.ends_with(
                "- scaled workload replicas=3 workload=web/main error=\"no such \\\"host\\\"\" empty=\"\"\n"
            ),
            "{line}"
        );
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let mut record = record();
        record.message = "red \x1b[31m\rtext\nnext\tline".to_owned();
        assert!(text(&record).ends_with("- red \\u{1b}[31m\\rtext\nnext\tline\n"));
    }

    #[test]
    fn each_part_of_a_coloured_line_is_reset() {
        assert_eq!(
            coloured(&record()),
            "\x1b[32m2026-02-03 04:05:06.007\x1b[0m | \x1b[1mINFO    \x1b[0m | \
             \x1b[35mprometheus[before:measure]\x1b[0m - \x1b[1mscaled workload\x1b[0m\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_apart() {
        let mut record = record();
        record.progress = Some(12.5);
        record.fields = vec![("level", json!("a field"))];
        assert_eq!(
            json(&record),
            "{\"time\":\"2026-02-03T04:05:06.007Z\",\"level\":\"INFO\",\"connector\":\"prometheus\",\
             \"event\":\"before:measure\",\"message\":\"scaled workload\",\"progress\":12.5,\
             \"fields\":{\"level\":\"a field\"}}\n"
        );
    }
}
