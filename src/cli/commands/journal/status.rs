//! `servo status`: the trials of an optimization, and how far it has come.

use std::path::PathBuf;

use serde_json::Value;

use super::read;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::campaign::{result_text, to_json, trials_table};
use crate::cli::render::output::Format;

/// Show the trials of an optimization, and how far it has come
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo status")]
pub(crate) struct Args {
    /// The journal [default: that of servo.yaml]
    journal: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Reads and prints.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let campaign = read(args.journal, cx).await?.campaign()?;
    let text = format!("{}\n\n{}", trials_table(&campaign, cx.output.columns()), result_text(&campaign));
    cx.output.result(args.output, text, &Value::Object(to_json(&campaign)))?;
    Ok(ExitCode::Success)
}
