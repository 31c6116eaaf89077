//! What becomes of workloads when an adjustment fails, as each one's `on_failure` says.

use futures_util::future::join_all;

use super::attempt::{Attempt, Written};
use super::workload_state::Adjustable;
use super::{tuning_pod, workload};
use crate::connector::{ErrorKind, EventError};
use crate::connectors::kubernetes::{FailureMode, Strategy};

/// Deals with what became of all workloads in one step. A failure where failures are ignored is logged. Any other one
/// fails the adjustment, and each workload is treated as its own `on_failure` says: one that failed, and, since a
/// rollback is of the whole adjustment, each one that was changed and is to be rolled back.
///
/// # Errors
/// The failure of the first workload in the order of the configuration, with what was done about it.
pub(crate) async fn conclude(attempts: &[Attempt<'_>], results: Vec<Result<(), EventError>>) -> Result<(), EventError> {
    let failures: Vec<Option<EventError>> = attempts.iter().zip(results).map(|(attempt, result)| {
        let error = result.err()?;
        if attempt.mode() == FailureMode::Ignore && error.kind() != ErrorKind::Cancelled {
            tracing::warn!(workload = %attempt.workload_ref(), error = error.chain(), "ignored the failure of an adjustment");
            return None;
        }
        Some(error)
    }).collect();
    if failures.iter().all(Option::is_none) {
        return Ok(());
    }
    let treated = join_all(attempts.iter().zip(failures).map(|(attempt, failure)| treat(attempt, failure))).await;
    let mut errors = treated.into_iter().flatten();
    let Some(first) = errors.next() else { return Ok(()) };
    Err(errors.fold(first, |first, other| noted(&first, &format!("also: {}", other.chain()))))
}

/// Treats one workload of an adjustment that failed; returns what is to be reported of it.
async fn treat(attempt: &Attempt<'_>, failure: Option<EventError>) -> Option<EventError> {
    let workload_ref = attempt.workload_ref();
    let rolls_back = attempt.mode() == FailureMode::Rollback && !matches!(attempt.written, Written::Nothing);
    match failure {
        Some(error) if rolls_back => {
            let note = match roll_back(attempt).await {
                Ok(done) => done,
                Err(problem) => format!("rolling back failed: {}", problem.chain()),
            };
            Some(noted(&error, &note))
        }
        None if rolls_back => match roll_back(attempt).await {
            Ok(_) => {
                tracing::info!(workload = %workload_ref, "rolled back, as the adjustment failed elsewhere");
                None
            }
            Err(problem) => {
                Some(EventError::adjustment_failed(format!("rolling back {workload_ref} failed: {}", problem.chain())))
            }
        },
        Some(error) if attempt.mode() == FailureMode::Shutdown && error.kind() != ErrorKind::Cancelled => {
            match shut_down(attempt).await {
                Ok(()) => Some(error),
                Err(problem) => Some(noted(&problem, &format!("before that: {}", error.chain()))),
            }
        }
        failure => failure,
    }
}

/// Says what was done.
async fn roll_back(attempt: &Attempt<'_>) -> Result<String, EventError> {
    let workload_ref = attempt.workload_ref();
    match (&attempt.written, &attempt.state.adjustable) {
        (Written::Fields(Some(record)), _) => {
            workload::roll_back(workload_ref, record).await.map(|restored| restored.to_string())
        }
        (Written::Pod, Adjustable::TuningPod { pod, .. }) => {
            let pod = attempt.state.tuning_pod(pod.as_ref())?;
            tuning_pod::restore(workload_ref, pod.body()).await?;
            Ok("rolled back to the settings it had before".to_owned())
        }
        _ => Ok("nothing of it was changed".to_owned()),
    }
}

/// Takes a failed workload out of service: it is scaled to nothing, a tuning pod is made anew from the template.
async fn shut_down(attempt: &Attempt<'_>) -> Result<(), EventError> {
    let workload_ref = attempt.workload_ref();
    match workload_ref.config.strategy.strategy() {
        Strategy::Default => workload::scale_to_zero(workload_ref).await,
        Strategy::Canary { .. } => {
            let pod = attempt.state.tuning_pod(None)?;
            tuning_pod::restore(workload_ref, pod.body()).await
        }
    }
}

/// The same failure with more to say about it.
fn noted(error: &EventError, note: &str) -> EventError {
    let noted = EventError::new(error.kind(), format!("{}; {note}", error.chain()));
    match error.reason() {
        Some(reason) => noted.with_reason(reason),
        None => noted,
    }
}
