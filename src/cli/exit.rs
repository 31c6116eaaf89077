//! How a command ends: its error, and the one mapping to an exit code.

use std::io;
use std::path::PathBuf;

use super::render::campaign::Conclusion;
use crate::assembly::AssemblyError;
use crate::decode::Problems;
use crate::k8s::{ClientError, SidecarError};
use crate::optimizer::embedded::Campaign;

/// The exit codes of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    Success = 0,
    /// The operation failed: a check did not pass, a measurement or an adjustment failed.
    Failure = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The optimization found nothing that is better than the baseline, or not significantly.
    NoImprovement = 3,
    /// What the optimization found was not confirmed.
    NotConfirmed = 4,
    /// The optimization found no settings that keep the objectives.
    ObjectivesNotKept = 5,
    /// An interrupt ended the command early: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl ExitCode {
    /// That of an optimization: what it came to, if the application was left with the settings that it should have.
    pub(crate) fn of(campaign: &Campaign) -> Self {
        if campaign.left().is_none_or(|left| left.problem.is_some()) {
            return Self::Failure;
        }
        match Conclusion::of(campaign) {
            Some(Conclusion::Confirmed) => Self::Success,
            Some(Conclusion::NoImprovement) => Self::NoImprovement,
            Some(Conclusion::NotConfirmed) => Self::NotConfirmed,
            Some(Conclusion::ObjectivesNotKept) => Self::ObjectivesNotKept,
            Some(Conclusion::NotMeasured) | None => Self::Failure,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Something on the command line, or in a variable that stands for it, makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The configuration cannot be used.
    #[error("invalid configuration in '{}':\n{problems}", file.display())]
    Configuration {
        /// The file that was read.
        file: PathBuf,
        /// Everything that is wrong with it.
        problems: Problems,
    },
    /// A configuration that was to be validated is not valid.
    #[error("X Invalid configuration in {}\n{problems}", file.display())]
    Invalid {
        /// The file that was read.
        file: PathBuf,
        /// Everything that is wrong with it.
        problems: Problems,
    },
    /// The `.env` file cannot be used.
    #[error("invalid environment:\n{0}")]
    Environment(Problems),
    /// The configuration is valid, but cannot be used in these surroundings.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// There is no cluster to talk to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The sidecar cannot be injected or ejected.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    #[error("{0}")]
    Failed(String),
    /// What the optimization found was not confirmed, and nobody accepted that.
    #[error("{0}")]
    NotConfirmed(String),
    /// Somebody said no to a question, or said nothing.
    #[error("Aborted!")]
    Aborted,
    /// An interrupt ended the command early.
    #[error("interrupted{}", if *clean { "" } else { " before everything was cleaned up" })]
    Interrupted {
        /// Whether all work has ended; a second interrupt does not wait for that.
        clean: bool,
    },
    /// Standard output cannot be written.
    #[error("failed to write to standard output")]
    Output(#[source] io::Error),
}

impl CliError {
    /// The exit code for this error.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_)
            | Self::Configuration { .. }
            | Self::Invalid { .. }
            | Self::Environment(_)
            // The section has to change, or the program.
            | Self::Assembly(AssemblyError::Connector(_)) => ExitCode::Usage,
            Self::Output(_) if self.is_closed_output() => ExitCode::Success,
            Self::Assembly(_)
            | Self::Client(_)
            | Self::Sidecar(_)
            | Self::Failed(_)
            | Self::Aborted
            | Self::Output(_) => ExitCode::Failure,
            Self::NotConfirmed(_) => ExitCode::NotConfirmed,
            Self::Interrupted { .. } => ExitCode::Interrupted,
        }
    }

    /// Whether the reader of the output has gone, which it may: `servo list | head -1`.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::{BuildError, ConnectorName};

    #[test]
    fn every_error_has_its_code() {
        let output = |kind: io::ErrorKind| CliError::Output(kind.into());
        let configuration = CliError::Configuration { file: PathBuf::new(), problems: Problems::default() };
        let connector = BuildError { connector: ConnectorName::new("a"), message: String::new() };
        for (error, code) in [
            (CliError::Usage(String::new()), ExitCode::Usage),
            (configuration, ExitCode::Usage),
            (CliError::Assembly(AssemblyError::Connector(connector)), ExitCode::Usage),
            (CliError::Failed(String::new()), ExitCode::Failure),
            (CliError::Aborted, ExitCode::Failure),
            (CliError::NotConfirmed(String::new()), ExitCode::NotConfirmed),
            (CliError::Interrupted { clean: true }, ExitCode::Interrupted),
            (output(io::ErrorKind::BrokenPipe), ExitCode::Success),
            (output(io::ErrorKind::StorageFull), ExitCode::Failure),
        ] {
            assert_eq!(error.exit_code(), code, "{error:?}");
        }
    }
}
