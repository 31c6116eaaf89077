//! One command: dispatched, watched over, and answered.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::observer::{Ending, ObservedOptimizer, RunEvent};
use super::progress::{LostSync, post_reports};
use super::status;
use crate::connector::{
    AdjustRequest, ConnectorName, DescribeRequest, EventError, MeasureRequest, NOT_APPLIED, ProgressSender,
};
use crate::optimizer::OptimizerError;
use crate::servo::{Dispatch, Servo};
use crate::types::{
    Adjustment, Answer, Command, CommandResult, Completion, Control, Description, Instruction, Measurement, Operation,
    Status, StatusWord, Task,
};

/// Reports that may wait while one is being posted. Handlers report every few seconds at most, so this is minutes of
/// an optimizer that does not answer.
const WAITING_REPORTS: usize = 256;

/// How long a report in flight may delay the completion of a command that has ended.
const REPORT_IN_FLIGHT: Duration = Duration::from_secs(5);

/// How often the baseline settings are put back after a stop until that succeeds: Kubernetes gives a pod 30 s.
const RESTORE_TRIES: u32 = 5;

/// The pause after the first such try that fails; each one is twice as long as the one before.
const RESTORE_PAUSE: Duration = Duration::from_secs(1);

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

/// Puts the baseline settings back after the stop of the run, repeatedly if that fails. Returns whether they are live, as
/// read from the application.
pub(super) async fn restore_baseline(servo: &Servo, task: &Task) -> bool {
    tracing::info!("putting the baseline settings back, as the run stops in the middle of an optimization");
    let mut pause = RESTORE_PAUSE;
    for tries_left in (0..RESTORE_TRIES).rev() {
        let Err(cause) = restore(servo, task).await else {
            tracing::info!(success = true, "the baseline settings are back");
            return true;
        };
        if tries_left == 0 {
            let live = live(servo, task).await;
            tracing::error!(
                critical = true,
                cause,
                live,
                "the baseline settings could NOT be put back: set them with 'servo adjust {}'",
                asked(task).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            );
            break;
        }
        tracing::warn!(cause, ?pause, "the baseline settings could not be put back: trying again");
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    false
}

/// One try, whose result is compared with what was asked for.
async fn restore(servo: &Servo, task: &Task) -> Result<(), String> {
    // The stop of the run does not stop this.
    let described = match perform(servo, task, &Dispatch::default()).await {
        CommandResult::Adjusted(described) if !described.components.is_empty() => described,
        CommandResult::Failed { status, .. } => return Err(status.message),
        _ => describe(servo).await?,
    };
    let mismatches: Vec<String> = described.mismatches(asked(task)).iter().map(ToString::to_string).collect();
    if mismatches.is_empty() { Ok(()) } else { Err(mismatches.join(", ")) }
}

async fn describe(servo: &Servo) -> Result<Description, String> {
    let task = Task::Describe { control: Control::default() };
    match perform(servo, &task, &Dispatch::default()).await {
        CommandResult::Described(described) => Ok(described),
        CommandResult::Failed { status, .. } => Err(status.message),
        _ => Err("it was not described".to_owned()),
    }
}

/// The present values of the settings that a task sets, as far as they can be read.
async fn live(servo: &Servo, task: &Task) -> String {
    let described = match describe(servo).await {
        Ok(described) => described,
        Err(problem) => return format!("unknown ({problem})"),
    };
    let value = |adjustment: &Adjustment| {
        let component = described.component(&adjustment.component_name)?;
        let value = component.setting(&adjustment.setting_name)?.value()?;
        Some(format!("{}={value}", adjustment.selector()))
    };
    asked(task).iter().filter_map(value).collect::<Vec<_>>().join(" ")
}

fn asked(task: &Task) -> &[Adjustment] {
    match task {
        Task::Adjust { adjustments, .. } => adjustments,
        Task::Describe { .. } | Task::Measure { .. } => &[],
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
            let adjusted = parts.map(|parts| Description::merged(values(parts)));
            adjusted.and_then(|state| all_addressed(adjustments, state)).map(CommandResult::Adjusted)
        }
    };
    result.unwrap_or_else(|error: EventError| CommandResult::Failed {
        operation: task.operation(),
        status: status::of(&error),
    })
}

/// Refuses adjustments of components that no connector has: nobody has applied them.
fn all_addressed(adjustments: &[Adjustment], state: Description) -> Result<Description, EventError> {
    let is_unknown = |adjustment: &&Adjustment| state.component(&adjustment.component_name).is_none();
    let unknown = adjustments.iter().find(is_unknown).filter(|_| !state.components.is_empty());
    let Some(unknown) = unknown else { return Ok(state) };
    let known: Vec<&str> = state.components.iter().map(|component| component.name.as_str()).collect();
    let (unknown, known) = (&unknown.component_name, known.join(", "));
    let message = format!("unknown component '{unknown}'; known components: {known}");
    Err(EventError::adjustment_failed(message).with_reason(NOT_APPLIED))
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
