//! One workload on its way through an adjustment: written to, waited for, watched, described.

use super::undo_record::OwnRecord;
use super::workload_state::{Adjustable, Intent, WorkloadState, read_tuning_pod};
use super::{tuning_pod, workload};
use crate::connector::{AdjustRequest, ErrorKind, EventContext, EventError, NOT_APPLIED, OVERWRITTEN};
use crate::connectors::kubernetes::FailureMode;
use crate::connectors::kubernetes::plan::fields::{Field, FieldValue};
use crate::connectors::kubernetes::plan::workload::Plan;
use crate::connectors::kubernetes::watch::restarts::Restarts;
use crate::connectors::kubernetes::watch::rollout::{self, Arrival, Expected};
use crate::connectors::kubernetes::watch::verification::{self, Applied};
use crate::connectors::kubernetes::watch::{diagnosis, disturbance};
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, Deadline, WorkloadRef};
use crate::types::{Adjustment, Component, Duration};

/// One workload on its way through an adjustment.
pub(crate) struct Attempt<'a> {
    pub(crate) state: WorkloadState<'a>,
    /// The adjustments that are its own.
    requested: Vec<Adjustment>,
    /// What was applied before, and what this adjustment asks for.
    before: Applied,
    asked: Vec<FieldValue>,
    /// The fields that had what was asked for when the API server last answered.
    accepted: Vec<Field>,
    pub(crate) written: Written,
}

/// What an adjustment has written, or may have written when a request was cut off.
pub(crate) enum Written {
    Nothing,
    /// Fields of the workload; with their record, when they may have to be restored.
    Fields(Option<Box<OwnRecord>>),
    /// A tuning pod in place of what there was.
    Pod,
}

impl<'a> Attempt<'a> {
    /// An adjustment that asks for these values, after others that are in force.
    pub(crate) fn new(state: WorkloadState<'a>, asked: Vec<FieldValue>, before: Applied) -> Self {
        let (requested, accepted) = (Vec::new(), Vec::new());
        Self { state, requested, before, asked, accepted, written: Written::Nothing }
    }

    pub(crate) fn workload_ref(&self) -> &WorkloadRef<'a> {
        &self.state.workload_ref
    }

    pub(crate) fn mode(&self) -> FailureMode {
        self.workload_ref().mode()
    }

    /// How long it is watched: as the command says, else the configuration.
    pub(crate) fn settlement(&self, request: &AdjustRequest) -> Duration {
        let asked = request.control.settlement.filter(|time| !time.is_zero());
        asked.or(self.workload_ref().config.shared.settlement).unwrap_or(Duration::ZERO).max(Duration::ZERO)
    }

    /// Writes what is to be written and waits until it is true.
    pub(crate) async fn apply(&mut self, cx: &EventContext, intent: Intent) -> Result<(), EventError> {
        let workload_ref = *self.workload_ref();
        let (arrival, before) = match intent {
            Intent::Keep => {
                self.accept();
                let before = diagnosis::restarts(cx, &workload_ref, &self.state.workload).await?;
                (self.rolled_out(cx, &before).await?, before)
            }
            Intent::Patch(plan) => {
                self.requested.clone_from(&plan.adjustments);
                // Pods that a new template replaces are younger than the adjustment.
                let replaces_pods = plan.patch["spec"].get("template").is_some();
                let before = if replaces_pods {
                    self.state.stale_revision.clone_from(&self.state.workload.status.update_revision);
                    Restarts::default()
                } else {
                    diagnosis::restarts(cx, &workload_ref, &self.state.workload).await?
                };
                self.has_room().await?;
                // Before it is sent: it may be carried out without an answer.
                self.written = Written::Fields(self.record(&plan, cx).await?);
                self.state.workload = workload::patch(&workload_ref, &plan.patch, CancelPolicy::Event(cx)).await?;
                self.accept();
                if let Written::Fields(Some(record)) = &mut self.written {
                    record.accept(&workload_ref, &self.state.workload, CancelPolicy::Event(cx)).await?;
                }
                (self.rolled_out(cx, &before).await?, before)
            }
            Intent::Replace(pod, adjustments) => {
                self.requested = adjustments;
                self.written = Written::Pod;
                tuning_pod::replace(&workload_ref, &pod, CancelPolicy::Event(cx)).await?;
                (rollout::pod_ready(&workload_ref, CancelPolicy::Event(cx)).await?, Restarts::default())
            }
        };
        match arrival {
            Arrival::Ready => Ok(()),
            Arrival::TimedOut => diagnosis::of_rollout(cx, &workload_ref, &self.requested, &before).await,
        }
    }

    /// Makes sure that a node is large enough, where all pods are ended before new ones are made: none might be left.
    /// Without the right to list nodes nothing is known of them.
    async fn has_room(&self) -> Result<(), EventError> {
        if self.state.workload.update.type_ != "Recreate" {
            return Ok(());
        }
        let nodes = match self.workload_ref().cluster.allocatable().await {
            Ok(nodes) => nodes,
            Err(error) => {
                tracing::debug!(%error, "it is not known how large the nodes are");
                return Ok(());
            }
        };
        let exceeding = self.asked.iter().find(|asked| nodes.iter().all(|node| asked.exceeds(node)));
        match exceeding.filter(|_| !nodes.is_empty()) {
            None => Ok(()),
            Some(FieldValue { field, value }) => Err(EventError::rejected(
                format!(
                    "{}: no node has room for {field} of {value}, and its strategy Recreate would have ended its pods \
                     first: nothing was changed",
                    self.workload_ref()
                ),
                "unschedulable",
            )),
        }
    }

    /// Takes down which values the workload has as it was read last.
    fn accept(&mut self) {
        let workload = &self.state.workload;
        let has = |asked: &&FieldValue| asked.field.same(&asked.field.read(workload), &asked.value);
        self.accepted = self.asked.iter().filter(has).map(|asked| asked.field.clone()).collect();
    }

    /// The result of a step, or that the values that were asked for are not in force: then whatever failed did not fail by
    /// them.
    pub(crate) async fn verified(&self, cx: &EventContext, result: Result<(), EventError>) -> Result<(), EventError> {
        let is_cancelled = |error: &EventError| error.kind() == ErrorKind::Cancelled;
        let was_written = !self.accepted.is_empty() || result.is_ok();
        if !was_written || result.as_ref().is_err_and(is_cancelled) {
            return result;
        }
        let accepted = |field: &Field| self.accepted.contains(field);
        let found = if result.is_ok() {
            let stale_revision = self.state.stale_revision.clone();
            let applied = Applied { values: self.asked.clone(), tuning_pod: None, stale_revision };
            verification::verify(self.workload_ref(), &applied, accepted, CancelPolicy::Event(cx)).await
        } else {
            verification::verify_template(self.workload_ref(), &self.asked, accepted, CancelPolicy::Event(cx)).await
        };
        match (result, found) {
            (Ok(()), Ok(())) => self.undisturbed(cx).await,
            (Ok(()), found) => found,
            (Err(failure), Err(difference)) if matches!(difference.reason(), Some(NOT_APPLIED | OVERWRITTEN)) => {
                let noted = EventError::new(difference.kind(), format!("{difference}; seen as: {}", failure.chain()));
                Err(noted.with_reason(difference.reason().unwrap_or(OVERWRITTEN)))
            }
            (Err(failure), _) if failure.reason() == Some(OVERWRITTEN) => Err(failure),
            (Err(failure), _) => match self.undisturbed(cx).await {
                Err(disturbance) if disturbance.reason() == Some(OVERWRITTEN) => {
                    Err(EventError::aborted(format!("{disturbance}; seen as: {}", failure.chain()), OVERWRITTEN))
                }
                _ => Err(failure),
            },
        }
    }

    /// Makes sure that nobody else has changed the workload since it was written.
    async fn undisturbed(&self, cx: &EventContext) -> Result<(), EventError> {
        let Written::Fields(_) = &self.written else { return Ok(()) };
        let now = self.workload_ref().workload(CancelPolicy::Event(cx)).await?;
        if now.generation <= self.state.workload.generation {
            return Ok(());
        }
        Err(disturbance::of(&now))
    }

    /// What is in force after it has succeeded.
    pub(crate) fn applied(&self) -> Applied {
        let tuning_pod = match &self.state.adjustable {
            Adjustable::TuningPod { pod: Some(pod), .. } => pod["metadata"]["uid"].as_str().map(str::to_owned),
            Adjustable::TuningPod { pod: None, .. } | Adjustable::Workload => None,
        };
        let stale_revision = self.state.stale_revision.clone();
        Applied { tuning_pod, stale_revision, ..self.before.clone().with(&self.asked) }
    }

    /// The record of what a plan changes, where it may have to be rolled back.
    async fn record(&self, plan: &Plan, cx: &EventContext) -> Result<Option<Box<OwnRecord>>, EventError> {
        if self.mode() != FailureMode::Rollback {
            return Ok(None);
        }
        let (workload_ref, workload) = (self.workload_ref(), &self.state.workload);
        let record = OwnRecord::create(workload_ref, workload, &plan.undo, CancelPolicy::Event(cx)).await?;
        Ok(Some(Box::new(record)))
    }

    /// Waits until the workload is rolled out as it is now.
    async fn rolled_out(&self, cx: &EventContext, before: &Restarts) -> Result<Arrival, EventError> {
        let expected = Expected { generation: Some(self.state.workload.generation), crashes: Some((cx, before)) };
        rollout::workload_ready(self.workload_ref(), CancelPolicy::Event(cx), expected).await
    }

    /// Watches it for its settlement time. Where failures are ignored, it goes on after one.
    pub(crate) async fn settle(&self, cx: &EventContext, time: Duration) -> Result<(), EventError> {
        if time.is_zero() {
            return Ok(());
        }
        let end = Deadline::after(time.to_std());
        let result = rollout::settle(cx, self.workload_ref(), &self.requested, end).await;
        if self.mode() == FailureMode::Ignore
            && result.as_ref().is_err_and(|error| error.kind() != ErrorKind::Cancelled)
        {
            cx.unless_cancelled(end.passed()).await?;
        }
        result
    }

    /// Deletes the record, so that nothing is restored any more.
    pub(crate) async fn finish(&self, cx: &EventContext) -> Result<(), EventError> {
        match &self.written {
            Written::Fields(Some(record)) => record.delete(self.workload_ref(), CancelPolicy::Event(cx)).await,
            Written::Fields(None) | Written::Nothing | Written::Pod => Ok(()),
        }
    }

    /// Its components as they are now: others may have changed what was written.
    pub(crate) async fn describe(&mut self, cx: &EventContext) -> Result<Vec<Component>, EventError> {
        let workload_ref = *self.workload_ref();
        match (&self.written, &mut self.state.adjustable) {
            (Written::Fields(_), _) => self.state.workload = workload_ref.workload(CancelPolicy::Event(cx)).await?,
            (_, Adjustable::TuningPod { pod, .. }) => {
                *pod = read_tuning_pod(&workload_ref, CancelPolicy::Event(cx)).await?;
            }
            (_, Adjustable::Workload) => {}
        }
        self.state.look_at_pods(CancelPolicy::Event(cx)).await?;
        self.state.components()
    }
}
