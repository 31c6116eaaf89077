//! The tuning pod: a pod of its own, made from the template of a workload, that is adjusted beside it.
//!
//! It has the labels of the workload's pods, so that it serves traffic, and belongs to no replica set. It is kept as
//! raw JSON: fields of the template that nobody here knows survive.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Map, Value as Json, json};

use super::fields::{Field, FieldValue};
use super::targets::{Canary, TargetError, find_container};
use super::workload::{PlanError, container_values, put};
use crate::connectors::kubernetes::config::workload::{ContainerConfig, StaticVariables, WorkloadConfig};
use crate::k8s::{Container, ROLE_LABEL, Resource, TUNING_ROLE, Variable, Workload, quantity_text, tuning_pod_name};
use crate::types::{Adjustment, EnvironmentSetting, ResourceRequirement, Scalar, Setting};

/// The annotation that names the component of a tuning pod.
pub(crate) const TUNING_FOR_ANNOTATION: &str = "opsani.com/opsani_tuning_for";

/// What the API server, not a template, says of an object.
const SERVER_FIELDS: [&str; 9] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// With this label a replica set would count the pod as one of its own.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// A tuning pod that is to be created.
#[derive(Debug, Clone)]
pub(crate) struct TuningPod<'a> {
    config: &'a ContainerConfig,
    component: String,
    body: Json,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Adjusted {
    /// Those that are of the tuning pod, in their order.
    pub adjustments: Vec<Adjustment>,
    /// What they come to; of several values for one field the last.
    pub values: Vec<FieldValue>,
    /// What was not done, for the log.
    pub warnings: Vec<String>,
}

/// Whether a pod is a tuning pod of ours; another one may have its name by chance.
pub(crate) fn is_ours(pod: &Json) -> bool {
    pod["metadata"]["labels"][ROLE_LABEL] == *TUNING_ROLE
}

impl<'a> TuningPod<'a> {
    /// The pod at its baseline: the template as it is now, with the configured variables, requests and limits.
    ///
    /// # Errors
    /// The configuration does not fit, or the container is not there.
    pub(crate) fn from_template(
        config: &'a WorkloadConfig,
        workload: &Workload,
        owner: Option<&OwnerReference>,
    ) -> Result<Self, TargetError> {
        let Canary { config, tuning: component, .. } = Canary::of(config)?;
        find_container(&workload.template["spec"], config.name.as_str())?;
        let body = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(workload, &component, owner),
            "spec": workload.template["spec"],
        });
        let mut pod = Self { config, component, body };
        let defaults = default_quantities(config);
        pod.set(static_variables(config).chain(defaults));
        Ok(pod)
    }

    /// The pod with the settings of an earlier one: the resources of its container as a whole, and the values of the
    /// configured variables that are texts there. Everything else stays that of the template.
    ///
    /// # Errors
    /// The earlier pod has no such container.
    pub(crate) fn with_settings_of(mut self, pod: &Json) -> Result<Self, TargetError> {
        let earlier = find_container(&pod["spec"], self.config.name.as_str())?;
        if let Some(container) = self.container_mut() {
            match earlier.raw().get("resources") {
                Some(resources) => container["resources"] = resources.clone(),
                None => drop(container.as_object_mut().and_then(|fields| fields.shift_remove("resources"))),
            }
        }
        let variables = variables_of(self.config, earlier);
        self.set(variables);
        Ok(self)
    }

    /// Carries out the adjustments that are of this pod; all others are ignored. Its replicas are always one.
    ///
    /// # Errors
    /// There is no such setting, or the value cannot be; nothing has changed then.
    pub(crate) fn adjust(&mut self, adjustments: &[Adjustment]) -> Result<Adjusted, PlanError> {
        let mut adjusted = Adjusted::default();
        for adjustment in adjustments {
            if adjustment.component_name != self.component {
                tracing::debug!(%adjustment, "ignored: it is not for the tuning pod");
                continue;
            }
            if adjustment.setting_name == "replicas" {
                let (_, replicas) = adjustment
                    .for_kubernetes()
                    .map_err(|source| PlanError::Value { adjustment: adjustment.to_string(), source })?;
                if replicas != Scalar::Integer(1) {
                    adjusted.warnings.push(format!("ignored attempt to set replicas to \"{}\"", adjustment.value));
                }
                continue;
            }
            for value in container_values(self.config, adjustment)? {
                put(&mut adjusted.values, value);
            }
            adjusted.adjustments.push(adjustment.clone());
        }
        self.set(adjusted.values.clone());
        Ok(adjusted)
    }

    pub(crate) fn body(&self) -> &Json {
        &self.body
    }

    fn set(&mut self, values: impl IntoIterator<Item = FieldValue>) {
        if let Some(container) = self.container_mut() {
            for value in values {
                value.set_in(container);
            }
        }
    }

    fn container_mut(&mut self) -> Option<&mut Json> {
        let name = self.config.name.as_str();
        let is_named = |container: &Json| container["name"] == *name;
        let spec = &mut self.body["spec"];
        let is_sidecar = !spec["containers"].as_array()?.iter().any(is_named);
        let list = if is_sidecar { "initContainers" } else { "containers" };
        spec[list].as_array_mut()?.iter_mut().find(|container| is_named(container))
    }
}

fn metadata(workload: &Workload, component: &str, owner: Option<&OwnerReference>) -> Json {
    let of_template = workload.template["metadata"].as_object().cloned().unwrap_or_default();
    let mut metadata: Map<String, Json> =
        of_template.into_iter().filter(|(key, _)| !SERVER_FIELDS.contains(&key.as_str())).collect();
    metadata.insert("name".to_owned(), tuning_pod_name(&workload.name).into());
    metadata.insert("namespace".to_owned(), workload.namespace.as_str().into());
    add(&mut metadata, "labels", (ROLE_LABEL, TUNING_ROLE));
    if let Some(labels) = metadata.get_mut("labels").and_then(Json::as_object_mut) {
        labels.shift_remove(TEMPLATE_HASH);
    }
    add(&mut metadata, "annotations", (TUNING_FOR_ANNOTATION, component));
    metadata.shift_remove("ownerReferences");
    if let Some(owner) = owner {
        metadata.insert("ownerReferences".to_owned(), json!([owner]));
    }
    Json::Object(metadata)
}

fn add(metadata: &mut Map<String, Json>, key: &str, (name, text): (&str, &str)) {
    let mut all = metadata.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
    all.insert(name.to_owned(), text.into());
    metadata.insert(key.to_owned(), all.into());
}

/// Removed first, so that they come last in the order of the configuration.
fn static_variables(config: &ContainerConfig) -> impl Iterator<Item = FieldValue> {
    let variables = || config.static_environment_variables.iter().flat_map(StaticVariables::iter);
    let removed = variables().map(|(name, _)| variable(config, name, Json::Null));
    removed.chain(variables().map(|(name, value)| variable(config, name, json!({ "name": name, "value": value }))))
}

fn variable(config: &ContainerConfig, name: &str, value: Json) -> FieldValue {
    FieldValue { field: Field::Variable { container: config.name.to_string(), name: name.to_owned() }, value }
}

fn default_quantities(config: &ContainerConfig) -> Vec<FieldValue> {
    let settings = [(Resource::Memory, config.memory.setting()), (Resource::Cpu, config.cpu.setting())];
    let quantity = |(resource, setting): (Resource, &Setting), requirement| {
        let value = quantity_text(setting.default_of(requirement)?).into();
        let field = Field::Resource { container: config.name.to_string(), requirement, resource };
        Some(FieldValue { field, value })
    };
    let both = |of| ResourceRequirement::ALL.into_iter().filter_map(move |requirement| quantity(of, requirement));
    settings.into_iter().flat_map(both).collect()
}

fn variables_of(config: &ContainerConfig, container: Container<'_>) -> Vec<FieldValue> {
    let names = config.env.iter().flatten().map(EnvironmentSetting::variable_name);
    let text = |name: &str| match container.variable(name)? {
        Variable::Text(text) => Some(variable(config, name, json!({ "name": name, "value": text }))),
        Variable::Reference => None,
    };
    names.filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::kubernetes::describe::components;
    use crate::connectors::kubernetes::fixtures::{self, adjustment};

    fn env() -> Json {
        json!([
            { "type": "enum", "name": "mode", "literal": "MODE", "values": ["a", "b"] },
            { "type": "range", "name": "UNSET", "min": 1, "max": 9, "step": 1 },
            { "type": "enum", "name": "REF", "values": ["a"] },
        ])
    }

    fn usual() -> Workload {
        fixtures::workload(&json!({ "env": [
            { "name": "FOO", "value": "BAZ" },
            { "name": "MODE", "value": "a" },
            { "name": "REF", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
        ] }))
    }

    fn build<'a>(config: &'a WorkloadConfig, workload: &Workload) -> TuningPod<'a> {
        TuningPod::from_template(config, workload, None).expect("the container is there")
    }

    #[test]
    fn a_tuning_pod_is_the_template_with_a_role() {
        let config = fixtures::canary(&json!({
            "cpu": { "min": "125m", "max": 4, "step": "125m", "limit": "1", "request": "300m" },
            "memory": { "min": "128Mi", "max": "4Gi", "step": "128Mi", "limit": "1GiB" },
            "static_environment_variables": { "FOO": "BAR", "NEW": "1" },
        }));
        let mut workload = usual();
        workload.template["metadata"]["labels"][TEMPLATE_HASH] = "5d59d67564".into();
        let owner = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "servo", "uid": "9" });
        let reference = serde_json::from_value(owner.clone()).expect("a reference");
        let pod = TuningPod::from_template(&config, &workload, Some(&reference)).expect("the container is there");
        let metadata = json!({
            "labels": { "app.kubernetes.io/name": "web", "opsani_role": "tuning" },
            "annotations": { "note": "kept", "opsani.com/opsani_tuning_for": "tuning" },
            "name": "web-tuning",
            "namespace": "default",
            "ownerReferences": [owner],
        });
        assert_eq!(pod.body()["metadata"], metadata);
        assert!(is_ours(pod.body()) && !is_ours(&workload.template));
        let main = Container::find(&pod.body()["spec"], "main").expect("it is there").raw();
        let resources = json!({
            "requests": { "cpu": "300m", "memory": "128Mi" }, "limits": { "cpu": "1", "memory": "1Gi" },
        });
        assert_eq!(main["resources"], resources);
        let names: Vec<_> = main["env"].as_array().into_iter().flatten().map(|entry| &entry["name"]).collect();
        assert_eq!(names, ["MODE", "REF", "FOO", "NEW"]);
        let (mut before, mut after) = (workload.template["spec"].clone(), pod.body()["spec"].clone());
        for spec in [&mut before, &mut after] {
            spec["containers"][0] = Json::Null;
        }
        assert_eq!(before, after);
    }

    #[test]
    fn an_adjusted_pod_keeps_what_an_earlier_one_had() {
        let config = fixtures::canary(&json!({ "env": env() }));
        let workload = usual();
        let mut first = build(&config, &workload);
        let adjustments = [
            adjustment("tuning", "mode", &json!("b")),
            adjustment("tuning", "UNSET", &json!(4)),
            adjustment("tuning", "cpu", &json!(1)),
            adjustment("tuning", "replicas", &json!(1)),
            adjustment("tuning", "replicas", &json!(2)),
            adjustment("main", "cpu", &json!(3)),
            adjustment("web/main", "nothing", &json!(3)),
        ];
        let adjusted = first.adjust(&adjustments).expect("valid");
        assert_eq!(adjusted.adjustments, adjustments[..3]);
        assert_eq!(adjusted.warnings, ["ignored attempt to set replicas to \"2\""]);

        let mut changed = workload.clone();
        changed.template["spec"]["containers"][0]["image"] = "example/web:2.0".into();
        let mut second = build(&config, &changed).with_settings_of(first.body()).expect("it is there");
        second.adjust(&[adjustment("tuning", "mem", &json!(1))]).expect("valid");
        let main = Container::find(&second.body()["spec"], "main").expect("it is there").raw();
        let quantities = json!({ "cpu": "1", "memory": "1Gi" });
        assert_eq!(main["resources"], json!({ "requests": quantities, "limits": quantities }));
        assert_eq!(main["image"], "example/web:2.0");
        let described = components::tuning(&config, second.body()).expect("it is there");
        let values: Vec<_> = described.settings.iter().map(|setting| setting.to_wire()["value"].clone()).collect();
        assert_eq!(values, [json!(1.0), json!(1.0), json!(1), json!("b"), json!(4.0), Json::Null]);
        let back = build(&config, &workload).with_settings_of(first.body()).expect("it is there");
        assert_eq!(back.body(), first.body());
    }

    #[test]
    fn an_earlier_pod_without_resources_or_container_is_taken_at_its_word() {
        let config = fixtures::canary(&json!({}));
        let workload = usual();
        let mut earlier = build(&config, &workload).body().clone();
        earlier["spec"]["containers"][0].as_object_mut().expect("a container").shift_remove("resources");
        let pod = build(&config, &workload).with_settings_of(&earlier).expect("it is there");
        assert_eq!(pod.body(), &earlier);
        earlier["spec"]["containers"][0]["name"] = "other".into();
        let error = build(&config, &workload).with_settings_of(&earlier).expect_err("it is not there");
        assert_eq!(
            error.to_string(),
            "no container named \"main\" exists in the Pod (found other, sidecar, and proxy)"
        );
    }

    #[test]
    fn an_adjustment_that_cannot_be_changes_nothing() {
        let config = fixtures::canary(&json!({}));
        let mut pod = build(&config, &usual());
        let before = pod.body().clone();
        let adjustments = [adjustment("tuning", "cpu", &json!(1)), adjustment("tuning", "gc", &json!(1))];
        let error = pod.adjust(&adjustments).expect_err("there is no such setting");
        assert_eq!(error.to_string(), "failed adjustment of unsupported Kubernetes setting 'gc'");
        assert_eq!(pod.body(), &before);
    }
}
