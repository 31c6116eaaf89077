//! `servo report`: what was tried and why, what each setting does, and the result.

use std::path::PathBuf;

use super::read;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::optimizer::report::{Report, html, markdown};

/// Write a report of an optimization: what was tried and why, what each setting does, and the result
///
/// The HTML is one file that needs no network. An optimization that is not over has one, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo report --output-file report.html")]
pub(crate) struct Args {
    /// The journal [default: that of servo.yaml]
    journal: Option<PathBuf>,
    /// What to write
    #[arg(short, long, value_enum, default_value_t)]
    format: ReportFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum ReportFormat {
    /// A page with pictures
    #[default]
    Html,
    /// For a pull request or a wiki
    Markdown,
    /// For programs
    Json,
}

/// Writes it.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let report = Report::of(&read(args.journal, cx).await?.campaign()?);
    let text = match args.format {
        ReportFormat::Html => html::page(&report),
        ReportFormat::Markdown => markdown::document(&report),
        ReportFormat::Json => report.to_json(),
    };
    match &args.output_file {
        Some(file) => cx.write_file(file, &text).await?,
        None => cx.output.write(&text)?,
    }
    Ok(ExitCode::Success)
}
