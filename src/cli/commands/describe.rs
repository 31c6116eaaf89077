//! `servo describe`: what can be set and measured, as it is now.

use serde_json::{Map, Value, json};
use tracing::Instrument;

use crate::cli::context::{Context, dispatch_to, failed, span};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::{Format, Report};
use crate::connector::DescribeRequest;
use crate::servo::{Answers, Servo};
use crate::table::Table;
use crate::types::{Component, Description, Scalar};
use crate::wire;

/// Describe what can be set and measured
///
/// Shows the present value of every setting and the metrics of every connector, or of those that are named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo describe prometheus --output json")]
pub(crate) struct Args {
    /// The connectors to ask, by the names that the configuration gives them
    connectors: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    cx.ask(args.output, async |servos, dispatch| {
        let dispatch = dispatch_to(&args.connectors, servos, dispatch)?;
        let mut reports = Vec::new();
        for servo in servos {
            let answers = servo.describe(&DescribeRequest::default(), &dispatch).instrument(span(servo, servos)).await;
            reports.push(report(servo, &answers.map_err(|error| failed("description failed", &error))?));
        }
        Ok(reports)
    })
    .await
}

fn report(servo: &Servo, answers: &Answers<Description>) -> Report {
    let mut table = Table::new(["CONNECTOR", "COMPONENTS", "METRICS"]);
    let mut values = Vec::new();
    for (connector, description) in answers {
        let metrics: Vec<String> = description.metrics.iter().map(ToString::to_string).collect();
        table.row([connector.as_str(), &settings_text(description), &metrics.join("\n")]);
        values.push(json!({
            "connector": connector.as_str(),
            "components": components_json(&description.components),
            "metrics": wire::description::metrics(&description.metrics),
        }));
    }
    let value = Map::from_iter([("descriptions".to_owned(), Value::Array(values))]);
    Report { servo: servo.name().to_owned(), table, value }
}

/// One line for each setting: `component.setting=value`.
pub(super) fn settings_text(description: &Description) -> String {
    let lines = description.components.iter().flat_map(|component| {
        component.settings.iter().map(move |setting| {
            let value = setting.value().map_or_else(|| "-".to_owned(), |value| value.to_string());
            format!("{}.{}={value}", component.name, setting.name())
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `{"component": {"setting": value}}`, null for a setting without a value.
pub(super) fn components_json(components: &[Component]) -> Value {
    let mut object = Map::new();
    for component in components {
        let settings: Map<String, Value> = component
            .settings
            .iter()
            .map(|setting| (setting.name().to_owned(), setting.value().as_ref().map_or(Value::Null, Scalar::to_json)))
            .collect();
        object.insert(component.name.clone(), Value::Object(settings));
    }
    Value::Object(object)
}
