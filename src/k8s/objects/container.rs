//! Containers as the API server gave them: views on raw JSON, so that fields that nobody here knows survive.

use serde_json::Value as Json;

use crate::k8s::Resources;

/// A view on a container of a pod or pod template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Container<'a>(&'a Json);

/// What a variable in the environment of a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable<'a> {
    /// A text, which may be empty.
    Text(&'a str),
    /// A reference to a value that is elsewhere, such as in a secret.
    Reference,
}

impl<'a> Container<'a> {
    /// The containers of a pod's `spec`, in its order; init containers are not included.
    pub(crate) fn all(spec: &'a Json) -> impl Iterator<Item = Self> {
        spec["containers"].as_array().into_iter().flatten().map(Self)
    }

    /// The native sidecars of a pod's `spec`: init containers that are restarted for as long as the pod runs. Other init
    /// containers are over when the pod is ready.
    pub(crate) fn sidecars(spec: &'a Json) -> impl Iterator<Item = Self> {
        let init = spec["initContainers"].as_array().into_iter().flatten();
        init.filter(|container| container["restartPolicy"] == "Always").map(Self)
    }

    /// The container or native sidecar of this name in a pod's `spec`.
    pub(crate) fn find(spec: &'a Json, name: &str) -> Option<Self> {
        Self::all(spec).chain(Self::sidecars(spec)).find(|container| container.name() == name)
    }

    /// Its name; empty when it has none, which the API server does not allow.
    pub(crate) fn name(self) -> &'a str {
        self.0["name"].as_str().unwrap_or_default()
    }

    /// What it is given of a node.
    pub(crate) fn resources(self) -> Resources<'a> {
        Resources::new(&self.0["resources"])
    }

    /// A variable in its environment; of several of one name the last counts, as for the container itself.
    pub(crate) fn variable(self, name: &str) -> Option<Variable<'a>> {
        let entry = self.entry(name)?;
        let is_reference = entry.get("valueFrom").is_some_and(|source| !source.is_null());
        Some(if is_reference {
            Variable::Reference
        } else {
            Variable::Text(entry["value"].as_str().unwrap_or_default())
        })
    }

    /// The entry of a variable as it is.
    pub(crate) fn entry(self, name: &str) -> Option<&'a Json> {
        self.0["env"].as_array()?.iter().rev().find(|entry| entry["name"] == *name)
    }

    /// The container as it is.
    pub(crate) fn raw(self) -> &'a Json {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_is_a_text_or_a_reference() {
        let env = json!([
            { "name": "TEXT", "value": "a" },
            { "name": "EMPTY" },
            { "name": "BLANK", "value": "", "valueFrom": null },
            { "name": "REF", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            { "name": "TEXT", "value": "b" },
        ]);
        let spec = json!({ "containers": [{ "name": "main", "env": env }, { "name": "bare" }] });
        let main = Container::find(&spec, "main").expect("it is there");
        for (name, expected) in [
            ("TEXT", Some(Variable::Text("b"))),
            ("EMPTY", Some(Variable::Text(""))),
            ("BLANK", Some(Variable::Text(""))),
            ("REF", Some(Variable::Reference)),
            ("NONE", None),
        ] {
            assert_eq!(main.variable(name), expected, "{name}");
        }
        let bare = Container::find(&spec, "bare").expect("it is there");
        assert_eq!(bare.variable("TEXT"), None);
        assert!(Container::find(&spec, "other").is_none());
        assert_eq!(Container::all(&json!({})).count(), 0);
    }
}
