//! The configurations of the connectors that do the work: each a pure function of the section.

use super::config::OpsaniDevConfig;
use crate::connectors::kube_metrics::{self, DEFAULT_FREQUENCY, KubeMetric, KubeMetricsConfig};
use crate::connectors::kubernetes::{
    ContainerConfig, KubernetesConfig, SharedSettings, Strategy, WorkloadConfig, standard_permissions,
};
use crate::connectors::prometheus::{AbsentPolicy, BaseUrl, MetricConfig, PrometheusConfig};
use crate::fast_fail::FastFailConfig;
use crate::k8s::{ContainerName, DnsSubdomain, NameError};
use crate::types::{Duration, ReplicasSetting, Unit};

/// Why a section cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A name that nothing in Kubernetes has.
    #[error("cannot use '{value}' as {key}")]
    Name {
        /// The key of the section.
        key: &'static str,
        value: String,
        /// The rule that it breaks.
        #[source]
        source: NameError,
    },
    /// No address that Prometheus could have.
    #[error("cannot use prometheus_base_url: {rule}")]
    Address {
        /// The rule that it breaks.
        rule: String,
    },
}

/// The component of the workload itself.
const MAIN: &str = "main";

/// The component of the tuning pod.
const TUNING: &str = "tuning";

/// More replicas than anybody runs: their number is reported and never set.
const MOST_REPLICAS: u32 = 99_999;

/// What describes and adjusts the workload: by a tuning pod, or not at all.
///
/// # Errors
/// A name is none.
pub fn kubernetes(config: &OpsaniDevConfig) -> Result<KubernetesConfig, ComposeError> {
    let has_tuning_pod = config.create_tuning_pod;
    let shared = SharedSettings {
        namespace: namespace(config)?,
        timeout: config.timeout,
        settlement: config.settlement,
        container_logs_in_error_status: config.container_logs_in_error_status,
        create_tuning_pod: has_tuning_pod,
        ..SharedSettings::default()
    };
    let (strategy, most_replicas) = if has_tuning_pod {
        (Strategy::Canary { alias: ContainerName::parse(TUNING).ok() }, 1)
    } else {
        (Strategy::Default, MOST_REPLICAS)
    };
    let workload = WorkloadConfig {
        description: None,
        shared: shared.clone(),
        name: named("deployment", &config.workload_name, DnsSubdomain::parse)?,
        containers: vec![container(config)?],
        strategy: strategy.into(),
        replicas: ReplicasSetting::up_to(most_replicas).with_pinned(true),
    };
    Ok(KubernetesConfig {
        description: Some("Update the namespace, deployment, etc. to match your Kubernetes cluster".to_owned()),
        shared,
        permissions: standard_permissions(),
        stateful_sets: None,
        deployments: Some(vec![workload]),
    })
}

/// Without a tuning pod, the settings are those of the workload, which is never changed.
fn container(config: &OpsaniDevConfig) -> Result<ContainerConfig, ComposeError> {
    let (mut cpu, mut memory) = (config.cpu.clone(), config.memory.clone());
    if !config.create_tuning_pod {
        (cpu, memory) = (cpu.with_pinned(true), memory.with_pinned(true));
    }
    Ok(ContainerConfig {
        description: None,
        name: named("container", &config.container, ContainerName::parse)?,
        alias: ContainerName::parse(MAIN).ok(),
        command: None,
        cpu,
        memory,
        env: config.env.clone(),
        static_environment_variables: config.static_environment_variables.clone(),
    })
}

/// What measures the traffic through the Envoy sidecars.
///
/// # Errors
/// The address of Prometheus is none.
pub fn prometheus(config: &OpsaniDevConfig) -> Result<PrometheusConfig, ComposeError> {
    // Frequent enough for a person who watches the values.
    const STREAMING_INTERVAL: Duration = Duration::from_secs(10);
    let base_url =
        BaseUrl::parse(config.prometheus_base_url.expose()).map_err(|rule| ComposeError::Address { rule })?;
    let metrics = METRICS.iter().filter(|(_, _, _, query)| config.create_tuning_pod || !query.contains(OF_TUNING));
    Ok(PrometheusConfig {
        timeout: None,
        description: Some("A sidecar configuration for aggregating metrics from Envoy sidecar proxies.".to_owned()),
        base_url,
        http: config.prometheus_http_config.clone().unwrap_or_default(),
        streaming_interval: Some(STREAMING_INTERVAL),
        metrics: metrics.map(|&metric| envoy_metric(metric)).collect(),
        targets: None,
        fast_fail: FastFailConfig::default(),
    })
}

/// Name, unit, what an empty result means, and query.
type EnvoyMetric = (&'static str, Unit, AbsentPolicy, &'static str);

/// What selects the tuning pod in a query.
const OF_TUNING: &str = r#"opsani_role="tuning""#;

/// The metrics of Envoy, in the order in which they are reported. Rates of what happens rarely are zero when absent.
#[rustfmt::skip]
const METRICS: [EnvoyMetric; 13] = [
    ("main_instance_count", Unit::Float, AbsentPolicy::Ignore,
        r#"sum(envoy_cluster_membership_healthy{opsani_role!="tuning"})"#),
    ("tuning_instance_count", Unit::Float, AbsentPolicy::Ignore,
        r#"envoy_cluster_membership_healthy{opsani_role="tuning"}"#),
    ("total_request_rate", Unit::RequestsPerSecond, AbsentPolicy::Ignore,
        "sum(rate(envoy_cluster_upstream_rq_total[1m]))"),
    ("main_request_rate", Unit::RequestsPerSecond, AbsentPolicy::Ignore,
        r#"avg(rate(envoy_cluster_upstream_rq_total{opsani_role!="tuning"}[1m]))"#),
    ("tuning_request_rate", Unit::RequestsPerSecond, AbsentPolicy::Ignore,
        r#"avg(rate(envoy_cluster_upstream_rq_total{opsani_role="tuning"}[1m]))"#),
    ("main_success_rate", Unit::RequestsPerSecond, AbsentPolicy::Ignore,
        r#"avg(sum by(kubernetes_pod_name)(rate(envoy_cluster_upstream_rq_xx{opsani_role!="tuning", envoy_response_code_class=~"2|3"}[1m])))"#),
    ("tuning_success_rate", Unit::RequestsPerSecond, AbsentPolicy::Zero,
        r#"avg(sum by(kubernetes_pod_name)(rate(envoy_cluster_upstream_rq_xx{opsani_role="tuning", envoy_response_code_class=~"2|3"}[1m])))"#),
    ("main_error_rate", Unit::RequestsPerSecond, AbsentPolicy::Zero,
        r#"avg(sum by(kubernetes_pod_name)(rate(envoy_cluster_upstream_rq_xx{opsani_role!="tuning", envoy_response_code_class=~"4|5"}[1m])))"#),
    ("tuning_error_rate", Unit::RequestsPerSecond, AbsentPolicy::Zero,
        r#"avg(sum by(kubernetes_pod_name)(rate(envoy_cluster_upstream_rq_xx{opsani_role="tuning", envoy_response_code_class=~"4|5"}[1m])))"#),
    ("main_p90_latency", Unit::Milliseconds, AbsentPolicy::Ignore,
        r#"avg(histogram_quantile(0.9,rate(envoy_cluster_upstream_rq_time_bucket{opsani_role!="tuning"}[1m])))"#),
    ("tuning_p90_latency", Unit::Milliseconds, AbsentPolicy::Ignore,
        r#"avg(histogram_quantile(0.9,rate(envoy_cluster_upstream_rq_time_bucket{opsani_role="tuning"}[1m])))"#),
    ("main_p50_latency", Unit::Milliseconds, AbsentPolicy::Ignore,
        r#"avg(histogram_quantile(0.5,rate(envoy_cluster_upstream_rq_time_bucket{opsani_role!="tuning"}[1m])))"#),
    ("tuning_p50_latency", Unit::Milliseconds, AbsentPolicy::Ignore,
        r#"avg(histogram_quantile(0.5,rate(envoy_cluster_upstream_rq_time_bucket{opsani_role="tuning"}[1m])))"#),
];

fn envoy_metric((name, unit, absent, query): EnvoyMetric) -> MetricConfig {
    // The default step is the window of the rates in the queries.
    MetricConfig::new(name, unit, query, absent)
}

/// What measures the resources of the pods.
///
/// # Errors
/// The namespace is none.
pub fn kube_metrics(config: &OpsaniDevConfig) -> Result<KubeMetricsConfig, ComposeError> {
    let is_there = |metric: &KubeMetric| config.create_tuning_pod || metric.role == kube_metrics::Role::Main;
    Ok(KubeMetricsConfig {
        description: None,
        namespace: namespace(config)?,
        name: config.workload_name.clone(),
        kind: config.workload_kind.clone(),
        container: Some(config.container.clone()),
        metrics_to_collect: KubeMetric::all().filter(is_there).collect(),
        metric_collection_frequency: DEFAULT_FREQUENCY,
        kubeconfig: None,
        context: None,
    })
}

fn namespace(config: &OpsaniDevConfig) -> Result<DnsSubdomain, ComposeError> {
    named("namespace", &config.namespace, DnsSubdomain::parse)
}

fn named<T>(key: &'static str, value: &str, parse: fn(&str) -> Result<T, NameError>) -> Result<T, ComposeError> {
    parse(value).map_err(|source| ComposeError::Name { key, value: value.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::config::tests::{parse, section};
    use super::*;
    use crate::decode::{Secrets, Show as _};

    fn config(keys: &Json) -> OpsaniDevConfig {
        parse(&section(keys), &[]).expect("the section is valid")
    }

    #[test]
    fn without_a_tuning_pod_everything_is_pinned_and_nothing_of_one_is_measured() {
        let config = config(&json!({ "create_tuning_pod": false }));
        let kubernetes = kubernetes(&config).expect("valid names").show(Secrets::Redacted);
        let workload = &kubernetes["deployments"][0];
        let container = &workload["containers"][0];
        let pinned = [&container["cpu"], &container["memory"], &workload["replicas"]].map(|s| s["pinned"].clone());
        assert_eq!(pinned, [true, true, true]);
        let metrics = kube_metrics(&config).expect("valid names").metrics_to_collect;
        assert!(metrics.len() == 9 && metrics.iter().all(|metric| metric.role == kube_metrics::Role::Main));
        let metrics = prometheus(&config).expect("a valid address").metrics;
        assert!(metrics.len() == 7 && metrics.iter().all(|metric| !metric.name.starts_with("tuning")));
        assert!(!serde_json::to_value(&config.cpu).expect("plain data")["pinned"].as_bool().unwrap_or(true));
    }

    #[test]
    fn the_address_of_prometheus_is_that_of_the_section() {
        let config = config(&json!({ "prometheus_base_url": "http://user:s3cr3t@prom:9090/x/" }));
        assert_eq!(prometheus(&config).expect("a valid address").base_url.as_str(), "http://prom:9090/x");
    }

    #[test]
    fn a_name_that_cannot_be_is_refused_with_its_key() {
        let message = |error: ComposeError| error.to_string();
        let bad = config(&json!({ "namespace": "-bad-", "deployment": "Bad Name", "prometheus_base_url": "a:b@c" }));
        assert_eq!(kubernetes(&bad).map_err(message), Err("cannot use '-bad-' as namespace".to_owned()));
        assert_eq!(kube_metrics(&bad).map_err(message), Err("cannot use '-bad-' as namespace".to_owned()));
        let refused = prometheus(&bad).map_err(message).expect_err("no address");
        assert_eq!(refused, "cannot use prometheus_base_url: invalid or missing URL scheme");
        let bad = config(&json!({ "container": "-" }));
        assert_eq!(kubernetes(&bad).map_err(message), Err("cannot use '-' as container".to_owned()));
    }
}
