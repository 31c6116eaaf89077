//! Why a campaign cannot go on.

use std::path::PathBuf;

use super::campaign::ReplayError;
use super::journal::JournalError;
use super::tunable::TunableError;

/// Why a campaign cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CampaignError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its entries make no campaign.
    #[error("the journal '{}' cannot be used", path.display())]
    Replay {
        path: PathBuf,
        #[source]
        source: ReplayError,
    },
    /// It belongs to another campaign.
    #[error(
        "the journal '{}' is of another optimization, and differs in {difference}: name another journal",
        path.display()
    )]
    Other { path: PathBuf, difference: String },
    /// Somebody has changed the application since the journal was written.
    #[error(
        "the setting {setting} has been changed since the journal '{}' was written: it is {present}, the baseline has \
         {baseline}: put it back, or name another journal to begin from what is there now",
        path.display()
    )]
    Changed { path: PathBuf, setting: String, present: String, baseline: String },
    /// It is not finished, and the search that goes on is not the one that began it.
    #[error(
        "the journal '{}' was begun by servo {version}, whose search would go on in another way: finish it with that \
         version, or name another journal",
        path.display()
    )]
    Search { path: PathBuf, version: String },
    /// What the agent describes cannot be optimized.
    #[error(transparent)]
    Settings(#[from] TunableError),
    /// A metric that is asked for is not measured.
    #[error("the metric '{metric}' is not measured: {}", known(.measured))]
    Metric { metric: String, measured: Vec<String> },
    /// Without a baseline there is nothing to compare with.
    #[error("the baseline settings cannot be measured: {0}")]
    Baseline(String),
}

fn known(metrics: &[String]) -> String {
    if metrics.is_empty() { "there are none".to_owned() } else { format!("there are {}", metrics.join(", ")) }
}

impl CampaignError {
    /// Whether the configuration, or the journal that it names, has to change.
    pub(crate) fn is_of_configuration(&self) -> bool {
        match self {
            Self::Journal(error) => !matches!(error, JournalError::File { .. }),
            Self::Replay { .. }
            | Self::Other { .. }
            | Self::Changed { .. }
            | Self::Search { .. }
            | Self::Settings(_)
            | Self::Metric { .. } => true,
            Self::Baseline(_) => false,
        }
    }
}
