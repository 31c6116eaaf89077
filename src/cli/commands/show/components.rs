//! `servo show components`: what can be set, as it is now, with its bounds.

use serde_json::{Map, Value, json};
use tracing::Instrument;

use crate::cli::context::{Context, failed, span};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::{Format, Report};
use crate::servo::{Answers, Servo};
use crate::table::Table;
use crate::types::Component;
use crate::wire;

/// Show the components with their settings
///
/// Asks every connector that adjusts something, and shows the present value and the bounds of each setting.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo show components --output yaml")]
pub(crate) struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    cx.ask(args.output, async |servos, dispatch| {
        let mut reports = Vec::new();
        for servo in servos {
            let answers = servo.components(dispatch).instrument(span(servo, servos)).await;
            reports.push(report(servo, &answers.map_err(|error| failed("listing the components failed", &error))?));
        }
        Ok(reports)
    })
    .await
}

fn report(servo: &Servo, answers: &Answers<Vec<Component>>) -> Report {
    let mut table = Table::new(["COMPONENT", "SETTINGS", "CONNECTOR"]);
    let mut values = Vec::new();
    for (connector, components) in answers {
        for component in components {
            table.row([&component.name, &settings(component), connector.as_str()]);
            values.push(json!({
                "name": component.name,
                "connector": connector.as_str(),
                "settings": wire::description::settings(component),
            }));
        }
    }
    let value = Map::from_iter([("components".to_owned(), Value::Array(values))]);
    Report { servo: servo.name().to_owned(), table, value }
}

/// A sorted line for each setting: `name=value Kind(bounds)`.
fn settings(component: &Component) -> String {
    let lines = component.settings.iter();
    let mut lines: Vec<String> = lines
        .map(|setting| format!("{}={} {}", setting.name(), setting.human_readable_value(), setting.summary()))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}
