//! Settings of Kubernetes as they are reported: the bounds of a configuration with a value from the cluster.

use serde_json::{Value, json};
use servox::internals::connectors::kubernetes::{Role, cpu, environment, memory, replicas};
use servox::internals::decode::Problems;
use servox::internals::k8s::Resources;
use servox::internals::types::{
    ByteSize, Core, EnvironmentEnumSetting, EnvironmentRangeSetting, KubernetesCpuSetting, KubernetesMemorySetting,
    ReplicasSetting, Scalar, Setting,
};

use crate::settings_validation::check_problems;
use crate::support::{decode, decoded, expect_equal, is_marked, is_validation_error, text, unitless_decimal};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let config = &input["config"];
    let result = report(input)?;
    if let Some(numbers) = with_numbers(input) {
        // The text of a number with a point is GiB, as the number is.
        return expect_equal("setting", &report(&numbers)?, &result);
    }
    if let Some(is_listed) = has_listed_number(config) {
        return expect_equal("a number is listed by its text", &is_listed, &result.is_ok());
    }
    if config["step"].to_string().trim_start_matches('"').starts_with('-') {
        return expect_equal("a negative step is refused", &true, &result.is_err());
    }
    match (text(case, "error"), result) {
        (None, Ok(setting)) => {
            let output = &case["output"];
            expect_equal("wire form", &output["repr"], &json!({ setting.name(): setting.to_wire() }))?;
            let human = setting.human_readable_value();
            expect_equal("human readable value", &text(output, "human_readable_value"), &Some(human.as_str()))
        }
        // An error that escaped was about the value that was found, or about a configuration that is refused.
        (Some(error), Ok(setting)) if is_marked(case) || !is_validation_error(error) => check_value(input, &setting),
        (Some(error), Err(problems)) if is_validation_error(error) => check_problems(class(input), error, &problems),
        (Some(_), Err(_)) => Ok(()),
        (Some(error), Ok(setting)) => Err(format!("expected {error}, got {setting}")),
        (None, Err(problems)) => Err(format!("expected a setting, got {problems}")),
    }
}

/// The input with numbers in place of the texts of numbers with a point, if it is of memory and has any.
fn with_numbers(input: &Value) -> Option<Value> {
    if class(input) != "kubernetes.Memory" {
        return None;
    }
    let mut numbers = input.clone();
    let (config, live) = (&input["config"], &input["value"]);
    for (key, value) in config.as_object()?.iter().filter(|(_, value)| unitless_decimal(value).is_some()) {
        numbers["config"][key] = value.as_str()?.parse::<f64>().ok()?.into();
    }
    if unitless_decimal(live).is_some() {
        numbers["value"] = live.as_str()?.parse::<f64>().ok()?.into();
    }
    (numbers != *input).then_some(numbers)
}

/// Whether the text of a number is in the list of values; `None` when there is no number or no list.
fn has_listed_number(config: &Value) -> Option<bool> {
    let values: Vec<String> = decode(config.get("values")?).ok()?;
    let value = config.get("value").filter(|value| value.is_number())?;
    Some(values.contains(&decode(value).ok()?))
}

fn class(input: &Value) -> &'static str {
    match text(input, "kind") {
        Some("cpu" | "describe_cpu") => "kubernetes.CPU",
        Some("memory" | "describe_memory") => "kubernetes.Memory",
        Some("replicas") => "Replicas",
        _ => "",
    }
}

/// The setting with the value of the case, if it has one; or what is wrong with its configuration.
fn report(input: &Value) -> Result<Result<Setting, Problems>, String> {
    let config = &input["config"];
    let live: Option<Scalar> = input.get("value").map(decoded).transpose()?;
    let role = if text(input, "role") == Some("main") { Role::Main } else { Role::Adjusted };
    let resources = Resources::new(&input["resources"]);
    let with_live = |setting: Setting| match &live {
        Some(value) => setting.safe_set(Some(value)),
        None => setting,
    };
    let with_variable = |setting: Setting| match &live {
        Some(Scalar::Text(value)) => environment(&setting, Some(value), role),
        _ => with_live(setting),
    };
    Ok(match text(input, "kind").unwrap_or_default() {
        "cpu" => decode::<KubernetesCpuSetting>(config).map(|setting| with_live(setting.into())),
        "memory" => decode::<KubernetesMemorySetting>(config).map(|setting| with_live(setting.into())),
        "replicas" => decode::<ReplicasSetting>(config).map(|setting| match live {
            Some(Scalar::Integer(count)) => replicas(setting.setting(), count, role),
            _ => with_live(setting.into()),
        }),
        "env_range" => decode::<EnvironmentRangeSetting>(config).map(|range| with_variable(range.into())),
        "env_enum" => decode::<EnvironmentEnumSetting>(config).map(|list| with_variable(list.into())),
        "describe_cpu" => decode::<KubernetesCpuSetting>(config).map(|setting| cpu(setting.setting(), resources, role)),
        "describe_memory" => {
            decode::<KubernetesMemorySetting>(config).map(|setting| memory(setting.setting(), resources, role))
        }
        unknown => return Err(format!("the walker knows no kind {unknown}")),
    })
}

/// What is found is reported: out of range with its role, not there as null, and text that is no number as text.
fn check_value(input: &Value, setting: &Setting) -> Result<(), String> {
    let wire = setting.to_wire();
    let is_main = text(input, "role") == Some("main");
    expect_equal("pinned", &json!(is_main || input["config"]["pinned"] == true), &wire["pinned"])?;
    let Some(resources) = input.get("resources") else {
        return expect_equal("value", &input["value"], &wire["value"]);
    };
    let (resource, is_memory) = match text(input, "kind") {
        Some("describe_memory") => ("memory", true),
        _ => ("cpu", false),
    };
    let found = order(&input["config"]).into_iter().map(|key| &resources[key][resource]).find(|value| !value.is_null());
    let expected = match found {
        None => Value::Null,
        Some(size) if is_memory => json!(decoded::<ByteSize>(size)?.as_gib()),
        Some(cores) => json!(decoded::<Core>(cores)?.as_f64()),
    };
    expect_equal("value", &Some(&expected), &wire.get("value"))
}

/// The keys of resources in the order in which the setting looks at them.
fn order(config: &Value) -> Vec<&'static str> {
    let key = |requirement: &Value| if requirement == "request" { "requests" } else { "limits" };
    let order = config["get"].as_array().map(|order| order.iter().map(key).collect());
    order.unwrap_or_else(|| vec!["requests", "limits"])
}
