//! Connector `wait`: holds a measurement open while something outside measures.
//!
//! It needs nothing and contributes no metrics; others measure in the meantime, or nobody does.

mod config;
mod connector;

use std::borrow::Cow;

use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use crate::connector::{
    BuildContext, BuildError, Connector, ConnectorFactory, ConnectorName, License, Maturity, Metadata, Section,
};
use crate::decode::Decoder;
use config::WaitConfig;
use connector::WaitConnector;

pub(super) static FACTORY: WaitFactory = WaitFactory;

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("wait"),
    class_name: Cow::Borrowed("WaitConnector"),
    full_name: Cow::Borrowed("Wait Connector"),
    version: Cow::Borrowed("0.0.1"),
    description: Some(Cow::Borrowed("Wait (no-op) Connector for Opsani")),
    homepage: Some(Cow::Borrowed("https://github.com/opsani/servox")),
    license: Some(License::Apache2),
    maturity: Some(Maturity::Stable),
};

pub(super) struct WaitFactory;

impl ConnectorFactory for WaitFactory {
    type Config = WaitConfig;

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<WaitConfig> {
        WaitConfig::parse(section, cx)
    }

    fn build(
        &self,
        name: ConnectorName,
        config: WaitConfig,
        _cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(WaitConnector::new(name, config)))
    }

    fn sample(&self) -> serde_json::Value {
        json!({ "measure_enabled": false })
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<WaitConfig>()
    }
}
