//! The default strategy: the fields of a workload are changed, and its own pods are rolled out.

use serde_json::{Value as Json, json};

use crate::connector::EventError;
use crate::connectors::kubernetes::plan::undo::{ROLLBACK_ANNOTATION, Undo};
use crate::connectors::kubernetes::watch::rollout::{self, Arrival};
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::Workload;

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

/// Restores old values to a workload as it is now, and waits until it is well with them. Says whether there was anything
/// to restore.
///
/// # Errors
/// What stands in the way.
pub(crate) async fn roll_back(workload_ref: &WorkloadRef<'_>, undo: &Undo) -> Result<bool, EventError> {
    let workload = workload_ref.workload(CancelPolicy::UntilDone).await?;
    let restoring = undo.patch(&workload);
    if restoring.get("spec").is_none() && !workload.annotations.contains_key(ROLLBACK_ANNOTATION) {
        // The change was refused before it was one.
        return Ok(false);
    }
    patch(workload_ref, &restoring, CancelPolicy::UntilDone).await?;
    match rollout::workload_ready(workload_ref, CancelPolicy::UntilDone).await? {
        Arrival::Ready => Ok(true),
        Arrival::TimedOut => Err(EventError::adjustment_failed(format!(
            "{workload_ref} has its old values again, and was not ready with them after {}",
            workload_ref.config.shared.timeout
        ))),
    }
}
