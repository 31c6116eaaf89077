//! `servo optimizer`: the embedded optimizer as a server, and older spellings of the commands about journals.

mod serve;

use clap::Subcommand;

use crate::cli::commands::journal::{recommend, replay, report, status};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};

/// Serve the embedded optimizer to other agents, and read its journals
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Status(status::Args),
    Replay(replay::Args),
    Report(report::Args),
    Recommend(recommend::Args),
}

/// Does what is asked for.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    match args.command {
        Command::Serve(args) => serve::run(args, cx).await,
        Command::Status(args) => status::run(args, cx).await,
        Command::Replay(args) => replay::run(args, cx).await,
        Command::Report(args) => report::run(args, cx).await,
        Command::Recommend(args) => recommend::run(args, cx).await,
    }
}
