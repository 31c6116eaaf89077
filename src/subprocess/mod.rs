//! Child processes: one command, or several joined by pipes, in a process group of their own.
//!
//! [`run`] is enough for most: it hands over every line of output, ends the command on cancellation or timeout, and
//! returns how it exited. [`Process`] is for those that have more to do between two lines.
//!
//! A command is over when its processes have exited and nobody holds their outputs open any more. One that is ended
//! early takes its whole group along: SIGTERM, a time of grace, SIGKILL; also when the future is dropped, then
//! without grace. What a command leaves running in the background when it exits by itself, outputs redirected, is
//! left alone.
//!
//! Nothing here interprets output, and nothing but [`Command::shell`] uses a shell.

mod command;
mod lines;
mod process;
mod search_path;

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use command::{Command, Pipeline};
pub(crate) use lines::{LONGEST_LINE, Line, Source, Tail};
pub(crate) use process::{Process, Status};
pub(crate) use search_path::ProgramNotFound;
pub use search_path::SearchPath;

/// Why a command has no exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubprocessError {
    /// A program could not be started.
    #[error("failed to start program {program:?}")]
    Start {
        /// The program as it was named.
        program: String,
        /// The reason of the operating system.
        #[source]
        source: io::Error,
    },
    /// The operating system did not tell how a process exited.
    #[error("failed to wait for a process")]
    Wait(#[source] io::Error),
    /// The command took too long and was ended.
    #[error("command was ended after its timeout of {0:?}")]
    TimedOut(Duration),
    /// The command was cancelled and has ended, or never began.
    #[error("command was cancelled")]
    Cancelled,
}

/// When a command is ended early.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// The longest time that it may take; `None` is for ever.
    pub timeout: Option<Duration>,
    pub cancellation: &'a CancellationToken,
}

/// A command that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// How its processes exited, in the order of the pipeline.
    pub statuses: Vec<Status>,
    pub duration: Duration,
}

impl Finished {
    /// The first status that is not a success; a success when there is none.
    pub(crate) fn status(&self) -> Status {
        self.statuses.iter().copied().find(|status| !status.is_success()).unwrap_or_default()
    }
}

/// Runs a command to its end and hands over its output, line by line. While `on_line` works, nothing is read.
///
/// # Errors
/// A program that cannot be started, the timeout, or cancellation; the process group is gone by then.
pub(crate) async fn run(
    pipeline: impl Into<Pipeline>,
    limits: Limits<'_>,
    mut on_line: impl FnMut(Line),
) -> Result<Finished, SubprocessError> {
    if limits.cancellation.is_cancelled() {
        return Err(SubprocessError::Cancelled);
    }
    let started_at = Instant::now();
    let mut process = Process::start(&pipeline.into())?;
    let end = async {
        while let Some(line) = process.next_line().await {
            on_line(line);
        }
        process.wait().await
    };
    let stopped = tokio::select! {
        // A command that never stops writing must not win every time.
        biased;
        () = limits.cancellation.cancelled() => SubprocessError::Cancelled,
        error = timed_out(limits.timeout) => error,
        statuses = end => {
            return statuses.map(|statuses| Finished { statuses, duration: started_at.elapsed() });
        }
    };
    process.terminate(on_line).await;
    Err(stopped)
}

async fn timed_out(timeout: Option<Duration>) -> SubprocessError {
    match timeout {
        Some(timeout) => {
            tokio::time::sleep(timeout).await;
            SubprocessError::TimedOut(timeout)
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script and returns its status with its sorted lines, those of the standard error marked.
    async fn run_script(script: &str) -> (i32, Vec<String>) {
        let mut lines = Vec::new();
        let cancellation = CancellationToken::new();
        let limits = Limits { timeout: Some(Duration::from_secs(10)), cancellation: &cancellation };
        let finished = run(Command::shell(script), limits, |line| {
            lines.push(match line.source {
                Source::Stdout => line.text,
                Source::Stderr => format!("! {}", line.text),
            });
        })
        .await
        .expect("the script ends in time");
        lines.sort();
        (finished.status().code(), lines)
    }

    async fn check(script: &str, code: i32, lines: &[&str]) {
        assert_eq!(run_script(script).await, (code, lines.iter().map(|line| (*line).to_owned()).collect()), "{script}");
    }

    #[tokio::test]
    async fn the_status_is_the_exit_code_or_minus_the_signal() {
        check("exit 0", 0, &[]).await;
        check("exit 7", 7, &[]).await;
        check("kill -9 $$", -9, &[]).await;
        let (code, _) = run_script("no-such-program-anywhere").await;
        assert_eq!(code, 127);
    }

    #[tokio::test]
    async fn both_outputs_are_handed_over_as_lines() {
        check("echo out; echo err >&2; printf last", 0, &["! err", "last", "out"]).await;
        check("printf 'a\\377b \\n'", 0, &["a\u{fffd}b"]).await;
        check("first=1\nsecond=$((first + 1))\necho $second", 0, &["2"]).await;
    }

    #[tokio::test]
    async fn a_command_is_over_when_its_outputs_are_closed() {
        check("(sleep 0.2; echo late) & echo early", 0, &["early", "late"]).await;
    }

    #[tokio::test]
    async fn a_command_that_closes_its_outputs_is_waited_for() {
        check("exec >/dev/null 2>&1; sleep 0.2; exit 5", 5, &[]).await;
    }

    #[tokio::test]
    async fn a_missing_program_is_an_error() {
        let cancellation = CancellationToken::new();
        let limits = Limits { timeout: None, cancellation: &cancellation };
        let error = run(Command::new("/no/such/program"), limits, |_| {}).await.expect_err("no such program");
        assert_eq!(error.to_string(), "failed to start program \"/no/such/program\"");
    }

    #[tokio::test]
    async fn the_timeout_ends_the_command() {
        let cancellation = CancellationToken::new();
        for milliseconds in [0, 100] {
            let timeout = Duration::from_millis(milliseconds);
            let limits = Limits { timeout: Some(timeout), cancellation: &cancellation };
            let error = run(Command::shell("yes & sleep 1000"), limits, |_| {}).await.expect_err("a timeout");
            assert!(matches!(error, SubprocessError::TimedOut(after) if after == timeout), "{error}");
        }
    }

    #[tokio::test]
    async fn cancellation_ends_the_command() {
        let cancellation = CancellationToken::new();
        let limits = Limits { timeout: None, cancellation: &cancellation };
        let result = run(Command::shell("yes & sleep 1000"), limits, |_| cancellation.cancel()).await;
        assert!(matches!(result, Err(SubprocessError::Cancelled)), "{result:?}");
    }

    #[tokio::test]
    async fn a_cancelled_command_does_not_begin() {
        let directory = tempfile::tempdir().expect("a directory");
        let cancellation = CancellationToken::new();
        cancellation.cancel();
        let limits = Limits { timeout: None, cancellation: &cancellation };
        let file = directory.path().join("file");
        let result = run(Command::new("touch").arguments([&file]), limits, |_| {}).await;
        assert!(matches!(result, Err(SubprocessError::Cancelled)), "{result:?}");
        assert!(!file.exists());
    }
}
