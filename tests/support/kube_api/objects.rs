//! The objects of the cluster, their versions, and the log of changes that watches read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::call::Target;
use super::patch;
use super::selector::selects;

/// Why the API server refuses.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            415 => "UnsupportedMediaType",
            422 => "Invalid",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "InternalError",
        };
        Self { code, reason: reason.to_owned(), message: message.into() }
    }

    /// The `Status` object.
    pub(crate) fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        })
    }
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) group: String,
    pub(crate) resource: String,
    /// Empty for objects without a namespace.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let [group, resource, namespace, name] = [group, resource, namespace, name].map(str::to_owned);
        Self { group, resource, namespace, name }
    }

    pub(crate) fn pod(namespace: &str, name: &str) -> Self {
        Self::new("", "pods", namespace, name)
    }

    pub(crate) fn deployment(namespace: &str, name: &str) -> Self {
        Self::new("apps", "deployments", namespace, name)
    }

    pub(crate) fn stateful_set(namespace: &str, name: &str) -> Self {
        Self::new("apps", "statefulsets", namespace, name)
    }

    /// Of an object that names its kind.
    pub(crate) fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let group = text(&object["apiVersion"]);
        let group = group.split_once('/').map(|(group, _)| group).unwrap_or_default().to_owned();
        let resource = format!("{}s", text(&object["kind"]).to_lowercase());
        let metadata = &object["metadata"];
        Self { group, resource, namespace: text(&metadata["namespace"]), name: text(&metadata["name"]) }
    }
}

/// A change, as watches see it.
#[derive(Debug, Clone)]
struct Logged {
    version: u64,
    key: Key,
    before: Option<Value>,
    after: Option<Value>,
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    kept: BTreeMap<Key, Value>,
    version: u64,
    log: Vec<Logged>,
    /// The oldest version from which a watch may start.
    horizon: u64,
    made: u64,
}

impl Objects {
    /// The version of the newest change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Forgets the history, so that watches from older versions are refused.
    pub(crate) fn forget_history(&mut self) {
        self.version += 1;
        self.horizon = self.version;
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.kept.get(key)
    }

    /// All objects, by group, resource and name.
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.kept.into_values().collect()
    }

    /// All objects of a resource, of one namespace when it is not empty.
    pub(crate) fn all<'a>(
        &'a self,
        group: &'a str,
        resource: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        self.kept.iter().filter(move |(key, _)| {
            key.group == group && key.resource == resource && (namespace.is_empty() || key.namespace == namespace)
        })
    }

    /// Writes an object as it is, with a new version. A missing uid is given.
    pub(crate) fn put(&mut self, mut object: Value) {
        let key = Key::of(&object);
        if object["metadata"].get("uid").is_none() {
            self.made += 1;
            object["metadata"]["uid"] = json!(format!("00000000-0000-4000-9000-{:012}", self.made));
        }
        self.write(key, Some(object));
    }

    /// Changes an object; nothing happens when it is not there, or does not change.
    pub(crate) fn update(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(before) = self.kept.get(key) else { return };
        let mut after = before.clone();
        change(&mut after);
        if after != *before {
            if after["spec"] != before["spec"]
                && let Some(generation) = before["metadata"]["generation"].as_i64()
            {
                after["metadata"]["generation"] = json!(generation + 1);
            }
            self.write(key.clone(), Some(after));
        }
    }

    /// Removes an object.
    pub(crate) fn remove(&mut self, key: &Key) {
        if self.kept.contains_key(key) {
            self.write(key.clone(), None);
        }
    }

    fn write(&mut self, key: Key, mut after: Option<Value>) {
        self.version += 1;
        let version = self.version;
        if let Some(object) = &mut after {
            object["metadata"]["resourceVersion"] = json!(version.to_string());
        }
        let before = match &after {
            Some(object) => self.kept.insert(key.clone(), object.clone()),
            None => self.kept.remove(&key),
        };
        self.log.push(Logged { version, key, before, after });
    }

    /// The events after a version that a watch with these selectors sees.
    ///
    /// # Errors
    /// When the history does not go back that far.
    pub(crate) fn events_since(
        &self,
        version: u64,
        target: &Target,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Vec<Value>, Refusal> {
        if version < self.horizon {
            return Err(Refusal::new(410, format!("too old resource version: {version} ({})", self.horizon)));
        }
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let is_watched = |key: &Key| {
            key.group == target.group
                && key.resource == target.resource
                && (namespace.is_empty() || key.namespace == namespace)
        };
        let start = self.log.partition_point(|logged| logged.version <= version);
        let logged = self.log[start..].iter().filter(|logged| is_watched(&logged.key));
        Ok(logged.filter_map(|logged| event(logged, labels, fields)).collect())
    }

    /// A POST.
    pub(crate) fn create(&mut self, target: &Target, body: &Value) -> Result<Value, Refusal> {
        let mut object = body.clone();
        object["apiVersion"] = json!(target.api_version());
        if let Some(namespace) = &target.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let key = Key { resource: target.resource.clone(), ..Key::of(&object) };
        if key.name.is_empty() {
            return Err(Refusal::new(422, "metadata.name: Required value: name or generateName is required"));
        }
        if self.kept.contains_key(&key) {
            let mut refusal = Refusal::new(409, format!("{} {:?} already exists", key.resource, key.name));
            "AlreadyExists".clone_into(&mut refusal.reason);
            return Err(refusal);
        }
        let metadata = &mut object["metadata"];
        metadata["creationTimestamp"] = json!("2023-06-15T00:10:00Z");
        if key.group == "apps" {
            metadata["generation"] = json!(1);
        }
        if let Value::Object(metadata) = metadata {
            metadata.shift_remove("uid");
        }
        if key.resource == "pods" {
            object["status"] = json!({"phase": "Pending", "qosClass": "Burstable"});
        }
        self.put(object);
        self.get(&key).cloned().ok_or_else(|| Refusal::new(500, "the object was not kept"))
    }

    /// A PATCH of this content type, or a PUT.
    pub(crate) fn modify(
        &mut self,
        key: &Key,
        method: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, Refusal> {
        let current = self.kept.get(key).ok_or_else(|| not_found(key))?;
        let expected = body["metadata"]["resourceVersion"].as_str();
        if expected.is_some_and(|version| current["metadata"]["resourceVersion"].as_str() != Some(version)) {
            return Err(conflict(key));
        }
        if body["metadata"]["uid"].as_str().is_some_and(|uid| current["metadata"]["uid"].as_str() != Some(uid)) {
            return Err(conflict(key));
        }
        let mut after = current.clone();
        match (method, content_type) {
            ("PUT", _) => after = body.clone(),
            (_, "application/strategic-merge-patch+json") => patch::strategic(&mut after, body),
            (_, "application/merge-patch+json") => patch::json_merge(&mut after, body),
            (_, other) => {
                return Err(Refusal::new(415, format!("the body of the request was in an unknown format: {other}")));
            }
        }
        // What only the server writes.
        for field in ["apiVersion", "kind", "status"] {
            after[field] = current[field].clone();
        }
        for field in ["uid", "generation", "resourceVersion", "creationTimestamp"] {
            after["metadata"][field] = current["metadata"][field].clone();
        }
        remove_nulls(&mut after);
        self.update(key, |object| *object = after);
        self.get(key).cloned().ok_or_else(|| not_found(key))
    }

    /// A DELETE with its options. A pod is marked, and removed by its controller; everything else is removed at once.
    pub(crate) fn delete(&mut self, key: &Key, options: &Value) -> Result<Value, Refusal> {
        let current = self.kept.get(key).ok_or_else(|| not_found(key))?.clone();
        if options["preconditions"]["uid"].as_str().is_some_and(|uid| current["metadata"]["uid"].as_str() != Some(uid))
        {
            return Err(conflict(key));
        }
        if key.resource == "pods" && options["gracePeriodSeconds"] != json!(0) {
            self.update(key, |pod| pod["metadata"]["deletionTimestamp"] = json!("2023-06-15T00:10:30Z"));
            return Ok(self.get(key).cloned().unwrap_or(current));
        }
        self.remove(key);
        Ok(current)
    }
}

/// A member that was absent and is written as null.
fn remove_nulls(object: &mut Value) {
    let Value::Object(members) = object else { return };
    members.retain(|_, value| !value.is_null());
    if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
        metadata.retain(|_, value| !value.is_null());
    }
}

pub(crate) fn not_found(key: &Key) -> Refusal {
    let dot = if key.group.is_empty() { "" } else { "." };
    Refusal::new(404, format!("{}{dot}{} {:?} not found", key.resource, key.group, key.name))
}

fn conflict(key: &Key) -> Refusal {
    let dot = if key.group.is_empty() { "" } else { "." };
    let message = format!(
        "Operation cannot be fulfilled on {}{dot}{} {:?}: the object has been modified; please apply your changes to \
         the latest version and try again",
        key.resource, key.group, key.name
    );
    Refusal::new(409, message)
}

/// The event that a watch with these selectors sees: a change that leaves the selection is a deletion.
fn event(logged: &Logged, labels: Option<&str>, fields: Option<&str>) -> Option<Value> {
    let selected = |object: &&Value| selects(object, labels, fields);
    let (before, after) = (logged.before.as_ref().filter(selected), logged.after.as_ref().filter(selected));
    let (kind, object) = match (before, after) {
        (None, None) => return None,
        (None, Some(after)) => ("ADDED", after),
        (Some(_), Some(after)) => ("MODIFIED", after),
        (Some(before), None) => ("DELETED", before),
    };
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = json!(logged.version.to_string());
    Some(json!({"type": kind, "object": object}))
}
