//! The section of a `kube_metrics` connector.

use super::metric::KubeMetric;
use crate::decode::{FilePath, keys};
use crate::k8s::{DnsSubdomain, SpelledKind, tuning_pod_name};
use crate::types::Duration;

/// As fine as metrics servers usually are.
pub(crate) const DEFAULT_FREQUENCY: Duration = Duration::from_secs(60);

keys! {
    /// Measures by the metrics API of Kubernetes.
    #[derive(Debug, Clone, PartialEq)]
    pub struct KubeMetricsConfig {
        /// Free text.
        pub description: Option<String> = None,
        /// Namespace of the workload. Required.
        pub namespace: DnsSubdomain,
        /// Name of the workload. Required.
        pub name: String,
        /// Kind of the workload; default `Deployment`.
        pub kind: SpelledKind = SpelledKind::deployment(),
        /// Name of the container that is measured; needed where pods have several.
        pub container: Option<String> = None,
        /// The metrics to measure, in this order; default all. Requests and limits are measured of the pods that the
        /// metrics API knows, so that they take a usage or saturation of the same pods beside them.
        pub metrics_to_collect: Vec<KubeMetric> = KubeMetric::all().collect(),
        /// Time between the beginnings of two samples; default `1m`, which is as fine as metrics servers usually are.
        pub metric_collection_frequency: Duration = DEFAULT_FREQUENCY,
        /// Path of a kubeconfig file; without it, `KUBECONFIG`, the file in the home directory or the pod's own access.
        pub kubeconfig: Option<FilePath> = None,
        /// Context of the kubeconfig file; without it, the one that the file calls current.
        pub context: Option<String> = None,
    }
}

impl KubeMetricsConfig {
    /// The name that the tuning pod of the workload has.
    pub(super) fn tuning_pod(&self) -> String {
        tuning_pod_name(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::config::Environment;
    use crate::connector::{ConnectorName, Section};
    use crate::decode::{Decoder, Node, Origin, Secrets, Show as _};

    fn parse(section: &Json, variables: &[(&str, &str)]) -> Result<KubeMetricsConfig, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("kube_metrics");
        let section = Section { name: &name, node: &node, prefix: "SERVO_KUBE_METRICS_" };
        Decoder::run(&environment, |cx| cx.within("kube_metrics", |cx| section.keys(cx)))
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_workload_is_all_that_is_needed_and_what_is_shown_loads_back_equal() {
        let config = parse(&json!({ "namespace": "default", "name": 7 }), &[]).expect("valid");
        assert_eq!((config.name.as_str(), config.kind.as_str()), ("7", "Deployment"));
        assert_eq!(config.metrics_to_collect.len(), 18);
        let shown = config.show(Secrets::Redacted);
        assert_eq!(shown["metric_collection_frequency"], "1m");
        assert_eq!(parse(&shown, &[]), Ok(config));
    }

    #[test]
    fn variables_fill_absent_keys() {
        let variables = [
            ("SERVO_KUBE_METRICS_METRICS_TO_COLLECT", "[\"main_cpu_usage\"]"),
            ("SERVO_KUBE_METRICS_CONTEXT", "ctx1"),
            ("SERVO_KUBE_METRICS_NAME", "other"),
        ];
        let config = parse(&json!({ "namespace": "default", "name": "app" }), &variables).expect("valid");
        assert_eq!((config.name.as_str(), config.context.as_deref()), ("app", Some("ctx1")));
        assert_eq!(config.metrics_to_collect.iter().map(ToString::to_string).collect::<Vec<_>>(), ["main_cpu_usage"]);
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        for (keys, paths) in [
            (json!({}), &["namespace", "name"][..]),
            (json!({ "namespace": "a", "name": null }), &["namespace", "name"]),
            (json!({ "namespace": "ab", "name": "x", "kind": "Rollout" }), &["kind"]),
            (
                json!({ "namespace": "ab", "name": "x", "metrics_to_collect": ["main_cpu_usage", "cpu"] }),
                &["metrics_to_collect.1"],
            ),
            (json!({ "namespace": "ab", "name": "x", "metrics_to_collect": null }), &["metrics_to_collect"]),
            (json!({ "namespace": "ab", "name": "x", "kubeconfig": "no/such" }), &["kubeconfig"]),
            (json!({ "namespace": "ab", "name": "x", "frequency": 1 }), &["frequency"]),
        ] {
            let problems = parse(&keys, &[]).expect_err(&keys.to_string());
            let found: Vec<_> = problems.lines().filter_map(|line| line.split(": ").nth(1)).collect();
            let expected: Vec<_> = paths.iter().map(|path| format!("kube_metrics.{path}")).collect();
            assert_eq!(found, expected, "{problems}");
        }
    }
}
