//! `servo show connectors`: the connectors of the configuration. Asks nobody but the file.

use serde_json::{Map, Value, json};

use crate::cli::commands::connectors::list::{cells, facts, headers};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::{Format, Report};
use crate::config::OptimizerRequirement;
use crate::connector::Metadata;
use crate::servo::{METADATA, Servo};
use crate::table::Table;

/// Show the connectors of the configuration
///
/// Lists the servo itself and every active connector, those of one type together.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo show connectors --verbose")]
pub(crate) struct Args {
    /// Show homepage, maturity and license too
    #[arg(short, long)]
    verbose: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let servos = cx.servos(OptimizerRequirement::Optional).await?;
    let reports: Vec<Report> = servos.chosen.iter().map(|servo| report(servo, args.verbose)).collect();
    cx.output.reports(args.output, servos.several, &reports)?;
    Ok(ExitCode::Success)
}

fn report(servo: &Servo, verbose: bool) -> Report {
    let mut table = Table::new(["NAME", "TYPE"].into_iter().chain(headers(verbose)));
    let mut values = Vec::new();
    for (metadata, names) in by_type(servo) {
        let own = [names.join("\n"), metadata.display_name().to_owned()];
        table.row(own.into_iter().chain(cells(metadata, verbose)));
        for name in names {
            let mut value =
                Map::from_iter([("name".to_owned(), json!(name)), ("type".to_owned(), json!(metadata.display_name()))]);
            value.extend(facts(metadata));
            values.push(Value::Object(value));
        }
    }
    let value = Map::from_iter([("connectors".to_owned(), Value::Array(values))]);
    Report { servo: servo.name().to_owned(), table, value }
}

/// The names of each type, the servo first.
fn by_type(servo: &Servo) -> Vec<(&Metadata, Vec<&str>)> {
    let mut types: Vec<(&Metadata, Vec<&str>)> = vec![(&METADATA, vec![servo.name()])];
    for connector in servo.connectors() {
        let (metadata, name) = (connector.metadata(), connector.name().as_str());
        match types.iter_mut().find(|(known, _)| known.default_name == metadata.default_name) {
            // The servo's own checks are a connector of its name.
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => types.push((metadata, vec![name])),
        }
    }
    types
}
