//! What a workload had before an adjustment, and how it gets it back, in this process or a later one.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::fields::{Field, FieldValue, patch};
use crate::k8s::Workload;

/// The annotation that holds the old values while an adjustment is under way. Whoever finds it restores them.
pub(crate) const ROLLBACK_ANNOTATION: &str = "servo.opsani.com/rollback";

/// The annotation of a workload is not one that this program wrote.
#[derive(Debug, thiserror::Error)]
#[error(
    "annotation {ROLLBACK_ANNOTATION} of workload \"{workload}\" in namespace \"{namespace}\" cannot be read, so that \
         nothing can be restored from it: look at the workload, then remove the annotation"
)]
pub(crate) struct UndoError {
    namespace: String,
    workload: String,
    source: serde_json::Error,
}

/// Fields of a workload with their old values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Undo {
    values: Vec<FieldValue>,
}

impl Undo {
    /// The present values of these fields.
    pub(crate) fn capture<'a>(workload: &Workload, fields: impl IntoIterator<Item = &'a Field>) -> Self {
        let read = |field: &Field| FieldValue { field: field.clone(), value: field.read(workload) };
        Self { values: fields.into_iter().map(read).collect() }
    }

    /// What an earlier adjustment left on a workload.
    ///
    /// # Errors
    /// The annotation is there and is not what [`Self::left_in_metadata`] writes.
    pub(crate) fn left_on(workload: &Workload) -> Result<Option<Self>, UndoError> {
        let Some(text) = workload.annotations.get(ROLLBACK_ANNOTATION) else { return Ok(None) };
        let undo = serde_json::from_str(text).map_err(|source| UndoError {
            namespace: workload.namespace.clone(),
            workload: workload.name.clone(),
            source,
        })?;
        Ok(Some(undo))
    }

    /// This with an older one, whose values count for the fields in both.
    #[must_use]
    pub(crate) fn covering(self, older: &Self) -> Self {
        let mut values = older.values.clone();
        let is_new = |value: &FieldValue| !older.values.iter().any(|old| old.field == value.field);
        values.extend(self.values.into_iter().filter(is_new));
        Self { values }
    }

    /// The `metadata` of a patch that leaves this on a workload.
    pub(crate) fn left_in_metadata(&self) -> Json {
        metadata(&json!(self).to_string().into())
    }

    /// The strategic merge patch that gives a workload, as it is now, the old values and removes the annotation.
    /// Containers that it has not any more are left out.
    pub(crate) fn patch(&self, workload: &Workload) -> Json {
        let mut restoring = patch(workload, &self.values).unwrap_or_else(|| json!({}));
        restoring["metadata"] = metadata(&Json::Null);
        restoring
    }

    /// The patch that removes the annotation and nothing else, after a success.
    pub(crate) fn forgotten() -> Json {
        json!({ "metadata": metadata(&Json::Null) })
    }
}

fn metadata(annotation: &Json) -> Json {
    json!({ "annotations": { ROLLBACK_ANNOTATION: annotation } })
}

#[cfg(test)]
mod tests {
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
            let restored = merged(&adjusted, &plan.undo.patch(&adjusted));
            let texts = [&before, &restored].map(|workload| workload.template.to_string());
            assert_eq!(texts[0], texts[1], "{main}");
            assert_eq!(restored.replicas, before.replicas);
        }
    }

    #[test]
    fn what_is_left_on_a_workload_can_be_read_by_a_later_process() {
        let mut workload = fixtures::workload(&json!({}));
        assert_eq!(Undo::left_on(&workload).expect("nothing is there"), None);
        let plan = plan(&workload, &[("cpu", json!(1)), ("NEW", json!("a")), ("replicas", json!(3))]);
        let patch = plan.patch_leaving(&plan.undo);
        assert_eq!(patch["spec"], plan.patch["spec"]);
        let left = patch["metadata"]["annotations"][ROLLBACK_ANNOTATION].as_str().expect("a text");
        workload.annotations.insert(ROLLBACK_ANNOTATION.to_owned(), left.to_owned());
        assert_eq!(Undo::left_on(&workload).expect("it is ours"), Some(plan.undo));
        let nothing = json!({ "metadata": { "annotations": { ROLLBACK_ANNOTATION: null } } });
        assert_eq!(Undo::forgotten(), nothing);
        workload.annotations.insert(ROLLBACK_ANNOTATION.to_owned(), "{}".to_owned());
        let error = Undo::left_on(&workload).expect_err("it is not ours");
        assert!(error.to_string().contains("workload \"web\" in namespace \"default\""), "{error}");
    }

    #[test]
    fn the_oldest_values_count() {
        let first = fixtures::workload(&json!({}));
        let older = plan(&first, &[("cpu", json!(1))]);
        let second = merged(&first, &older.patch);
        let newer = plan(&second, &[("cpu", json!(2)), ("replicas", json!(2))]);
        let third = merged(&second, &newer.patch);
        let undo = newer.undo.covering(&older.undo);
        let restored = merged(&third, &undo.patch(&third));
        assert_eq!((restored.template, restored.replicas), (first.template, 1));
    }

    #[test]
    fn a_container_that_is_gone_is_not_made_again() {
        let before = fixtures::workload(&json!({}));
        let undo = plan(&before, &[("cpu", json!(1))]).undo;
        let mut changed = before.clone();
        changed.template["spec"]["containers"][0]["name"] = "renamed".into();
        assert_eq!(undo.patch(&changed), Undo::forgotten());
    }
}
