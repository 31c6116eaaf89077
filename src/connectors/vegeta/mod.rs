//! Connector `vegeta`: puts a load on an application and measures how it answers.
//!
//! It needs the program `vegeta` on `PATH`, and runs it as a child for each measurement. The reports that it makes of
//! an attack are cumulative: every value of a series is about the whole attack up to then. Nothing here sends a
//! request by itself, and no shell reads what was configured.

mod attack;
mod checks;
mod cli;
mod command;
mod config;
mod connector;
mod moment;
mod program;
mod report;
mod summary;
mod target;

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::{Schema, SchemaGenerator};
use serde_json::json;

pub use command::AttackCommand;
pub use config::VegetaConfig;
pub use connector::CHANNEL;
pub use report::{Report, ReportError, Samples};

use crate::connector::{
    BuildContext, BuildError, CommandContext, CommandOutput, Connector, ConnectorFactory, ConnectorName, License,
    Maturity, Metadata, Section,
};
use crate::decode::Decoder;
use connector::VegetaConnector;

pub(super) static FACTORY: VegetaFactory = VegetaFactory;

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("vegeta"),
    class_name: Cow::Borrowed("VegetaConnector"),
    full_name: Cow::Borrowed("Vegeta Connector"),
    version: Cow::Borrowed("0.5.0"),
    description: Some(Cow::Borrowed("Vegeta load testing connector")),
    homepage: Some(Cow::Borrowed("https://github.com/opsani/vegeta-connector")),
    license: Some(License::Apache2),
    maturity: Some(Maturity::Stable),
};

pub(super) struct VegetaFactory;

#[async_trait]
impl ConnectorFactory for VegetaFactory {
    type Config = VegetaConfig;

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<VegetaConfig> {
        VegetaConfig::parse(section, cx)
    }

    fn build(
        &self,
        name: ConnectorName,
        config: VegetaConfig,
        _cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(VegetaConnector::new(name, config)))
    }

    fn sample(&self) -> serde_json::Value {
        json!({
            "description": "Update the rate and target/targets to match your load profile",
            "rate": "50/1s",
            "target": "GET https://example.com/",
        })
    }

    fn command(&self) -> Option<clap::Command> {
        Some(cli::command())
    }

    async fn run_command(
        &self,
        config: &VegetaConfig,
        matches: &clap::ArgMatches,
        cx: &CommandContext,
    ) -> Result<CommandOutput, String> {
        cli::run(config, matches, cx).await
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<VegetaConfig>()
    }
}
