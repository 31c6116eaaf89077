//! What is asked of a Kubernetes cluster: one method for each question.
//!
//! Nothing here decides anything, retries, or keeps what it has read.

use futures_util::Stream;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::core::params::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::request::Error as RequestError;
use kube::core::{ObjectList, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::forward::Forward;
use super::request::{Api, Built, Collection, about};
use super::session::Session;
use super::watch::{PodEvent, watch_pod, watch_pods, watch_workload};
use crate::k8s::WorkloadKind;
use crate::k8s::objects::pod::RunningPod;
use crate::k8s::objects::workload::{Workload, WorkloadProgress};

/// A cluster that answers. Cheap to clone; all clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(in crate::k8s) api: Api,
}

/// What the API server says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Version {
    pub major: String,
    /// Such as `34`, or `24+` from some vendors.
    pub minor: String,
    #[serde(default)]
    pub platform: String,
}

impl Version {
    /// Major and minor version as numbers. Vendors add letters and signs to the minor one.
    pub(crate) fn number(&self) -> Option<(u32, u32)> {
        let digits: String = self.minor.chars().filter(char::is_ascii_digit).collect();
        Some((self.major.parse().ok()?, digits.parse().ok()?))
    }
}

/// Something that a user may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permission<'a> {
    /// The API group; empty is the core.
    pub group: &'a str,
    /// The resource in the plural, such as `pods`; with a subresource, `pods/log`.
    pub resource: &'a str,
    pub verb: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogRequest<'a> {
    pub container: &'a str,
    /// The run before the last restart, rather than the present one.
    pub previous: bool,
    /// How many bytes at most, from the beginning.
    pub limit_bytes: u64,
}

/// How many whole pods are held at a time while many are read.
const PODS_AT_A_TIME: u32 = 100;

impl Cluster {
    pub(in crate::k8s) fn new(session: Session) -> Self {
        Self { api: Api::new(session) }
    }

    /// The version of the API server.
    pub(crate) async fn version(&self) -> Result<Version, ApiError> {
        let request = http::Request::get("/version/").body(Vec::new()).map_err(RequestError::BuildRequest);
        self.api.read("get the version of the API server", request).await
    }

    /// Whether a namespace exists and may be read.
    pub(crate) async fn namespace(&self, name: &str) -> Result<(), ApiError> {
        let request = Request::new("/api/v1/namespaces").get(name, &GetParams::default());
        self.api.send(&format!("get namespaces \"{name}\""), request).await?;
        Ok(())
    }

    /// Whether the user of this access may do something in a namespace.
    pub(crate) async fn allowed(&self, namespace: &str, permission: Permission<'_>) -> Result<bool, ApiError> {
        let Permission { group, resource, verb } = permission;
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": namespace, "group": group, "resource": resource, "subresource": subresource, "verb": verb,
            } },
        });
        let reviews = Request::new("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        let request = reviews.create(&PostParams::default(), review.to_string().into_bytes());
        let review: SelfSubjectAccessReview = self.api.read("create selfsubjectaccessreviews", request).await?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }

    pub(crate) async fn workload(&self, kind: WorkloadKind, namespace: &str, name: &str) -> Result<Workload, ApiError> {
        let (what, request) = get(Collection::of(kind), namespace, name);
        let object = self.api.read(&what, request).await?;
        Ok(Workload::from_object(kind, object))
    }

    /// A workload as the API has it, for [`Self::replace_workload`].
    pub(crate) async fn raw_workload(&self, kind: WorkloadKind, namespace: &str, name: &str) -> Result<Json, ApiError> {
        let (what, request) = get(Collection::of(kind), namespace, name);
        self.api.read(&what, request).await
    }

    /// Changes a workload by a strategic merge patch; returns it as it is then.
    pub(crate) async fn patch_workload(
        &self,
        kind: WorkloadKind,
        namespace: &str,
        name: &str,
        patch: &Json,
    ) -> Result<Workload, ApiError> {
        let collection = Collection::of(kind);
        let patched = collection.within(namespace).patch(name, &PatchParams::default(), &Patch::Strategic(patch));
        let object = self.api.read(&about("patch", collection, namespace, name), patched).await?;
        Ok(Workload::from_object(kind, object))
    }

    /// Replaces a workload. With the `resourceVersion` of the one that was read, a change in between is a conflict.
    pub(crate) async fn replace_workload(
        &self,
        kind: WorkloadKind,
        namespace: &str,
        name: &str,
        object: &Json,
    ) -> Result<(), ApiError> {
        let collection = Collection::of(kind);
        let replaced = collection.within(namespace).replace(name, &PostParams::default(), body(object));
        self.api.send(&about("replace", collection, namespace, name), replaced).await?;
        Ok(())
    }

    /// The replica sets that a selector in the form of text selects.
    pub(crate) async fn replica_sets(&self, namespace: &str, selector: &str) -> Result<Vec<ReplicaSet>, ApiError> {
        self.list(Collection::REPLICA_SETS, namespace, selector).await
    }

    /// The pods that a selector in the form of text selects.
    pub(crate) async fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>, ApiError> {
        self.list(Collection::PODS, namespace, selector).await
    }

    /// A pod, when it exists.
    pub(crate) async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, ApiError> {
        self.object(Collection::PODS, namespace, name).await
    }

    /// The pods that a selector in the form of text selects, with what their containers were given.
    pub(crate) async fn running_pods(&self, namespace: &str, selector: &str) -> Result<Vec<RunningPod>, ApiError> {
        let mut params = ListParams::default().labels(selector).limit(PODS_AT_A_TIME);
        let what = format!("list pods in namespace \"{namespace}\"");
        let mut pods = Vec::new();
        loop {
            let request = Collection::PODS.within(namespace).list(&params);
            let list: ObjectList<RunningPod> = self.api.read(&what, request).await?;
            pods.extend(list.items.into_iter().map(RunningPod::trimmed));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(pods),
            }
        }
    }

    /// A pod with what its containers were given, when it exists.
    pub(crate) async fn running_pod(&self, namespace: &str, name: &str) -> Result<Option<RunningPod>, ApiError> {
        Ok(self.object::<RunningPod>(Collection::PODS, namespace, name).await?.map(RunningPod::trimmed))
    }

    /// A pod as the API has it, when it exists.
    pub(crate) async fn raw_pod(&self, namespace: &str, name: &str) -> Result<Option<Json>, ApiError> {
        self.object(Collection::PODS, namespace, name).await
    }

    /// Creates a pod. One of its name is a conflict.
    pub(crate) async fn create_pod(&self, namespace: &str, pod: &Json) -> Result<(), ApiError> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let created = Collection::PODS.within(namespace).create(&PostParams::default(), body(pod));
        self.api.send(&about("create", Collection::PODS, namespace, name), created).await?;
        Ok(())
    }

    /// Has a pod deleted, which takes its grace period; false when there is none. With `uid`, another pod of that
    /// name is a conflict.
    pub(crate) async fn delete_pod(&self, namespace: &str, name: &str, uid: Option<&str>) -> Result<bool, ApiError> {
        self.delete(Collection::PODS, namespace, name, uid).await
    }

    async fn delete(
        &self,
        collection: Collection,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<bool, ApiError> {
        let preconditions = uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::default() };
        let deleted = collection.within(namespace).delete(name, &params);
        match self.api.send(&about("delete", collection, namespace, name), deleted).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A lease as the API has it, when it exists.
    pub(crate) async fn lease(&self, namespace: &str, name: &str) -> Result<Option<Json>, ApiError> {
        self.object(Collection::LEASES, namespace, name).await
    }

    /// Creates a lease. One of its name is a conflict.
    pub(crate) async fn create_lease(&self, namespace: &str, lease: &Json) -> Result<(), ApiError> {
        let name = lease["metadata"]["name"].as_str().unwrap_or_default();
        let created = Collection::LEASES.within(namespace).create(&PostParams::default(), body(lease));
        self.api.send(&about("create", Collection::LEASES, namespace, name), created).await?;
        Ok(())
    }

    /// Changes a lease by a merge patch. With the `uid` of the one that is meant, another one of its name is a conflict.
    pub(crate) async fn patch_lease(&self, namespace: &str, name: &str, patch: &Json) -> Result<(), ApiError> {
        let leases = Collection::LEASES;
        let patched = leases.within(namespace).patch(name, &PatchParams::default(), &Patch::Merge(patch));
        self.api.send(&about("patch", leases, namespace, name), patched).await?;
        Ok(())
    }

    /// Deletes a lease; false when there is none. With `uid`, another lease of that name is a conflict.
    pub(crate) async fn delete_lease(&self, namespace: &str, name: &str, uid: Option<&str>) -> Result<bool, ApiError> {
        self.delete(Collection::LEASES, namespace, name, uid).await
    }

    /// What each node has for pods, in the form `{"cpu": "2", "memory": "4Gi", …}`.
    pub(crate) async fn allocatable(&self) -> Result<Vec<Json>, ApiError> {
        let request = Request::new("/api/v1/nodes").list(&ListParams::default());
        let list: Json = self.api.read("list nodes", request).await?;
        let nodes = list["items"].as_array().into_iter().flatten();
        Ok(nodes.map(|node| node["status"]["allocatable"].clone()).collect())
    }

    /// The log of a container; `None` when there is none.
    pub(crate) async fn log(
        &self,
        namespace: &str,
        pod: &str,
        wanted: LogRequest<'_>,
    ) -> Result<Option<String>, ApiError> {
        let LogRequest { container, previous, limit_bytes } = wanted;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("container", container)
            .append_pair("limitBytes", &limit_bytes.to_string())
            .append_pair("previous", if previous { "true" } else { "false" })
            .finish();
        let path = Collection::PODS.within(namespace).url_path;
        let request = http::Request::get(format!("{path}/{pod}/log?{query}"));
        let request = request.body(Vec::new()).map_err(RequestError::BuildRequest);
        let what = format!("{} of container \"{container}\"", about("get log of", Collection::PODS, namespace, pod));
        match self.api.send(&what, request).await {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Err(ApiError::Status { code: 400, message, .. }) if message.ends_with("not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A service, when it exists.
    pub(crate) async fn service(&self, namespace: &str, name: &str) -> Result<Option<Service>, ApiError> {
        self.object(Collection::SERVICES, namespace, name).await
    }

    /// Changes a service by a strategic merge patch.
    pub(crate) async fn patch_service(&self, namespace: &str, name: &str, patch: &Json) -> Result<(), ApiError> {
        let services = Collection::SERVICES;
        let patched = services.within(namespace).patch(name, &PatchParams::default(), &Patch::Strategic(patch));
        self.api.send(&about("patch", services, namespace, name), patched).await?;
        Ok(())
    }

    /// Connects to a port of a pod.
    pub(crate) async fn forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Forward, ApiError> {
        Forward::open(self.api.client().await, namespace, pod, port).await
    }

    /// A config map, when it exists.
    pub(crate) async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMap>, ApiError> {
        self.object(Collection::CONFIG_MAPS, namespace, name).await
    }

    /// A replica set, when it exists.
    pub(crate) async fn replica_set(&self, namespace: &str, name: &str) -> Result<Option<ReplicaSet>, ApiError> {
        self.object(Collection::REPLICA_SETS, namespace, name).await
    }

    /// Follows a workload: what it is now, then each change; `None` while it does not exist. What has not changed may
    /// come again. Interruptions are bridged for ever: the caller has a limit of time. An error is the last item.
    pub(crate) fn watch_workload(
        &self,
        kind: WorkloadKind,
        namespace: &str,
        name: &str,
    ) -> impl Stream<Item = Result<Option<WorkloadProgress>, ApiError>> + Send + use<> {
        watch_workload(self.api.clone(), kind, namespace, name)
    }

    /// Follows a pod, as [`Self::watch_workload`] does a workload. The pod comes without its `spec`.
    pub(crate) fn watch_pod(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Stream<Item = Result<Option<Pod>, ApiError>> + Send + use<> {
        watch_pod(self.api.clone(), namespace, name)
    }

    /// Follows the pods that a selector in the form of text selects: a list of them, then each change, and another
    /// list after each interruption. The pods come without their `spec`. An error is the last item.
    pub(crate) fn watch_pods(
        &self,
        namespace: &str,
        selector: &str,
    ) -> impl Stream<Item = Result<PodEvent, ApiError>> + Send + use<> {
        watch_pods(self.api.clone(), namespace, selector)
    }

    async fn object<T: DeserializeOwned>(
        &self,
        collection: Collection,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        let (what, request) = get(collection, namespace, name);
        self.api.find(&what, request).await
    }

    async fn list<T: DeserializeOwned + Clone>(
        &self,
        collection: Collection,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<T>, ApiError> {
        let request = collection.within(namespace).list(&ListParams::default().labels(selector));
        let what = format!("list {} in namespace \"{namespace}\"", collection.plural);
        let list: ObjectList<T> = self.api.read(&what, request).await?;
        Ok(list.items)
    }
}

fn get(collection: Collection, namespace: &str, name: &str) -> (String, Built) {
    (about("get", collection, namespace, name), collection.within(namespace).get(name, &GetParams::default()))
}

fn body(object: &Json) -> Vec<u8> {
    object.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_may_have_signs_of_a_vendor() {
        for (major, minor, expected) in [
            ("1", "17+", Some((1, 17))),
            ("1", "16", Some((1, 16))),
            ("1", "9", Some((1, 9))),
            ("2", "0", Some((2, 0))),
            ("1", "", None),
            ("v1", "16", None),
        ] {
            let version = Version { major: major.to_owned(), minor: minor.to_owned(), platform: String::new() };
            assert_eq!(version.number(), expected, "{major}.{minor}");
        }
    }
}
