//! Which pods of a workload are made from its present template.

use k8s_openapi::api::apps::v1::ReplicaSet;

use crate::connector::EventError;
use crate::k8s::{Workload, WorkloadKind, selector_text};

/// The annotation that counts the revisions of a deployment.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Why the newest pods cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::enum_variant_names, reason = "each names what is missing")]
pub enum NewestError {
    /// None of the replica sets belongs to the deployment.
    #[error("Unable to locate replicaset(s) for deployment \"{0}\"")]
    NoReplicaSet(String),
    /// A replica set has no number.
    #[error(
        "Unable to determine latest replicaset of deployment \"{deployment}\": \"{replica_set}\" has no annotation \
             {REVISION} with a number"
    )]
    NoRevision { deployment: String, replica_set: String },
    /// Nothing tells its pods from others.
    #[error("{kind} \"{name}\" has no labels that select its pods")]
    NoSelector { kind: &'static str, name: String },
}

impl From<NewestError> for EventError {
    fn from(error: NewestError) -> Self {
        Self::adjustment_failed(error.to_string())
    }
}

/// The selector of the pods of the newest revision. Of a deployment, `replica_sets` are those that its own selector
/// finds; for a stateful set none are needed.
///
/// # Errors
/// No replica set is of the deployment, one has no revision, or nothing is selected.
pub(crate) fn pod_selector(workload: &Workload, replica_sets: &[ReplicaSet]) -> Result<String, NewestError> {
    let nothing = || NewestError::NoSelector { kind: workload.kind.as_str(), name: workload.name.clone() };
    match workload.kind {
        WorkloadKind::StatefulSet => {
            let own = selector_text(&workload.selector).ok_or_else(nothing)?;
            let revision = workload.status.update_revision.as_deref();
            Ok(revision.map_or_else(|| own.clone(), |revision| format!("{own},controller-revision-hash={revision}")))
        }
        WorkloadKind::Deployment => {
            let newest = newest_replica_set(workload, replica_sets)?;
            newest.spec.as_ref().and_then(|spec| selector_text(&spec.selector)).ok_or_else(nothing)
        }
    }
}

fn newest_replica_set<'a>(workload: &Workload, sets: &'a [ReplicaSet]) -> Result<&'a ReplicaSet, NewestError> {
    let mut newest: Option<(i64, &ReplicaSet)> = None;
    for set in sets.iter().filter(|set| is_owned(set, workload)) {
        let revision = revision(set).ok_or_else(|| NewestError::NoRevision {
            deployment: workload.name.clone(),
            replica_set: set.metadata.name.clone().unwrap_or_default(),
        })?;
        if newest.is_none_or(|(highest, _)| revision > highest) {
            newest = Some((revision, set));
        }
    }
    newest.map(|(_, set)| set).ok_or_else(|| NewestError::NoReplicaSet(workload.name.clone()))
}

fn is_owned(set: &ReplicaSet, workload: &Workload) -> bool {
    let mut owners = set.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.kind == workload.kind.as_str() && owner.uid == workload.uid)
}

fn revision(set: &ReplicaSet) -> Option<i64> {
    set.metadata.annotations.as_ref()?.get(REVISION)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::connectors::kubernetes::fixtures;

    fn replica_set(hash: &str, owner: &str, revision: &Json) -> ReplicaSet {
        let object = json!({
            "metadata": {
                "name": format!("web-{hash}"),
                "annotations": { REVISION: revision },
                "ownerReferences": [
                    { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": true },
                ],
            },
            "spec": { "selector": { "matchLabels": { "app": "web", "pod-template-hash": hash } } },
        });
        serde_json::from_value(object).expect("an object of the API")
    }

    fn check(sets: &[(&str, &str, &str)], expected: Result<&str, &str>) {
        let sets: Vec<_> =
            sets.iter().map(|(hash, owner, revision)| replica_set(hash, owner, &json!(revision))).collect();
        let selector = pod_selector(&fixtures::workload(&json!({})), &sets).map_err(|error| error.to_string());
        assert_eq!(selector.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn the_replica_set_of_the_highest_revision_has_the_newest_pods() {
        let newest = Ok("app=web,pod-template-hash=b");
        check(&[("a", "2", "9"), ("b", "2", "10"), ("c", "other", "11"), ("d", "2", "1")], newest);
        check(&[("c", "other", "11")], Err("Unable to locate replicaset(s) for deployment \"web\""));
        check(
            &[("a", "2", "x")],
            Err("Unable to determine latest replicaset of deployment \"web\": \"web-a\" has no annotation \
                 deployment.kubernetes.io/revision with a number"),
        );
    }

    #[test]
    fn a_stateful_set_names_the_revision_of_its_newest_pods() {
        let mut set = fixtures::workload(&json!({}));
        set.kind = WorkloadKind::StatefulSet;
        assert_eq!(pod_selector(&set, &[]).as_deref(), Ok("app.kubernetes.io/name=web"));
        set.status.update_revision = Some("db-bbb".to_owned());
        assert_eq!(
            pod_selector(&set, &[]).as_deref(),
            Ok("app.kubernetes.io/name=web,controller-revision-hash=db-bbb")
        );
    }
}
