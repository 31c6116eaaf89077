//! Workloads as this program sees them: the few fields that it uses are typed, the pod template stays raw JSON, so
//! that fields that nobody here knows survive.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ManagedFieldsEntry, ObjectMeta};
use kube::core::Object;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use crate::k8s::{Container, WorkloadKind};

/// The `spec` of a workload, as far as it is used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WorkloadSpec {
    /// How many pods there should be; absent means 1.
    pub replicas: Option<i32>,
    /// Whether changes of the template wait; only a deployment can be paused.
    pub paused: bool,
    /// How the pods of a deployment are replaced.
    #[serde(deserialize_with = "or_default")]
    pub strategy: UpdateStrategy,
    /// How the pods of a stateful set are replaced.
    #[serde(deserialize_with = "or_default")]
    pub update_strategy: UpdateStrategy,
    /// Which pods belong to it.
    #[serde(deserialize_with = "or_default")]
    pub selector: LabelSelector,
    /// What its pods are made from.
    pub template: Json,
}

/// How a workload's pods are replaced by those of a new template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateStrategy {
    /// `RollingUpdate`, `Recreate` or `OnDelete`.
    #[serde(rename = "type")]
    pub type_: String,
    #[serde(deserialize_with = "or_default")]
    rolling_update: RollingUpdate,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct RollingUpdate {
    partition: Option<i64>,
}

impl UpdateStrategy {
    /// The pods of a stateful set below this ordinal keep the old template.
    pub(crate) fn partition(&self) -> i64 {
        self.rolling_update.partition.unwrap_or(0)
    }
}

/// The `spec` of a workload without its template, for those who only watch.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProgressSpec {
    /// How many pods there should be; absent means 1.
    pub replicas: Option<i32>,
}

/// The `status` of a workload; the API server leaves out counts of zero.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WorkloadStatus {
    /// The generation that its controller has seen.
    pub observed_generation: Option<i64>,
    /// How many pods there are.
    pub replicas: Option<i32>,
    /// How many of them are made from the present template.
    pub updated_replicas: Option<i32>,
    /// How many of them are ready.
    pub ready_replicas: Option<i32>,
    /// How many of them have been ready for long enough; older stateful sets do not say.
    pub available_replicas: Option<i32>,
    pub unavailable_replicas: Option<i32>,
    /// The revision of a stateful set's present template.
    pub update_revision: Option<String>,
    /// What its controller has to say.
    #[serde(deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
}

/// A condition of a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Condition {
    /// What it is about, such as `Progressing`.
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
    pub reason: Option<String>,
    pub message: Option<String>,
}

/// A deployment or stateful set.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// Which of the two it is.
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
    /// What tells it from an older one of its name.
    pub uid: String,
    /// Grows with each change of its `spec`.
    pub generation: i64,
    /// Who wrote which fields.
    pub managed_fields: Vec<ManagedFieldsEntry>,
    /// Changes with every change of the object, its status included.
    pub resource_version: String,
    /// Whether changes of the template wait.
    pub paused: bool,
    /// How its pods are replaced.
    pub update: UpdateStrategy,
    /// How many pods there should be.
    pub replicas: i32,
    /// Which pods belong to it.
    pub selector: LabelSelector,
    /// What its pods are made from.
    pub template: Json,
    pub status: WorkloadStatus,
}

/// How far a workload has come with its present `spec`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct WorkloadProgress {
    /// Grows with each change of its `spec`.
    pub generation: i64,
    /// How many pods there should be.
    pub replicas: i32,
    pub status: WorkloadStatus,
}

impl Workload {
    /// The workload in an object of the API.
    pub(crate) fn from_object(kind: WorkloadKind, object: Object<WorkloadSpec, WorkloadStatus>) -> Self {
        let ObjectMeta { namespace, name, uid, generation, managed_fields, resource_version, .. } = object.metadata;
        let update = match kind {
            WorkloadKind::Deployment => object.spec.strategy,
            WorkloadKind::StatefulSet => object.spec.update_strategy,
        };
        Self {
            kind,
            namespace: namespace.unwrap_or_default(),
            name: name.unwrap_or_default(),
            uid: uid.unwrap_or_default(),
            generation: generation.unwrap_or_default(),
            managed_fields: managed_fields.unwrap_or_default(),
            resource_version: resource_version.unwrap_or_default(),
            paused: object.spec.paused,
            update,
            replicas: object.spec.replicas.unwrap_or(DEFAULT_REPLICAS),
            selector: object.spec.selector,
            template: object.spec.template,
            status: object.status.unwrap_or_default(),
        }
    }

    /// The workload in an object of the API as JSON.
    ///
    /// # Errors
    /// A field has another type than in the API.
    #[cfg(test)]
    pub(crate) fn from_json(kind: WorkloadKind, object: Json) -> Result<Self, serde_json::Error> {
        Ok(Self::from_object(kind, serde_json::from_value(object)?))
    }

    /// The containers of its template, in its order; init containers are not included.
    pub(crate) fn containers(&self) -> impl Iterator<Item = Container<'_>> {
        Container::all(&self.template["spec"])
    }

    /// The native sidecars of its template.
    pub(crate) fn sidecars(&self) -> impl Iterator<Item = Container<'_>> {
        Container::sidecars(&self.template["spec"])
    }

    /// The container or native sidecar of this name in its template.
    pub(crate) fn container(&self, name: &str) -> Option<Container<'_>> {
        Container::find(&self.template["spec"], name)
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> WorkloadProgress {
        WorkloadProgress { generation: self.generation, replicas: self.replicas, status: self.status.clone() }
    }
}

impl From<Object<ProgressSpec, WorkloadStatus>> for WorkloadProgress {
    fn from(object: Object<ProgressSpec, WorkloadStatus>) -> Self {
        Self {
            generation: object.metadata.generation.unwrap_or_default(),
            replicas: object.spec.replicas.unwrap_or(DEFAULT_REPLICAS),
            status: object.status.unwrap_or_default(),
        }
    }
}

/// What the API server fills in.
const DEFAULT_REPLICAS: i32 = 1;

/// Lists and mappings may be null as well as absent.
pub(in crate::k8s) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workload_keeps_fields_of_its_template_that_are_unknown() {
        let template =
            json!({ "spec": { "hostUsers": false, "containers": [{ "name": "main" }, { "name": "proxy" }] } });
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "default", "uid": "2", "generation": 3,
                "annotations": { "deployment.kubernetes.io/revision": "1" },
                "creationTimestamp": "2023-06-15T00:00:00Z", "resourceVersion": "1002",
            },
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": { "app": "web" } },
                "template": template.clone(),
                "strategy": { "type": "RollingUpdate" },
            },
            "status": {
                "observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1,
                "conditions": [{
                    "type": "Available", "status": "True", "lastUpdateTime": "2023-06-15T00:00:01Z",
                    "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability.",
                }],
            },
        });
        let workload = Workload::from_json(WorkloadKind::Deployment, object).expect("an object of the API");
        assert_eq!(
            (workload.namespace.as_str(), workload.name.as_str(), workload.uid.as_str()),
            ("default", "web", "2")
        );
        assert_eq!(workload.template, template);
        assert_eq!(workload.containers().map(Container::name).collect::<Vec<_>>(), ["main", "proxy"]);
        assert!(workload.container("proxy").is_some() && workload.container("other").is_none());
        let progress = workload.progress();
        assert_eq!((progress.generation, progress.replicas), (3, 2));
        assert_eq!((progress.status.ready_replicas, progress.status.available_replicas), (Some(1), None));
        assert_eq!(progress.status.conditions[0].reason.as_deref(), Some("MinimumReplicasAvailable"));
    }

    #[test]
    fn what_is_absent_or_null_has_its_default() {
        for (spec, status) in [
            (json!({}), json!(null)),
            (json!({ "replicas": null, "selector": null, "template": null }), json!({ "conditions": null })),
        ] {
            let object = json!({ "metadata": {}, "spec": spec, "status": status });
            let workload = Workload::from_json(WorkloadKind::StatefulSet, object.clone()).expect("nothing is required");
            assert_eq!((workload.replicas, workload.status), (1, WorkloadStatus::default()));
            let watched: Object<ProgressSpec, WorkloadStatus> = serde_json::from_value(object).expect("as above");
            assert_eq!(
                WorkloadProgress::from(watched),
                WorkloadProgress { replicas: 1, ..WorkloadProgress::default() }
            );
        }
    }
}
