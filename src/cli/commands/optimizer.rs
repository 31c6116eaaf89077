//! `servo optimizer`: the embedded optimizer as a server, and what its journals say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::campaign::{result_text, to_json, trials_table};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::interrupt::listen;
use crate::cli::output::Format;
use crate::config::ServedConfig;
use crate::config::file::read_file;
use crate::decode::{Decode as _, Decoder};
use crate::optimizer::embedded::{Campaign, CampaignError, Entry, Next, read_journal};
use crate::optimizer::server::Server;

/// Serve the embedded optimizer to other agents, and read its journals
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(ServeArgs),
    Status(StatusArgs),
    Replay(ReplayArgs),
}

/// Answer agents over HTTP until a signal asks for the end
///
/// An agent finds its optimizer below the address by its id, so that its configuration names the id, the token, and the
/// address as base URL. The file has a section for each application, with a token and the keys of an embedded optimizer.
/// There is no TLS: leave that to a proxy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo optimizer serve --file optimizer.yaml --listen 127.0.0.1:8765")]
struct ServeArgs {
    /// The applications, with their tokens and what is optimized
    #[arg(short, long, default_value = "optimizer.yaml")]
    file: PathBuf,
    /// The address to listen on
    #[arg(short, long, default_value = "127.0.0.1:8765")]
    listen: SocketAddr,
    /// The folder of the journals, one for each application
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    journals: PathBuf,
}

/// Show the trials of a journal, and how far they have come
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo optimizer status servo-journal.jsonl")]
struct StatusArgs {
    /// The journal
    journal: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Decide everything in a journal again, and compare
///
/// Every decision follows from what was written down before it. Exits with 1 when one comes out differently, which
/// another version of the program may do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo optimizer replay servo-journal.jsonl")]
struct ReplayArgs {
    /// The journal
    journal: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Does what is asked for.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    match args.command {
        Command::Serve(args) => serve(args, cx).await,
        Command::Status(args) => status(&args, cx),
        Command::Replay(args) => replay(&args, cx),
    }
}

async fn serve(args: ServeArgs, cx: &Context) -> Result<ExitCode, CliError> {
    let mut signals = listen()?;
    let served = served(&args.file, cx).await?;
    let journals = args.journals.display();
    std::fs::create_dir_all(&args.journals)
        .map_err(|error| CliError::Failed(format!("failed to create the folder '{journals}': {error}")))?;
    let optimizer = Server::open(served.applications, &args.journals).map_err(|error| failed(&error))?;
    let address = args.listen;
    let cannot_listen = |error| CliError::Failed(format!("failed to listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    cx.output.line(format_args!("Serving optimizations on http://{address}, journals in '{journals}'"))?;
    tracing::info!(%address, "serving optimizations");
    let stop = CancellationToken::new();
    let serving = Arc::new(optimizer).serve(listener, stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        broken = &mut serving => {
            broken.map_err(|error| CliError::Failed(format!("the server ended: {error}")))?;
            return Ok(ExitCode::Failure);
        }
        signal = signals.next() => tracing::info!(signal, "stopping; a second signal forces the end"),
    }
    stop.cancel();
    tokio::select! {
        _ = &mut serving => Ok(ExitCode::Success),
        _ = signals.next() => Ok(ExitCode::Interrupted),
    }
}

async fn served(file: &Path, cx: &Context) -> Result<ServedConfig, CliError> {
    let invalid = |problems| CliError::Configuration { file: file.to_owned(), problems };
    let parsed = read_file(file).await.map_err(invalid)?;
    for warning in &parsed.warnings {
        tracing::warn!("{warning}");
    }
    let [document] = parsed.documents.as_slice() else {
        return Err(CliError::Usage(format!("'{}' must have one document", file.display())));
    };
    Decoder::run(&cx.environment, |decoder| ServedConfig::decode(document, decoder)).map_err(invalid)
}

fn status(args: &StatusArgs, cx: &Context) -> Result<ExitCode, CliError> {
    let campaign = campaign(entries(&args.journal)?, &args.journal)?;
    let text = format!("{}\n\n{}", trials_table(&campaign), result_text(&campaign));
    cx.output.result(args.output, text, &Value::Object(to_json(&campaign)))?;
    Ok(ExitCode::Success)
}

fn replay(args: &ReplayArgs, cx: &Context) -> Result<ExitCode, CliError> {
    let entries = entries(&args.journal)?;
    campaign(entries.clone(), &args.journal)?;
    let mut decided = 0;
    let mut difference = None;
    for index in 1..entries.len() {
        let before = campaign(entries[..index].to_vec(), &args.journal)?;
        let written = decision(&entries[index]);
        let again = again(&before.next(""));
        if written != again {
            difference = Some((index + 1, written, again));
            break;
        }
        decided += 1;
    }
    let next = again(&campaign(entries, &args.journal)?.next(""));
    let text = match &difference {
        None => format!("{decided} decisions came out the same; the next one is: {next}"),
        Some((line, written, again)) => {
            format!("line {line} comes out differently:\n  written: {written}\n  again: {again}")
        }
    };
    let difference =
        difference.map(|(line, written, again)| json!({ "line": line, "written": written, "again": again }));
    let code = if difference.is_none() { ExitCode::Success } else { ExitCode::Failure };
    let value = json!({ "decisions": decided, "difference": difference, "next": next });
    cx.output.result(args.output, text, &value)?;
    Ok(code)
}

/// What an entry says was decided.
fn decision(entry: &Entry) -> Value {
    match entry {
        Entry::Header(_) => Value::Null,
        Entry::Trial(trial) => json!({ "try": trial.plan.settings, "purpose": trial.plan.purpose }),
        Entry::End(end) => json!({ "end": end.stop, "winner": end.winner.as_ref().map(|winner| &winner.settings) }),
        Entry::Left(left) => json!({ "leave": left.settings }),
    }
}

/// The same of a decision that is made now.
fn again(next: &Next) -> Value {
    match next {
        Next::Try(plan) => json!({ "try": plan.settings, "purpose": plan.purpose }),
        Next::Finish(end) => json!({ "end": end.stop, "winner": end.winner.as_ref().map(|winner| &winner.settings) }),
        Next::Leave(settings) => json!({ "leave": settings }),
        Next::Nothing => Value::Object(Map::new()),
    }
}

fn entries(journal: &Path) -> Result<Vec<Entry>, CliError> {
    read_journal(journal).map_err(|error| failed(&CampaignError::Journal(error)))
}

fn campaign(entries: Vec<Entry>, journal: &Path) -> Result<Campaign, CliError> {
    let path = journal.to_owned();
    Campaign::replay(entries).map_err(|source| failed(&CampaignError::Replay { path, source }))
}

/// The error with everything underneath; what has to be changed by hand is a matter of usage.
fn failed(error: &CampaignError) -> CliError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if error.is_of_configuration() { CliError::Usage(text) } else { CliError::Failed(text) }
}
