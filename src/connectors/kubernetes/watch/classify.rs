//! Why something did not become or stay ready, judged from what the API server says of it. Whether it is ready is asked
//! before: here it is taken not to be.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

use super::cause::{Cause, PodContainer, PodProblem};
use super::readiness::{check_conditions, conditions, pod_readiness, ready_condition, workload_readiness};
use super::restarts::{Restarts, container_statuses};
use crate::k8s::{WorkloadKind, WorkloadProgress};

/// Why a workload is not ready; `pods` are those of its newest revision, `baseline` their restarts when it was last
/// ready. Pods that are being deleted do not count.
pub(crate) fn classify_workload(
    kind: WorkloadKind,
    progress: &WorkloadProgress,
    pods: &[Pod],
    baseline: &Restarts,
) -> Cause {
    if kind == WorkloadKind::Deployment && progress.status.conditions.is_empty() {
        return Cause::NotRunning;
    }
    if let Err(cause) = check_conditions(kind, &progress.status.conditions) {
        return cause;
    }
    let pods: Vec<Pod> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).cloned().collect();
    let unschedulable = problems(&pods, |pod| conditions(pod).iter().find(|condition| is_unschedulable(condition)));
    let unready = problems(&pods, |pod| ready_condition(pod).filter(|condition| condition.status == "False"));
    let readiness = || match workload_readiness(kind, progress) {
        Ok(readiness) => readiness.to_string(),
        Err(_) => "a condition says that it has failed".to_owned(),
    };
    first_of([
        Cause::Unschedulable(unschedulable),
        Cause::ImagePull(image_pulls(&pods)),
        Cause::Restarted(Restarts::of(&pods).since(baseline)),
        Cause::Unready(unready),
    ])
    .unwrap_or_else(|| Cause::Unknown(readiness()))
}

/// Why a tuning pod is not ready; `baseline` holds its restarts when it last was.
pub(crate) fn classify_pod(pod: &Pod, baseline: &Restarts) -> Cause {
    if conditions(pod).is_empty() {
        return Cause::NotRunning;
    }
    let pods = std::slice::from_ref(pod);
    let restarted = Restarts::of(pods).since(baseline);
    let by_condition = conditions(pod).iter().find_map(|condition| {
        let problem = || vec![problem(pod, condition)];
        if is_unschedulable(condition) {
            return Some(Cause::Unschedulable(problem()));
        }
        (condition.type_ == "Ready" && condition.status == "False").then(|| Cause::Unready(problem()))
    });
    first_of([Cause::ImagePull(image_pulls(pods)), Cause::Restarted(restarted)])
        .or(by_condition)
        .unwrap_or_else(|| Cause::Unknown(pod_readiness(pod).to_string()))
}

/// The first cause that names something.
fn first_of<const N: usize>(causes: [Cause; N]) -> Option<Cause> {
    causes.into_iter().find(|cause| match cause {
        Cause::Unschedulable(pods) | Cause::Unready(pods) => !pods.is_empty(),
        Cause::ImagePull(containers) => !containers.is_empty(),
        Cause::Restarted(containers) => !containers.is_empty(),
        Cause::Condition(_) | Cause::UnexpectedCondition(_) | Cause::NotRunning | Cause::Unknown(_) => true,
    })
}

fn is_unschedulable(condition: &PodCondition) -> bool {
    condition.reason.as_deref() == Some("Unschedulable")
}

fn problems<'a>(pods: &'a [Pod], of: impl Fn(&'a Pod) -> Option<&'a PodCondition>) -> Vec<PodProblem> {
    pods.iter().filter_map(|pod| Some(problem(pod, of(pod)?))).collect()
}

fn problem(pod: &Pod, condition: &PodCondition) -> PodProblem {
    let names_containers = condition.reason.as_deref() == Some("ContainersNotReady");
    let unready = container_statuses(pod).filter(|status| names_containers && !status.ready);
    PodProblem {
        pod: name(pod),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        containers: unready.map(|status| status.name.clone()).collect(),
    }
}

fn image_pulls(pods: &[Pod]) -> Vec<PodContainer> {
    let has_no_image = |status: &&ContainerStatus| {
        let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
        matches!(reason, Some("ImagePullBackOff" | "ErrImagePull"))
    };
    let of_pod = |pod| container_statuses(pod).filter(has_no_image).map(move |status| (pod, status));
    pods.iter()
        .flat_map(of_pod)
        .map(|(pod, status)| PodContainer { pod: name(pod), container: status.name.clone() })
        .collect()
}

fn name(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::connector::{ErrorKind, EventError};
    use crate::connectors::kubernetes::fixtures::{self, adjustment, container_status, pod};
    use crate::connectors::kubernetes::watch::cause::Subject;
    use crate::connectors::kubernetes::watch::logs::{LogKey, Logs};
    use crate::types::Adjustment;

    const WEB: Subject<'static> = Subject::Workload { kind: WorkloadKind::Deployment, name: "web" };
    const TUNING: Subject<'static> = Subject::TuningPod { name: "web-tuning" };

    fn progress(conditions: &Json) -> WorkloadProgress {
        let status =
            serde_json::from_value(json!({ "observedGeneration": 1, "replicas": 1, "conditions": conditions }));
        WorkloadProgress { generation: 1, replicas: 2, status: status.expect("a status of the API") }
    }

    /// Checks the kind, reason and message of a failure.
    fn check(error: &EventError, kind: ErrorKind, reason: Option<&str>, message: &str) {
        assert_eq!((error.kind(), error.reason(), error.to_string().as_str()), (kind, reason, message));
    }

    fn check_pods(pods: &[Pod], kind: ErrorKind, reason: Option<&str>, message: &str) {
        let progress = progress(&json!([{ "type": "Available", "status": "True" }]));
        let cause = classify_workload(WorkloadKind::Deployment, &progress, pods, &Restarts::default());
        check(&cause.into_error(WEB, &adjustments("web/main"), None), kind, reason, message);
    }

    fn check_tuning(status: &Json, kind: ErrorKind, reason: Option<&str>, message: &str) {
        let cause = classify_pod(&pod("web-tuning", status), &Restarts::default());
        check(&cause.into_error(TUNING, &adjustments("tuning"), None), kind, reason, message);
    }

    fn adjustments(component: &str) -> [Adjustment; 3] {
        [("mem", json!("64Mi")), ("cpu", json!("0.5")), ("replicas", json!(2))]
            .map(|(setting, value)| adjustment(component, setting, &value))
    }

    fn unready(keys: &Json) -> Json {
        let mut status = json!({ "ready": false });
        for (key, value) in keys.as_object().expect("keys are a mapping") {
            status[key] = value.clone();
        }
        let why = "containers with unready status: [main]";
        json!({
            "conditions": [{ "type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": why }],
            "containerStatuses": [container_status(&status)],
        })
    }

    fn waiting(reason: &str) -> Json {
        unready(&json!({ "state": { "waiting": { "reason": reason } } }))
    }

    fn unschedulable(message: &str) -> Json {
        let condition = json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        });
        json!({ "phase": "Pending", "conditions": [condition], "containerStatuses": null })
    }

    #[test]
    fn the_pods_of_a_workload_say_why_it_failed() {
        check_pods(
            &[pod("a", &unschedulable("0/3 nodes are available: 3 Insufficient cpu, 2 Insufficient memory."))],
            ErrorKind::Rejected,
            Some("unschedulable"),
            "1 pod(s) could not be scheduled for Deployment web: a - Requested adjustment(s) (web/main.mem=64Mi, \
             web/main.cpu=0.5) cannot be scheduled due to \"0/3 nodes are available: 3 Insufficient cpu, 2 \
             Insufficient memory.\"",
        );
        check_pods(
            &[pod("a", &json!({})), pod("b", &waiting("ErrImagePull")), pod("c", &waiting("ImagePullBackOff"))],
            ErrorKind::AdjustmentFailed,
            Some("image-pull-failed"),
            "Deployment web: Container image pull failure detected on 2 pods: b, c",
        );
        check_pods(
            &[pod("a", &unready(&json!({ "restartCount": 2 }))), pod("b", &waiting("CrashLoopBackOff"))],
            ErrorKind::Rejected,
            Some("unstable"),
            "Deployment web pod(s) crash restart detected: a - main x2",
        );
        check_pods(
            &[pod("a", &waiting("CreateContainerConfigError")), pod("b", &json!({}))],
            ErrorKind::Rejected,
            Some("start-failed"),
            "Found 1 unready pod(s) for deployment web: a - (reason ContainersNotReady) containers with unready \
             status: [main]",
        );
        let nothing = "Unknown Deployment status for 'web': 1 of 2 pods are running";
        check_pods(&[pod("a", &json!({}))], ErrorKind::AdjustmentFailed, None, nothing);
        let mut going = pod("a", &waiting("ErrImagePull"));
        going.metadata.deletion_timestamp = serde_json::from_value(json!("2023-06-15T00:00:05Z")).expect("a time");
        check_pods(&[going], ErrorKind::AdjustmentFailed, None, nothing);
    }

    #[test]
    fn conditions_of_a_deployment_come_first_and_those_of_a_stateful_set_say_nothing() {
        for (conditions, kind, reason, message) in [
            (json!([]), ErrorKind::AdjustmentFailed, None, "Deployment is not running: web"),
            (
                json!([
                    { "type": "Available", "status": "True" },
                    { "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota" },
                ]),
                ErrorKind::Rejected,
                Some("start-failed"),
                "Deployment web: ReplicaFailure: message='exceeded quota', reason='FailedCreate'",
            ),
            (
                json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }]),
                ErrorKind::Rejected,
                Some("start-failed"),
                "Deployment web: ProgressionFailure: message='', reason='ProgressDeadlineExceeded'",
            ),
            (
                json!([{ "type": "Available", "status": "X" }]),
                ErrorKind::AdjustmentFailed,
                None,
                "Deployment web: encountered unexpected Condition status 'X' of Available",
            ),
        ] {
            let progress = progress(&conditions);
            let cause =
                |workload| classify_workload(workload, &progress, &[pod("a", &waiting("X"))], &Restarts::default());
            check(&cause(WorkloadKind::Deployment).into_error(WEB, &[], None), kind, reason, message);
            assert!(matches!(cause(WorkloadKind::StatefulSet), Cause::Unready(_)));
        }
    }

    #[test]
    fn a_tuning_pod_says_why_it_failed() {
        let rejected = ErrorKind::Rejected;
        check_tuning(&json!({ "conditions": null }), ErrorKind::Failed, None, "Pod is not running: web-tuning");
        check_tuning(
            &waiting("ImagePullBackOff"),
            ErrorKind::AdjustmentFailed,
            Some("image-pull-failed"),
            "Pod web-tuning: Container image pull failure detected in container main",
        );
        check_tuning(
            &unready(&json!({ "restartCount": 1 })),
            rejected,
            Some("unstable"),
            "Tuning optimization web-tuning crash restart detected on container(s): main x1 container logs DISABLED",
        );
        check_tuning(
            &unschedulable("0/1 nodes are available: 1 Insufficient memory."),
            rejected,
            Some("unschedulable"),
            "Pod web-tuning: Requested adjustment(s) (tuning.mem=64Mi) cannot be scheduled due to \"0/1 nodes are \
             available: 1 Insufficient memory.\"",
        );
        let taints = "0/1 nodes are available: 1 node had untolerated taint.";
        let message = format!("Pod web-tuning: It cannot be scheduled due to \"{taints}\"");
        check_tuning(&unschedulable(taints), rejected, Some("unschedulable"), &message);
        let message = "Pod web-tuning: (reason ContainersNotReady) containers with unready status: [main]";
        check_tuning(&unready(&json!({})), rejected, Some("start-failed"), message);
        let message = "Unknown Pod status for 'web-tuning': its phase is Pending";
        check_tuning(&json!({ "phase": "Pending" }), ErrorKind::Failed, None, message);
    }

    #[test]
    fn restarts_that_there_were_before_do_not_count() {
        let pods = [pod("a", &unready(&json!({ "restartCount": 2 })))];
        let progress = progress(&json!([{ "type": "Available", "status": "True" }]));
        let cause = classify_workload(WorkloadKind::Deployment, &progress, &pods, &Restarts::of(&pods));
        assert!(matches!(cause, Cause::Unready(_)), "{cause:?}");
        assert!(matches!(classify_pod(&pods[0], &Restarts::of(&pods)), Cause::Unready(_)));
    }

    #[test]
    fn a_message_has_the_logs_that_its_cause_wants() {
        let cause = classify_pod(&pod("web-tuning", &unready(&json!({}))), &Restarts::default());
        let wanted = cause.wanted_logs();
        let of = |previous| LogKey { pod: "web-tuning".to_owned(), container: "main".to_owned(), previous };
        assert_eq!(wanted, [of(true), of(false)]);
        let mut logs = Logs::default();
        logs.insert(of(false), Ok::<_, String>(Some("out of memory".to_owned())));
        let error = cause.into_error(TUNING, &[], Some(&logs)).to_string();
        assert!(error.ends_with("[main] container logs Container main:\ncurrent (latest):\nout of memory"), "{error}");
        let pulled = classify_pod(&pod("web-tuning", &waiting("ErrImagePull")), &Restarts::default());
        assert_eq!(pulled.wanted_logs(), []);
    }

    #[test]
    fn a_message_names_some_of_many_pods() {
        let pods: Vec<Pod> = (0..50).map(|index| pod(&format!("p{index:02}"), &waiting("ErrImagePull"))).collect();
        check_pods(
            &pods,
            ErrorKind::AdjustmentFailed,
            Some("image-pull-failed"),
            "Deployment web: Container image pull failure detected on 50 pods: p00, p01, p02, p03, p04, p05, p06, p07, \
             p08, p09, and 40 more",
        );
    }

    #[test]
    fn what_is_ready_has_no_cause() {
        let workload = fixtures::workload(&json!({}));
        assert!(workload_readiness(workload.kind, &workload.progress()).is_ok_and(|readiness| readiness.is_ready()));
    }
}
