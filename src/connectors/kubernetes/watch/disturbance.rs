//! Changes of a workload by others while an adjustment of it is under way.

use crate::connector::{EventError, OVERWRITTEN};
use crate::k8s::{Workload, last_other_manager};

/// The failure of an adjustment because somebody else has changed the workload: nothing can be said of the settings.
pub(crate) fn of(workload: &Workload) -> EventError {
    let who = last_other_manager(&workload.managed_fields)
        .map_or_else(|| "somebody whom the API server does not name".to_owned(), |manager| manager.to_string());
    let what = if workload.paused { "paused" } else { "changed" };
    let Workload { kind, name, namespace, .. } = workload;
    let kind = kind.as_str();
    let message =
        format!("{kind} \"{name}\" in namespace \"{namespace}\" was {what} by {who} while it was being adjusted");
    EventError::aborted(message, OVERWRITTEN)
}
