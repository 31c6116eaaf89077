//! `servo optimizer`: the embedded optimizer as a server, and what its journals say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::causes;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::listen;
use crate::cli::render::campaign::{result_text, to_json, trials_table};
use crate::cli::render::output::Format;
use crate::config::ServedConfig;
use crate::config::file::read_file;
use crate::decode::{Decode as _, Decoder};
use crate::optimizer::embedded::{Campaign, CampaignError, Entry, Next, read_journal};
use crate::optimizer::report::patch::{self, Kind, Target};
use crate::optimizer::report::{Report, html, markdown};
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
    Report(ReportArgs),
    Recommend(RecommendArgs),
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

/// Write a report of a journal: what was tried and why, what each setting does, what came of it
///
/// The HTML is one file that needs no network. Also of an optimization that is not over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo optimizer report servo-journal.jsonl --output-file report.html")]
struct ReportArgs {
    /// The journal
    journal: PathBuf,
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

/// Write what was found as a patch of a Kubernetes workload, without applying it
///
/// Components must be named WORKLOAD/CONTAINER, as those of the kubernetes connector are. Apply a patch for kubectl with
/// `kubectl --namespace NAMESPACE patch deployment WORKLOAD --patch-file FILE`, a kustomization with `kubectl apply -k FOLDER`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: servo optimizer recommend servo-journal.jsonl --format kustomize --output-folder overlays/tuned"
)]
struct RecommendArgs {
    /// The journal
    journal: PathBuf,
    /// What to write
    #[arg(short, long, value_enum, default_value_t)]
    format: PatchFormat,
    /// What the workloads are
    #[arg(long, value_enum, default_value_t)]
    kind: WorkloadKind,
    /// The namespace of the workloads
    #[arg(short, long)]
    namespace: Option<String>,
    /// What a kustomization stands on
    #[arg(long, value_name = "PATH", default_value = "../../base")]
    base: String,
    /// Write files to this folder instead of standard output: WORKLOAD.yaml, or kustomization.yaml
    #[arg(short, long, value_name = "FOLDER")]
    output_folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum PatchFormat {
    /// A strategic merge patch for each workload
    #[default]
    Kubectl,
    /// A kustomization with the patches in it
    Kustomize,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum WorkloadKind {
    /// Deployments
    #[default]
    Deployment,
    /// Stateful sets
    StatefulSet,
}

/// Does what is asked for.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    match args.command {
        Command::Serve(args) => serve(args, cx).await,
        Command::Status(args) => status(&args, cx),
        Command::Replay(args) => replay(&args, cx),
        Command::Report(args) => report(&args, cx).await,
        Command::Recommend(args) => recommend(&args, cx).await,
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
    let text = format!("{}\n\n{}", trials_table(&campaign, cx.output.columns()), result_text(&campaign));
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

async fn report(args: &ReportArgs, cx: &Context) -> Result<ExitCode, CliError> {
    let report = Report::of(&campaign(entries(&args.journal)?, &args.journal)?);
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

async fn recommend(args: &RecommendArgs, cx: &Context) -> Result<ExitCode, CliError> {
    let report = Report::of(&campaign(entries(&args.journal)?, &args.journal)?);
    let kind = match args.kind {
        WorkloadKind::Deployment => Kind::Deployment,
        WorkloadKind::StatefulSet => Kind::StatefulSet,
    };
    let target = Target { kind, namespace: args.namespace.clone() };
    let patches = patch::patches(&report, &target).map_err(|error| CliError::Failed(error.to_string()))?;
    if let Some(warning) = patch::warning(&report) {
        tracing::warn!("{warning}");
    }
    let documents: Vec<(String, String)> = match args.format {
        PatchFormat::Kubectl => {
            patches.iter().map(|patch| (format!("{}.yaml", patch.workload), patch.to_yaml())).collect()
        }
        PatchFormat::Kustomize => {
            vec![("kustomization.yaml".to_owned(), patch::kustomization(&patches, &args.base))]
        }
    };
    let Some(folder) = &args.output_folder else {
        let texts: Vec<String> = documents.into_iter().map(|(_, text)| text).collect();
        cx.output.write(&texts.join("---\n"))?;
        return Ok(ExitCode::Success);
    };
    let failed = |error| CliError::Failed(format!("failed to create the folder '{}': {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    for (name, text) in documents {
        cx.write_file(&folder.join(name), &text).await?;
    }
    Ok(ExitCode::Success)
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
    let text = causes::chain(error);
    if error.is_of_configuration() { CliError::Usage(text) } else { CliError::Failed(text) }
}
