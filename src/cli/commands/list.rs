//! `servo list`: the servos of the configuration. Asks nobody but the file.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::Format;
use crate::config::OptimizerRequirement;
use crate::servo::{self, Servo};
use crate::table::Table;

/// List the servos of the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo --config-file assembly.yaml list --output json")]
pub(crate) struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Prints them in the order of the file.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let servos = cx.servos(OptimizerRequirement::Optional).await?.chosen;
    let mut table = Table::new(["NAME", "OPTIMIZER", "DESCRIPTION"]);
    let mut values = Vec::new();
    for servo in &servos {
        let (name, optimizer, description) = (servo.name(), optimizer_id(servo), description(servo));
        table.row([name, optimizer.unwrap_or_default(), description]);
        values.push(json!({"name": name, "optimizer": optimizer, "description": description}));
    }
    cx.output.result(args.output, table, &values.into())?;
    Ok(ExitCode::Success)
}

fn optimizer_id(servo: &Servo) -> Option<&str> {
    servo.services().optimizer.as_ref().map(|optimizer| optimizer.id.as_str())
}

fn description(servo: &Servo) -> &str {
    let configured = servo.config().description.as_deref();
    configured.or(servo::METADATA.description.as_deref()).unwrap_or_default()
}
