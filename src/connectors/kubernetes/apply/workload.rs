//! The default strategy: the fields of a workload are changed, and its own pods are rolled out.

use std::fmt;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::undo_record::OwnRecord;
use crate::connector::EventError;
use crate::connectors::kubernetes::plan::undo::Undo;
use crate::connectors::kubernetes::watch::rollout::{self, Arrival, Expected};
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::Workload;

/// How often a workload is read again because it changed before it was written.
const TRIES: usize = 20;

/// Changes a workload by a strategic merge patch. The API may be away for a while.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(crate) async fn patch(
    workload_ref: &WorkloadRef<'_>,
    patch: &Json,
    policy: CancelPolicy<'_>,
) -> Result<Workload, EventError> {
    let WorkloadRef { cluster, kind, .. } = *workload_ref;
    let (namespace, name) = (workload_ref.namespace(), workload_ref.name());
    workload_ref.commit(policy, || cluster.patch_workload(kind, namespace, name, patch)).await
}

/// Scales a workload to nothing, and does not wait for its pods to end.
///
/// # Errors
/// The API refuses.
pub(crate) async fn scale_to_zero(workload_ref: &WorkloadRef<'_>) -> Result<(), EventError> {
    patch(workload_ref, &json!({ "spec": { "replicas": 0 } }), CancelPolicy::UntilDone).await.map(drop)
}

/// What was restored of a workload.
pub(crate) struct Restored {
    /// Whether anything had to be written.
    is_written: bool,
    /// The fields that others have changed since, which were left as they are.
    left: Vec<String>,
}

/// `rolled back to the values it had before the adjustment`.
impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_written, self.left.is_empty()) {
            (true, _) => "rolled back to the values it had before the adjustment",
            (false, true) => "nothing of it was changed",
            (false, false) => "nothing was rolled back",
        })?;
        if self.left.is_empty() {
            return Ok(());
        }
        write!(f, "; left as others have set it since: {}", self.left.join(", "))
    }
}

/// Restores the fields of a workload that still have what an adjustment wrote. Between reading and writing nobody else
/// changes them.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(crate) async fn restore(
    workload_ref: &WorkloadRef<'_>,
    undo: &Undo,
    policy: CancelPolicy<'_>,
) -> Result<Restored, EventError> {
    let WorkloadRef { cluster, kind, .. } = *workload_ref;
    let (namespace, name) = (workload_ref.namespace(), workload_ref.name());
    for _ in 0..TRIES {
        let workload = workload_ref.workload(policy).await?;
        let left = undo.changed_by_others(&workload).iter().map(ToString::to_string).collect();
        let Some(mut restoring) = undo.patch(&workload) else { return Ok(Restored { is_written: false, left }) };
        restoring["metadata"] = json!({ "resourceVersion": workload.resource_version });
        let request = || async {
            match cluster.patch_workload(kind, namespace, name, &restoring).await {
                Err(error) if error.is_conflict() => Ok(false),
                answer => answer.map(|_| true),
            }
        };
        if workload_ref.commit(policy, request).await? {
            return Ok(Restored { is_written: true, left });
        }
    }
    Err(EventError::adjustment_failed(format!(
        "{workload_ref} changes faster than it can be restored: is another program at work on it?"
    )))
}

/// Restores a workload, as [`restore`], waits until it is ready with what it has then, and deletes the record.
///
/// # Errors
/// What stands in the way. The record is still there if nothing was restored.
pub(crate) async fn roll_back(workload_ref: &WorkloadRef<'_>, record: &OwnRecord) -> Result<Restored, EventError> {
    let restored = restore(workload_ref, record.undo(), CancelPolicy::UntilDone).await?;
    let outcome = if restored.is_written { ready_again(workload_ref).await } else { Ok(()) };
    record.delete(workload_ref, CancelPolicy::UntilDone).await?;
    outcome.map(|()| restored)
}

async fn ready_again(workload_ref: &WorkloadRef<'_>) -> Result<(), EventError> {
    let begin = Instant::now();
    if workload_ref.workload(CancelPolicy::UntilDone).await?.paused {
        return Err(EventError::adjustment_failed(format!(
            "{workload_ref} has its old values again, but it is paused, so that its pods are not replaced: resume it \
             with kubectl -n {} rollout resume deployment {}",
            workload_ref.namespace(),
            workload_ref.name()
        )));
    }
    match rollout::workload_ready(workload_ref, CancelPolicy::UntilDone, Expected::default()).await? {
        Arrival::Ready => Ok(()),
        Arrival::TimedOut => Err(EventError::adjustment_failed(format!(
            "{workload_ref} has its old values again, and was not ready with them after {} s",
            begin.elapsed().as_secs()
        ))),
    }
}
