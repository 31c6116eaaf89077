//! The checks of a servo on a terminal: a list that is redrawn after each pass, and below it what is being waited for.
//!
//! It is drawn on standard error, out of the way of the log. Nothing of it stays behind.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::checks::{Check, CheckStatus, ConnectorChecks, FlowObserver};
use crate::connector::ConnectorName;
use crate::types;

/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(120);

const STATUS_TEMPLATE: &str = "{spinner} {msg} [{elapsed_precise}]";

/// A list on the screen. It is taken away with this value.
pub(crate) struct Checklist {
    screen: MultiProgress,
    list: ProgressBar,
    status: ProgressBar,
    heading: Option<String>,
    colour: bool,
    /// How many checks kept the servo from being ready in the last pass.
    failing: usize,
    /// What remedies did in this pass.
    remedies: Vec<String>,
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
            failing: 0,
            remedies: Vec::new(),
        };
        checklist.show(connectors.iter().map(|connector| format!("· {connector}")));
        checklist
    }

    fn show(&self, lines: impl Iterator<Item = String>) {
        let lines: Vec<String> = self.heading.clone().into_iter().chain(lines).collect();
        self.list.set_message(lines.join("\n"));
        self.list.tick();
    }
}

impl Drop for Checklist {
    fn drop(&mut self) {
        for bar in [&self.list, &self.status] {
            bar.finish_and_clear();
            self.screen.remove(bar);
        }
    }
}

impl FlowObserver for Checklist {
    fn pass_begun(&mut self, number: usize) {
        self.remedies.clear();
        self.status.set_message(if number == 1 {
            "running the checks".to_owned()
        } else {
            format!("running the checks, pass {number}: {}", failing(self.failing))
        });
    }

    fn remedied(&mut self, connector: &ConnectorName, check: &Check, result: &Result<(), String>) {
        let did = match result {
            Ok(()) => "remedy applied".to_owned(),
            Err(problem) => format!("remedy attempt {problem}"),
        };
        self.remedies.push(format!("  {connector}  {}: {did}", check.name));
    }

    fn pass_ended(&mut self, results: &[ConnectorChecks]) {
        let checks = results.iter().flat_map(|result| result.checks.iter().map(|check| (&result.connector, check)));
        self.failing = checks.clone().filter(|(_, check)| check.failed()).count();
        let lines = checks.map(|(connector, check)| line(connector, check, self.colour));
        self.show(lines.chain(self.remedies.iter().cloned()));
    }

    fn waiting(&mut self, time: Duration) {
        let whole_seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let time = types::Duration::from_std(Duration::from_secs(whole_seconds));
        self.status.set_message(format!("{}: waiting up to {time} before the next pass", failing(self.failing)));
    }
}

fn failing(count: usize) -> String {
    match count {
        1 => "1 check fails".to_owned(),
        count => format!("{count} checks fail"),
    }
}

/// `X prometheus  Active targets: no targets`, and what to do below it.
fn line(connector: &ConnectorName, check: &Check, colour: bool) -> String {
    let (mark, codes) = match check.status() {
        CheckStatus::Passed => ("√", "\x1b[32m"),
        CheckStatus::Warning => ("!", "\x1b[33m"),
        CheckStatus::Failed => ("X", "\x1b[31m"),
    };
    let (codes, reset) = if colour { (codes, "\x1b[0m") } else { ("", "") };
    let mut line = format!("{codes}{mark}{reset} {connector}  {}", one_line(&check.name));
    if let Some(message) = check.message.as_deref().filter(|_| !check.success) {
        // Writing to a string cannot fail.
        write!(line, ": {}", one_line(message)).ok();
    }
    if let Some(hint) = check.hint.as_deref().filter(|_| !check.success) {
        write!(line, "\n  hint: {}", one_line(hint)).ok();
    }
    line
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Severity;

    #[test]
    fn a_line_says_what_fails_and_what_to_do() {
        let mut check = Check::named("Active\ntargets", Severity::Common);
        check.message = Some("none\nfound".to_owned());
        check.hint = Some("start one".to_owned());
        let prometheus = ConnectorName::new("prometheus");
        assert_eq!(line(&prometheus, &check, false), "X prometheus  Active targets: none found\n  hint: start one");
        check.severity = Severity::Warning;
        assert!(line(&prometheus, &check, true).starts_with("\x1b[33m!\x1b[0m prometheus"));
        check.success = true;
        assert_eq!(line(&prometheus, &check, false), "√ prometheus  Active targets");
    }

    #[test]
    fn the_template_can_be_read() {
        assert!(ProgressStyle::with_template(STATUS_TEMPLATE).is_ok());
    }
}
