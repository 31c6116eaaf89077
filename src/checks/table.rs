//! Tables of check results, for people: a row per connector, or a line per check.
//!
//! A table and the readiness of a servo come from the same judgement of a check, so they never disagree.

use crate::connector::{Check, CheckStatus, ConnectorChecks};
use crate::table::Table;

/// How many characters of a message stand on a line.
const MESSAGE_WIDTH: usize = 70;

/// What stands for the rest of a message that was cut.
const CUT: &str = " [...]";

/// A row per connector that has checks, with its unsuccessful ones, numbered; failing warnings are among them and
/// do not make the connector fail.
pub(crate) fn plain(results: &[ConnectorChecks]) -> String {
    let mut table = Table::new(["CONNECTOR", "STATUS", "ERRORS"]);
    for result in with_checks(results) {
        let status = if result.passed() { CheckStatus::Passed } else { CheckStatus::Failed };
        table.row([result.connector.as_str(), status.as_str(), &errors(&result.checks)]);
    }
    table.to_string()
}

/// A row per connector that has checks, with a line for each of them.
pub(crate) fn verbose(results: &[ConnectorChecks]) -> String {
    let mut table = Table::new(["CONNECTOR", "CHECK", "ID", "TAGS", "STATUS", "MESSAGE"]);
    for result in with_checks(results) {
        let column = |cell: fn(&Check) -> String| result.checks.iter().map(cell).collect::<Vec<_>>().join("\n");
        table.row([
            result.connector.to_string(),
            column(|check| collapsed(&check.name)),
            column(|check| check.id.clone()),
            column(tags),
            column(|check| check.status().to_string()),
            column(|check| shortened(check.message.as_deref().unwrap_or_default())),
        ]);
    }
    table.to_string()
}

fn with_checks(results: &[ConnectorChecks]) -> impl Iterator<Item = &ConnectorChecks> {
    results.iter().filter(|result| !result.checks.is_empty())
}

/// `(1/2) name: message` per unsuccessful check; what does not fit on its line continues below, indented.
fn errors(checks: &[Check]) -> String {
    let unsuccessful: Vec<_> = checks.iter().filter(|check| !check.success).collect();
    let numbered = unsuccessful.iter().enumerate().map(|(index, check)| {
        let number = format!("({}/{}) ", index + 1, unsuccessful.len());
        let name = collapsed(&check.name);
        let lines = wrapped(check.message.as_deref().unwrap_or_default());
        let message = lines.join(&format!("\n{:1$}", "", number.len()));
        if message.is_empty() { format!("{number}{name}") } else { format!("{number}{name}: {message}") }
    });
    numbered.collect::<Vec<_>>().join("\n")
}

fn tags(check: &Check) -> String {
    let tags: Vec<_> = check.tags.iter().map(String::as_str).collect();
    if tags.is_empty() { "-".to_owned() } else { tags.join(", ") }
}

/// The text on one line, each run of white space a single space.
fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text on one line, cut between words when it is too long; `-` when there is none.
fn shortened(text: &str) -> String {
    let text = collapsed(text);
    if text.is_empty() {
        return "-".to_owned();
    }
    if text.chars().count() <= MESSAGE_WIDTH {
        return text;
    }
    let room = MESSAGE_WIDTH - CUT.len();
    let start = lines_of(&text, room).swap_remove(0);
    format!("{start}{CUT}")
}

fn wrapped(text: &str) -> Vec<String> {
    lines_of(text, MESSAGE_WIDTH)
}

/// The words of the text on lines of at most `width` characters. Only a word that is longer is broken.
fn lines_of(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => {
                let letters: Vec<_> = word.chars().collect();
                lines.extend(letters.chunks(width).map(String::from_iter));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::ConnectorName;
    use crate::types::Severity;

    fn check(id: &str, name: &str, result: Result<&str, &str>) -> Check {
        let mut check = Check::new(id.into(), name.into(), Severity::Common);
        check.success = result.is_ok();
        check.message = result.map_or_else(Some, Some).filter(|text| !text.is_empty()).map(str::to_owned);
        check
    }

    fn sample() -> Vec<ConnectorChecks> {
        let mut warning = check("check_version", "Version", Err("too\nold"));
        warning.severity = Severity::Warning;
        warning.tags = ["slow".to_owned(), "http".to_owned()].into();
        let prometheus = vec![
            check("check_base_url", "Connect to \"http://prom:9090\"", Ok("")),
            check("check_targets", "Active targets", Ok("found 2 targets")),
            warning,
            check("check_queries_item_0", "Run query \"rate(errors[5m])\"", Err("")),
        ];
        let own = vec![check("ffd7e219", "Opsani API connectivity", Err("Response status code: 500"))];
        [("prometheus", prometheus), ("wait", Vec::new()), ("dev.opsani.com/one", own)]
            .map(|(name, checks)| ConnectorChecks { connector: ConnectorName::new(name), checks })
            .into()
    }

    #[test]
    fn the_plain_table_numbers_unsuccessful_checks() {
        let expected = r#"
CONNECTOR           STATUS    ERRORS
prometheus          X FAILED  (1/2) Version: too old
                              (2/2) Run query "rate(errors[5m])"
dev.opsani.com/one  X FAILED  (1/1) Opsani API connectivity: Response status code: 500"#;
        assert_eq!(plain(&sample()), expected.trim_start());
    }

    #[test]
    fn warnings_are_shown_and_do_not_fail_a_connector() {
        let mut results = sample();
        results.truncate(1);
        results[0].checks.truncate(3);
        let expected = "
CONNECTOR    STATUS    ERRORS
prometheus   √ PASSED  (1/1) Version: too old";
        assert_eq!(plain(&results), expected.trim_start());
    }

    #[test]
    fn the_verbose_table_has_a_line_per_check() {
        let expected = r#"
CONNECTOR           CHECK                          ID                    TAGS        STATUS     MESSAGE
prometheus          Connect to "http://prom:9090"  check_base_url        -           √ PASSED   -
                    Active targets                 check_targets         -           √ PASSED   found 2 targets
                    Version                        check_version         http, slow  ! WARNING  too old
                    Run query "rate(errors[5m])"   check_queries_item_0  -           X FAILED   -
dev.opsani.com/one  Opsani API connectivity        ffd7e219              -           X FAILED   Response status code: 500"#;
        assert_eq!(verbose(&sample()), expected.trim_start());
    }

    #[test]
    fn without_results_only_headers_are_left() {
        assert_eq!(plain(&[]), "CONNECTOR    STATUS    ERRORS");
        assert_eq!(verbose(&[]), "CONNECTOR    CHECK    ID    TAGS    STATUS    MESSAGE");
    }

    #[test]
    fn long_messages_go_on_below_their_beginning_in_the_plain_table() {
        let long = format!("{} end", "word ".repeat(14).trim());
        let checks = vec![check("one", "One", Err(&long)), check("two", "Two", Err(&long))];
        let results = [ConnectorChecks { connector: ConnectorName::new("c"), checks }];
        let expected = "
CONNECTOR    STATUS    ERRORS
c            X FAILED  (1/2) One: word word word word word word word word word word word word word word
                             end
                       (2/2) Two: word word word word word word word word word word word word word word
                             end";
        assert_eq!(plain(&results), expected.trim_start());
    }

    #[test]
    fn long_messages_are_cut_between_words_in_the_verbose_table() {
        let fits = format!("{} {}", "a".repeat(34), "b".repeat(35));
        assert_eq!(shortened(&fits), fits);
        assert_eq!(shortened(&format!("{fits}b")), format!("{} [...]", "a".repeat(34)));
        assert_eq!(shortened(&"é".repeat(71)), format!("{} [...]", "é".repeat(64)));
        assert_eq!(shortened(" \n "), "-");
    }
}
