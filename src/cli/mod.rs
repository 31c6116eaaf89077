//! The command line: from arguments to a command, its surroundings, and an exit code.
//!
//! Arguments become values here and are checked against nothing but themselves; a command then looks at the
//! configuration and does its work. The environment is read once, here, and passed on. Nothing but this module
//! prints or decides about exit codes.

mod commands;
mod context;
mod exit;
mod input;
mod readiness;
mod reference;
mod render;

use std::path::PathBuf;

use clap::{ArgMatches, ColorChoice, FromArgMatches, Subcommand};
use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::assembly::Registry;
use crate::config::{DotenvFile, Environment, variables};
use crate::logging::{self, LogFormat, LogLevel, LogOptions};
use commands::configuration::{config, generate, init, schema, validate};
use commands::connectors::{list as connectors, subcommand, test as connector_test};
use commands::journal::{recommend, replay, report, status};
use commands::program::{completions, man, version};
use commands::{adjust, check, demo, describe, list, measure, optimize, optimizer, run, show, sidecar, watch};
use context::Context;
use exit::{CliError, ExitCode};
use input::globals::{self, Globals};
use render::output::{self, Output};

/// Where `servo run` logs to besides standard error, unless `SERVO_LOG_FILE` says otherwise.
pub(crate) const DEFAULT_LOG_FILE: &str = "logs/servo.log";

const ABOUT: &str = "Close the loop between a running application and an optimizer: describe, measure, adjust.";

const EXAMPLES: &str = "\
Examples:
  servo describe                      Show what can be set and measured
  servo measure --duration 2m         Measure for two minutes
  servo adjust web.cpu=1.5            Give a setting a new value
  servo check --wait 5m               Wait until everything is ready to run
  servo optimize                      Find better settings, confirm them, and end
  servo run --check                   Run under the optimizer once all checks pass";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    List(list::Args),
    Connectors(connectors::Args),
    Connector(connector_test::Args),
    Show(show::Args),
    Check(check::Args),
    Run(run::Args),
    Watch(watch::Args),
    Describe(describe::Args),
    Measure(measure::Args),
    InjectSidecar(sidecar::InjectArgs),
    EjectSidecar(sidecar::EjectArgs),
    Adjust(adjust::Args),
    Config(config::Args),
    Validate(validate::Args),
    Generate(generate::Args),
    Schema(schema::Args),
    Demo(demo::Args),
    Optimize(optimize::Args),
    Status(status::Args),
    Report(report::Args),
    Recommend(recommend::Args),
    Replay(replay::Args),
    Optimizer(optimizer::Args),
    Version(version::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What the arguments ask for.
enum Action {
    Command(Command),
    /// A command of a connector's own.
    OfConnector(subcommand::Invocation),
}

impl Action {
    /// The connector types that the arguments name.
    fn types(&self) -> Vec<&str> {
        match self {
            Self::Command(Command::Generate(args)) => args.types(),
            Self::Command(Command::Init(args)) => args.types(),
            Self::Command(Command::Schema(args)) => args.types(),
            Self::Command(Command::Validate(args)) => args.types(),
            Self::Command(Command::Version(args)) => args.types(),
            _ => Vec::new(),
        }
    }

    async fn run(self, cx: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Command(Command::Init(args)) => init::run(args, cx).await,
            Self::Command(Command::List(args)) => list::run(args, cx).await,
            Self::Command(Command::Connectors(args)) => connectors::run(args, cx).await,
            Self::Command(Command::Connector(args)) => connector_test::run(args, cx).await,
            Self::Command(Command::Show(args)) => show::run(args, cx).await,
            Self::Command(Command::Check(args)) => check::run(args, cx).await,
            Self::Command(Command::Run(args)) => run::run(args, cx).await,
            Self::Command(Command::Watch(args)) => watch::run(args, cx).await,
            Self::Command(Command::Describe(args)) => describe::run(args, cx).await,
            Self::Command(Command::Measure(args)) => measure::run(args, cx).await,
            Self::Command(Command::InjectSidecar(args)) => sidecar::inject(args, cx).await,
            Self::Command(Command::EjectSidecar(args)) => sidecar::eject(args, cx).await,
            Self::Command(Command::Adjust(args)) => adjust::run(args, cx).await,
            Self::Command(Command::Config(args)) => config::run(args, cx).await,
            Self::Command(Command::Validate(args)) => validate::run(args, cx).await,
            Self::Command(Command::Generate(args)) => generate::run(args, cx).await,
            Self::Command(Command::Schema(args)) => schema::run(args, cx).await,
            Self::Command(Command::Demo(args)) => demo::run(args, cx).await,
            Self::Command(Command::Optimize(args)) => optimize::run(args, cx).await,
            Self::Command(Command::Status(args)) => status::run(args, cx).await,
            Self::Command(Command::Report(args)) => report::run(args, cx).await,
            Self::Command(Command::Recommend(args)) => recommend::run(args, cx).await,
            Self::Command(Command::Replay(args)) => replay::run(args, cx).await,
            Self::Command(Command::Optimizer(args)) => optimizer::run(args, cx).await,
            Self::Command(Command::Version(args)) => version::run(args, cx).await,
            Self::Command(Command::Completions(args)) => {
                let mut commands = command(cx.registry, &cx.environment);
                completions::run(args.into(), &mut commands, &cx.environment, &cx.output)
            }
            Self::Command(Command::Man(args)) => man::run(&args, command(cx.registry, &cx.environment), &cx.output),
            Self::OfConnector(invocation) => subcommand::run(invocation, cx).await,
        }
    }
}

/// The whole program, with these connectors: reads the arguments and the environment of the process, does what
/// they ask for, and returns how that went.
pub fn main(registry: Registry) -> std::process::ExitCode {
    let code = start(registry).unwrap_or_else(|error| {
        output::report(&error);
        error.exit_code()
    });
    code.into()
}

/// Judges a line of arguments, with the name of the program before them, and runs nothing: for what writes such lines
/// down.
///
/// # Errors
/// What `servo` would say of a line that it does not accept. A line that asks for help is accepted.
pub fn check_arguments<'l>(registry: Registry, line: impl IntoIterator<Item = &'l str>) -> Result<(), String> {
    let command = command(registry, &Environment::default());
    match command.try_get_matches_from(line) {
        Err(end) if end.use_stderr() => Err(end.to_string()),
        _ => Ok(()),
    }
}

fn start(registry: Registry) -> Result<ExitCode, CliError> {
    let mut environment = Environment::from_process();
    let dotenv = load_dotenv(&mut environment);
    let mut command = command(registry, &environment);
    let matches = match command.try_get_matches_from_mut(std::env::args_os()) {
        Ok(matches) => matches,
        Err(end) => return finish_parsing(&end),
    };
    let globals = Globals::resolve(&matches, &environment)?;
    let output = Output::stdout(globals.colour);
    if let Some(request) = completions::requested(&matches) {
        // Not the one that has parsed, which parsing has changed.
        let mut command = self::command(registry, &environment);
        return completions::run(request, &mut command, &environment, &output);
    }
    let Some(action) = action(&matches, registry)? else {
        output.write(&command.render_help().to_string())?;
        return Ok(ExitCode::Success);
    };
    let dotenv = dotenv?;
    let screen = screen(globals.log_format);
    let log = logging::init(&log_options(&action, &globals, &environment, &screen)?)
        .map_err(|error| CliError::Failed(format!("failed to begin the log: {error}")))?;
    for warning in dotenv.iter().flat_map(|file| &file.warnings) {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Failed(format!("failed to start the runtime: {error}")))?;
    let mut cx = Context { registry, environment, globals, output, log, screen };
    let result = runtime.block_on(async {
        cx.find(&action.types()).await?;
        action.run(&cx).await
    });
    // A question that nobody has answered must not keep the process alive.
    runtime.shutdown_background();
    result
}

fn load_dotenv(environment: &mut Environment) -> Result<Option<DotenvFile>, CliError> {
    let folder = std::env::current_dir()
        .map_err(|error| CliError::Failed(format!("failed to find the working directory: {error}")))?;
    environment.load_dotenv(&folder).map_err(CliError::Environment)
}

fn command(registry: Registry, environment: &Environment) -> clap::Command {
    let root = clap::Command::new("servo")
        .about(ABOUT)
        .after_help(EXAMPLES)
        .subcommand_value_name("COMMAND")
        // A variable that makes no sense is reported once the arguments have been read.
        .color(if globals::colour_allowed(environment).unwrap_or(false) {
            ColorChoice::Auto
        } else {
            ColorChoice::Never
        });
    let root = Command::augment_subcommands(completions::add_to(root));
    globals::add_to(root.subcommands(registry.iter().filter_map(|factory| subcommand::command(*factory))))
}

/// What ends a program before it begins: help, which is no failure, or arguments that make no sense.
fn finish_parsing(end: &clap::Error) -> Result<ExitCode, CliError> {
    let printed = end.print();
    if end.use_stderr() {
        // A closed standard error leaves nobody to tell, and the arguments wrong.
        return Ok(ExitCode::Usage);
    }
    printed.map_err(CliError::Output)?;
    Ok(ExitCode::Success)
}

fn action(matches: &ArgMatches, registry: Registry) -> Result<Option<Action>, CliError> {
    let Some((name, of_command)) = matches.subcommand() else { return Ok(None) };
    if let Some(invocation) = subcommand::invocation(name, of_command, registry) {
        return Ok(Some(Action::OfConnector(invocation)));
    }
    let command = Command::from_arg_matches(matches).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(Some(Action::Command(command)))
}

/// What is drawn below the log of a terminal; hidden everywhere else.
fn screen(format: LogFormat) -> MultiProgress {
    MultiProgress::with_draw_target(match format {
        LogFormat::Text => ProgressDrawTarget::stderr(),
        LogFormat::Json => ProgressDrawTarget::hidden(),
    })
}

fn log_options(
    action: &Action,
    globals: &Globals,
    environment: &Environment,
    screen: &MultiProgress,
) -> Result<LogOptions, CliError> {
    let mut options = LogOptions {
        level: globals.log_level,
        format: globals.log_format,
        colour: globals.colour,
        console_level: None,
        file: None,
        screen: screen.clone(),
    };
    let runs = match action {
        Action::Command(Command::Run(args)) => {
            if args.debug(environment)? {
                options.level = options.level.min(LogLevel::Debug);
            }
            true
        }
        Action::Command(Command::Check(args)) => {
            if args.is_live(screen) && !args.runs() && options.level == LogLevel::Info {
                // The list on the screen says the same.
                options.level = LogLevel::Error;
            }
            args.runs()
        }
        Action::Command(Command::Demo(_)) => {
            if options.level == LogLevel::Info {
                // What is shown says the same, and trials that fail are part of it.
                options.level = LogLevel::Critical;
            }
            false
        }
        Action::Command(Command::Optimize(args)) => {
            if let Some(file) = args.log_file(environment, screen) {
                options.file = Some(file);
            }
            if args.is_live(screen) && options.level == LogLevel::Info {
                // The same. The file has it all.
                options.console_level = Some(LogLevel::Critical);
            }
            false
        }
        _ => false,
    };
    if runs {
        let file = environment.non_empty(variables::SERVO_LOG_FILE).unwrap_or(DEFAULT_LOG_FILE);
        options.file = Some(PathBuf::from(file));
    }
    Ok(options)
}
