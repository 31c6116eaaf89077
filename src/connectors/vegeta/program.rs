//! The program itself: where it is, and of which version.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::connector::EventContext;
use crate::subprocess::{self, Command, Limits, ProgramNotFound, Source};

const NAME: &str = "vegeta";

/// What to do when it is missing.
pub(super) const REMEDY: &str = "install vegeta 12 into one of these folders, from \
     https://github.com/tsenart/vegeta/releases or by `go install github.com/tsenart/vegeta/v12@latest`";

/// Far more than printing a line takes.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Vegeta as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    path: PathBuf,
}

impl Program {
    /// Looks it up, each time anew, as it may be installed while a servo runs.
    pub(super) fn find(cx: &EventContext) -> Result<Self, ProgramNotFound> {
        cx.services().programs.find(NAME).map(|path| Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it is and where, such as `vegeta 12.13.0 at /usr/bin/vegeta`.
    pub(super) async fn describe(&self, cx: &EventContext) -> String {
        let version = self.version(cx).await.unwrap_or_else(|| "of unknown version".to_owned());
        format!("{NAME} {version} at {}", self.path.display())
    }

    /// The version that it prints, among others.
    async fn version(&self, cx: &EventContext) -> Option<String> {
        let mut version = None;
        let limits = Limits { timeout: Some(VERSION_TIMEOUT), cancellation: cx.cancellation() };
        let command = Command::new(&self.path).arguments(["-version"]).input(Vec::new());
        let ran = subprocess::run(command, limits, |line| {
            if line.source == Source::Stdout && version.is_none() {
                version = line.text.strip_prefix("Version:").map(|version| version.trim().to_owned());
            }
        });
        ran.await.ok()?;
        version.filter(|version| !version.is_empty())
    }
}
