//! The checks of a servo on a terminal: a list that is redrawn as results arrive, and below it what is being waited for.
//!
//! It is drawn on standard error, out of the way of the log. Of it only the hints stay behind, of what did not pass.

mod layout;

use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use self::layout::{Layout, Remedies};
use crate::checks::{Check, ConnectorChecks, FlowObserver};
use crate::cli::render::output::one_line;
use crate::cli::render::terminal::Size;
use crate::connector::ConnectorName;
use crate::types;

/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(120);

const STATUS_TEMPLATE: &str = "{spinner} {wide_msg} [{elapsed_precise}]";

/// Rows that are no part of the list: the status, and the one that the cursor is on.
const OTHER_ROWS: usize = 2;

/// A list on the screen. It is taken away with this value.
pub(crate) struct Checklist {
    screen: MultiProgress,
    list: ProgressBar,
    status: ProgressBar,
    heading: Option<String>,
    colour: bool,
    /// What the last pass found.
    results: Vec<ConnectorChecks>,
    /// What remedies did since then.
    remedies: Remedies,
}

impl Checklist {
    /// Draws the names of those that will be asked.
    pub(crate) fn draw(
        screen: &MultiProgress,
        heading: Option<&str>,
        connectors: &[&ConnectorName],
        colour: bool,
    ) -> Self {
        let plain = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let list = screen.add(ProgressBar::new_spinner().with_style(plain));
        let style = ProgressStyle::with_template(STATUS_TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let status = screen.add(ProgressBar::new_spinner().with_style(style));
        status.enable_steady_tick(TICK);
        let checklist = Self {
            screen: screen.clone(),
            list,
            status,
            heading: heading.map(str::to_owned),
            colour,
            results: Vec::new(),
            remedies: Remedies::new(),
        };
        checklist.show(connectors.iter().map(|connector| format!("· {connector}")));
        checklist
    }

    fn show(&self, lines: impl Iterator<Item = String>) {
        let lines: Vec<String> = self.heading.clone().into_iter().chain(lines).collect();
        self.list.set_message(lines.join("\n"));
        self.list.tick();
    }

    fn layout(&self) -> Layout<'_> {
        let heading = usize::from(self.heading.is_some());
        let Size { rows, columns } = Size::of(std::io::stderr()).unwrap_or(Size::USUAL);
        let size = Size { rows: rows.saturating_sub(OTHER_ROWS + heading), columns };
        Layout { results: &self.results, remedies: &self.remedies, colour: self.colour, size }
    }

    fn show_results(&self) {
        self.show(self.layout().list().into_iter());
    }

    /// How many checks keep the servo from being ready, for the status.
    fn failing(&self) -> String {
        failing(self.results.iter().flat_map(|result| &result.checks).filter(|check| check.failed()).count())
    }
}

impl Drop for Checklist {
    fn drop(&mut self) {
        for bar in [&self.list, &self.status] {
            bar.finish_and_clear();
            self.screen.remove(bar);
        }
        let hints = self.layout().hints();
        if !hints.is_empty() {
            let heading = self.heading.clone().into_iter();
            let lines = heading.chain(hints).map(|line| line + "\n").collect::<String>();
            // Nobody is left to tell that the screen is gone.
            std::io::stderr().write_all(lines.as_bytes()).ok();
        }
    }
}

impl FlowObserver for Checklist {
    fn pass_begun(&mut self, number: usize) {
        self.status.set_message(if number == 1 {
            "running the checks".to_owned()
        } else {
            format!("{}: looking again", self.failing())
        });
    }

    fn answered(&mut self, results: &[ConnectorChecks]) {
        self.results = results.to_vec();
        self.remedies.clear();
        self.show_results();
    }

    fn remedying(&mut self, _connector: &ConnectorName, check: &Check) {
        self.status.set_message(format!("{}: applying the remedy of '{}'", self.failing(), one_line(&check.name)));
    }

    fn remedied(&mut self, connector: &ConnectorName, check: &Check, result: &Result<(), String>) {
        self.remedies.insert((connector.clone(), check.id.clone()), result.clone());
        self.show_results();
    }

    fn waiting(&mut self, time: Duration) {
        let whole_seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let time = types::Duration::from_std(Duration::from_secs(whole_seconds));
        // The screen may have got another size.
        self.show_results();
        self.status.set_message(format!("{}: waiting {time} before looking again", self.failing()));
    }
}

fn failing(count: usize) -> String {
    match count {
        1 => "1 check fails".to_owned(),
        count => format!("{count} checks fail"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_can_be_read() {
        assert!(ProgressStyle::with_template(STATUS_TEMPLATE).is_ok());
    }
}
