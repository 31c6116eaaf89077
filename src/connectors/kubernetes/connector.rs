//! The connector: describes and adjusts workloads, and sees to their tuning pods.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::Value as Json;
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
    /// The templates of the workloads when their tuning pods were made or first seen.
    templates: std::sync::Mutex<BTreeMap<String, Json>>,
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
        let templates = std::sync::Mutex::default();
        Self { name, config, clusters, running, recovered, applied, measured, templates }
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

    /// Whether the template of a workload is another one than when its tuning pod was made or first seen.
    fn has_new_template(&self, state: &WorkloadState<'_>) -> bool {
        let templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        templates.get(&state.workload_ref.to_string()).is_some_and(|known| *known != state.workload.template)
    }

    fn remember_template(&self, state: &WorkloadState<'_>) {
        let (name, template) = (state.workload_ref.to_string(), state.workload.template.clone());
        self.templates.lock().unwrap_or_else(PoisonError::into_inner).insert(name, template);
    }

    /// Undoes what adjustments wrote that were cut off, also those of other processes that are gone: what is recorded as
    /// the value before an adjustment must not be that of another one.
    async fn undo_leftovers(&self, cx: &EventContext) -> Result<(), EventError> {
        let workload_refs = self.workload_refs()?;
        let is_adjusted =
            |workload_ref: &&WorkloadRef<'_>| *workload_ref.config.strategy.strategy() == Strategy::Default;
        let undone = workload_refs.iter().filter(is_adjusted).map(|workload_ref| leftovers::undo(cx, workload_ref));
        join_all(undone).await.into_iter().collect()
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
                let has_new_template = self.has_new_template(state);
                ready(cx, state, readied, has_new_template).await?;
                if readied == Readied::Always || !has_new_template {
                    self.remember_template(state);
                }
            }
            Ok(states)
        };
        let what = "Kubernetes optimization setup to complete";
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

/// Makes a tuning pod that is missing, and awaits it. One that does not become ready is taken away again. One that was
/// made from an older template is made anew with its settings, when it must be ready.
async fn ready(
    cx: &EventContext,
    state: &mut WorkloadState<'_>,
    readied: Readied,
    has_new_template: bool,
) -> Result<(), EventError> {
    let workload_ref = state.workload_ref;
    let policy = CancelPolicy::Event(cx);
    let Adjustable::TuningPod { pod, .. } = &state.adjustable else { return Ok(()) };
    let present = pod.as_ref().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let is_outdated = readied == Readied::Always && has_new_template && present.is_some();
    let is_made = present.is_none() || is_outdated;
    if is_outdated {
        tracing::info!(workload = %workload_ref, "making the tuning pod anew: the workload has a new template");
    }
    if is_made {
        let next = state.tuning_pod(present)?;
        tuning_pod::replace(&workload_ref, next.body(), policy).await?;
    } else if readied == Readied::WhenMade {
        return Ok(());
    }
    let became_ready = match rollout::pod_ready(&workload_ref, policy).await {
        Ok(Arrival::Ready) => Ok(()),
        Ok(Arrival::TimedOut) => diagnosis::of_rollout(cx, &workload_ref, &[], &Restarts::default()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = became_ready {
        return Err(if is_made { taken_away(&workload_ref, error).await } else { error });
    }
    let now = read_tuning_pod(&workload_ref, policy).await?;
    if let Adjustable::TuningPod { pod, .. } = &mut state.adjustable {
        *pod = now;
    }
    Ok(())
}

/// Takes away the tuning pod that was made and did not become ready: it would hold what the workload's pods need, such as
/// a port of the node. Returns what is told.
async fn taken_away(workload_ref: &WorkloadRef<'_>, error: EventError) -> EventError {
    let taken = async {
        let Some(pod) = read_tuning_pod(workload_ref, CancelPolicy::UntilDone).await? else { return Ok(()) };
        tuning_pod::begin_deletion(workload_ref, &pod, CancelPolicy::UntilDone).await
    };
    let note = match taken.await {
        Ok(()) => format!("the pod \"{}\" that was made was taken away", workload_ref.tuning_pod()),
        Err(problem) => {
            format!("the pod \"{}\" that was made is still there: {}", workload_ref.tuning_pod(), problem.chain())
        }
    };
    let noted = EventError::new(error.kind(), format!("{}; {note}", error.chain()));
    match error.reason() {
        Some(reason) => noted.with_reason(reason),
        None => noted,
    }
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
            self.undo_leftovers(cx).await?;
            let states = self.read(cx).await?;
            // Tuning pods are made anew from what was read.
            for state in &states {
                self.remember_template(state);
            }
            adjust::adjust(cx, states, request, &self.applied).await?
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
