//! What every command has at hand: options, environment, output, the connectors that exist, and the servos of the
//! configuration.

use std::path::PathBuf;

use tracing::Instrument;

use super::exit::CliError;
use super::globals::Globals;
use super::output::Output;
use crate::assembly::{PreparedServo, Registry, load};
use crate::config::file::read_file;
use crate::config::{Environment, OptimizerRequirement};
use crate::connector::{EventError, Metadata};
use crate::logging::LogBuffer;
use crate::servo::{Dispatch, Servo};

/// The surroundings of a command.
pub(crate) struct Context {
    /// The connectors that exist.
    pub(crate) registry: Registry,
    /// Variables, those of a `.env` file included.
    pub(crate) environment: Environment,
    /// The options that every command takes.
    pub(crate) globals: Globals,
    /// Where results go.
    pub(crate) output: Output,
    /// The recent log.
    pub(crate) log: LogBuffer,
}

impl Context {
    /// The connector type that an identifier means.
    pub(crate) fn metadata(&self, identifier: &str) -> Option<&'static Metadata> {
        self.registry.iter().map(|factory| factory.metadata()).find(|metadata| metadata.is_named(identifier))
    }

    /// The servos of the configuration that `--name` means, or all, validated but not yet built.
    ///
    /// # Errors
    /// The configuration has problems, or no servo of that name.
    async fn prepared(&self, optimizer: OptimizerRequirement) -> Result<Vec<PreparedServo>, CliError> {
        let file = self.config_file()?;
        let invalid = |problems| CliError::Configuration { file: file.clone(), problems };
        let parsed = read_file(&file).await.map_err(invalid)?;
        let loaded = load(parsed, self.registry, &self.environment, optimizer).map_err(invalid)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let mut chosen = loaded.servos;
        if let Some(wanted) = &self.globals.name {
            chosen.retain(|servo| servo.name() == *wanted);
            if chosen.is_empty() {
                return Err(CliError::Usage(format!("no servo was found named \"{wanted}\" in '{}'", file.display())));
            }
        }
        Ok(chosen)
    }

    /// The same, built, not yet attached.
    ///
    /// # Errors
    /// As [`Self::prepared`], or a servo cannot be built in these surroundings.
    pub(crate) async fn servos(&self, optimizer: OptimizerRequirement) -> Result<Vec<Servo>, CliError> {
        let prepared = self.prepared(optimizer).await?;
        Ok(prepared.into_iter().map(|servo| servo.build(&self.environment)).collect::<Result<_, _>>()?)
    }

    /// The configuration file's absolute path, whether or not there is a file.
    pub(crate) fn config_path(&self) -> PathBuf {
        let named = &self.globals.config_file;
        std::path::absolute(named).unwrap_or_else(|_| named.clone())
    }

    fn config_file(&self) -> Result<PathBuf, CliError> {
        let path = self.config_path();
        if path.is_dir() {
            return Err(CliError::Usage(format!("config file '{}' is a directory", path.display())));
        }
        if !path.exists() {
            return Err(CliError::Usage(format!(
                "config file '{}' does not exist: name one with --config-file, or write one with servo init",
                path.display()
            )));
        }
        Ok(path)
    }
}

/// Attaches all connectors of all servos.
pub(crate) async fn attach(servos: &mut [Servo], dispatch: &Dispatch) -> Result<(), CliError> {
    let spans: Vec<_> = servos.iter().map(|servo| span(servo, servos)).collect();
    for (servo, span) in servos.iter_mut().zip(spans) {
        let attached = servo.attach(dispatch).instrument(span).await;
        attached.map_err(|error| failed("attaching the connectors failed", &error))?;
    }
    Ok(())
}

/// The failure of an event, with everything underneath it.
pub(crate) fn failed(what: &str, error: &EventError) -> CliError {
    CliError::Failed(format!("{what}: {}", error.chain()))
}

/// The span that says in the log whose work it is, which goes without saying when there is but one servo.
pub(crate) fn span(servo: &Servo, servos: &[Servo]) -> tracing::Span {
    tracing::info_span!("servo", servo = (servos.len() > 1).then(|| servo.name()))
}
