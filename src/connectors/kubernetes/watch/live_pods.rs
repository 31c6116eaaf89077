//! The pods that a workload runs of its present template.

use super::newest_pods::{NewestError, pod_selector};
use crate::connector::EventError;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::{RunningPod, Workload, WorkloadKind, selector_text};

/// The selector of the pods that a workload has of its present template; `None` when it has no replica set yet, or
/// selects nothing.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(crate) async fn selector(
    workload_ref: &WorkloadRef<'_>,
    workload: &Workload,
    cancel_policy: CancelPolicy<'_>,
) -> Result<Option<String>, EventError> {
    let sets = match (workload_ref.kind, selector_text(&workload.selector)) {
        (WorkloadKind::Deployment, Some(all)) => {
            workload_ref
                .persist(cancel_policy, || workload_ref.cluster.replica_sets(workload_ref.namespace(), &all))
                .await?
        }
        _ => Vec::new(),
    };
    match pod_selector(workload, &sets) {
        Ok(selector) => Ok(Some(selector)),
        Err(NewestError::NoReplicaSet(_) | NewestError::NoSelector { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The pods of the present template that neither end nor have ended. None are known while a stateful set names no
/// revision, or still names `stale`, the revision from before its template was changed.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(crate) async fn live_pods(
    workload_ref: &WorkloadRef<'_>,
    workload: &Workload,
    stale: Option<&str>,
    cancel_policy: CancelPolicy<'_>,
) -> Result<Vec<RunningPod>, EventError> {
    let revision = workload.status.update_revision.as_deref();
    if workload.kind == WorkloadKind::StatefulSet && (revision.is_none() || revision == stale) {
        return Ok(Vec::new());
    }
    let Some(selector) = selector(workload_ref, workload, cancel_policy).await? else { return Ok(Vec::new()) };
    let mut pods = workload_ref
        .persist(cancel_policy, || workload_ref.cluster.running_pods(workload_ref.namespace(), &selector))
        .await?;
    pods.retain(|pod| !pod.is_over());
    Ok(pods)
}
