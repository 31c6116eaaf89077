//! `servo replay`: decides everything in a journal again, and compares.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::read;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::Format;
use crate::optimizer::embedded::{Entry, Next};

/// Decide everything in a journal again, and compare
///
/// Every decision follows from what was written down before it. Exits with 1 when one comes out differently, which
/// another version of the program may do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo replay")]
pub(crate) struct Args {
    /// The journal [default: that of servo.yaml]
    journal: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Decides again and says whether anything differs.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let journal = read(args.journal, cx).await?;
    journal.campaign()?;
    let entries = &journal.entries;
    let mut decided = 0;
    let mut difference = None;
    let decisions = entries.iter().enumerate().skip(1);
    for (index, entry) in decisions.filter(|(_, entry)| !matches!(entry, Entry::Continued(_))) {
        let before = journal.until(index)?;
        let written = decision(entry);
        let again = again(&before.next(""));
        if written != again {
            difference = Some((index + 1, written, again));
            break;
        }
        decided += 1;
    }
    let next = again(&journal.campaign()?.next(""));
    let text = match &difference {
        None => format!("{decided} decisions came out the same; the next one is: {next}"),
        Some((line, written, again)) => {
            format!("line {line} comes out differently:\n  written: {written}\n  again: {again}")
        }
    };
    let difference =
        difference.map(|(line, written, again)| json!({ "line": line, "written": written, "again": again }));
    let code = if difference.is_none() { ExitCode::Success } else { ExitCode::Failure };
    let value = json!({ "decisions": decided, "difference": difference, "next": next });
    cx.output.result(args.output, text, &value)?;
    Ok(code)
}

/// What an entry says was decided.
fn decision(entry: &Entry) -> Value {
    match entry {
        Entry::Header(_) | Entry::Continued(_) => Value::Null,
        Entry::Trial(trial) => json!({ "try": trial.plan.settings, "purpose": trial.plan.purpose }),
        Entry::End(end) => json!({ "end": end.stop, "winner": end.winner.as_ref().map(|winner| &winner.settings) }),
        Entry::Left(left) => json!({ "leave": left.settings }),
    }
}

/// The same of a decision that is made now.
fn again(next: &Next) -> Value {
    match next {
        Next::Try(plan) => json!({ "try": plan.settings, "purpose": plan.purpose }),
        Next::Finish(end) => json!({ "end": end.stop, "winner": end.winner.as_ref().map(|winner| &winner.settings) }),
        Next::Leave(settings) => json!({ "leave": settings }),
        Next::Nothing => Value::Object(Map::new()),
    }
}
