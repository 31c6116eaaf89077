//! What can be done by program about a failing check: small patches through the API client, and a little traffic.
//!
//! Each looks at the cluster again, changes what is missing then and nothing else, and does nothing when nothing is.

use std::time::Duration;

use async_trait::async_trait;

use super::place::{Place, PodsError, has_container, pod_name};
use super::ports::{self, PortError};
use super::required_metadata::RequiredMetadata;
use super::traffic;
use crate::causes;
use crate::checks::Remedy;
use crate::connectors::kubernetes::pod_readiness;
use crate::k8s::{ApiError, SIDECAR_NAME, SIDECAR_PORT, SidecarError, WorkloadKind};
use crate::retry::{Attempt, Limits, retry};

/// How long others may be in the way: less than a remedy may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long there is traffic: less than a remedy may take, with the time that connecting takes.
const TRAFFIC: Duration = Duration::from_secs(9);

/// Adds annotations or labels to the pod template.
pub(super) struct Complete {
    pub(super) place: Place,
    pub(super) required: RequiredMetadata,
}

#[async_trait]
impl Remedy for Complete {
    async fn apply(&self) -> Result<(), String> {
        let Self { place, required } = self;
        insist(|| async {
            let workload = place.read_workload().await?;
            let Some(missing) = required.missing(&workload.template) else { return Ok(()) };
            let patch = required.patch(&missing);
            let (namespace, name) = (place.namespace(), place.name());
            place.cluster.patch_workload(WorkloadKind::Deployment, namespace, name, &patch).await?;
            Ok(())
        })
        .await
    }
}

/// Adds the sidecar to the pod template, as `servo inject-sidecar` does.
pub(super) struct Inject(pub(super) Place);

#[async_trait]
impl Remedy for Inject {
    async fn apply(&self) -> Result<(), String> {
        let Self(place) = self;
        let port = ports::named(place.config.port.as_ref()).map_err(|error| error.to_string())?;
        match place.cluster.inject_sidecar(place.injection(port.as_ref())).await {
            Ok(_) => Ok(()),
            Err(SidecarError::Api(error)) => Err(causes::chain(&error)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Sends the requests of the service to the sidecar.
pub(super) struct Retarget(pub(super) Place);

#[async_trait]
impl Remedy for Retarget {
    async fn apply(&self) -> Result<(), String> {
        let Self(place) = self;
        insist(|| async {
            let (namespace, name) = (place.namespace(), place.config.service.as_str());
            let Some(service) = place.cluster.service(namespace, name).await? else {
                return Err(Problem::Other(format!("there is no service '{name}'")));
            };
            let port = ports::select(&service, place.config.port.as_ref())?;
            if ports::is_proxied(port) {
                return Ok(());
            }
            let patch = ports::retarget(port, &SIDECAR_PORT.into());
            Ok(place.cluster.patch_service(namespace, name, &patch).await?)
        })
        .await
    }
}

/// Sends requests to the sidecar of one pod.
pub(super) struct Traffic(pub(super) Place);

#[async_trait]
impl Remedy for Traffic {
    async fn apply(&self) -> Result<(), String> {
        let Self(place) = self;
        let pod = pod_with_sidecar(place).await.map_err(|problem| problem.to_string())?;
        let (cluster, namespace) = (&place.cluster, place.namespace());
        traffic::send(cluster, namespace, &pod, SIDECAR_PORT, TRAFFIC).await.map_err(|error| causes::chain(&error))
    }
}

async fn pod_with_sidecar(place: &Place) -> Result<String, Problem> {
    let workload = place.read_workload().await?;
    let pods = place.newest_pods(&workload).await?;
    let ready = pods.iter().find(|pod| has_container(pod, SIDECAR_NAME) && pod_readiness(pod).is_ready());
    let nobody = || Problem::Other(format!("no pod of {} '{}' with a sidecar is ready", place.kind(), place.name()));
    ready.map(|pod| pod_name(pod).to_owned()).ok_or_else(nobody)
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{text}", text = causes::chain(.0))]
    Api(#[from] ApiError),
    #[error(transparent)]
    Pods(#[from] PodsError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{0}")]
    Other(String),
}

/// Begins again, with what there is then, when others change the object meanwhile or the API server is away.
async fn insist<F: Future<Output = Result<(), Problem>>>(mut attempt: impl FnMut() -> F) -> Result<(), String> {
    let limits = Limits { max_time: Some(PATIENCE), max_tries: None, max_wait: Some(Duration::from_secs(1)) };
    let on_wait = |error: &Problem, wait: Duration| tracing::debug!(%error, ?wait, "trying again");
    let attempt = || {
        let tried = attempt();
        async {
            tried.await.map_err(|problem| match &problem {
                Problem::Api(error) if error.is_conflict() || error.is_transient() => Attempt::transient(problem),
                _ => Attempt::permanent(problem),
            })
        }
    };
    retry(limits, on_wait, attempt).await.map_err(|problem| problem.to_string())
}
