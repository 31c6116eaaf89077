//! Is there an optimizer, and a cluster in which everything may be done that has to be?

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::kubernetes::advice;
use crate::k8s::{ApiError, Permission};

/// The oldest version of Kubernetes that has all that is used.
const OLDEST: (u32, u32) = (1, 16);

/// Group, resources and verbs: every verb on every resource is needed.
const PERMISSIONS: [(&str, &[&str], &[&str]); 3] = [
    ("apps", &["deployments", "deployments/status", "replicasets"], &["get", "list", "watch", "update", "patch"]),
    ("", &["namespaces"], &["get"]),
    (
        "",
        &["pods", "pods/logs", "pods/status", "pods/exec", "pods/portforward", "services"],
        &["create", "delete", "get", "list", "watch", "update", "patch"],
    ),
];

pub(super) fn optimizer(scope: Scope<'_>) -> CheckOutcome {
    if scope.optimizer().is_some() {
        return Ok(None);
    }
    Err(CheckFailure::new("no optimizer is configured, whose id the labels of the pods need")
        .with_hint("add the section 'optimizer' to the configuration"))
}

pub(super) async fn connectivity(scope: Scope<'_>) -> CheckOutcome {
    scope.place.cluster.version().await.map_err(|error| {
        let hint = if matches!(error, ApiError::Status { code: 401, .. }) {
            "the credentials are not accepted, or have expired: renew them in the kubeconfig file that is used"
        } else {
            "check that the API server is reachable from here: kubectl version"
        };
        CheckFailure::from(error).with_hint(hint)
    })?;
    Ok(None)
}

pub(super) async fn version(scope: Scope<'_>) -> CheckOutcome {
    let version = scope.place.cluster.version().await?;
    if version.number().is_some_and(|number| number >= OLDEST) {
        return Ok(None);
    }
    let (major, minor) = OLDEST;
    let message = format!("Kubernetes is {}.{}, and {major}.{minor} is needed", version.major, version.minor);
    Err(CheckFailure::new(message).with_hint("upgrade the cluster"))
}

/// Asks for all, so that everything that is missing is told at once.
pub(super) async fn permissions(scope: Scope<'_>) -> CheckOutcome {
    let namespace = scope.place.namespace();
    let mut missing = Vec::new();
    for permission in permissions_needed() {
        if !scope.place.cluster.allowed(namespace, permission).await? {
            missing.push(permission);
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let denials = missing.iter().map(|Permission { verb, resource, .. }| format!("\"{verb}\" resource \"{resource}\""));
    let denials = denials.collect::<Vec<_>>().join(", ");
    Err(CheckFailure::new(format!("Not allowed to {denials}")).with_hint(advice(namespace, &missing)))
}

fn permissions_needed() -> impl Iterator<Item = Permission<'static>> {
    PERMISSIONS.iter().flat_map(|(group, resources, verbs)| {
        let each = move |resource| verbs.iter().map(move |verb| Permission { group, resource, verb });
        resources.iter().flat_map(move |resource| each(*resource))
    })
}

pub(super) async fn namespace(scope: Scope<'_>) -> CheckOutcome {
    const READ: Permission<'_> = Permission { group: "", resource: "namespaces", verb: "get" };
    let name = scope.place.namespace();
    let absent = "correct 'namespace' of the configuration; see: kubectl get namespaces";
    scope.place.cluster.namespace(name).await.map_err(|error| scope.place.refused(error, READ, absent))?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_of_every_resource_is_asked_for_in_order() {
        let all: Vec<_> = permissions_needed().collect();
        assert_eq!(all.len(), 58);
        assert_eq!(all[0], Permission { group: "apps", resource: "deployments", verb: "get" });
        assert_eq!(all[15], Permission { group: "", resource: "namespaces", verb: "get" });
        assert_eq!(all[57], Permission { group: "", resource: "services", verb: "patch" });
    }
}
