//! What happened to pods while they were measured: a measurement of pods that restarted, were evicted or deleted says
//! nothing about the settings that it is taken for.
//!
//! Restarts are the settings' doing: a container ran out of memory, crashed, or did not answer its liveness probe. A pod
//! that is lost is somebody else's: an eviction, a node, a person.

use std::collections::BTreeMap;

use super::live_pods::selector;
use super::readiness::workload_readiness;
use super::rollout::{self, Arrival, Expected};
use crate::connector::{ErrorKind, EventError, NOT_MEASURED};
use crate::connectors::kubernetes::Strategy;
use crate::connectors::kubernetes::watch::cause::UNSTABLE;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::{RunningPod, Workload};

/// The pods of one workload when its measurement began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// `None` for a tuning pod.
    selector: Option<String>,
    /// How many pods there were to be; 1 for a tuning pod.
    replicas: i32,
    pods: Vec<PodBefore>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PodBefore {
    uid: String,
    name: String,
    restarts: BTreeMap<String, i32>,
}

/// Waits until a workload is ready, and takes down which pods it has. A tuning pod is awaited elsewhere.
///
/// # Errors
/// It is not ready, with reason `not-measured`; the API refuses; or the wait is called off.
pub(crate) async fn begin(
    workload_ref: &WorkloadRef<'_>,
    workload: &Workload,
    cancel_policy: CancelPolicy<'_>,
) -> Result<Baseline, EventError> {
    if let Strategy::Canary { .. } = workload_ref.config.strategy.strategy() {
        let pod = tuning_pod(workload_ref, cancel_policy).await?;
        return Ok(Baseline { selector: None, replicas: 1, pods: before(&pod.into_iter().collect::<Vec<_>>()) });
    }
    let is_ready = |workload: &Workload| {
        workload_readiness(workload_ref.kind, &workload.progress()).is_ok_and(|readiness| readiness.is_ready())
    };
    if !is_ready(workload)
        && rollout::workload_ready(workload_ref, cancel_policy, Expected::default()).await? == Arrival::TimedOut
    {
        let now = workload_ref.workload(cancel_policy).await?;
        let missing = match workload_readiness(workload_ref.kind, &now.progress()) {
            Ok(readiness) => readiness.to_string(),
            Err(_) => "a condition says that it has failed".to_owned(),
        };
        let message = format!("{workload_ref} was not ready before the measurement: {missing}");
        return Err(EventError::measurement_failed(message).with_reason(NOT_MEASURED));
    }
    let Some(selector) = selector(workload_ref, workload, cancel_policy).await? else { return Ok(Baseline::default()) };
    let mut pods = workload_ref
        .persist(cancel_policy, || workload_ref.cluster.running_pods(workload_ref.namespace(), &selector))
        .await?;
    pods.retain(|pod| !pod.is_over());
    Ok(Baseline { selector: Some(selector), replicas: workload.replicas, pods: before(&pods) })
}

/// Compares the pods with those when the measurement began.
///
/// # Errors
/// A container restarted, which is the settings' fault; a pod is lost or the workload was rolled out, with reason
/// `not-measured`; the API refuses; or the wait is called off.
pub(crate) async fn end(
    workload_ref: &WorkloadRef<'_>,
    baseline: &Baseline,
    cancel_policy: CancelPolicy<'_>,
) -> Result<(), EventError> {
    let (now, replicas) = if let Some(selector) = &baseline.selector {
        let pods = workload_ref
            .persist(cancel_policy, || workload_ref.cluster.running_pods(workload_ref.namespace(), selector))
            .await?;
        (pods, workload_ref.workload(cancel_policy).await?.replicas)
    } else if baseline.pods.is_empty() {
        return Ok(());
    } else {
        (tuning_pod(workload_ref, cancel_policy).await?.into_iter().collect(), 1)
    };
    match incident(baseline, &now, replicas) {
        Some((kind, reason, text)) => {
            Err(EventError::new(kind, format!("during the measurement of {workload_ref} {text}")).with_reason(reason))
        }
        None => Ok(()),
    }
}

async fn tuning_pod(
    workload_ref: &WorkloadRef<'_>,
    cancel_policy: CancelPolicy<'_>,
) -> Result<Option<RunningPod>, EventError> {
    let name = workload_ref.tuning_pod();
    workload_ref.persist(cancel_policy, || workload_ref.cluster.running_pod(workload_ref.namespace(), &name)).await
}

fn before(pods: &[RunningPod]) -> Vec<PodBefore> {
    let of_pod = |pod: &RunningPod| PodBefore {
        uid: pod.uid().to_owned(),
        name: pod.name().to_owned(),
        restarts: pod.restarts().map(|(container, count, _)| (container.to_owned(), count)).collect(),
    };
    pods.iter().map(of_pod).collect()
}

/// What happened, and whose fault it is.
fn incident(before: &Baseline, now: &[RunningPod], replicas: i32) -> Option<(ErrorKind, &'static str, String)> {
    let (mut crashes, mut losses) = (Vec::new(), Vec::new());
    for old in &before.pods {
        let Some(pod) = now.iter().find(|pod| pod.uid() == old.uid) else {
            losses.push(format!("pod \"{}\" was deleted", old.name));
            continue;
        };
        for (container, count, end) in pod.restarts() {
            let added = count - old.restarts.get(container).copied().unwrap_or(0);
            if added <= 0 {
                continue;
            }
            let why = end.and_then(|end| end.reason.as_deref()).unwrap_or("unknown");
            let code = end.map(|end| format!(", exit code {}", end.exit_code)).unwrap_or_default();
            let text = format!("container \"{container}\" of pod \"{}\" restarted x{added} ({why}{code})", old.name);
            // The kubelet says this of containers that were lost with their node.
            if why == "ContainerStatusUnknown" { losses.push(text) } else { crashes.push(text) }
        }
        if pod.is_over() {
            let why = pod.end().unwrap_or_else(|| "somebody deleted it".to_owned());
            losses.push(format!("pod \"{}\" was lost: {why}", old.name));
        }
    }
    if !crashes.is_empty() {
        return Some((ErrorKind::Rejected, UNSTABLE, crashes.join(", ")));
    }
    // Pods that are not wanted any more are not lost.
    let unwanted = usize::try_from(before.replicas.saturating_sub(replicas)).unwrap_or(0);
    (losses.len() > unwanted).then(|| (ErrorKind::MeasurementFailed, NOT_MEASURED, losses.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn pod(uid: &str, restarts: i32, keys: &Json) -> RunningPod {
        let mut pod = json!({
            "metadata": { "name": format!("web-{uid}"), "uid": uid },
            "spec": { "containers": [{ "name": "main" }] },
            "status": {
                "phase": "Running",
                "containerStatuses": [{
                    "name": "main", "ready": true, "restartCount": restarts, "image": "", "imageID": "",
                    "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } },
                }],
            },
        });
        for (key, value) in keys.as_object().into_iter().flatten() {
            pod["status"][key] = value.clone();
        }
        serde_json::from_value(pod).expect("an object of the API")
    }

    #[test]
    fn a_restart_is_the_settings_fault_and_a_lost_pod_is_not() {
        let pods = [pod("a", 1, &json!({})), pod("b", 0, &json!({}))];
        let baseline = Baseline { selector: Some("app=web".to_owned()), replicas: 2, pods: before(&pods) };
        let [a, b] = pods;
        let evicted = pod("b", 0, &json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }));
        let measured = (ErrorKind::MeasurementFailed, NOT_MEASURED);
        for (now, replicas, expected) in [
            (vec![a.clone(), b.clone()], 2, None),
            (
                vec![a.clone(), pod("b", 2, &json!({}))],
                2,
                Some((
                    (ErrorKind::Rejected, UNSTABLE),
                    "container \"main\" of pod \"web-b\" restarted x2 (OOMKilled, exit code 137)",
                )),
            ),
            (vec![a.clone()], 2, Some((measured, "pod \"web-b\" was deleted"))),
            (vec![a.clone(), evicted], 2, Some((measured, "pod \"web-b\" was lost: Evicted: low on memory"))),
            (vec![a.clone()], 1, None),
            (vec![a, b, pod("c", 5, &json!({}))], 3, None),
        ] {
            let found = incident(&baseline, &now, replicas);
            let found = found.as_ref().map(|(kind, reason, text)| ((*kind, *reason), text.as_str()));
            assert_eq!(found, expected);
        }
    }
}
