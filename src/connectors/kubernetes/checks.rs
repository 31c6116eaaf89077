//! The checks: is there a cluster of a known version, may the servo do what it must, are the workloads as configured.

use super::KubernetesConfig;
use super::clusters::Clusters;
use super::permissions::{Requirement, advice, requirements};
use super::plan::targets::find_container;
use super::watch::cause::Subject;
use super::watch::readiness::{Readiness, workload_readiness};
use super::workload_ref::WorkloadRef;
use crate::checks::{Check, CheckFailure, CheckOutcome, CheckRequest, CheckSuite};
use crate::connector::{EventContext, EventError};
use crate::k8s::{ApiError, Container, Permission, Resource, Workload, WorkloadKind};
use crate::types::{ResourceRequirement, Severity};

/// The oldest version of Kubernetes that has all that is used.
const OLDEST: (u32, u32) = (1, 16);

/// Runs the checks of a connector.
///
/// # Errors
/// The event was cancelled. A failing check is a result, not an error.
pub(super) async fn check(
    clusters: &Clusters,
    config: &KubernetesConfig,
    cx: &EventContext,
    request: &CheckRequest,
) -> Result<Vec<Check>, EventError> {
    suite(clusters, config).run(cx, request).await
}

/// The checks of a connector, in order.
fn suite<'a>(clusters: &'a Clusters, config: &'a KubernetesConfig) -> CheckSuite<'a> {
    let workload_refs = clusters.workload_refs(config);
    let permissions = requirements(&config.permissions, &workload_refs);
    let namespace = config.shared.namespace.as_str();
    let mut suite = CheckSuite::new();
    suite.check("check_kubernetes_connectivity", "Connectivity to Kubernetes", Severity::Critical, connect(clusters));
    suite.check("check_kubernetes_version", "Kubernetes version", Severity::Warning, check_version(clusters));
    suite.check("check_kubernetes_permissions", "Required permissions", Severity::Critical, allowed(permissions));
    let name = format!("Namespace \"{namespace}\" is readable");
    suite.check("check_kubernetes_namespace", name, Severity::Critical, read_namespace(clusters, namespace));
    for (suffix, kind) in [("deployments", WorkloadKind::Deployment), ("statefulsets", WorkloadKind::StatefulSet)] {
        let items = of_kind(&workload_refs, kind)
            .map(|workload_ref| (named(&workload_ref, "is readable"), readable(workload_ref)));
        suite.multi(&format!("check_kubernetes_{suffix}"), Severity::Common, items);
    }
    for (prefix, kind) in [("", WorkloadKind::Deployment), ("stateful_set_", WorkloadKind::StatefulSet)] {
        let items = of_kind(&workload_refs, kind).map(|workload_ref| {
            let name = format!(
                "Containers in the \"{}\" {} have resource requirements",
                workload_ref.name(),
                workload_ref.kind.as_str()
            );
            (name, has_requirements(workload_ref))
        });
        suite.multi(&format!("check_kubernetes_{prefix}resource_requirements"), Severity::Common, items);
    }
    for (infix, kind) in [("deployments", WorkloadKind::Deployment), ("stateful_sets", WorkloadKind::StatefulSet)] {
        let items =
            of_kind(&workload_refs, kind).map(|workload_ref| (named(&workload_ref, "is ready"), ready(workload_ref)));
        suite.multi(&format!("check_kubernetes_{infix}_are_ready"), Severity::Common, items);
    }
    suite
}

fn of_kind<'a>(workload_refs: &[WorkloadRef<'a>], kind: WorkloadKind) -> impl Iterator<Item = WorkloadRef<'a>> {
    workload_refs.iter().copied().filter(move |workload_ref| workload_ref.kind == kind)
}

fn named(workload_ref: &WorkloadRef<'_>, what: &str) -> String {
    format!("{} \"{}\" {what}", workload_ref.kind.as_str(), workload_ref.name())
}

async fn connect(clusters: &Clusters) -> CheckOutcome {
    clusters.main().version().await.map_err(|error| {
        let hint = if matches!(error, ApiError::Status { code: 401, .. }) {
            "the credentials are not accepted, or have expired: renew them in the kubeconfig file that is used"
        } else {
            "check that the API server is reachable from here, and that 'kubeconfig' and 'context' name the cluster"
        };
        CheckFailure::from(error).with_hint(hint)
    })?;
    Ok(None)
}

async fn check_version(clusters: &Clusters) -> CheckOutcome {
    let version = clusters.main().version().await?;
    if version.number().is_some_and(|number| number >= OLDEST) {
        return Ok(None);
    }
    let (major, minor) = OLDEST;
    let message = format!("Kubernetes {}.{} is older than {major}.{minor}", version.major, version.minor);
    Err(CheckFailure::new(message).with_hint("upgrade the cluster"))
}

/// Asks for all, so that everything that is missing is told at once.
async fn allowed(required: Vec<Requirement<'_>>) -> CheckOutcome {
    let (mut denials, mut advices) = (Vec::new(), Vec::new());
    for required in required {
        let mut missing = Vec::new();
        for permission in required.permissions() {
            if !required.cluster.allowed(required.namespace, *permission).await? {
                missing.push(*permission);
            }
        }
        let namespace = required.namespace;
        denials.extend(missing.iter().map(|Permission { resource, verb, .. }| {
            format!("Not allowed to \"{verb}\" resource \"{resource}\" in namespace \"{namespace}\"")
        }));
        if !missing.is_empty() {
            advices.push(advice(namespace, &missing));
        }
    }
    if denials.is_empty() {
        return Ok(None);
    }
    Err(CheckFailure::new(denials.join("; ")).with_hint(advices.join("\n")))
}

async fn read_namespace(clusters: &Clusters, namespace: &str) -> CheckOutcome {
    clusters.main().namespace(namespace).await.map_err(|error| {
        let absent = format!("create it, or name the namespace of the workloads: kubectl create namespace {namespace}");
        refused(error, namespace, Permission { group: "", resource: "namespaces", verb: "get" }, absent)
    })?;
    Ok(None)
}

async fn readable(workload_ref: WorkloadRef<'_>) -> CheckOutcome {
    read(workload_ref).await.map(|_| None)
}

async fn read(workload_ref: WorkloadRef<'_>) -> Result<Workload, CheckFailure> {
    workload_ref.cluster.workload(workload_ref.kind, workload_ref.namespace(), workload_ref.name()).await.map_err(
        |error| {
            let resource = resource(workload_ref.kind);
            let absent = format!(
                "check its name and namespace in the configuration; those that exist: kubectl -n {} get {resource}",
                workload_ref.namespace()
            );
            refused(error, workload_ref.namespace(), Permission { group: "apps", resource, verb: "get" }, absent)
        },
    )
}

fn resource(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "deployments",
        WorkloadKind::StatefulSet => "statefulsets",
    }
}

/// The failure of a request, with what to do when it was for lack of permission or of the object.
fn refused(error: ApiError, namespace: &str, permission: Permission<'_>, absent: String) -> CheckFailure {
    let hint = match &error {
        error if error.is_forbidden() => Some(advice(namespace, &[permission])),
        error if error.is_not_found() => Some(absent),
        _ => None,
    };
    let failure = CheckFailure::from(error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Without a value that it begins with, nothing can be optimized.
async fn has_requirements(workload_ref: WorkloadRef<'_>) -> CheckOutcome {
    let workload = read(workload_ref).await?;
    for config in &workload_ref.config.containers {
        let container = find_container(&workload.template["spec"], config.name.as_str())
            .map_err(|error| CheckFailure::new(format!("{workload_ref}: {error}")))?;
        require(&workload_ref, container, Resource::Memory, config.memory.setting().read_from())?;
        require(&workload_ref, container, Resource::Cpu, config.cpu.setting().read_from())?;
    }
    Ok(None)
}

fn require(
    workload_ref: &WorkloadRef<'_>,
    container: Container<'_>,
    resource: Resource,
    any_of: &[ResourceRequirement],
) -> Result<(), CheckFailure> {
    if container.resources().first(any_of, resource).is_some() {
        return Ok(());
    }
    let (name, resource) = (container.name(), resource.as_str());
    let keys: Vec<&str> = any_of.iter().map(|requirement| requirement.resources_key()).collect();
    let message = format!(
        "{workload_ref}: target container \"{name}\" does not define the resource {resource}. At least one of the following \
         must be specified: {}",
        keys.join(", ")
    );
    let flag = keys.first().copied().unwrap_or("requests");
    let hint = format!(
        "kubectl -n {} set resources {}/{} -c {name} --{flag}={resource}=QUANTITY",
        workload_ref.namespace(),
        workload_ref.kind.as_str().to_lowercase(),
        workload_ref.name()
    );
    Err(CheckFailure::new(message).with_hint(hint))
}

async fn ready(workload_ref: WorkloadRef<'_>) -> CheckOutcome {
    let workload = read(workload_ref).await?;
    let missing = match workload_readiness(workload_ref.kind, &workload.progress()) {
        Ok(Readiness::Ready) => return Ok(None),
        Ok(Readiness::NotReady(missing)) => missing,
        Err(cause) => {
            let subject = Subject::Workload { kind: workload_ref.kind, name: workload_ref.name() };
            cause.into_error(subject, &[], None).to_string()
        }
    };
    let message = format!("{}: {missing}", named(&workload_ref, "is not ready"));
    let kind = workload_ref.kind.as_str().to_lowercase();
    let hint = format!("kubectl -n {} describe {kind} {}", workload_ref.namespace(), workload_ref.name());
    Err(CheckFailure::new(message).with_hint(hint))
}
