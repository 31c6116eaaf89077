//! Commands about the journal of an optimization. They read it and change nothing.

pub(crate) mod recommend;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod status;

use std::path::PathBuf;

use crate::causes;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::config::{OptimizerConfig, OptimizerRequirement};
use crate::optimizer::embedded::{Campaign, CampaignError, Entry, read_journal};

/// A journal that was read.
pub(crate) struct Journal {
    path: PathBuf,
    pub(crate) entries: Vec<Entry>,
}

impl Journal {
    /// The journal of this file.
    ///
    /// # Errors
    /// It cannot be read, or is not a journal.
    pub(crate) fn open(path: PathBuf) -> Result<Self, CliError> {
        let entries = read_journal(&path).map_err(|error| failed(&CampaignError::Journal(error)))?;
        Ok(Self { path, entries })
    }

    /// The optimization that it records.
    ///
    /// # Errors
    /// Its entries do not follow from one another.
    pub(crate) fn campaign(&self) -> Result<Campaign, CliError> {
        self.until(self.entries.len())
    }

    /// The optimization as its first `count` entries record it.
    ///
    /// # Errors
    /// As [`Self::campaign`].
    pub(crate) fn until(&self, count: usize) -> Result<Campaign, CliError> {
        Campaign::replay(self.entries[..count].to_vec())
            .map_err(|source| failed(&CampaignError::Replay { path: self.path.clone(), source }))
    }
}

/// Reads the journal that was named, or that of the configuration.
///
/// # Errors
/// There is no such journal, or it cannot be read.
async fn read(named: Option<PathBuf>, cx: &Context) -> Result<Journal, CliError> {
    match named {
        Some(path) => Journal::open(path),
        None => Journal::open(configured(cx).await?),
    }
}

/// The journal that the configuration names.
async fn configured(cx: &Context) -> Result<PathBuf, CliError> {
    let servos = cx.prepared(OptimizerRequirement::Optional).await?.chosen;
    let embedded = servos.iter().filter_map(|servo| match &servo.config.optimizer {
        Some(OptimizerConfig::Embedded(embedded)) => Some((servo.name(), embedded.journal().to_owned())),
        _ => None,
    });
    let embedded: Vec<_> = embedded.collect();
    match embedded.as_slice() {
        [(_, journal)] => Ok(journal.clone()),
        [] => Err(CliError::Usage(format!(
            "'{}' has no embedded optimizer, whose journal would be the default: name a journal",
            cx.globals.config_file.display()
        ))),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            let names = names.join(", ");
            Err(CliError::Usage(format!("several servos have a journal: choose one with --name ({names})")))
        }
    }
}

/// The error with everything underneath; what has to be changed by hand is a matter of usage.
pub(crate) fn failed(error: &CampaignError) -> CliError {
    let text = causes::chain(error);
    if error.is_of_configuration() { CliError::Usage(text) } else { CliError::Failed(text) }
}
