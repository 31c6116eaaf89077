//! Connector `prometheus`: measures by the queries of its metrics.
//!
//! It needs a Prometheus server, or anything that speaks its HTTP API, and only ever reads from it: it changes
//! nothing, stores nothing, and keeps no answer longer than a measurement.

mod api;
mod checks;
mod config;
mod connector;
mod headers_and_params;
mod http_config;
mod known_target;
mod preflight;
mod probe;
mod readings;
mod slo;
mod streaming;

use std::borrow::Cow;

use serde_json::json;

pub use config::MetricConfig;
pub(crate) use config::{AbsentPolicy, BaseUrl, PrometheusConfig};

pub use api::{ApiRequest, QueryError, Window, check_name};
pub(crate) use http_config::HttpConfig;
pub(crate) use probe::{Probe, ProbeError};

use super::built_in::{BuiltIn, Commands};
use super::meter::MeterConnector;
use crate::causes::chain;
use crate::connector::{License, Maturity, Metadata};
use api::{Client, targets};
use connector::PrometheusMeter;

pub(super) static FACTORY: BuiltIn<PrometheusConfig> = BuiltIn {
    metadata: &METADATA,
    parse: |section, cx| section.keys(cx),
    build: |name, config, cx| {
        let client = Client::new(&config, &cx.network).map_err(|error| chain(&error))?;
        Ok(MeterConnector::boxed(name, &METADATA, PrometheusMeter::new(config, client)))
    },
    sample: || {
        json!({
            "description": "Update the base_url and metrics to match your Prometheus configuration",
            "metrics": [
                { "name": "throughput", "unit": "rps", "query": "rate(http_requests_total[5m])" },
                { "name": "error_rate", "unit": "%", "query": "rate(errors[5m])" },
            ],
        })
    },
    commands: Some(Commands { command: targets::command, run: |config, _, cx| Box::pin(targets::run(config, cx)) }),
    is_by_name_only: false,
};

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
