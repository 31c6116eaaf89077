//! Connector `opsani_dev`: optimizes one service by a tuning pod and Envoy sidecars.
//!
//! It is a composite: it measures and adjusts nothing itself, but makes the configurations of the connectors that do,
//! and checks that a cluster is prepared for them. It needs Kubernetes, and Prometheus beside the servo. It is the
//! one folder that knows others: the public configuration of those that it composes.

pub mod compose;

mod checks;
mod commands;
mod config;
mod connector;
mod names;
mod place;
mod ports;
mod remedies;
mod required_metadata;
mod traffic;

use std::borrow::Cow;

use serde_json::json;

pub use config::OpsaniDevConfig;
pub(crate) use config::ServicePort;

use super::built_in::BuiltIn;
use crate::connector::{License, Maturity, Metadata};

pub(super) static FACTORY: BuiltIn<OpsaniDevConfig> = BuiltIn {
    metadata: &METADATA,
    parse: OpsaniDevConfig::parse,
    build: |name, config, _| Ok(Box::new(connector::OpsaniDevConnector::new(name, config))),
    sample: || {
        json!({
            "namespace": "default",
            "deployment": "app-deployment",
            "container": "main",
            "service": "app",
            "cpu": { "unit": "cores", "min": "250m", "max": "4" },
            "memory": { "unit": "GiB", "min": "256.0Mi", "max": "4.0Gi" },
        })
    },
    commands: None,
    is_by_name_only: false,
};

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("opsani_dev"),
    class_name: Cow::Borrowed("OpsaniDevConnector"),
    full_name: Cow::Borrowed("OpsaniDev Connector"),
    version: Cow::Borrowed("2.0.0"),
    description: Some(Cow::Borrowed("Optimize a single service via a tuning instance and an Envoy sidecar")),
    homepage: Some(Cow::Borrowed("https://github.com/opsani/servox")),
    license: Some(License::Apache2),
    maturity: Some(Maturity::Stable),
};
