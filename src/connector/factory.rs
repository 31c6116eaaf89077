//! How connectors are made from configuration.
//!
//! A room's author writes a [`ConnectorFactory`] with its own configuration type. The assembly, the registry and
//! the command line see the object-safe twin, [`ErasedFactory`], which every factory is by a blanket
//! implementation. Parsing is pure and reports every problem; building may fail, but does not spawn and talks to
//! nobody: that begins with [`attach`](super::Lifecycle::attach).

use std::sync::Arc;

use async_trait::async_trait;
use schemars::{Schema, SchemaGenerator, json_schema};
use tokio_util::sync::CancellationToken;

use super::{Connector, ConnectorName, Metadata, OptimizerIdentity, ProgressSender, Services};
use crate::decode::{Decoder, Fields, Keys, Node, Secrets, Show};
use crate::network::Network;

/// A connector's section of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// The name under which the connector is mounted.
    pub name: &'a ConnectorName,
    pub node: &'a Node,
    /// Prefix of the environment variables that fill absent keys, such as `SERVO_PROMETHEUS_`.
    pub prefix: &'a str,
}

impl<'a> Section<'a> {
    /// The keys of the section, absent ones filled from the environment; `None` when it is no mapping.
    pub fn fields<'c, 'v>(&self, cx: &'c mut Decoder<'v>) -> Option<Fields<'a, 'c, 'v>> {
        Some(cx.fields(self.node)?.with_environment(self.prefix))
    }

    /// The whole section, read by its declaration.
    pub fn keys<T: Keys>(&self, cx: &mut Decoder<'_>) -> Option<T> {
        self.fields(cx)?.into_keys()
    }
}

/// What a factory may know of its surroundings when it builds.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// The optimizer, when one is configured.
    pub optimizer: Option<OptimizerIdentity>,
    /// Proxies and certificate authorities of the surroundings.
    pub network: Network,
}

/// Why a connector cannot be built from a valid configuration.
#[derive(Debug, thiserror::Error)]
#[error("failed to build connector '{connector}': {message}")]
pub struct BuildError {
    pub connector: ConnectorName,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What a connector's own command may touch.
#[derive(Debug)]
pub struct CommandContext {
    /// The connector whose command it is.
    pub connector: ConnectorName,
    /// What the connectors of the servo share.
    pub services: Arc<Services>,
    pub cancellation: CancellationToken,
    pub progress: ProgressSender,
}

/// What a connector's own command prints.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandOutput {
    pub text: String,
    pub json: serde_json::Value,
}

/// Makes one type of connector.
#[async_trait]
pub trait ConnectorFactory: Send + Sync + 'static {
    /// The validated configuration.
    type Config: Show + Send + Sync + 'static;

    fn metadata(&self) -> &Metadata;

    /// Reads and validates a section. Pure: no network, no processes, no credentials.
    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Self::Config>;

    /// Makes the connector.
    ///
    /// # Errors
    /// When the configuration cannot be used in these surroundings.
    fn build(
        &self,
        name: ConnectorName,
        config: Self::Config,
        cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError>;

    /// A section to begin with, as `servo generate` writes it.
    fn sample(&self) -> serde_json::Value;

    /// Whether it is only meant where it is named: generated files leave it out, and connectors of other types may
    /// have its default name.
    fn is_by_name_only(&self) -> bool {
        false
    }

    /// The JSON Schema of a section: what [`parse`](Self::parse) takes, as far as a schema can say it. A type that does
    /// not know takes any mapping.
    fn schema(&self, _generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }

    /// Sub-commands of its own, below `servo <default name>`.
    fn command(&self) -> Option<clap::Command> {
        None
    }

    /// Runs one of them.
    ///
    /// # Errors
    /// A message for people.
    async fn run_command(
        &self,
        _config: &Self::Config,
        _matches: &clap::ArgMatches,
        cx: &CommandContext,
    ) -> Result<CommandOutput, String> {
        Err(format!("connector '{}' has no commands", cx.connector))
    }
}

/// A parsed section, ready to be built or asked.
#[async_trait]
pub trait Prepared: Send + Sync {
    /// Makes the connector.
    ///
    /// # Errors
    /// When the configuration cannot be used in these surroundings.
    fn build(self: Box<Self>, name: ConnectorName, cx: &BuildContext) -> Result<Box<dyn Connector>, BuildError>;

    /// The section as JSON, every key with its value.
    fn show(&self, secrets: Secrets) -> serde_json::Value;

    /// Runs one of the connector's own commands.
    ///
    /// # Errors
    /// A message for people.
    async fn run_command(&self, matches: &clap::ArgMatches, cx: &CommandContext) -> Result<CommandOutput, String>;
}

/// The object-safe twin of [`ConnectorFactory`].
pub trait ErasedFactory: Send + Sync {
    fn metadata(&self) -> &Metadata;

    /// Reads and validates a section.
    fn parse(&'static self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Box<dyn Prepared>>;

    /// A section to begin with.
    fn sample(&self) -> serde_json::Value;

    /// Whether it is only meant where it is named.
    fn is_by_name_only(&self) -> bool;

    /// The JSON Schema of a section.
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;

    fn command(&self) -> Option<clap::Command>;
}

impl<F: ConnectorFactory> ErasedFactory for F {
    fn metadata(&self) -> &Metadata {
        ConnectorFactory::metadata(self)
    }

    fn parse(&'static self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Box<dyn Prepared>> {
        let config = ConnectorFactory::parse(self, section, cx)?;
        Some(Box::new(PreparedSection { factory: self, config }))
    }

    fn sample(&self) -> serde_json::Value {
        ConnectorFactory::sample(self)
    }

    fn is_by_name_only(&self) -> bool {
        ConnectorFactory::is_by_name_only(self)
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        ConnectorFactory::schema(self, generator)
    }

    fn command(&self) -> Option<clap::Command> {
        ConnectorFactory::command(self)
    }
}

struct PreparedSection<F: ConnectorFactory> {
    factory: &'static F,
    config: F::Config,
}

#[async_trait]
impl<F: ConnectorFactory> Prepared for PreparedSection<F> {
    fn build(self: Box<Self>, name: ConnectorName, cx: &BuildContext) -> Result<Box<dyn Connector>, BuildError> {
        self.factory.build(name, self.config, cx)
    }

    fn show(&self, secrets: Secrets) -> serde_json::Value {
        self.config.show(secrets)
    }

    async fn run_command(&self, matches: &clap::ArgMatches, cx: &CommandContext) -> Result<CommandOutput, String> {
        self.factory.run_command(&self.config, matches, cx).await
    }
}
