//! Whether a workload or a pod is ready, judged from what the API server says of it.
//!
//! Counts that are absent are zero, so that a workload without pods can be ready.

use std::fmt;

use k8s_openapi::api::core::v1::{Pod, PodCondition};

use super::cause::Cause;
use crate::k8s::{Condition, WorkloadKind, WorkloadProgress};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// It is not yet, or not any more; with what is missing, such as `1 of 2 pods are ready`.
    NotReady(String),
}

impl Readiness {
    pub(crate) fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}

/// `ready`, or what is missing.
impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.pad("ready"),
            Self::NotReady(missing) => f.pad(missing),
        }
    }
}

/// Whether all pods of a workload are ready and made from its present template.
///
/// # Errors
/// A condition says that they never will be.
pub(crate) fn workload_readiness(kind: WorkloadKind, progress: &WorkloadProgress) -> Result<Readiness, Cause> {
    let status = &progress.status;
    if status.observed_generation != Some(progress.generation) {
        return Ok(Readiness::NotReady("its controller has not seen the change yet".to_owned()));
    }
    check_conditions(kind, &status.conditions)?;
    let missing = status.unavailable_replicas.unwrap_or(0);
    if missing != 0 {
        return Ok(Readiness::NotReady(format!("{missing} pods are unavailable")));
    }
    let wanted = progress.replicas;
    // Older stateful sets do not say how many are available.
    let available = match kind {
        WorkloadKind::Deployment => status.available_replicas,
        WorkloadKind::StatefulSet => status.available_replicas.or(Some(wanted)),
    };
    let counts = [
        ("running", status.replicas),
        ("updated", status.updated_replicas),
        ("ready", status.ready_replicas),
        ("available", available),
    ];
    let short = counts.into_iter().map(|(what, count)| (what, count.unwrap_or(0))).find(|(_, count)| *count != wanted);
    Ok(short
        .map_or(Readiness::Ready, |(what, count)| Readiness::NotReady(format!("{count} of {wanted} pods are {what}"))))
}

/// Looks for a condition that ends all hope; those of stateful sets say nothing.
///
/// # Errors
/// There is one.
pub(crate) fn check_conditions(kind: WorkloadKind, conditions: &[Condition]) -> Result<(), Cause> {
    if kind == WorkloadKind::StatefulSet {
        return Ok(());
    }
    for condition in conditions {
        match (condition.type_.as_str(), condition.status.as_str()) {
            ("ReplicaFailure", "True") | ("Progressing", "False") => return Err(Cause::Condition(condition.clone())),
            ("Available" | "Progressing", "True" | "False" | "Unknown") => {}
            ("Available" | "Progressing", _) => return Err(Cause::UnexpectedCondition(condition.clone())),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a pod runs, is ready, and is not about to go.
pub(crate) fn pod_readiness(pod: &Pod) -> Readiness {
    if pod.metadata.deletion_timestamp.is_some() {
        return Readiness::NotReady("it is being deleted".to_owned());
    }
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown");
    if phase != "Running" {
        return Readiness::NotReady(format!("its phase is {phase}"));
    }
    match ready_condition(pod) {
        Some(ready) if ready.status == "True" => Readiness::Ready,
        Some(ready) => {
            let why = ready.message.as_deref().or(ready.reason.as_deref()).unwrap_or("it does not say why");
            Readiness::NotReady(format!("it is not ready: {why}"))
        }
        None => Readiness::NotReady("it does not say whether it is ready".to_owned()),
    }
}

/// The first condition on whether a pod is ready.
pub(crate) fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    conditions(pod).iter().find(|condition| condition.type_ == "Ready")
}

/// The conditions of a pod; none when it has no status.
pub(crate) fn conditions(pod: &Pod) -> &[PodCondition] {
    pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::connectors::kubernetes::fixtures;

    fn progress(replicas: i32, status: Json) -> WorkloadProgress {
        let status = serde_json::from_value(status).expect("a status of the API");
        WorkloadProgress { generation: 2, replicas, status }
    }

    fn check(kind: WorkloadKind, replicas: i32, status: &Json, expected: &str) {
        let readiness = workload_readiness(kind, &progress(replicas, status.clone()));
        let text = readiness.map_or_else(|cause| format!("{cause:?}"), |readiness| readiness.to_string());
        assert!(text.starts_with(expected), "{status}: {text}");
    }

    fn deployment(replicas: i32, status: &Json, expected: &str) {
        check(WorkloadKind::Deployment, replicas, status, expected);
    }

    #[test]
    fn a_workload_is_ready_when_all_counts_are_what_is_wanted() {
        let seen = |replicas: i32, updated: i32, ready: i32, available: i32| {
            json!({
                "observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready,
                "availableReplicas": available,
            })
        };
        deployment(2, &seen(2, 2, 2, 2), "ready");
        deployment(2, &seen(3, 2, 2, 2), "3 of 2 pods are running");
        deployment(2, &seen(2, 1, 2, 2), "1 of 2 pods are updated");
        deployment(2, &seen(2, 2, 0, 2), "0 of 2 pods are ready");
        deployment(2, &seen(2, 2, 2, 1), "1 of 2 pods are available");
        let mut status = seen(2, 2, 2, 2);
        status["unavailableReplicas"] = 1.into();
        deployment(2, &status, "1 pods are unavailable");
        status["observedGeneration"] = 1.into();
        deployment(2, &status, "its controller has not seen the change yet");
        deployment(0, &json!({ "observedGeneration": 2 }), "ready");
        deployment(1, &json!({}), "its controller has not seen the change yet");
        let old = json!({ "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1 });
        deployment(1, &old, "0 of 1 pods are available");
        check(WorkloadKind::StatefulSet, 1, &old, "ready");
    }

    #[test]
    fn every_condition_of_a_deployment_is_looked_at() {
        for (type_, state, expected) in [
            ("Progressing", "False", "Condition("),
            ("ReplicaFailure", "True", "Condition("),
            ("ReplicaFailure", "False", "ready"),
            ("Available", "False", "ready"),
            ("Progressing", "Unknown", "ready"),
            ("Available", "Perhaps", "UnexpectedCondition("),
            ("Other", "Perhaps", "ready"),
        ] {
            let status = json!({
                "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                "availableReplicas": 1,
                "conditions": [
                    { "type": "Available", "status": "True" },
                    { "type": type_, "status": state, "reason": "R", "message": "M" },
                ],
            });
            deployment(1, &status, expected);
            check(WorkloadKind::StatefulSet, 1, &status, "ready");
        }
    }

    #[test]
    fn a_pod_is_ready_when_it_runs_and_says_so() {
        let unready =
            json!([{ "type": "Ready", "status": "False", "message": "M" }, { "type": "Ready", "status": "True" }]);
        for (status, expected) in [
            (json!({}), "ready"),
            (json!({ "phase": "Pending" }), "its phase is Pending"),
            (json!({ "phase": "Succeeded" }), "its phase is Succeeded"),
            (json!({ "conditions": unready }), "it is not ready: M"),
            (json!({ "conditions": null }), "it does not say whether it is ready"),
        ] {
            assert_eq!(pod_readiness(&fixtures::pod("web-tuning", &status)).to_string(), expected);
        }
        let mut pod = fixtures::pod("web-tuning", &json!({}));
        pod.metadata.deletion_timestamp = serde_json::from_value(json!("2023-06-15T00:00:05Z")).expect("a time");
        assert_eq!(pod_readiness(&pod).to_string(), "it is being deleted");
    }
}
