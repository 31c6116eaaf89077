//! Pods that keep a rollout from going on: those of a stateful set that failed, and those that have not ended yet.

use k8s_openapi::api::core::v1::Pod;

use super::readiness::pod_readiness;
use crate::connector::EventError;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::selector_text;

/// The label that names the revision of a stateful set that a pod is made from.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Deletes the pod of a stateful set that keeps its controller from going on, if there is one: it is not ready, it is of
/// another template than the present one, and no other pod is on its way out. A stateful set waits for such a pod for
/// ever, also when its template is mended. The last pod goes first, as in a rollout.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(super) async fn delete_next(workload_ref: &WorkloadRef<'_>, policy: CancelPolicy<'_>) -> Result<(), EventError> {
    let workload = workload_ref.workload(policy).await?;
    if workload.status.observed_generation != Some(workload.generation) {
        return Ok(());
    }
    let (Some(selector), Some(revision)) = (selector_text(&workload.selector), workload.status.update_revision) else {
        return Ok(());
    };
    let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
    let pods = workload_ref.persist(policy, || cluster.pods(namespace, &selector)).await?;
    let Some(pod) = next(&workload.uid, &revision, &pods) else { return Ok(()) };
    let (name, uid) = (pod.metadata.name.clone().unwrap_or_default(), pod.metadata.uid.clone());
    tracing::warn!(workload = %workload_ref, pod = name, "deleting a pod of a failed revision: it blocks the rollout");
    let request = || async {
        match cluster.delete_pod(namespace, &name, uid.as_deref()).await {
            // Another one has taken its place.
            Err(error) if error.is_conflict() => Ok(false),
            answer => answer,
        }
    };
    workload_ref.commit(policy, request).await.map(drop)
}

/// The pod to delete next; `None` while one is being deleted.
fn next<'a>(uid: &str, revision: &str, pods: &'a [Pod]) -> Option<&'a Pod> {
    let is_owned = |pod: &&Pod| pod.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid);
    let own: Vec<&Pod> = pods.iter().filter(is_owned).collect();
    if own.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()) {
        return None;
    }
    let is_of_another = |pod: &&&Pod| {
        let found = pod.metadata.labels.as_ref().and_then(|labels| labels.get(REVISION_LABEL));
        found.is_some_and(|found| found != revision)
    };
    let blocking = own.iter().filter(is_of_another).filter(|pod| !pod_readiness(pod).is_ready());
    blocking.max_by_key(|pod| ordinal(pod)).copied()
}

fn ordinal(pod: &Pod) -> Option<u32> {
    pod.metadata.name.as_deref()?.rsplit_once('-')?.1.parse().ok()
}

/// Whether a pod of a workload is being deleted: what it holds of a quota is free when it has ended.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(super) async fn is_any_ending(
    workload_ref: &WorkloadRef<'_>,
    policy: CancelPolicy<'_>,
) -> Result<bool, EventError> {
    let workload = workload_ref.workload(policy).await?;
    let Some(selector) = selector_text(&workload.selector) else { return Ok(false) };
    let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
    let pods = workload_ref.persist(policy, || cluster.pods(namespace, &selector)).await?;
    Ok(pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::connectors::kubernetes::fixtures;

    fn pod(name: &str, revision: &str, status: &Json) -> Pod {
        let mut pod = fixtures::pod(name, status);
        pod.metadata.labels = Some([(REVISION_LABEL.to_owned(), revision.to_owned())].into());
        pod.metadata.owner_references = serde_json::from_value(json!([
            { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "7" },
        ]))
        .expect("a reference");
        pod
    }

    #[test]
    fn pods_of_a_failed_revision_are_deleted_from_the_last_to_the_first_and_one_at_a_time() {
        let unready = json!({ "conditions": [{ "type": "Ready", "status": "False" }] });
        let mut pods = [
            pod("db-9", "bad", &unready),
            pod("db-10", "bad", &unready),
            pod("db-11", "bad", &json!({})),
            pod("db-12", "good", &unready),
        ];
        let name = |pods: &[Pod]| next("7", "good", pods).and_then(|pod| pod.metadata.name.clone());
        assert_eq!(name(&pods).as_deref(), Some("db-10"));
        assert_eq!(next("8", "good", &pods), None);
        pods[0].metadata.deletion_timestamp = serde_json::from_value(json!("2023-06-15T00:00:05Z")).expect("a time");
        assert_eq!(name(&pods), None);
    }
}
