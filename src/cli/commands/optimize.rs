//! `servo optimize`: runs the embedded optimizer from the first trial to the result, and ends with what it came to.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::MultiProgress;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::DEFAULT_LOG_FILE;
use crate::cli::commands::journal::Journal;
use crate::cli::context::{Context, attach};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::listen;
use crate::cli::render::campaign::{Conclusion, best_line, objective_text, result_text, to_json};
use crate::cli::render::output::Format;
use crate::cli::render::trials::{Beginning, TrialsView};
use crate::cli::render::wrap::fitted;
use crate::config::{EmbeddedOptimizer, Environment, OptimizerConfig, OptimizerRequirement, variables};
use crate::connector::{DescribeRequest, ProgressSender};
use crate::optimizer::embedded::{Campaign, Settings};
use crate::optimizer::report::settings_text;
use crate::runner::{self, RunOptions, RunOutcome, Signals};
use crate::servo::{Dispatch, Servo};
use crate::types::Description;

/// How often the time that is left is shown anew.
const TICK: Duration = Duration::from_secs(1);

/// Find better settings with the embedded optimizer
///
/// Makes the trials that the configuration asks for, shows each of them, confirms what was found, and ends. Exits with 0
/// when better settings were confirmed, 3 when nothing better was found, 4 when what was found was not confirmed, 5 when
/// no settings keep the objectives, and 130 when it was interrupted: then the same command goes on. On a terminal the log
/// goes to a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  servo optimize                      As servo.yaml says
  servo optimize --output json        For programs: the result, when it is over
  servo optimize -v                   With the log on the screen")]
pub(crate) struct Args {
    /// Write the log to this file [default on a terminal: logs/servo.log]
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Show the log on a terminal too
    #[arg(short, long)]
    verbose: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Args {
    /// Whether a terminal shows the trials, and the log goes elsewhere.
    pub(crate) fn is_live(&self, screen: &MultiProgress) -> bool {
        !self.verbose && is_terminal(screen)
    }

    /// The file of the log: the one that is named, and on a terminal always one.
    pub(crate) fn log_file(&self, environment: &Environment, screen: &MultiProgress) -> Option<PathBuf> {
        let named = environment.non_empty(variables::SERVO_LOG_FILE).map(PathBuf::from);
        let default = || self.is_live(screen).then(|| PathBuf::from(DEFAULT_LOG_FILE));
        self.log_file.clone().or(named).or_else(default)
    }
}

/// Whether a person looks at standard error; a screen is hidden on a terminal that cannot redraw, too.
fn is_terminal(screen: &MultiProgress) -> bool {
    !screen.is_hidden() || std::io::stderr().is_terminal()
}

/// Optimizes, and says what came of it.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let servos = cx.servos(OptimizerRequirement::Required).await?.chosen;
    let mut servos: [Servo; 1] = servos.try_into().map_err(|servos: Vec<Servo>| {
        let names: Vec<&str> = servos.iter().map(Servo::name).collect();
        CliError::Usage(format!("one servo is optimized at a time: choose one with --name ({})", names.join(", ")))
    })?;
    let embedded = embedded(&servos[0], cx)?;
    let mut signals = listen()?;
    attach(&mut servos, &Dispatch::new(ProgressSender::default(), CancellationToken::new())).await?;
    let beginning = beginning(&args, &servos[0], &embedded);
    if args.output == Format::Table {
        introduce(&args, &embedded, &beginning, cx)?;
    }
    let followed = follow(&servos, &beginning, &mut signals, cx).await?;
    let ending = Ending { args: &args, servo: &servos[0], journal: embedded.journal(), cx };
    match (followed.outcome, followed.campaign) {
        (RunOutcome::Stopped, Some(campaign)) if campaign.left().is_some() => ending.over(&campaign),
        (RunOutcome::Stopped | RunOutcome::Forced, campaign) => {
            ending.interrupted(campaign.as_ref(), followed.outcome).await
        }
        (RunOutcome::Misconfigured, _) => Ok(ExitCode::Usage),
        (RunOutcome::NoneLeft | RunOutcome::NotRestored, _) => Ok(ExitCode::Failure),
    }
}

fn embedded(servo: &Servo, cx: &Context) -> Result<EmbeddedOptimizer, CliError> {
    match &servo.config().optimizer {
        Some(OptimizerConfig::Embedded(embedded)) => Ok((**embedded).clone()),
        _ => Err(CliError::Usage(format!(
            "'{}' names an optimizer elsewhere, under which servo run runs: servo optimize needs optimizer.embedded",
            cx.globals.config_file.display()
        ))),
    }
}

fn beginning(args: &Args, servo: &Servo, embedded: &EmbeddedOptimizer) -> Beginning {
    let campaign = embedded.campaign();
    let measure = campaign.measure;
    // A simulation has a clock of its own.
    let is_simulated = servo.connectors().iter().any(|connector| connector.metadata().default_name == "simulation");
    Beginning {
        lines: args.output == Format::Table,
        resumed: recorded_trials(embedded.journal()),
        budget: usize::try_from(campaign.trials).unwrap_or(0),
        measurement: (!is_simulated).then(|| measure.warmup.to_std() + measure.duration.to_std()),
    }
}

/// How many trials a journal has; none when it cannot be read, which the run says itself.
pub(super) fn recorded_trials(journal: &Path) -> usize {
    recorded(journal).map_or(0, |campaign| campaign.trials().len())
}

fn recorded(journal: &Path) -> Option<Campaign> {
    if !journal.exists() {
        return None;
    }
    Journal::open(journal.to_owned()).and_then(|journal| journal.campaign()).ok()
}

fn introduce(args: &Args, embedded: &EmbeddedOptimizer, beginning: &Beginning, cx: &Context) -> Result<(), CliError> {
    let campaign = embedded.campaign();
    let journal = embedded.journal();
    let print = |line: String| cx.output.line(fitted(&line, cx.output.columns()));
    print(format!("Optimization: {}, {} trials", objective_text(campaign), campaign.trials))?;
    let path = journal.display();
    match recorded(journal).filter(|_| beginning.resumed > 0) {
        Some(recorded) if recorded.left().is_some() => print(format!("{path} has the result:"))?,
        Some(recorded) => print(format!(
            "Going on from {path}: {} of {} trials done, {}",
            beginning.resumed,
            campaign.trials,
            best_line(&recorded)
        ))?,
        None => print(format!("Journal: {path}"))?,
    }
    if let Some(file) = args.log_file(&cx.environment, &cx.screen) {
        cx.output.line(format_args!("Log: {}", file.display()))?;
    }
    Ok(())
}

/// How a run ended, and the optimization as it was then.
pub(super) struct Followed {
    pub(super) outcome: RunOutcome,
    /// `None` before the application was described.
    pub(super) campaign: Option<Campaign>,
}

/// Runs a servo whose optimizer is in this process until its optimization is over or a signal comes, and shows it.
///
/// # Errors
/// The optimizer is not in this process, or the output is closed.
pub(super) async fn follow(
    servos: &[Servo; 1],
    beginning: &Beginning,
    signals: &mut Signals,
    cx: &Context,
) -> Result<Followed, CliError> {
    let snapshots = servos[0].campaign().cloned();
    let mut snapshots = snapshots.ok_or_else(|| CliError::Failed("the optimizer is not in this process".to_owned()))?;
    let until = CancellationToken::new();
    let options = RunOptions { until: Some(until.clone()), ..RunOptions::default() };
    let mut view = TrialsView::draw(beginning, cx);
    let mut ticks = tokio::time::interval(TICK);
    let outcome = {
        let running = runner::run(servos, &options, signals);
        tokio::pin!(running);
        loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                Ok(()) = snapshots.changed() => {
                    let snapshot = snapshots.borrow_and_update().clone();
                    view.show(&snapshot)?;
                    if snapshot.campaign.as_ref().is_some_and(|campaign| campaign.left().is_some()) {
                        until.cancel();
                    }
                }
                _ = ticks.tick() => view.tick(&snapshots.borrow()),
            }
        }
    };
    drop(view);
    let campaign = snapshots.borrow().campaign.clone();
    Ok(Followed { outcome, campaign })
}

/// What an ending says.
struct Ending<'a> {
    args: &'a Args,
    servo: &'a Servo,
    journal: &'a Path,
    cx: &'a Context,
}

impl Ending<'_> {
    /// The optimization is over.
    fn over(&self, campaign: &Campaign) -> Result<ExitCode, CliError> {
        let conclusion = Conclusion::of(campaign);
        let result = fitted(&result_text(campaign), self.cx.output.columns());
        let lines = [result, format!("Journal: {}", self.journal.display()), self.next(conclusion)];
        self.print(&lines.join("\n"), campaign)?;
        Ok(ExitCode::of(campaign))
    }

    /// The commands that make sense now.
    fn next(&self, conclusion: Option<Conclusion>) -> String {
        let journal = quoted(&self.journal.display().to_string());
        let page = quoted(&self.journal.with_extension("html").display().to_string());
        let mut commands = vec![format!("servo report {journal} --output-file {page}")];
        match conclusion {
            Some(Conclusion::Confirmed) => commands.push(format!("servo recommend {journal}")),
            Some(Conclusion::NotConfirmed) => commands.push(format!("servo recommend {journal} --unconfirmed")),
            Some(Conclusion::NotMeasured) => commands.push(self.command()),
            _ => commands.push(format!("servo status {journal}")),
        }
        format!("Next:\n  {}", commands.join("\n  "))
    }

    /// A signal came first: nothing of what was measured is lost.
    async fn interrupted(&self, campaign: Option<&Campaign>, outcome: RunOutcome) -> Result<ExitCode, CliError> {
        let Some(campaign) = campaign else {
            return Err(CliError::Interrupted { clean: outcome == RunOutcome::Stopped });
        };
        let mut lines = vec![format!("Interrupted after {} of {} trials.", campaign.trials().len(), campaign.budget())];
        lines.push(best_line(campaign));
        lines.push(match outcome {
            RunOutcome::Stopped => self.live(campaign.baseline()).await,
            _ => "Live settings: not read, as a second signal forced the end".to_owned(),
        });
        lines.push(format!("Journal: {}", self.journal.display()));
        lines.push(format!("Go on with: {}", self.command()));
        self.print(&lines.join("\n"), campaign)?;
        Ok(ExitCode::Interrupted)
    }

    /// What the application runs with, as it says itself.
    async fn live(&self, baseline: &Settings) -> String {
        if !self.servo.leaves_settings() {
            return "Live settings: the baseline; what was tuned beside them is gone".to_owned();
        }
        match self.servo.describe(&DescribeRequest::default(), &Dispatch::default()).await {
            Err(error) => format!("Live settings: could not be read: {}", error.chain()),
            Ok(parts) => {
                let live = settings_of(&Description::merged(parts.into_iter().map(|(_, part)| part)), baseline);
                let which = if live == *baseline { " (the baseline)" } else { " (NOT the baseline)" };
                format!("Live settings: {}{which}", settings_text(&live))
            }
        }
    }

    /// The command that was given, as far as it matters for going on.
    fn command(&self) -> String {
        let globals = &self.cx.globals;
        let mut words = vec!["servo".to_owned(), "optimize".to_owned()];
        if globals.config_file != Path::new("servo.yaml") {
            words.extend(["--config-file".to_owned(), quoted(&globals.config_file.display().to_string())]);
        }
        if let Some(name) = &globals.name {
            words.extend(["--name".to_owned(), quoted(name)]);
        }
        words.join(" ")
    }

    fn print(&self, text: &str, campaign: &Campaign) -> Result<(), CliError> {
        let mut value = to_json(campaign);
        value.insert("journal".to_owned(), json!(self.journal));
        self.cx.output.result(self.args.output, text, &Value::Object(value))
    }
}

/// Of a description, the values of the settings that the optimization changes.
fn settings_of(description: &Description, wanted: &Settings) -> Settings {
    let settings = description.components.iter().flat_map(|component| {
        component.settings.iter().filter_map(|setting| {
            let name = format!("{}.{}", component.name, setting.name());
            let value = setting.value()?.to_json();
            wanted.contains_key(&name).then_some((name, value))
        })
    });
    let same = |(name, value): (String, Value)| {
        // 2 and 2.0 are the same number.
        let before = &wanted[&name];
        let is_same = before.as_f64().zip(value.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= f64::EPSILON * a.abs());
        (name, if is_same { before.clone() } else { value })
    };
    settings.map(same).collect()
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | ',' | '@' | '%');
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_only_where_they_must() {
        assert_eq!(quoted("journals/a-1.jsonl"), "journals/a-1.jsonl");
        assert_eq!(quoted("my journal's"), "'my journal'\\''s'");
    }
}
