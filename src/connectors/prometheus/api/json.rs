//! Reads JSON piece by piece from a stream of chunks.
//!
//! Answers can be as large as the memory of a small container, so neither the text nor a tree of it is ever held: at
//! any time there are one chunk, one text and the open brackets. The caller says what it expects and gets it, or a
//! [`ReadError::Misfit`], after which [`JsonReader::leave`] skips the rest of what it was reading.
//!
//! Knows nothing of Prometheus.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::Fuse;
use futures_util::{Stream, StreamExt};

/// The deepest nesting that is read: more than any answer has, and little enough for untrusted input.
const DEEPEST: usize = 64;

/// What some programs put before UTF-8 text.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Why JSON cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::connectors::prometheus) enum ReadError {
    #[error("the response broke off")]
    Body(#[source] reqwest::Error),
    #[error(
        "the response is larger than {} MiB, which is what there is for all answers: narrow the query, let Prometheus \
         aggregate it, or raise the memory limit of this container, of which a quarter is for answers",
        .0 >> 20
    )]
    TooLarge(u64),
    #[error("the response is not valid JSON: expected {expected} at byte {offset}")]
    Syntax { expected: &'static str, offset: u64 },
    /// JSON, but not what the caller expected.
    #[error("{0}")]
    Misfit(String),
}

impl ReadError {
    /// A value that is not what was expected.
    pub(super) fn misfit(expected: impl Into<String>) -> Self {
        Self::Misfit(expected.into())
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(&'a str),
}

/// The kind of the next value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Scalar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Object,
    Array,
}

/// How many bytes several answers may have together. Clones count as one.
#[derive(Debug, Clone)]
pub(in crate::connectors::prometheus) struct Allowance {
    limit: u64,
    used: Arc<AtomicU64>,
}

impl Allowance {
    pub(in crate::connectors::prometheus) fn new(limit: u64) -> Self {
        Self { limit, used: Arc::default() }
    }

    fn take(&self, bytes: usize) -> Result<(), ReadError> {
        let used = self.used.fetch_add(bytes as u64, Ordering::Relaxed).saturating_add(bytes as u64);
        if used > self.limit { Err(ReadError::TooLarge(self.limit)) } else { Ok(()) }
    }
}

/// How much of the beginning of an answer is kept, to say what it is if it is no JSON.
const HEAD: usize = 4096;

/// The chunks of a body. Boxed, so that the reader and all that use it are compiled once.
type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

/// Reads one JSON text from chunks.
pub(in crate::connectors::prometheus) struct JsonReader {
    source: Fuse<Chunks>,
    chunk: Bytes,
    /// How much of the chunk has been read.
    position: usize,
    /// Bytes of all chunks before the present one.
    before: u64,
    allowance: Allowance,
    head: Vec<u8>,
    open: Vec<Bracket>,
    /// Whether nothing of the innermost bracket has been read.
    fresh: bool,
    /// Whether a value is due: its key or comma has been read, or nothing at all.
    due: bool,
    text: Vec<u8>,
}

impl JsonReader {
    pub(super) fn new(
        source: impl Stream<Item = Result<Bytes, reqwest::Error>> + Send + 'static,
        allowance: Allowance,
    ) -> Self {
        let source: Chunks = Box::pin(source);
        Self {
            source: source.fuse(),
            chunk: Bytes::new(),
            position: 0,
            before: 0,
            allowance,
            head: Vec::new(),
            open: Vec::new(),
            fresh: false,
            due: true,
            text: Vec::new(),
        }
    }

    /// How the answer begins, as far as it has arrived.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// How many brackets are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The kind of the value that is due.
    pub(super) async fn kind(&mut self) -> Result<Kind, ReadError> {
        Ok(match self.significant().await? {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            _ => Kind::Scalar,
        })
    }

    /// Opens the object that is due.
    ///
    /// # Errors
    /// [`ReadError::Misfit`] with `expected` when it is something else.
    pub(super) async fn object(&mut self, expected: &'static str) -> Result<(), ReadError> {
        match self.kind().await? {
            Kind::Object => self.open(Bracket::Object),
            Kind::Array | Kind::Scalar => Err(ReadError::misfit(expected)),
        }
    }

    /// Opens the array that is due.
    ///
    /// # Errors
    /// [`ReadError::Misfit`] with `expected` when it is something else.
    pub(super) async fn array(&mut self, expected: &'static str) -> Result<(), ReadError> {
        match self.kind().await? {
            Kind::Array => self.open(Bracket::Array),
            Kind::Object | Kind::Scalar => Err(ReadError::misfit(expected)),
        }
    }

    /// The next key of the open object, whose value is then due; `None` closes the object.
    pub(super) async fn key(&mut self) -> Result<Option<&str>, ReadError> {
        if !self.another(b'}', "',' or '}'").await? {
            return Ok(None);
        }
        if self.significant().await? != b'"' {
            return Err(self.syntax("a key in quotes"));
        }
        self.read_text().await?;
        if self.significant().await? != b':' {
            return Err(self.syntax("':'"));
        }
        self.position += 1;
        self.due = true;
        self.as_text().map(Some)
    }

    /// Whether the open array has another element, which is then due; otherwise the array is closed.
    pub(super) async fn element(&mut self) -> Result<bool, ReadError> {
        let more = self.another(b']', "',' or ']'").await?;
        self.due = more;
        Ok(more)
    }

    /// The scalar that is due.
    ///
    /// # Errors
    /// [`ReadError::Misfit`] with `expected` when it is an object or an array.
    pub(super) async fn scalar(&mut self, expected: &'static str) -> Result<Scalar<'_>, ReadError> {
        match self.significant().await? {
            b'{' | b'[' => Err(ReadError::misfit(expected)),
            b'"' => {
                self.read_text().await?;
                self.due = false;
                self.as_text().map(Scalar::Text)
            }
            b't' => self.literal(b"true", Scalar::Bool(true)).await,
            b'f' => self.literal(b"false", Scalar::Bool(false)).await,
            b'n' => self.literal(b"null", Scalar::Null).await,
            _ => {
                self.read_number().await?;
                self.due = false;
                self.as_text().map(Scalar::Number)
            }
        }
    }

    /// Skips the value that is due.
    pub(super) async fn skip(&mut self) -> Result<(), ReadError> {
        let depth = self.depth();
        self.leave(depth).await
    }

    /// Skips the value that is due, if any, and everything up to the end of the brackets that are open beyond
    /// `depth`.
    pub(super) async fn leave(&mut self, depth: usize) -> Result<(), ReadError> {
        loop {
            if self.due {
                match self.kind().await? {
                    Kind::Object => self.open(Bracket::Object)?,
                    Kind::Array => self.open(Bracket::Array)?,
                    Kind::Scalar => self.scalar("a value").await.map(|_| ())?,
                }
            }
            match self.open.last() {
                Some(bracket) if self.open.len() > depth => match bracket {
                    Bracket::Object => self.key().await.map(|_| ())?,
                    Bracket::Array => self.element().await.map(|_| ())?,
                },
                _ => return Ok(()),
            }
        }
    }

    /// Takes a misfit for an answer: skips the rest of what was being read at `depth` and returns the reason.
    ///
    /// # Errors
    /// Every other error.
    pub(super) async fn recover<T>(
        &mut self,
        result: Result<T, ReadError>,
        depth: usize,
    ) -> Result<Result<T, String>, ReadError> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(ReadError::Misfit(reason)) => {
                self.leave(depth).await?;
                Ok(Err(reason))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads up to the end of the stream, where only blanks may be.
    pub(super) async fn end(&mut self) -> Result<(), ReadError> {
        match self.next_significant().await? {
            None => Ok(()),
            Some(_) => Err(self.syntax("the end")),
        }
    }

    /// What has arrived of the value that is due, from its first byte on. For callers who can read the common form of
    /// it at once; they [`advance`](Self::advance) over what they read.
    pub(super) fn arrived(&self) -> &[u8] {
        &self.chunk[self.position..]
    }

    /// Goes over the value that was due, which the caller has read.
    pub(super) fn advance(&mut self, length: usize) {
        self.position += length;
        self.due = false;
    }

    fn open(&mut self, bracket: Bracket) -> Result<(), ReadError> {
        if self.open.len() == DEEPEST {
            return Err(self.syntax("fewer nested brackets"));
        }
        self.open.push(bracket);
        self.position += 1;
        self.fresh = true;
        self.due = false;
        Ok(())
    }

    /// Whether another member of the innermost bracket follows. Goes over the comma, or over the closing bracket.
    async fn another(&mut self, close: u8, expected: &'static str) -> Result<bool, ReadError> {
        let byte = self.significant().await?;
        if byte == close {
            self.position += 1;
            self.open.pop();
            self.fresh = false;
            return Ok(false);
        }
        if !self.fresh {
            if byte != b',' {
                return Err(self.syntax(expected));
            }
            self.position += 1;
            if self.significant().await? == close {
                return Err(self.syntax("a value after ','"));
            }
        }
        self.fresh = false;
        Ok(true)
    }

    async fn literal(&mut self, word: &'static [u8], value: Scalar<'static>) -> Result<Scalar<'_>, ReadError> {
        for byte in word {
            if self.peek().await? != Some(*byte) {
                return Err(self.syntax("true, false or null"));
            }
            self.position += 1;
        }
        self.due = false;
        Ok(value)
    }

    async fn read_number(&mut self) -> Result<(), ReadError> {
        self.text.clear();
        while let Some(byte @ (b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) = self.peek().await? {
            self.text.push(byte);
            self.position += 1;
        }
        if is_number(&self.text) { Ok(()) } else { Err(self.syntax("a value")) }
    }

    /// Reads the text whose quote is next, escapes resolved.
    async fn read_text(&mut self) -> Result<(), ReadError> {
        self.text.clear();
        self.position += 1;
        let mut escaped = false;
        loop {
            let rest = &self.chunk[self.position..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            self.text.extend_from_slice(&rest[..plain]);
            self.position += plain;
            match self.peek().await? {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.text.push(b'\\');
                    self.position += 1;
                    let byte = self.peek().await?.ok_or_else(|| self.syntax("the end of a text"))?;
                    self.text.push(byte);
                    self.position += 1;
                }
                Some(0..=0x1f) => return Err(self.syntax("an escaped control character")),
                Some(_) => {}
                None => return Err(self.syntax("the end of a text")),
            }
        }
        self.position += 1;
        if escaped {
            let quoted = [b"\"", self.text.as_slice(), b"\""].concat();
            let text: String = serde_json::from_slice(&quoted).map_err(|_| self.syntax("a valid escape"))?;
            self.text = text.into_bytes();
        }
        Ok(())
    }

    fn as_text(&self) -> Result<&str, ReadError> {
        std::str::from_utf8(&self.text).map_err(|_| self.syntax("UTF-8"))
    }

    /// The next byte that is not blank; there must be one.
    async fn significant(&mut self) -> Result<u8, ReadError> {
        self.next_significant().await?.ok_or_else(|| self.syntax("more text"))
    }

    async fn next_significant(&mut self) -> Result<Option<u8>, ReadError> {
        while let Some(byte) = self.peek().await? {
            let blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            if !blank && !self.is_mark(byte) {
                return Ok(Some(byte));
            }
            self.position += 1;
        }
        Ok(None)
    }

    /// Whether this byte, which is next, is part of a byte order mark.
    fn is_mark(&self, byte: u8) -> bool {
        let offset = usize::try_from(self.offset()).unwrap_or(usize::MAX);
        BYTE_ORDER_MARK.get(offset) == Some(&byte)
    }

    /// The next byte, which stays next; `None` at the end.
    async fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            if let Some(byte) = self.arrived().first() {
                return Ok(Some(*byte));
            }
            let Some(chunk) = self.source.next().await else { return Ok(None) };
            // Whoever sent the request names the address, without what is secret in it.
            let chunk = chunk.map_err(|error| ReadError::Body(error.without_url()))?;
            self.before = self.offset();
            self.allowance.take(chunk.len())?;
            if self.head.len() < HEAD {
                self.head.extend_from_slice(&chunk[..chunk.len().min(HEAD - self.head.len())]);
            }
            self.chunk = chunk;
            self.position = 0;
        }
    }

    fn offset(&self) -> u64 {
        self.before + self.position as u64
    }

    fn syntax(&self, expected: &'static str) -> ReadError {
        ReadError::Syntax { expected, offset: self.offset() }
    }
}

/// Whether this is a number of JSON: `-0`, `1.5`, `1e-7`; not `01`, `+1`, `.5` or `1.`.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt::Write;

    use futures_util::stream;

    use super::*;

    /// A reader of a text that arrives in these pieces.
    pub(in crate::connectors::prometheus) fn reader(pieces: &[&[u8]]) -> JsonReader {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        JsonReader::new(stream::iter(pieces), Allowance::new(1 << 20))
    }

    /// Every value of a text as one line, or the error.
    async fn walk(pieces: &[&[u8]]) -> Result<String, ReadError> {
        let mut reader = reader(pieces);
        let mut seen = String::new();
        let mut open = Vec::new();
        loop {
            match reader.kind().await? {
                Kind::Object => {
                    reader.object("").await?;
                    open.push(Kind::Object);
                    seen.push('{');
                }
                Kind::Array => {
                    reader.array("").await?;
                    open.push(Kind::Array);
                    seen.push('[');
                }
                Kind::Scalar => write!(seen, "{:?} ", reader.scalar("").await?).unwrap(),
            }
            // Goes on to the next value that is due, over all brackets that end.
            while let Some(kind) = open.last() {
                let due = match kind {
                    Kind::Object => match reader.key().await? {
                        Some(key) => {
                            write!(seen, "{key}:").unwrap();
                            true
                        }
                        None => false,
                    },
                    _ => reader.element().await?,
                };
                if due {
                    break;
                }
                seen.push(if open.pop() == Some(Kind::Object) { '}' } else { ']' });
            }
            if open.is_empty() {
                reader.end().await?;
                return Ok(seen);
            }
        }
    }

    #[tokio::test]
    async fn a_text_reads_the_same_however_it_is_split() {
        let text = " {\"a\" : [1, -2.5e+3 ,\"x\\u00e9\\ud83d\\ude00\\n é\"], \"b\":{}, \"c\":[ ],\n\"d\":null,\"\":[[true,false]]} ".as_bytes();
        let whole = walk(&[text]).await.unwrap();
        assert_eq!(
            whole,
            "{a:[Number(\"1\") Number(\"-2.5e+3\") Text(\"xé😀\\n é\") ]b:{}c:[]d:Null :[[Bool(true) Bool(false) ]]}"
        );
        for split in 0..=text.len() {
            let (first, second) = text.split_at(split);
            assert_eq!(walk(&[first, b"", second]).await.unwrap(), whole, "split at {split}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(walk(&bytes).await.unwrap(), whole);
    }

    #[tokio::test]
    async fn what_is_no_json_is_refused_with_its_place() {
        for (text, expected, offset) in [
            ("", "more text", 0),
            ("<html>", "a value", 0),
            ("{", "more text", 1),
            ("{\"a\"}", "':'", 4),
            ("{a:1}", "a key in quotes", 1),
            ("{\"a\":1 \"b\":2}", "',' or '}'", 7),
            ("{\"a\":1,}", "a value after ','", 7),
            ("[1 2]", "',' or ']'", 3),
            ("[1,]", "a value after ','", 3),
            ("[1}", "',' or ']'", 2),
            ("[01]", "a value", 3),
            ("[+1]", "a value", 3),
            ("[.5]", "a value", 3),
            ("[1.]", "a value", 3),
            ("[1e]", "a value", 3),
            ("[NaN]", "a value", 1),
            ("[nul]", "true, false or null", 4),
            ("[\"a", "the end of a text", 3),
            ("[\"a\nb\"]", "an escaped control character", 3),
            ("[\"\\x\"]", "a valid escape", 5),
            ("1 2", "the end", 2),
            ("{} {}", "the end", 3),
        ] {
            let error = walk(&[text.as_bytes()]).await.unwrap_err();
            assert_eq!(error.to_string(), ReadError::Syntax { expected, offset }.to_string(), "{text}");
        }
        let invalid = walk(&[b"[\"\xff\"]"]).await.unwrap_err().to_string();
        assert!(invalid.contains("UTF-8"), "{invalid}");
        let deep = "[".repeat(DEEPEST + 1);
        assert!(walk(&[deep.as_bytes()]).await.unwrap_err().to_string().contains("nested"));
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_no_content() {
        assert_eq!(walk(&[b"\xef\xbb", b"\xbf{}"]).await.unwrap(), "{}");
    }

    #[tokio::test]
    async fn more_than_the_limit_is_refused_before_it_is_read() {
        let chunks = (0..).map(|_| Ok(Bytes::from_static(b"          ")));
        let mut reader = JsonReader::new(stream::iter(chunks), Allowance::new(2 << 20));
        let error = reader.kind().await.unwrap_err().to_string();
        assert!(error.contains("larger than 2 MiB"), "{error}");
    }

    #[tokio::test]
    async fn leaving_skips_to_the_end_of_what_was_open() {
        let text = b"{\"a\":[{\"b\":[1,{\"c\":2}],\"d\":3},4],\"e\":5}";
        let mut reader = reader(&[text]);
        reader.object("").await.unwrap();
        reader.key().await.unwrap();
        let depth = reader.depth();
        reader.array("").await.unwrap();
        assert!(reader.element().await.unwrap());
        // The element is an object: a misfit that leaves it due.
        assert!(matches!(reader.array("a list").await, Err(ReadError::Misfit(what)) if what == "a list"));
        reader.leave(depth).await.unwrap();
        assert_eq!(reader.key().await.unwrap(), Some("e"));
        reader.skip().await.unwrap();
        assert_eq!(reader.key().await.unwrap(), None);
        reader.end().await.unwrap();
    }
}
