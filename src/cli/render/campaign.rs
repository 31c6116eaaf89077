//! A campaign in words: its trials, the best of them, the result.

use serde_json::{Map, Value, json};

use crate::config::{CampaignConfig, Objective};
use crate::optimizer::embedded::{Campaign, Difference, End, Outcome, Snapshot, Stop, Trial, Verdict, Winner};
use crate::optimizer::report::{number, settings_text, value_text, verdict_text};
use crate::table::Table;
use crate::types::{Operation, SloCondition, SloKeep};

/// The metrics of the objectives against their thresholds, or why there are none.
pub(crate) fn outcome_text(campaign: &Campaign, trial: &Trial) -> String {
    match &trial.outcome {
        Outcome::Infeasible { word, reason, .. } => {
            reason.as_ref().map_or_else(|| word.clone(), |reason| format!("{word} ({reason})"))
        }
        Outcome::Void { reason, message, .. } => format!("{reason}: {message}"),
        Outcome::Measured { metrics } => {
            let verdicts = campaign.config().slo.iter().map(|condition| {
                let name = &condition.metric;
                match Campaign::condition(condition, metrics) {
                    Some((value, threshold)) => {
                        let (relation, mark) = match (condition.keep, value <= threshold, value >= threshold) {
                            (SloKeep::Below, true, _) => ("≤", ""),
                            (SloKeep::Below, false, _) => (">", " VIOLATED"),
                            (SloKeep::Above, _, true) => ("≥", ""),
                            (SloKeep::Above, _, false) => ("<", " VIOLATED"),
                        };
                        let unit = campaign.header().metrics.get(name).map_or("", String::as_str);
                        let limit = if threshold.fract() == 0.0 { threshold.to_string() } else { number(threshold) };
                        format!("{name} {} {relation} {limit} {unit}", number(value)).trim_end().to_owned() + mark
                    }
                    None => format!("{name} without a reading"),
                }
            });
            verdicts.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A trial in a line, or in two where it would be wider than that many columns.
pub(crate) fn trial_line(campaign: &Campaign, trial: &Trial, columns: usize) -> String {
    let plan = &trial.plan;
    let number_of = format!("trial {:>2}/{} ", plan.number, campaign.budget());
    let tried = format!("{number_of}{:<12} {}", plan.purpose.as_str(), settings_text(&plan.settings));
    let came = format!("cost {}  {}", number(plan.cost), outcome_text(campaign, trial));
    if tried.chars().count() + 2 + came.chars().count() <= columns {
        return format!("{tried}  {came}");
    }
    format!("{tried}\n{:indent$}{came}", "", indent = number_of.chars().count())
}

/// What is being tried, in a line.
pub(crate) fn present_line(snapshot: &Snapshot) -> String {
    let Some(campaign) = &snapshot.campaign else { return "describing the application".to_owned() };
    let Some(plan) = &snapshot.plan else {
        return if campaign.left().is_some() { "over" } else { "between two trials" }.to_owned();
    };
    let doing = snapshot.doing.map_or("choosing", |operation| match operation {
        Operation::Adjustment => "adjusting",
        Operation::Measurement => "measuring",
        Operation::Description => "describing",
    });
    format!("trial {}/{}  {doing} {}", plan.number, campaign.budget(), settings_text(&plan.settings))
}

/// Why it is being tried, in a line.
pub(crate) fn why_line(snapshot: &Snapshot) -> String {
    snapshot.plan.as_ref().map_or_else(String::new, |plan| format!("why: {}", plan.why))
}

/// The best trial so far, in a line.
pub(crate) fn best_line(campaign: &Campaign) -> String {
    let Some((best, first)) = campaign.best().zip(campaign.trials().first()) else {
        return "best so far: nothing that keeps the objectives".to_owned();
    };
    let objective = campaign.objective(best).zip(campaign.objective(first));
    let change = objective.and_then(|(best, first)| Difference::exact(first, best).relative());
    format!(
        "best so far: {}{}  {}",
        objective.map_or_else(String::new, |(best, _)| number(best)),
        change.map_or_else(String::new, |share| format!(" ({:+.1}%)", 100.0 * share)),
        settings_text(&best.plan.settings)
    )
}

/// The trials as a table; without why they were made where that would be wider than so many columns.
pub(crate) fn trials_table(campaign: &Campaign, columns: usize) -> Table {
    let table = table_of_trials(campaign, &["TRIAL", "PURPOSE", "SETTINGS", "COST", "OUTCOME", "WHY"]);
    if table.width() <= columns {
        table
    } else {
        table_of_trials(campaign, &["TRIAL", "PURPOSE", "SETTINGS", "COST", "OUTCOME"])
    }
}

fn table_of_trials(campaign: &Campaign, header: &[&str]) -> Table {
    let mut table = Table::new(header.iter().copied());
    for trial in campaign.trials() {
        let plan = &trial.plan;
        table.row([
            plan.number.to_string(),
            plan.purpose.as_str().to_owned(),
            settings_text(&plan.settings),
            number(plan.cost),
            outcome_text(campaign, trial),
            plan.why.clone(),
        ]);
    }
    table
}

/// The result in some lines; how far it has come while there is none.
pub(crate) fn result_text(campaign: &Campaign) -> String {
    let trials = campaign.trials().len();
    let Some(end) = campaign.end() else {
        return format!("{trials} of {} trials so far\n{}", campaign.budget(), best_line(campaign));
    };
    let mut lines = match &end.winner {
        Some(winner) if !winner.is_baseline => winner_lines(campaign, winner),
        winner => {
            let nothing = match (winner, end.stop, &end.problem) {
                (Some(_), ..) => "nothing was found that is better than the baseline settings".to_owned(),
                (None, Stop::NotMeasured, Some(problem)) => problem.clone(),
                (None, Stop::BaselineViolates, _) => end.stop.to_string(),
                (None, ..) => "nothing was found that keeps the objectives".to_owned(),
            };
            vec![format!("After {trials} trials: {nothing}.")]
        }
    };
    if let Some(left) = campaign.left() {
        lines.push(match &left.problem {
            None => format!("The application was left with: {}", settings_text(&left.settings)),
            Some(problem) => format!("The application could NOT be given {}: {problem}", settings_text(&left.settings)),
        });
    }
    lines.join("\n")
}

/// What an optimization that is over came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// Better settings were found, and confirmed.
    Confirmed,
    /// Nothing was found that is better than the baseline, or it is not significantly better.
    NoImprovement,
    /// What was found was not confirmed.
    NotConfirmed,
    /// No settings were found that keep the objectives.
    ObjectivesNotKept,
    /// Too many measurements in a row said nothing.
    NotMeasured,
}

impl Conclusion {
    /// That of a campaign; `None` while it is not over.
    pub(crate) fn of(campaign: &Campaign) -> Option<Self> {
        campaign.end().map(Self::at)
    }

    fn at(end: &End) -> Self {
        match &end.winner {
            None if end.stop == Stop::NotMeasured => Self::NotMeasured,
            None => Self::ObjectivesNotKept,
            Some(winner) if winner.confirmed => Self::Confirmed,
            Some(winner) if winner.is_baseline || winner.verdict == Some(Verdict::NoImprovement) => Self::NoImprovement,
            Some(_) => Self::NotConfirmed,
        }
    }

    /// Its name for programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::NoImprovement => "no-improvement",
            Self::NotConfirmed => "not-confirmed",
            Self::ObjectivesNotKept => "objectives-not-kept",
            Self::NotMeasured => "not-measured",
        }
    }
}

/// What is optimized under which conditions, in a line.
pub(crate) fn objective_text(config: &CampaignConfig) -> String {
    let objective = match &config.objective {
        Objective::Cost => "minimize cost".to_owned(),
        Objective::Minimize(metric) => format!("minimize {metric}"),
        Objective::Maximize(metric) => format!("maximize {metric}"),
    };
    let conditions = config.slo.iter().map(|slo| match slo.keep {
        SloKeep::Below => format!("{} ≤ {}", slo.metric, limit_text(slo)),
        SloKeep::Above => format!("{} ≥ {}", slo.metric, limit_text(slo)),
    });
    let conditions: Vec<String> = conditions.collect();
    if conditions.is_empty() { objective } else { format!("{objective}, keep {}", conditions.join(" and ")) }
}

fn limit_text(slo: &SloCondition) -> String {
    match (&slo.threshold, &slo.threshold_metric) {
        (Some(threshold), _) => threshold.to_string(),
        (None, Some(metric)) => format!("{} × {metric}", slo.threshold_multiplier),
        (None, None) => String::new(),
    }
}

fn winner_lines(campaign: &Campaign, winner: &Winner) -> Vec<String> {
    let trials = campaign.trials().len();
    let change = winner.objective.as_ref().map_or_else(String::new, |difference| {
        let change = difference.relative().map_or_else(String::new, |share| format!(" ({:+.1}%)", 100.0 * share));
        let (before, after) = (number(difference.baseline), number(difference.winner));
        format!(": {} {before} → {after}{change}{}", objective_name(campaign), interval_text(difference))
    });
    let verdict = verdict_text(winner.confirmed, winner.verdict.as_ref());
    let mut lines = vec![format!("Found after {trials} trials, {verdict}{change}")];
    for (metric, difference) in &winner.metrics {
        let (before, after) = (number(difference.baseline), number(difference.winner));
        lines.push(format!("  {metric} {before} → {after}{}", interval_text(difference)));
    }
    lines.push("Settings to apply:".to_owned());
    for (name, value) in &winner.settings {
        let (before, after) = (campaign.baseline().get(name).map(value_text).unwrap_or_default(), value_text(value));
        let change = if before == after { format!("{after} (as before)") } else { format!("{before} → {after}") };
        lines.push(format!("  {name}  {change}"));
    }
    lines
}

fn interval_text(difference: &Difference) -> String {
    match difference.relative_interval() {
        // A price is known, not measured.
        Some([low, high]) if low.to_bits() == high.to_bits() => ", exactly".to_owned(),
        Some([low, high]) => format!(", 95% interval {:+.1}% to {:+.1}%", 100.0 * low, 100.0 * high),
        None => String::new(),
    }
}

fn objective_name(campaign: &Campaign) -> &str {
    match &campaign.config().objective {
        Objective::Cost => "cost",
        Objective::Minimize(metric) | Objective::Maximize(metric) => metric,
    }
}

pub(crate) fn to_json(campaign: &Campaign) -> Map<String, Value> {
    let header = campaign.header();
    Map::from_iter([
        ("optimizer".to_owned(), json!(header.id)),
        ("began".to_owned(), json!(header.began)),
        ("budget".to_owned(), json!(campaign.budget())),
        ("campaign".to_owned(), header.campaign.clone()),
        ("baseline".to_owned(), json!(campaign.baseline())),
        ("trials".to_owned(), json!(campaign.trials())),
        ("conclusion".to_owned(), json!(Conclusion::of(campaign).map(Conclusion::as_str))),
        ("best".to_owned(), json!(campaign.best().map(|trial| trial.plan.number))),
        ("end".to_owned(), json!(campaign.end())),
        ("left".to_owned(), json!(campaign.left())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::embedded::Entry;

    /// One trial, of a latency and a rate.
    fn campaign(latency: f64, rate: f64) -> Campaign {
        let entries = [
            json!({
                "entry": "header", "format": 2, "version": "0.1.0", "began": "", "id": "a.com/b",
                "settings": [{"component": "web", "setting": "cpu", "unit": null, "value": 2.0,
                    "domain": {"range": {"min": 0.25, "max": 4.0, "step": 0.25, "whole": false}}}],
                "metrics": {"latency": "ms", "rate": ""},
                "campaign": {"objective": {"minimize": "cost"}, "trials": 10, "slo": [
                    {"metric": "latency", "threshold": 100}, {"metric": "rate", "threshold": 0.5, "keep": "above"}]},
            }),
            json!({
                "entry": "trial", "number": 1, "purpose": "baseline", "settings": {"web.cpu": 2.0}, "cost": 0.5,
                "why": "", "forecast": null, "expected_improvement": null, "began": "", "ended": "",
                "outcome": {"status": "measured", "metrics": {"latency": latency, "rate": rate}},
            }),
        ];
        let entries = entries.map(|entry| serde_json::from_value::<Entry>(entry).unwrap());
        Campaign::replay(entries.to_vec()).unwrap()
    }

    #[track_caller]
    fn check(latency: f64, rate: f64, columns: usize, expected: &str) {
        let campaign = campaign(latency, rate);
        assert_eq!(trial_line(&campaign, &campaign.trials()[0], columns), expected);
    }

    #[test]
    fn a_trial_says_how_its_metrics_stand_to_their_thresholds() {
        let tried = "trial  1/10 baseline     cpu=2.0";
        check(50.0, 3.0, usize::MAX, &format!("{tried}  cost 0.5000  latency 50.00 ≤ 100 ms, rate 3.00 ≥ 0.5000"));
        let violated = "latency 150 > 100 ms VIOLATED, rate 0.2500 < 0.5000 VIOLATED";
        check(150.0, 0.25, usize::MAX, &format!("{tried}  cost 0.5000  {violated}"));
    }

    #[test]
    fn the_conclusion_is_that_of_the_verdict() {
        let verdicts = [
            (json!("confirmed"), Conclusion::Confirmed),
            (json!("no_improvement"), Conclusion::NoImprovement),
            (json!({"violates": ["latency"]}), Conclusion::NotConfirmed),
            (json!("too_few_measurements"), Conclusion::NotConfirmed),
        ];
        let winner = |verdict: Value, is_baseline: bool| {
            let confirmed = verdict == "confirmed";
            json!({"settings": {}, "is_baseline": is_baseline, "confirmed": confirmed, "verdict": verdict,
                "forecast": null, "objective": null, "metrics": {}})
        };
        let of = verdicts.map(|(verdict, conclusion)| ("budget", winner(verdict, false), conclusion));
        let others = [
            ("budget", winner(Value::Null, true), Conclusion::NoImprovement),
            ("budget", Value::Null, Conclusion::ObjectivesNotKept),
            ("baseline_violates", Value::Null, Conclusion::ObjectivesNotKept),
            ("not_measured", Value::Null, Conclusion::NotMeasured),
        ];
        for (stop, winner, conclusion) in of.into_iter().chain(others) {
            let end = json!({"stop": stop, "winner": winner, "ended": ""});
            assert_eq!(Conclusion::at(&serde_json::from_value(end.clone()).unwrap()), conclusion, "{end}");
        }
    }

    #[test]
    fn the_table_leaves_out_why_where_there_is_no_room() {
        let campaign = campaign(50.0, 3.0);
        let (wide, narrow) = (trials_table(&campaign, usize::MAX), trials_table(&campaign, 80));
        assert!(wide.to_string().contains("WHY") && !narrow.to_string().contains("WHY"), "{wide}\n{narrow}");
    }

    #[test]
    fn a_trial_that_is_wider_than_the_screen_takes_a_second_line_for_what_came_of_it() {
        let (tried, came) =
            ("trial  1/10 baseline     cpu=2.0", "cost 0.5000  latency 50.00 ≤ 100 ms, rate 3.00 ≥ 0.5000");
        check(50.0, 3.0, 89, &format!("{tried}  {came}"));
        check(50.0, 3.0, 88, &format!("{tried}\n            {came}"));
    }
}
