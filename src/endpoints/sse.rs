//! Server-sent events, as far as they are written and read here: name and data, each event in lines of its own.

pub(crate) const CONTENT_TYPE: &str = "text/event-stream";

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` when it has none.
    pub name: String,
    /// Its data, without line breaks at its end.
    pub data: String,
}

impl Event {
    /// As it is sent. The data must be of one line.
    pub(super) fn write(name: Option<&str>, data: &str) -> String {
        let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
        format!("{name}data: {data}\n\n")
    }
}

/// A line that is longer than any that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the stream has more than {LONGEST_LINE} bytes")]
pub struct LineTooLong;

/// Reads events from bytes as they arrive.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    name: String,
    data: Option<String>,
}

impl Reader {
    /// The events that these bytes complete.
    ///
    /// # Errors
    /// A line is too long to be kept.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, LineTooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > LONGEST_LINE {
                return Err(LineTooLong);
            }
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                events.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return self.data.take().map(|data| Event { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", None) => self.data = Some(value.to_owned()),
            // Comments, and fields that are not needed.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_wherever_it_is_cut() {
        let text = format!(
            ": comment\nretry: 1000\n\n{}{}data: 1\r\ndata: 2\r\n\r\ndata: never ended\n",
            Event::write(None, "{\"a\":\"ü\"}"),
            Event::write(Some("lost"), "3")
        );
        let event = |name: &str, data: &str| Event { name: name.to_owned(), data: data.to_owned() };
        let expected = [event("message", "{\"a\":\"ü\"}"), event("lost", "3"), event("message", "1\n2")];
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let events: Vec<Event> =
                text.as_bytes().chunks(size).flat_map(|bytes| reader.read(bytes).unwrap()).collect();
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut reader = Reader::default();
        assert_eq!(reader.read(&vec![b'x'; LONGEST_LINE + 1]), Err(LineTooLong));
    }
}
