//! Is the workload there, does it have the container, is it ready, and is there a tuning pod beside it?

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::kubernetes::{Readiness, Subject, ensure_tuning_pods, pod_readiness, workload_readiness};
use crate::connectors::opsani_dev::commands::kubectl;
use crate::connectors::opsani_dev::compose;
use crate::connectors::opsani_dev::place::{container_names, has_container};
use crate::k8s::{SIDECAR_NAME, WorkloadKind};

pub(super) async fn readable(scope: Scope<'_>) -> CheckOutcome {
    scope.place.workload().await.map(|_| None)
}

pub(super) async fn container(scope: Scope<'_>) -> CheckOutcome {
    let workload = scope.place.workload().await?;
    let (kind, name, container) = (scope.place.kind(), scope.place.name(), &scope.place.config.container);
    if workload.container(container).is_some() {
        return Ok(None);
    }
    Err(CheckFailure::new(format!("failed reading Container '{container}' in {kind} '{name}'"))
        .with_hint(format!("set 'container' of the configuration to one of {}", container_names(&workload))))
}

pub(super) async fn ready(scope: Scope<'_>) -> CheckOutcome {
    let (place, kind) = (scope.place, WorkloadKind::Deployment);
    let missing = match workload_readiness(kind, &place.workload().await?.progress()) {
        Ok(Readiness::Ready) => return Ok(None),
        Ok(Readiness::NotReady(missing)) => missing,
        Err(cause) => cause.into_error(Subject::Workload { kind, name: place.name() }, &[], None).to_string(),
    };
    let message = format!("{} \"{}\" is not ready: {missing}", place.kind(), place.name());
    let describe = kubectl(place.namespace(), &["describe", &place.target()]);
    Err(CheckFailure::new(message).with_hint(format!("wait for its pods, or see what keeps them: {describe}")))
}

/// One that is there may be in any state: it is replaced when the servo begins to run. But it has part of the traffic,
/// so that it must have a sidecar as soon as the others have.
pub(super) async fn tuning_pod(scope: Scope<'_>) -> CheckOutcome {
    let place = scope.place;
    if !place.config.create_tuning_pod {
        return Ok(Some("there is none, as create_tuning_pod is off".to_owned()));
    }
    let (namespace, name) = (place.namespace(), place.tuning_pod());
    let describe = || format!("see what keeps it: {}", kubectl(namespace, &["describe", "pod", &name]));
    // Made from this template it would have no sidecar, and be in the way when the others have one.
    let is_premature = place.workload().await?.container(SIDECAR_NAME).is_none();
    if is_premature && place.cluster.pod(namespace, &name).await?.is_none() {
        let message = format!("tuning pod '{name}' is not made before the pod template has an Envoy sidecar");
        return Err(CheckFailure::new(message).with_hint("inject the sidecar first"));
    }
    let made = ensure_tuning_pods(scope.cx, compose::kubernetes(&place.config)?).await;
    made.map_err(|error| CheckFailure::from(error).with_hint(describe()))?;
    let Some(pod) = place.cluster.pod(namespace, &name).await? else {
        return Err(CheckFailure::new(format!("could not find tuning pod '{name}'")).with_hint(describe()));
    };
    if !has_container(&pod, SIDECAR_NAME) {
        let delete = kubectl(namespace, &["delete", "pod", &name]);
        let message = format!("tuning pod '{name}' is older than the sidecar of the others, and has none");
        return Err(CheckFailure::new(message).with_hint(format!("have it made anew: {delete}")));
    }
    Ok(match pod_readiness(&pod) {
        Readiness::Ready => None,
        Readiness::NotReady(missing) => Some(format!("tuning pod '{name}' is there, but {missing}")),
    })
}
