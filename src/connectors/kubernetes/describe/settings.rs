//! Settings as they are reported: the bounds of the configuration with a value from the cluster.
//!
//! What is found in a cluster is reported as it is, inside the bounds or not; a value that is missing is missing in
//! the report.

use crate::k8s::{Resource, Resources, parse_bytes, parse_cores};
use crate::types::{Scalar, Setting};

/// The part of a component in the optimization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is adjusted: a workload by itself, or a tuning pod.
    Adjusted,
    /// It is the workload beside a tuning pod: all its settings are pinned.
    Main,
}

/// The cores of a container.
pub fn cpu(config: &Setting, resources: Resources<'_>, role: Role) -> Setting {
    let found = resources.first(config.read_from(), Resource::Cpu);
    let value = quantity(found, |text| Some(Scalar::Text(parse_cores(text)?.to_string())));
    reported(config, value.as_ref(), role)
}

/// The memory of a container.
pub fn memory(config: &Setting, resources: Resources<'_>, role: Role) -> Setting {
    let found = resources.first(config.read_from(), Resource::Memory);
    let value = quantity(found, |text| Some(Scalar::Integer(parse_bytes(text)?.bytes())));
    reported(config, value.as_ref(), role)
}

/// The number of pods of a workload.
pub fn replicas(config: &Setting, count: i64, role: Role) -> Setting {
    reported(config, Some(&Scalar::Integer(count)), role)
}

/// A variable in the environment of a container; `found` is its value, when it has one.
pub fn environment(config: &Setting, found: Option<&str>, role: Role) -> Setting {
    let value = found.map(|text| Scalar::Text(text.to_owned()));
    reported(config, value.as_ref(), role)
}

/// A quantity that was found, as text when it is none.
fn quantity(found: Option<&str>, read: impl Fn(&str) -> Option<Scalar>) -> Option<Scalar> {
    found.map(|text| read(text).unwrap_or_else(|| Scalar::Text(text.to_owned())))
}

fn reported(config: &Setting, value: Option<&Scalar>, role: Role) -> Setting {
    let setting = config.safe_set(value);
    match role {
        Role::Adjusted => setting,
        Role::Main => setting.with_pinned(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};
    use crate::types::{EnvironmentSetting, KubernetesCpuSetting, KubernetesMemorySetting, ReplicasSetting};

    fn decoded<T: Decode>(fields: &Json) -> T {
        let node = Node::from_json(fields, &Origin::whole("test"));
        Decoder::run(&NoVariables, |cx| T::decode(&node, cx)).expect("the fields are valid")
    }

    #[test]
    fn a_live_quantity_is_reported_with_the_rules_of_the_cluster() {
        let config: KubernetesMemorySetting = decoded(&json!({ "min": "128Mi", "max": "4Gi", "step": "128Mi" }));
        for (requests, limits, expected) in [
            (json!({ "memory": "1Gi" }), json!({ "memory": "2Gi" }), json!(1.0)),
            (json!(null), json!({ "memory": "8Gi" }), json!(8.0)),
            (json!({ "memory": "1073741824000m" }), json!(null), json!(1.0)),
            (json!({ "cpu": "1" }), json!({}), json!(null)),
            (json!({ "memory": "much" }), json!({}), json!("much")),
        ] {
            let resources = json!({ "requests": requests, "limits": limits });
            let setting = memory(config.setting(), Resources::new(&resources), Role::Adjusted);
            assert_eq!(setting.to_wire().get("value"), Some(&expected), "{resources}");
        }
    }

    #[test]
    fn everything_of_the_main_component_is_pinned_and_the_configuration_is_not() {
        let cores: KubernetesCpuSetting = decoded(&json!({ "min": "125m", "max": 4, "step": "125m" }));
        let resources = json!({ "requests": { "cpu": "8" } });
        let variable: EnvironmentSetting = decoded(&json!({ "type": "enum", "name": "E", "values": ["a"] }));
        for setting in [
            cpu(cores.setting(), Resources::new(&resources), Role::Main),
            replicas(ReplicasSetting::up_to(9).setting(), 10, Role::Main),
            environment(variable.setting(), None, Role::Main),
        ] {
            assert!(setting.pinned(), "{setting}");
        }
        let tuning = cpu(cores.setting(), Resources::new(&resources), Role::Adjusted);
        assert!(!tuning.pinned());
        assert_eq!(tuning.value(), Some(Scalar::Float(8.0)));
    }
}
