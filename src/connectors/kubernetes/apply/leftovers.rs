//! The beginning and the end of `servo run`: what an earlier run left is put right, and nothing is left behind.
//!
//! The tuning pod belongs to the run: one of an earlier run, with whatever settings it ended, goes at the start, and
//! that of this run at the stop. A workload whose adjustment was cut off before it could be rolled back carries its
//! old values in an annotation; they are restored, and the annotation goes.

use super::workload_state::read_tuning_pod;
use super::{tuning_pod, workload};
use crate::connector::{EventContext, EventError};
use crate::connectors::kubernetes::Strategy;
use crate::connectors::kubernetes::plan::undo::Undo;
use crate::connectors::kubernetes::workload_ref::{Patience, Site};

/// Puts right what an earlier run left of one workload.
///
/// # Errors
/// The API refuses, or the event is cancelled.
pub(crate) async fn recover(cx: &EventContext, site: &Site<'_>) -> Result<(), EventError> {
    match site.config.strategy.strategy() {
        Strategy::Default => {
            let workload = site.workload(Patience::Event(cx)).await?;
            let left = Undo::left_on(&workload).map_err(|error| EventError::failed(error.to_string()))?;
            let Some(undo) = left else { return Ok(()) };
            tracing::warn!(workload = %site, "restoring the values from before an adjustment that was cut off");
            workload::patch(site, &undo.patch(&workload), Patience::Event(cx)).await.map(drop)
        }
        Strategy::Canary { .. } => {
            let Some(pod) = read_tuning_pod(site, Patience::Event(cx)).await? else { return Ok(()) };
            tracing::info!(workload = %site, pod = site.tuning_pod(), "deleting the tuning pod of an earlier run");
            tuning_pod::delete(site, &pod, Patience::Event(cx)).await
        }
    }
}

/// Deletes the tuning pod of one workload, and does not wait until it has ended.
///
/// # Errors
/// The API refuses.
pub(crate) async fn withdraw(site: &Site<'_>) -> Result<(), EventError> {
    if matches!(site.config.strategy.strategy(), Strategy::Default) {
        return Ok(());
    }
    let Some(pod) = read_tuning_pod(site, Patience::UntilDone).await? else { return Ok(()) };
    tracing::info!(workload = %site, pod = site.tuning_pod(), "deleting the tuning pod");
    tuning_pod::begin_deletion(site, &pod, Patience::UntilDone).await
}
