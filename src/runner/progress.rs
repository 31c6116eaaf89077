//! Takes progress from the handlers to the optimizer, one report at a time, and hears from it whether the command is
//! to go on.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::observer::ObservedOptimizer;
use crate::connector::ProgressReport;
use crate::optimizer::OptimizerError;
use crate::types::{Answer, Progress};

/// Why a running command is to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LostSync {
    /// The optimizer called it off; a completion says so.
    Cancelled { reason: Option<String> },
    /// The two sides have lost each other; nothing is posted for the command.
    Dropped,
}

/// Posts reports until the optimizer calls the command off. Without that it ends when `done` is cancelled, after the
/// report in flight, or the next one when none is; all others are lost, as they must not follow the completion.
pub(super) async fn post_reports(
    optimizer: ObservedOptimizer<'_>,
    uid: Option<&serde_json::Value>,
    mut reports: mpsc::Receiver<ProgressReport>,
    done: &CancellationToken,
) -> Option<LostSync> {
    while !done.is_cancelled() {
        // Reports first: a handler may report and end in one go, and nothing else is in flight.
        let report = tokio::select! {
            biased;
            report = reports.recv() => report?,
            () = done.cancelled() => return None,
        };
        let progress = Progress {
            operation: report.operation,
            uid: uid.cloned(),
            percent: report.progress,
            runtime: report.started_at.elapsed(),
            message: report.message,
        };
        if let Some(lost) = judge(optimizer.report(&progress).await) {
            return Some(lost);
        }
    }
    None
}

fn judge(answer: Result<Answer, OptimizerError>) -> Option<LostSync> {
    match answer {
        Ok(Answer::Ok) => None,
        Ok(Answer::Cancel { reason }) => Some(LostSync::Cancelled { reason }),
        Ok(Answer::UnexpectedEvent { reason }) => {
            tracing::error!(reason, "the optimizer did not expect this command's progress: dropping the command");
            Some(LostSync::Dropped)
        }
        Ok(Answer::StaleCommand) => {
            tracing::error!("the optimizer has moved on to another command: dropping this one");
            Some(LostSync::Dropped)
        }
        Ok(Answer::Invalid { text }) => {
            tracing::warn!(answer = text, "the optimizer did not accept a progress report");
            None
        }
        Err(OptimizerError::UnexpectedServo) => {
            tracing::error!("the optimizer no longer expects this servo: dropping the command");
            Some(LostSync::Dropped)
        }
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "failed to report progress");
            None
        }
    }
}
