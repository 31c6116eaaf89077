//! The beginning and the end of `servo run`: what an earlier run left is put right, and nothing is left behind.
//!
//! The tuning pod belongs to the run: one of an earlier run, with whatever settings it ended, goes at the start, and
//! that of this run at the stop. A workload whose adjustment was cut off before it could be rolled back carries its
//! old values in an annotation; they are restored, and the annotation goes.

use super::workload_state::read_tuning_pod;
use super::{tuning_pod, workload};
use crate::connector::{EventContext, EventError};
use crate::connectors::kubernetes::Strategy;
use crate::connectors::kubernetes::plan::undo::Undo;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};

/// Puts right what an earlier run left of one workload.
///
/// # Errors
/// The API refuses, or the event is cancelled.
pub(crate) async fn recover(cx: &EventContext, workload_ref: &WorkloadRef<'_>) -> Result<(), EventError> {
    match workload_ref.config.strategy.strategy() {
        Strategy::Default => {
            let workload = workload_ref.workload(CancelPolicy::Event(cx)).await?;
            let left = Undo::left_on(&workload).map_err(|error| EventError::failed(error.to_string()))?;
            let Some(undo) = left else { return Ok(()) };
            tracing::warn!(workload = %workload_ref, "restoring the values from before an adjustment that was cut off");
            workload::patch(workload_ref, &undo.patch(&workload), CancelPolicy::Event(cx)).await.map(drop)
        }
        Strategy::Canary { .. } => {
            let Some(pod) = read_tuning_pod(workload_ref, CancelPolicy::Event(cx)).await? else { return Ok(()) };
            tracing::info!(workload = %workload_ref, pod = workload_ref.tuning_pod(), "deleting the tuning pod of an earlier run");
            tuning_pod::delete(workload_ref, &pod, CancelPolicy::Event(cx)).await
        }
    }
}

/// Deletes the tuning pod of one workload, and does not wait until it has ended.
///
/// # Errors
/// The API refuses.
pub(crate) async fn withdraw(workload_ref: &WorkloadRef<'_>) -> Result<(), EventError> {
    if matches!(workload_ref.config.strategy.strategy(), Strategy::Default) {
        return Ok(());
    }
    let Some(pod) = read_tuning_pod(workload_ref, CancelPolicy::UntilDone).await? else { return Ok(()) };
    tracing::info!(workload = %workload_ref, pod = workload_ref.tuning_pod(), "deleting the tuning pod");
    tuning_pod::begin_deletion(workload_ref, &pod, CancelPolicy::UntilDone).await
}
