//! Whether a workload and its pods have the values that an adjustment gave them, and who changed them if not.
//!
//! The template alone does not tell: an admission webhook, a limit range or a vertical autoscaler may change pods when
//! they are created.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value as Json;

use super::live_pods::live_pods;
use crate::connector::{ErrorKind, EventError, NOT_APPLIED, OVERWRITTEN};
use crate::connectors::kubernetes::Strategy;
use crate::connectors::kubernetes::plan::fields::{Field, FieldValue};
use crate::connectors::kubernetes::plan::workload::put;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::{FieldManager, RunningPod, Workload, other_manager};

/// The most differences that a message tells: pods of one workload differ alike.
const MOST_DIFFERENCES: usize = 6;

/// What the adjustments until now gave one workload or its tuning pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Applied {
    /// At most one for each field.
    pub values: Vec<FieldValue>,
    /// The identity of the tuning pod that has them.
    pub tuning_pod: Option<String>,
    /// The revision of a stateful set whose pods do not have them.
    pub stale_revision: Option<String>,
}

/// What is in force by adjustments of this process, by workload.
#[derive(Debug, Default)]
pub(crate) struct AppliedValues(Mutex<BTreeMap<String, Applied>>);

impl AppliedValues {
    /// What was applied to a workload last; nothing is known of it afterwards.
    pub(crate) fn take(&self, workload_ref: &WorkloadRef<'_>) -> Applied {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&workload_ref.to_string()).unwrap_or_default()
    }

    pub(crate) fn get(&self, workload_ref: &WorkloadRef<'_>) -> Applied {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&workload_ref.to_string())
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn set(&self, workload_ref: &WorkloadRef<'_>, applied: Applied) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(workload_ref.to_string(), applied);
    }
}

impl Applied {
    /// This with newer values, which count for the fields in both.
    pub(crate) fn with(mut self, newer: &[FieldValue]) -> Self {
        for value in newer {
            put(&mut self.values, value.clone());
        }
        self
    }
}

/// A value that is not what was asked for.
#[derive(Debug, Clone, PartialEq)]
struct Difference {
    asked: FieldValue,
    /// Null when the field is not there.
    found: Json,
    /// The pod that has it; `None` for the workload itself.
    pod: Option<String>,
    manager: Option<FieldManager>,
}

/// Makes sure that the template of a workload has these values, whatever its pods have: they may not be made yet.
///
/// # Errors
/// As [`verify`].
pub(crate) async fn verify_template(
    workload_ref: &WorkloadRef<'_>,
    values: &[FieldValue],
    accepted: impl Fn(&Field) -> bool,
    cancel_policy: CancelPolicy<'_>,
) -> Result<(), EventError> {
    if values.is_empty() || matches!(workload_ref.config.strategy.strategy(), Strategy::Canary { .. }) {
        return Ok(());
    }
    told(workload_ref, &of_template(values, &workload_ref.workload(cancel_policy).await?), accepted)
}

/// Makes sure that a workload and the pods of its present template, or its tuning pod, have these values. `accepted`
/// tells which of them the API server has confirmed.
///
/// # Errors
/// They differ, with reason `not-applied` or `overwritten`; the API refuses; or the wait is called off.
pub(crate) async fn verify(
    workload_ref: &WorkloadRef<'_>,
    applied: &Applied,
    accepted: impl Fn(&Field) -> bool,
    cancel_policy: CancelPolicy<'_>,
) -> Result<(), EventError> {
    if applied.values.is_empty() {
        return Ok(());
    }
    if let Strategy::Canary { .. } = workload_ref.config.strategy.strategy() {
        let name = workload_ref.tuning_pod();
        let pod = workload_ref
            .persist(cancel_policy, || workload_ref.cluster.running_pod(workload_ref.namespace(), &name))
            .await?;
        let pod = pod.filter(|pod| applied.tuning_pod.as_deref().is_none_or(|uid| uid == pod.uid()));
        let Some(pod) = pod else {
            let message = format!("the tuning pod \"{name}\" of {workload_ref} that had the adjusted settings is gone");
            return Err(EventError::adjustment_failed(message).with_reason(OVERWRITTEN));
        };
        return told(workload_ref, &of_pods(&applied.values, std::slice::from_ref(&pod)), |_| false);
    }
    let workload = workload_ref.workload(cancel_policy).await?;
    let mut differences = of_template(&applied.values, &workload);
    if differences.is_empty() {
        differences = of_pods(
            &applied.values,
            &live_pods(workload_ref, &workload, applied.stale_revision.as_deref(), cancel_policy).await?,
        );
    }
    told(workload_ref, &differences, accepted)
}

fn of_template(asked: &[FieldValue], workload: &Workload) -> Vec<Difference> {
    let different = asked.iter().filter_map(|asked| {
        let found = asked.field.read(workload);
        let manager = || {
            let is_sidecar = workload.sidecars().any(|sidecar| asked.field.container() == Some(sidecar.name()));
            let path = asked.field.managed_path(&["f:spec", "f:template", "f:spec"], is_sidecar);
            other_manager(&workload.managed_fields, &path)
        };
        let is_different = !asked.field.same(&found, &asked.value);
        is_different.then(|| Difference { asked: asked.clone(), found, pod: None, manager: manager() })
    });
    different.collect()
}

/// A pod that lacks the container does not count.
fn of_pods(asked: &[FieldValue], pods: &[RunningPod]) -> Vec<Difference> {
    let of_pod = |pod: &RunningPod| -> Vec<Difference> {
        let different = asked.iter().filter_map(|asked| {
            let container = pod.container(asked.field.container()?)?;
            let found = asked.field.read_in(container);
            if asked.field.same(&found, &asked.value) {
                return None;
            }
            let path = asked.field.managed_path(&["f:spec"], container.raw().get("restartPolicy").is_some());
            // The creator of a pod owns all of its fields.
            let manager = other_manager(pod.managed_fields(), &path);
            let manager = manager.filter(|manager| manager.name != CONTROLLERS);
            Some(Difference { asked: asked.clone(), found, pod: Some(pod.name().to_owned()), manager })
        });
        different.collect()
    };
    pods.iter().flat_map(of_pod).collect()
}

/// The manager that creates the pods of workloads.
const CONTROLLERS: &str = "kube-controller-manager";

fn told(
    workload_ref: &WorkloadRef<'_>,
    differences: &[Difference],
    accepted: impl Fn(&Field) -> bool,
) -> Result<(), EventError> {
    if differences.is_empty() {
        return Ok(());
    }
    let was_there = |difference: &Difference| {
        difference.manager.is_some() || (difference.pod.is_none() && accepted(&difference.asked.field))
    };
    let reason = if differences.iter().any(was_there) { OVERWRITTEN } else { NOT_APPLIED };
    let texts = differences.iter().take(MOST_DIFFERENCES).map(|difference| text(difference, &accepted));
    let mut texts: Vec<String> = texts.collect();
    if let more @ 1.. = differences.len().saturating_sub(MOST_DIFFERENCES) {
        texts.push(format!("and {more} more"));
    }
    let message = format!("{workload_ref} does not have what was asked for: {}", texts.join("; "));
    Err(EventError::new(ErrorKind::AdjustmentFailed, message).with_reason(reason))
}

fn text(difference: &Difference, accepted: &impl Fn(&Field) -> bool) -> String {
    let Difference { asked, found, pod, manager } = difference;
    let of_container = asked.field.container().map(|name| format!(" of container \"{name}\"")).unwrap_or_default();
    let place = match (pod, &asked.field) {
        (Some(pod), _) => format!(" in pod \"{pod}\""),
        (None, Field::Replicas) => String::new(),
        (None, _) => " in its pod template".to_owned(),
    };
    let why = match (manager, pod) {
        (Some(manager), _) => format!(", changed by {manager}"),
        (None, Some(_)) => ", changed when the pod was created, such as by an admission webhook, a LimitRange or a \
                            VerticalPodAutoscaler"
            .to_owned(),
        (None, None) if accepted(&asked.field) => {
            ", changed since by somebody whom the API server does not name".to_owned()
        }
        (None, None) => ", changed when it was written, such as by an admission webhook".to_owned(),
    };
    format!("{}{of_container}: asked for {}, found {}{place}{why}", asked.field, shown(&asked.value), shown(found))
}

/// A quantity, a count, or the value of a variable's entry.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::String(text) => text.clone(),
        Json::Object(entry) => match entry.get("value") {
            Some(Json::String(text)) => format!("\"{text}\""),
            _ if entry.contains_key("valueFrom") => "a reference".to_owned(),
            _ => "\"\"".to_owned(),
        },
        other => other.to_string(),
    }
}
