//! What is logged of a campaign: trials as they begin and end, the result.

use std::path::Path;

use super::record::{Entry, Left, Outcome, Plan};

pub(super) fn plan(plan: &Plan, of: usize) {
    let (trial, purpose, settings) = (plan.number, plan.purpose.as_str(), pairs(&plan.settings));
    tracing::info!(trial, of, purpose, settings, why = plan.why, "the next trial");
}

pub(super) fn outcome(trial: usize, outcome: &Outcome) {
    match outcome {
        Outcome::Measured { metrics } => tracing::info!(trial, metrics = pairs(metrics), "the trial was measured"),
        Outcome::Infeasible { during, word, reason, message } => {
            tracing::info!(trial, during, word, reason, cause = message, "the trial counts as infeasible");
        }
        Outcome::Void { reason, message, attempts } => {
            tracing::warn!(
                trial,
                reason,
                message,
                attempts,
                "the trial says nothing about its settings: it is left out"
            );
        }
    }
}

pub(super) fn entry(entry: &Entry, journal: &Path) {
    let journal = journal.display();
    match entry {
        Entry::Continued(_) => tracing::info!("the optimization goes on with a changed configuration"),
        Entry::Left(Left { settings, problem: Some(problem) }) => tracing::error!(
            critical = true,
            settings = pairs(settings),
            problem,
            "these settings could NOT be applied, and it is not known what is live: see 'servo describe', and set them with \
             'servo adjust'"
        ),
        Entry::End(end) if end.problem.is_some() => {
            let problem = end.problem.as_deref();
            tracing::error!(problem, "the optimization stops; it goes on from its journal when it is started again");
        }
        Entry::End(end) => match &end.winner {
            Some(winner) if !winner.is_baseline && !winner.confirmed => tracing::warn!(
                settings = pairs(&winner.settings),
                "settings were found that look better, and were NOT confirmed: 'servo optimizer report {journal}' says why"
            ),
            Some(winner) if !winner.is_baseline => tracing::info!(
                settings = pairs(&winner.settings),
                "better settings were found: 'servo optimizer report {journal}' says how much better, \
                 'servo optimizer recommend {journal}' writes a patch"
            ),
            _ => tracing::info!("nothing better was found: 'servo optimizer report {journal}' says what was tried"),
        },
        Entry::Left(left) => tracing::info!(settings = pairs(&left.settings), "the application is left with these"),
        Entry::Header(_) | Entry::Trial(_) => {}
    }
}

fn pairs<'a, V: std::fmt::Display + 'a>(values: impl IntoIterator<Item = (&'a String, V)>) -> String {
    values.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
