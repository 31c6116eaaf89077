//! `servo validate`: whether a configuration file would load.

use std::path::PathBuf;

use crate::assembly::{discovery, load, load_offering};
use crate::cli::commands::configuration::generate::{Named, identifier};
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::config::OptimizerRequirement;
use crate::config::file::read_file;

/// Validate a configuration file
///
/// Says what every other command would: the file and the environment together, all problems at once. Nothing is
/// contacted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  servo validate                                Validate servo.yaml
  servo validate --file other.yaml --quiet      Only give an exit code
  servo validate prometheus load:vegeta         Allow the sections of these connectors only")]
pub(crate) struct Args {
    /// Allow only these connectors, where the file has no `connectors`: NAME, or ALIAS:NAME
    connectors: Vec<String>,
    /// The file to validate [default: that of --config-file]
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

impl Args {
    /// The connector types that are named.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.connectors.iter().map(|name| identifier(name)).collect()
    }
}

/// Reads, validates and says so.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let offered = args.connectors.iter().map(|name| Named::parse(name, cx)).collect::<Result<Vec<_>, _>>()?;
    let file = args.file.clone().unwrap_or_else(|| cx.globals.config_file.clone());
    if !file.is_file() {
        let problem = if file.is_dir() { "is a directory" } else { "does not exist" };
        return Err(CliError::Usage(format!("file '{}' {problem}", file.display())));
    }
    let parsed = match read_file(&file).await {
        Ok(parsed) => {
            discovery::with_named_in(&parsed, cx.registry, &cx.environment).await.map(|found| (parsed, found))
        }
        Err(problems) => Err(problems),
    };
    let validated = match parsed {
        Ok((parsed, registry)) if offered.is_empty() => {
            load(parsed, registry, &cx.environment, OptimizerRequirement::Required)
        }
        Ok((parsed, registry)) => {
            let offered: Vec<_> = offered.iter().map(|named| (named.name(), named.default_name())).collect();
            load_offering(parsed, registry, &cx.environment, OptimizerRequirement::Required, &offered)
        }
        Err(problems) => Err(problems),
    };
    match validated {
        Ok(_) if args.quiet => Ok(ExitCode::Success),
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            cx.output.line(format_args!("√ Valid configuration in {}", file.display()))?;
            Ok(ExitCode::Success)
        }
        Err(_) if args.quiet => Ok(ExitCode::Usage),
        Err(problems) => Err(CliError::Invalid { file, problems }),
    }
}
