//! What every command has at hand: options, environment, output, the connectors that exist, and the servos of the
//! configuration.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use indicatif::MultiProgress;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::exit::{CliError, ExitCode};
use super::input::globals::Globals;
use super::input::interrupt::{interruptible, listen};
use super::render::output::{Format, Output, Report};
use crate::assembly::{PreparedServo, Registry, discovery, load};
use crate::config::file::read_file;
use crate::config::{Environment, OptimizerRequirement};
use crate::connector::{ConnectorName, ErasedFactory, EventError, Metadata, ProgressSender};
use crate::logging::LogBuffer;
use crate::servo::{Dispatch, Servo};

/// The surroundings of a command.
pub(crate) struct Context {
    pub(crate) registry: Registry,
    /// Variables, those of a `.env` file included.
    pub(crate) environment: Environment,
    /// The options that every command takes.
    pub(crate) globals: Globals,
    pub(crate) output: Output,
    pub(crate) log: LogBuffer,
    /// What is drawn below the log; hidden unless standard error is a terminal.
    pub(crate) screen: MultiProgress,
}

/// The servos that a command acts on, in one state of assembly or another.
pub(crate) struct Servos<T> {
    /// In the order of the file; at least one.
    pub(crate) chosen: Vec<T>,
    /// Whether the file has several, so that output must say whose it is.
    pub(crate) several: bool,
}

impl Context {
    /// Adds the connector types that the command line names and that are not built in.
    ///
    /// # Errors
    /// An executable of such a name is no connector that can be used.
    pub(crate) async fn find(&mut self, identifiers: &[&str]) -> Result<(), CliError> {
        let found = discovery::with_named(identifiers.iter().copied(), self.registry, &self.environment).await;
        self.registry = found.map_err(|error| CliError::Usage(error.to_string()))?;
        Ok(())
    }

    /// The connector type that an identifier means.
    pub(crate) fn metadata(&self, identifier: &str) -> Option<&'static Metadata> {
        self.registry.iter().map(|factory| factory.metadata()).find(|metadata| metadata.is_named(identifier))
    }

    /// The connector type that an identifier means.
    pub(crate) fn factory(&self, identifier: &str) -> Option<&'static dyn ErasedFactory> {
        self.registry.iter().copied().find(|factory| factory.metadata().is_named(identifier))
    }

    /// The default names of all types, for messages.
    pub(crate) fn known_types(&self) -> String {
        let names: Vec<&str> = self.registry.iter().map(|factory| factory.metadata().default_name.as_ref()).collect();
        names.join(", ")
    }

    /// Writes a result to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) async fn write_file(&self, path: &Path, text: &str) -> Result<(), CliError> {
        let written = tokio::fs::write(path, text).await;
        written.map_err(|error| CliError::Failed(format!("failed to write '{}': {error}", path.display())))
    }

    /// The servos of the configuration that `--name` means, or all, validated but not yet built.
    ///
    /// # Errors
    /// The configuration has problems, or no servo of that name.
    pub(crate) async fn prepared(&self, optimizer: OptimizerRequirement) -> Result<Servos<PreparedServo>, CliError> {
        let file = self.config_file()?;
        let invalid = |problems| CliError::Configuration { file: file.clone(), problems };
        let parsed = read_file(&file).await.map_err(invalid)?;
        let registry = discovery::with_named_in(&parsed, self.registry, &self.environment).await.map_err(invalid)?;
        let loaded = load(parsed, registry, &self.environment, optimizer).map_err(invalid)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let mut chosen = loaded.servos;
        let several = chosen.len() > 1;
        if let Some(wanted) = &self.globals.name {
            chosen.retain(|servo| servo.name() == *wanted);
            if chosen.is_empty() {
                return Err(CliError::Usage(format!("no servo was found named \"{wanted}\" in '{}'", file.display())));
            }
        }
        Ok(Servos { chosen, several })
    }

    /// The same, built, not yet attached.
    ///
    /// # Errors
    /// As [`Self::prepared`], or a servo cannot be built in these surroundings.
    pub(crate) async fn servos(&self, optimizer: OptimizerRequirement) -> Result<Servos<Servo>, CliError> {
        let Servos { chosen, several } = self.prepared(optimizer).await?;
        let built = chosen.into_iter().map(|servo| servo.build(&self.environment));
        Ok(Servos { chosen: built.collect::<Result<_, _>>()?, several })
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

    /// Attaches the servos of the configuration, has them asked, and prints what came of it. The first interrupt
    /// cancels what goes on and waits for its end.
    pub(crate) async fn ask(
        &self,
        format: Format,
        question: impl AsyncFn(&[Servo], &Dispatch) -> Result<Vec<Report>, CliError>,
    ) -> Result<ExitCode, CliError> {
        let mut servos = self.servos(OptimizerRequirement::Optional).await?;
        let cancellation = CancellationToken::new();
        let dispatch = Dispatch::new(ProgressSender::default(), cancellation.clone());
        let answer = async {
            attach(&mut servos.chosen, &dispatch).await?;
            let reports = question(&servos.chosen, &dispatch).await;
            detach(&servos.chosen).await;
            reports
        };
        let reports = interruptible(&mut listen()?, &cancellation, answer).await?;
        self.output.reports(format, servos.several, &reports)?;
        Ok(ExitCode::Success)
    }
}

/// Attaches all connectors of all servos.
pub(crate) async fn attach(servos: &mut [Servo], dispatch: &Dispatch) -> Result<(), CliError> {
    let spans: Vec<_> = servos.iter().map(|servo| span(servo, servos)).collect();
    for (servo, span) in servos.iter_mut().zip(spans) {
        if let Err(error) = servo.attach(dispatch).instrument(span).await {
            detach(servos).await;
            return Err(failed("attaching the connectors failed", &error));
        }
    }
    Ok(())
}

/// Tells all connectors of servos that were not run that they are needed no more.
pub(crate) async fn detach(servos: &[Servo]) {
    // Not by the dispatch of the command, which may have been cancelled.
    let dispatch = Dispatch::default();
    join_all(servos.iter().map(|servo| servo.detach(&dispatch).instrument(span(servo, servos)))).await;
}

/// A dispatch to the connectors that are named, or to all when none is.
///
/// # Errors
/// No servo has a connector of that name.
pub(crate) fn dispatch_to(names: &[String], servos: &[Servo], dispatch: &Dispatch) -> Result<Dispatch, CliError> {
    if names.is_empty() {
        return Ok(dispatch.clone());
    }
    for name in names {
        if !servos.iter().any(|servo| servo.connector(name).is_some()) {
            return Err(CliError::Usage(format!("no connector found named '{name}': {}", known_connectors(servos))));
        }
    }
    Ok(dispatch.clone().only(names.iter().map(|name| ConnectorName::new(name.as_str())).collect()))
}

fn known_connectors(servos: &[Servo]) -> String {
    let mut names: Vec<&str> =
        servos.iter().flat_map(Servo::connectors).map(|connector| connector.name().as_str()).collect();
    names.sort_unstable();
    names.dedup();
    choice(&names)
}

/// What to do about a name that is not known.
pub(crate) fn choice<T: AsRef<str>>(known: &[T]) -> String {
    let names: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "there is none".to_owned() } else { format!("use one of {}", names.join(", ")) }
}

/// The failure of an event, with everything underneath it.
pub(crate) fn failed(what: &str, error: &EventError) -> CliError {
    CliError::Failed(format!("{what}: {}", error.chain()))
}

/// The span that says in the log whose work it is, left out when there is only one servo.
pub(crate) fn span(servo: &Servo, servos: &[Servo]) -> tracing::Span {
    tracing::info_span!("servo", servo = (servos.len() > 1).then(|| servo.name()))
}
