//! `servo connectors`: every connector type that exists. Needs no configuration.

use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::output::Format;
use crate::connector::{License, Maturity, Metadata};
use crate::servo;
use crate::table::Table;

/// List the connector types that exist
///
/// Lists everything that a configuration can use, whether or not it does. `servo show connectors` lists those that it
/// uses.
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

/// Prints them in the order of the registry, the servo itself last.
#[expect(clippy::unused_async, reason = "all commands are called alike")]
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let types = cx.registry.iter().map(|factory| factory.metadata()).chain([&*servo::METADATA]);
    let mut table = Table::new(["NAME"].into_iter().chain(headers(args.verbose)));
    let mut values = Vec::new();
    for metadata in types {
        table.row([metadata.default_name.to_string()].into_iter().chain(cells(metadata, args.verbose)));
        let mut value = Map::from_iter([("name".to_owned(), json!(metadata.default_name))]);
        value.extend(facts(metadata));
        values.push(Value::Object(value));
    }
    cx.output.result(args.output, table, &values.into())?;
    Ok(ExitCode::Success)
}

/// The columns of a type.
pub(super) fn headers(verbose: bool) -> impl Iterator<Item = &'static str> {
    let more: &[_] = if verbose { &["HOMEPAGE", "MATURITY", "LICENSE"] } else { &[] };
    ["VERSION", "DESCRIPTION"].into_iter().chain(more.iter().copied())
}

/// What a type says of itself, for people: a cell for each of the [`headers`], empty when it says nothing.
pub(super) fn cells(metadata: &Metadata, verbose: bool) -> impl Iterator<Item = String> {
    let texts = facts(metadata).into_iter().map(|(_, value)| value.as_str().unwrap_or_default().to_owned());
    texts.take(headers(verbose).count())
}

/// What a type says of itself, for programs, in the order of the [`headers`].
pub(super) fn facts(metadata: &Metadata) -> Map<String, Value> {
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
