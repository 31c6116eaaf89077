//! From adjustments to the values that are written, and to the patch that writes them.

use serde_json::{Value as Json, json};

use super::fields::{Field, FieldValue, patch};
use super::targets::{TargetError, find_container, targets};
use super::undo::Undo;
use crate::connector::{EventError, NOT_APPLIED};
use crate::connectors::kubernetes::config::workload::{ContainerConfig, LEAST_MEMORY, WorkloadConfig};
use crate::decode::Problems;
use crate::k8s::{Resource, Workload, parse_bytes, parse_cores, whole_bytes_text};
use crate::types::{
    Adjustment, AdjustmentError, Core, EnvironmentSetting, ReplicasSetting, ResourceRequirement, Scalar,
};

/// Why adjustments cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The workload cannot be optimized as it is configured.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A component has no such setting.
    #[error("failed adjustment of unsupported Kubernetes setting '{0}'")]
    Unsupported(String),
    /// A value is nothing that Kubernetes can have.
    #[error("adjustment {adjustment}: {source}")]
    Value { adjustment: String, source: AdjustmentError },
    /// A value is no amount of memory.
    #[error("adjustment {0}: the value is no quantity of memory such as 512Mi or 1.5 (GiB)")]
    Memory(String),
    /// A value is less than any process needs, and would be no request or limit at all.
    #[error("adjustment {adjustment}: {problem}")]
    TooLittle { adjustment: String, problem: String },
    /// The replicas are outside their range or pinned.
    #[error("adjustment {adjustment}: {problems}")]
    Replicas { adjustment: String, problems: Problems },
    /// A value is no number of the variable's type.
    #[error("adjustment {0}: the value is no number of the variable's value_type")]
    Variable(String),
    /// Its pods would not be replaced.
    #[error("{kind} \"{name}\" {why}, so that its pods would keep their old settings: nothing was changed; {remedy}")]
    NotRolledOut { kind: &'static str, name: String, why: String, remedy: String },
    /// A value would be a reference.
    #[error("adjustment {0}: Adjustment of valueFrom variables is not supported yet")]
    Reference(String),
}

impl From<PlanError> for EventError {
    fn from(error: PlanError) -> Self {
        let failed = Self::adjustment_failed(error.to_string());
        if matches!(error, PlanError::NotRolledOut { .. }) { failed.with_reason(NOT_APPLIED) } else { failed }
    }
}

/// What adjustments change of a workload.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The strategic merge patch that changes it.
    pub patch: Json,
    pub undo: Undo,
    /// The adjustments that are of this workload, in their order.
    pub adjustments: Vec<Adjustment>,
}

impl Plan {
    /// What adjustments change of a workload that is optimized by itself; `None` when they address none of its
    /// components, or it has the values already. Of several values for one field the last counts.
    ///
    /// # Errors
    /// The configuration does not fit the workload, a component has no such setting, or a value cannot be.
    pub(crate) fn of(
        config: &WorkloadConfig,
        workload: &Workload,
        adjustments: &[Adjustment],
    ) -> Result<Option<Self>, PlanError> {
        let Addressed { mut values, adjustments } = addressed(config, workload, adjustments)?;
        values.retain(|value| !value.field.same(&value.field.read(workload), &value.value));
        let plan = patch(workload, &values).map(|patch| {
            let undo = Undo::capture(workload, &values);
            Self { patch, undo, adjustments }
        });
        if plan.as_ref().is_some_and(|plan: &Self| plan.patch["spec"].get("template").is_some()) {
            would_roll_out(workload)?;
        }
        Ok(plan)
    }
}

/// Checks that a new template would replace all pods.
fn would_roll_out(workload: &Workload) -> Result<(), PlanError> {
    let (kind, partition) = (workload.kind.as_str(), workload.update.partition());
    let (why, remedy) = if workload.paused {
        let (namespace, name) = (&workload.namespace, &workload.name);
        let command = format!("resume it with: kubectl -n {namespace} rollout resume deployment {name}");
        ("is paused".to_owned(), command)
    } else if workload.update.type_ == "OnDelete" {
        let remedy = "set spec.updateStrategy.type to RollingUpdate".to_owned();
        ("has the update strategy OnDelete".to_owned(), remedy)
    } else if partition > 0 {
        let remedy = "set spec.updateStrategy.rollingUpdate.partition to 0".to_owned();
        (format!("has the partition {partition} in its update strategy"), remedy)
    } else {
        return Ok(());
    };
    Err(PlanError::NotRolledOut { kind, name: workload.name.clone(), why, remedy })
}

/// What adjustments ask of a workload.
pub(crate) struct Addressed {
    /// Of several values for one field the last.
    pub values: Vec<FieldValue>,
    /// The adjustments that are of this workload, in their order.
    pub adjustments: Vec<Adjustment>,
}

/// What adjustments ask of a workload that is optimized by itself, whether or not it has that already.
///
/// # Errors
/// The configuration does not fit the workload, a component has no such setting, or a value cannot be.
pub(crate) fn addressed(
    config: &WorkloadConfig,
    workload: &Workload,
    adjustments: &[Adjustment],
) -> Result<Addressed, PlanError> {
    let targets = targets(config)?;
    for target in &targets {
        find_container(&workload.template["spec"], target.config.name.as_str())?;
    }
    let (mut values, mut addressed) = (Vec::new(), Vec::new());
    for adjustment in adjustments {
        let Some(index) = targets.iter().position(|target| target.component == adjustment.component_name) else {
            tracing::debug!(%adjustment, workload = workload.name, "ignored: it is for none of the components");
            continue;
        };
        let bounds = (index == 0).then_some(&config.replicas);
        let wanted = match (adjustment.setting_name.as_str(), bounds) {
            ("replicas", Some(bounds)) => vec![replicas_value(bounds, workload.replicas, adjustment)?],
            _ => container_values(targets[index].config, adjustment)?,
        };
        for value in wanted {
            put(&mut values, value);
        }
        addressed.push(adjustment.clone());
    }
    Ok(Addressed { values, adjustments: addressed })
}

/// The values that an adjustment gives the fields of a container.
///
/// # Errors
/// There is no such setting, or the value cannot be.
pub(crate) fn container_values(
    config: &ContainerConfig,
    adjustment: &Adjustment,
) -> Result<Vec<FieldValue>, PlanError> {
    let (name, value) = adjustment
        .for_kubernetes()
        .map_err(|source| PlanError::Value { adjustment: adjustment.to_string(), source })?;
    let quantities = |set: &[ResourceRequirement], resource: Resource, text: String| {
        let quantity = |requirement: &ResourceRequirement| {
            let field = Field::Resource { container: config.name.to_string(), requirement: *requirement, resource };
            FieldValue { field, value: text.clone().into() }
        };
        set.iter().map(quantity).collect()
    };
    match name {
        "cpu" => {
            let text = value.to_string();
            if parse_cores(&text).is_some_and(|cores| cores <= Core::from_millis(0)) {
                let problem =
                    format!("{text} cores are less than any process needs: write a share of a core, such as 100m");
                return Err(PlanError::TooLittle { adjustment: adjustment.to_string(), problem });
            }
            Ok(quantities(config.cpu.setting().written_to(), Resource::Cpu, text))
        }
        "memory" => {
            if let Some(problem) = too_little_memory(&value.to_string()) {
                return Err(PlanError::TooLittle { adjustment: adjustment.to_string(), problem });
            }
            let text = whole_bytes_text(&value.to_string()).ok_or_else(|| PlanError::Memory(adjustment.to_string()))?;
            Ok(quantities(config.memory.setting().written_to(), Resource::Memory, text))
        }
        name => {
            let setting = config.env.iter().flatten().find(|key| key.setting().name() == name);
            let setting = setting.ok_or_else(|| PlanError::Unsupported(name.to_owned()))?;
            Ok(vec![variable_value(config, setting, adjustment)?])
        }
    }
}

/// What is wrong with an amount of memory in which nothing runs: mostly the unit, as `m` is a thousandth of a byte.
fn too_little_memory(text: &str) -> Option<String> {
    let bytes = parse_bytes(text)?;
    if bytes >= LEAST_MEMORY {
        return None;
    }
    let number = text.trim_end_matches('m');
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let amount = match (text.strip_suffix('m'), number.parse::<f64>()) {
        (Some(_), Ok(count)) => format!("{text} is {} bytes", count / 1000.0),
        _ => format!("{} bytes are less than any process needs", bytes.0),
    };
    let example = if is_number && bytes.0 >= 0 && number != "0" { format!("{number}Mi") } else { "128Mi".to_owned() };
    Some(format!("{amount}; write {example}"))
}

fn variable_value(
    config: &ContainerConfig,
    setting: &EnvironmentSetting,
    adjustment: &Adjustment,
) -> Result<FieldValue, PlanError> {
    let text = setting.setting().variable_text(&adjustment.value);
    let text = text.ok_or_else(|| PlanError::Variable(adjustment.to_string()))?;
    if text.contains("valueFrom") {
        return Err(PlanError::Reference(adjustment.to_string()));
    }
    let name = setting.variable_name();
    let field = Field::Variable { container: config.name.to_string(), name: name.to_owned() };
    Ok(FieldValue { field, value: json!({ "name": name, "value": text }) })
}

/// What is there counts as the value of a pinned setting.
fn replicas_value(bounds: &ReplicasSetting, present: i32, adjustment: &Adjustment) -> Result<FieldValue, PlanError> {
    let text = adjustment.to_string();
    let (_, wanted) =
        adjustment.for_kubernetes().map_err(|source| PlanError::Value { adjustment: text.clone(), source })?;
    let setting = bounds.setting().clone();
    let pinned = setting.pinned();
    let present = Scalar::Integer(present.into());
    let mut setting = setting.with_pinned(false).safe_set(Some(&present)).with_pinned(pinned);
    setting.assign(Some(&wanted)).map_err(|problems| PlanError::Replicas { adjustment: text, problems })?;
    Ok(FieldValue { field: Field::Replicas, value: wanted.to_json() })
}

pub(crate) fn put(values: &mut Vec<FieldValue>, value: FieldValue) {
    match values.iter_mut().find(|other| other.field == value.field) {
        Some(other) => *other = value,
        None => values.push(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::kubernetes::fixtures::{self, adjustment, config_of, container};

    fn plan_of(main: &Json, keys: &Json, adjustments: &[(&str, Json)]) -> Result<Option<Plan>, PlanError> {
        let adjustments: Vec<_> =
            adjustments.iter().map(|(setting, value)| adjustment("web/main", setting, value)).collect();
        Plan::of(&fixtures::saturation(keys), &fixtures::workload(main), &adjustments)
    }

    /// Checks the patch of container `main`, as it is and as it is configured.
    fn check(main: &Json, keys: &Json, adjustments: &[(&str, Json)], expected: &Json) {
        let plan = plan_of(main, keys, adjustments).unwrap_or_else(|error| panic!("{adjustments:?}: {error}"));
        let patch = plan.map_or(Json::Null, |plan| plan.patch);
        let container = |changes: &Json| {
            let mut container = changes.clone();
            container["name"] = "main".into();
            json!({ "spec": { "template": { "spec": { "containers": [container] } } } })
        };
        let expected = if expected.is_null() { Json::Null } else { container(expected) };
        assert_eq!(patch, expected, "{adjustments:?}");
    }

    fn check_error(keys: &Json, setting: &str, value: &Json, message: &str) {
        let error = plan_of(&json!({}), keys, &[(setting, value.clone())]).expect_err(message);
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn resources_are_written_where_they_change() {
        let usual = json!({});
        let both = |resource: &str, text: &str| json!({ "resources": { "requests": { resource: text }, "limits": { resource: text } } });
        for (setting, value, changes) in [
            ("cpu", json!("0.5"), both("cpu", "500m")),
            ("cpu", json!(2), both("cpu", "2")),
            ("mem", json!(1.0), both("memory", "1.0Gi")),
            ("memory", json!("700Mi"), both("memory", "700Mi")),
            ("mem", json!(1.3), both("memory", "1395864371")),
            // The request has it already, in another spelling.
            ("cpu", json!(0.125), json!({ "resources": { "limits": { "cpu": "125m" } } })),
            ("mem", json!("131072Ki"), json!({ "resources": { "limits": { "memory": "131072Ki" } } })),
        ] {
            check(&usual, &usual, &[(setting, value)], &changes);
        }
        let keys = json!({
            "cpu": { "min": 1, "max": 4, "step": 1, "set": ["request"] },
            "memory": { "min": "1Gi", "max": "4Gi", "step": "1Gi", "set": ["limit"] },
        });
        let changes = json!({ "resources": { "requests": { "cpu": "1" }, "limits": { "memory": "2Gi" } } });
        check(&usual, &keys, &[("cpu", json!(3)), ("mem", json!(2)), ("cpu", json!(1))], &changes);
        let bare = json!({ "resources": {} });
        check(&bare, &keys, &[("cpu", json!(1))], &json!({ "resources": { "requests": { "cpu": "1" } } }));
    }

    #[test]
    fn nothing_is_written_that_is_there() {
        let limits = json!({ "resources": { "limits": { "cpu": "0.5" } } });
        let keys = json!({ "cpu": { "min": 1, "max": 4, "step": 1, "set": ["limit"] } });
        check(&limits, &keys, &[("cpu", json!("500m"))], &Json::Null);
        check(&limits, &keys, &[("replicas", json!(2)), ("replicas", json!("1.9"))], &Json::Null);
        check(&limits, &keys, &[], &Json::Null);
        let elsewhere = [adjustment("other/main", "nothing", &json!(1))];
        let plan = Plan::of(&fixtures::saturation(&keys), &fixtures::workload(&limits), &elsewhere);
        assert_eq!(plan.expect("it is for nobody here"), None);
    }

    #[test]
    fn variables_are_merged_by_name() {
        let env = json!([
            { "type": "enum", "name": "mode", "literal": "MODE", "values": ["a", "b"] },
            { "type": "range", "name": "N", "min": 1, "max": 9, "step": 1, "value_type": "int" },
            { "type": "range", "name": "X", "min": 1, "max": 9, "step": 1 },
            { "type": "enum", "name": "REF", "values": ["a"] },
            { "type": "enum", "name": "EMPTY", "values": ["a"] },
        ]);
        let keys = json!({ "env": env });
        let main = json!({ "env": [
            { "name": "MODE", "value": "a" },
            { "name": "REF", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            { "name": "EMPTY" },
        ] });
        for (setting, value, entry) in [
            ("mode", json!("other"), json!({ "value": "other", "name": "MODE" })),
            ("N", json!(5.0), json!({ "name": "N", "value": "5" })),
            ("N", json!("12"), json!({ "name": "N", "value": "12" })),
            ("X", json!(5.0), json!({ "name": "X", "value": "5.0" })),
            ("REF", json!("a"), json!({ "value": "a", "valueFrom": null, "name": "REF" })),
        ] {
            check(&main, &keys, &[(setting, value)], &json!({ "env": [entry] }));
        }
        check(&main, &keys, &[("mode", json!("a")), ("EMPTY", json!(""))], &Json::Null);
        for (setting, value, message) in [
            ("N", json!("5.5"), "adjustment web/main.N=5.5: the value is no number of the variable's value_type"),
            (
                "mode",
                json!("{valueFrom: x}"),
                "adjustment web/main.mode={valueFrom: x}: Adjustment of valueFrom variables is not supported yet",
            ),
            ("MODE", json!("a"), "failed adjustment of unsupported Kubernetes setting 'MODE'"),
        ] {
            check_error(&keys, setting, &value, message);
        }
    }

    #[test]
    fn of_several_variables_of_one_name_the_last_one_counts_and_alone_remains() {
        let variable = |name: &str| json!({ "type": "enum", "name": name, "values": ["a"] });
        let keys = json!({ "env": [variable("TWICE"), variable("ONCE")] });
        let main = json!({ "env": [
            { "name": "TWICE", "value": "a" },
            { "name": "ONCE", "value": "b" },
            { "name": "TWICE", "value": "c" },
        ] });
        let alone = json!([{ "$patch": "delete", "name": "TWICE" }, { "name": "TWICE", "value": "a" }]);
        check(&main, &keys, &[("TWICE", json!("a"))], &json!({ "env": alone }));
        check(&main, &keys, &[("TWICE", json!("c"))], &Json::Null);
        let other = json!({ "env": [{ "value": "a", "name": "ONCE" }] });
        check(&main, &keys, &[("ONCE", json!("a")), ("TWICE", json!("c"))], &other);
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        for (setting, value, message) in [
            ("gc", json!(1), "failed adjustment of unsupported Kubernetes setting 'gc'"),
            (
                "cpu",
                json!(0.0005),
                "adjustment web/main.cpu=0.0005: Kubernetes does not support CPU precision lower than 1m (one \
                 millicore). Found 0.0005",
            ),
            (
                "mem",
                json!("abc"),
                "adjustment web/main.mem=abc: the value is no quantity of memory such as 512Mi or 1.5 (GiB)",
            ),
        ] {
            check_error(&json!({}), setting, &value, message);
        }
    }

    #[test]
    fn replicas_stay_in_their_range_and_pinned_ones_as_they_are() {
        for (replicas, value, accepted) in [
            (json!({ "min": 1, "max": 4 }), 4, true),
            (json!({ "min": 1, "max": 4 }), 5, false),
            (json!({ "min": 2, "max": 4 }), 3, true),
            (json!({ "min": 1, "max": 4, "pinned": true }), 1, true),
            (json!({ "min": 1, "max": 4, "pinned": true }), 2, false),
            (json!({ "min": 1, "max": 4, "pinned": true, "value": 2 }), 2, false),
        ] {
            let config = config_of(&json!([container("main", &json!({}))]), &json!("default"), &replicas);
            let adjustments = [adjustment("web/main", "replicas", &json!(value))];
            let plan = Plan::of(&config, &fixtures::workload(&json!({})), &adjustments);
            assert_eq!(plan.is_ok(), accepted, "{replicas}: {value}");
            if let Ok(Some(plan)) = plan {
                assert_eq!(plan.patch, json!({ "spec": { "replicas": value } }));
            }
        }
    }

    #[test]
    fn all_of_a_workload_is_in_one_patch_and_only_the_first_container_has_replicas() {
        let containers = json!([container("main", &json!({})), container("sidecar", &json!({ "alias": "side" }))]);
        let config = config_of(&containers, &json!("default"), &json!({ "min": 1, "max": 4 }));
        let workload = fixtures::workload(&json!({}));
        let adjustments = [
            adjustment("side", "cpu", &json!("1")),
            adjustment("web/main", "replicas", &json!(2)),
            adjustment("other", "cpu", &json!("1")),
            adjustment("web/main", "mem", &json!("256Mi")),
        ];
        let plan = Plan::of(&config, &workload, &adjustments).expect("valid").expect("it changes much");
        let expected = json!([
            { "resources": { "requests": { "memory": "256Mi" } }, "name": "main" },
            { "resources": { "limits": { "cpu": "1" }, "requests": { "cpu": "1" } }, "name": "sidecar" },
        ]);
        assert_eq!(plan.patch["spec"]["template"]["spec"]["containers"], expected);
        assert_eq!(plan.patch["spec"]["replicas"], 2);
        assert_eq!(plan.adjustments.len(), 3);
        let error = Plan::of(&config, &workload, &[adjustment("side", "replicas", &json!(2))]).expect_err("not there");
        assert_eq!(error.to_string(), "failed adjustment of unsupported Kubernetes setting 'replicas'");
    }
}
