//! One run of an executable: started, asked one question at a time, ended and reaped.
//!
//! Whatever it does wrong ends it: after a [`Fault`] nothing is asked any more, and [`Session::end`] leaves nothing of
//! its process group.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::protocol::{self, Message, RemoteError};
use crate::subprocess::{Command, LONGEST_LINE, Line, Process, Source, Status, SubprocessError, Tail};

/// How long a cancelled request may take to be answered.
pub(super) const CANCEL_LIMIT: Duration = Duration::from_secs(10);
/// How long `shutdown` may take to be answered, and then the exit.
pub(super) const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// The grace between SIGTERM and SIGKILL. An executable that is sent the signal has been told before.
const GRACE: Duration = Duration::from_secs(2);
/// How long an exit may take after the outputs have been closed.
const EXIT: Duration = Duration::from_secs(1);
/// How much of the end of standard error an error repeats, in bytes: a dozen lines.
const TAIL: usize = 1024;
/// How much of a line an error repeats, in characters.
const EXCERPT: usize = 120;

/// What an executable did wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("'{}' could not be started: it must be a program, or a script whose first line names its interpreter", .0.display())]
    Start(PathBuf, #[source] SubprocessError),
    /// It ended without having been asked to.
    #[error("it ended {during}{}{}", how(*.status), said(.stderr))]
    Exited {
        during: String,
        /// How, if that is known.
        status: Option<Status>,
        /// The end of its standard error.
        stderr: String,
    },
    #[error("it did not answer {method} within {limit:?}{}", said(.stderr))]
    TimedOut {
        method: String,
        limit: Duration,
        /// The end of its standard error.
        stderr: String,
    },
    /// It does not end what was cancelled.
    #[error("it did not answer {method} within {CANCEL_LIMIT:?} of its cancellation")]
    NotCancelled { method: String },
    /// It wrote something that is no message.
    #[error("it wrote a line to standard output that {why}: {excerpt}")]
    Malformed { why: String, excerpt: String },
    /// It wrote a line that is too long.
    #[error("it wrote a line of more than {} MiB to standard output", LONGEST_LINE >> 20)]
    TooLong,
    /// It answered a request, or reported its progress, that is not open.
    #[error("it answered a request of id {id}, {}", which_is(*.open))]
    Unasked {
        /// The id in the answer.
        id: u64,
        /// The id of the open request.
        open: Option<u64>,
    },
}

fn how(status: Option<Status>) -> String {
    match status.map(Status::code) {
        None => String::new(),
        Some(signal) if signal < 0 => format!(", by signal {}", -signal),
        Some(code) => format!(", with exit status {code}"),
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; the end of its standard error:\n{stderr}") }
}

fn which_is(id: Option<u64>) -> String {
    id.map_or_else(|| "but none is open".to_owned(), |id| format!("but that of id {id} is open"))
}

pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) params: &'a Json,
    /// How long the answer may take.
    pub(super) limit: Duration,
    /// Asks for an early end when cancelled.
    pub(super) cancellation: &'a CancellationToken,
}

pub(super) struct Session {
    /// The name in the log.
    name: String,
    process: Process,
    last_id: u64,
    stderr: Tail,
    /// What must not be repeated.
    secrets: BTreeSet<String>,
}

impl Session {
    /// Starts an executable, whose standard error is logged under this name.
    ///
    /// # Errors
    /// [`Fault::Start`].
    pub(super) fn start(program: &Path, name: &str, secrets: BTreeSet<String>) -> Result<Self, Fault> {
        let process = Process::start(&Command::new(program).conversing().into())
            .map_err(|error| Fault::Start(program.to_owned(), error))?;
        Ok(Self { name: name.to_owned(), process, last_id: 0, stderr: Tail::new(TAIL), secrets })
    }

    /// The end of its standard error so far.
    pub(super) fn stderr(&self) -> &str {
        self.stderr.as_str()
    }

    /// Asks and waits for the answer; `on_progress` gets percents and messages.
    ///
    /// # Errors
    /// A fault, after which the session is to be ended. The error of an answer is an answer.
    pub(super) async fn call(
        &mut self,
        request: Request<'_>,
        mut on_progress: impl FnMut(f64, &str),
    ) -> Result<Result<Json, RemoteError>, Fault> {
        self.last_id += 1;
        let (id, method) = (self.last_id, request.method);
        self.process.send(protocol::request(id, method, request.params).as_bytes());
        let mut deadline = Instant::now() + request.limit;
        let mut cancelled = false;
        loop {
            let line = tokio::select! {
                // An executable that never stops writing must not win every time.
                biased;
                () = request.cancellation.cancelled(), if !cancelled => {
                    self.process.send(protocol::cancel(id).as_bytes());
                    deadline = Instant::now() + CANCEL_LIMIT;
                    cancelled = true;
                    continue;
                }
                () = sleep_until(deadline) => return Err(self.overdue(&request, cancelled)),
                line = self.process.next_line_while_running() => line,
            };
            let Some(line) = line else { return Err(self.exited(&format!("in the middle of {method}")).await) };
            match self.read(&line)? {
                Some(Message::Answer { id: of, result }) if of == id => {
                    return Ok(result.map_err(|error| RemoteError { message: self.clean(&error.message), ..error }));
                }
                Some(Message::Progress { id: of, percent, message }) if of == id => {
                    on_progress(percent, &self.clean(&message));
                }
                Some(Message::Answer { id: of, .. } | Message::Progress { id: of, .. }) => {
                    return Err(Fault::Unasked { id: of, open: Some(id) });
                }
                None => {}
            }
        }
    }

    /// Reads what is written while nothing is asked, until the executable does something wrong.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call loses nothing.
    pub(super) async fn idle(&mut self) -> Fault {
        loop {
            let Some(line) = self.process.next_line_while_running().await else {
                return Fault::Exited {
                    during: "while nothing was asked".to_owned(),
                    status: None,
                    stderr: self.stderr().to_owned(),
                };
            };
            match self.read(&line) {
                Ok(Some(Message::Answer { id, .. } | Message::Progress { id, .. })) => {
                    return Fault::Unasked { id, open: None };
                }
                Ok(None) => {}
                Err(fault) => return fault,
            }
        }
    }

    /// The fault with what is known of it only when there is time to wait: how the executable exited.
    pub(super) async fn explained(&mut self, fault: Fault) -> Fault {
        match fault {
            Fault::Exited { during, .. } => self.exited(&during).await,
            other => other,
        }
    }

    /// Closes the input without a word, as the end of this process would. Returns whether the executable exits.
    pub(super) async fn hang_up(&mut self) -> bool {
        self.process.close_input();
        self.exit_within(SHUTDOWN_LIMIT).await.is_some()
    }

    /// Asks it to end, and returns how it exited if it does so in time.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(super) async fn shut_down(&mut self) -> Result<Option<Status>, Fault> {
        let request = Request {
            method: "shutdown",
            params: &json!({}),
            limit: SHUTDOWN_LIMIT,
            cancellation: &CancellationToken::new(),
        };
        // One that ends without an answer has done what it should.
        match self.call(request, |_, _| {}).await {
            Ok(_) => {}
            Err(Fault::Exited { status, .. }) => return Ok(status),
            Err(fault) => return Err(fault),
        }
        self.process.close_input();
        Ok(self.exit_within(SHUTDOWN_LIMIT).await)
    }

    /// Ends what is left of its process group, by SIGTERM, then SIGKILL, and reaps it.
    pub(super) async fn end(mut self) {
        self.process.close_input();
        let Self { process, name, secrets, .. } = self;
        process.terminate_within(GRACE, |line| log_error_line(&name, &secrets, &line)).await;
    }

    /// The message that a line is; `None` for what is none and need not be.
    fn read(&mut self, line: &Line) -> Result<Option<Message>, Fault> {
        if line.source == Source::Stderr {
            log_error_line(&self.name, &self.secrets, line);
            self.stderr.push(&self.clean(&line.text));
            return Ok(None);
        }
        if line.text.len() >= LONGEST_LINE {
            return Err(Fault::TooLong);
        }
        if line.text.is_empty() {
            return Ok(None);
        }
        let parsed = protocol::parse(&line.text);
        parsed.map(Some).map_err(|why| Fault::Malformed { why, excerpt: self.excerpt(&line.text) })
    }

    fn excerpt(&self, text: &str) -> String {
        let clean = self.clean(text);
        let mut excerpt: String = clean.chars().take(EXCERPT).collect();
        if excerpt.len() < clean.len() {
            excerpt.push('…');
        }
        excerpt
    }

    fn clean(&self, text: &str) -> String {
        without(text, &self.secrets)
    }

    fn overdue(&self, request: &Request<'_>, cancelled: bool) -> Fault {
        let method = request.method.to_owned();
        if cancelled {
            return Fault::NotCancelled { method };
        }
        Fault::TimedOut { method, limit: request.limit, stderr: self.stderr().to_owned() }
    }

    async fn exit_within(&mut self, limit: Duration) -> Option<Status> {
        let Self { process, name, secrets, stderr, .. } = self;
        let on_line = |line: Line| {
            log_error_line(name, secrets, &line);
            if line.source == Source::Stderr {
                stderr.push(&without(&line.text, secrets));
            }
        };
        process.exit_within(limit, on_line).await
    }

    async fn exited(&mut self, during: &str) -> Fault {
        let status = self.exit_within(EXIT).await;
        Fault::Exited { during: during.to_owned(), status, stderr: self.stderr().to_owned() }
    }
}

fn log_error_line(name: &str, secrets: &BTreeSet<String>, line: &Line) {
    if line.source == Source::Stderr && !line.text.is_empty() {
        tracing::info!(connector = name, "{}", without(&line.text, secrets));
    }
}

pub(super) fn without(text: &str, secrets: &BTreeSet<String>) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "REDACTED"))
}
