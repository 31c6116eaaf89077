//! The components of a workload, described from what the cluster has.

use serde_json::Value as Json;

use super::settings::{Role, cpu, environment, memory, replicas};
use crate::connectors::kubernetes::config::workload::{ContainerConfig, WorkloadConfig};
use crate::connectors::kubernetes::plan::targets::{Canary, TargetError, find_container, targets};
use crate::k8s::{Container, Variable, Workload};
use crate::types::{Component, ReplicasSetting, Setting};

/// More replicas than any workload has: those of a workload beside a tuning pod are not ours to bound.
const MOST_REPLICAS: u32 = 99_999;

/// The components of a workload that is optimized by itself, one for each configured container; the first has the
/// replicas.
///
/// # Errors
/// The configuration does not fit, or a container is not there.
pub(crate) fn saturation(config: &WorkloadConfig, workload: &Workload) -> Result<Vec<Component>, TargetError> {
    let spec = &workload.template["spec"];
    let targets = targets(config)?;
    let described = targets.into_iter().enumerate().map(|(index, target)| {
        let container = find_container(spec, target.config.name.as_str())?;
        let count = (index == 0).then(|| replicas(config.replicas.setting(), workload.replicas.into(), Role::Adjusted));
        Ok(Component::new(target.component, container_settings(target.config, container, count, Role::Adjusted)))
    });
    described.collect()
}

/// The component of a workload beside a tuning pod: everything is pinned.
///
/// # Errors
/// The configuration does not fit, or the container is not there.
pub(crate) fn main(config: &WorkloadConfig, workload: &Workload) -> Result<Component, TargetError> {
    let canary = Canary::of(config)?;
    let container = find_container(&workload.template["spec"], canary.config.name.as_str())?;
    let count = replicas(ReplicasSetting::up_to(MOST_REPLICAS).setting(), workload.replicas.into(), Role::Main);
    Ok(Component::new(canary.main, container_settings(canary.config, container, Some(count), Role::Main)))
}

/// The component of a tuning pod, as the API server or [`super::super::plan::tuning_pod::TuningPod`] has it.
///
/// # Errors
/// The configuration does not fit, or the container is not there.
pub(crate) fn tuning(config: &WorkloadConfig, pod: &Json) -> Result<Component, TargetError> {
    let canary = Canary::of(config)?;
    let container = find_container(&pod["spec"], canary.config.name.as_str())?;
    let count = replicas(ReplicasSetting::up_to(1).setting(), 1, Role::Adjusted).with_pinned(true);
    Ok(Component::new(canary.tuning, container_settings(canary.config, container, Some(count), Role::Adjusted)))
}

fn container_settings(
    config: &ContainerConfig,
    container: Container<'_>,
    replicas: Option<Setting>,
    role: Role,
) -> Vec<Setting> {
    let resources = container.resources();
    let mut settings =
        vec![cpu(config.cpu.setting(), resources, role), memory(config.memory.setting(), resources, role)];
    settings.extend(replicas);
    let variables = config.env.iter().flatten();
    settings.extend(variables.map(|setting| {
        let found = match container.variable(setting.variable_name()) {
            Some(Variable::Text(text)) => Some(text),
            Some(Variable::Reference) | None => None,
        };
        environment(setting.setting(), found, role)
    }));
    settings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::kubernetes::fixtures::{self, config_of, container};

    fn wire(component: &Component) -> (String, Json) {
        let settings = component.settings.iter().map(|setting| {
            let wire = setting.to_wire();
            (setting.name().to_owned(), json!([wire["value"], wire["pinned"]]))
        });
        (component.name.clone(), Json::Object(settings.collect()))
    }

    #[test]
    fn every_configured_container_is_a_component_and_the_first_has_the_replicas() {
        let containers = json!([container("main", &json!({})), container("sidecar", &json!({ "alias": "side" }))]);
        let config = config_of(&containers, &json!("default"), &json!({ "min": 2, "max": 4 }));
        let components = saturation(&config, &fixtures::workload(&json!({}))).expect("both are there");
        assert_eq!(
            components.iter().map(wire).collect::<Vec<_>>(),
            [
                (
                    "web/main".to_owned(),
                    json!({ "cpu": [0.125, false], "mem": [0.125, false], "replicas": [1, false] })
                ),
                ("side".to_owned(), json!({ "cpu": [0.1, false], "mem": [null, false] })),
            ],
        );
    }

    #[test]
    fn a_main_component_is_pinned_and_its_tuning_component_is_not() {
        let env = json!([
            { "type": "enum", "name": "MODE", "literal": "APP_MODE", "values": ["a", "b"] },
            { "type": "range", "name": "UNSET", "min": 1, "max": 9, "step": 1 },
            { "type": "enum", "name": "EMPTY", "values": ["a"] },
            { "type": "enum", "name": "REF", "values": ["a"] },
        ]);
        let config = fixtures::canary(&json!({ "alias": "main", "env": env }));
        let workload = fixtures::workload(&json!({ "env": [
            { "name": "MODE", "value": "b" },
            { "name": "APP_MODE", "value": "a" },
            { "name": "EMPTY" },
            { "name": "REF", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
        ] }));
        let settings = |pinned: bool| {
            json!({
                "cpu": [0.125, pinned], "mem": [0.125, pinned], "replicas": [1, true], "MODE": ["a", pinned],
                "UNSET": [null, pinned], "EMPTY": ["", pinned], "REF": [null, pinned],
            })
        };
        let component = main(&config, &workload).expect("it is there");
        assert_eq!(wire(&component), ("main".to_owned(), settings(true)));
        assert_eq!(component.settings[2].to_wire()["max"], 99_999);
        let component = tuning(&config, &workload.template).expect("it is there");
        assert_eq!(wire(&component), ("tuning".to_owned(), settings(false)));
        assert_eq!(component.settings[2].to_wire()["max"], 1);
    }

    #[test]
    fn what_cannot_be_optimized_is_said() {
        let replicas = json!({ "min": 1, "max": 4 });
        for (containers, strategy, message) in [
            (json!([]), "default", "workload \"web\" has no container to optimize: add one to its containers"),
            (
                json!([container("other", &json!({}))]),
                "default",
                "no container named \"other\" exists in the Pod (found main, sidecar, and proxy)",
            ),
            (
                json!([container("main", &json!({ "alias": "a" })), container("sidecar", &json!({ "alias": "a" }))]),
                "default",
                "containers \"main\" and \"sidecar\" of workload \"web\" both have the component \"a\": give one of \
                 them another alias",
            ),
            (
                json!([container("main", &json!({ "static_environment_variables": { "A": "b" } }))]),
                "default",
                "container \"main\" has static_environment_variables, which only a tuning pod can have: use strategy \
                 canary, or remove them",
            ),
            (
                json!([container("main", &json!({})), container("sidecar", &json!({}))]),
                "canary",
                "workload \"web\" has 2 containers, and strategy canary optimizes one: leave one in its containers",
            ),
            (
                json!([container("main", &json!({ "alias": "web/main-tuning" }))]),
                "canary",
                "the tuning pod and the workload \"web\" both have the component \"web/main-tuning\": give one of \
                 them another alias",
            ),
        ] {
            let config = config_of(&containers, &json!(strategy), &replicas);
            let workload = fixtures::workload(&json!({}));
            let error = match strategy {
                "canary" => main(&config, &workload).expect_err(message),
                _ => saturation(&config, &workload).expect_err(message),
            };
            assert_eq!(error.to_string(), message);
        }
    }
}
