//! The last log lines, kept in memory for diagnostics.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest text that is kept, in characters: what optimizers that ask for diagnostics are used to get.
const CAPACITY: usize = 1_058_576;

/// A shared handle on the lines of the recent past. Clones see the same lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogBuffer(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<String>,
    characters: usize,
}

impl LogBuffer {
    /// The last 1,058,576 characters of the log as whole entries, the oldest first, each ending with a newline.
    /// Characters beyond ASCII are left out.
    pub(crate) fn text(&self) -> String {
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.lines.iter().map(String::as_str).collect()
    }

    /// Adds an entry, and forgets the oldest ones when there are too many.
    pub(super) fn push(&self, entry: &str) {
        let entry: String = entry.chars().filter(char::is_ascii).collect();
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.characters += entry.len();
        buffer.lines.push_back(entry);
        while buffer.characters > CAPACITY
            && let Some(oldest) = buffer.lines.pop_front()
        {
            buffer.characters -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_give_way_to_new_ones() {
        let buffer = LogBuffer::default();
        buffer.push("oldest\n");
        buffer.push(&"x".repeat(CAPACITY - 7));
        assert_eq!(buffer.text().len(), CAPACITY);
        buffer.push("newest\n");
        assert_eq!(buffer.text(), format!("{}newest\n", "x".repeat(CAPACITY - 7)));
    }

    #[test]
    fn an_entry_that_is_too_long_is_not_kept() {
        let buffer = LogBuffer::default();
        buffer.push(&"x".repeat(CAPACITY + 1));
        buffer.push("next\n");
        assert_eq!(buffer.text(), "next\n");
    }

    #[test]
    fn characters_beyond_ascii_are_left_out() {
        let buffer = LogBuffer::default();
        buffer.push("100 µs ✅\n");
        assert_eq!(buffer.text(), "100 s \n");
    }
}
