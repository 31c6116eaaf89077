//! What the servo must be allowed to do in the namespaces of its workloads, and how a Role says so.
//!
//! Pure: it lists what is to be asked, and writes what is missing as a rule.

use std::collections::BTreeMap;

use super::workload_ref::WorkloadRef;
use super::{FailureMode, PermissionSet, Strategy};
use crate::k8s::{Cluster, Permission, WorkloadKind};

/// What must be allowed in one namespace of one cluster.
pub(super) struct Requirement<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) namespace: &'a str,
    permissions: Vec<Permission<'a>>,
}

/// The requirements of each namespace that has workloads, in the order of the workloads.
///
/// The configured permissions are asked for everywhere. The access to stateful sets comes on top where there are any,
/// that to logs where failures are told with logs, and that to leases where adjustments are recorded to be rolled back.
pub(super) fn requirements<'a>(
    configured: &'a [PermissionSet],
    workload_refs: &[WorkloadRef<'a>],
) -> Vec<Requirement<'a>> {
    let mut requirements: Vec<Requirement<'a>> = Vec::new();
    for workload_ref in workload_refs {
        let known = requirements.iter().position(|known| known.is_at(workload_ref));
        let index = known.unwrap_or_else(|| {
            let permissions = configured.iter().flat_map(each).collect();
            requirements.push(Requirement {
                cluster: workload_ref.cluster,
                namespace: workload_ref.namespace(),
                permissions,
            });
            requirements.len() - 1
        });
        requirements[index].add(on_top(workload_ref));
    }
    requirements
}

/// What a workload needs that others do not.
fn on_top(workload_ref: &WorkloadRef<'_>) -> Vec<Permission<'static>> {
    let mut permissions = Vec::new();
    if workload_ref.kind == WorkloadKind::StatefulSet {
        permissions.extend(STATEFUL_SET_VERBS.map(|verb| Permission { verb, ..STATEFUL_SETS }));
        // Pods of a failed revision block those of the next one.
        permissions.push(Permission { group: "", resource: "pods", verb: "delete" });
    }
    let is_adjusted = *workload_ref.config.strategy.strategy() == Strategy::Default;
    if is_adjusted && workload_ref.mode() == FailureMode::Rollback {
        permissions.extend(of_leases());
    }
    if workload_ref.config.shared.container_logs_in_error_status {
        permissions.push(LOGS);
    }
    permissions
}

/// What `on_failure: rollback` needs for its records.
pub(crate) fn of_leases() -> [Permission<'static>; 4] {
    LEASE_VERBS.map(|verb| Permission { verb, ..LEASES })
}

const STATEFUL_SETS: Permission<'_> = Permission { group: "apps", resource: "statefulsets", verb: "" };
const STATEFUL_SET_VERBS: [&str; 5] = ["get", "list", "watch", "update", "patch"];
const LEASES: Permission<'_> = Permission { group: "coordination.k8s.io", resource: "leases", verb: "" };
const LEASE_VERBS: [&str; 4] = ["get", "create", "patch", "delete"];
const LOGS: Permission<'_> = Permission { group: "", resource: "pods/log", verb: "get" };

/// Every verb on every resource, in the order in which they are written.
fn each(set: &PermissionSet) -> impl Iterator<Item = Permission<'_>> {
    set.resources
        .iter()
        .flat_map(move |resource| set.verbs.iter().map(move |verb| Permission { group: &set.group, resource, verb }))
}

impl<'a> Requirement<'a> {
    fn is_at(&self, workload_ref: &WorkloadRef<'a>) -> bool {
        std::ptr::eq(self.cluster, workload_ref.cluster) && self.namespace == workload_ref.namespace()
    }

    fn add(&mut self, permissions: Vec<Permission<'a>>) {
        for permission in permissions {
            if !self.permissions.contains(&permission) {
                self.permissions.push(permission);
            }
        }
    }

    /// What must be allowed, in the order in which it is asked.
    pub(super) fn permissions(&self) -> &[Permission<'a>] {
        &self.permissions
    }
}

/// What to do about permissions that are missing in a namespace: a rule for each resource.
pub(crate) fn advice(namespace: &str, missing: &[Permission<'_>]) -> String {
    let mut verbs: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Permission { group, resource, verb } in missing {
        verbs.entry((group, resource)).or_default().push(verb);
    }
    let quoted = |verbs: &[&str]| verbs.iter().map(|verb| format!("\"{verb}\"")).collect::<Vec<_>>().join(", ");
    let rules = verbs.iter().map(|((group, resource), verbs)| {
        format!("- apiGroups: [\"{group}\"]\n  resources: [\"{resource}\"]\n  verbs: [{}]", quoted(verbs))
    });
    let rules = rules.collect::<Vec<_>>().join("\n");
    format!("add to the rules of the servo's Role in namespace \"{namespace}\":\n{rules}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_written_as_rules() {
        let missing =
            [Permission { verb: "get", ..STATEFUL_SETS }, Permission { verb: "patch", ..STATEFUL_SETS }, LOGS];
        let rules = "\
add to the rules of the servo's Role in namespace \"shop\":
- apiGroups: [\"\"]
  resources: [\"pods/log\"]
  verbs: [\"get\"]
- apiGroups: [\"apps\"]
  resources: [\"statefulsets\"]
  verbs: [\"get\", \"patch\"]";
        assert_eq!(advice("shop", &missing), rules);
    }
}
