//! Bytes of a pipe as lines of text, in bounded memory.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, BufReader};

/// Longer than any line that means something: a report of a load test lists every error that it saw, one for each
/// local port at worst. Short enough to be kept in memory.
pub(crate) const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The standard output of the last program of a pipeline.
    Stdout,
    /// The standard error of any of its programs.
    Stderr,
}

/// A line of output: text without blanks at its end. Bytes that are not UTF-8 are replaced, and what is beyond
/// 16 MiB is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it was written to.
    pub source: Source,
    pub text: String,
}

/// The end of a text: as many bytes of its last lines as fit. For error messages.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    text: String,
    limit: usize,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    pub(crate) fn push(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line);
        let excess = self.text.len().saturating_sub(self.limit);
        self.text.drain(..self.text.ceil_char_boundary(excess));
    }

    /// The lines, without a line break at the end.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Reads lines from a pipe.
pub(super) struct Lines {
    source: Source,
    pipe: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    line: Vec<u8>,
    ended: bool,
}

impl Lines {
    pub(super) fn new(source: Source, pipe: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self { source, pipe: BufReader::new(Box::new(pipe)), line: Vec::new(), ended: false }
    }

    /// The next line; `None` at the end. Keeps what it has read when it is not ready, so nothing is lost by not
    /// asking again.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Line>> {
        while !self.ended {
            let chunk = ready!(Pin::new(&mut self.pipe).poll_fill_buf(cx)).unwrap_or_else(|error| {
                tracing::debug!(%error, "stopped reading the output of a process");
                &[]
            });
            let line_break = chunk.iter().position(|byte| *byte == b'\n');
            let length = line_break.unwrap_or(chunk.len());
            let room = LONGEST_LINE - self.line.len();
            self.line.extend_from_slice(&chunk[..length.min(room)]);
            self.ended = chunk.is_empty();
            Pin::new(&mut self.pipe).consume(length + usize::from(line_break.is_some()));
            if line_break.is_some() || (self.ended && !self.line.is_empty()) {
                return Poll::Ready(Some(self.take_line()));
            }
        }
        Poll::Ready(None)
    }

    fn take_line(&mut self) -> Line {
        let bytes = std::mem::take(&mut self.line);
        Line { source: self.source, text: String::from_utf8_lossy(&bytes).trim_end().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn lines(bytes: &'static [u8]) -> Vec<String> {
        let mut lines = Lines::new(Source::Stdout, bytes);
        let mut all = Vec::new();
        while let Some(line) = poll_fn(|cx| lines.poll_next(cx)).await {
            all.push(line.text);
        }
        all
    }

    #[tokio::test]
    async fn lines_end_at_line_breaks_and_at_the_end() {
        assert_eq!(lines(b"").await, [""; 0]);
        assert_eq!(lines(b"a\nb").await, ["a", "b"]);
        assert_eq!(lines(b"a\n\n b \t\r\n").await, ["a", "", " b"]);
    }

    #[tokio::test]
    async fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(lines(b"a\xffb\n").await, ["a\u{fffd}b"]);
    }

    #[tokio::test]
    async fn a_line_is_cut_at_its_limit_and_the_next_is_whole() {
        let mut text = vec![b'x'; LONGEST_LINE + 100_000];
        text.extend_from_slice(b"\nnext\n");
        let lines = lines(text.leak()).await;
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LONGEST_LINE, 4]);
    }

    #[test]
    fn a_tail_keeps_the_last_bytes_and_whole_characters() {
        let mut tail = Tail::new(6);
        assert_eq!(tail.as_str(), "");
        for (line, expected) in [("a", "a"), ("bc", "a\nbc"), ("def", "bc\ndef"), ("äöüä", "öüä")] {
            tail.push(line);
            assert_eq!(tail.as_str(), expected);
        }
    }
}
