//! Does Prometheus see traffic that went through Envoy?

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::opsani_dev::commands::traffic;
use crate::connectors::opsani_dev::remedies::Traffic;
use crate::connectors::prometheus::{AbsentPolicy, MetricConfig};
use crate::k8s::SIDECAR_PORT;
use crate::types::Unit;

/// The requests that the pods of one role have had.
fn requests(role: &str, matcher: &str, namespace: &str) -> MetricConfig {
    let query = format!(r#"sum(envoy_cluster_upstream_rq_total{{{matcher}, kubernetes_namespace="{namespace}"}})"#);
    MetricConfig::new(format!("{role}_request_total"), Unit::RequestsPerSecond, query, AbsentPolicy::Ignore)
}

fn main_requests(scope: Scope<'_>) -> MetricConfig {
    requests("main", r#"opsani_role!="tuning""#, scope.place.namespace())
}

fn tuning_requests(scope: Scope<'_>) -> MetricConfig {
    requests("tuning", r#"opsani_role="tuning""#, scope.place.namespace())
}

pub(super) async fn scraped(scope: Scope<'_>) -> CheckOutcome {
    let (place, metric) = (scope.place, main_requests(scope));
    let value = present(scope, &metric).await?;
    // What is not a number is no traffic either.
    if value != 0.0 && !value.is_nan() {
        return Ok(Some(shown(&metric, value)));
    }
    let (name, query) = (&metric.name, query(&metric));
    let message = format!("Envoy is not reporting any traffic to Prometheus for metric '{name}' ({query})");
    let command = traffic(place.namespace(), &place.target(), SIDECAR_PORT);
    let hint = format!("send traffic to the application on port {SIDECAR_PORT}: {command}");
    Err(CheckFailure::new(message).with_hint(hint).with_remedy(Traffic(place.clone())))
}

pub(super) async fn processed(scope: Scope<'_>) -> CheckOutcome {
    let mut metrics = vec![main_requests(scope)];
    if scope.place.config.create_tuning_pod {
        metrics.push(tuning_requests(scope));
    }
    let mut seen = Vec::new();
    for metric in &metrics {
        let value = present(scope, metric).await?;
        if value.is_nan() || value <= 0.0 {
            let (name, query) = (&metric.name, query(metric));
            let message = format!(
                "Envoy is reporting a value of {value:?} which is not greater than zero for metric '{name}' ({query})"
            );
            return Err(CheckFailure::new(message).with_hint(by_the_service(scope)));
        }
        seen.push(shown(metric, value));
    }
    Ok(Some(seen.join(", ")))
}

fn by_the_service(scope: Scope<'_>) -> String {
    let service = &scope.place.config.service;
    format!("see that the users of the application send requests to service '{service}', and open new connections")
}

/// The present value of a metric, which is a single one.
async fn present(scope: Scope<'_>, metric: &MetricConfig) -> Result<f64, CheckFailure> {
    let values = scope.prometheus()?.values(metric).await?;
    match values.as_slice() {
        [only] => Ok(*only),
        [] => Err(CheckFailure::new(format!("query returned no response data: '{}'", query(metric)))
            .with_hint("wait until Prometheus has scraped the sidecars of the pods")),
        several => Err(CheckFailure::new(format!(
            "expected Prometheus API to return a single result for metric '{}' but found {}",
            metric.name,
            several.len()
        ))),
    }
}

fn query(metric: &MetricConfig) -> &str {
    metric.query.as_deref().unwrap_or_default()
}

fn shown(metric: &MetricConfig, value: f64) -> String {
    format!("{}={value:?}{}", metric.name, metric.unit)
}
