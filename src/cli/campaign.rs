//! A campaign in words: its trials, the best of them, the result.

use serde_json::{Map, Value, json};

use crate::optimizer::embedded::{Campaign, Difference, Outcome, Snapshot, Trial, Winner};
use crate::optimizer::report::{number, settings_text, value_text};
use crate::table::Table;

/// The metrics of the objectives against their thresholds, or why there are none.
pub(crate) fn outcome_text(campaign: &Campaign, trial: &Trial) -> String {
    match &trial.outcome {
        Outcome::Infeasible { word, reason, .. } => {
            reason.as_ref().map_or_else(|| word.clone(), |reason| format!("{word} ({reason})"))
        }
        Outcome::Measured { metrics } => {
            let verdicts = campaign.config().slo.iter().map(|condition| {
                let name = &condition.metric;
                match Campaign::condition(condition, metrics) {
                    Some((value, threshold)) => {
                        let keeps = match condition.keep {
                            crate::types::SloKeep::Below => value <= threshold,
                            crate::types::SloKeep::Above => value >= threshold,
                        };
                        let mark = if keeps { "" } else { " VIOLATED" };
                        format!("{name} {} of {}{mark}", number(value), number(threshold))
                    }
                    None => format!("{name} without a reading"),
                }
            });
            verdicts.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A trial in a line.
pub(crate) fn trial_line(campaign: &Campaign, trial: &Trial) -> String {
    let plan = &trial.plan;
    format!(
        "trial {:>2}/{} {:<12} {}  cost {}  {}",
        plan.number,
        campaign.budget(),
        plan.purpose.as_str(),
        settings_text(&plan.settings),
        number(plan.cost),
        outcome_text(campaign, trial)
    )
}

/// What is being tried, in a line.
pub(crate) fn present_line(snapshot: &Snapshot) -> String {
    let (Some(campaign), Some(plan)) = (&snapshot.campaign, &snapshot.plan) else {
        return "describing the application".to_owned();
    };
    let doing = snapshot.doing.map_or("choosing", |operation| match operation {
        crate::types::Operation::Adjustment => "adjusting",
        crate::types::Operation::Measurement => "measuring",
        crate::types::Operation::Description => "describing",
    });
    format!(
        "trial {}/{}  {doing} {}  cost {}  ({})",
        plan.number,
        campaign.budget(),
        settings_text(&plan.settings),
        number(plan.cost),
        plan.why
    )
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

/// The trials as a table.
pub(crate) fn trials_table(campaign: &Campaign) -> Table {
    let mut table = Table::new(["TRIAL", "PURPOSE", "SETTINGS", "COST", "OUTCOME", "WHY"]);
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
        None => vec![format!("After {trials} trials: nothing was found that keeps the objectives.")],
        Some(winner) if winner.is_baseline => {
            vec![format!("After {trials} trials: nothing was found that is better than the settings of before.")]
        }
        Some(winner) => winner_lines(campaign, winner),
    };
    if let Some(left) = campaign.left() {
        lines.push(match &left.problem {
            None => format!("The application was left with: {}", settings_text(&left.settings)),
            Some(problem) => format!("The application could NOT be given {}: {problem}", settings_text(&left.settings)),
        });
    }
    lines.join("\n")
}

fn winner_lines(campaign: &Campaign, winner: &Winner) -> Vec<String> {
    let trials = campaign.trials().len();
    let change = winner.objective.as_ref().map_or_else(String::new, |difference| {
        let change = difference.relative().map_or_else(String::new, |share| format!(" ({:+.1}%)", 100.0 * share));
        let (before, after) = (number(difference.baseline), number(difference.winner));
        format!(": {} {before} → {after}{change}{}", objective_name(campaign), interval_text(difference))
    });
    let confirmed = if winner.confirmed { "confirmed" } else { "NOT confirmed" };
    let mut lines = vec![format!("Found after {trials} trials, {confirmed}{change}")];
    for (metric, difference) in &winner.metrics {
        let (before, after) = (number(difference.baseline), number(difference.winner));
        lines.push(format!("  {metric} {before} → {after}{}", interval_text(difference)));
    }
    lines.push("Settings to apply:".to_owned());
    for (name, value) in &winner.settings {
        let before = campaign.baseline().get(name).map(value_text).unwrap_or_default();
        lines.push(format!("  {name}  {before} → {}", value_text(value)));
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
        crate::config::Objective::Cost => "cost",
        crate::config::Objective::Minimize(metric) | crate::config::Objective::Maximize(metric) => metric,
    }
}

/// The campaign for programs.
pub(crate) fn to_json(campaign: &Campaign) -> Map<String, Value> {
    let header = campaign.header();
    Map::from_iter([
        ("optimizer".to_owned(), json!(header.id)),
        ("began".to_owned(), json!(header.began)),
        ("budget".to_owned(), json!(campaign.budget())),
        ("campaign".to_owned(), header.campaign.clone()),
        ("baseline".to_owned(), json!(campaign.baseline())),
        ("trials".to_owned(), json!(campaign.trials())),
        ("best".to_owned(), json!(campaign.best().map(|trial| trial.plan.number))),
        ("end".to_owned(), json!(campaign.end())),
        ("left".to_owned(), json!(campaign.left())),
    ])
}
