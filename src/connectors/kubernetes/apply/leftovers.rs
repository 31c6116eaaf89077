//! The beginning and the end of `servo run`: what an earlier run left is put right, and nothing is left behind.
//!
//! The tuning pod belongs to the run: one of an earlier run, with whatever settings it ended, goes at the start, and
//! that of this run at the stop. An adjustment that was cut off before it could be rolled back has left its record; what
//! it wrote is undone, and the record goes.

use super::undo_record::FoundRecord;
use super::workload_state::read_tuning_pod;
use super::{tuning_pod, workload};
use crate::connector::{EventContext, EventError};
use crate::connectors::kubernetes::Strategy;
use crate::connectors::kubernetes::watch::rollout::{self, Expected};
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::WorkloadKind;

/// Puts right what an earlier run left of one workload.
///
/// # Errors
/// The API refuses, or the event is cancelled.
pub(crate) async fn recover(cx: &EventContext, workload_ref: &WorkloadRef<'_>) -> Result<(), EventError> {
    match workload_ref.config.strategy.strategy() {
        Strategy::Default => undo(cx, workload_ref).await,
        Strategy::Canary { .. } => {
            let Some(pod) = read_tuning_pod(workload_ref, CancelPolicy::Event(cx)).await? else { return Ok(()) };
            tracing::info!(workload = %workload_ref, pod = workload_ref.tuning_pod(), "deleting the tuning pod of an earlier run");
            tuning_pod::delete(workload_ref, &pod, CancelPolicy::Event(cx)).await
        }
    }
}

/// Undoes what an adjustment wrote to a workload that was cut off: of this process, of one that is gone, or of one
/// elsewhere that does not renew its record any more. An adjustment that is under way is left alone.
///
/// # Errors
/// The API refuses, or the event is cancelled.
pub(crate) async fn undo(cx: &EventContext, workload_ref: &WorkloadRef<'_>) -> Result<(), EventError> {
    let policy = CancelPolicy::Event(cx);
    let Some(record) = FoundRecord::read(workload_ref, policy).await? else { return Ok(()) };
    let holder = record.holder();
    if !record.is_abandoned(workload_ref, cx).await? {
        tracing::warn!(workload = %workload_ref, holder, "it is being adjusted by another process: left alone");
        return Ok(());
    }
    let undo = record.undo(&workload_ref.workload(policy).await?);
    let restored = workload::restore(workload_ref, &undo, policy).await?;
    tracing::warn!(workload = %workload_ref, holder, "an adjustment was cut off: {restored}");
    if workload_ref.kind == WorkloadKind::StatefulSet {
        // A pod that failed with what was written may block the pods after it.
        rollout::workload_ready(workload_ref, policy, Expected::default()).await?;
    }
    record.delete(workload_ref, policy).await
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
