//! The connector: describes and adjusts workloads, and sees to their tuning pods.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::{Mutex, OnceCell};

use super::apply::workload_state::{Adjustable, WorkloadState, read_tuning_pod};
use super::apply::{adjust, leftovers, tuning_pod};
use super::clusters::Clusters;
use super::watch::diagnosis;
use super::watch::restarts::Restarts;
use super::watch::rollout::{self, Arrival};
use super::workload_ref::{CancelPolicy, WorkloadRef};
use super::{KubernetesConfig, METADATA, Strategy, checks};
use crate::checks::{Check, CheckRequest};
use crate::connector::{
    Adjust, AdjustRequest, Checkable, Components, Connector, ConnectorName, Describe, DescribeRequest, Event,
    EventContext, EventError, Hooks, Lifecycle, Metadata, Phase,
};
use crate::types::{Component, Description};

pub(super) struct KubernetesConnector {
    name: ConnectorName,
    config: KubernetesConfig,
    clusters: OnceCell<Clusters>,
    /// Whether the servo runs: then the tuning pods are its own, and what an earlier run left is put right.
    running: AtomicBool,
    /// Held while that is done; true when it has been.
    recovered: Mutex<bool>,
}

/// How long a start may be held up by what an earlier run left: a pod has ended by then, after its usual grace.
const STARTUP_PATIENCE: Duration = Duration::from_mins(1);

/// Whether there must be a tuning pod that is ready.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readied {
    /// One that there is may be in any state; one that is missing is made, and awaited.
    WhenMade,
    /// One that there is is awaited as well.
    Always,
}

impl KubernetesConnector {
    pub(super) fn new(name: ConnectorName, config: KubernetesConfig) -> Self {
        let (clusters, running, recovered) = (OnceCell::new(), AtomicBool::new(false), Mutex::new(false));
        Self { name, config, clusters, running, recovered }
    }

    /// Reads the access to the clusters, once.
    async fn connect(&self, cx: &EventContext) -> Result<&Clusters, EventError> {
        self.clusters.get_or_try_init(|| Clusters::connect(&self.config, cx.services())).await
    }

    fn workload_refs(&self) -> Result<Vec<WorkloadRef<'_>>, EventError> {
        let clusters = self.clusters.get().ok_or_else(|| EventError::failed("the connector is not attached"))?;
        Ok(clusters.workload_refs(&self.config))
    }

    /// Puts right what an earlier run left, once, when this is a run.
    async fn recover(&self, cx: &EventContext) -> Result<(), EventError> {
        let mut recovered = self.recovered.lock().await;
        if *recovered || !self.running.load(Ordering::Relaxed) {
            return Ok(());
        }
        let workload_refs = self.workload_refs()?;
        for result in join_all(workload_refs.iter().map(|workload_ref| leftovers::recover(cx, workload_ref))).await {
            result?;
        }
        *recovered = true;
        Ok(())
    }

    /// Reads all workloads, one after the other.
    async fn read(&self, cx: &EventContext) -> Result<Vec<WorkloadState<'_>>, EventError> {
        self.recover(cx).await?;
        let own = cx.services().kubernetes.pod();
        let mut states = Vec::new();
        for workload_ref in self.workload_refs()? {
            states.push(WorkloadState::read(workload_ref, own, CancelPolicy::Event(cx)).await?);
        }
        Ok(states)
    }

    /// Reads all workloads, and makes the tuning pods that are missing.
    async fn set_up(&self, cx: &EventContext, readied: Readied) -> Result<Vec<WorkloadState<'_>>, EventError> {
        let work = async {
            let mut states = self.read(cx).await?;
            for state in &mut states {
                ready(cx, state, readied).await?;
            }
            Ok(states)
        };
        let what = "Kubernetes optimization setup to complete";
        Box::pin(rollout::awaiting(cx, self.config.shared.timeout, what, work)).await
    }
}

/// Makes the tuning pods of a section that are missing and awaits them. One that is there is left as it is.
///
/// # Errors
/// There is no cluster, something is in the way, or a pod does not become ready in time.
pub(crate) async fn ensure_tuning_pods(cx: &EventContext, config: KubernetesConfig) -> Result<(), EventError> {
    let connector = KubernetesConnector::new(cx.connector().clone(), config);
    connector.connect(cx).await?;
    connector.set_up(cx, Readied::WhenMade).await.map(drop)
}

/// Makes a tuning pod that is missing, and awaits it.
async fn ready(cx: &EventContext, state: &mut WorkloadState<'_>, readied: Readied) -> Result<(), EventError> {
    let workload_ref = state.workload_ref;
    let Adjustable::TuningPod { pod, .. } = &state.adjustable else { return Ok(()) };
    let is_ending = pod.as_ref().is_some_and(|pod| !pod["metadata"]["deletionTimestamp"].is_null());
    if pod.is_none() || is_ending {
        let next = state.tuning_pod(None)?;
        tuning_pod::replace(&workload_ref, next.body(), CancelPolicy::Event(cx)).await?;
    } else if readied == Readied::WhenMade {
        return Ok(());
    }
    if rollout::pod_ready(&workload_ref, CancelPolicy::Event(cx)).await? == Arrival::TimedOut {
        diagnosis::of_rollout(cx, &workload_ref, &[], &Restarts::default()).await?;
    }
    let now = read_tuning_pod(&workload_ref, CancelPolicy::Event(cx)).await?;
    if let Adjustable::TuningPod { pod, .. } = &mut state.adjustable {
        *pod = now;
    }
    Ok(())
}

fn components(states: &[WorkloadState<'_>]) -> Result<Vec<Component>, EventError> {
    let mut components = Vec::new();
    for state in states {
        components.extend(state.components()?);
    }
    Ok(components)
}

impl Connector for KubernetesConnector {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn as_describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }

    fn as_components(&self) -> Option<&dyn Components> {
        Some(self)
    }

    fn as_adjust(&self) -> Option<&dyn Adjust> {
        Some(self)
    }

    fn as_check(&self) -> Option<&dyn Checkable> {
        Some(self)
    }

    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        Some(self)
    }

    fn as_hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }
}

#[async_trait]
impl Describe for KubernetesConnector {
    async fn describe(&self, cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
        let states = self.set_up(cx, Readied::WhenMade).await?;
        Ok(Description { components: components(&states)?, metrics: Vec::new() })
    }
}

#[async_trait]
impl Components for KubernetesConnector {
    async fn components(&self, cx: &EventContext) -> Result<Vec<Component>, EventError> {
        components(&self.set_up(cx, Readied::WhenMade).await?)
    }
}

#[async_trait]
impl Adjust for KubernetesConnector {
    async fn adjust(&self, cx: &EventContext, request: &AdjustRequest) -> Result<Description, EventError> {
        let components = if request.adjustments.is_empty() {
            components(&self.set_up(cx, Readied::WhenMade).await?)?
        } else {
            adjust::adjust(cx, self.read(cx).await?, request).await?
        };
        Ok(Description { components, metrics: Vec::new() })
    }

    fn outlives_the_run(&self) -> bool {
        self.config.workloads().any(|(_, workload)| *workload.strategy.strategy() == Strategy::Default)
    }
}

#[async_trait]
impl Checkable for KubernetesConnector {
    /// With clients of its own, so that what has changed in a kubeconfig file counts.
    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        let clusters = Clusters::connect(&self.config, cx.services()).await?;
        checks::check(&clusters, &self.config, cx, request).await
    }
}

#[async_trait]
impl Lifecycle for KubernetesConnector {
    async fn attach(&self, cx: &EventContext) -> Result<Vec<Box<dyn Connector>>, EventError> {
        let clusters = self.connect(cx).await?;
        let telemetry = &cx.services().telemetry;
        telemetry.set(format!("{}.namespace", self.name), self.config.shared.namespace.as_str());
        match clusters.main().version().await {
            Ok(version) => {
                telemetry.set(format!("{}.version", self.name), format!("{}.{}", version.major, version.minor));
                telemetry.set(format!("{}.platform", self.name), version.platform);
            }
            Err(error) => tracing::debug!(error = %error, "the API server does not tell its version"),
        }
        Ok(Vec::new())
    }

    /// An API server that cannot be reached now is no reason not to start: it is tried again with the first command.
    async fn startup(&self, cx: &EventContext) -> Result<(), EventError> {
        self.running.store(true, Ordering::Relaxed);
        let problem = match tokio::time::timeout(STARTUP_PATIENCE, self.recover(cx)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.chain(),
            Err(_) => format!("not done after {} s", STARTUP_PATIENCE.as_secs()),
        };
        tracing::warn!(problem, "cannot put right what an earlier run left; trying again with the first command");
        Ok(())
    }

    async fn shutdown(&self, _cx: &EventContext) -> Result<(), EventError> {
        if !self.running.load(Ordering::Relaxed) {
            return Ok(());
        }
        let workload_refs = self.workload_refs()?;
        join_all(workload_refs.iter().map(leftovers::withdraw)).await.into_iter().collect()
    }

    async fn detach(&self, cx: &EventContext) -> Result<(), EventError> {
        for key in ["namespace", "version", "platform"] {
            cx.services().telemetry.remove(&format!("{}.{key}", self.name));
        }
        Ok(())
    }
}

#[async_trait]
impl Hooks for KubernetesConnector {
    fn hooks(&self) -> Vec<(Phase, Event)> {
        vec![(Phase::Before, Event::Measure)]
    }

    /// What is measured has a tuning pod, and it is ready.
    async fn before(&self, cx: &EventContext, _event: Event) -> Result<(), EventError> {
        self.set_up(cx, Readied::Always).await.map(drop)
    }
}
