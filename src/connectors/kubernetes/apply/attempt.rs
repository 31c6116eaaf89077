//! One workload on its way through an adjustment: written to, waited for, watched, described.

use serde_json::Value as Json;

use super::workload_state::{Adjustable, Intent, WorkloadState, read_tuning_pod};
use super::{tuning_pod, workload};
use crate::connector::{AdjustRequest, ErrorKind, EventContext, EventError, NOT_APPLIED, OVERWRITTEN};
use crate::connectors::kubernetes::FailureMode;
use crate::connectors::kubernetes::plan::fields::{Field, FieldValue};
use crate::connectors::kubernetes::plan::targets::targets;
use crate::connectors::kubernetes::plan::undo::{ROLLBACK_ANNOTATION, Undo};
use crate::connectors::kubernetes::plan::workload::Plan;
use crate::connectors::kubernetes::watch::diagnosis;
use crate::connectors::kubernetes::watch::restarts::Restarts;
use crate::connectors::kubernetes::watch::rollout::{self, Arrival};
use crate::connectors::kubernetes::watch::verification::{self, Applied};
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
    /// Fields of the workload; their old values, when they may have to be restored.
    Fields(Option<Undo>),
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
                (rollout::workload_ready(&workload_ref, CancelPolicy::Event(cx)).await?, before)
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
                let (patch, undo) = self.reversible(plan)?;
                // Before it is sent: it may be carried out without an answer.
                self.written = Written::Fields(undo);
                self.state.workload = workload::patch(&workload_ref, &patch, CancelPolicy::Event(cx)).await?;
                self.accept();
                (rollout::workload_ready(&workload_ref, CancelPolicy::Event(cx)).await?, before)
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
            (Ok(()), found) => found,
            (Err(failure), Err(difference)) if matches!(difference.reason(), Some(NOT_APPLIED | OVERWRITTEN)) => {
                let noted = EventError::new(difference.kind(), format!("{difference}; seen as: {}", failure.chain()));
                Err(noted.with_reason(difference.reason().unwrap_or(OVERWRITTEN)))
            }
            (failed, _) => failed,
        }
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

    /// The patch of a plan. Where it may have to be rolled back, the workload carries its old values with it, those of
    /// an earlier adjustment that was never finished before all others.
    fn reversible(&self, plan: Plan) -> Result<(Json, Option<Undo>), EventError> {
        if self.mode() != FailureMode::Rollback {
            return Ok((plan.patch, None));
        }
        let older =
            Undo::left_on(&self.state.workload).map_err(|error| EventError::adjustment_failed(error.to_string()))?;
        let undo = match older {
            Some(older) => plan.undo.clone().covering(&older),
            None => plan.undo.clone(),
        };
        Ok((plan.patch_leaving(&undo), Some(undo)))
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

    /// Takes the old values off it, also those of an earlier adjustment whose values it was given again, so that no
    /// start restores them.
    pub(crate) async fn finish(&mut self, cx: &EventContext, adjustments: &[Adjustment]) -> Result<(), EventError> {
        let workload_ref = *self.workload_ref();
        let carries_values = self.state.workload.annotations.contains_key(ROLLBACK_ANNOTATION);
        if carries_values && self.is_addressed(adjustments) {
            workload::patch(&workload_ref, &Undo::forgotten(), CancelPolicy::Event(cx)).await?;
        }
        Ok(())
    }

    /// Whether its own fields are adjusted, be it to what they are.
    fn is_addressed(&self, adjustments: &[Adjustment]) -> bool {
        let targets = match self.state.adjustable {
            Adjustable::Workload => targets(self.workload_ref().config).unwrap_or_default(),
            Adjustable::TuningPod { .. } => Vec::new(),
        };
        adjustments.iter().any(|adjustment| targets.iter().any(|target| target.component == adjustment.component_name))
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
