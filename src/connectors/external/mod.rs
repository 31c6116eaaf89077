//! Connectors of other people: executables that are found by name and driven over their standard input and output.
//!
//! The protocol is in `docs/connector-protocol.md`. An executable becomes an [`ExternalFactory`] when it is
//! [found and asked](Found) what it is; from there on it is a type of connector like any other, and nothing outside of
//! this folder knows that it is a process. There is no entry in the registry, as these types are made at run time.
//!
//! - `protocol`, `bodies`: messages, pure;
//! - `schema`, `validate`: the part of JSON Schema that sections are judged by, pure;
//! - `session`: one run of an executable, `peer`: the same beside the events of a servo;
//! - [`conformance`]: whether an executable keeps to the protocol.

mod config;
pub(crate) mod conformance;
mod connector;
mod discovery;
mod handshake;
mod messages;
mod peer;
mod protocol;
mod schema;
mod session;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};

pub(crate) use discovery::DiscoveryError;
pub use discovery::Found;

use crate::connector::{BuildContext, BuildError, Connector, ConnectorFactory, ConnectorName, Metadata, Section};
use crate::decode::Decoder;
use config::ExternalConfig;
use connector::ExternalConnector;
use handshake::Handshake;

/// Makes connectors of one executable.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalFactory {
    program: PathBuf,
    handshake: Arc<Handshake>,
}

impl ExternalFactory {
    pub fn program(&self) -> &Path {
        &self.program
    }
}

impl ConnectorFactory for ExternalFactory {
    type Config = ExternalConfig;

    fn metadata(&self) -> &Metadata {
        &self.handshake.metadata
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<ExternalConfig> {
        ExternalConfig::parse(&self.handshake.schema, section, cx)
    }

    fn build(
        &self,
        name: ConnectorName,
        config: ExternalConfig,
        _cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(ExternalConnector::new(name, self.program.clone(), Arc::clone(&self.handshake), config)))
    }

    fn sample(&self) -> serde_json::Value {
        self.handshake.sample()
    }

    fn schema(&self, _generator: &mut SchemaGenerator) -> Schema {
        // It has been read, so that it is a mapping.
        Schema::try_from(self.handshake.schema.as_json().clone()).unwrap_or_default()
    }
}
