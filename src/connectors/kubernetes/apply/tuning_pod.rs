//! The canary strategy: a tuning pod beside the workload is created, replaced and deleted. There is never more than
//! one, and a pod of somebody else is never touched.

use serde_json::Value as Json;

use super::workload_state::read_tuning_pod;
use crate::connector::EventError;
use crate::connectors::kubernetes::watch::rollout::{self, Arrival};
use crate::connectors::kubernetes::workload_ref::{Patience, Site};
use crate::k8s::ApiError;

/// How often a pod that somebody else created at the same moment is looked at again.
const TRIES: usize = 3;

/// Replaces the tuning pod by this one, and does not wait until it is ready.
///
/// # Errors
/// The API refuses, the old one does not end in time, or the wait is called off.
pub(crate) async fn replace(site: &Site<'_>, next: &Json, patience: Patience<'_>) -> Result<(), EventError> {
    for _ in 0..TRIES {
        if let Some(pod) = read_tuning_pod(site, patience).await? {
            delete(site, &pod, patience).await?;
        }
        let created = site.commit(patience, || create(site, next)).await?;
        if created == Created::Yes {
            return Ok(());
        }
    }
    Err(EventError::adjustment_failed(format!(
        "the tuning pod of {site} appears by itself again and again: is another agent at work on it?"
    )))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Created {
    Yes,
    ThereIsOne,
}

async fn create(site: &Site<'_>, pod: &Json) -> Result<Created, ApiError> {
    match site.cluster.create_pod(site.namespace(), pod).await {
        Ok(()) => Ok(Created::Yes),
        Err(error) if error.is_taken_name() => Ok(Created::ThereIsOne),
        Err(error) => Err(error),
    }
}

/// Deletes this tuning pod and waits until it has ended.
///
/// # Errors
/// The API refuses, it does not end in time, or the wait is called off.
pub(crate) async fn delete(site: &Site<'_>, pod: &Json, patience: Patience<'_>) -> Result<(), EventError> {
    begin_deletion(site, pod, patience).await?;
    rollout::pod_gone(site, pod["metadata"]["uid"].as_str(), patience).await
}

/// Has this tuning pod deleted, which takes its grace period, and does not wait for that.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(crate) async fn begin_deletion(site: &Site<'_>, pod: &Json, patience: Patience<'_>) -> Result<(), EventError> {
    let name = site.tuning_pod();
    let uid = pod["metadata"]["uid"].as_str();
    let request = async || match site.cluster.delete_pod(site.namespace(), &name, uid).await {
        // Another one has taken its place, so that this one has ended.
        Err(error) if error.is_conflict() => Ok(false),
        answer => answer,
    };
    site.commit(patience, request).await.map(drop)
}

/// Makes sure that a pod of these settings takes the place of whatever there is, and that it becomes ready.
///
/// # Errors
/// What stands in the way.
pub(crate) async fn restore(site: &Site<'_>, pod: &Json) -> Result<(), EventError> {
    replace(site, pod, Patience::UntilDone).await?;
    match rollout::pod_ready(site, Patience::UntilDone).await? {
        Arrival::Ready => Ok(()),
        Arrival::Missed => Err(EventError::adjustment_failed(format!(
            "the pod \"{}\" of {site} was made anew, and was not ready after {}",
            site.tuning_pod(),
            site.config.shared.timeout
        ))),
    }
}
