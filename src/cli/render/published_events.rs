//! What a run publishes, for people: the numbers of its events, the last of each with those before it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::sparkline::sparkline;
use crate::optimizer::report::number;
use crate::table::Table;

/// How many values of a row are shown as bars.
const BARS: usize = 24;

/// How many rows are kept; what comes with others is not shown.
const MOST_ROWS: usize = 200;

/// How many numbers of an event are looked at.
const MOST_NUMBERS: usize = 100;

/// An event of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) servo: String,
    pub(crate) channel: String,
    pub(crate) time: String,
    /// Each with its name, in the order of the event.
    pub(crate) numbers: Vec<(String, f64)>,
}

impl Seen {
    /// Reads the data of an event.
    pub(crate) fn read(data: &Value) -> Option<Self> {
        let text = |key: &str| data.get(key)?.as_str().map(printable);
        let mut numbers = Vec::new();
        collect(&mut numbers, "", data.get("content")?);
        Some(Self { servo: text("servo")?, channel: text("channel")?, time: text("time")?, numbers })
    }

    /// The event in a line.
    pub(crate) fn line(&self) -> String {
        let numbers: Vec<String> =
            self.numbers.iter().map(|(name, value)| format!("{name}={}", number(*value))).collect();
        format!("{}  {}  {}  {}", self.time, self.servo, self.channel, numbers.join(" "))
    }
}

/// All numbers of a value with their paths. An element such as `["latency", "2026-01-01T00:00:00Z", 1.5]` is the number
/// of that name.
fn collect(numbers: &mut Vec<(String, f64)>, path: &str, value: &Value) {
    if numbers.len() >= MOST_NUMBERS {
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Number(value) => {
            let name = if path.is_empty() { "value" } else { path };
            numbers.extend(value.as_f64().map(|value| (printable(name), value)));
        }
        Value::Object(members) => members.iter().for_each(|(name, member)| collect(numbers, &below(name), member)),
        Value::Array(elements) => match elements.as_slice() {
            [Value::String(name), Value::String(_), value @ Value::Number(_)] => collect(numbers, &below(name), value),
            elements => {
                for (index, element) in elements.iter().enumerate() {
                    let path = if element.is_array() { path.to_owned() } else { below(&index.to_string()) };
                    collect(numbers, &path, element);
                }
            }
        },
        _ => {}
    }
}

/// Without characters that move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// The last values of every number that was seen.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    rows: BTreeMap<(String, String, String), Row>,
}

#[derive(Debug)]
struct Row {
    values: VecDeque<f64>,
    time: String,
}

impl Watched {
    pub(crate) fn add(&mut self, seen: &Seen) {
        for (name, value) in &seen.numbers {
            let key = (seen.servo.clone(), seen.channel.clone(), name.clone());
            if self.rows.len() >= MOST_ROWS && !self.rows.contains_key(&key) {
                continue;
            }
            let row = self.rows.entry(key).or_insert_with(|| Row { values: VecDeque::new(), time: String::new() });
            if row.values.len() == BARS {
                row.values.pop_front();
            }
            row.values.push_back(*value);
            row.time.clone_from(&seen.time);
        }
    }

    /// As many of the rows as there is room for, the first ones by servo, channel and name, and no wider than so many
    /// columns: fewer values before the last one, then cut.
    pub(crate) fn table(&self, room: usize, columns: usize) -> String {
        let mut table = self.drawn(room, BARS);
        let excess = table.width().saturating_sub(columns);
        if excess > 0 {
            table = self.drawn(room, BARS.saturating_sub(excess).max(1));
        }
        let text = table.to_string();
        let lines =
            text.lines().map(|line| if line.chars().count() > columns { cut(line, columns) } else { line.into() });
        let mut lines: Vec<String> = lines.collect();
        let more = self.rows.len().saturating_sub(room);
        if more > 0 {
            lines.push(format!("and {more} more: name channels to see fewer, or use --output json"));
        }
        lines.join("\n")
    }

    fn drawn(&self, room: usize, bars: usize) -> Table {
        let mut table = Table::new(["SERVO", "CHANNEL", "NAME", "VALUE", "AT", "BEFORE"]);
        for ((servo, channel, name), row) in self.rows.iter().take(room) {
            let values: Vec<f64> = row.values.iter().copied().collect();
            let last = values.last().copied().map(number).unwrap_or_default();
            table.row([servo.clone(), channel.clone(), name.clone(), last, clock(&row.time), sparkline(&values, bars)]);
        }
        table
    }
}

fn cut(line: &str, columns: usize) -> String {
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// The time of day of a time such as `2026-01-01T12:00:00.5Z`.
fn clock(time: &str) -> String {
    let clock = time.split_once('T').map_or(time, |(_, clock)| clock);
    clock.chars().take_while(|character| *character != '.' && *character != 'Z').collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(content: &Value) -> Seen {
        let data = json!({"servo": "web", "channel": "a.b", "time": "2026-01-01T12:00:00.25Z", "content": content});
        Seen::read(&data).unwrap()
    }

    #[test]
    fn numbers_are_found_with_their_names() {
        for (content, numbers) in [
            (json!([["a", "t", 1.5], ["b\u{1b}", "t", 2]]), vec![("a", 1.5), ("b", 2.0)]),
            (json!({"rate": 3, "latencies": {"p50": 1}, "text": "x"}), vec![("rate", 3.0), ("latencies.p50", 1.0)]),
            (json!([1, 2]), vec![("0", 1.0), ("1", 2.0)]),
            (json!(7), vec![("value", 7.0)]),
            (json!("text"), vec![]),
        ] {
            let numbers: Vec<(String, f64)> =
                numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            assert_eq!(seen(&content).numbers, numbers, "{content}");
        }
        assert_eq!(Seen::read(&json!({"servo": "web"})), None);
    }

    #[test]
    fn the_table_has_the_last_values_and_those_before() {
        let mut watched = Watched::default();
        for value in 0..30 {
            watched.add(&seen(&json!([["a", "t", value], ["b", "t", 1]])));
        }
        let table = watched.table(1, 80);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].starts_with("web      a.b        a       29.00    12:00:00  ▁"), "{table}");
        assert!(lines[1].ends_with('█') && lines[1].chars().count() == 71, "{table}");
        assert_eq!(lines[2], "and 1 more: name channels to see fewer, or use --output json");
        let widths =
            |columns| -> Vec<usize> { watched.table(9, columns).lines().map(|line| line.chars().count()).collect() };
        assert!(widths(60).into_iter().all(|width| width <= 60) && watched.table(9, 60).contains('█'));
        assert!(widths(20).into_iter().all(|width| width <= 20) && watched.table(9, 20).contains('…'));
        assert_eq!(seen(&json!([["a", "t", 1]])).line(), "2026-01-01T12:00:00.25Z  web  a.b  a=1.00");
    }
}
