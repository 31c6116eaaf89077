//! A report as one HTML file, which needs nothing else: no network, no scripts, no fonts.
//!
//! It is readable in light and dark, and at the width of a telephone. Every text of the journal is escaped.

mod axis;
mod charts;
mod escape;
mod plot;

use escape::escape;
use plot::Mark;

use super::text::{self, interval, last, number, percent, shortened, verdict, with_unit};
use super::{COST_UNIT, Condition, ConditionReading, Effect, Report, ResultReport, TrialReport};
use crate::optimizer::embedded::Outcome;

const STYLE: &str = include_str!("style.css");

pub(crate) fn page(report: &Report) -> String {
    let title = escape(&format!("Optimization of {}", report.optimizer));
    let style = STYLE.replace('\n', "");
    let body = [
        head(report),
        result_section(report),
        pictures(report),
        effects(report),
        trials(report),
        format!("<footer class=\"soft\"><p>Written by servo {}.</p></footer>", escape(&report.version)),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{style}</style>\n</head>\n<body>\n{}\n</body>\n</html>\n",
        body.join("\n")
    )
}

fn head(report: &Report) -> String {
    let objective = &report.objective;
    let direction = if objective.maximize { "highest" } else { "lowest" };
    let conditions = report.conditions.iter().map(|condition| escape(&wanted(condition))).collect::<Vec<_>>();
    let conditions =
        if conditions.is_empty() { String::new() } else { format!(" that keeps {}", conditions.join(" and ")) };
    let ended = escape(&text::ended(report));
    format!(
        "<header><h1>Optimization of {}</h1>\n<p>Wanted: the {direction} {}{conditions}.</p>\n\
         <p class=\"soft\">From {} {ended}; {} of {} trials.</p></header>",
        escape(&report.optimizer),
        escape(&objective.name),
        escape(&text::time(&report.began)),
        report.trials.len(),
        report.budget
    )
}

/// A condition with the unit of its threshold.
fn wanted(condition: &Condition) -> String {
    if condition.relative.is_some() {
        return condition.text.clone();
    }
    let side = if condition.keep_below { "below" } else { "above" };
    format!("{} {side} {}", condition.metric, with_unit(condition.threshold, &condition.unit))
}

fn result_section(report: &Report) -> String {
    let Some(result) = &report.result else {
        let text = match report.best {
            _ if report.is_over_without_result() => "Nothing was found that keeps all objectives.".to_owned(),
            Some(best) => format!("There is none yet. The best trial so far is number {best}."),
            None => "There is none yet, and no trial has kept all objectives.".to_owned(),
        };
        return format!(
            "<section><h2>Result</h2>{}<p>{text}</p></section>",
            sentence(text::baseline_violations(report))
        );
    };
    format!(
        "<section><h2>Result</h2>\n{}{}{}{}{}{}</section>",
        sentence(text::baseline_violations(report)),
        cards(report, result),
        sentence(text::savings(result)),
        metrics_table(report, result),
        settings_table(report, result),
        left(report)
    )
}

fn sentence(text: Option<String>) -> String {
    text.map_or_else(String::new, |text| format!("<p>{}</p>", escape(&text)))
}

fn cards(report: &Report, result: &ResultReport) -> String {
    let objective = &report.objective;
    let kind = if result.is_baseline {
        ""
    } else if result.confirmed {
        "good"
    } else {
        "bad"
    };
    let card = |kind: &str, label: &str, value: &str, note: &str| {
        let (label, value, note) = (escape(label), escape(value), escape(note));
        format!(
            r#"<div class="card {kind}"><span class="soft">{label}</span><b>{value}</b><span class="soft">{note}</span></div>"#
        )
    };
    let mut cards = Vec::new();
    if let Some(difference) = &result.objective {
        let change = difference.relative().map_or_else(|| "unknown".to_owned(), percent);
        let better = if objective.maximize {
            difference.winner > difference.baseline
        } else {
            difference.winner < difference.baseline
        };
        let note = match interval(difference) {
            Some(exact) if exact == "exactly" => "exactly, as it is computed".to_owned(),
            Some(interval) => format!("95% interval {interval}"),
            None => "too few measurements for an interval".to_owned(),
        };
        cards.push(card(if better { kind } else { "" }, &format!("change of {}", objective.name), &change, &note));
        let before = format!("baseline: {}", with_unit(difference.baseline, &objective.unit));
        cards.push(card("", &objective.name, &with_unit(difference.winner, &objective.unit), &before));
    }
    if !objective.computed {
        let change = result.cost.relative().map_or_else(|| "unknown".to_owned(), percent);
        let note = format!("{}, baseline: {}", with_unit(result.cost.winner, COST_UNIT), number(result.cost.baseline));
        cards.push(card("", "change of cost", &change, &note));
    }
    let short = match (result.is_baseline, result.confirmed) {
        (true, _) => "the baseline",
        (false, true) => "confirmed",
        (false, false) => "not confirmed",
    };
    cards.push(card(kind, "the result is", short, &verdict(result)));
    format!("<div class=\"cards\">{}</div>", cards.join(""))
}

fn metrics_table(report: &Report, result: &ResultReport) -> String {
    let rows = report.conditions.iter().filter_map(|condition| {
        let difference = result.metrics.get(&condition.metric)?;
        let limit = match &condition.relative {
            None => with_unit(condition.threshold, &condition.unit),
            Some(metric) => metric.clone(),
        };
        let sign = if condition.keep_below { "at most" } else { "at least" };
        Some(row(&[
            ("metric", "", escape(&condition.metric)),
            ("baseline", "n", number(difference.baseline)),
            ("result", "n", number(difference.winner)),
            ("change", "n", difference.relative().map_or_else(dash, percent)),
            ("95% interval", "n", interval(difference).unwrap_or_else(dash)),
            ("objective", "n", escape(&format!("{sign} {limit}"))),
        ]))
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    table(
        &[
            ("metric", ""),
            ("baseline", "n"),
            ("result", "n"),
            ("change", "n"),
            ("95% interval", "n"),
            ("objective", "n"),
        ],
        &rows,
    )
}

fn settings_table(report: &Report, result: &ResultReport) -> String {
    if result.changes.is_empty() {
        return "<p>No setting is to be changed.</p>".to_owned();
    }
    let rows = report.settings.iter().filter_map(|setting| {
        let (before, after) = (text::value(&setting.baseline), text::value(result.settings.get(&setting.name)?));
        let after = if before == after { escape(&after) } else { format!("<b>{}</b>", escape(&after)) };
        Some(row(&[
            ("setting", "", escape(&setting.name)),
            ("baseline", "n", escape(&before)),
            ("to apply", "n", after),
            ("unit", "", setting.unit.as_deref().map_or_else(dash, escape)),
        ]))
    });
    let rows: String = rows.collect();
    let table = table(&[("setting", ""), ("baseline", "n"), ("to apply", "n"), ("unit", "")], &rows);
    // Four short columns fit a telephone.
    format!("<h3>Settings to apply</h3>{}", table.replace(" class=\"stack\"", ""))
}

fn left(report: &Report) -> String {
    let Some(left) = &report.left else { return String::new() };
    let settings = escape(&text::settings(&left.settings));
    match &left.problem {
        None => format!("<p class=\"soft\">The application was left with {settings}.</p>"),
        Some(problem) => {
            format!("<p class=\"no\">The application could not be given {settings}: {}</p>", escape(problem))
        }
    }
}

fn key(entries: &[(&str, &str)]) -> String {
    let entries = entries.iter().map(|(drawing, label)| {
        format!(r#"<li><svg viewBox="0 0 18 14" aria-hidden="true">{drawing}</svg>{label}</li>"#)
    });
    format!("<ul class=\"key\">{}</ul>", entries.collect::<String>())
}

fn stroke(class: &str) -> String {
    format!(r#"<path class="{class}" d="M0 7H18"/>"#)
}

fn pictures(report: &Report) -> String {
    if report.trials.is_empty() {
        return String::new();
    }
    let draw = |mark: Mark| mark.draw(9.0, 7.0);
    let marks = [
        (Mark::Baseline, "baseline"),
        (Mark::Feasible, "search"),
        (Mark::Confirmation, "confirmation"),
        (Mark::Infeasible, "infeasible"),
    ];
    let is_drawn = |mark: Mark| report.trials.iter().any(|trial| charts::mark(trial) == mark);
    let marks: Vec<(String, &str)> =
        marks.into_iter().filter(|(mark, _)| is_drawn(*mark)).map(|(mark, label)| (draw(mark), label)).collect();
    let key_of = |more: &[(String, &str)]| {
        let all = marks.iter().chain(more).map(|(drawing, label)| (drawing.as_str(), *label));
        key(&all.collect::<Vec<_>>())
    };
    let objective = escape(&charts::with_unit_name(&report.objective.name, &report.objective.unit));
    let mut figures = vec![format!(
        "<figure><h3>Trials: {objective}</h3>{}{}<figcaption>Single readings; a result is confirmed by more of them.</figcaption></figure>",
        key_of(&[(stroke("best"), "best so far")]),
        charts::trials(report)
    )];
    if let Some(picture) = charts::front(report) {
        let mut more = vec![(stroke("front"), "front of the model"), (stroke("limit"), "limit")];
        if report.result.is_some() {
            more.push((draw(Mark::Chosen), "result"));
        }
        figures.push(format!(
            "<figure><h3>Margin of the tightest objective (%)</h3>{}{picture}<figcaption>Below zero an objective is \
             violated; what is beyond -100% stands there, and trials that were not measured to their end are missing. The front is of the model's means, not of readings.</figcaption></figure>",
            key_of(&more)
        ));
    }
    format!("<section><h2>What was tried</h2><div class=\"wide\">{}</div></section>", figures.join("\n"))
}

fn effects(report: &Report) -> String {
    if report.effects.is_empty() {
        return String::new();
    }
    let metrics = std::iter::once(None).chain((0..report.conditions.len()).map(Some));
    let groups: String = metrics.map(|condition| effects_of(report, condition)).collect();
    let band = r#"<path class="band" d="M0 2H18V12H0z"/><path class="curve" d="M0 7H18"/>"#;
    let (limit, before, found) =
        (stroke("limit"), r#"<path class="before" d="M9 0V14"/>"#, r#"<path class="found" d="M9 0V14"/>"#);
    let mut entries = vec![(band, "mean ± standard deviation"), (limit.as_str(), "limit"), (before, "before")];
    if report.result.is_some() {
        entries.push((found, "result"));
    }
    format!(
        "<section><h2>What each setting does</h2>\n<p class=\"soft\">Partial dependence: the model's expectation along one \
         setting, averaged over all values of the others, good and bad ones. The share says how much of a metric's \
         variation over single settings is this one's.</p>{}{groups}</section>",
        key(&entries)
    )
}

fn effects_of(report: &Report, condition: Option<usize>) -> String {
    let of: Vec<&Effect> = report.effects.iter().filter(|effect| effect.condition == condition).collect();
    let Some(first) = of.first() else { return String::new() };
    let limit = condition.and_then(|index| report.conditions.get(index));
    let unit = limit.map_or(report.objective.unit.as_str(), |condition| condition.unit.as_str());
    let heights = charts::heights(&of, limit.map(|condition| condition.threshold));
    let figures = of.iter().map(|effect| {
        let share = effect
            .share
            .map_or_else(String::new, |share| format!(" <span class=\"soft\">{:.0}%</span>", 100.0 * share));
        let short = text::has_one_component(report.settings.iter().map(|setting| setting.name.as_str()));
        let name = if short { last(&effect.setting) } else { &effect.setting };
        format!("<figure><h3>{}{share}</h3>{}</figure>", escape(name), charts::effect(report, effect, &heights))
    });
    let figures: String = figures.collect();
    format!("<h3>{}</h3><div class=\"small\">{figures}</div>", escape(&charts::with_unit_name(&first.metric, unit)))
}

fn trials(report: &Report) -> String {
    if report.trials.is_empty() {
        return String::new();
    }
    let objective = (!report.objective.computed).then_some(report.objective.name.as_str());
    let goal_heading = objective.map(escape);
    let mut headings = vec![("trial", "n"), ("settings", ""), ("cost", "n")];
    headings.extend(goal_heading.as_deref().map(|name| (name, "n")));
    headings.extend([("outcome", ""), ("why", "")]);
    let rows: String = report.trials.iter().map(|trial| trial_row(report, trial, goal_heading.as_deref())).collect();
    format!("<section><h2>The trials</h2>{}</section>", table(&headings, &rows))
}

fn trial_row(report: &Report, trial: &TrialReport, objective: Option<&str>) -> String {
    let settings = escape(&text::settings(&trial.settings));
    let mut cells =
        vec![("trial", "n", trial.number.to_string()), ("settings", "", settings), ("cost", "n", number(trial.cost))];
    cells.extend(objective.map(|name| (name, "n", trial.objective.map_or_else(dash, number))));
    let purpose = trial.purpose.as_str();
    let why = format!("<span class=\"soft\">{purpose}:</span> {}", escape(&trial.explanation));
    cells.extend([("outcome", "", outcome(report, trial)), ("why", "", why)]);
    let won = report.result.as_ref().is_some_and(|result| result.settings == trial.settings);
    row_of(if won { " class=\"won\"" } else { "" }, &cells)
}

fn outcome(report: &Report, trial: &TrialReport) -> String {
    match &trial.outcome {
        Outcome::Infeasible { during, word, reason, message } => {
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
            let what = escape(&format!("{during} {word}{reason}"));
            format!("<span class=\"no\">{what}</span> {}", escape(&shortened(message)))
        }
        Outcome::Void { reason, message, .. } => {
            format!("<span class=\"no\">{}</span> {}", escape(reason), escape(&shortened(message)))
        }
        Outcome::Measured { .. } => {
            let readings = report.conditions.iter().zip(&trial.readings).map(|(condition, reading)| match reading {
                Some(ConditionReading { value, threshold, holds }) => {
                    let text = escape(&format!("{} {} of {}", condition.metric, number(*value), number(*threshold)));
                    if *holds { text } else { format!("<span class=\"no\">{text}, violated</span>") }
                }
                None => format!("<span class=\"no\">{} without a reading</span>", escape(&condition.metric)),
            });
            readings.collect::<Vec<_>>().join("<br>")
        }
    }
}

/// Headings and names of cells are markup already.
fn table(headings: &[(&str, &str)], rows: &str) -> String {
    let headings = headings.iter().map(|(name, class)| format!("<th scope=\"col\"{}>{name}</th>", class_of(class)));
    let headings: String = headings.collect();
    format!(
        "<div class=\"scroll\"><table class=\"stack\"><thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn row(cells: &[(&str, &str, String)]) -> String {
    row_of("", cells)
}

fn row_of(attributes: &str, cells: &[(&str, &str, String)]) -> String {
    let cells = cells
        .iter()
        .map(|(name, class, content)| format!("<td data-name=\"{name}\"{}><div>{content}</div></td>", class_of(class)));
    format!("<tr{attributes}>{}</tr>\n", cells.collect::<String>())
}

fn class_of(class: &str) -> String {
    if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") }
}

fn dash() -> String {
    "–".to_owned()
}
