//! Progress bars below the log, on a terminal.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing::span;

use crate::printable::printable;

/// What a bar shows: who reports, how far it is, and what it says.
const TEMPLATE: &str = "{prefix} [{bar:30}] {percent:>3}% {wide_msg}";

/// One bar for each running operation. A bar belongs to the span of its operation and goes away with it.
pub(super) struct ProgressBars {
    all: MultiProgress,
    running: Mutex<HashMap<span::Id, ProgressBar>>,
}

impl ProgressBars {
    /// Bars on this screen, which others may draw on too.
    pub(super) fn on(screen: MultiProgress) -> Self {
        Self { all: screen, running: Mutex::default() }
    }

    /// Moves the bar of an operation, which is drawn when it is new.
    pub(super) fn show(&self, operation: &span::Id, name: &str, percent: f64, message: &str) {
        let mut running = self.running();
        let bar = running.entry(operation.clone()).or_insert_with(|| self.all.add(new_bar()));
        bar.set_prefix(printable(name).into_owned());
        bar.set_message(printable(&message.replace('\n', " ")).into_owned());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are those of a bar")]
        bar.set_position(percent.clamp(0.0, 100.0) as u64);
    }

    /// Takes away the bar of an operation, if it has one.
    pub(super) fn remove(&self, operation: &span::Id) {
        if let Some(bar) = self.running().remove(operation) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Writes to the terminal while no bar is in the way.
    pub(super) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.all.suspend(write)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<span::Id, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_bar() -> ProgressBar {
    // A template that cannot be read would show the library's own style.
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(100).with_style(style.progress_chars("=> "))
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn the_template_can_be_read() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn an_operation_has_one_bar_until_it_is_removed() {
        let bars = ProgressBars::on(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
        let operation = span::Id::from_u64(1);
        bars.show(&operation, "wait[measure]", 20.0, "20% complete");
        bars.show(&operation, "wait[measure]", 250.0, "complete");
        let position = bars.running().get(&operation).map(ProgressBar::position);
        assert_eq!(position, Some(100));
        bars.remove(&operation);
        assert!(bars.running().is_empty());
    }
}
