//! A small cluster: workloads with their sets and pods, and a controller that rolls them out as the real ones do.
//!
//! A test says what becomes of each pod; counts, conditions and revisions follow from that.

use std::time::Duration;

use serde_json::{Value, json};

use super::controller::{Controller, Stage, Verb, Write};
use super::objects::{Key, Objects};

/// Time between two stages of a rollout.
const PACE: Duration = Duration::from_millis(20);

/// What becomes of a pod.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    Ready,
    /// It runs, and never becomes ready.
    Unready,
    /// Its first container has crashed so often, and waits.
    Crashing(u32),
    /// The scheduler says this.
    Unschedulable(&'static str),
    /// Its image cannot be pulled.
    NoImage,
}

/// The controllers, the scheduler and the kubelet.
pub(crate) struct Cluster {
    fate: Box<dyn FnMut(&Value) -> Fate + Send>,
    /// Pods are not made, as under a quota: the Deployment says this.
    quota: Option<&'static str>,
}

impl Cluster {
    /// Every pod becomes ready.
    pub(crate) fn healthy() -> Self {
        Self::where_pods(|_| Fate::Ready)
    }

    /// Every pod that is made has the fate that this gives it.
    pub(crate) fn where_pods(fate: impl FnMut(&Value) -> Fate + Send + 'static) -> Self {
        Self { fate: Box::new(fate), quota: None }
    }

    /// No pod is made any more.
    pub(crate) fn without_pods(message: &'static str) -> Self {
        Self { quota: Some(message), ..Self::healthy() }
    }

    fn roll_out(&mut self, key: &Key, workload: &Value, objects: &Objects) -> Vec<Stage> {
        let (key, workload) = (key.clone(), workload.clone());
        if let Some(message) = self.quota {
            let refuse = move |objects: &mut Objects| {
                let revision = Revision::next(objects, &key);
                revision.begin(objects, &workload, Vec::new());
                objects.update(&key, |workload| {
                    let conditions = json!([
                        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
                        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message},
                    ]);
                    workload["status"]["conditions"] = conditions;
                });
            };
            return vec![Stage::after(PACE, refuse)];
        }
        let made = Revision::newest(objects, &key).blank_pods(objects);
        let fates: Vec<Fate> = made.iter().map(|pod| (self.fate)(pod)).collect();
        let begin_key = key.clone();
        let begin = move |objects: &mut Objects| {
            let revision = Revision::next(objects, &begin_key);
            revision.begin(objects, &workload, made);
        };
        let end = move |objects: &mut Objects| {
            let revision = Revision::newest(objects, &key);
            for (pod, fate) in revision.pods(objects).iter().zip(fates) {
                objects.update(pod, |pod| befall(pod, &fate));
            }
            revision.remove_older_when_ready(objects);
            refresh(objects, &key);
        };
        vec![Stage::after(PACE, begin), Stage::after(PACE, end)]
    }

    fn scale(&mut self, key: &Key, replicas: i64) -> Vec<Stage> {
        let fates: Vec<Fate> = (0..replicas).map(|_| (self.fate)(&Value::Null)).collect();
        let key = key.clone();
        let resize = move |objects: &mut Objects| {
            let revision = Revision::newest(objects, &key);
            let pods = revision.pods(objects);
            let wanted = usize::try_from(replicas).unwrap_or(0);
            pods.iter().skip(wanted).for_each(|pod| objects.remove(pod));
            for (ordinal, fate) in fates.iter().enumerate().skip(pods.len()) {
                let Some(mut pod) = revision.template(objects) else { continue };
                pod["metadata"]["name"] = json!(ordinal.to_string());
                befall(&mut pod, fate);
                revision.add(objects, pod);
            }
            refresh(objects, &key);
        };
        vec![Stage::after(PACE, resize)]
    }
}

impl Controller for Cluster {
    fn react(&mut self, write: &Write, objects: &Objects) -> Vec<Stage> {
        let key = write.key.clone();
        match (write.verb, key.resource.as_str(), &write.after) {
            (Verb::Modify, "deployments" | "statefulsets", Some(after)) => {
                let before = write.before.as_ref().unwrap_or(after);
                let replicas = after["spec"]["replicas"].as_i64().unwrap_or(1);
                if before["spec"]["template"] != after["spec"]["template"] {
                    self.roll_out(&key, after, objects)
                } else if before["spec"]["replicas"] != after["spec"]["replicas"] {
                    self.scale(&key, replicas)
                } else if before["spec"] != after["spec"] {
                    vec![Stage::after(PACE, move |objects| refresh(objects, &key))]
                } else {
                    Vec::new()
                }
            }
            (Verb::Create, "pods", Some(pod)) => {
                let fate = (self.fate)(pod);
                vec![Stage::after(PACE, move |objects| objects.update(&key, |pod| befall(pod, &fate)))]
            }
            (Verb::Delete, "pods", Some(_)) => {
                vec![Stage::after(PACE, move |objects| objects.remove(&key))]
            }
            _ => Vec::new(),
        }
    }
}

/// The pods of one template of a workload.
struct Revision {
    workload: Key,
    /// Counts from 1.
    number: i64,
}

impl Revision {
    fn newest(objects: &Objects, workload: &Key) -> Self {
        let number = objects.get(workload).and_then(|workload| {
            workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str()?.parse().ok()
        });
        Self { workload: workload.clone(), number: number.unwrap_or(1) }
    }

    fn next(objects: &Objects, workload: &Key) -> Self {
        let newest = Self::newest(objects, workload);
        Self { number: newest.number + 1, ..newest }
    }

    fn is_stateful(&self) -> bool {
        self.workload.resource == "statefulsets"
    }

    /// The hash that stands for the template in names and labels.
    fn hash(&self) -> String {
        if self.is_stateful() {
            format!("{}-rev{}", self.workload.name, self.number)
        } else {
            format!("rev{}", self.number)
        }
    }

    fn label(&self) -> &'static str {
        if self.is_stateful() { "controller-revision-hash" } else { "pod-template-hash" }
    }

    fn set_name(&self) -> String {
        format!("{}-{}", self.workload.name, self.hash())
    }

    /// Its pods by name.
    fn pods(&self, objects: &Objects) -> Vec<Key> {
        let hash = self.hash();
        let of_this = |pod: &Value| pod["metadata"]["labels"][self.label()].as_str() == Some(&hash);
        let named_so = |key: &Key| key.name.starts_with(&self.workload.name);
        let pods = objects.all("", "pods", &self.workload.namespace);
        pods.filter(|(key, pod)| named_so(key) && of_this(pod)).map(|(key, _)| key.clone()).collect()
    }

    /// A pod of the workload's template.
    fn template(&self, objects: &Objects) -> Option<Value> {
        let mut pod = objects.get(&self.workload)?["spec"]["template"].clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["namespace"] = json!(self.workload.namespace);
        Some(pod)
    }

    /// As many as the workload is to have, without names, fates or labels of the revision.
    fn blank_pods(&self, objects: &Objects) -> Vec<Value> {
        let replicas = objects.get(&self.workload).and_then(|workload| workload["spec"]["replicas"].as_i64());
        let named = |ordinal: i64| {
            let mut pod = self.template(objects)?;
            pod["metadata"]["name"] = json!(ordinal.to_string());
            pod["status"] = json!({"phase": "Pending"});
            Some(pod)
        };
        (0..replicas.unwrap_or(1)).filter_map(named).collect()
    }

    fn add(&self, objects: &mut Objects, mut pod: Value) {
        let ordinal = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let name = if self.is_stateful() {
            format!("{}-{ordinal}", self.workload.name)
        } else {
            format!("{}-{ordinal}", self.set_name())
        };
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["labels"][self.label()] = json!(self.hash());
        let owner =
            if self.is_stateful() { ("StatefulSet", &self.workload.name) } else { ("ReplicaSet", &self.set_name()) };
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "uid": owner.1, "controller": true}]);
        objects.put(pod);
    }

    /// The workload's controller has seen the template: a replica set, and pods that wait.
    fn begin(&self, objects: &mut Objects, workload: &Value, pods: Vec<Value>) {
        if !self.is_stateful() {
            objects.put(replica_set(&self.workload, workload, self));
        }
        for pod in pods {
            self.add(objects, pod);
        }
        let number = self.number.to_string();
        objects.update(&self.workload, |workload| {
            workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!(number);
        });
        refresh(objects, &self.workload);
    }

    fn remove_older_when_ready(&self, objects: &mut Objects) {
        let is_ready = self.pods(objects).iter().all(|pod| objects.get(pod).is_some_and(pod_is_ready));
        if !is_ready {
            return;
        }
        for number in 1..self.number {
            let older = Self { workload: self.workload.clone(), number };
            older.pods(objects).iter().for_each(|pod| objects.remove(pod));
        }
    }
}

fn replica_set(key: &Key, workload: &Value, revision: &Revision) -> Value {
    let mut selector = workload["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(revision.hash());
    let mut labels = workload["spec"]["template"]["metadata"]["labels"].clone();
    labels["pod-template-hash"] = json!(revision.hash());
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": revision.set_name(), "namespace": key.namespace, "labels": labels, "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": revision.number.to_string()},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": key.name, "uid": workload["metadata"]["uid"],
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {"replicas": workload["spec"]["replicas"], "selector": selector, "template": workload["spec"]["template"]},
    })
}

fn pod_is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// What happens to a pod.
pub(crate) fn befall(pod: &mut Value, fate: &Fate) {
    let names: Vec<Value> =
        pod["spec"]["containers"].as_array().into_iter().flatten().map(|container| container["name"].clone()).collect();
    let is_ready = matches!(fate, Fate::Ready);
    let (restarts, waiting) = match fate {
        Fate::Crashing(restarts) => (*restarts, Some("CrashLoopBackOff")),
        Fate::NoImage => (0, Some("ImagePullBackOff")),
        _ => (0, None),
    };
    if let Fate::Unschedulable(message) = fate {
        let scheduled =
            json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
        pod["status"] = json!({"phase": "Pending", "conditions": [scheduled]});
        return;
    }
    let ready = if is_ready {
        json!({"type": "Ready", "status": "True"})
    } else {
        let message =
            format!("containers with unready status: [{}]", names.first().and_then(Value::as_str).unwrap_or_default());
        json!({"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": message})
    };
    let containers: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(position, name)| {
            let state = match waiting.filter(|_| position == 0) {
                Some(reason) => json!({"waiting": {"reason": reason, "message": reason}}),
                None => json!({"running": {"startedAt": "2023-06-15T00:00:05Z"}}),
            };
            let restarts = if position == 0 { restarts } else { 0 };
            json!({"name": name, "ready": is_ready, "restartCount": restarts, "image": "example/web:1.0", "imageID": "", "state": state})
        })
        .collect();
    let phase = if matches!(fate, Fate::NoImage) { "Pending" } else { "Running" };
    pod["status"] = json!({
        "phase": phase, "conditions": [{"type": "PodScheduled", "status": "True"}, ready], "containerStatuses": containers,
    });
}

/// Rolls a workload out at once, with this fate of all its pods.
pub(crate) fn roll_out(objects: &mut Objects, key: &Key, fate: &Fate) {
    let Some(workload) = objects.get(key).cloned() else { return };
    let revision = Revision::next(objects, key);
    let pods = revision.blank_pods(objects);
    revision.begin(objects, &workload, pods);
    for pod in revision.pods(objects) {
        objects.update(&pod, |pod| befall(pod, fate));
    }
    revision.remove_older_when_ready(objects);
    refresh(objects, key);
}

/// The pods of a workload's newest template.
pub(crate) fn newest_pods(objects: &Objects, key: &Key) -> Vec<Key> {
    Revision::newest(objects, key).pods(objects)
}

/// Brings the status of a workload up to date with its pods.
pub(crate) fn refresh(objects: &mut Objects, key: &Key) {
    let revision = Revision::newest(objects, key);
    let updated = revision.pods(objects);
    let older = (1..revision.number).flat_map(|number| Revision { workload: key.clone(), number }.pods(objects));
    let all: Vec<Key> = updated.iter().cloned().chain(older).collect();
    let ready = all.iter().filter(|pod| objects.get(pod).is_some_and(pod_is_ready)).count();
    objects.update(key, |workload| {
        let wanted = usize::try_from(workload["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
        let mut status = json!({"observedGeneration": workload["metadata"]["generation"]});
        let counts = [
            ("replicas", all.len()),
            ("updatedReplicas", updated.len()),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
            ("unavailableReplicas", wanted.max(all.len()).saturating_sub(ready)),
        ];
        // The real ones leave out what is zero.
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            status[name] = json!(count);
        }
        if revision.is_stateful() {
            status["updateRevision"] = json!(revision.hash());
            status["currentRevision"] = json!(revision.hash());
            if let Value::Object(status) = &mut status {
                status.shift_remove("unavailableReplicas");
            }
        } else {
            status["conditions"] = json!([
                {"type": "Available", "status": if ready >= wanted { "True" } else { "False" },
                 "reason": "MinimumReplicasAvailable", "message": "about availability"},
                {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "about progress"},
            ]);
        }
        workload["status"] = status;
    });
}

pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}})
}

/// A Deployment of the namespace `default`, rolled out: its container `main` has 125m and 128Mi as requests and limits.
pub(crate) fn deployment(name: &str, replicas: i64) -> Vec<Value> {
    workload("Deployment", "default", name, replicas)
}

/// The same as a StatefulSet.
pub(crate) fn stateful_set(name: &str, replicas: i64) -> Vec<Value> {
    workload("StatefulSet", "default", name, replicas)
}

/// A workload of this kind, rolled out.
pub(crate) fn workload(kind: &str, namespace: &str, name: &str, replicas: i64) -> Vec<Value> {
    let labels = json!({"app.kubernetes.io/name": name});
    let resources =
        json!({"requests": {"cpu": "125m", "memory": "128Mi"}, "limits": {"cpu": "125m", "memory": "128Mi"}});
    let container = json!({
        "name": "main", "image": "example/web:1.0", "ports": [{"containerPort": 8480, "name": "http"}],
        "env": [{"name": "MODE", "value": "a"}], "resources": resources,
    });
    let workload = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"), "generation": 1,
            "labels": labels, "annotations": {"deployment.kubernetes.io/revision": "1"},
        },
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        "status": {},
    });
    let key = Key::of(&workload);
    let mut objects = Objects::default();
    objects.put(workload.clone());
    let revision = Revision::newest(&objects, &key);
    if !revision.is_stateful() {
        objects.put(replica_set(&key, &workload, &revision));
    }
    for ordinal in 0..replicas {
        let Some(mut pod) = revision.template(&objects) else { continue };
        pod["metadata"]["name"] = json!(ordinal.to_string());
        befall(&mut pod, &Fate::Ready);
        revision.add(&mut objects, pod);
    }
    refresh(&mut objects, &key);
    objects.into_values()
}
