//! One command: dispatched, watched over, and answered.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::observer::{Ending, ObservedOptimizer, RunEvent};
use super::progress::{LostSync, post_reports};
use super::status;
use crate::connector::{AdjustRequest, ConnectorName, DescribeRequest, EventError, MeasureRequest, ProgressSender};
use crate::optimizer::OptimizerError;
use crate::servo::{Dispatch, Servo};
use crate::types::{
    Answer, Command, CommandResult, Completion, Description, Instruction, Measurement, Operation, Status, StatusWord,
    Task,
};

/// Reports that may wait while one is being posted. Handlers report every few seconds at most, so this is minutes of
/// an optimizer that does not answer.
const WAITING_REPORTS: usize = 256;

/// How long a report in flight may delay the completion of a command that has ended.
const REPORT_IN_FLIGHT: Duration = Duration::from_secs(5);

/// Executes a command. `None` when nothing is to be posted for it: it was a SLEEP, it was dropped, or `stop` ended it.
pub(super) async fn execute(
    servo: &Servo,
    optimizer: ObservedOptimizer<'_>,
    command: Command,
    stop: &CancellationToken,
) -> Option<Completion> {
    let Command { uid, instruction } = command;
    let began = Instant::now();
    optimizer.notify(&RunEvent::Received(&instruction));
    let result = match instruction {
        Instruction::Sleep { duration, reason } => {
            sleep(duration.to_std(), &reason, stop).await;
            return None;
        }
        Instruction::Malformed { operation, problems } => {
            tracing::warn!(%problems, operation = operation.as_str(), "the optimizer sent a malformed command");
            let status = Status { word: StatusWord::Failed, message: problems.to_string(), reason: None };
            CommandResult::Failed { operation, status }
        }
        Instruction::Perform(task) => {
            tracing::info!(operation = task.operation().as_str(), "the optimizer sent a command");
            let Some(result) = supervise(servo, optimizer, uid.as_ref(), &task, stop).await else {
                let ending = if stop.is_cancelled() { Ending::Stopped } else { Ending::Dropped };
                let (operation, took) = (task.operation(), began.elapsed());
                optimizer.notify(&RunEvent::Finished { operation, ending, reason: None, took });
                return None;
            };
            result
        }
    };
    notify_result(optimizer, &result, began.elapsed());
    log_result(&result);
    Some(Completion { uid, result })
}

/// Puts the settings of before back, after the stop of the run.
pub(super) async fn restore_baseline(servo: &Servo, task: &Task) {
    tracing::info!("putting the settings of before back, as the run stops in the middle of an optimization");
    // The stop does not stop this.
    if let CommandResult::Failed { status, .. } = perform(servo, task, &Dispatch::default()).await {
        tracing::error!(
            critical = true,
            cause = status.message,
            "the settings of before could NOT be put back: the application has those of the last trial"
        );
    } else {
        tracing::info!(success = true, "the settings of before are back");
    }
}

/// Hands a completion over.
///
/// # Errors
/// When it cannot be delivered.
pub(super) async fn complete(optimizer: ObservedOptimizer<'_>, completion: &Completion) -> Result<(), OptimizerError> {
    match optimizer.complete(completion).await? {
        Answer::UnexpectedEvent { reason } => {
            tracing::warn!(reason, "the optimizer did not expect this completion");
        }
        Answer::Invalid { text } => tracing::warn!(answer = text, "the optimizer did not accept the completion"),
        Answer::Ok | Answer::Cancel { .. } | Answer::StaleCommand => {}
    }
    Ok(())
}

async fn sleep(duration: Duration, reason: &str, stop: &CancellationToken) {
    tracing::info!(?duration, reason, "sleeping, as the optimizer asks");
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(duration) => {}
    }
}

/// Runs the task beside the reports of its progress. `None` when nothing is to be posted.
async fn supervise(
    servo: &Servo,
    optimizer: ObservedOptimizer<'_>,
    uid: Option<&serde_json::Value>,
    task: &Task,
    stop: &CancellationToken,
) -> Option<CommandResult> {
    let (sender, receiver) = mpsc::channel(WAITING_REPORTS);
    let cancellation = stop.child_token();
    let done = CancellationToken::new();
    let dispatch = Dispatch::new(ProgressSender::new(sender), cancellation.clone());

    let work = async {
        let result = perform(servo, task, &dispatch).await;
        done.cancel();
        result
    };
    let reports = async {
        let lost = tokio::select! {
            // The stop first: no report may begin once the goodbye is on its way.
            biased;
            () = stop.cancelled() => None,
            lost = post_reports(optimizer, uid, receiver, &done) => lost,
            // The answer to a report in flight may cancel, so it is waited for, but not for long.
            () = async { done.cancelled().await; tokio::time::sleep(REPORT_IN_FLIGHT).await } => None,
        };
        if lost.is_some() {
            cancellation.cancel();
        }
        lost
    };
    let (result, lost) = tokio::join!(work, reports);

    if stop.is_cancelled() {
        tracing::info!(operation = task.operation().as_str(), "stopped in the middle of a command");
        return None;
    }
    match lost {
        None => Some(result),
        Some(LostSync::Dropped) => None,
        Some(LostSync::Cancelled { reason }) => {
            let message = reason.unwrap_or_else(|| "Command cancelled".to_owned());
            let status = Status { word: StatusWord::Cancelled, message, reason: None };
            Some(CommandResult::Failed { operation: task.operation(), status })
        }
    }
}

async fn perform(servo: &Servo, task: &Task, dispatch: &Dispatch) -> CommandResult {
    let result = match task {
        Task::Describe { control } => {
            let request = DescribeRequest { control: control.clone() };
            let parts = servo.describe(&request, dispatch).await;
            parts.map(|parts| CommandResult::Described(Description::merged(values(parts))))
        }
        Task::Measure { metrics, control } => {
            let request = MeasureRequest { metrics: metrics.clone(), control: control.clone() };
            let parts = servo.measure(&request, dispatch).await;
            parts.map(|parts| CommandResult::Measured(Measurement::merged(values(parts))))
        }
        Task::Adjust { adjustments, control } => {
            let request = AdjustRequest { adjustments: adjustments.clone(), control: control.clone() };
            let parts = servo.adjust(&request, dispatch).await;
            parts.map(|parts| CommandResult::Adjusted(Description::merged(values(parts))))
        }
    };
    result.unwrap_or_else(|error: EventError| CommandResult::Failed {
        operation: task.operation(),
        status: status::of(&error),
    })
}

fn values<T>(parts: Vec<(ConnectorName, T)>) -> impl Iterator<Item = T> {
    parts.into_iter().map(|(_, part)| part)
}

fn notify_result(optimizer: ObservedOptimizer<'_>, result: &CommandResult, took: Duration) {
    let (operation, ending, reason) = match result {
        CommandResult::Described(_) => (Operation::Description, Ending::Ok, None),
        CommandResult::Measured(_) => (Operation::Measurement, Ending::Ok, None),
        CommandResult::Adjusted(_) => (Operation::Adjustment, Ending::Ok, None),
        CommandResult::Failed { operation, status } => {
            let ending = match status.word {
                StatusWord::Failed => Ending::Failed,
                StatusWord::Rejected => Ending::Rejected,
                StatusWord::Aborted => Ending::Aborted,
                StatusWord::Cancelled => Ending::Cancelled,
            };
            (*operation, ending, status.reason.as_deref())
        }
    };
    optimizer.notify(&RunEvent::Finished { operation, ending, reason, took });
}

fn log_result(result: &CommandResult) {
    match result {
        CommandResult::Described(_) => tracing::info!(success = true, "described the application"),
        CommandResult::Measured(measurement) => {
            tracing::info!(success = true, readings = measurement.readings.len(), "measured the application");
        }
        CommandResult::Adjusted(_) => tracing::info!(success = true, "adjusted the application"),
        CommandResult::Failed { operation, status } => {
            tracing::error!(
                operation = operation.as_str(),
                status = status.word.as_str(),
                reason = status.reason,
                cause = status.message,
                "the command failed"
            );
        }
    }
}
