//! What is asked of the checks of a connector.

use super::Check;
use super::filter::CheckFilter;
use crate::types::Severity;

/// Which checks to run, and when to stop.
#[derive(Debug, Clone, Default)]
pub struct CheckRequest {
    /// Selects checks; the empty filter selects all.
    pub filter: CheckFilter,
    /// Stop a connector's checks after a failure of this severity or a higher one; `None` never stops.
    pub halt_on: Option<Severity>,
}

impl CheckRequest {
    /// Of the checks that a connector has run without knowing this request, those that it asks for: as a
    /// [`CheckSuite`](crate::checks::CheckSuite) would have run them.
    pub fn select(&self, checks: Vec<Check>) -> Vec<Check> {
        let wanted = self.filter.reached(&checks.iter().collect::<Vec<_>>());
        let mut selected = Vec::new();
        for (check, _) in checks.into_iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            let halts = self.halts_after(&check);
            selected.push(check);
            if halts {
                break;
            }
        }
        selected
    }

    /// Whether the checks of a connector end after this one.
    pub(crate) fn halts_after(&self, check: &Check) -> bool {
        !check.success && self.halt_on.is_some_and(|severity| check.severity >= severity)
    }
}
