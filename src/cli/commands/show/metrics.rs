//! `servo show metrics`: what can be measured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::Instrument;

use crate::cli::context::{Context, failed, span};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::{Format, Report};
use crate::servo::{Answers, Servo};
use crate::table::Table;
use crate::types::{Metric, Unit};

/// Show the metrics that can be measured
///
/// Asks every connector that measures something. A metric that several have is listed once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo show metrics --output json")]
pub(crate) struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    cx.ask(args.output, async |servos, dispatch| {
        let mut reports = Vec::new();
        for servo in servos {
            let answers = servo.metrics(dispatch).instrument(span(servo, servos)).await;
            reports.push(report(servo, &answers.map_err(|error| failed("listing the metrics failed", &error))?));
        }
        Ok(reports)
    })
    .await
}

fn report(servo: &Servo, answers: &Answers<Vec<Arc<Metric>>>) -> Report {
    let mut table = Table::new(["METRIC", "UNIT", "CONNECTORS"]);
    let mut values = Vec::new();
    for (name, (unit, types)) in by_name(servo, answers) {
        let types: Vec<&str> = types.into_iter().collect();
        table.row([name.to_owned(), format!("{} ({unit})", unit.name()), types.join("\n")]);
        values.push(json!({"name": name, "unit": unit, "unit_name": unit.name(), "connectors": types}));
    }
    let value = Map::from_iter([("metrics".to_owned(), Value::Array(values))]);
    Report { servo: servo.name().to_owned(), table, value }
}

/// The unit of each metric, which is that of the first connector, and the types that have it.
fn by_name<'a>(
    servo: &'a Servo,
    answers: &'a Answers<Vec<Arc<Metric>>>,
) -> BTreeMap<&'a str, (Unit, BTreeSet<&'a str>)> {
    let mut metrics: BTreeMap<&str, (Unit, BTreeSet<&str>)> = BTreeMap::new();
    for (connector, offered) in answers {
        let display_name = servo.connector(connector.as_str()).map(|connector| connector.metadata().display_name());
        for metric in offered {
            let (_, types) = metrics.entry(&metric.name).or_insert_with(|| (metric.unit, BTreeSet::new()));
            types.extend(display_name);
        }
    }
    metrics
}
