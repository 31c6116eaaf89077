//! Judging on the way what a connector reads by itself, for an optimizer in this process.

use std::fmt;

use super::{FastFailConfig, SLO_VIOLATION, Schedule, SloObserver};
use crate::connector::{EventContext, EventError};
use crate::types::{Control, Duration, Reading};

/// The objectives of one measurement of a connector, which offers what it has read whenever it has read something.
pub(crate) struct Watch {
    observer: Option<SloObserver>,
    schedule: Schedule,
    checked: Duration,
}

impl Watch {
    /// Watches a measurement that takes `total`. A remote optimizer does not expect that these connectors end a
    /// measurement, so that nothing is judged for it.
    pub(crate) fn begin(cx: &EventContext, control: &Control, config: &FastFailConfig, total: Duration) -> Self {
        let is_embedded = cx.services().optimizer.as_ref().is_some_and(|optimizer| optimizer.embedded);
        let slo = control.userdata.as_ref().and_then(|userdata| userdata.slo.as_ref());
        let slo = slo.filter(|_| is_embedded && !config.disabled);
        Self {
            observer: slo.map(|slo| SloObserver::new(slo, config)),
            schedule: Schedule::new(config, total),
            checked: Duration::ZERO,
        }
    }

    /// Judges what was read so far, when a check is due after this time.
    ///
    /// # Errors
    /// [`ErrorKind::Aborted`](crate::connector::ErrorKind::Aborted) when an objective is violated.
    pub(crate) fn offer(
        &mut self,
        elapsed: Duration,
        readings: impl FnOnce() -> Vec<Reading>,
    ) -> Result<(), EventError> {
        let Some(observer) = &mut self.observer else { return Ok(()) };
        if self.schedule.next_after(self.checked).is_none_or(|due| due > elapsed) {
            return Ok(());
        }
        self.checked = elapsed;
        let judged = observer.check(jiff::Zoned::now().datetime(), &readings());
        judged.map_err(|violation| EventError::aborted(violation.to_string(), SLO_VIOLATION))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("checked", &self.checked).finish_non_exhaustive()
    }
}
