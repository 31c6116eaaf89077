//! One check with its result.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::filter::CheckFilter;
use crate::config::Severity;

/// Something that can be done about a failing check.
#[async_trait]
pub trait Remedy: Send + Sync {
    /// Does it.
    ///
    /// # Errors
    /// A message for people.
    async fn apply(&self) -> Result<(), String>;
}

/// A check that has run.
#[derive(Clone)]
pub struct Check {
    /// Its name, for people and filters.
    pub name: String,
    /// Its id, for programs and filters.
    pub id: String,
    /// What it is about.
    pub description: Option<String>,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// Words to select it by.
    pub tags: BTreeSet<String>,
    /// Whether it succeeded.
    pub success: bool,
    /// What was found.
    pub message: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// What can be done by program.
    pub remedy: Option<Arc<dyn Remedy>>,
    /// How long it took.
    pub runtime: Duration,
}

/// Which checks to run, and when to stop.
#[derive(Debug, Clone, Default)]
pub struct CheckRequest {
    /// Selects checks; the empty filter selects all.
    pub filter: CheckFilter,
    /// Stop a connector's checks after a failure of this severity or a higher one; `None` never stops.
    pub halt_on: Option<Severity>,
}
