//! The fields of a workload that this connector writes, and the patches that set them.
//!
//! A patch is the difference of two versions of a container, so that it holds what changes and nothing else. Lists and
//! mappings that other people own are never replaced as a whole.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::k8s::{Container, Resource, Workload, parse_bytes, parse_cores};
use crate::types::{Amount, ResourceRequirement};

/// A field of a workload that this connector writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "camelCase")]
pub(crate) enum Field {
    /// How many pods there should be.
    Replicas,
    /// A quantity in the resources of a container.
    Resource {
        container: String,
        /// Whether it is requested or a limit.
        requirement: ResourceRequirement,
        /// What it is a quantity of.
        resource: Resource,
    },
    /// A variable in the environment of a container.
    Variable { container: String, name: String },
}

/// A field with a value as the API has it; null when it is not there. That of a variable is its whole entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FieldValue {
    #[serde(flatten)]
    pub field: Field,
    pub value: Json,
}

impl Field {
    /// Its value in a workload.
    pub(crate) fn read(&self, workload: &Workload) -> Json {
        match self.container() {
            None => workload.replicas.into(),
            Some(container) => workload.container(container).map(|found| self.read_in(found)).unwrap_or_default(),
        }
    }

    /// Its value in a container, which is taken to be its own.
    pub(crate) fn read_in(&self, container: Container<'_>) -> Json {
        let found = match self {
            Self::Replicas => None,
            Self::Resource { requirement, resource, .. } => {
                container.resources().quantity(*requirement, *resource).map(Json::from)
            }
            Self::Variable { name, .. } => container.entry(name).cloned(),
        };
        found.unwrap_or_default()
    }

    /// The container that it is in; `None` when it is a field of the workload itself.
    pub(crate) fn container(&self) -> Option<&str> {
        match self {
            Self::Replicas => None,
            Self::Resource { container, .. } | Self::Variable { container, .. } => Some(container),
        }
    }

    /// Whether two of its values mean the same; quantities may be spelled differently.
    pub(crate) fn same(&self, one: &Json, other: &Json) -> bool {
        match self {
            Self::Replicas => one == other,
            Self::Resource { resource: Resource::Cpu, .. } => same_quantity(one, other, parse_cores),
            Self::Resource { resource: Resource::Memory, .. } => same_quantity(one, other, parse_bytes),
            Self::Variable { .. } => (one.is_null() && other.is_null()) || same_entry(one, other),
        }
    }

    /// The keys that lead to it in the account of managed fields: those in a pod's `spec` come after `prefix`, and
    /// `is_sidecar` tells in which list its container is.
    pub(crate) fn managed_path(&self, prefix: &[&str], is_sidecar: bool) -> Vec<String> {
        let key = |name: &str| format!("k:{}", json!({ "name": name }));
        let Some(container) = self.container() else { return ["f:spec", "f:replicas"].map(str::to_owned).to_vec() };
        let list = if is_sidecar { "f:initContainers" } else { "f:containers" };
        let mut path: Vec<String> = prefix.iter().map(|key| (*key).to_owned()).collect();
        path.extend([list.to_owned(), key(container)]);
        match self {
            Self::Replicas => {}
            Self::Resource { requirement, resource, .. } => path.extend([
                "f:resources".to_owned(),
                format!("f:{}", requirement.resources_key()),
                format!("f:{}", resource.as_str()),
            ]),
            Self::Variable { name, .. } => path.extend(["f:env".to_owned(), key(name)]),
        }
        path
    }

    fn is_in(&self, container: &str) -> bool {
        self.container() == Some(container)
    }
}

/// `the limit of cpu`, `variable MODE`, `replicas`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas => f.write_str("replicas"),
            Self::Resource { requirement, resource, .. } => {
                write!(f, "{}.{}", requirement.resources_key(), resource.as_str())
            }
            Self::Variable { name, .. } => write!(f, "variable {name}"),
        }
    }
}

fn same_quantity<T: PartialEq>(one: &Json, other: &Json, read: impl Fn(&str) -> Option<T>) -> bool {
    if one.is_null() && other.is_null() {
        return true;
    }
    let [one, other] = [one, other].map(|quantity| quantity.as_str().and_then(&read));
    one.is_some() && one == other
}

/// An entry without a value has an empty one.
fn same_entry(one: &Json, other: &Json) -> bool {
    one["name"] == other["name"]
        && one.get("valueFrom").is_none_or(Json::is_null)
        && one["value"].as_str().unwrap_or_default() == other["value"].as_str().unwrap_or_default()
}

impl FieldValue {
    /// Whether it requests more than a node has, which is in the form `{"cpu": "2", "memory": "4Gi"}`. Nothing exceeds
    /// what is not known.
    pub(crate) fn exceeds(&self, allocatable: &Json) -> bool {
        let Field::Resource { requirement: ResourceRequirement::Request, resource, .. } = &self.field else {
            return false;
        };
        let [wanted, room] = [&self.value, &allocatable[resource.as_str()]].map(|quantity| {
            let text = quantity.as_str()?;
            match resource {
                Resource::Cpu => parse_cores(text).map(|cores| cores.as_f64()),
                Resource::Memory => parse_bytes(text).map(|size| Amount::from(size).as_f64()),
            }
        });
        wanted.zip(room).is_some_and(|(wanted, room)| wanted > room)
    }

    /// Sets it in a container, which is taken to be its own.
    pub(crate) fn set_in(&self, container: &mut Json) {
        match &self.field {
            Field::Replicas => {}
            Field::Resource { requirement, resource, .. } => {
                set_quantity(container, requirement.resources_key(), resource.as_str(), &self.value);
            }
            Field::Variable { name, .. } => set_entry(container, name, &self.value),
        }
    }
}

/// The strategic merge patch that gives a workload these values; `None` when it has them already. Fields of
/// containers that it has not are left out.
pub(crate) fn patch(workload: &Workload, values: &[FieldValue]) -> Option<Json> {
    let mut spec = Map::new();
    let replicas = values.iter().rev().find(|value| value.field == Field::Replicas).map(|value| &value.value);
    if let Some(replicas) = replicas.filter(|replicas| **replicas != workload.replicas) {
        spec.insert("replicas".to_owned(), replicas.clone());
    }
    let mut lists = Map::new();
    let containers: Vec<Json> =
        workload.containers().filter_map(|container| container_patch(container, values)).collect();
    let sidecars: Vec<Json> = workload.sidecars().filter_map(|sidecar| container_patch(sidecar, values)).collect();
    for (key, list) in [("containers", containers), ("initContainers", sidecars)] {
        if !list.is_empty() {
            lists.insert(key.to_owned(), list.into());
        }
    }
    if !lists.is_empty() {
        spec.insert("template".to_owned(), json!({ "spec": lists }));
    }
    (!spec.is_empty()).then(|| json!({ "spec": spec }))
}

fn container_patch(before: Container<'_>, values: &[FieldValue]) -> Option<Json> {
    let mut after = before.raw().clone();
    for value in values.iter().filter(|value| value.field.is_in(before.name())) {
        value.set_in(&mut after);
    }
    let mut changes = Map::new();
    if let Some(resources) = difference(&before.raw()["resources"], &after["resources"]) {
        changes.insert("resources".to_owned(), resources);
    }
    let env = environment_difference(&before.raw()["env"], &after["env"]);
    if !env.is_empty() {
        changes.insert("env".to_owned(), env.into());
    }
    if changes.is_empty() {
        return None;
    }
    changes.insert("name".to_owned(), before.name().into());
    Some(Json::Object(changes))
}

/// What must be merged into one value to get the other; `None` when they are equal.
fn difference(before: &Json, after: &Json) -> Option<Json> {
    if before == after {
        return None;
    }
    let (Json::Object(old), Json::Object(new)) = (before, after) else { return Some(after.clone()) };
    let changed = new.iter().filter_map(|(key, value)| match old.get(key) {
        Some(old) => Some((key.clone(), difference(old, value)?)),
        None => Some((key.clone(), value.clone())),
    });
    let removed = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Json::Null));
    Some(changed.chain(removed).collect())
}

/// What must be merged by name into a list of variables to get the other.
fn environment_difference(before: &Json, after: &Json) -> Vec<Json> {
    let (old, new) = (entries(before), entries(after));
    let changed = new.iter().flat_map(|entry| {
        let name = &entry["name"];
        match (named(old, name).as_slice(), named(new, name).as_slice()) {
            ([], _) => vec![entry.clone()],
            ([only], _) => entry_difference(only, entry).into_iter().collect(),
            // A change would be merged into the first of several, and it is the last that counts.
            (_, [_]) => vec![deletion(name), entry.clone()],
            _ => Vec::new(),
        }
    });
    let removed = old.iter().filter(|entry| named(new, &entry["name"]).is_empty());
    changed.chain(removed.map(|entry| deletion(&entry["name"]))).collect()
}

fn named<'a>(list: &'a [Json], name: &Json) -> Vec<&'a Json> {
    list.iter().filter(|entry| entry["name"] == *name).collect()
}

fn entry_difference(before: &Json, after: &Json) -> Option<Json> {
    let mut change = difference(before, after)?;
    change["name"] = after["name"].clone();
    Some(change)
}

fn deletion(name: &Json) -> Json {
    json!({ "$patch": "delete", "name": name })
}

fn entries(list: &Json) -> &[Json] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// Sets a quantity, or removes it when it is null, with its mapping when that has nothing left.
fn set_quantity(container: &mut Json, requirement: &str, resource: &str, value: &Json) {
    let resources = member(container, "resources");
    let quantities = member(resources, requirement);
    if !value.is_null() {
        quantities[resource] = value.clone();
        return;
    }
    let Some(mapping) = quantities.as_object_mut() else { return };
    mapping.shift_remove(resource);
    if mapping.is_empty()
        && let Some(resources) = resources.as_object_mut()
    {
        resources.shift_remove(requirement);
    }
}

/// A mapping in a mapping; anything else that is there gives way.
fn member<'a>(object: &'a mut Json, key: &str) -> &'a mut Json {
    if !object.is_object() {
        *object = json!({});
    }
    let member = &mut object[key];
    if !member.is_object() {
        *member = json!({});
    }
    member
}

/// Sets the entry of a variable in its place, adds it at the end, or removes it when it is null. Of several of its name
/// none else is left.
fn set_entry(container: &mut Json, name: &str, entry: &Json) {
    let mut env = entries(&container["env"]).to_vec();
    let place = env.iter().rposition(|entry| entry["name"] == *name);
    match place {
        Some(place) if env[place] == *entry => return,
        Some(place) if !entry.is_null() => {
            env[place] = entry.clone();
            let mut position = 0..;
            env.retain(|other| position.next() == Some(place) || other["name"] != *name);
        }
        None if !entry.is_null() => env.push(entry.clone()),
        _ => env.retain(|entry| entry["name"] != *name),
    }
    if !env.is_empty() || container.get("env").is_some() {
        container["env"] = env.into();
    }
}
