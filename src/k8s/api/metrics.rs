//! The metrics API: what the pods of a namespace use, as a metrics server in the cluster last saw it.
//!
//! Only what is used of its answers is read. A cluster need not have this API, and pods that have just started are not
//! in it yet.

use std::collections::BTreeMap;

use kube::core::ObjectList;
use kube::core::params::ListParams;
use serde::{Deserialize, Deserializer};

use super::cluster::{Cluster, Permission};
use super::error::ApiError;
use super::request::Collection;
use crate::k8s::objects::resources::Resource;
use crate::k8s::objects::workload::or_default;
use crate::types::UnixTime;

pub(crate) const POD_METRICS: Permission<'static> =
    Permission { group: "metrics.k8s.io", resource: "pods", verb: "list" };

/// What the containers of a pod use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PodMetrics {
    #[serde(rename = "metadata", deserialize_with = "name_of")]
    pub name: String,
    /// The end of the span of time over which it was observed.
    #[serde(rename = "timestamp", deserialize_with = "time_of")]
    pub time: UnixTime,
    /// Its containers; none when nothing is known of them yet.
    #[serde(default, deserialize_with = "or_default")]
    pub containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerMetrics {
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    usage: BTreeMap<String, String>,
}

impl ContainerMetrics {
    /// The quantity of a resource as text, when there is one.
    pub(crate) fn usage(&self, resource: Resource) -> Option<&str> {
        self.usage.get(resource.as_str()).map(String::as_str)
    }
}

impl Cluster {
    /// What the pods use that a selector in the form of text selects. A cluster without this API says "not found", one
    /// whose metrics server does not run 503.
    pub(crate) async fn pod_metrics(&self, namespace: &str, selector: &str) -> Result<Vec<PodMetrics>, ApiError> {
        let request = Collection::POD_METRICS.within(namespace).list(&ListParams::default().labels(selector));
        let what = format!("list metrics of pods in namespace \"{namespace}\"");
        let list: ObjectList<PodMetrics> = self.api.read(&what, request).await?;
        Ok(list.items)
    }
}

fn name_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    Ok(Metadata::deserialize(deserializer)?.name)
}

fn time_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metrics_of_a_pod_have_its_name_a_time_with_a_zone_and_texts_of_quantities() {
        let item = json!({
            "metadata": { "name": "web-1", "namespace": "default", "creationTimestamp": "2023-05-01T10:00:20Z" },
            "timestamp": "2023-05-01T12:00:00+02:00",
            "window": "15.2s",
            "containers": [{ "name": "main", "usage": { "cpu": "62500u", "memory": "64Mi", "swap": "0" } }],
        });
        let metrics: PodMetrics = serde_json::from_value(item).expect("an item of the API");
        assert_eq!((metrics.name.as_str(), metrics.time.to_string().as_str()), ("web-1", "2023-05-01T10:00:00+00:00"));
        let [main] = metrics.containers.as_slice() else { panic!("{metrics:?}") };
        assert_eq!((main.usage(Resource::Cpu), main.usage(Resource::Memory)), (Some("62500u"), Some("64Mi")));
    }

    #[test]
    fn a_pod_without_containers_is_read_and_one_without_a_time_is_not() {
        for (item, is_read) in [
            (json!({ "metadata": { "name": "a" }, "timestamp": "2023-05-01T10:00:00Z" }), true),
            (json!({ "metadata": { "name": "a" }, "timestamp": "2023-05-01T10:00:00Z", "containers": null }), true),
            (
                json!({
                    "metadata": { "name": "a" }, "timestamp": "2023-05-01T10:00:00Z",
                    "containers": [{ "name": "b", "usage": null }],
                }),
                true,
            ),
            (json!({ "metadata": { "name": "a" }, "timestamp": "now" }), false),
            (json!({ "metadata": { "name": "a" } }), false),
            (json!({ "timestamp": "2023-05-01T10:00:00Z" }), false),
        ] {
            let metrics = serde_json::from_value::<PodMetrics>(item.clone());
            assert_eq!(metrics.is_ok(), is_read, "{item}");
        }
    }
}
