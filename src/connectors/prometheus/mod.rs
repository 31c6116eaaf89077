//! Connector `prometheus`: measures by the queries of its metrics.
//!
//! It needs a Prometheus server, or anything that speaks its HTTP API, and only ever reads from it: it changes
//! nothing, stores nothing, and keeps no answer longer than a measurement.

mod checks;
mod client;
mod config;
mod connector;
mod headers_and_params;
mod http_config;
mod json;
mod known_target;
mod probe;
mod query;
mod readings;
mod response;
mod result;
mod slo;
mod streaming;
mod targets;
mod transport;

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::{Schema, SchemaGenerator};
use serde_json::json;

pub use config::MetricConfig;
pub(crate) use config::{AbsentPolicy, BaseUrl, PrometheusConfig};

pub(crate) use http_config::HttpConfig;
pub(crate) use probe::{Probe, ProbeError};
pub use query::{ApiRequest, QueryError, Window, check_name};

use crate::causes::chain;
use crate::connector::{
    BuildContext, BuildError, CommandContext, CommandOutput, Connector, ConnectorFactory, ConnectorName, License,
    Maturity, Metadata, Section,
};
use crate::decode::Decoder;
use client::Client;
use connector::PrometheusConnector;

pub(super) static FACTORY: PrometheusFactory = PrometheusFactory;

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("prometheus"),
    class_name: Cow::Borrowed("PrometheusConnector"),
    full_name: Cow::Borrowed("Prometheus Connector"),
    version: Cow::Borrowed("1.5.0"),
    description: Some(Cow::Borrowed("Prometheus Connector for Opsani")),
    homepage: Some(Cow::Borrowed("https://github.com/opsani/prometheus-connector")),
    license: Some(License::Apache2),
    maturity: Some(Maturity::Stable),
};

/// Makes connectors of this type.
pub(crate) struct PrometheusFactory;

#[async_trait]
impl ConnectorFactory for PrometheusFactory {
    type Config = PrometheusConfig;

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<PrometheusConfig> {
        PrometheusConfig::parse(section, cx)
    }

    fn build(
        &self,
        name: ConnectorName,
        config: PrometheusConfig,
        cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        match Client::new(&config, &cx.network) {
            Ok(client) => Ok(Box::new(PrometheusConnector::new(name, config, client))),
            Err(error) => Err(BuildError { connector: name, message: chain(&error) }),
        }
    }

    fn sample(&self) -> serde_json::Value {
        json!({
            "description": "Update the base_url and metrics to match your Prometheus configuration",
            "metrics": [
                { "name": "throughput", "unit": "rps", "query": "rate(http_requests_total[5m])" },
                { "name": "error_rate", "unit": "%", "query": "rate(errors[5m])" },
            ],
        })
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<PrometheusConfig>()
    }

    fn command(&self) -> Option<clap::Command> {
        let targets = clap::Command::new("targets").about("Show what Prometheus scrapes");
        Some(clap::Command::new("prometheus").about("Ask the Prometheus server").subcommand(targets))
    }

    async fn run_command(
        &self,
        config: &PrometheusConfig,
        _matches: &clap::ArgMatches,
        cx: &CommandContext,
    ) -> Result<CommandOutput, String> {
        let client = Client::new(config, &cx.services.network).map_err(|error| chain(&error))?;
        let request = ApiRequest::targets();
        let answer = tokio::select! {
            () = cx.cancellation.cancelled() => return Err("interrupted".to_owned()),
            answer = client.get(&request) => answer,
        };
        answer.map(|found| targets::output(&found, jiff::Timestamp::now())).map_err(|error| chain(&error))
    }
}
