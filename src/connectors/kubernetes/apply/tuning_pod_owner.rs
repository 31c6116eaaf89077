//! Who owns a tuning pod: the controller that runs the agent itself, so that the pod goes when the agent is deleted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::k8s::{ApiError, Cluster, PodIdentity};

/// The reference to the highest controller of the agent's own pod, for objects in `namespace`. `None` when there is
/// none, with a warning where that is a surprise: an owner in another namespace would have the object deleted at once.
pub(crate) async fn reference(cluster: &Cluster, own: Option<&PodIdentity>, namespace: &str) -> Option<OwnerReference> {
    let own = own?;
    if own.namespace != namespace {
        let message = "the tuning pod gets no owner, as the agent runs in another namespace: when the agent is \
                       deleted without having been stopped, the pod has to be deleted by hand";
        tracing::warn!(agent = own.namespace, %namespace, "{message}");
        return None;
    }
    match highest(cluster, own).await {
        Ok(Some(owner)) => Some(OwnerReference { controller: Some(true), block_owner_deletion: Some(true), ..owner }),
        Ok(None) => {
            tracing::debug!(pod = own.name, "the tuning pod gets no owner, as the agent's pod has no controller");
            None
        }
        Err(error) => {
            tracing::warn!(pod = own.name, error = %error, "the tuning pod gets no owner: cannot read the agent's own");
            None
        }
    }
}

/// Of the built-in controllers whose pods run for long, only those of Deployments stand one above the other.
async fn highest(cluster: &Cluster, own: &PodIdentity) -> Result<Option<OwnerReference>, ApiError> {
    let pod = cluster.pod(&own.namespace, &own.name).await?;
    let Some(controller) = pod.and_then(|pod| controller(pod.metadata)) else { return Ok(None) };
    if controller.kind != "ReplicaSet" {
        return Ok(Some(controller));
    }
    let set = cluster.replica_set(&own.namespace, &controller.name).await?;
    Ok(Some(set.and_then(|set| self::controller(set.metadata)).unwrap_or(controller)))
}

fn controller(metadata: ObjectMeta) -> Option<OwnerReference> {
    metadata.owner_references?.into_iter().find(|owner| owner.controller == Some(true))
}
