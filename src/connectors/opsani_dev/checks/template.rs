//! Do the pods have the annotations, the labels and the sidecar by which their traffic is measured?

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::opsani_dev::commands::patch;
use crate::connectors::opsani_dev::place::{has_container, pod_name};
use crate::connectors::opsani_dev::ports;
use crate::connectors::opsani_dev::remedies::{Complete, Inject};
use crate::connectors::opsani_dev::required_metadata::RequiredMetadata;
use crate::k8s::{SIDECAR_NAME, SidecarError};

pub(super) async fn annotations(scope: Scope<'_>) -> CheckOutcome {
    complete(scope, RequiredMetadata::annotations(scope.optimizer())).await
}

pub(super) async fn labels(scope: Scope<'_>) -> CheckOutcome {
    complete(scope, RequiredMetadata::labels(scope.optimizer())).await
}

async fn complete(scope: Scope<'_>, required: RequiredMetadata) -> CheckOutcome {
    let (place, workload) = (scope.place, scope.place.workload().await?);
    let Some(missing) = required.missing(&workload.template) else { return Ok(None) };
    let (word, listed) = (required.word(), required.listed(&missing));
    let message = format!("{} '{}' is missing {word}: {listed}", place.kind(), place.name());
    let command = patch(place.namespace(), &place.target(), &required.patch(&missing));
    let failure = CheckFailure::new(message).with_hint(format!("patch the {word} of its pods: {command}"));
    Err(failure.with_remedy(Complete { place: place.clone(), required }))
}

pub(super) async fn sidecar(scope: Scope<'_>) -> CheckOutcome {
    let place = scope.place;
    if place.workload().await?.container(SIDECAR_NAME).is_some() {
        return Ok(None);
    }
    let (kind, name) = (place.kind(), place.name());
    let message =
        format!("{kind} '{name}' pod template spec does not include envoy sidecar container ('{SIDECAR_NAME}')");
    let port = ports::named(place.config.port.as_ref())?;
    match place.cluster.plan_injection(place.injection(port.as_ref())).await {
        Ok((injection, _)) => {
            let command = patch(place.namespace(), &place.target(), &injection);
            let failure = CheckFailure::new(message).with_hint(format!("inject the sidecar: {command}"));
            Err(failure.with_remedy(Inject(place.clone())))
        }
        Err(SidecarError::Api(error)) => Err(error.into()),
        Err(error) => Err(CheckFailure::new(format!("{message}, and it cannot be added: {}", reason(&error)))
            .with_hint("send the service to the port of the application's container, and free port 9980")),
    }
}

/// In the words of this connector, which knows no command line.
fn reason(error: &SidecarError) -> String {
    match error {
        SidecarError::Itself(service) => {
            format!("service '{service}' already sends its requests to the sidecar's port, where nothing listens yet")
        }
        other => other.to_string(),
    }
}

pub(super) async fn pods_have_sidecars(scope: Scope<'_>) -> CheckOutcome {
    let place = scope.place;
    let pods = place.newest_pods(&place.workload().await?).await?;
    let without: Vec<&str> = pods.iter().filter(|pod| !has_container(pod, SIDECAR_NAME)).map(pod_name).collect();
    if without.is_empty() {
        return Ok(None);
    }
    let without = without.join(", ");
    let message = format!("pods '{without}' do not have envoy sidecar container ('{SIDECAR_NAME}')");
    Err(CheckFailure::new(message).with_hint("wait until the rollout of the changed template has replaced them"))
}
