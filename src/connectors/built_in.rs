//! A built-in type of connector as a table of what tells it from the others.

use async_trait::async_trait;
use clap::ArgMatches;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;

use crate::connector::{
    BuildContext, BuildError, CommandContext, CommandOutput, Connector, ConnectorFactory, ConnectorName, Metadata,
    Section,
};
use crate::decode::{Decoder, Show};

/// The factory of the connectors whose section is a `C`.
pub(super) struct BuiltIn<C> {
    pub(super) metadata: &'static Metadata,
    /// Reads and validates a section.
    pub(super) parse: fn(Section<'_>, &mut Decoder<'_>) -> Option<C>,
    /// Makes a connector, or says what is wrong with its surroundings.
    pub(super) build: Build<C>,
    /// A section to begin with.
    pub(super) sample: fn() -> Json,
    pub(super) commands: Option<Commands<C>>,
    /// See [`ConnectorFactory::is_by_name_only`].
    pub(super) is_by_name_only: bool,
}

/// Sub-commands of a type of connector.
pub(super) struct Commands<C> {
    /// The command that they stand below.
    pub(super) command: fn() -> clap::Command,
    pub(super) run: RunCommand<C>,
}

type Build<C> = fn(ConnectorName, C, &BuildContext) -> Result<Box<dyn Connector>, String>;

type RunCommand<C> =
    for<'a> fn(&'a C, &'a ArgMatches, &'a CommandContext) -> BoxFuture<'a, Result<CommandOutput, String>>;

#[async_trait]
impl<C: JsonSchema + Show + Send + Sync + 'static> ConnectorFactory for BuiltIn<C> {
    type Config = C;

    fn metadata(&self) -> &Metadata {
        self.metadata
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<C> {
        (self.parse)(section, cx)
    }

    fn build(&self, name: ConnectorName, config: C, cx: &BuildContext) -> Result<Box<dyn Connector>, BuildError> {
        (self.build)(name.clone(), config, cx).map_err(|message| BuildError { connector: name, message })
    }

    fn sample(&self) -> Json {
        (self.sample)()
    }

    fn is_by_name_only(&self) -> bool {
        self.is_by_name_only
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<C>()
    }

    fn command(&self) -> Option<clap::Command> {
        self.commands.as_ref().map(|commands| (commands.command)())
    }

    async fn run_command(
        &self,
        config: &C,
        matches: &ArgMatches,
        cx: &CommandContext,
    ) -> Result<CommandOutput, String> {
        match &self.commands {
            Some(commands) => (commands.run)(config, matches, cx).await,
            None => Err(format!("connector '{}' has no commands", cx.connector)),
        }
    }
}
