//! `servo show`: what the connectors of the configuration are, have and do.

mod components;
mod connectors;
mod events;
mod metrics;

use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};

/// Show what the connectors of the configuration are, have and do
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo show events --by-connector", arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    Components(components::Args),
    Connectors(connectors::Args),
    Events(events::Args),
    Metrics(metrics::Args),
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    match args.subject {
        Subject::Components(args) => components::run(args, cx).await,
        Subject::Connectors(args) => connectors::run(args, cx).await,
        Subject::Events(args) => events::run(args, cx).await,
        Subject::Metrics(args) => metrics::run(args, cx).await,
    }
}
