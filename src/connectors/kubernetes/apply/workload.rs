//! The default strategy: the fields of a workload are changed, and its own pods are rolled out.

use serde_json::{Value as Json, json};

use crate::connector::EventError;
use crate::connectors::kubernetes::plan::undo::{ROLLBACK_ANNOTATION, Undo};
use crate::connectors::kubernetes::watch::rollout::{self, Arrival};
use crate::connectors::kubernetes::workload_ref::{Patience, Site};
use crate::k8s::Workload;

/// Changes a workload by a strategic merge patch. The API may be away for a while.
///
/// # Errors
/// The API refuses, or the wait is called off.
pub(crate) async fn patch(site: &Site<'_>, patch: &Json, patience: Patience<'_>) -> Result<Workload, EventError> {
    let Site { cluster, kind, .. } = *site;
    let (namespace, name) = (site.namespace(), site.name());
    site.commit(patience, || cluster.patch_workload(kind, namespace, name, patch)).await
}

/// Scales a workload to nothing, and does not wait for its pods to end.
///
/// # Errors
/// The API refuses.
pub(crate) async fn scale_to_zero(site: &Site<'_>) -> Result<(), EventError> {
    patch(site, &json!({ "spec": { "replicas": 0 } }), Patience::UntilDone).await.map(drop)
}

/// Restores old values to a workload as it is now, and waits until it is well with them. Says whether there was anything
/// to restore.
///
/// # Errors
/// What stands in the way.
pub(crate) async fn roll_back(site: &Site<'_>, undo: &Undo) -> Result<bool, EventError> {
    let workload = site.workload(Patience::UntilDone).await?;
    let restoring = undo.patch(&workload);
    if restoring.get("spec").is_none() && !workload.annotations.contains_key(ROLLBACK_ANNOTATION) {
        // The change was refused before it was one.
        return Ok(false);
    }
    patch(site, &restoring, Patience::UntilDone).await?;
    match rollout::workload_ready(site, Patience::UntilDone).await? {
        Arrival::Ready => Ok(true),
        Arrival::Missed => Err(EventError::adjustment_failed(format!(
            "{site} has its old values again, and was not ready with them after {}",
            site.config.shared.timeout
        ))),
    }
}
