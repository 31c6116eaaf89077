//! `servo run`: runs the servos under their optimizers until a signal stops them.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::cli::context::{Context, attach, detach};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::globals::boolean;
use crate::cli::input::interrupt::{interruptible, listen};
use crate::cli::input::prompt;
use crate::cli::readiness::all_ready;
use crate::cli::render::banner::{Facts, Look, ServoFacts, banner};
use crate::cli::render::campaign::result_text;
use crate::cli::render::output::Output;
use crate::config::{Detail, Dump, Environment, OptimizerConfig, OptimizerRequirement, Secrets, variables};
use crate::connector::ProgressSender;
use crate::decode::{HttpUrl, shown};
use crate::endpoints::{self, Endpoints, Source};
use crate::logging::LogBuffer;
use crate::optimizer::embedded::Snapshot;
use crate::runner::{self, Confirm, LogSource, Observer, RunOptions, RunOutcome, Signals};
use crate::servo::{Dispatch, Servo};

/// Run under the optimizer
///
/// Connects to the optimizer and does what it commands, until SIGTERM or SIGINT asks for a clean stop. A second
/// signal forces the end.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent switches of the command line")]
#[command(after_help = "Example: servo run --check")]
pub(crate) struct Args {
    #[arg(short, long, help = "Run the checks first, and go on only once they pass [env: SERVO_RUN_CHECK]")]
    check: bool,
    /// Run the checks and nothing else
    #[arg(short, long)]
    dry_run: bool,
    /// Connect to the optimizer, but do not ask it for commands
    #[arg(long)]
    no_poll: bool,
    /// Ask before every step that talks to the optimizer
    #[arg(short, long)]
    interactive: bool,
    #[arg(long, alias = "DEBUG", help = "Log at least at level DEBUG [env: SERVO_RUN_DEBUG]")]
    debug: bool,
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "Serve /metrics, /healthz, /readyz and /stream on this address, such as 127.0.0.1:9100 or :9100 \
                [env: SERVO_RUN_LISTEN]"
    )]
    listen: Option<String>,
    /// End when the embedded optimization of every servo is over, with the exit codes of servo optimize
    #[arg(long)]
    exit_when_done: bool,
}

impl Args {
    /// Whether to log more than otherwise.
    pub(crate) fn debug(&self, environment: &Environment) -> Result<bool, CliError> {
        Ok(self.debug || boolean(environment, variables::SERVO_RUN_DEBUG)?.unwrap_or(false))
    }

    fn check(&self, environment: &Environment) -> Result<bool, CliError> {
        Ok(self.dry_run || self.check || boolean(environment, variables::SERVO_RUN_CHECK)?.unwrap_or(false))
    }

    fn listen<'a>(&'a self, environment: &'a Environment) -> Option<&'a str> {
        self.listen.as_deref().or_else(|| environment.non_empty(variables::SERVO_RUN_LISTEN))
    }
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let check = args.check(&cx.environment)?;
    let servos = cx.servos(OptimizerRequirement::Required).await?.chosen;
    let Some(address) = args.listen(&cx.environment) else { return perform(servos, &args, check, None, cx).await };
    let listener = endpoints::bind(address).await.map_err(|error| CliError::Usage(error.to_string()))?;
    let endpoints = Endpoints::serve(listener, servos.iter().map(source).collect());
    let result = perform(servos, &args, check, Some(&endpoints), cx).await;
    endpoints.finish().await;
    result
}

fn source(servo: &Servo) -> Source {
    Source {
        name: servo.name().to_owned(),
        exchange: servo.services().exchange.clone(),
        optimizer: servo.optimizer().cloned(),
        campaign: servo.campaign().cloned(),
    }
}

/// Prepares the servos and runs them.
async fn perform(
    mut servos: Vec<Servo>,
    args: &Args,
    check: bool,
    endpoints: Option<&Endpoints>,
    cx: &Context,
) -> Result<ExitCode, CliError> {
    let mut signals = listen()?;
    let cancellation = CancellationToken::new();
    let preparation = Preparation { checks: check, dry_run: args.dry_run };
    let prepared = prepare(&mut servos, &preparation, cx, &cancellation);
    match interruptible(&mut signals, &cancellation, prepared).await {
        Ok(true) if args.dry_run => return Ok(ExitCode::Success),
        Ok(true) => {}
        Ok(false) => return Ok(ExitCode::Failure),
        // Nothing has begun to run, so that a clean stop is all there is to do. A dry run has not found out.
        Err(CliError::Interrupted { clean: true }) if !args.dry_run => return Ok(ExitCode::Success),
        Err(error) => return Err(error),
    }
    if let Some(endpoints) = endpoints {
        endpoints.prepared();
    }
    let observer = endpoints.map(Endpoints::observer);
    let Args { no_poll, interactive, exit_when_done, .. } = *args;
    serve(&servos, Serve { no_poll, interactive, exit_when_done, observer }, signals, cx).await
}

pub(super) struct Serve {
    /// Whether to leave out asking for commands.
    pub(super) no_poll: bool,
    /// Whether to ask before every step.
    pub(super) interactive: bool,
    /// Whether to end when every optimization in this process is over.
    pub(super) exit_when_done: bool,
    /// Who hears of what happens.
    pub(super) observer: Option<Arc<dyn Observer>>,
}

/// Runs attached servos until a signal stops them.
pub(super) async fn serve(
    servos: &[Servo],
    how: Serve,
    mut signals: Signals,
    cx: &Context,
) -> Result<ExitCode, CliError> {
    cx.output.write(&banner(&facts(servos, cx), &Look::choose(&cx.environment, cx.output.colour())))?;
    let until = CancellationToken::new();
    let options = RunOptions {
        no_poll: how.no_poll,
        confirm: how.interactive.then(|| Arc::new(Terminal::default()) as Arc<dyn Confirm>),
        log: Some(Arc::new(cx.log.clone())),
        observer: how.observer,
        until: Some(until.clone()),
    };
    let mut over = None;
    let outcome = {
        let running = runner::run(servos, &options, &mut signals);
        let results = results(servos, cx);
        tokio::pin!(running, results);
        loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                codes = &mut results, if over.is_none() => {
                    over = Some(codes);
                    if how.exit_when_done {
                        until.cancel();
                    }
                }
            }
        }
    };
    let failing = |codes: Vec<ExitCode>| codes.into_iter().find(|code| *code != ExitCode::Success);
    Ok(match outcome {
        RunOutcome::Stopped if how.exit_when_done => over.and_then(failing).unwrap_or(ExitCode::Success),
        RunOutcome::Stopped => ExitCode::Success,
        RunOutcome::NoneLeft | RunOutcome::NotRestored => ExitCode::Failure,
        RunOutcome::Misconfigured => ExitCode::Usage,
        RunOutcome::Forced => ExitCode::Interrupted,
    })
}

/// Prints the result of each optimization in this process when it is over, and returns the exit codes of all. Never
/// returns while one of the servos goes on.
async fn results(servos: &[Servo], cx: &Context) -> Vec<ExitCode> {
    let each = servos.iter().map(async |servo| {
        let Some(mut snapshots) = servo.campaign().cloned() else { return std::future::pending().await };
        let is_over =
            |snapshot: &Snapshot| snapshot.campaign.as_ref().is_some_and(|campaign| campaign.left().is_some());
        let snapshot = snapshots.wait_for(is_over).await.map(|snapshot| snapshot.clone());
        let Some(campaign) = snapshot.ok().and_then(|snapshot| snapshot.campaign) else {
            return std::future::pending().await;
        };
        let heading = if servos.len() > 1 { format!("{}\n", servo.name()) } else { String::new() };
        // The servos go on whether or not anybody reads it.
        cx.output.line(format_args!("{heading}{}", result_text(&campaign))).ok();
        ExitCode::of(&campaign)
    });
    join_all(each).await
}

/// What to do before the servos run.
struct Preparation {
    /// Whether to run the checks.
    checks: bool,
    /// Whether they are all that is to be done.
    dry_run: bool,
}

/// Attaches the connectors and runs the checks; says whether all servos are ready.
async fn prepare(
    servos: &mut [Servo],
    args: &Preparation,
    cx: &Context,
    cancellation: &CancellationToken,
) -> Result<bool, CliError> {
    let dispatch = Dispatch::new(ProgressSender::default(), cancellation.clone());
    attach(servos, &dispatch).await?;
    let ready = if args.checks { all_ready(servos, &cx.output, cancellation).await } else { Ok(true) };
    let goes_on = matches!(ready, Ok(true)) && !args.dry_run && !cancellation.is_cancelled();
    if !goes_on {
        detach(servos).await;
    }
    ready
}

fn facts<'a>(servos: &[Servo], cx: &'a Context) -> Facts<'a> {
    let connectors = cx.registry.iter().map(|factory| factory.metadata());
    Facts {
        connectors: connectors.map(|metadata| (&*metadata.default_name, &*metadata.version)).collect(),
        config_file: cx.config_path(),
        servos: servos.iter().map(servo_facts).collect(),
    }
}

fn servo_facts(servo: &Servo) -> ServoFacts {
    let config = servo.config();
    let settings = shown(config.settings.as_ref(), Dump { secrets: Secrets::Redacted, detail: Detail::Set });
    ServoFacts {
        optimizer: servo.services().optimizer.as_ref().map(|identity| identity.id.clone()).unwrap_or_default(),
        base_url: config.optimizer.as_ref().and_then(OptimizerConfig::base_url).map(HttpUrl::redacted),
        proxies: settings
            .get("proxies")
            .map(|proxies| proxies.as_str().map_or_else(|| proxies.to_string(), str::to_owned)),
    }
}

impl LogSource for LogBuffer {
    fn recent(&self) -> String {
        self.text()
    }
}

/// Asks the person at the terminal, one question at a time.
#[derive(Default)]
struct Terminal(Mutex<()>);

#[async_trait]
impl Confirm for Terminal {
    async fn confirm(&self, question: &str) -> bool {
        let _one_at_a_time = self.0.lock().await;
        match prompt::confirm(&Output::stdout(false), question).await {
            Ok(agreed) => agreed,
            Err(error) => {
                tracing::warn!(%error, question, "not confirmed");
                false
            }
        }
    }
}
