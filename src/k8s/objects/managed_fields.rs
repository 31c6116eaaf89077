//! Who wrote a field of an object last, as the API server keeps account of it.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

/// Who wrote a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldManager {
    /// Such as `kubectl` or `argocd-controller`.
    pub name: String,
    /// Such as `scale`, when it was not written through the object itself.
    pub subresource: Option<String>,
    /// In RFC 3339.
    pub time: Option<String>,
}

/// `"kubectl" at 2026-11-30T21:25:28Z`.
impl fmt::Display for FieldManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.name)?;
        if let Some(subresource) = &self.subresource {
            write!(f, " (subresource {subresource})")?;
        }
        match &self.time {
            Some(time) => write!(f, " at {time}"),
            None => Ok(()),
        }
    }
}

/// The names under which this program has written: the one that it states, and the one that the API server made of its
/// user agent.
const OURS: [&str; 2] = ["servo", "servox-rs"];

/// The other manager that wrote a field last; `None` when it is nobody's, or only this program's. The path has the keys
/// of the API: `f:spec`, `f:replicas`.
pub(crate) fn other_manager(entries: &[ManagedFieldsEntry], path: &[String]) -> Option<FieldManager> {
    let owns = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|fields| path.iter().try_fold(fields, |node, key| node.get(key)).is_some())
    };
    let is_other = |entry: &&ManagedFieldsEntry| entry.manager.as_deref().is_some_and(|name| !OURS.contains(&name));
    let last = entries.iter().filter(owns).filter(is_other).max_by(|a, b| a.time.cmp(&b.time))?;
    Some(FieldManager {
        name: last.manager.clone().unwrap_or_default(),
        subresource: last.subresource.clone().filter(|subresource| !subresource.is_empty()),
        time: last.time.as_ref().map(|time| time.0.to_string()),
    })
}

/// The other manager that changed anything but the status last.
pub(crate) fn last_other_manager(entries: &[ManagedFieldsEntry]) -> Option<FieldManager> {
    let is_of_status = |entry: &ManagedFieldsEntry| entry.subresource.as_deref() == Some("status");
    let changes: Vec<ManagedFieldsEntry> = entries.iter().filter(|entry| !is_of_status(entry)).cloned().collect();
    other_manager(&changes, &[])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn entry(manager: &str, subresource: &str, time: &str, fields: &Json) -> ManagedFieldsEntry {
        let entry = json!({
            "manager": manager, "operation": "Update", "subresource": subresource, "time": time, "fieldsV1": fields,
        });
        serde_json::from_value(entry).expect("an object of the API")
    }

    #[test]
    fn the_last_other_manager_of_a_field_is_named() {
        let cpu = json!({ "f:spec": { "f:containers": { "k:{\"name\":\"main\"}": { "f:resources": {} } } } });
        let replicas = json!({ "f:spec": { "f:replicas": {} } });
        let entries = [
            entry("servox-rs", "", "2026-11-30T21:25:29Z", &cpu),
            entry("healer", "", "2026-11-30T21:25:28Z", &cpu),
            entry("kubectl", "", "2026-11-30T21:25:20Z", &cpu),
            entry("kube-controller-manager", "scale", "2026-11-30T21:25:10Z", &replicas),
        ];
        let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        for (keys, expected) in [
            (
                vec!["f:spec", "f:containers", "k:{\"name\":\"main\"}", "f:resources"],
                Some("\"healer\" at 2026-11-30T21:25:28Z"),
            ),
            (
                vec!["f:spec", "f:replicas"],
                Some("\"kube-controller-manager\" (subresource scale) at 2026-11-30T21:25:10Z"),
            ),
            (vec!["f:spec", "f:selector"], None),
        ] {
            let found = other_manager(&entries, &path(&keys)).map(|manager| manager.to_string());
            assert_eq!(found.as_deref(), expected);
        }
        assert_eq!(other_manager(&entries[..1], &path(&["f:spec", "f:containers"])), None);
    }
}
