//! Does the servo's own pod have a Prometheus beside the servo, with a configuration?

use k8s_openapi::api::core::v1::{Container, Pod};

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::kubernetes::{Readiness, pod_readiness};
use crate::connectors::opsani_dev::commands::kubectl;
use crate::connectors::opsani_dev::names::object_name;
use crate::connectors::opsani_dev::place::pod_name;
use crate::k8s::{ApiError, PodIdentity};

const PROMETHEUS: &str = "prometheus";

const PORT: i32 = 9090;

/// What selects the servo's pod.
const SERVO: &str = "app.kubernetes.io/name=servo";

/// The name of the configuration when no optimizer has one of its own.
const USUAL_CONFIG_MAP: &str = "prometheus-config";

pub(super) async fn config_map(scope: Scope<'_>) -> CheckOutcome {
    let services = scope.cx.services();
    let namespace = services.kubernetes.namespace().unwrap_or_else(|| scope.place.namespace());
    let own = services.optimizer.as_ref().map(|known| format!("servo.prometheus-{}", object_name(&known.name)));
    let names: Vec<String> = own.into_iter().chain([USUAL_CONFIG_MAP.to_owned()]).collect();
    for name in &names {
        if is_config_map(scope, namespace, name).await? {
            return Ok(Some(format!("found '{name}'")));
        }
    }
    let create = kubectl(namespace, &["create", "configmap", USUAL_CONFIG_MAP, "--from-file=prometheus.yml"]);
    let message = format!("no ConfigMap named '{}' found in namespace '{namespace}'", names.join("' or '"));
    Err(CheckFailure::new(message).with_hint(format!("make one of the configuration of Prometheus: {create}")))
}

/// A name that nothing can have is that of nothing.
async fn is_config_map(scope: Scope<'_>, namespace: &str, name: &str) -> Result<bool, ApiError> {
    match scope.place.cluster.config_map(namespace, name).await {
        Ok(found) => Ok(found.is_some()),
        Err(ApiError::Unaskable { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The pod that the servo runs in: its own when it knows it, else the last one that is labelled so.
async fn servo_pod(scope: Scope<'_>) -> Result<Option<Pod>, ApiError> {
    let cluster = &scope.place.cluster;
    match scope.cx.services().kubernetes.pod() {
        Some(PodIdentity { namespace, name }) => cluster.pod(namespace, name).await,
        None => Ok(cluster.pods(scope.place.namespace(), SERVO).await?.pop()),
    }
}

async fn required_pod(scope: Scope<'_>) -> Result<Pod, CheckFailure> {
    if let Some(pod) = servo_pod(scope).await? {
        return Ok(pod);
    }
    let place = match scope.cx.services().kubernetes.pod() {
        Some(PodIdentity { namespace, name }) => format!("'{name}' is running in namespace '{namespace}'"),
        None => format!("is running in namespace '{}'", scope.place.namespace()),
    };
    let list = kubectl(scope.place.namespace(), &["get", "pods", "--selector", SERVO]);
    let hint = format!("deploy the servo with a Prometheus beside it, in pods that this finds: {list}");
    Err(CheckFailure::new(format!("no servo pod {place}")).with_hint(hint))
}

fn prometheus(pod: &Pod) -> Result<&Container, CheckFailure> {
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.find(|container| container.name == PROMETHEUS).ok_or_else(|| {
        let (name, namespace) = (pod_name(pod), namespace_of(pod));
        CheckFailure::new(format!("no '{PROMETHEUS}' container found in pod '{name}' in namespace '{namespace}'"))
            .with_hint(format!("add a container named '{PROMETHEUS}' to the pods of the servo"))
    })
}

fn namespace_of(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

pub(super) async fn exists(scope: Scope<'_>) -> CheckOutcome {
    prometheus(&required_pod(scope).await?).map(|_| None)
}

pub(super) async fn ready(scope: Scope<'_>) -> CheckOutcome {
    let pod = required_pod(scope).await?;
    let Readiness::NotReady(missing) = pod_readiness(&pod) else { return Ok(None) };
    let name = pod_name(&pod);
    let describe = kubectl(namespace_of(&pod), &["describe", "pod", name]);
    Err(CheckFailure::new(format!("pod '{name}' is not ready: {missing}"))
        .with_hint(format!("see what keeps it: {describe}")))
}

pub(super) async fn stable(scope: Scope<'_>) -> CheckOutcome {
    let pod = required_pod(scope).await?;
    prometheus(&pod)?;
    let mut statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let restarts = statuses.find(|status| status.name == PROMETHEUS).map_or(0, |status| status.restart_count);
    if restarts == 0 {
        return Ok(None);
    }
    let name = pod_name(&pod);
    let logs = kubectl(namespace_of(&pod), &["logs", name, "--container", PROMETHEUS, "--previous"]);
    Err(CheckFailure::new(format!("container '{PROMETHEUS}' in pod '{name}' has restarted {restarts} times"))
        .with_hint(format!("see why: {logs}")))
}

pub(super) async fn container_port(scope: Scope<'_>) -> CheckOutcome {
    let pod = required_pod(scope).await?;
    let ports = prometheus(&pod)?.ports.as_deref().unwrap_or_default();
    let message = match ports {
        [only] if only.container_port == PORT => return Ok(None),
        [other] => format!("expected Prometheus container port on {PORT} but found {}", other.container_port),
        ports => format!("expected 1 container port but found {}", ports.len()),
    };
    let hint = format!("give the container '{PROMETHEUS}' of the servo's pods the one containerPort {PORT}");
    Err(CheckFailure::new(message).with_hint(hint))
}
