//! Does the traffic come by the service, and does it go through the sidecar?

use k8s_openapi::api::core::v1::{Pod, Service};

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::opsani_dev::commands::patch;
use crate::connectors::opsani_dev::place::{Place, has_container, pod_name};
use crate::connectors::opsani_dev::ports::{self, PortError};
use crate::connectors::opsani_dev::remedies::Retarget;
use crate::k8s::{SIDECAR_NAME, SIDECAR_PORT};

/// The types of services that send traffic to pods.
const TYPES: [&str; 3] = ["ClusterIP", "LoadBalancer", "NodePort"];

pub(super) async fn readable(scope: Scope<'_>) -> CheckOutcome {
    scope.place.service().await.map(|_| None)
}

pub(super) async fn compatible(scope: Scope<'_>) -> CheckOutcome {
    let service = scope.place.service().await?;
    let type_ = service.spec.as_ref().and_then(|spec| spec.type_.as_deref()).unwrap_or(TYPES[0]);
    if TYPES.contains(&type_) {
        return Ok(None);
    }
    let message = format!("expected service type of ClusterIP, LoadBalancer, or NodePort but found {type_}");
    Err(CheckFailure::new(message)
        .with_hint("set 'service' of the configuration to the one that sends traffic to the pods"))
}

pub(super) async fn port(scope: Scope<'_>) -> CheckOutcome {
    let service = scope.place.service().await?;
    match ports::select(&service, scope.place.config.port.as_ref()) {
        Ok(port) => Ok(Some(format!("Service Port: {}", ports::shown(port)))),
        Err(error) => Err(wrong_port(error)),
    }
}

fn wrong_port(error: PortError) -> CheckFailure {
    CheckFailure::from(error).with_hint("set 'port' of the configuration to a name or number of a port of the service")
}

pub(super) async fn routes(scope: Scope<'_>) -> CheckOutcome {
    let place = scope.place;
    let (service, workload) = (place.service().await?, place.workload().await?);
    let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
    let hint = "set 'service' of the configuration to the one that sends traffic to the pods, or correct its selector";
    if selector.is_empty() {
        return Err(
            CheckFailure::new("the service has no selector, so that it sends traffic to no pods").with_hint(hint)
        );
    }
    let labels = workload.selector.match_labels.unwrap_or_default();
    let missing = selector.iter().filter(|(key, value)| labels.get(*key) != Some(value));
    let missing = missing.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(None);
    }
    let (kind, missing) = (place.kind(), missing.join(" "));
    let message = format!("Service selector does not match {kind} labels. Missing labels: {missing}");
    Err(CheckFailure::new(message).with_hint(hint))
}

/// Without sidecars in all pods that it sends traffic to, a service must not be sent to them.
pub(super) async fn proxied(scope: Scope<'_>) -> CheckOutcome {
    let place = scope.place;
    let service = place.service().await?;
    let port = ports::select(&service, place.config.port.as_ref()).map_err(wrong_port)?;
    if ports::is_proxied(port) {
        return Ok(None);
    }
    let name = &place.config.service;
    let message = format!("service '{name}' is not routing traffic through Envoy sidecar on port {SIDECAR_PORT}");
    let without = pods_without_sidecar(place, &service).await?;
    if !without.is_empty() {
        let message = format!("{message}, and must not yet: pods '{}' have no sidecar", without.join(", "));
        return Err(CheckFailure::new(message).with_hint("wait for pods that have one, and delete those that stay"));
    }
    let command = patch(place.namespace(), &format!("service/{name}"), &ports::retarget(port, &SIDECAR_PORT.into()));
    let failure = CheckFailure::new(message).with_hint(format!("update the target port: {command}"));
    Err(failure.with_remedy(Retarget(place.clone())))
}

/// The pods that the service sends traffic to and that could not take it on the sidecar's port.
async fn pods_without_sidecar(place: &Place, service: &Service) -> Result<Vec<String>, CheckFailure> {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let terms: Vec<String> = selector.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let is_there = |pod: &&Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
    };
    let pods = place.cluster.pods(place.namespace(), &terms.join(",")).await?;
    let without = pods.iter().filter(is_there).filter(|pod| !has_container(pod, SIDECAR_NAME));
    Ok(without.map(|pod| pod_name(pod).to_owned()).collect())
}
