//! `servo schema`: JSON Schema of configurations, for editors and for tests.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::Value;

use crate::assembly::schema::{self, Mount, Sections};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::reference;
use crate::cli::render::python::to_python;
use crate::config::OptimizerRequirement;
use crate::config::file::to_yaml;
use crate::connector::ErasedFactory;

/// Print the JSON Schema of the configuration
///
/// Without anything else it is the schema of the configuration file that is read: with its connectors, under their
/// names.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  servo schema prometheus                     The section of one connector
  servo schema --all -o servo.schema.json     Any configuration; needs no file
  servo schema kubernetes -f markdown         The keys of a section with their meaning")]
pub(crate) struct Args {
    /// The connector whose section is meant, by its name or class name; `servo` for the keys of the servo itself
    connector: Option<String>,
    /// Include every connector there is
    #[arg(short, long)]
    all: bool,
    /// Print definitions only
    #[arg(long)]
    top_level: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    format: SchemaFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum SchemaFormat {
    /// JSON
    #[default]
    Json,
    /// YAML, for people
    Text,
    /// A Python literal
    Dict,
    /// A page of Markdown, for people
    Markdown,
    /// Refused: there is no such output
    #[value(hide = true)]
    Html,
}

impl Args {
    /// The connector types that are named.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.connector.as_deref().into_iter().collect()
    }

    /// What a page of Markdown is written by.
    fn command(&self) -> String {
        let connector = self.connector.iter().map(|name| format!(" {name}"));
        let options = [(self.all, " --all"), (self.top_level, " --top-level")];
        let options = options.into_iter().filter(|(is_set, _)| *is_set).map(|(_, option)| option.to_owned());
        format!("servo schema{} --format markdown", connector.chain(options).collect::<String>())
    }
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let schema = schema(&args, cx).await?;
    let text = match args.format {
        SchemaFormat::Json => format!("{schema:#}\n"),
        SchemaFormat::Text => to_yaml(&schema),
        SchemaFormat::Dict => format!("{}\n", to_python(&schema)),
        SchemaFormat::Markdown => reference::markdown(&schema, &args.command()),
        SchemaFormat::Html => {
            return Err(CliError::Usage("not yet implemented: use json, text, dict or markdown".to_owned()));
        }
    };
    match &args.output {
        None => cx.output.line(text)?,
        Some(path) => cx.write_file(path, &text).await?,
    }
    Ok(ExitCode::Success)
}

async fn schema(args: &Args, cx: &Context) -> Result<Value, CliError> {
    let named = args.connector.as_deref().map(|identifier| named(identifier, cx)).transpose()?;
    match (named, args.top_level, args.all) {
        (_, true, true) => Ok(schema::definitions(cx.registry.iter().copied(), true)),
        (_, true, false) => {
            let servos = cx.prepared(OptimizerRequirement::Optional).await?.chosen;
            Ok(schema::definitions(servos.iter().flat_map(|servo| &servo.routes).map(|route| route.factory), false))
        }
        (Some(Named::Servo), false, _) => Ok(schema::of_servo()),
        (Some(Named::Connector(factory)), false, _) => Ok(schema::of_connector(factory)),
        (None, false, true) => Ok(schema::of_everything(cx.registry)),
        (None, false, false) => of_file(cx).await,
    }
}

/// The schema of the configuration that is read.
async fn of_file(cx: &Context) -> Result<Value, CliError> {
    let servos = cx.prepared(OptimizerRequirement::Optional).await?.chosen;
    let [servo] = servos.as_slice() else {
        let problem = "schema can only be outputted for a single servo: name it with --name, or use --all";
        return Err(CliError::Usage(problem.to_owned()));
    };
    if servo.config.lists_connectors() {
        let mounts: Vec<Mount<'_>> =
            servo.routes.iter().map(|route| Mount { name: route.name.as_str(), factory: route.factory }).collect();
        return Ok(schema::of_configuration(&mounts, Sections::Closed));
    }
    let known = cx.registry.iter().copied();
    // Those that were found have a section under their own name, as nothing else could have told of them.
    let is_found = |factory: &&dyn ErasedFactory| {
        !cx.registry.iter().any(|known| known.metadata().default_name == factory.metadata().default_name)
    };
    let found = servo.routes.iter().map(|route| route.factory).filter(is_found);
    let mounts: Vec<Mount<'_>> = known.chain(found).map(Mount::default_of).collect();
    Ok(schema::of_configuration(&mounts, Sections::Open))
}

enum Named {
    Servo,
    Connector(&'static dyn ErasedFactory),
}

fn named(identifier: &str, cx: &Context) -> Result<Named, CliError> {
    if crate::servo::METADATA.is_named(identifier) {
        return Ok(Named::Servo);
    }
    let found = cx.factory(identifier).map(Named::Connector);
    found.ok_or_else(|| {
        CliError::Usage(format!("no Connector type found for key '{identifier}': use one of {}", cx.known_types()))
    })
}
