//! Finding out what went wrong: what the API says of a workload and its pods at this moment, and what that means.

use futures_util::TryStreamExt;
use futures_util::stream::{BoxStream, StreamExt};
use k8s_openapi::api::core::v1::{ContainerState, Pod};

use super::cause::{Cause, Subject, in_settlement};
use super::classify::{classify_pod, classify_workload};
use super::logs::Logs;
use super::newest_pods::pod_selector;
use super::readiness::{Readiness, pod_readiness, ready_condition, workload_readiness};
use super::restarts::{Restarted, Restarts, container_statuses};
use crate::connector::{ErrorKind, EventContext, EventError};
use crate::connectors::kubernetes::Strategy;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::{ApiError, LogRequest, PodEvent, Workload, WorkloadKind, WorkloadProgress, selector_text};
use crate::types::Adjustment;

/// A container that has crashed so often since it was adjusted goes on to crash.
const CRASHES: i32 = 3;

/// How much of one log is read; a message has room for less.
const LOG_BYTES: u64 = 1024 * 1024;

/// A workload or its tuning pod as it is now.
enum Observed {
    /// With the pods of its present template.
    Workload(WorkloadProgress, Vec<Pod>),
    TuningPod(Box<Pod>),
}

impl Observed {
    async fn now(cx: &EventContext, workload_ref: &WorkloadRef<'_>) -> Result<Self, EventError> {
        let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
        if matches!(workload_ref.config.strategy.strategy(), Strategy::Canary { .. }) {
            let name = workload_ref.tuning_pod();
            let pod = workload_ref.persist(CancelPolicy::Event(cx), || cluster.pod(namespace, &name)).await?;
            let pod = pod.ok_or_else(|| Subject::TuningPod { name: &name }.gone())?;
            return Ok(Self::TuningPod(Box::new(pod)));
        }
        let workload = workload_ref.workload(CancelPolicy::Event(cx)).await?;
        let selector = newest_pods(cx, workload_ref, &workload).await?;
        let pods = workload_ref.persist(CancelPolicy::Event(cx), || cluster.pods(namespace, &selector)).await?;
        Ok(Self::Workload(workload.progress(), pods))
    }

    fn is_ready(&self, kind: WorkloadKind) -> bool {
        match self {
            Self::Workload(progress, _) => workload_readiness(kind, progress).as_ref().is_ok_and(Readiness::is_ready),
            Self::TuningPod(pod) => pod_readiness(pod).is_ready(),
        }
    }

    /// Whether a pod says that it is not ready, which its workload repeats only a moment later. Pods that end or have
    /// ended do not count.
    fn has_unready_pod(&self) -> bool {
        let has_ended = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Failed" | "Succeeded"))
        };
        let is_unready = |pod: &Pod| ready_condition(pod).is_some_and(|ready| ready.status == "False");
        self.pods().iter().any(|pod| is_unready(pod) && !has_ended(pod))
    }

    fn pods(&self) -> &[Pod] {
        match self {
            Self::Workload(_, pods) => pods,
            Self::TuningPod(pod) => std::slice::from_ref(pod),
        }
    }

    /// Whether a container that has restarted was last killed for want of memory.
    fn is_out_of_memory(&self, restarted: &Restarted) -> bool {
        let pods = self.pods().iter().filter(|pod| pod.metadata.name.as_deref() == Some(restarted.pod.as_str()));
        let statuses = pods.flat_map(container_statuses).filter(|status| status.name == restarted.container);
        let ended = |state: &ContainerState| {
            state.terminated.as_ref().is_some_and(|ended| ended.reason.as_deref() == Some("OOMKilled"))
        };
        statuses
            .filter(|status| !status.ready)
            .flat_map(|status| [&status.state, &status.last_state])
            .flatten()
            .any(ended)
    }

    /// Why it is not well; `since` has the restarts that do not count.
    fn cause(&self, kind: WorkloadKind, since: &Restarts) -> Cause {
        match self {
            Self::Workload(progress, pods) => classify_workload(kind, progress, pods, since),
            Self::TuningPod(pod) => classify_pod(pod, since),
        }
    }
}

/// What went wrong with a rollout that did not become ready in time; nothing, when it is ready by now. `before` has the
/// restarts of pods that are older than the adjustment; `requested` is named where it cannot be had.
///
/// # Errors
/// The classified failure, or the API refuses.
pub(crate) async fn of_rollout(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
    requested: &[Adjustment],
    before: &Restarts,
) -> Result<(), EventError> {
    let observed = Observed::now(cx, workload_ref).await?;
    if observed.is_ready(workload_ref.kind) {
        return Ok(());
    }
    Err(explained(cx, workload_ref, requested, observed.cause(workload_ref.kind, before)).await)
}

/// Whether containers crash in a way that time does not mend: for want of memory, or again and again.
///
/// # Errors
/// The API refuses, or the event is cancelled.
pub(super) async fn crashes_for_good(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
    before: &Restarts,
) -> Result<bool, EventError> {
    let observed = match Observed::now(cx, workload_ref).await {
        Ok(observed) => observed,
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        // Its controller may not have made the pods yet.
        Err(_) => return Ok(false),
    };
    let restarted = Restarts::of(observed.pods()).since(before);
    Ok(restarted.iter().any(|restarted| restarted.count >= CRASHES || observed.is_out_of_memory(restarted)))
}

/// What went wrong during settlement; nothing, when it is ready and has not restarted `since` it became so.
///
/// # Errors
/// As [`of_rollout`]; what was ready before is unstable.
pub(crate) async fn of_settlement(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
    requested: &[Adjustment],
    since: &Restarts,
) -> Result<(), EventError> {
    let observed = Observed::now(cx, workload_ref).await?;
    let is_well = observed.is_ready(workload_ref.kind) && !observed.has_unready_pod();
    if is_well && Restarts::of(observed.pods()).since(since).is_empty() {
        return Ok(());
    }
    Err(in_settlement(explained(cx, workload_ref, requested, observed.cause(workload_ref.kind, since)).await))
}

/// The failure that is reported, with the logs that belong in it where they are asked for.
async fn explained(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
    requested: &[Adjustment],
    cause: Cause,
) -> EventError {
    let tuning_pod = workload_ref.tuning_pod();
    let subject = match workload_ref.config.strategy.strategy() {
        Strategy::Default => Subject::Workload { kind: workload_ref.kind, name: workload_ref.name() },
        Strategy::Canary { .. } => Subject::TuningPod { name: &tuning_pod },
    };
    let logs = if workload_ref.config.shared.container_logs_in_error_status {
        Some(logs(cx, workload_ref, &cause).await)
    } else {
        None
    };
    cause.into_error(subject, requested, logs.as_ref())
}

async fn logs(cx: &EventContext, workload_ref: &WorkloadRef<'_>, cause: &Cause) -> Logs {
    let mut logs = Logs::default();
    for key in cause.wanted_logs() {
        let wanted = LogRequest { container: &key.container, previous: key.previous, limit_bytes: LOG_BYTES };
        let log = tokio::select! {
            // The failure is reported in any case.
            _ = cx.cancelled() => break,
            log = workload_ref.cluster.log(workload_ref.namespace(), &key.pod, wanted) => log,
        };
        logs.insert(key, log);
    }
    logs
}

/// The selector of the pods that a workload has of its present template.
async fn newest_pods(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
    workload: &Workload,
) -> Result<String, EventError> {
    let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
    let sets = match (workload_ref.kind, selector_text(&workload.selector)) {
        (WorkloadKind::Deployment, Some(all)) => {
            workload_ref.persist(CancelPolicy::Event(cx), || cluster.replica_sets(namespace, &all)).await?
        }
        _ => Vec::new(),
    };
    Ok(pod_selector(workload, &sets)?)
}

/// How often the containers of a workload's pods have restarted until now.
///
/// # Errors
/// The API refuses, or the event is cancelled.
pub(crate) async fn restarts(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
    workload: &Workload,
) -> Result<Restarts, EventError> {
    let selector = newest_pods(cx, workload_ref, workload).await?;
    let pods = workload_ref
        .persist(CancelPolicy::Event(cx), || workload_ref.cluster.pods(workload_ref.namespace(), &selector))
        .await?;
    Ok(Restarts::of(&pods))
}

/// The events of the pods that settle.
///
/// # Errors
/// The API refuses, or the event is cancelled.
pub(crate) async fn watch_pods(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
) -> Result<BoxStream<'static, Result<PodEvent, ApiError>>, EventError> {
    let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
    if matches!(workload_ref.config.strategy.strategy(), Strategy::Canary { .. }) {
        let pod = cluster.watch_pod(namespace, &workload_ref.tuning_pod());
        return Ok(pod.map_ok(|pod| PodEvent::Listed(pod.into_iter().collect())).boxed());
    }
    let workload = workload_ref.workload(CancelPolicy::Event(cx)).await?;
    let selector = newest_pods(cx, workload_ref, &workload).await?;
    Ok(cluster.watch_pods(namespace, &selector).boxed())
}
