//! The canary strategy: a tuning pod beside the workload is created, replaced and deleted. There is never more than
//! one, and a pod of somebody else is never touched.

use serde_json::Value as Json;

use super::workload_state::read_tuning_pod;
use crate::connector::EventError;
use crate::connectors::kubernetes::watch::rollout::{self, Arrival};
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::ApiError;

/// How often a pod that somebody else created at the same moment is looked at again.
const TRIES: usize = 3;

/// Replaces the tuning pod by this one, and does not wait until it is ready.
///
/// # Errors
/// The API refuses, the old one does not end in time, or the wait is called off.
pub(crate) async fn replace(
    workload_ref: &WorkloadRef<'_>,
    next: &Json,
    policy: CancelPolicy<'_>,
) -> Result<(), EventError> {
    for _ in 0..TRIES {
        if let Some(pod) = read_tuning_pod(workload_ref, policy).await? {
            delete(workload_ref, &pod, policy).await?;
        }
        let created = workload_ref.commit(policy, || create(workload_ref, next)).await?;
        if created == Created::Yes {
            return Ok(());
        }
    }
    Err(EventError::adjustment_failed(format!(
        "the tuning pod of {workload_ref} appears by itself again and again: is another agent at work on it?"
    )))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Created {
    Yes,
    ThereIsOne,
}

async fn create(workload_ref: &WorkloadRef<'_>, pod: &Json) -> Result<Created, ApiError> {
    match workload_ref.cluster.create_pod(workload_ref.namespace(), pod).await {
        Ok(()) => Ok(Created::Yes),
        Err(error) if error.is_taken_name() => Ok(Created::ThereIsOne),
        Err(error) => Err(error),
    }
}

/// Deletes this tuning pod and waits until it has ended.
///
/// # Errors
/// The API refuses, it does not end in time, or the wait is called off.
pub(crate) async fn delete(
    workload_ref: &WorkloadRef<'_>,
    pod: &Json,
    policy: CancelPolicy<'_>,
) -> Result<(), EventError> {
    begin_deletion(workload_ref, pod, policy).await?;
    rollout::pod_gone(workload_ref, pod["metadata"]["uid"].as_str(), policy).await
}

/// Has this tuning pod deleted, which takes its grace period, and does not wait for that.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(crate) async fn begin_deletion(
    workload_ref: &WorkloadRef<'_>,
    pod: &Json,
    policy: CancelPolicy<'_>,
) -> Result<(), EventError> {
    let name = workload_ref.tuning_pod();
    let uid = pod["metadata"]["uid"].as_str();
    let request = async || match workload_ref.cluster.delete_pod(workload_ref.namespace(), &name, uid).await {
        // Another one has taken its place, so that this one has ended.
        Err(error) if error.is_conflict() => Ok(false),
        answer => answer,
    };
    workload_ref.commit(policy, request).await.map(drop)
}

/// Makes sure that a pod of these settings takes the place of whatever there is, and that it becomes ready.
///
/// # Errors
/// What stands in the way.
pub(crate) async fn restore(workload_ref: &WorkloadRef<'_>, pod: &Json) -> Result<(), EventError> {
    replace(workload_ref, pod, CancelPolicy::UntilDone).await?;
    match rollout::pod_ready(workload_ref, CancelPolicy::UntilDone).await? {
        Arrival::Ready => Ok(()),
        Arrival::TimedOut => Err(EventError::adjustment_failed(format!(
            "the pod \"{}\" of {workload_ref} was made anew, and was not ready after {}",
            workload_ref.tuning_pod(),
            workload_ref.config.shared.timeout
        ))),
    }
}
