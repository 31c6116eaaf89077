//! Waiting for what was written to become true: a workload or a tuning pod that becomes ready, one that goes, and one
//! that stays well while it settles.
//!
//! One watch per workload at a time, and nothing is polled: a watch tells when to look, and what decides is a fresh
//! reading. A watch that ends says nothing; the client begins it anew.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::{Instant, interval_at};

use super::readiness::{pod_readiness, workload_readiness};
use super::restarts::Restarts;
use super::{blocking_pods, diagnosis, disturbance};
use crate::connector::{EventContext, EventError};
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, Deadline, WorkloadRef, failed};
use crate::k8s::{PodEvent, WorkloadKind, WorkloadProgress};
use crate::progress::{self, EVENT_INTERVAL};
use crate::types::{self, Adjustment};

/// How often progress of settlement is reported.
const SETTLEMENT_INTERVAL: Duration = Duration::from_secs(5);

/// How long a controller may say that it fails before it is believed: right after a change it still speaks of pods that
/// are on their way out.
const CONDITION_GRACE: Duration = Duration::from_secs(2);

/// The same for pods that cannot be created while nothing else progresses: a quota is freed by pods that end.
const QUOTA_GRACE: Duration = Duration::from_secs(6);

/// How often the pods of a workload that is not ready are looked at.
const LOOK: Duration = Duration::from_secs(3);

/// Whether something became ready in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    Ready,
    /// Its time is over, or its controller has given up.
    TimedOut,
}

/// What is expected of a workload while it is waited for. The default only expects it to become ready.
#[derive(Clone, Copy, Default)]
pub(crate) struct Expected<'a> {
    /// The generation that was written: a higher one is somebody else's change.
    pub generation: Option<i64>,
    /// Whether crashes end the wait, and the restarts that do not count.
    pub crashes: Option<(&'a EventContext, &'a Restarts)>,
}

/// Waits until a workload has as many ready pods of its present template as it should have. Pods of an older template
/// that block a stateful set are deleted.
///
/// # Errors
/// Somebody else changes it; it is deleted; the API refuses; or the wait is called off.
pub(crate) async fn workload_ready(
    workload_ref: &WorkloadRef<'_>,
    policy: CancelPolicy<'_>,
    expected: Expected<'_>,
) -> Result<Arrival, EventError> {
    let (mut cancelled, mut deadline) = (pin!(policy.ends()), pin!(workload_ref.deadline().passed()));
    let begin = Instant::now();
    let mut changes =
        pin!(workload_ref.cluster.watch_workload(workload_ref.kind, workload_ref.namespace(), workload_ref.name()));
    let mut grace = Grace::default();
    let mut look = interval_at(begin + LOOK, LOOK);
    loop {
        let change = tokio::select! {
            error = &mut cancelled => return Err(error),
            () = &mut deadline => return Ok(Arrival::TimedOut),
            () = grace.over() => {
                if grace.is_conclusive(workload_ref, policy).await? {
                    return Ok(Arrival::TimedOut);
                }
                continue;
            }
            _ = look.tick() => {
                if workload_ref.kind == WorkloadKind::StatefulSet {
                    blocking_pods::delete_next(workload_ref, policy).await?;
                }
                if let Some((cx, before)) = expected.crashes
                    && diagnosis::crashes_for_good(cx, workload_ref, before).await?
                {
                    return Ok(Arrival::TimedOut);
                }
                continue;
            }
            change = changes.next() => change,
        };
        let Some(progress) = change.transpose().map_err(failed)?.flatten() else {
            return Err(gone(workload_ref));
        };
        if expected.generation.is_some_and(|generation| progress.generation > generation) {
            return Err(disturbance::of(&workload_ref.workload(policy).await?));
        }
        match workload_readiness(workload_ref.kind, &progress) {
            Ok(readiness) if readiness.is_ready() => {
                tracing::debug!(workload = %workload_ref, milliseconds = begin.elapsed().as_millis(), "rolled out");
                return Ok(Arrival::Ready);
            }
            Ok(readiness) => {
                grace = Grace::default();
                tracing::debug!(workload = %workload_ref, "not ready: {readiness}");
            }
            Err(_) => grace.begin(progress),
        }
    }
}

/// How long a controller may say that it fails before it is believed.
#[derive(Default)]
struct Grace {
    end: Option<Deadline>,
    /// What its controller said last.
    progress: WorkloadProgress,
}

impl Grace {
    async fn over(&self) {
        self.end.unwrap_or(Deadline::NEVER).passed().await;
    }

    /// Its controller says that it fails. While it gets on all the same, it is not believed.
    fn begin(&mut self, progress: WorkloadProgress) {
        let has_progressed = counts(&progress) != counts(&self.progress);
        if self.end.is_none() || has_progressed {
            let time = if lacks_pods(&progress) { QUOTA_GRACE } else { CONDITION_GRACE };
            self.end = Some(Deadline::after(time));
        }
        self.progress = progress;
    }

    /// Whether the controller is believed now. Pods that cannot be created for a quota may be when others have ended.
    async fn is_conclusive(
        &mut self,
        workload_ref: &WorkloadRef<'_>,
        policy: CancelPolicy<'_>,
    ) -> Result<bool, EventError> {
        if lacks_pods(&self.progress) && blocking_pods::is_any_ending(workload_ref, policy).await? {
            self.end = Some(Deadline::after(CONDITION_GRACE));
            return Ok(false);
        }
        Ok(true)
    }
}

fn lacks_pods(progress: &WorkloadProgress) -> bool {
    let mut conditions = progress.status.conditions.iter();
    conditions.any(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")
        && !progress
            .status
            .conditions
            .iter()
            .any(|condition| condition.type_ == "Progressing" && condition.status == "False")
}

fn counts(progress: &WorkloadProgress) -> [Option<i32>; 5] {
    let status = &progress.status;
    [
        status.replicas,
        status.updated_replicas,
        status.ready_replicas,
        status.available_replicas,
        status.unavailable_replicas,
    ]
}

/// Waits until a tuning pod is running and ready.
///
/// # Errors
/// It is deleted; the API refuses; or the wait is called off.
pub(crate) async fn pod_ready(workload_ref: &WorkloadRef<'_>, policy: CancelPolicy<'_>) -> Result<Arrival, EventError> {
    let (mut cancelled, mut deadline) = (pin!(policy.ends()), pin!(workload_ref.deadline().passed()));
    let (name, begin) = (workload_ref.tuning_pod(), Instant::now());
    let mut changes = pin!(workload_ref.cluster.watch_pod(workload_ref.namespace(), &name));
    loop {
        let change = tokio::select! {
            error = &mut cancelled => return Err(error),
            () = &mut deadline => return Ok(Arrival::TimedOut),
            change = changes.next() => change,
        };
        let Some(pod) = change.transpose().map_err(failed)?.flatten() else {
            return Err(EventError::adjustment_failed(format!(
                "the pod \"{name}\" of {workload_ref} was deleted while it was awaited"
            )));
        };
        if pod_readiness(&pod).is_ready() {
            tracing::debug!(workload = %workload_ref, pod = name, milliseconds = begin.elapsed().as_millis(), "rolled out");
            return Ok(Arrival::Ready);
        }
    }
}

/// Waits until there is no tuning pod of this identity.
///
/// # Errors
/// It is still there when the workload's time is over; the API refuses; or the wait is called off.
pub(crate) async fn pod_gone(
    workload_ref: &WorkloadRef<'_>,
    uid: Option<&str>,
    policy: CancelPolicy<'_>,
) -> Result<(), EventError> {
    let (mut cancelled, mut deadline) = (pin!(policy.ends()), pin!(workload_ref.deadline().passed()));
    let name = workload_ref.tuning_pod();
    let mut changes = pin!(workload_ref.cluster.watch_pod(workload_ref.namespace(), &name));
    loop {
        let change = tokio::select! {
            error = &mut cancelled => return Err(error),
            () = &mut deadline => {
                let timeout = workload_ref.config.shared.timeout;
                return Err(EventError::adjustment_failed(format!(
                    "timed out after {timeout} waiting for the pod \"{name}\" of {workload_ref} to end"
                )));
            }
            change = changes.next() => change,
        };
        match change.transpose().map_err(failed)?.flatten() {
            Some(pod) if pod.metadata.uid.as_deref() == uid => {}
            _ => return Ok(()),
        }
    }
}

fn gone(workload_ref: &WorkloadRef<'_>) -> EventError {
    EventError::adjustment_failed(format!("{workload_ref} does not exist: was it deleted, or is its name another one?"))
}

/// Watches the pods of an adjusted workload until `end`: they must stay ready and must not restart.
///
/// # Errors
/// The classified failure; the API refuses; or the event is cancelled.
pub(crate) async fn settle(
    cx: &EventContext,
    workload_ref: &WorkloadRef<'_>,
    requested: &[Adjustment],
    end: Deadline,
) -> Result<(), EventError> {
    let mut end = pin!(end.passed());
    let mut events = diagnosis::watch_pods(cx, workload_ref).await?;
    let (nothing, mut since) = (Restarts::default(), None);
    loop {
        let event = tokio::select! {
            error = cx.cancelled() => return Err(error),
            () = &mut end => break,
            event = events.next() => event,
        };
        if is_suspicious(event.transpose().map_err(failed)?, &mut since) {
            diagnosis::of_settlement(cx, workload_ref, requested, since.as_ref().unwrap_or(&nothing)).await?;
        }
    }
    diagnosis::of_settlement(cx, workload_ref, requested, since.as_ref().unwrap_or(&nothing)).await
}

/// Whether there is reason for a closer look. The first list says how often the pods have restarted until then.
fn is_suspicious(event: Option<PodEvent>, since: &mut Option<Restarts>) -> bool {
    let (pods, is_all) = match event {
        None | Some(PodEvent::Deleted(_)) => return true,
        Some(PodEvent::Listed(pods)) => (pods, true),
        Some(PodEvent::Applied(pod)) => (vec![*pod], false),
    };
    let restarts = Restarts::of(&pods);
    let since = since.get_or_insert_with(|| restarts.clone());
    let is_unwell = |pod: &Pod| !pod_readiness(pod).is_ready();
    (is_all && pods.is_empty()) || pods.iter().any(is_unwell) || !restarts.since(since).is_empty()
}

/// Does something that may take up to `total`, with progress reports on the way.
pub(crate) async fn reporting<T>(
    cx: &EventContext,
    total: Duration,
    text: &str,
    interval: Duration,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let report = |progress: &progress::DurationProgress| cx.progress(progress.percent(), &progress.describe(text));
    tokio::select! {
        biased;
        done = &mut work => return done,
        // A cancelled event ends the reports; the work sees to its own end.
        _ = progress::wait(cx, total, interval, report) => {}
    }
    work.await
}

/// As [`reporting`], for waits that end as soon as something is ready.
pub(crate) async fn awaiting<T>(
    cx: &EventContext,
    limit: types::Duration,
    what: &str,
    work: impl Future<Output = T>,
) -> T {
    let text = format!("waiting up to {limit} for {what}");
    reporting(cx, limit.to_std(), &text, EVENT_INTERVAL.min(limit.to_std()), work).await
}

pub(crate) async fn settling<T>(cx: &EventContext, duration: types::Duration, work: impl Future<Output = T>) -> T {
    let text = format!("waiting {duration} for pods to settle...");
    reporting(cx, duration.to_std(), &text, SETTLEMENT_INTERVAL, work).await
}
