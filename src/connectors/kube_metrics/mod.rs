//! Connector `kube_metrics`: measures what the pods of a workload use, request and may use, and how often they restart.
//!
//! It needs a metrics server in the cluster. It only ever reads, changes nothing, and asks for nothing that a
//! measurement does not want.

mod checks;
mod config;
mod connector;
mod error;
mod metric;
mod sample;
mod sampler;
mod schedule;
mod series;

use std::borrow::Cow;

use serde_json::json;

pub use checks::CHECK_METRICS_API;
pub(crate) use config::{DEFAULT_FREQUENCY, KubeMetricsConfig};
pub(crate) use metric::{KubeMetric, Role};

use super::built_in::BuiltIn;
use super::meter::MeterConnector;
use crate::connector::{License, Maturity, Metadata};
use connector::KubeMeter;

pub(super) static FACTORY: BuiltIn<KubeMetricsConfig> = BuiltIn {
    metadata: &METADATA,
    parse: |section, cx| section.keys(cx),
    build: |name, config, _| Ok(MeterConnector::boxed(name, &METADATA, KubeMeter::new(config))),
    sample: || {
        json!({
            "description": "Update the namespace, resource name, etc. to match the resource to monitor",
            "namespace": "default",
            "name": "app",
            "container": "app_container_name",
        })
    },
    commands: None,
    is_by_name_only: false,
};

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("kube_metrics"),
    class_name: Cow::Borrowed("KubeMetricsConnector"),
    full_name: Cow::Borrowed("KubeMetrics Connector"),
    version: Cow::Borrowed("0.0.1"),
    description: Some(Cow::Borrowed("Kubernetes metrics-server connector")),
    homepage: Some(Cow::Borrowed("https://github.com/opsani/servox")),
    license: Some(License::Apache2),
    maturity: Some(Maturity::Experimental),
};
