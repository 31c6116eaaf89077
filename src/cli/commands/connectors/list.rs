//! `servo connectors`: every connector type that exists. Needs no configuration.

use serde_json::{Map, Value, json};

use crate::assembly::discovery::{self, Listed};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::Format;
use crate::connector::{License, Maturity, Metadata};
use crate::servo;
use crate::table::Table;

/// List the connector types that exist
///
/// Lists everything that a configuration can use, whether or not it does. `servo show connectors` lists those that it
/// uses. Executables servo-connector-NAME in the folders of `SERVO_CONNECTOR_PATH` and PATH are asked what they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo connectors --verbose")]
pub(crate) struct Args {
    /// Show homepage, maturity and license too
    #[arg(short, long)]
    verbose: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Prints them in the order of the registry, then the servo itself, then those that are executables.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let found = discovery::everything(cx.registry, &cx.environment).await;
    let types = cx.registry.iter().map(|factory| factory.metadata()).chain([&*servo::METADATA]);
    // Most have none: their table stays as wide as it was.
    let found_header = (!found.is_empty()).then_some("EXECUTABLE");
    let mut table = Table::new(["NAME"].into_iter().chain(headers(args.verbose)).chain(found_header));
    let mut values = Vec::new();
    for metadata in types {
        let cells = [metadata.default_name.to_string()].into_iter().chain(cells(metadata, args.verbose));
        table.row(cells.chain(found_header.map(|_| String::new())));
        let mut value = Map::from_iter([("name".to_owned(), json!(metadata.default_name))]);
        value.extend(facts(metadata));
        values.push(Value::Object(value));
    }
    for listed in &found {
        table.row(found_cells(listed, args.verbose));
        values.push(found_value(listed));
    }
    cx.output.result(args.output, table, &values.into())?;
    Ok(ExitCode::Success)
}

/// The row of an executable. One that is no connector says why in place of its description.
fn found_cells(listed: &Listed, verbose: bool) -> Vec<String> {
    let mut row = vec![listed.found.type_name.clone()];
    match &listed.asked {
        Ok(metadata) => row.extend(cells(metadata, verbose)),
        Err(error) => {
            row.extend([String::new(), format!("not usable: {}", error.why)]);
            row.resize(1 + headers(verbose).count(), String::new());
        }
    }
    let program = listed.found.program.display();
    row.push(match listed.hidden_by {
        Some(metadata) => format!("{program} (hidden by the built-in {})", metadata.default_name),
        None => program.to_string(),
    });
    row
}

fn found_value(listed: &Listed) -> Value {
    let mut value = Map::from_iter([("name".to_owned(), json!(listed.found.type_name))]);
    match &listed.asked {
        Ok(metadata) => value.extend(facts(metadata)),
        Err(error) => value.extend([("problem".to_owned(), json!(error.why))]),
    }
    value.extend([
        ("executable".to_owned(), json!(listed.found.program)),
        ("hidden".to_owned(), json!(listed.hidden_by.is_some())),
    ]);
    Value::Object(value)
}

/// The columns of a type.
pub(crate) fn headers(verbose: bool) -> impl Iterator<Item = &'static str> {
    let more: &[_] = if verbose { &["HOMEPAGE", "MATURITY", "LICENSE"] } else { &[] };
    ["VERSION", "DESCRIPTION"].into_iter().chain(more.iter().copied())
}

/// What a type says of itself, for people: a cell for each of the [`headers`], empty when it says nothing.
pub(crate) fn cells(metadata: &Metadata, verbose: bool) -> impl Iterator<Item = String> {
    let texts = facts(metadata).into_iter().map(|(_, value)| value.as_str().unwrap_or_default().to_owned());
    texts.take(headers(verbose).count())
}

/// What a type says of itself, for programs, in the order of the [`headers`].
pub(crate) fn facts(metadata: &Metadata) -> Map<String, Value> {
    Map::from_iter([
        ("version".to_owned(), json!(version(metadata))),
        ("description".to_owned(), json!(metadata.description)),
        ("homepage".to_owned(), json!(metadata.homepage)),
        ("maturity".to_owned(), json!(metadata.maturity.map(Maturity::as_str))),
        ("license".to_owned(), json!(metadata.license.map(License::as_str))),
    ])
}

/// The servo's own version is that of this program.
fn version(metadata: &Metadata) -> &str {
    if *metadata == *servo::METADATA { env!("CARGO_PKG_VERSION") } else { &metadata.version }
}
