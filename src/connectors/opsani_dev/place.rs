//! Where the checks look and remedies change something: a cluster, and what the configuration names in it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};

use super::OpsaniDevConfig;
use super::commands::kubectl;
use crate::checks::CheckFailure;
use crate::connectors::kubernetes::{NewestError, advice, pod_selector};
use crate::k8s::{
    ApiError, Cluster, Container, Injection, Permission, PortName, Workload, WorkloadKind, selector_text,
    tuning_pod_name,
};

/// A cluster, and what the configuration names in it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) cluster: Cluster,
    pub(super) config: Arc<OpsaniDevConfig>,
}

/// Why the pods of the workload cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum PodsError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Newest(#[from] NewestError),
}

impl Place {
    pub(super) fn namespace(&self) -> &str {
        &self.config.namespace
    }

    /// The name of the workload.
    pub(super) fn name(&self) -> &str {
        &self.config.workload_name
    }

    /// Its kind, as the configuration spells it.
    pub(super) fn kind(&self) -> &str {
        self.config.workload_kind.as_str()
    }

    /// Its name in commands: `deployment/web`.
    pub(super) fn target(&self) -> String {
        format!("deployment/{}", self.name())
    }

    pub(super) fn tuning_pod(&self) -> String {
        tuning_pod_name(self.name())
    }

    pub(super) async fn read_workload(&self) -> Result<Workload, ApiError> {
        self.cluster.workload(WorkloadKind::Deployment, self.namespace(), self.name()).await
    }

    /// The workload, or what to do about it.
    pub(super) async fn workload(&self) -> Result<Workload, CheckFailure> {
        const READ: Permission<'_> = Permission { group: "apps", resource: "deployments", verb: "get" };
        self.read_workload().await.map_err(|error| {
            let known = kubectl(self.namespace(), &["get", "deployments"]);
            self.refused(
                error,
                READ,
                &format!("correct 'namespace' and 'deployment' of the configuration; see: {known}"),
            )
        })
    }

    /// The service, or what to do about it.
    pub(super) async fn service(&self) -> Result<Service, CheckFailure> {
        const READ: Permission<'_> = Permission { group: "", resource: "services", verb: "get" };
        let name = &self.config.service;
        let known = || kubectl(self.namespace(), &["get", "services"]);
        let hint = || format!("correct 'namespace' and 'service' of the configuration; see: {}", known());
        let found = self.cluster.service(self.namespace(), name).await;
        let found = found.map_err(|error| self.refused(error, READ, &hint()))?;
        found.ok_or_else(|| {
            CheckFailure::new(format!("there is no service '{name}' in namespace '{}'", self.namespace()))
                .with_hint(hint())
        })
    }

    /// The pods of the workload's present template, whatever their state.
    pub(super) async fn newest_pods(&self, workload: &Workload) -> Result<Vec<Pod>, PodsError> {
        let own = selector_text(&workload.selector).unwrap_or_default();
        let sets = self.cluster.replica_sets(self.namespace(), &own).await?;
        Ok(self.cluster.pods(self.namespace(), &pod_selector(workload, &sets)?).await?)
    }

    /// What puts the sidecar before the application, by the service and its port.
    pub(super) fn injection<'a>(&'a self, port: Option<&'a PortName>) -> Injection<'a> {
        Injection {
            namespace: self.namespace(),
            deployment: self.name(),
            image: &self.config.envoy_sidecar_image,
            service: Some(&self.config.service),
            port,
        }
    }

    /// The failure of a request, with what to do when it was for lack of permission or of the object.
    pub(super) fn refused(&self, error: ApiError, permission: Permission<'_>, absent: &str) -> CheckFailure {
        let hint = match &error {
            error if error.is_forbidden() => Some(advice(self.namespace(), &[permission])),
            error if error.is_not_found() => Some(absent.to_owned()),
            _ => None,
        };
        let failure = CheckFailure::from(error);
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

/// Whether a pod's `spec` has a container of this name.
pub(super) fn has_container(pod: &Pod, name: &str) -> bool {
    pod.spec.iter().flat_map(|spec| &spec.containers).any(|container| container.name == name)
}

/// The names of the containers of a workload, for messages.
pub(super) fn container_names(workload: &Workload) -> String {
    workload.containers().map(Container::name).collect::<Vec<_>>().join(", ")
}

/// The name of a pod.
pub(super) fn pod_name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}
