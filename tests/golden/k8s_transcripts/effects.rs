//! What an event left behind in the cluster, compared with what the recorded one did.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::recording::Recording;
use crate::kube_api::{Key, KubeApi};

/// Compares all objects that the client had written in the recording until the end of a step; others it must not write.
///
/// `own_namespace` is that of the agent: an owner in another namespace than its own is none, as Kubernetes would delete
/// the pod, so that the port writes none.
pub(super) fn compare(
    recording: &Recording,
    step: usize,
    api: &KubeApi,
    own_namespace: Option<&str>,
) -> Result<(), String> {
    let written = recording.written_until(step);
    for key in &written {
        let Some(seen) = recording.last(step, key) else { continue };
        let recorded = (!seen.is_deleted).then_some(&seen.object);
        match (recorded, api.object(key)) {
            (None, None) => {}
            (Some(_), None) => return Err(format!("{key:?} is gone")),
            (None, Some(_)) => return Err(format!("{key:?} is still there")),
            (Some(recorded), Some(object)) => {
                let mut recorded = recorded.clone();
                if own_namespace.is_some_and(|own| own != key.namespace) {
                    recorded["metadata"]["ownerReferences"] = json!([]);
                }
                compare_object(key, &recorded, &object)?;
            }
        }
    }
    for call in api.calls().iter().filter(|call| call.is_write()) {
        let is_known = call.target.as_ref().is_some_and(|target| {
            written
                .iter()
                .any(|key| key.resource == target.resource && target.name.as_ref().is_none_or(|name| *name == key.name))
        });
        if !is_known {
            return Err(format!("the port writes what the reference does not: {}", call.summary()));
        }
    }
    Ok(())
}

fn compare_object(key: &Key, recorded: &Value, object: &Value) -> Result<(), String> {
    let (recorded, object) = (view(key, recorded), view(key, object));
    if recorded == object {
        Ok(())
    } else {
        Err(format!("{} {:?} is\n  {object}, expected\n  {recorded}", key.resource, key.name))
    }
}

/// What is compared of an object.
pub(super) fn view(key: &Key, object: &Value) -> Value {
    let is_pod = key.resource == "pods";
    let spec = if is_pod { &object["spec"] } else { &object["spec"]["template"]["spec"] };
    let containers = spec["containers"].as_array().into_iter().flatten();
    // Their order means nothing.
    let containers: BTreeMap<String, Value> = containers.map(|one| (one["name"].to_string(), container(one))).collect();
    let mut view = json!({"containers": containers});
    if is_pod {
        let metadata = &object["metadata"];
        view["labels"] = sorted(&metadata["labels"]);
        view["annotations"] = sorted(&metadata["annotations"]);
        view["owners"] = owners(object);
    } else {
        view["replicas"] = object["spec"]["replicas"].clone();
    }
    view
}

fn owners(object: &Value) -> Value {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.map(|owner| json!([owner["kind"], owner["name"], owner["controller"]])).collect()
}

fn container(container: &Value) -> Value {
    let resources = |kind: &str| {
        let quantities = container["resources"][kind].as_object().into_iter().flatten();
        let quantities: BTreeMap<&String, Option<f64>> =
            quantities.map(|(name, value)| (name, quantity(value))).collect();
        json!(quantities)
    };
    let env = container["env"].as_array().into_iter().flatten();
    let ports = container["ports"].as_array().into_iter().flatten();
    json!({
        "image": container["image"], "ports": ports.map(|port| &port["containerPort"]).collect::<Vec<_>>(), "requests": resources("requests"),
        "limits": resources("limits"), "env": env.map(sorted).collect::<Vec<_>>(),
    })
}

/// The members of a mapping by name, without nulls; nothing is an empty one.
fn sorted(mapping: &Value) -> Value {
    let members = mapping.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    json!(members.collect::<BTreeMap<_, _>>())
}

/// A quantity of the API as a number.
pub(super) fn quantity(value: &Value) -> Option<f64> {
    let Some(text) = value.as_str() else { return value.as_f64() };
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[number.len()..] {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    // Products of decimals that are not exact differ in the last digits.
    number.parse::<f64>().ok().map(|number| (number * factor * 1e9).round() / 1e9)
}
