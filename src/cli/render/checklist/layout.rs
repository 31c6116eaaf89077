//! The text of a checklist for a screen of some size. Pure.
//!
//! A screen has no room for all: checks that passed are only counted, and where those that did not take more lines than
//! there are, the last ones are. What stands first is what is to be done first.

use std::collections::HashMap;

use crate::checks::{Check, CheckStatus, ConnectorChecks};
use crate::cli::render::output::one_line;
use crate::cli::render::terminal::Size;
use crate::cli::render::wrap::wrapped;
use crate::connector::ConnectorName;

/// How the commands in hints begin.
const COMMAND: &str = "kubectl ";

/// What remedies did in a pass, by connector and id of the check.
pub(super) type Remedies = HashMap<(ConnectorName, String), Result<(), String>>;

pub(super) struct Layout<'a> {
    pub(super) results: &'a [ConnectorChecks],
    pub(super) remedies: &'a Remedies,
    pub(super) colour: bool,
    pub(super) size: Size,
}

impl Layout<'_> {
    /// The lines of a list.
    pub(super) fn list(&self) -> Vec<String> {
        let with_checks = || self.results.iter().filter(|result| !result.checks.is_empty());
        let mut room = self.size.rows.saturating_sub(with_checks().count());
        let mut hidden = 0;
        let mut lines = Vec::new();
        for result in with_checks() {
            lines.push(self.summary(result));
            for check in result.checks.iter().filter(|check| !check.success) {
                let entry = self.entry(&result.connector, check);
                let height: usize = entry.iter().map(|line| rows(line, self.size.columns)).sum();
                // One row is kept for the number of those that are not shown.
                if hidden == 0 && height < room {
                    room -= height;
                    lines.extend(entry);
                } else {
                    hidden += 1;
                }
            }
        }
        if hidden > 0 {
            lines.push(format!("  … and {hidden} more, for which the screen has no room"));
        }
        lines
    }

    /// What to do about each check that did not pass.
    pub(super) fn hints(&self) -> Vec<String> {
        let checks = self.results.iter().flat_map(|result| &result.checks).filter(|check| !check.success);
        let hints = checks.filter_map(|check| Some((one_line(&check.name), one_line(check.hint.as_deref()?))));
        hints.map(|(name, hint)| format!("hint: {name}: {hint}")).collect()
    }

    /// `X prometheus: 2 checks passed, 1 failed`
    fn summary(&self, result: &ConnectorChecks) -> String {
        let with = |wanted| result.checks.iter().filter(|check| check.status() == wanted).count();
        let [passed, warnings, failed] = [CheckStatus::Passed, CheckStatus::Warning, CheckStatus::Failed].map(with);
        let status = match (failed, warnings) {
            (0, 0) => CheckStatus::Passed,
            (0, _) => CheckStatus::Warning,
            _ => CheckStatus::Failed,
        };
        let checks = if passed == 1 { "check" } else { "checks" };
        let mut text = format!("{passed} {checks} passed");
        for (count, word) in [(failed, "failed"), (warnings, "failed as a warning")] {
            if count > 0 {
                text = format!("{text}, {count} {word}");
            }
        }
        format!("{} {}: {text}", self.mark(status), result.connector)
    }

    /// A check that did not pass: why, and what is or can be done.
    fn entry(&self, connector: &ConnectorName, check: &Check) -> Vec<String> {
        let mut why = one_line(&check.name);
        if let Some(message) = &check.message {
            why = format!("{why}: {}", one_line(message));
        }
        // The mark is outside of what is wrapped: its colour has no width.
        let mut lines = wrapped(&why, 4, self.size.columns);
        if let Some(first) = lines.first_mut() {
            *first = format!("  {} {}", self.mark(check.status()), first.trim_start());
        }
        let remedy = self.remedies.get(&(connector.clone(), check.id.clone()));
        if let Some(Err(problem)) = remedy {
            lines.extend(wrapped(&format!("remedy attempt {problem}"), 4, self.size.columns));
        }
        if let Some(Ok(())) = remedy {
            lines.push("    remedy applied: it is looked at again".to_owned());
        } else if let Some(hint) = &check.hint {
            let hint = format!("hint: {}", one_line(hint));
            // A terminal that breaks a line copies it as one: a command that is broken here could not be pasted.
            let is_pasted = hint.contains(COMMAND);
            lines.extend(if is_pasted { vec![format!("    {hint}")] } else { wrapped(&hint, 4, self.size.columns) });
        }
        lines
    }

    fn mark(&self, status: CheckStatus) -> String {
        let (mark, colour) = match status {
            CheckStatus::Passed => ("√", "\x1b[32m"),
            CheckStatus::Warning => ("!", "\x1b[33m"),
            CheckStatus::Failed => ("X", "\x1b[31m"),
        };
        if self.colour { format!("{colour}{mark}\x1b[0m") } else { mark.to_owned() }
    }
}

/// How many rows of a screen a line takes. Colours count as if they were letters, which is never too little.
fn rows(line: &str, columns: usize) -> usize {
    line.chars().count().div_ceil(columns.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Severity;

    fn failing(name: &str, message: &str, hint: Option<&str>) -> Check {
        let mut check = Check::named(name, Severity::Common);
        check.message = Some(message.to_owned());
        check.hint = hint.map(str::to_owned);
        check
    }

    fn results(checks: Vec<Check>) -> Vec<ConnectorChecks> {
        let passed = Check { success: true, ..Check::named("Connect", Severity::Critical) };
        let prometheus = [vec![passed.clone()], checks].concat();
        [("prometheus", prometheus), ("wait", Vec::new()), ("own", vec![passed])]
            .map(|(name, checks)| ConnectorChecks { connector: ConnectorName::new(name), checks })
            .into()
    }

    fn list(results: &[ConnectorChecks], remedies: &Remedies, rows: usize) -> Vec<String> {
        Layout { results, remedies, colour: false, size: Size { rows, columns: 40 } }.list()
    }

    #[test]
    fn passed_checks_are_counted_and_the_others_say_why_and_what_to_do() {
        let failing = failing("Active\ntargets", "none of the\npods was found at all", Some("start one"));
        let results = results(vec![failing]);
        let expected = [
            "X prometheus: 1 check passed, 1 failed",
            "  X Active targets: none of the pods was",
            "      found at all",
            "    hint: start one",
            "√ own: 1 check passed",
        ];
        assert_eq!(list(&results, &Remedies::new(), 20), expected);
        let hints =
            Layout { results: &results, remedies: &Remedies::new(), colour: true, size: Size { rows: 1, columns: 1 } };
        assert_eq!(hints.hints(), ["hint: Active targets: start one"]);
    }

    #[test]
    fn a_warning_keeps_nothing_from_being_ready() {
        let warning = Check { severity: Severity::Warning, ..failing("Version", "too old", None) };
        let expected =
            ["! prometheus: 1 check passed, 1 failed as a warning", "  ! Version: too old", "√ own: 1 check passed"];
        assert_eq!(list(&results(vec![warning]), &Remedies::new(), 20), expected);
    }

    #[test]
    fn what_a_remedy_did_is_told_and_a_command_is_shown_when_it_failed() {
        let results = results(vec![failing("Labels", "missing", Some("kubectl label"))]);
        let told = |result| {
            list(&results, &[((ConnectorName::new("prometheus"), results[0].checks[1].id.clone()), result)].into(), 20)
        };
        assert_eq!(told(Ok(()))[2..3], ["    remedy applied: it is looked at again"]);
        let failed = ["    remedy attempt timed out after 10s", "    hint: kubectl label"];
        assert_eq!(told(Err("timed out after 10s".to_owned()))[2..4], failed);
    }

    #[test]
    fn a_command_in_a_hint_is_not_broken_so_that_it_can_be_pasted() {
        let command = "kubectl --namespace shop patch service/shop --type strategic";
        let lines = list(&results(vec![failing("Proxy", "not", Some(command))]), &Remedies::new(), 20);
        assert_eq!(lines[2], format!("    hint: {command}"));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let checks = (0..5).map(|number| failing(&format!("Check {number}"), "not", Some("wait"))).collect();
        let results = results(checks);
        let shown = list(&results, &Remedies::new(), 8);
        let expected = [
            "X prometheus: 1 check passed, 5 failed",
            "  X Check 0: not",
            "    hint: wait",
            "  X Check 1: not",
            "    hint: wait",
            "√ own: 1 check passed",
            "  … and 3 more, for which the screen has no room",
        ];
        assert_eq!(shown, expected);
        assert_eq!(list(&results, &Remedies::new(), 0).len(), 3);
    }
}
