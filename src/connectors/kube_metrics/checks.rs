//! The checks: can the workload be read, may the metrics API be asked, does it answer, is it clear which container is
//! meant.

use super::config::KubeMetricsConfig;
use super::error::SampleError;
use super::sampler::{pod_metrics, selector, workload};
use crate::checks::{CheckFailure, CheckOutcome, CheckSuite};
use crate::k8s::{ApiError, Cluster, Container, POD_METRICS, Permission, Workload};
use crate::types::Severity;

/// The check that says whether measuring can work: with those before it, it stands for all that the metrics API needs.
pub const CHECK_METRICS_API: &str = "check_metrics_api";

/// From how many pods on their series are probably too many. Each is sent with every measurement.
const MANY_PODS: usize = 20;

/// The checks of a connector, in order.
pub(super) fn suite<'a>(cluster: &'a Cluster, config: &'a KubeMetricsConfig) -> CheckSuite<'a> {
    let mut suite = CheckSuite::new();
    let readable = format!("{} \"{}\" is readable", config.kind.as_str(), config.name);
    suite.check("check_target_resource", readable, Severity::Critical, target_resource(cluster, config));
    let permissions = permissions(cluster, config);
    suite.check("check_metrics_api_permissions", "Metrics API Permissions", Severity::Critical, permissions);
    let metrics_api = metrics_api(cluster, config);
    suite.check(CHECK_METRICS_API, "Metrics API connectivity", Severity::Critical, metrics_api);
    let containers = "Container configured or target is single container application";
    suite.check("check_target_containers", containers, Severity::Critical, target_containers(cluster, config));
    suite
}

async fn target_resource(cluster: &Cluster, config: &KubeMetricsConfig) -> CheckOutcome {
    read_workload(cluster, config).await.map(|_| None)
}

async fn permissions(cluster: &Cluster, config: &KubeMetricsConfig) -> CheckOutcome {
    if cluster.allowed(config.namespace.as_str(), POD_METRICS).await? {
        return Ok(None);
    }
    let Permission { group, resource, verb } = POD_METRICS;
    Err(CheckFailure::new(format!("Not allowed to \"{verb}\" resource \"{resource}\" in group \"{group}\""))
        .with_hint(format!("add a rule for {verb} of {resource} in the API group {group} to the role of this access")))
}

async fn metrics_api(cluster: &Cluster, config: &KubeMetricsConfig) -> CheckOutcome {
    let workload = read_workload(cluster, config).await?;
    let selector = selector(&workload, config)?;
    let pods = pod_metrics(cluster, config, &selector).await.map_err(|error| {
        let is_missing = matches!(error, SampleError::NoMetricsApi(_));
        let failure = CheckFailure::from(error);
        if is_missing { failure.with_hint("see https://github.com/kubernetes-sigs/metrics-server") } else { failure }
    })?;
    Ok(Some(found(pods.len(), &selector)))
}

fn found(pods: usize, selector: &str) -> String {
    match pods {
        0 => format!("no metrics of pods with {selector} yet"),
        1..MANY_PODS => format!("found metrics of {pods} pods"),
        _ => format!("found metrics of {pods} pods: {pods} series are many for one metric, and all are sent"),
    }
}

async fn target_containers(cluster: &Cluster, config: &KubeMetricsConfig) -> CheckOutcome {
    let workload = read_workload(cluster, config).await?;
    let names: Vec<&str> = workload.containers().map(Container::name).collect();
    match &config.container {
        Some(container) if !names.contains(&container.as_str()) => Err(CheckFailure::new(format!(
            "Configured container {container} was not found in target app containers ({})",
            names.join(", ")
        ))
        .with_hint("correct 'container' of the configuration")),
        None if names.len() > 1 => {
            Err(CheckFailure::new("Container name must be configured for target application with multiple containers")
                .with_hint(format!("set 'container' of the configuration to one of {}", names.join(", "))))
        }
        Some(_) | None => Ok(None),
    }
}

async fn read_workload(cluster: &Cluster, config: &KubeMetricsConfig) -> Result<Workload, CheckFailure> {
    workload(cluster, config).await.map_err(|error| {
        let hint = hint(&error, config);
        let failure = CheckFailure::from(error);
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })
}

/// What to do when the workload cannot be read.
fn hint(error: &ApiError, config: &KubeMetricsConfig) -> Option<String> {
    if error.is_not_found() {
        return Some("check 'namespace', 'name' and 'kind' of the configuration".to_owned());
    }
    let kind = config.kind.as_str();
    error.is_forbidden().then(|| format!("allow this access to get a {kind} in namespace \"{}\"", config.namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pods_are_named_by_their_count() {
        assert_eq!(found(0, "app=web"), "no metrics of pods with app=web yet");
        assert_eq!(found(19, "app=web"), "found metrics of 19 pods");
        assert!(found(20, "app=web").contains("20 series are many"));
    }
}
