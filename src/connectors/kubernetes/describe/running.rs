//! What a workload runs with: its template, corrected by what its pods really have.

use serde_json::Value as Json;

use crate::connectors::kubernetes::config::workload::{ContainerConfig, WorkloadConfig};
use crate::connectors::kubernetes::plan::fields::{Field, FieldValue};
use crate::k8s::{Resource, RunningPod, Workload};
use crate::types::ResourceRequirement;

/// A workload whose template has what its pods have, where the first of them differs. Pods that are created from a
/// template may get other values, such as from an admission webhook.
pub(crate) fn as_running(config: &WorkloadConfig, workload: &Workload, pods: &[RunningPod]) -> Workload {
    let mut running = workload.clone();
    for field in config.containers.iter().flat_map(fields) {
        let template = field.read(workload);
        let found = pods.iter().find_map(|pod| {
            let value = field.read_in(pod.container(field.container()?)?);
            (!field.same(&value, &template)).then_some(value)
        });
        if let (Some(value), Some(name)) = (found, field.container())
            && let Some(container) = container_mut(&mut running.template, name)
        {
            FieldValue { field: field.clone(), value }.set_in(container);
        }
    }
    running
}

/// The fields of a container that are described.
fn fields(config: &ContainerConfig) -> Vec<Field> {
    let container = || config.name.to_string();
    let mut fields: Vec<Field> = [Resource::Cpu, Resource::Memory]
        .into_iter()
        .flat_map(|resource| {
            [ResourceRequirement::Request, ResourceRequirement::Limit].map(|requirement| Field::Resource {
                container: container(),
                requirement,
                resource,
            })
        })
        .collect();
    let variables = config.env.iter().flatten();
    fields.extend(
        variables.map(|setting| Field::Variable { container: container(), name: setting.variable_name().to_owned() }),
    );
    fields
}

fn container_mut<'a>(template: &'a mut Json, name: &str) -> Option<&'a mut Json> {
    let spec = template.get_mut("spec")?.as_object_mut()?;
    let lists = spec.iter_mut().filter(|(key, _)| matches!(key.as_str(), "containers" | "initContainers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().find(|container| container["name"] == *name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::kubernetes::fixtures;

    #[test]
    fn what_pods_have_counts_more_than_their_template() {
        let config = fixtures::saturation(&json!({}));
        let workload = fixtures::workload(&json!({}));
        let pod = |cpu: &str| -> RunningPod {
            let resources = json!({ "requests": { "cpu": "0.125", "memory": "128Mi" }, "limits": { "cpu": cpu, "memory": "256Mi" } });
            let pod = json!({
                "metadata": { "name": "web-1" }, "spec": { "containers": [{ "name": "main", "resources": resources }] },
            });
            serde_json::from_value(pod).expect("an object of the API")
        };
        assert_eq!(as_running(&config, &workload, &[pod("250m")]).template, workload.template);
        let running = as_running(&config, &workload, &[pod("250m"), pod("50m")]);
        let resources = &running.template["spec"]["containers"][0]["resources"];
        let expected =
            json!({ "requests": { "cpu": "125m", "memory": "128Mi" }, "limits": { "cpu": "50m", "memory": "256Mi" } });
        assert_eq!(*resources, expected);
        assert_eq!(as_running(&config, &workload, &[]).template, workload.template);
    }
}
