//! The checks, in the order in which they lead from a bare application to one that can be optimized.
//!
//! They change nothing, except that the check of the tuning pod creates a missing one. Ids, names and severities are known to
//! programs.

mod cluster;
mod prometheus;
mod resources;
mod service;
mod servo_pod;
mod template;
mod traffic;
mod workload;

use super::compose;
use super::place::Place;
use crate::checks::{Check, CheckRequest, CheckSuite};
use crate::connector::{EventContext, EventError};
use crate::connectors::prometheus::{Probe, ProbeError};
use crate::types::Severity::{Common, Critical, Warning};

/// What a check looks at.
#[derive(Clone, Copy)]
struct Scope<'a> {
    place: &'a Place,
    cx: &'a EventContext,
    prometheus: &'a Result<Probe, ProbeError>,
}

impl<'a> Scope<'a> {
    /// The id of the optimizer.
    fn optimizer(self) -> Option<&'a str> {
        self.cx.services().optimizer.as_ref().map(|optimizer| optimizer.id.as_str())
    }

    fn prometheus(self) -> Result<&'a Probe, ProbeError> {
        self.prometheus.as_ref().map_err(Clone::clone)
    }
}

/// Runs the checks.
///
/// # Errors
/// The event was cancelled. A failing check is a result, not an error.
pub(super) async fn check(place: &Place, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
    let config = compose::prometheus(&place.config).map_err(|error| ProbeError::new(error.to_string()));
    let prometheus = config.and_then(|config| Probe::new(&config, &cx.services().network));
    suite(Scope { place, cx, prometheus: &prometheus }).run(cx, request).await
}

fn suite(scope: Scope<'_>) -> CheckSuite<'_> {
    let mut suite = CheckSuite::new();
    of_the_cluster(&mut suite, scope);
    of_the_service(&mut suite, scope);
    of_the_servo(&mut suite, scope);
    of_the_onboarding(&mut suite, scope);
    suite
}

/// Is there a cluster, and in it an application that can be optimized?
fn of_the_cluster<'a>(suite: &mut CheckSuite<'a>, scope: Scope<'a>) {
    let Place { config, .. } = scope.place;
    let (kind, name, container) = (scope.place.kind(), scope.place.name(), &config.container);
    suite.check("check_optimizer", "Optimizer Configuration", Critical, async move { cluster::optimizer(scope) });
    suite.check("check_connectivity", "Connectivity to Kubernetes", Critical, cluster::connectivity(scope));
    suite.check("check_version", "Kubernetes version", Warning, cluster::version(scope));
    suite.check("check_permissions", "Kubernetes permissions", Critical, cluster::permissions(scope));
    let title = format!("Namespace \"{}\" is readable", config.namespace);
    suite.check("check_opsani_dev_kubernetes_namespace", title, Critical, cluster::namespace(scope));
    let title = format!("{kind} \"{name}\" is readable");
    suite.check("check_opsani_dev_kubernetes_controller", title, Critical, workload::readable(scope));
    let title = format!("Container \"{container}\" is readable");
    suite.check("check_opsani_dev_kubernetes_container", title, Critical, workload::container(scope));
    let title = format!("Container \"{container}\" has resource requirements");
    suite.check("check_resource_requirements", title, Critical, resources::requirements(scope));
    let title = "Target container resources fall within optimization range";
    suite.check("check_target_container_resources_within_limits", title, Critical, resources::within_limits(scope));
    // Two blanks: filters know it so.
    let title = format!("{kind} \"{name}\"  is ready");
    suite.check("check_controller_readiness", title, Critical, workload::ready(scope));
}

/// Does its traffic come by a service?
fn of_the_service<'a>(suite: &mut CheckSuite<'a>, scope: Scope<'a>) {
    let service = &scope.place.config.service;
    let title = format!("Service {service} is readable");
    suite.check("check_opsani_dev_kubernetes_service", title, Critical, service::readable(scope));
    let title = format!("Service {service} has compatible type");
    suite.check("check_opsani_dev_kubernetes_service_type", title, Warning, service::compatible(scope));
    let title = format!("Service {service} has unambiguous target port");
    suite.check("check_opsani_dev_kubernetes_service_port", title, Common, service::port(scope));
    let title = format!("Service routes traffic to {} Pods", scope.place.name());
    suite.check("check_service_routes_traffic_to_controller", title, Common, service::routes(scope));
}

/// Is there a Prometheus beside the servo?
fn of_the_servo<'a>(suite: &mut CheckSuite<'a>, scope: Scope<'a>) {
    suite.check("check_prometheus_config_map", "Prometheus ConfigMap exists", Critical, servo_pod::config_map(scope));
    suite.check("check_prometheus_sidecar_exists", "Prometheus sidecar is running", Common, servo_pod::exists(scope));
    suite.check("check_prometheus_sidecar_is_ready", "Prometheus sidecar is ready", Common, servo_pod::ready(scope));
    suite.check("check_prometheus_restart_count", "Prometheus sidecar is stable", Warning, servo_pod::stable(scope));
    let title = "Prometheus has container port on 9090";
    suite.check("check_prometheus_container_port", title, Critical, servo_pod::container_port(scope));
    let title = "Prometheus is accessible";
    suite.check("check_prometheus_is_accessible", title, Critical, prometheus::accessible(scope));
}

/// Does the traffic go through Envoy, and does Prometheus see it?
fn of_the_onboarding<'a>(suite: &mut CheckSuite<'a>, scope: Scope<'a>) {
    let (kind, name) = (scope.place.kind(), scope.place.name());
    let title = format!("{name} PodSpec has expected annotations");
    suite.check("check_controller_annotations", title, Common, template::annotations(scope));
    let title = format!("{kind} PodSpec has expected labels");
    suite.check("check_controller_labels", title, Common, template::labels(scope));
    let title = format!("{kind} has Envoy sidecar container");
    suite.check("check_controller_envoy_sidecars", title, Critical, template::sidecar(scope));
    let title = "Pods have Envoy sidecar containers";
    suite.check("check_pod_envoy_sidecars", title, Common, template::pods_have_sidecars(scope));
    suite.check("check_prometheus_targets", "Prometheus is discovering targets", Common, prometheus::targets(scope));
    suite.check("check_envoy_sidecar_metrics", "Envoy proxies are being scraped", Common, traffic::scraped(scope));
    suite.check("check_service_proxy", "Traffic is proxied through Envoy", Critical, service::proxied(scope));
    suite.check("check_tuning_is_running", "Tuning pod is running", Common, workload::tuning_pod(scope));
    suite.check("check_traffic_metrics", "Pods are processing traffic", Common, traffic::processed(scope));
}
