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
mod program;
mod report;
mod report_time;
mod summary;
mod target;

use std::borrow::Cow;

use serde_json::json;

pub use command::AttackCommand;
pub use config::VegetaConfig;
pub use connector::CHANNEL;
pub use report::{Report, ReportError, Samples};

use super::built_in::{BuiltIn, Commands};
use super::meter::MeterConnector;
use crate::connector::{License, Maturity, Metadata};
use connector::VegetaMeter;

pub(super) static FACTORY: BuiltIn<VegetaConfig> = BuiltIn {
    metadata: &METADATA,
    parse: VegetaConfig::parse,
    build: |name, config, _| Ok(MeterConnector::boxed(name, &METADATA, VegetaMeter::new(config))),
    sample: || {
        json!({
            "description": "Update the rate and target/targets to match your load profile",
            "rate": "50/1s",
            "target": "GET https://example.com/",
        })
    },
    commands: Some(Commands {
        command: cli::command,
        run: |config, matches, cx| Box::pin(cli::run(config, matches, cx)),
    }),
    is_by_name_only: false,
};

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
