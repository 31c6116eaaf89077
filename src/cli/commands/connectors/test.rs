//! `servo connector test`: whether an author's executable keeps to the protocol of connectors.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::assembly::discovery::conformance::{Point, Verdict, judge};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::{interruptible, listen};
use crate::cli::render::output::Format;
use crate::config::file::read_file;
use crate::decode::Node;
use crate::table::Table;

/// Work on a connector of one's own
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = "Example: servo connector test ./servo-connector-redis")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Test(TestArgs),
}

/// Test whether an executable keeps to the protocol of connectors
///
/// Runs it through the whole protocol and says, point by point, what conforms. Every event that it announces is asked
/// of it: it measures for a second, and adjusts every setting to the value that it has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo connector test ./servo-connector-redis --config redis.yaml")]
struct TestArgs {
    /// The executable
    executable: PathBuf,
    /// The section to configure it with, as a YAML file of its own [default: its sample]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print the points
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let Command::Test(args) = args.command;
    let configuration = match &args.config {
        Some(file) => Some(section(file).await?),
        None => None,
    };
    let program = std::path::absolute(&args.executable).unwrap_or(args.executable);
    let cancellation = CancellationToken::new();
    let work = async { Ok(judge(program, configuration, &cancellation).await) };
    let points = interruptible(&mut listen()?, &cancellation, work).await?;
    let (table, value) = shown(&points);
    cx.output.result(args.output, table, &value)?;
    let broken = points.iter().any(|point| matches!(point.verdict, Verdict::Broken(_)));
    Ok(if broken { ExitCode::Failure } else { ExitCode::Success })
}

/// The one document of a file.
async fn section(file: &Path) -> Result<Node, CliError> {
    let invalid = |problems| CliError::Configuration { file: file.to_owned(), problems };
    let mut documents = read_file(file).await.map_err(invalid)?.documents;
    match (documents.pop(), documents.is_empty()) {
        (Some(section), true) => Ok(section),
        _ => Err(CliError::Usage(format!("'{}' has several documents: a section is one", file.display()))),
    }
}

fn shown(points: &[Point]) -> (Table, Value) {
    let mut table = Table::new(["RULE", "RESULT", "WHAT IT ASKS FOR"]);
    let mut values = Vec::new();
    for Point { rule, verdict } in points {
        let (mark, word, why) = match verdict {
            Verdict::Kept => ("√ KEPT", "kept", None),
            Verdict::Broken(why) => ("X BROKEN", "broken", Some(why)),
            Verdict::Skipped(why) => ("- SKIPPED", "skipped", Some(why)),
        };
        let text = why.map_or_else(|| rule.text.to_owned(), |why| format!("{}\n{why}", rule.text));
        table.row([rule.id, mark, &text]);
        values.push(json!({ "rule": rule.id, "result": word, "text": rule.text, "why": why }));
    }
    (table, values.into())
}
