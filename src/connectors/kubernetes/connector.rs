//! The connector: describes and adjusts workloads, and sees to their tuning pods.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::{Mutex, OnceCell};

use super::apply::workload_state::{Adjustable, WorkloadState, read_tuning_pod};
use super::apply::{adjust, leftovers, tuning_pod};
use super::clusters::Clusters;
use super::watch::diagnosis;
use super::watch::measurement::{self, Baseline};
use super::watch::restarts::Restarts;
use super::watch::rollout::{self, Arrival};
use super::watch::verification::{self, AppliedValues};
use super::workload_ref::{CancelPolicy, WorkloadRef};
use super::{KubernetesConfig, METADATA, Strategy, checks};
use crate::checks::{Check, CheckRequest};
use crate::connector::{
    Adjust, AdjustRequest, Checkable, Components, Connector, ConnectorName, Describe, DescribeRequest, ErrorKind,
    Event, EventContext, EventError, Hooks, Lifecycle, Metadata, Outcome, Phase,
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
    applied: AppliedValues,
    /// What the workloads were when the present measurement began, in their order.
    measured: std::sync::Mutex<Vec<Baseline>>,
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
        let (applied, measured) = (AppliedValues::default(), std::sync::Mutex::default());
        Self { name, config, clusters, running, recovered, applied, measured }
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
        let what = "Kubernetes state setup to complete";
        Box::pin(rollout::awaiting(cx, self.config.shared.timeout, what, work)).await
    }

    /// The components as they run.
    async fn described(&self, cx: &EventContext) -> Result<Vec<Component>, EventError> {
        let mut states = self.set_up(cx, Readied::WhenMade).await?;
        for state in &mut states {
            state.look_at_pods(CancelPolicy::Event(cx)).await?;
        }
        components(&states)
    }

    /// Makes sure that what is about to be measured is ready and has what it was given, and takes down its pods.
    async fn begin_measurement(&self, cx: &EventContext) -> Result<(), EventError> {
        self.set_measured(Vec::new());
        let mut baselines = Vec::new();
        for WorkloadState { workload_ref, workload, .. } in self.set_up(cx, Readied::Always).await? {
            self.verify(cx, &workload_ref).await?;
            baselines.push(measurement::begin(&workload_ref, &workload, CancelPolicy::Event(cx)).await?);
        }
        self.set_measured(baselines);
        Ok(())
    }

    /// Makes sure that what was measured had what it was given until the end, and lost no pod.
    async fn end_measurement(&self, cx: &EventContext) -> Result<(), EventError> {
        let baselines = self.set_measured(Vec::new());
        for (workload_ref, baseline) in self.workload_refs()?.iter().zip(baselines) {
            self.verify(cx, workload_ref).await?;
            measurement::end(workload_ref, &baseline, CancelPolicy::Event(cx)).await?;
        }
        Ok(())
    }

    /// What was measured when a measurement began, which ends.
    fn set_measured(&self, baselines: Vec<Baseline>) -> Vec<Baseline> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut measured, baselines)
    }

    /// Makes sure that a workload has what adjustments gave it.
    async fn verify(&self, cx: &EventContext, workload_ref: &WorkloadRef<'_>) -> Result<(), EventError> {
        let applied = self.applied.get(workload_ref);
        let verified = verification::verify(workload_ref, &applied, |_| true, CancelPolicy::Event(cx)).await;
        verified.map_err(|error| match error.reason() {
            Some(reason) => EventError::measurement_failed(error.chain()).with_reason(reason),
            None => error,
        })
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
        Ok(Description { components: self.described(cx).await?, metrics: Vec::new() })
    }
}

#[async_trait]
impl Components for KubernetesConnector {
    async fn components(&self, cx: &EventContext) -> Result<Vec<Component>, EventError> {
        self.described(cx).await
    }
}

#[async_trait]
impl Adjust for KubernetesConnector {
    async fn adjust(&self, cx: &EventContext, request: &AdjustRequest) -> Result<Description, EventError> {
        let components = if request.adjustments.is_empty() {
            self.described(cx).await?
        } else {
            adjust::adjust(cx, self.read(cx).await?, request, &self.applied).await?
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
        vec![(Phase::Before, Event::Measure), (Phase::After, Event::Measure)]
    }

    /// What is measured is ready, a tuning pod is there, and both have what they were given.
    async fn before(&self, cx: &EventContext, _event: Event) -> Result<(), EventError> {
        self.begin_measurement(cx).await
    }

    async fn after(&self, cx: &EventContext, _event: Event, _outcome: &Outcome<'_>) -> Result<(), EventError> {
        self.end_measurement(cx).await
    }

    /// A measurement that failed because its pods crashed or were changed failed for that. Whether settings that are
    /// their own violate an objective or crash is the same verdict.
    async fn after_failure(&self, cx: &EventContext, _event: Event, error: &EventError) -> Option<EventError> {
        let cause = self.end_measurement(cx).await.err()?;
        let reason = cause.reason()?;
        if error.kind() == ErrorKind::Aborted && cause.kind() == ErrorKind::Rejected {
            return None;
        }
        let message = format!("{}; seen as: {}", cause.chain(), error.chain());
        Some(EventError::new(cause.kind(), message).with_reason(reason))
    }
}
