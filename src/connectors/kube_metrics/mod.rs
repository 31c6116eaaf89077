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

use schemars::{Schema, SchemaGenerator};
use serde_json::json;

pub use checks::CHECK_METRICS_API;
pub(crate) use config::{DEFAULT_FREQUENCY, KubeMetricsConfig};
pub(crate) use metric::{KubeMetric, Role};

use crate::connector::{
    BuildContext, BuildError, Connector, ConnectorFactory, ConnectorName, License, Maturity, Metadata, Section,
};
use crate::decode::Decoder;
use connector::KubeMetricsConnector;

pub(super) static FACTORY: KubeMetricsFactory = KubeMetricsFactory;

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

/// Makes connectors of this type.
pub(crate) struct KubeMetricsFactory;

impl ConnectorFactory for KubeMetricsFactory {
    type Config = KubeMetricsConfig;

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<KubeMetricsConfig> {
        KubeMetricsConfig::parse(section, cx)
    }

    fn build(
        &self,
        name: ConnectorName,
        config: KubeMetricsConfig,
        _cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(KubeMetricsConnector::new(name, config)))
    }

    fn sample(&self) -> serde_json::Value {
        json!({
            "description": "Update the namespace, resource name, etc. to match the resource to monitor",
            "namespace": "default",
            "name": "app",
            "container": "app_container_name",
        })
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<KubeMetricsConfig>()
    }
}
