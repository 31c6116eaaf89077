//! Logs of containers in messages about a failure.

use std::fmt::Display;

/// The most bytes of logs in one message. An optimizer limits the size of what it takes, and a message is read by
/// people: the end of each log says most.
pub(crate) const MOST_LOG_BYTES: usize = 64 * 1024;

/// A log that belongs in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogKey {
    pub pod: String,
    pub container: String,
    /// Whether it is the log of the container's run before the present one.
    pub previous: bool,
}

/// Logs that were fetched for a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs(Vec<(LogKey, String)>);

impl Logs {
    /// Takes a log, `None` when there is none. One that cannot be read is a note and hides nothing else.
    pub(crate) fn insert<E: Display>(&mut self, key: LogKey, log: Result<Option<String>, E>) {
        let text = match log {
            Ok(Some(text)) => text,
            Ok(None) => "Logs not found".to_owned(),
            Err(error) => format!("(the log could not be read: {error})"),
        };
        self.0.push((key, text));
    }

    /// What a message says of a container's logs, with a blank before it; empty when none were asked for.
    pub(crate) fn text(&self, pod: &str, container: &str) -> String {
        let share = MOST_LOG_BYTES / self.0.len().max(1);
        let mut text = String::new();
        for previous in [true, false] {
            let log =
                self.0.iter().find(|(key, _)| key.pod == pod && key.container == container && key.previous == previous);
            let Some((_, log)) = log else { continue };
            let head =
                if text.is_empty() { format!(" container logs Container {container}:") } else { DIVIDER.to_owned() };
            let title = if previous { "previous (crash)" } else { "current (latest)" };
            text.extend([&head, "\n", title, ":\n", &end_of(log, share)]);
        }
        text
    }
}

/// Between the logs of one container.
const DIVIDER: &str = "\n\n--- \n";

/// The end of a text that has no more bytes than this.
fn end_of(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let start = text.ceil_char_boundary(text.len() - most);
    format!("[{start} bytes left out] {}", &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pod: &str, previous: bool) -> LogKey {
        LogKey { pod: pod.to_owned(), container: "main".to_owned(), previous }
    }

    #[test]
    fn logs_that_cannot_be_had_are_a_note() {
        let mut logs = Logs::default();
        logs.insert(key("a", true), Ok::<_, String>(None));
        logs.insert(key("a", false), Err("pods \"a\" is forbidden"));
        assert_eq!(
            logs.text("a", "main"),
            " container logs Container main:\nprevious (crash):\nLogs not found\n\n--- \n\ncurrent (latest):\n(the log \
             could not be read: pods \"a\" is forbidden)",
        );
        assert_eq!(logs.text("b", "main"), "");
    }

    #[test]
    fn all_logs_of_a_message_share_its_room_and_keep_their_ends() {
        let mut logs = Logs::default();
        for pod in ["a", "b", "c"] {
            for previous in [true, false] {
                logs.insert(key(pod, previous), Ok::<_, String>(Some(format!("{}the end", "ä".repeat(100_000)))));
            }
        }
        let texts: Vec<String> = ["a", "b", "c"].iter().map(|pod| logs.text(pod, "main")).collect();
        assert!(texts.iter().map(String::len).sum::<usize>() < MOST_LOG_BYTES + 1000);
        assert!(texts.iter().all(|text| text.ends_with("äthe end") && text.contains(" bytes left out] ä")));
    }
}
