//! `servo optimizer serve`: answers agents over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::commands::journal::failed;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::listen;
use crate::config::ServedConfig;
use crate::config::file::read_file;
use crate::decode::{Decode as _, Decoder};
use crate::optimizer::server::Server;

/// Answer agents over HTTP until a signal asks for the end
///
/// An agent finds its optimizer below the address by its id, so that its configuration names the id, the token, and the
/// address as base URL. The file has a section for each application, with a token and the keys of an embedded optimizer.
/// There is no TLS: leave that to a proxy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo optimizer serve --file optimizer.yaml --listen 127.0.0.1:8765")]
pub(crate) struct Args {
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

/// Serves until a signal comes.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
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
