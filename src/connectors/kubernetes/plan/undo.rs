//! What a workload had before an adjustment and what the adjustment wrote, and how a workload gets back what it had.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::fields::{Field, FieldValue, patch};
use crate::k8s::Workload;

/// The fields that an adjustment changes, so that they can be restored.
///
/// A field is restored only while it has the value that the adjustment wrote: whoever changed it since has chosen it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Undo {
    fields: Vec<ChangedField>,
}

/// A field that an adjustment changes. A value is null where the field is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ChangedField {
    #[serde(flatten)]
    field: Field,
    before: Json,
    written: Json,
}

impl ChangedField {
    fn is_as_written(&self, workload: &Workload) -> bool {
        self.field.same(&self.field.read(workload), &self.written)
    }
}

impl Undo {
    /// The present values of the fields that are about to be given these values.
    pub(crate) fn capture(workload: &Workload, values: &[FieldValue]) -> Self {
        let changed = |value: &FieldValue| ChangedField {
            field: value.field.clone(),
            before: value.field.read(workload),
            written: value.value.clone(),
        };
        Self { fields: values.iter().map(changed).collect() }
    }

    /// Takes over what the API server made of the values that were written: an admission webhook may have changed them.
    /// Returns whether it made something else of any.
    pub(crate) fn accept(&mut self, workload: &Workload) -> bool {
        let mut is_different = false;
        for changed in &mut self.fields {
            if !changed.is_as_written(workload) {
                changed.written = changed.field.read(workload);
                is_different = true;
            }
        }
        is_different
    }

    /// The strategic merge patch that restores the fields which still have what was written; `None` if none has, or all
    /// have what they had before. Containers that the workload does not have any more are left out.
    pub(crate) fn patch(&self, workload: &Workload) -> Option<Json> {
        let restored = self.fields.iter().filter(|changed| changed.is_as_written(workload));
        let values: Vec<FieldValue> = restored
            .map(|changed| FieldValue { field: changed.field.clone(), value: changed.before.clone() })
            .collect();
        patch(workload, &values)
    }

    /// The fields that have neither what was written nor what was there before: somebody else has changed them.
    pub(crate) fn changed_by_others(&self, workload: &Workload) -> Vec<&Field> {
        let is_other = |changed: &&ChangedField| {
            let present = changed.field.read(workload);
            let is_before = present == changed.before || changed.field.same(&present, &changed.before);
            !changed.is_as_written(workload) && !is_before
        };
        self.fields.iter().filter(is_other).map(|changed| &changed.field).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::kubernetes::config::workload::WorkloadConfig;
    use crate::connectors::kubernetes::fixtures::{self, adjustment, merged};
    use crate::connectors::kubernetes::plan::workload::Plan;

    fn config() -> WorkloadConfig {
        let setting = |name: &str| json!({ "type": "enum", "name": name, "values": ["a"] });
        fixtures::saturation(&json!({ "env": [setting("MODE"), setting("REF"), setting("NEW")] }))
    }

    fn plan(workload: &Workload, adjustments: &[(&str, Json)]) -> Plan {
        let adjustments: Vec<_> =
            adjustments.iter().map(|(setting, value)| adjustment("web/main", setting, value)).collect();
        Plan::of(&config(), workload, &adjustments).expect("valid").expect("it changes something")
    }

    fn restored(undo: &Undo, adjusted: &Workload) -> Workload {
        merged(adjusted, &undo.patch(adjusted).expect("there is something to restore"))
    }

    #[test]
    fn undoing_an_adjustment_restores_the_workload_to_the_last_byte() {
        let env = json!([
            { "name": "REF", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            { "name": "MODE", "value": "b" },
        ]);
        for (main, adjustments) in [
            (json!({}), vec![("cpu", json!(1)), ("mem", json!(2)), ("replicas", json!(3))]),
            (json!({ "resources": {} }), vec![("cpu", json!(1)), ("mem", json!(2))]),
            (json!({ "resources": { "limits": { "memory": "1Gi" } } }), vec![("cpu", json!(1)), ("mem", json!(2))]),
            (json!({ "env": env }), vec![("MODE", json!("a")), ("REF", json!("a")), ("NEW", json!("a"))]),
        ] {
            let before = fixtures::workload(&main);
            let plan = plan(&before, &adjustments);
            let adjusted = merged(&before, &plan.patch);
            assert_ne!((&adjusted.template, adjusted.replicas), (&before.template, 0), "{main}");
            let restored = restored(&plan.undo, &adjusted);
            let texts = [&before, &restored].map(|workload| workload.template.to_string());
            assert_eq!(texts[0], texts[1], "{main}");
            assert_eq!(restored.replicas, before.replicas);
            assert_eq!(plan.undo.patch(&restored), None, "{main}");
        }
    }

    #[test]
    fn what_was_captured_can_be_read_by_a_later_process() {
        let undo = plan(&fixtures::workload(&json!({})), &[("cpu", json!(1)), ("NEW", json!("a"))]).undo;
        let text = json!(undo).to_string();
        assert_eq!(serde_json::from_str::<Undo>(&text).expect("it is what was written"), undo);
    }

    #[test]
    fn what_others_chose_since_is_left_as_it_is() {
        let before = fixtures::workload(&json!({}));
        let plan = plan(&before, &[("cpu", json!(1)), ("mem", json!("512Mi")), ("replicas", json!(3))]);
        let mut adjusted = merged(&before, &plan.patch);
        adjusted.template["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "700m".into();
        adjusted.replicas = 5;
        let others: Vec<String> = plan.undo.changed_by_others(&adjusted).iter().map(ToString::to_string).collect();
        assert_eq!(others, ["limits.cpu", "replicas"]);
        let after = restored(&plan.undo, &adjusted);
        let resources = json!({
            "requests": { "cpu": "125m", "memory": "128Mi" }, "limits": { "cpu": "700m", "memory": "256Mi" },
        });
        assert_eq!(after.template["spec"]["containers"][0]["resources"], resources);
        assert_eq!(after.replicas, 5);
    }

    #[test]
    fn what_a_webhook_made_of_a_value_is_undone_as_well() {
        let before = fixtures::workload(&json!({}));
        let mut plan = plan(&before, &[("cpu", json!(1))]);
        let mut adjusted = merged(&before, &plan.patch);
        adjusted.template["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "500m".into();
        assert!(plan.undo.accept(&adjusted));
        assert!(!plan.undo.accept(&adjusted));
        assert_eq!(restored(&plan.undo, &adjusted).template, before.template);
    }

    #[test]
    fn a_container_that_is_gone_is_not_made_again() {
        let before = fixtures::workload(&json!({}));
        let undo = plan(&before, &[("cpu", json!(1))]).undo;
        let mut changed = before.clone();
        changed.template["spec"]["containers"][0]["name"] = "renamed".into();
        assert_eq!(undo.patch(&changed), None);
    }
}
