//! Connector `scripts`: runs shell commands before, during and after events.
//!
//! It needs `/bin/sh`. Commands are told nothing of the event and change nothing about it: one that fails is logged.

mod config;
mod connector;

use std::borrow::Cow;

use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use crate::connector::{BuildContext, BuildError, Connector, ConnectorFactory, ConnectorName, Metadata, Section};
use crate::decode::Decoder;
use config::ScriptsConfig;
use connector::ScriptsConnector;

pub(super) static FACTORY: ScriptsFactory = ScriptsFactory;

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("scripts"),
    class_name: Cow::Borrowed("ScriptsConnector"),
    full_name: Cow::Borrowed("Scripts Connector"),
    version: Cow::Borrowed("0.0.0"),
    description: None,
    homepage: None,
    license: None,
    maturity: None,
};

pub(super) struct ScriptsFactory;

impl ConnectorFactory for ScriptsFactory {
    type Config = ScriptsConfig;

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<ScriptsConfig> {
        ScriptsConfig::parse(section, cx)
    }

    fn build(
        &self,
        name: ConnectorName,
        config: ScriptsConfig,
        _cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(ScriptsConnector::new(name, config)))
    }

    fn sample(&self) -> serde_json::Value {
        json!({})
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<ScriptsConfig>()
    }
}
