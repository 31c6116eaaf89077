//! How often containers have restarted, and how often since.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// How often each container of some pods has restarted. The default knows no pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restarts(BTreeMap<Place, i32>);

/// A container of a pod; a pod that is made anew under its old name is another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    pod: String,
    uid: String,
    container: String,
}

/// A container that has restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restarted {
    pub pod: String,
    pub container: String,
    pub count: i32,
}

impl Restarts {
    /// The counts of these pods; of init containers only native sidecars are counted.
    pub(crate) fn of(pods: &[Pod]) -> Self {
        let counts = pods.iter().flat_map(|pod| {
            container_statuses(pod).map(move |status| {
                let place = Place {
                    pod: pod.metadata.name.clone().unwrap_or_default(),
                    uid: pod.metadata.uid.clone().unwrap_or_default(),
                    container: status.name.clone(),
                };
                (place, status.restart_count)
            })
        });
        Self(counts.collect())
    }

    /// The containers that have restarted since older counts; one that is not in those counts from zero.
    pub(crate) fn since(&self, older: &Self) -> Vec<Restarted> {
        let added = |(place, count): (&Place, &i32)| {
            let count = count - older.0.get(place).copied().unwrap_or(0);
            (count > 0).then(|| Restarted { pod: place.pod.clone(), container: place.container.clone(), count })
        };
        self.0.iter().filter_map(added).collect()
    }
}

/// What a pod says of its containers and native sidecars. A watched pod has no `spec`, so that its init containers are
/// told apart by their state: those that are not sidecars have ended well once the pod is initialized.
pub(crate) fn container_statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let main = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_initialized =
        conditions.iter().any(|condition| condition.type_ == "Initialized" && condition.status == "True");
    let has_ended_well = |status: &ContainerStatus| {
        let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref());
        ended.is_some_and(|ended| ended.exit_code == 0)
    };
    main.iter().chain(init.iter().filter(move |status| is_initialized && !has_ended_well(status)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::kubernetes::fixtures::{container_status, pod};

    #[test]
    fn restarts_count_from_those_that_there_were() {
        let with = |name: &str, count: i32| {
            pod(name, &json!({ "containerStatuses": [container_status(&json!({ "restartCount": count }))] }))
        };
        let before = Restarts::of(&[with("a", 2), with("b", 1)]);
        let mut anew = with("b", 1);
        anew.metadata.uid = Some("another".to_owned());
        let since = |pods: &[Pod], older: &Restarts| -> Vec<(String, i32)> {
            let restarted = Restarts::of(pods).since(older);
            restarted.into_iter().map(|restarted| (restarted.pod, restarted.count)).collect()
        };
        assert_eq!(since(&[with("a", 2), with("b", 1)], &before), []);
        assert_eq!(since(&[with("a", 3), with("c", 1)], &before), [("a".to_owned(), 1), ("c".to_owned(), 1)]);
        assert_eq!(since(&[anew], &before), [("b".to_owned(), 1)]);
        assert_eq!(since(&[with("a", 2)], &Restarts::default()), [("a".to_owned(), 2)]);
    }
}
