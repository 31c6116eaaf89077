//! `servo check`: whether servos are ready to run, once or until they are.

use futures_util::future::join_all;
use indicatif::MultiProgress;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::run::{Serve, serve};
use crate::checks::{Delay, FlowObserver, FlowOutcome, Readiness};
use crate::cli::context::{Context, attach, detach, span};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::{interruptible, listen};
use crate::cli::readiness::{Plan, Tables, examine, flow_options, heading, table_of, targets};
use crate::cli::render::checklist::Checklist;
use crate::cli::render::output::Format;
use crate::config::OptimizerRequirement;
use crate::connector::{ConnectorName, ProgressSender};
use crate::servo::{Dispatch, Servo};
use crate::types::{Duration, Severity};

/// Check whether everything is ready to run
///
/// Runs the checks of all connectors, or of those that are named, and exits with 0 when none keeps the servo from
/// being ready, otherwise with 1. The options override the `checks` section of the configuration. With --wait, failing
/// checks are run again until they pass or the time is up.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent switches of the command line")]
#[command(after_help = "Example: servo check --wait 5m --delay 10s prometheus")]
pub(crate) struct Args {
    /// The connectors to check, by the names that the configuration gives them
    connectors: Vec<String>,
    /// Run the checks of this name, or of names that match /REGEX/; may be repeated
    #[arg(short, long, value_name = "TEXT")]
    name: Vec<String>,
    /// Run the check with this id, or with ids that match /REGEX/; may be repeated
    #[arg(short, long, value_name = "TEXT")]
    id: Vec<String>,
    /// Run the checks that have this tag; may be repeated
    #[arg(short, long, value_name = "TEXT")]
    tag: Vec<String>,
    /// Run no more checks of a connector after a failure of this severity [default: critical]
    #[arg(short = 'h', long, value_enum)]
    halt_on: Option<HaltOn>,
    /// Show every check, not only those that fail
    #[arg(short, long)]
    verbose: bool,
    /// Show no table
    #[arg(short, long)]
    quiet: bool,
    /// Log each check once, as soon as it passes, instead of showing tables
    #[arg(short, long)]
    progressive: bool,
    /// Keep checking until everything passes or this time is up, such as 30s or 5m [default: checks.wait]
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, default_missing_value = "", value_parser = parse_wait)]
    wait: Option<WaitWord>,
    /// The time between two passes, or expo for 8s, 16s, 32s and so on [default: checks.delay]
    #[arg(short, long, value_name = "TIME", value_parser = parse_delay)]
    delay: Option<Delay>,
    /// Try to repair what fails
    #[arg(long)]
    remedy: bool,
    /// Run the servo as soon as it is ready, as servo run does
    #[arg(long, conflicts_with = "output")]
    run: bool,
    /// With --run, ask before every step that talks to the optimizer
    #[arg(short = 'I', long, requires = "run")]
    interactive: bool,
    /// Accepted for old scripts; has no effect
    #[arg(long, hide = true, overrides_with = "no_exit_on_success")]
    exit_on_success: bool,
    /// Accepted for old scripts; has no effect
    #[arg(long, hide = true)]
    no_exit_on_success: bool,
    /// How to print the result
    #[arg(long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum HaltOn {
    Warning,
    Common,
    Critical,
    Never,
}

impl HaltOn {
    fn severity(self) -> Option<Severity> {
        match self {
            Self::Warning => Some(Severity::Warning),
            Self::Common => Some(Severity::Common),
            Self::Critical => Some(Severity::Critical),
            Self::Never => None,
        }
    }
}

/// The word behind `--wait`: its value when it is a duration, otherwise the first of the connectors.
#[derive(Debug, Clone)]
enum WaitWord {
    Nothing,
    Time(Duration),
    Connector(String),
}

fn parse_wait(word: &str) -> Result<WaitWord, String> {
    match time(word) {
        _ if word.is_empty() => Ok(WaitWord::Nothing),
        Ok(time) => Ok(WaitWord::Time(not_negative(time)?)),
        Err(_) => Ok(WaitWord::Connector(word.to_owned())),
    }
}

fn parse_delay(word: &str) -> Result<Delay, String> {
    if word == Delay::Expo.to_string() {
        return Ok(Delay::Expo);
    }
    let time = time(word).map_err(|error| format!("{error}: write expo, or a duration such as 10s"))?;
    not_negative(time).map(Delay::Fixed)
}

/// A duration. A plain number counts seconds, as in the `checks` section.
fn time(word: &str) -> Result<Duration, crate::types::DurationError> {
    let seconds = word.parse::<u32>().map(|_| format!("{word}s"));
    Duration::parse(seconds.as_deref().unwrap_or(word))
}

fn not_negative(time: Duration) -> Result<Duration, String> {
    if time < Duration::ZERO { Err("the time must not be negative".to_owned()) } else { Ok(time) }
}

impl Args {
    /// Whether the servo runs afterwards.
    pub(crate) fn runs(&self) -> bool {
        self.run
    }

    /// Whether the checks are shown as a list that is redrawn.
    pub(crate) fn is_live(&self, screen: &MultiProgress) -> bool {
        !self.progressive && !self.quiet && self.format() == Format::Table && !screen.is_hidden()
    }

    fn format(&self) -> Format {
        self.output.unwrap_or_default()
    }

    /// The connectors that are named, the word behind `--wait` included.
    fn named(&self) -> impl Iterator<Item = &str> {
        let behind_wait = match &self.wait {
            Some(WaitWord::Connector(name)) => Some(name.as_str()),
            _ => None,
        };
        behind_wait.into_iter().chain(self.connectors.iter().map(String::as_str))
    }

    /// The configured plan of a servo with what the options override.
    fn plan(&self, servo: &Servo) -> Result<Plan, CliError> {
        let mut config = servo.config().checks.clone();
        for (configured, given) in
            [(&mut config.name, &self.name), (&mut config.id, &self.id), (&mut config.tag, &self.tag)]
        {
            if !given.is_empty() {
                *configured = Some(given.clone());
            }
        }
        let mut flow = flow_options(&config)?;
        if let Some(halt_on) = self.halt_on {
            flow.request.halt_on = halt_on.severity();
        }
        flow.wait = match &self.wait {
            None => None,
            Some(WaitWord::Time(time)) => Some(*time),
            Some(_) => config.wait.time(),
        };
        flow.delay = self.delay.unwrap_or(flow.delay);
        flow.remedy = self.remedy;
        let named: Vec<ConnectorName> = self.named().map(ConnectorName::new).collect();
        let targets = if named.is_empty() { targets(servo, &config)? } else { Some(named) };
        Ok(Plan { flow, targets, punctual: true })
    }

    /// # Errors
    /// A connector is named that no servo has, or that has no checks.
    fn validate(&self, servos: &[Servo]) -> Result<(), CliError> {
        for name in self.named() {
            let found: Vec<_> = servos.iter().filter_map(|servo| servo.connector(name)).collect();
            if found.is_empty() {
                let hint = match &self.wait {
                    Some(WaitWord::Connector(word)) if word == name => "; a time for --wait is written as 30s or 5m",
                    _ => "",
                };
                return Err(CliError::Usage(format!("no connector found named '{name}'{hint}")));
            }
            if found.iter().all(|connector| connector.as_check().is_none()) {
                return Err(CliError::Usage(format!("connector '{name}' has no checks")));
            }
        }
        Ok(())
    }
}

/// Checks, tells, and runs the servos when that is asked for.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let mut servos = cx.servos(OptimizerRequirement::Required).await?.chosen;
    let mut signals = listen()?;
    let cancellation = CancellationToken::new();
    let work = async {
        attach(&mut servos, &Dispatch::new(ProgressSender::default(), cancellation.clone())).await?;
        let outcomes = outcomes(&servos, &args, cx, &cancellation).await;
        let goes_on = args.run && outcomes.as_ref().is_ok_and(|outcomes| outcomes.iter().all(is_ready));
        if !goes_on || cancellation.is_cancelled() {
            detach(&servos).await;
        }
        outcomes
    };
    let outcomes = interruptible(&mut signals, &cancellation, work).await?;
    print(&servos, &outcomes, &args, cx)?;
    if !outcomes.iter().all(is_ready) {
        return Ok(ExitCode::Failure);
    }
    if args.run {
        return serve(
            &servos,
            Serve { no_poll: false, interactive: args.interactive, exit_when_done: false, observer: None },
            signals,
            cx,
        )
        .await;
    }
    Ok(ExitCode::Success)
}

async fn outcomes(
    servos: &[Servo],
    args: &Args,
    cx: &Context,
    cancellation: &CancellationToken,
) -> Result<Vec<FlowOutcome>, CliError> {
    args.validate(servos)?;
    let plans = servos.iter().map(|servo| args.plan(servo)).collect::<Result<Vec<_>, _>>()?;
    let flows = servos.iter().zip(&plans).map(async |(servo, plan)| {
        let mut observer = observer(servo, servos, plan, args, cx);
        examine(servo, plan, observer.as_mut(), cancellation).instrument(span(servo, servos)).await
    });
    Ok(join_all(flows).await)
}

/// A servo of which nothing was checked is not known to be ready.
fn is_ready(outcome: &FlowOutcome) -> bool {
    outcome.readiness == Readiness::Ready && outcome.results.iter().any(|result| !result.checks.is_empty())
}

fn observer<'a>(
    servo: &'a Servo,
    servos: &[Servo],
    plan: &Plan,
    args: &Args,
    cx: &'a Context,
) -> Box<dyn FlowObserver + 'a> {
    let heading = heading(servo, servos);
    if args.is_live(&cx.screen) {
        let asked = |name: &&ConnectorName| plan.targets.as_ref().is_none_or(|targets| targets.contains(name));
        let checkable = servo.connectors().iter().filter(|connector| connector.as_check().is_some());
        let names: Vec<&ConnectorName> = checkable.map(|connector| connector.name()).filter(asked).collect();
        return Box::new(Checklist::draw(&cx.screen, heading, &names, cx.globals.colour));
    }
    let config = &servo.config().checks;
    let silent = args.progressive || args.quiet || config.quiet || args.format() != Format::Table;
    Box::new(Tables { output: (!silent).then_some(&cx.output), heading, verbose: args.verbose || config.verbose })
}

/// Prints what has not been printed pass by pass.
fn print(servos: &[Servo], outcomes: &[FlowOutcome], args: &Args, cx: &Context) -> Result<(), CliError> {
    if args.quiet {
        return Ok(());
    }
    let live = args.is_live(&cx.screen);
    if args.format() == Format::Table && !live {
        return Ok(());
    }
    let tables = servos.iter().zip(outcomes).map(|(servo, outcome)| {
        table_of(&outcome.results, heading(servo, servos), args.verbose || servo.config().checks.verbose)
    });
    let values = servos.iter().zip(outcomes).map(|(servo, outcome)| value(servo, outcome));
    cx.output.result(args.format(), tables.collect::<Vec<_>>().join("\n\n"), &values.collect())
}

fn value(servo: &Servo, outcome: &FlowOutcome) -> Value {
    let checks = outcome.results.iter().flat_map(|result| {
        result.checks.iter().map(|check| {
            let mut value = Map::from_iter([("connector".to_owned(), json!(result.connector.as_str()))]);
            if let Value::Object(record) = json!(check) {
                value.extend(record);
            }
            Value::Object(value)
        })
    });
    json!({"servo": servo.name(), "ready": is_ready(outcome), "checks": checks.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("check").disable_help_flag(true));
        let matches = command.try_get_matches_from(line.split(' '))?;
        <Args as clap::FromArgMatches>::from_arg_matches(&matches)
    }

    #[track_caller]
    fn check(line: &str, wait: &str, connectors: &[&str]) {
        let args = parse(line).expect(line);
        let found = match &args.wait {
            None => "single".to_owned(),
            Some(WaitWord::Time(time)) => time.to_string(),
            Some(_) => "configured".to_owned(),
        };
        assert_eq!((found.as_str(), args.named().collect::<Vec<_>>()), (wait, connectors.to_vec()), "{line}");
    }

    #[test]
    fn wait_takes_the_next_word_only_if_it_is_a_duration() {
        check("check", "single", &[]);
        check("check --wait", "configured", &[]);
        check("check --wait -q", "configured", &[]);
        check("check --wait 30m", "30m", &[]);
        check("check --wait=30m", "30m", &[]);
        check("check -w 30m", "30m", &[]);
        check("check -w30m prometheus", "30m", &["prometheus"]);
        check("check --wait 30m prometheus", "30m", &["prometheus"]);
        check("check --wait prometheus", "configured", &["prometheus"]);
        check("check --wait prometheus wait", "configured", &["prometheus", "wait"]);
        check("check prometheus --wait", "configured", &["prometheus"]);
        check("check --wait -- prometheus", "configured", &["prometheus"]);
        check("check --wait 90", "1m30s", &[]);
    }

    #[test]
    fn letters_mean_what_they_always_meant_and_i_is_the_id() {
        let args = parse("check -n a -n b -i c -t d -h never -v -q -p -d 1s").expect("arguments");
        assert_eq!((args.name, args.id, args.tag), (vec!["a".into(), "b".into()], vec!["c".into()], vec!["d".into()]));
        assert!(args.verbose && args.quiet && args.progressive);
        assert!(matches!(args.halt_on, Some(HaltOn::Never)));
        assert_eq!(args.delay, Some(Delay::Fixed(Duration::from_secs(1))));
        assert!(parse("check -I --run").expect("arguments").interactive);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["check --wait=-1s", "check --delay soon", "check --halt-on nothing", "check -I"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
