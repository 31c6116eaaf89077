//! Which port of the service the traffic comes by, and where it goes.

use k8s_openapi::api::core::v1::{Service, ServicePort as Port};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value as Json, json};

use super::ServicePort;
use crate::k8s::{PROXY_PORT_NAME, PortName, SIDECAR_PORT};

/// Why no port of a service is the one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PortError {
    #[error("the service has no ports")]
    None,
    #[error(
        "service defines more than one port ({0}): a `port` (name or number) must be specified in the configuration"
    )]
    Several(String),
    #[error("could not find a port {0}; the service has {1}")]
    Unknown(String, String),
}

/// The port of a service that the configuration means.
pub(super) fn select<'s>(service: &'s Service, wanted: Option<&ServicePort>) -> Result<&'s Port, PortError> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let listed = || ports.iter().map(shown).collect::<Vec<_>>().join(", ");
    match (wanted, ports) {
        (_, []) => Err(PortError::None),
        (None, [only]) => Ok(only),
        (None, _) => Err(PortError::Several(listed())),
        (Some(wanted), ports) => {
            let is_wanted = |port: &&Port| match wanted {
                ServicePort::Number(number) => i64::from(port.port) == *number,
                ServicePort::Name(name) => port.name.as_deref() == Some(name),
            };
            let sought = match wanted {
                ServicePort::Number(number) => format!("numbered: {number}"),
                ServicePort::Name(name) => format!("named: {name}"),
            };
            ports.iter().find(is_wanted).ok_or_else(|| PortError::Unknown(sought, listed()))
        }
    }
}

/// A port as messages show it: `http 80:8080/TCP`.
pub(super) fn shown(port: &Port) -> String {
    let target = match &port.target_port {
        None => port.port.to_string(),
        Some(IntOrString::Int(number)) => number.to_string(),
        Some(IntOrString::String(name)) => name.clone(),
    };
    let name = port.name.as_deref().map(|name| format!("{name} ")).unwrap_or_default();
    format!("{name}{}:{target}/{}", port.port, port.protocol.as_deref().unwrap_or("TCP"))
}

/// Whether the requests to a port go to the sidecar.
pub(super) fn is_proxied(port: &Port) -> bool {
    match &port.target_port {
        None => port.port == i32::from(SIDECAR_PORT),
        Some(IntOrString::Int(number)) => *number == i32::from(SIDECAR_PORT),
        Some(IntOrString::String(name)) => name == PROXY_PORT_NAME,
    }
}

/// The patch that sends the requests to a port to another one of the pods. Everything else stays, as do other ports.
pub(super) fn retarget(port: &Port, target: &Json) -> Json {
    json!({ "spec": { "ports": [{ "port": port.port, "targetPort": target }] } })
}

/// The configured port, as the sidecar's injection names it; an error names what no port can be.
pub(super) fn named(port: Option<&ServicePort>) -> Result<Option<PortName>, PortError> {
    let number = |number: &i64| {
        let number_of_port = u16::try_from(*number).map(PortName::Number);
        number_of_port
            .map_err(|_| PortError::Unknown(format!("numbered: {number}"), "ports from 1 to 65535".to_owned()))
    };
    match port {
        None => Ok(None),
        Some(ServicePort::Number(wanted)) => number(wanted).map(Some),
        Some(ServicePort::Name(name)) => Ok(Some(PortName::Name(name.clone()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(ports: &Json) -> Service {
        serde_json::from_value(json!({ "spec": { "ports": ports } })).expect("a service")
    }

    fn found(ports: &Json, wanted: Option<&ServicePort>) -> Result<String, String> {
        select(&service(ports), wanted).map(shown).map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_is_the_configured_one_or_the_only_one() {
        let one = json!([{ "name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP" }]);
        let two = json!([{ "name": "http", "port": 80, "targetPort": "web" }, { "name": "80", "port": 81, "protocol": "UDP" }]);
        let name = |name: &str| Some(ServicePort::Name(name.to_owned()));
        let number = |number| Some(ServicePort::Number(number));
        for (ports, wanted, expected) in [
            (&one, None, Ok("http 80:8080/TCP")),
            (&one, number(80), Ok("http 80:8080/TCP")),
            (&one, number(8080), Err("could not find a port numbered: 8080; the service has http 80:8080/TCP")),
            (&one, name("80"), Err("could not find a port named: 80; the service has http 80:8080/TCP")),
            (&two, name("80"), Ok("80 81:81/UDP")),
            (&two, name("http"), Ok("http 80:web/TCP")),
            (&two, number(81), Ok("80 81:81/UDP")),
            (
                &two,
                None,
                Err("service defines more than one port (http 80:web/TCP, 80 81:81/UDP): a `port` (name or number) \
                     must be specified in the configuration"),
            ),
            (&json!([]), None, Err("the service has no ports")),
            (&json!(null), number(80), Err("the service has no ports")),
        ] {
            assert_eq!(found(ports, wanted.as_ref()), expected.map(str::to_owned).map_err(str::to_owned), "{ports}");
        }
    }

    #[test]
    fn requests_go_to_the_sidecar_by_its_number_or_its_name() {
        for (port, expected) in [
            (json!({ "port": 80, "targetPort": 9980 }), true),
            (json!({ "port": 80, "targetPort": "opsani-proxy" }), true),
            (json!({ "port": 9980 }), true),
            (json!({ "port": 9980, "targetPort": 8080 }), false),
            (json!({ "port": 80, "targetPort": "9980" }), false),
            (json!({ "port": 80 }), false),
        ] {
            let service = service(&json!([port]));
            assert_eq!(select(&service, None).map(is_proxied), Ok(expected), "{port}");
        }
    }

    #[test]
    fn a_port_that_cannot_be_is_named() {
        assert_eq!(named(Some(&ServicePort::Number(80))), Ok(Some(PortName::Number(80))));
        assert_eq!(named(Some(&ServicePort::Name("80".to_owned()))), Ok(Some(PortName::Name("80".to_owned()))));
        assert!(named(Some(&ServicePort::Number(70_000))).is_err());
    }
}
