//! Pods as they run: what their containers were given, how often they have restarted, and whether they are on their way
//! out.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::container::Container;

/// A pod as far as its settings and its health are looked at.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunningPod {
    metadata: ObjectMeta,
    /// Containers with their resources and variables, and nothing else.
    #[serde(default)]
    spec: Json,
    #[serde(default)]
    status: Option<PodStatus>,
}

/// The fields of a container that are kept.
const KEPT: [&str; 4] = ["name", "resources", "env", "restartPolicy"];

impl RunningPod {
    /// This pod without what nobody looks at: a workload may have hundreds.
    pub(in crate::k8s) fn trimmed(mut self) -> Self {
        let kept = |container: &Json| {
            let fields = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), container.get(key)?.clone())));
            Json::Object(fields.collect())
        };
        let lists = ["containers", "initContainers"].into_iter().filter_map(|key| {
            let list: Vec<Json> = self.spec[key].as_array()?.iter().map(kept).collect();
            Some((key.to_owned(), list.into()))
        });
        let spec: Map<String, Json> = lists.collect();
        self.spec = spec.into();
        self.metadata.annotations = None;
        self
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// What tells it from a pod that is made anew under its name.
    pub(crate) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The container of this name.
    pub(crate) fn container(&self, name: &str) -> Option<Container<'_>> {
        Container::find(&self.spec, name)
    }

    pub(crate) fn managed_fields(&self) -> &[ManagedFieldsEntry] {
        self.metadata.managed_fields.as_deref().unwrap_or_default()
    }

    /// Whether it ends or has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || matches!(self.phase(), "Failed" | "Succeeded")
    }

    /// Why it ends or has ended, as far as it says so: evicted, preempted, or its node is gone.
    pub(crate) fn end(&self) -> Option<String> {
        let status = self.status.as_ref()?;
        let target = status.conditions.iter().flatten().find(|condition| condition.type_ == "DisruptionTarget");
        let of_status = status.reason.as_ref().map(|reason| (reason, status.message.as_ref()));
        let of_target = target.and_then(|target| Some((target.reason.as_ref()?, target.message.as_ref())));
        let (reason, message) = of_status.or(of_target)?;
        Some(message.map_or_else(|| reason.clone(), |message| format!("{reason}: {message}")))
    }

    fn phase(&self) -> &str {
        self.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
    }

    /// Its containers and native sidecars, with how often each has restarted and how its last run ended.
    pub(crate) fn restarts(&self) -> impl Iterator<Item = (&str, i32, Option<&ContainerStateTerminated>)> {
        self.container_statuses().map(|status| {
            let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            let now = status.state.as_ref().and_then(terminated);
            (status.name.as_str(), status.restart_count, now.or(last))
        })
    }

    fn container_statuses(&self) -> impl Iterator<Item = &ContainerStatus> {
        let sidecars: Vec<&str> = Container::sidecars(&self.spec).map(Container::name).collect();
        let status = self.status.as_ref();
        let main = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
        main.iter().chain(init.iter().filter(move |status| sidecars.contains(&status.name.as_str())))
    }
}

fn terminated(state: &ContainerState) -> Option<&ContainerStateTerminated> {
    state.terminated.as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_keeps_what_its_settings_and_its_health_are_read_from() {
        let pod = json!({
            "metadata": { "name": "web-1", "uid": "1", "annotations": { "long": "text" } },
            "spec": {
                "volumes": [{ "name": "data" }],
                "containers": [{ "name": "main", "image": "web:1", "resources": { "limits": { "cpu": "50m" } } }],
                "initContainers": [{ "name": "proxy", "restartPolicy": "Always" }, { "name": "setup" }],
            },
            "status": {
                "phase": "Running",
                "containerStatuses": [{
                    "name": "main", "ready": true, "restartCount": 1, "image": "", "imageID": "",
                    "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } },
                }],
                "initContainerStatuses": [
                    { "name": "proxy", "ready": true, "restartCount": 2, "image": "", "imageID": "" },
                    { "name": "setup", "ready": true, "restartCount": 3, "image": "", "imageID": "" },
                ],
            },
        });
        let pod: RunningPod = serde_json::from_value(pod).expect("an object of the API");
        let pod = pod.trimmed();
        assert_eq!(pod.spec["containers"], json!([{ "name": "main", "resources": { "limits": { "cpu": "50m" } } }]));
        assert!(pod.container("main").is_some() && !pod.is_over());
        let restarts: Vec<_> =
            pod.restarts().map(|(name, count, end)| (name, count, end.and_then(|end| end.reason.as_deref()))).collect();
        assert_eq!(restarts, [("main", 1, Some("OOMKilled")), ("proxy", 2, None)]);
    }

    #[test]
    fn a_pod_says_why_it_ends() {
        for (status, expected) in [
            (
                json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }),
                Some("Evicted: low on memory"),
            ),
            (
                json!({ "conditions": [
                    { "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler" },
                ] }),
                Some("PreemptionByScheduler"),
            ),
            (json!({ "phase": "Running" }), None),
        ] {
            let pod = json!({ "metadata": { "name": "web-1" }, "status": status });
            let pod: RunningPod = serde_json::from_value(pod).expect("an object of the API");
            assert_eq!(pod.end().as_deref(), expected);
        }
    }
}
