//! What is logged of a campaign: trials as they begin and end, the result.

use std::path::Path;

use super::record::{Entry, Left, Outcome, Plan, Winner};

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
                cause = message,
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
            Some(winner) if winner.confirmed => tracing::info!(
                settings = pairs(&winner.settings),
                "better settings were found: 'servo report {journal}' says how much better, 'servo recommend {journal}' \
                 writes a patch"
            ),
            Some(Winner { settings, verdict: Some(verdict), .. }) => tracing::warn!(
                settings = pairs(settings),
                %verdict,
                "settings were found that look better, and were NOT confirmed: 'servo report {journal}' says why"
            ),
            _ => tracing::info!("nothing better was found: 'servo report {journal}' says what was tried"),
        },
        Entry::Left(left) => tracing::info!(settings = pairs(&left.settings), "the application is left with these"),
        Entry::Header(_) | Entry::Trial(_) => {}
    }
}

fn pairs<'a, V: std::fmt::Display + 'a>(values: impl IntoIterator<Item = (&'a String, V)>) -> String {
    values.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Context;

    use super::*;

    /// Keeps the fields of what is logged, the sentence among them.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    impl Visit for Log {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0.lock().unwrap().push(format!("{}={value:?}", field.name()));
        }
    }

    impl<S: tracing::Subscriber> Layer<S> for Log {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            event.record(&mut self.clone());
        }
    }

    #[test]
    fn what_went_wrong_stands_beside_the_sentence() {
        let (during, reason, message) = ("adjustment".to_owned(), "unstable".to_owned(), "it crashed".to_owned());
        let infeasible = Outcome::Infeasible {
            during,
            word: "rejected".to_owned(),
            reason: Some(reason.clone()),
            message: message.clone(),
        };
        let void = Outcome::Void { reason, message, attempts: 2 };
        for (told, sentence) in [(infeasible, "counts as infeasible"), (void, "says nothing about its settings")] {
            let log = Log::default();
            let guard = crate::logging::listen(log.clone());
            outcome(1, &told);
            drop(guard);
            let fields = log.0.lock().unwrap();
            let sentences: Vec<&String> = fields.iter().filter(|field| field.starts_with("message=")).collect();
            assert!(matches!(sentences.as_slice(), [only] if only.contains(sentence)), "{fields:?}");
            assert!(fields.contains(&"cause=\"it crashed\"".to_owned()), "{fields:?}");
        }
    }
}
