//! An attack: two processes, their reports as they come, and how they end.
//!
//! Whatever happens, no process is left when it is over. An attack that fails in any way fails as a whole: what was
//! reported before is not passed off as its result.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration as Span;

use regex::Regex;

use super::command::{AttackCommand, NoDuration};
use super::config::VegetaConfig;
use super::program::{Program, REMEDY};
use super::report::{Report, ReportError};
use crate::connector::{EventContext, EventError, NOT_MEASURED};
use crate::subprocess::{Line, Process, ProgramNotFound, Source, Status, SubprocessError, Tail};
use crate::types::Duration;

/// How much longer than the attack its end may take. Vegeta waits for each answer for 30 s; the rest is for a busy
/// machine.
const OVERTIME: Span = Span::from_secs(90);
/// Vegeta has nothing to save, and every moment that it lives on it is a burden on the application.
const GRACE: Span = Span::from_millis(500);
/// What is repeated of the errors that vegeta prints.
const STDERR_TAIL: usize = 2_000;

/// User and password in an address.
static CREDENTIALS: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant, compiled by a test of this file")]
    Regex::new(r"//[^/@\s]*@").expect("a valid expression")
});

#[derive(Debug, thiserror::Error)]
pub(super) enum AttackError {
    #[error(transparent)]
    NoDuration(#[from] NoDuration),
    #[error("{0}; {REMEDY}")]
    NoProgram(ProgramNotFound),
    #[error("failed to run vegeta")]
    Process(#[from] SubprocessError),
    #[error("vegeta exited with {attack} (attack) and {report} (report){stderr}")]
    Exit { attack: Status, report: Status, stderr: String },
    #[error("vegeta printed something else than a report{stderr}")]
    Report {
        #[source]
        source: ReportError,
        stderr: String,
    },
    #[error("vegeta reported no requests{stderr}")]
    NoReport { stderr: String },
    #[error("vegeta had not ended {OVERTIME:?} after the attack")]
    Overtime,
    #[error(transparent)]
    Event(#[from] EventError),
}

impl AttackError {
    /// How vegeta exited, if it did.
    pub(super) fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Exit { attack, report, .. } => Some(if attack.is_success() { *report } else { *attack }.code()),
            _ => None,
        }
    }
}

/// Every way is a failure of the measurement, but to be called off.
impl From<AttackError> for EventError {
    fn from(error: AttackError) -> Self {
        match error {
            AttackError::Event(error) => error,
            error => {
                Self::measurement_failed("the load could not be measured").with_reason(NOT_MEASURED).with_source(error)
            }
        }
    }
}

/// An attack with what is configured, for a time.
pub(super) struct Attack<'a> {
    pub(super) config: &'a VegetaConfig,
    pub(super) duration: Duration,
    pub(super) interval: Duration,
}

impl Attack<'_> {
    /// Attacks, and hands over each report that is about any request. An error of the one who takes it ends the attack.
    pub(super) async fn run(
        &self,
        cx: &EventContext,
        on_report: impl FnMut(Report) -> Result<(), EventError> + Send,
    ) -> Result<(), AttackError> {
        let command = AttackCommand::new(self.config, self.duration, self.interval)?;
        let program = Program::find(cx).map_err(AttackError::NoProgram)?;
        let limit = self.duration.to_std().saturating_add(OVERTIME);
        run(command, program.path(), limit, cx, on_report).await
    }
}

async fn run(
    command: AttackCommand,
    program: &Path,
    limit: Span,
    cx: &EventContext,
    on_report: impl FnMut(Report) -> Result<(), EventError> + Send,
) -> Result<(), AttackError> {
    if cx.cancellation().is_cancelled() {
        return Err(cx.cancelled().await.into());
    }
    let mut process = Process::start(&command.pipeline(program))?;
    let mut output = Output { on_report, reports: 0, stderr: Tail::new(STDERR_TAIL) };
    let stopped = tokio::select! {
        // Whatever vegeta prints, a call to end wins.
        biased;
        cancelled = cx.cancelled() => cancelled.into(),
        () = tokio::time::sleep(limit) => AttackError::Overtime,
        ended = output.read(&mut process) => match ended {
            Ok(statuses) => return output.judge(&statuses),
            Err(error) => error,
        },
    };
    process.terminate_within(GRACE, |line| output.note(&line)).await;
    Err(stopped)
}

/// What an attack has printed.
struct Output<F> {
    on_report: F,
    /// How many reports there were about any request.
    reports: usize,
    stderr: Tail,
}

impl<F: FnMut(Report) -> Result<(), EventError> + Send> Output<F> {
    async fn read(&mut self, process: &mut Process) -> Result<Vec<Status>, AttackError> {
        while let Some(line) = process.next_line().await {
            self.note(&line);
            if line.source == Source::Stdout {
                let parsed = Report::parse(&line.text);
                match parsed.map_err(|source| AttackError::Report { source, stderr: self.stderr() })? {
                    // Before the first answer there is nothing to report, not even a time.
                    Some(report) if report.requests > 0 => {
                        self.reports += 1;
                        (self.on_report)(report)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(process.wait().await?)
    }

    /// Keeps and logs what is printed as an error. The help on options, which follows one that is wrong, is left out.
    fn note(&mut self, line: &Line) {
        let is_help = line.text.starts_with([' ', '\t']) || line.text.starts_with("Usage of");
        if line.source == Source::Stderr && !is_help && !line.text.is_empty() {
            let text = CREDENTIALS.replace_all(&line.text, "//REDACTED@");
            tracing::warn!(stderr = %text, "vegeta printed an error");
            self.stderr.push(&text);
        }
    }

    fn judge(self, statuses: &[Status]) -> Result<(), AttackError> {
        let stderr = self.stderr();
        match statuses {
            [attack, report] if !(attack.is_success() && report.is_success()) => {
                Err(AttackError::Exit { attack: *attack, report: *report, stderr })
            }
            _ if self.reports == 0 => Err(AttackError::NoReport { stderr }),
            _ => Ok(()),
        }
    }

    /// The errors so far, to be put behind a message.
    fn stderr(&self) -> String {
        let text = self.stderr.as_str();
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{ConnectorName, Event, EventContextText, Phase, ProgressSender};

    #[tokio::test]
    async fn an_attack_that_does_not_end_is_ended() {
        let cx = EventContext::new(
            ConnectorName::new("vegeta"),
            EventContextText(Phase::On, Event::Measure),
            std::sync::Arc::default(),
            ProgressSender::default(),
            CancellationToken::new(),
        );
        // A program that waits for ever, for both.
        let program = cx.services().programs.find("tail").expect("a program of every system");
        let forever = ["-f", "/dev/null"].map(str::to_owned).to_vec();
        let command = AttackCommand { attack: forever.clone(), input: Vec::new(), report: forever };
        let ended = run(command, &program, Span::from_millis(50), &cx, |_| Ok(())).await;
        let error = EventError::from(ended.expect_err("it never ends"));
        assert_eq!(error.chain(), "the load could not be measured: vegeta had not ended 90s after the attack");
    }
}
