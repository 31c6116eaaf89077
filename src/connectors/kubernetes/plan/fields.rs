//! The fields of a workload that this connector writes, and the patches that set them.
//!
//! A patch is the difference of two versions of a container, so that it holds what changes and nothing else. Lists and
//! mappings that other people own are never replaced as a whole.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::k8s::{Container, Resource, Workload};
use crate::types::ResourceRequirement;

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
        let found = match self {
            Self::Replicas => return workload.replicas.into(),
            Self::Resource { container, requirement, resource } => {
                let container = workload.container(container);
                container.and_then(|container| container.resources().quantity(*requirement, *resource)).map(Json::from)
            }
            Self::Variable { container, name } => {
                workload.container(container).and_then(|container| container.entry(name)).cloned()
            }
        };
        found.unwrap_or_default()
    }

    fn is_in(&self, container: &str) -> bool {
        match self {
            Self::Replicas => false,
            Self::Resource { container: of, .. } | Self::Variable { container: of, .. } => of == container,
        }
    }
}

impl FieldValue {
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
    let containers: Vec<Json> =
        workload.containers().filter_map(|container| container_patch(container, values)).collect();
    if !containers.is_empty() {
        spec.insert("template".to_owned(), json!({ "spec": { "containers": containers } }));
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
