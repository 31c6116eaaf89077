//! Connector `wait`: holds a measurement open while something outside measures.
//!
//! It needs nothing and contributes no metrics; others measure in the meantime, or nobody does.

mod config;
mod connector;

use std::borrow::Cow;

use serde_json::json;

use super::built_in::BuiltIn;
use crate::connector::{License, Maturity, Metadata};
use config::WaitConfig;
use connector::WaitConnector;

pub(super) static FACTORY: BuiltIn<WaitConfig> = BuiltIn {
    metadata: &METADATA,
    parse: |section, cx| section.keys(cx),
    build: |name, config, _| Ok(Box::new(WaitConnector::new(name, config))),
    sample: || json!({ "measure_enabled": false }),
    commands: None,
    is_by_name_only: false,
};

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
