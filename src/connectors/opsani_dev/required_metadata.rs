//! What the pod template of the workload must say, so that Prometheus finds its pods and the optimizer knows them.
//!
//! Pure: what is missing in a template, and the patch that adds it and nothing else.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::names::label_value;
use crate::k8s::SIDECAR_METRICS_PORT;

/// The key of the annotation and the label that name the optimizer.
const OPTIMIZER: &str = "servo.opsani.com/optimizer";

/// Where in the metadata of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Only the keys count: an annotation may have a value of its own.
    Annotations,
    Labels,
}

/// Texts that a template must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequiredMetadata {
    part: Part,
    texts: BTreeMap<&'static str, String>,
}

/// Those of them that it has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing(BTreeMap<&'static str, String>);

impl RequiredMetadata {
    /// The annotations by which Prometheus finds the metrics of Envoy.
    pub(super) fn annotations(optimizer: Option<&str>) -> Self {
        let mut texts: BTreeMap<_, _> = [
            ("prometheus.opsani.com/scrape", "true".to_owned()),
            ("prometheus.opsani.com/scheme", "http".to_owned()),
            ("prometheus.opsani.com/path", "/stats/prometheus".to_owned()),
            ("prometheus.opsani.com/port", SIDECAR_METRICS_PORT.to_string()),
        ]
        .into();
        texts.extend(optimizer.map(|id| (OPTIMIZER, id.to_owned())));
        Self { part: Part::Annotations, texts }
    }

    /// The labels by which the pods are known.
    pub(super) fn labels(optimizer: Option<&str>) -> Self {
        let mut texts: BTreeMap<_, _> = [("sidecar.opsani.com/type", "envoy".to_owned())].into();
        texts.extend(optimizer.map(|id| (OPTIMIZER, label_value(id))));
        Self { part: Part::Labels, texts }
    }

    /// The word for them: `annotations` or `labels`.
    pub(super) fn word(&self) -> &'static str {
        match self.part {
            Part::Annotations => "annotations",
            Part::Labels => "labels",
        }
    }

    /// What a pod template lacks; `None` when it has all.
    pub(super) fn missing(&self, template: &Json) -> Option<Missing> {
        let there = &template["metadata"][self.word()];
        let is_missing = |key: &str, text: &str| match self.part {
            Part::Annotations => there.get(key).is_none(),
            Part::Labels => there.get(key).and_then(Json::as_str) != Some(text),
        };
        let missing = self.texts.iter().filter(|(key, text)| is_missing(key, text));
        let missing: BTreeMap<_, _> = missing.map(|(key, text)| (*key, text.clone())).collect();
        (!missing.is_empty()).then_some(Missing(missing))
    }

    /// The patch that adds it to a workload.
    pub(super) fn patch(&self, Missing(missing): &Missing) -> Json {
        let texts: Map<String, Json> =
            missing.iter().map(|(key, text)| ((*key).to_owned(), text.as_str().into())).collect();
        json!({ "spec": { "template": { "metadata": { self.word(): texts } } } })
    }

    /// What is missing, for a message.
    pub(super) fn listed(&self, Missing(missing): &Missing) -> String {
        let shown = missing.iter().map(|(key, text)| match self.part {
            Part::Annotations => (*key).to_owned(),
            Part::Labels => format!("{key}={text}"),
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(required: &RequiredMetadata, metadata: &Json, expected: Option<(&str, Json)>) {
        let missing = required.missing(&json!({ "metadata": metadata }));
        let found = missing.map(|missing| (required.listed(&missing), required.patch(&missing)));
        let patch = |texts| json!({ "spec": { "template": { "metadata": { required.word(): texts } } } });
        assert_eq!(found, expected.map(|(listed, texts)| (listed.to_owned(), patch(texts))), "{metadata}");
    }

    #[test]
    fn of_annotations_only_the_keys_count() {
        let required = RequiredMetadata::annotations(Some("dev.opsani.com/app"));
        let all = json!({
            "prometheus.opsani.com/path": "/stats/prometheus", "prometheus.opsani.com/port": "9901",
            "prometheus.opsani.com/scheme": "http", "prometheus.opsani.com/scrape": "true",
            "servo.opsani.com/optimizer": "dev.opsani.com/app",
        });
        let names = "prometheus.opsani.com/path, prometheus.opsani.com/port, prometheus.opsani.com/scheme, \
                     prometheus.opsani.com/scrape, servo.opsani.com/optimizer";
        for metadata in [json!(null), json!({}), json!({ "annotations": null }), json!({ "annotations": { "a": "b" } })]
        {
            check(&required, &metadata, Some((names, all.clone())));
        }
        let mut own = all.clone();
        own["prometheus.opsani.com/port"] = "9999".into();
        check(&required, &json!({ "annotations": own }), None);
        own.as_object_mut().and_then(|own| own.remove("prometheus.opsani.com/scheme"));
        let missing = json!({ "prometheus.opsani.com/scheme": "http" });
        check(&required, &json!({ "annotations": own }), Some(("prometheus.opsani.com/scheme", missing)));
    }

    #[test]
    fn of_labels_the_values_count_too() {
        let required = RequiredMetadata::labels(Some("dev.opsani.com/app"));
        let all = json!({ "servo.opsani.com/optimizer": "dev.opsani.com_app", "sidecar.opsani.com/type": "envoy" });
        check(&required, &json!({ "labels": all }), None);
        let mut other = all.clone();
        other["servo.opsani.com/optimizer"] = "another".into();
        let missing = json!({ "servo.opsani.com/optimizer": "dev.opsani.com_app" });
        let listed = "servo.opsani.com/optimizer=dev.opsani.com_app";
        check(&required, &json!({ "labels": other }), Some((listed, missing)));
        let listed = "servo.opsani.com/optimizer=dev.opsani.com_app, sidecar.opsani.com/type=envoy";
        check(&required, &json!({}), Some((listed, all)));
    }
}
