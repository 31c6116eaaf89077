//! Commands of the connectors' own, such as `servo prometheus targets`.

use std::sync::Arc;

use clap::builder::EnumValueParser;
use clap::{Arg, ArgMatches};
use tokio_util::sync::CancellationToken;

use crate::assembly::{PreparedServo, Registry, Route};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::globals::last;
use crate::cli::input::interrupt::{interruptible, listen};
use crate::cli::render::output::Format;
use crate::config::OptimizerRequirement;
use crate::connector::{CommandContext, ErasedFactory, ProgressSender};

// Ids that no argument of a connector's has.
const CONNECTOR: &str = "own-command-connector";
const OUTPUT: &str = "own-command-output";

/// A command of a connector's own that was asked for.
pub(crate) struct Invocation {
    factory: &'static dyn ErasedFactory,
    /// The name of the connector, when one was given.
    connector: Option<String>,
    format: Format,
    matches: ArgMatches,
}

/// The commands of a connector type, below its default name.
pub(crate) fn command(factory: &'static dyn ErasedFactory) -> Option<clap::Command> {
    let name: &'static str = &factory.metadata().default_name;
    let choice = Arg::new(CONNECTOR)
        .short('c')
        .long("connector")
        .value_name("NAME")
        .help("Use the connector of this name, when the configuration has several of the type");
    let output = Arg::new(OUTPUT)
        .long("output")
        .value_name("FORMAT")
        .value_parser(EnumValueParser::<Format>::new())
        .help("How to print the result [default: table]");
    let of_type = factory.command()?.name(name).subcommand_required(true).arg_required_else_help(true);
    Some(of_type.arg(choice.clone()).mut_subcommands(|own| {
        let example = format!("Example: servo {name} {} --output json", own.get_name());
        own.args([choice.clone(), output.clone()]).after_help(example)
    }))
}

/// The connector's command that arguments ask for, if they ask for one.
pub(crate) fn invocation(name: &str, matches: &ArgMatches, registry: Registry) -> Option<Invocation> {
    let factory = registry.iter().find(|factory| factory.metadata().default_name == name)?;
    Some(Invocation {
        factory: *factory,
        connector: last(matches, CONNECTOR),
        format: last(matches, OUTPUT).unwrap_or_default(),
        matches: matches.clone(),
    })
}

/// Runs it on the connector that is meant.
pub(crate) async fn run(invocation: Invocation, cx: &Context) -> Result<ExitCode, CliError> {
    let prepared = cx.prepared(OptimizerRequirement::Optional).await?.chosen;
    let [servo] = prepared.as_slice() else {
        return Err(CliError::Usage("a servo must be selected: name it with --name".to_owned()));
    };
    let route = choose(servo, &invocation)?;
    let cancellation = CancellationToken::new();
    let command = CommandContext {
        connector: route.name.clone(),
        services: Arc::new(servo.services(&cx.environment)),
        cancellation: cancellation.clone(),
        progress: ProgressSender::default(),
    };
    let work = async { route.section.run_command(&invocation.matches, &command).await.map_err(CliError::Failed) };
    let result = interruptible(&mut listen()?, &cancellation, work).await?;
    cx.output.result(invocation.format, result.text, &result.json)?;
    Ok(ExitCode::Success)
}

/// The one connector of the type, or that of them which was named.
fn choose<'a>(servo: &'a PreparedServo, invocation: &Invocation) -> Result<&'a Route, CliError> {
    let metadata = invocation.factory.metadata();
    let of_type = |route: &&Route| route.factory.metadata().default_name == metadata.default_name;
    let candidates: Vec<&Route> = servo.routes.iter().filter(of_type).collect();
    let problem = match (&invocation.connector, candidates.as_slice()) {
        (_, []) => {
            let type_name = &metadata.class_name;
            let problem = format!("no connector of type \"{type_name}\" is active in servo \"{}\"", servo.name());
            return Err(CliError::Usage(problem));
        }
        (None, [only]) => return Ok(only),
        (None, _) => format!("several connectors of type \"{}\" are active", metadata.class_name),
        (Some(name), _) => match candidates.iter().find(|route| route.name.as_str() == name) {
            Some(named) => return Ok(named),
            None => format!("no connector named \"{name}\" of type \"{}\" is active", metadata.class_name),
        },
    };
    let names: Vec<&str> = candidates.iter().map(|route| route.name.as_str()).collect();
    Err(CliError::Usage(format!("{problem}: select one of {} with --connector", names.join(", "))))
}
