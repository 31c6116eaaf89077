//! The Envoy sidecar that counts the requests of an application: which port it stands in front of, and what is
//! changed in a Deployment for it.
//!
//! Pure: nothing here asks a cluster.

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value as Json, json};

use crate::k8s::{ApiError, Container, Workload};

/// The name of the sidecar's container.
pub(crate) const SIDECAR_NAME: &str = "opsani-envoy";

/// The port that the sidecar listens on for the application.
pub(crate) const SIDECAR_PORT: u16 = 9980;

/// The port that the sidecar tells its metrics on.
pub(crate) const SIDECAR_METRICS_PORT: u16 = 9901;

/// Why there is no sidecar now, or still is one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SidecarError {
    /// Nothing says where requests are to go.
    #[error("a service or port must be given")]
    Nowhere,
    /// Something listens there already, most likely a sidecar.
    #[error("Port conflict: Deployment '{deployment}' already exposes port {port} through an existing container")]
    PortConflict { deployment: String, port: u16 },
    /// There is a container of that name that listens elsewhere.
    #[error("Deployment '{0}' already has a container named '{SIDECAR_NAME}': eject it first")]
    Present(String),
    /// There is no such Service.
    #[error("Unknown Service '{0}'")]
    UnknownService(String),
    /// The Service has no port.
    #[error("Target Service '{0}' does not expose any ports")]
    NoPorts(String),
    /// The Service has more than one port.
    #[error("Target Service '{service}' exposes multiple ports -- target port must be specified: one of {ports}")]
    SeveralPorts { service: String, ports: String },
    /// The Service has other ports.
    #[error("Port '{port}' does not exist in the Service '{service}'")]
    NoSuchPort { port: String, service: String },
    /// No container has that port.
    #[error("Port '{0}' could not be resolved to a destination container port")]
    Unresolved(String),
    /// The sidecar would send requests to itself.
    #[error(
        "Service '{0}' already sends its requests to port {SIDECAR_PORT}, where the sidecar is to listen: name the port \
         of the application's container with --port instead of the Service"
    )]
    Itself(String),
    /// The cluster does not do what is asked of it.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// A port of a Service or a container, as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortName {
    Number(u16),
    Name(String),
}

impl PortName {
    /// Reads digits as a number, and everything else as a name; `None` when no port has that number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit()) {
            return (!text.is_empty()).then(|| Self::Name(text.to_owned()));
        }
        text.parse().ok().filter(|number| *number > 0).map(Self::Number)
    }

    fn is_of(&self, number: i32, name: Option<&str>) -> bool {
        match self {
            Self::Number(wanted) => i32::from(*wanted) == number,
            Self::Name(wanted) => name == Some(wanted.as_str()),
        }
    }
}

impl std::fmt::Display for PortName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.pad(name),
        }
    }
}

/// Makes sure that a workload has neither a sidecar nor anything else on its port.
///
/// # Errors
/// It has.
pub(in crate::k8s) fn has_room(workload: &Workload) -> Result<(), SidecarError> {
    if workload.containers().flat_map(ports).any(|exposed| exposed.number == i64::from(SIDECAR_PORT)) {
        return Err(SidecarError::PortConflict { deployment: workload.name.clone(), port: SIDECAR_PORT });
    }
    if workload.container(SIDECAR_NAME).is_some() {
        return Err(SidecarError::Present(workload.name.clone()));
    }
    Ok(())
}

/// The port of the application that requests are to go on to: that behind the Service, or without one that of a
/// container.
///
/// # Errors
/// There is none, or several, or the sidecar cannot be put before it.
pub(in crate::k8s) fn proxied_port(
    workload: &Workload,
    service: Option<(&str, &Service)>,
    port: Option<&PortName>,
) -> Result<u16, SidecarError> {
    let exposed: Vec<ContainerPort<'_>> = workload.containers().flat_map(ports).collect();
    match (service, port) {
        (Some((name, service)), port) => {
            let target = target(service_port(name, service, port)?);
            // Its name may be the sidecar's, which is not there any more.
            let is_sidecar = matches!(&target, PortName::Name(target) if target == PROXY_PORT_NAME);
            if is_sidecar || target == PortName::Number(SIDECAR_PORT) {
                return Err(SidecarError::Itself(name.to_owned()));
            }
            match target {
                // A container need not list the ports that it listens on.
                PortName::Number(number) => Ok(number),
                PortName::Name(_) => resolve(&target, &exposed),
            }
        }
        (None, Some(port)) => resolve(port, &exposed),
        (None, None) => Err(SidecarError::Nowhere),
    }
}

/// The name of the sidecar's port for the application's requests.
pub(crate) const PROXY_PORT_NAME: &str = "opsani-proxy";

struct ContainerPort<'a> {
    number: i64,
    name: Option<&'a str>,
}

fn ports(container: Container<'_>) -> impl Iterator<Item = ContainerPort<'_>> {
    container.raw()["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| Some(ContainerPort { number: port["containerPort"].as_i64()?, name: port["name"].as_str() }))
}

fn resolve(port: &PortName, exposed: &[ContainerPort<'_>]) -> Result<u16, SidecarError> {
    let found = exposed.iter().find(|exposed| match port {
        PortName::Number(number) => i64::from(*number) == exposed.number,
        PortName::Name(name) => exposed.name == Some(name),
    });
    let number = found.and_then(|found| u16::try_from(found.number).ok());
    number.ok_or_else(|| SidecarError::Unresolved(port.to_string()))
}

fn service_port<'s>(
    name: &str,
    service: &'s Service,
    wanted: Option<&PortName>,
) -> Result<&'s ServicePort, SidecarError> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    match (wanted, ports) {
        (_, []) => Err(SidecarError::NoPorts(name.to_owned())),
        (Some(wanted), ports) => {
            let found = ports.iter().find(|port| wanted.is_of(port.port, port.name.as_deref()));
            found.ok_or_else(|| SidecarError::NoSuchPort { port: wanted.to_string(), service: name.to_owned() })
        }
        (None, [only]) => Ok(only),
        (None, several) => {
            let shown = |port: &ServicePort| port.name.clone().unwrap_or_else(|| port.port.to_string());
            let ports = several.iter().map(shown).collect::<Vec<_>>().join(", ");
            Err(SidecarError::SeveralPorts { service: name.to_owned(), ports })
        }
    }
}

/// Where a Service sends its requests; without a word on it, to the port of its own number.
fn target(port: &ServicePort) -> PortName {
    let number = |number: i32| PortName::Number(u16::try_from(number).unwrap_or_default());
    match &port.target_port {
        None => number(port.port),
        Some(IntOrString::Int(target)) => number(*target),
        Some(IntOrString::String(target)) => PortName::Name(target.clone()),
    }
}

/// The patch that appends the sidecar to the containers of a Deployment.
pub(in crate::k8s) fn injection(workload: &Workload, image: &str, proxied: u16) -> Json {
    // A merged list would begin with what is new, and its first container is the one that logs and shells mean.
    let names = workload.containers().map(Container::name).chain([SIDECAR_NAME]);
    let order: Vec<Json> = names.map(|name| json!({ "name": name })).collect();
    let pod = json!({ "$setElementOrder/containers": order, "containers": [sidecar(image, proxied)] });
    json!({ "spec": { "template": { "spec": pod } } })
}

fn sidecar(image: &str, proxied: u16) -> Json {
    let variable = |name: &str, port: u16| json!({ "name": name, "value": port.to_string() });
    json!({
        "name": SIDECAR_NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {
            "requests": { "cpu": "125m", "memory": "128Mi" },
            "limits": { "cpu": "250m", "memory": "256Mi" },
        },
        "env": [
            variable("OPSANI_ENVOY_PROXY_SERVICE_PORT", SIDECAR_PORT),
            variable("OPSANI_ENVOY_PROXIED_CONTAINER_PORT", proxied),
            variable("OPSANI_ENVOY_PROXY_METRICS_PORT", SIDECAR_METRICS_PORT),
        ],
        "ports": [
            { "name": PROXY_PORT_NAME, "containerPort": SIDECAR_PORT },
            { "name": "opsani-metrics", "containerPort": SIDECAR_METRICS_PORT },
        ],
    })
}

/// A Deployment as the API has it, without the sidecar; `None` when it has none.
pub(in crate::k8s) fn ejected(mut deployment: Json) -> Option<Json> {
    let containers = deployment.pointer_mut("/spec/template/spec/containers")?.as_array_mut()?;
    let before = containers.len();
    containers.retain(|container| container["name"] != SIDECAR_NAME);
    (containers.len() < before).then_some(deployment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::WorkloadKind;

    fn workload(ports: &Json) -> Workload {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": { "template": { "spec": { "containers": [{ "name": "main", "ports": ports }, { "name": "log" }] } } },
        });
        Workload::from_json(WorkloadKind::Deployment, object).expect("a deployment")
    }

    fn service(ports: &Json) -> Service {
        serde_json::from_value(json!({ "spec": { "ports": ports } })).expect("a service")
    }

    fn found(service: Option<&Json>, port: Option<&str>) -> Result<u16, String> {
        let workload = workload(&json!([{ "containerPort": 8080, "name": "http" }, { "containerPort": 8443 }]));
        let service = service.map(self::service);
        let port = port.and_then(PortName::parse);
        let found = proxied_port(&workload, service.as_ref().map(|service| ("shop", service)), port.as_ref());
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn the_port_behind_a_service_is_found_by_number_and_by_name() {
        let one = json!([{ "port": 80, "targetPort": "http" }]);
        let two = json!([{ "port": 80, "name": "web", "targetPort": 3000 }, { "port": 443, "name": "tls" }]);
        for (service, port, expected) in [
            (&one, None, Ok(8080)),
            (&one, Some("80"), Ok(8080)),
            (&two, Some("web"), Ok(3000)),
            (&two, Some("443"), Ok(443)),
            (&two, None, Err("multiple ports -- target port must be specified: one of web, tls")),
            (&two, Some("8080"), Err("Port '8080' does not exist in the Service 'shop'")),
            (&two, Some("http"), Err("Port 'http' does not exist in the Service 'shop'")),
            (&json!([]), None, Err("Target Service 'shop' does not expose any ports")),
            (&json!(null), Some("80"), Err("Target Service 'shop' does not expose any ports")),
            (&json!([{ "port": 80, "targetPort": "grpc" }]), None, Err("Port 'grpc' could not be resolved")),
            (&json!([{ "port": 80, "targetPort": 9980 }]), None, Err("already sends its requests to port 9980")),
            (&json!([{ "port": 80, "targetPort": "opsani-proxy" }]), None, Err("instead of the Service")),
            (&json!([{ "port": 9980 }]), Some("9980"), Err("already sends its requests to port 9980")),
        ] {
            match (found(Some(service), port), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{service} {port:?}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, expected) => panic!("{service} {port:?}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn without_a_service_the_port_is_one_of_a_container() {
        for (port, expected) in [
            (Some("8080"), Ok(8080)),
            (Some("8443"), Ok(8443)),
            (Some("http"), Ok(8080)),
            (Some("80"), Err("Port '80' could not be resolved to a destination container port")),
            (Some("web"), Err("Port 'web' could not be resolved to a destination container port")),
            (None, Err("a service or port must be given")),
        ] {
            assert_eq!(found(None, port), expected.map_err(str::to_owned), "{port:?}");
        }
    }

    #[test]
    fn there_is_but_one_sidecar() {
        let taken = workload(&json!([{ "containerPort": 9980 }]));
        let error = has_room(&taken).expect_err("taken").to_string();
        assert_eq!(error, "Port conflict: Deployment 'web' already exposes port 9980 through an existing container");
    }

    #[test]
    fn a_port_is_a_number_or_a_name() {
        for (text, expected) in [
            ("80", Some(PortName::Number(80))),
            ("http-80", Some(PortName::Name("http-80".to_owned()))),
            ("65536", None),
            ("0", None),
            ("", None),
        ] {
            assert_eq!(PortName::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_injected_is_last_and_can_be_ejected() {
        let patch = injection(&workload(&json!([])), "envoy:1", 8080);
        let pod = &patch["spec"]["template"]["spec"];
        assert_eq!(
            pod["$setElementOrder/containers"],
            json!([{ "name": "main" }, { "name": "log" }, { "name": "opsani-envoy" }])
        );
        assert_eq!(pod["containers"][0]["env"][1]["value"], "8080");
        let with =
            json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a" }, pod["containers"][0]] } } } });
        let without = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a" }] } } } });
        assert_eq!(ejected(with), Some(without.clone()));
        assert_eq!(ejected(without), None);
        assert_eq!(ejected(json!({})), None);
    }
}
