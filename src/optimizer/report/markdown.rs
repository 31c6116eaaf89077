//! A report as Markdown, for a pull request or a wiki: the result, the settings to apply, the trials. Without pictures.

use super::text::{self, interval, number, percent, verdict, with_unit};
use super::{COST_UNIT, Report, ResultReport, TrialReport};
use crate::optimizer::embedded::Outcome;

pub(crate) fn document(report: &Report) -> String {
    let objective = &report.objective;
    let direction = if objective.maximize { "highest" } else { "lowest" };
    let mut lines = vec![format!("# Optimization of {}", escape(&report.optimizer)), String::new()];
    lines.push(format!("Wanted: the {direction} {}.", escape(&objective.name)));
    lines.extend(report.conditions.iter().map(|condition| format!("- {}", escape(&condition.text))));
    let ended = text::ended(report);
    let trials = report.trials.len();
    lines.extend([
        String::new(),
        format!(
            "From {} {}; {trials} of {} trials.",
            escape(&text::time(&report.began)),
            escape(&ended),
            report.budget
        ),
        String::new(),
        "## Result".to_owned(),
        String::new(),
    ]);
    if let Some(violations) = text::baseline_violations(report) {
        lines.extend([escape(&violations), String::new()]);
    }
    match &report.result {
        Some(result) => lines.extend(result_lines(report, result)),
        None if report.is_over_without_result() => {
            lines.push("Nothing was found that keeps all objectives.".to_owned());
        }
        None => lines.push("There is none yet.".to_owned()),
    }
    if let Some(left) = &report.left {
        let settings = escape(&text::settings(&left.settings));
        let problem =
            left.problem.as_deref().map_or_else(String::new, |problem| format!(", which failed: {}", escape(problem)));
        lines.extend([String::new(), format!("The application was left with {settings}{problem}.")]);
    }
    lines.extend(share_lines(report));
    lines.extend([String::new(), "## Trials".to_owned(), String::new()]);
    lines.push("| trial | purpose | settings | cost | outcome | why |".to_owned());
    lines.push("|--:|---|---|--:|---|---|".to_owned());
    lines.extend(report.trials.iter().map(|trial| trial_line(report, trial)));
    lines.join("\n") + "\n"
}

fn result_lines(report: &Report, result: &ResultReport) -> Vec<String> {
    let objective = &report.objective;
    let mut lines = vec![format!("**{}**", escape(&verdict(result))), String::new()];
    if let Some(savings) = text::savings(result) {
        lines.extend([escape(&savings), String::new()]);
    }
    let rows = result.objective.iter().map(|difference| (objective.name.as_str(), objective.unit.as_str(), difference));
    let cost = (!objective.computed).then_some(("cost", COST_UNIT, &result.cost));
    let metrics = report.conditions.iter().filter_map(|condition| {
        Some((condition.metric.as_str(), condition.unit.as_str(), result.metrics.get(&condition.metric)?))
    });
    lines.push("| metric | baseline | result | change | 95% interval |".to_owned());
    lines.push("|---|--:|--:|--:|--:|".to_owned());
    for (name, unit, difference) in rows.chain(cost).chain(metrics) {
        let (before, after) = (with_unit(difference.baseline, unit), with_unit(difference.winner, unit));
        let change = difference.relative().map(percent).unwrap_or_default();
        let interval = interval(difference).unwrap_or_default();
        lines.push(line(&[name, &before, &after, &change, &interval]));
    }
    if !result.changes.is_empty() {
        lines.extend([String::new(), "Settings to apply:".to_owned(), String::new()]);
        lines.push("| setting | baseline | to apply | unit |".to_owned());
        lines.push("|---|--:|--:|---|".to_owned());
        lines.extend(result.changes.iter().map(|change| {
            let unit = change.unit.as_deref().unwrap_or_default();
            line(&[&change.setting, &text::value(&change.from), &text::value(&change.to), unit])
        }));
    }
    lines
}

fn share_lines(report: &Report) -> Vec<String> {
    let rows: Vec<String> = report
        .effects
        .iter()
        .filter_map(|effect| Some(line(&[&effect.metric, &effect.setting, &format!("{:.0}%", 100.0 * effect.share?)])))
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let head = ["", "## What matters", "", "| metric | setting | share |", "|---|---|--:|"].map(str::to_owned);
    head.into_iter().chain(rows).collect()
}

fn trial_line(report: &Report, trial: &TrialReport) -> String {
    let outcome = match &trial.outcome {
        Outcome::Infeasible { word, message, .. } => format!("{word}: {}", text::shortened(message)),
        Outcome::Void { reason, message, .. } => format!("{reason}: {}", text::shortened(message)),
        Outcome::Measured { .. } => {
            let readings = report.conditions.iter().zip(&trial.readings).map(|(condition, reading)| match reading {
                Some(reading) => {
                    let mark = if reading.holds { "" } else { ", violated" };
                    format!("{} {}{mark}", condition.metric, with_unit(reading.value, &condition.unit))
                }
                None => format!("{} without a reading", condition.metric),
            });
            readings.collect::<Vec<_>>().join("; ")
        }
    };
    line(&[
        &trial.number.to_string(),
        trial.purpose.as_str(),
        &text::settings(&trial.settings),
        &number(trial.cost),
        &outcome,
        &trial.explanation,
    ])
}

fn line(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// The text on one line, without a meaning in Markdown or in the HTML that it may hold.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => escaped.extend(['\\', character]),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}
