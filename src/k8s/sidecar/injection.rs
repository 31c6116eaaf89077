//! Putting the Envoy sidecar into a Deployment, and taking it out again.
//!
//! Nothing waits for the rollout, and no Service is changed: whoever injects decides when requests go to the sidecar.

use serde_json::Value as Json;

use super::plan::{PortName, SidecarError, ejected, has_room, injection, proxied_port};
use crate::k8s::{Cluster, WorkloadKind};

/// How often a change is tried when others change the Deployment meanwhile.
const TRIES: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Injection<'a> {
    /// The namespace of the Deployment and the Service.
    pub namespace: &'a str,
    pub deployment: &'a str,
    pub image: &'a str,
    /// The Service before the Deployment.
    pub service: Option<&'a str>,
    /// The port of the Service, or without one that of a container.
    pub port: Option<&'a PortName>,
}

impl Cluster {
    /// Injects the sidecar; returns the port that it sends requests on to.
    ///
    /// # Errors
    /// There is no such port, something is in the way, or the cluster refuses.
    pub(crate) async fn inject_sidecar(&self, wanted: Injection<'_>) -> Result<u16, SidecarError> {
        insist(|| self.inject_once(wanted)).await
    }

    async fn inject_once(&self, wanted: Injection<'_>) -> Result<u16, SidecarError> {
        let Injection { namespace, deployment, .. } = wanted;
        let (patch, proxied) = self.plan_injection(wanted).await?;
        self.patch_workload(WorkloadKind::Deployment, namespace, deployment, &patch).await?;
        Ok(proxied)
    }

    /// The patch that injects the sidecar, and the port that it then sends requests on to. Changes nothing.
    ///
    /// # Errors
    /// As [`Self::inject_sidecar`].
    pub(crate) async fn plan_injection(&self, wanted: Injection<'_>) -> Result<(Json, u16), SidecarError> {
        let Injection { namespace, deployment, image, service, port } = wanted;
        let workload = self.workload(WorkloadKind::Deployment, namespace, deployment).await?;
        has_room(&workload)?;
        let service = match service {
            None => None,
            Some(name) => {
                let found = self.service(namespace, name).await?;
                Some((name, found.ok_or_else(|| SidecarError::UnknownService(name.to_owned()))?))
            }
        };
        let proxied = proxied_port(&workload, service.as_ref().map(|(name, service)| (*name, service)), port)?;
        Ok((injection(&workload, image, proxied), proxied))
    }

    /// Ejects the sidecar; false when there is none.
    ///
    /// # Errors
    /// The cluster refuses.
    pub(crate) async fn eject_sidecar(&self, namespace: &str, deployment: &str) -> Result<bool, SidecarError> {
        insist(|| self.eject_once(namespace, deployment)).await
    }

    async fn eject_once(&self, namespace: &str, deployment: &str) -> Result<bool, SidecarError> {
        let found = self.raw_workload(WorkloadKind::Deployment, namespace, deployment).await?;
        let Some(without) = ejected(found) else { return Ok(false) };
        self.replace_workload(WorkloadKind::Deployment, namespace, deployment, &without).await?;
        Ok(true)
    }
}

/// Begins again, with what there is then, when others change the Deployment meanwhile.
async fn insist<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, SidecarError>
where
    F: Future<Output = Result<T, SidecarError>>,
{
    for _ in 1..TRIES {
        match attempt().await {
            Err(SidecarError::Api(error)) if error.is_conflict() => tracing::debug!(%error, "trying again"),
            result => return result,
        }
    }
    attempt().await
}
