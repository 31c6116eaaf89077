//! Connector `scripts`: runs shell commands before, during and after events.
//!
//! It needs `/bin/sh`. Commands are told nothing of the event and change nothing about it: one that fails is logged.

mod config;
mod connector;

use std::borrow::Cow;

use serde_json::json;

use super::built_in::BuiltIn;
use crate::connector::Metadata;
use config::ScriptsConfig;
use connector::ScriptsConnector;

pub(super) static FACTORY: BuiltIn<ScriptsConfig> = BuiltIn {
    metadata: &METADATA,
    parse: |section, cx| section.keys(cx),
    build: |name, config, _| Ok(Box::new(ScriptsConnector::new(name, config))),
    sample: || json!({}),
    commands: None,
    is_by_name_only: false,
};

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
