//! The connector: adds those that do the work, and checks that the cluster is prepared for them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::place::Place;
use super::{METADATA, OpsaniDevConfig, checks, compose};
use crate::checks::{Check, CheckRequest, RunOneError, run_one};
use crate::connector::{
    BuildContext, BuildError, Checkable, Connector, ConnectorFactory, ConnectorName, ErrorKind, EventContext,
    EventError, Lifecycle, Metadata,
};
use crate::connectors::{kube_metrics, kubernetes, prometheus};
use crate::k8s::{ClientSettings, Cluster, connect};

pub(super) struct OpsaniDevConnector {
    name: ConnectorName,
    config: Arc<OpsaniDevConfig>,
    cluster: OnceCell<Cluster>,
}

impl OpsaniDevConnector {
    pub(super) fn new(name: ConnectorName, config: OpsaniDevConfig) -> Self {
        Self { name, config: Arc::new(config), cluster: OnceCell::new() }
    }

    /// The cluster, which is looked for once.
    async fn place(&self, cx: &EventContext) -> Result<Place, EventError> {
        let (settings, services) = (ClientSettings::default(), cx.services());
        let cluster = self
            .cluster
            .get_or_try_init(|| connect(&settings, &services.kubernetes, &services.network))
            .await
            .map_err(|error| EventError::failed("the Kubernetes client cannot be configured").with_source(error))?;
        Ok(Place { cluster: cluster.clone(), config: Arc::clone(&self.config) })
    }

    /// What measures the pods' resources, where the cluster has the metrics for it.
    async fn kube_metrics(&self, cx: &EventContext, build: &BuildContext) -> Result<Option<Child>, EventError> {
        let config = compose::kube_metrics(&self.config).map_err(uncomposed)?;
        let child = child(&kube_metrics::FACTORY, "opsani-dev:kube-metrics", config, build)?;
        let Some(checkable) = child.as_check() else { return Ok(Some(child)) };
        let why = match run_one(checkable, cx, kube_metrics::CHECK_METRICS_API).await {
            Ok(check) if check.success => return Ok(Some(child)),
            Err(RunOneError::Event(error)) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Ok(Check { name, message, .. }) => format!("{name}: {}", message.unwrap_or_default()),
            Err(RunOneError::Prerequisite { failed, .. }) => {
                format!("{}: {}", failed.name, failed.message.as_deref().unwrap_or_default())
            }
            Err(error) => error.to_string(),
        };
        tracing::warn!("Omitting kube_metrics connector from opsani_dev assembly due to failed check {why}");
        Ok(None)
    }
}

type Child = Box<dyn Connector>;

fn child<F: ConnectorFactory>(
    factory: &F,
    name: &'static str,
    config: F::Config,
    build: &BuildContext,
) -> Result<Child, EventError> {
    let made: Result<Child, BuildError> = factory.build(ConnectorName::new(name), config, build);
    made.map_err(|error| EventError::failed("opsani_dev cannot be assembled").with_source(error))
}

fn uncomposed(error: compose::ComposeError) -> EventError {
    EventError::failed("opsani_dev cannot be assembled").with_source(error)
}

impl Connector for OpsaniDevConnector {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn as_check(&self) -> Option<&dyn Checkable> {
        Some(self)
    }

    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        Some(self)
    }
}

#[async_trait]
impl Lifecycle for OpsaniDevConnector {
    async fn attach(&self, cx: &EventContext) -> Result<Vec<Box<dyn Connector>>, EventError> {
        let services = cx.services();
        let build = BuildContext { optimizer: services.optimizer.clone(), network: services.network.clone() };
        let kubernetes = compose::kubernetes(&self.config).map_err(uncomposed)?;
        let prometheus = compose::prometheus(&self.config).map_err(uncomposed)?;
        let mut children = vec![
            child(&kubernetes::FACTORY, "opsani-dev:kubernetes", kubernetes, &build)?,
            child(&prometheus::FACTORY, "opsani-dev:prometheus", prometheus, &build)?,
        ];
        children.extend(self.kube_metrics(cx, &build).await?);
        Ok(children)
    }
}

#[async_trait]
impl Checkable for OpsaniDevConnector {
    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        checks::check(&self.place(cx).await?, cx, request).await
    }
}
