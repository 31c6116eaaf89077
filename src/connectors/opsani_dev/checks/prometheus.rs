//! Does Prometheus answer, and does it scrape anything?

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};

pub(super) async fn accessible(scope: Scope<'_>) -> CheckOutcome {
    let address = &scope.place.config.prometheus_base_url;
    match async { scope.prometheus()?.active_targets().await }.await {
        Ok(_) => Ok(Some(format!("Prometheus is accessible at {address}"))),
        Err(error) => Err(CheckFailure::from(error).with_hint(format!(
            "check that Prometheus runs at {address}, and that 'prometheus_base_url' of the configuration names it"
        ))),
    }
}

pub(super) async fn targets(scope: Scope<'_>) -> CheckOutcome {
    let found = scope.prometheus()?.active_targets().await?;
    if found > 0 {
        return Ok(Some(format!("found {found} active targets")));
    }
    Err(CheckFailure::new("no active targets were found").with_hint(
        "wait until Prometheus has discovered the pods; when it does not, see its scrape_configs, and whether it may \
         list pods",
    ))
}
