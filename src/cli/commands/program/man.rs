//! `servo man`: the pages of the manual, from the same words as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap::builder::Resettable;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::Output;

/// Write the pages of the manual
///
/// There is one for servo, servo.1, and one for each command, such as servo-run.1. Without a folder the first one is
/// printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  servo man ~/.local/share/man/man1    Install the manual: then `man servo`, `man servo-run`
  servo man | man -l -                 Read the first page")]
pub(crate) struct Args {
    /// The folder to write to; it is made when there is none
    directory: Option<PathBuf>,
}

/// Writes the pages of this program.
pub(crate) fn run(args: &Args, program: Command, output: &Output) -> Result<ExitCode, CliError> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let Some(folder) = &args.directory else {
        output.write(&String::from_utf8_lossy(&page(program)?.1))?;
        return Ok(ExitCode::Success);
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut written = 0;
    let mut waiting = vec![program];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
        let (name, text) = page(command)?;
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(failed(&path))?;
        written += 1;
    }
    output.line(format_args!("wrote {written} pages to {}", folder.display()))?;
    Ok(ExitCode::Success)
}

/// The name of a command's file, and its text.
fn page(command: Command) -> Result<(String, Vec<u8>), CliError> {
    let examples = command.get_after_help().map(ToString::to_string);
    let man = Man::new(command.after_help(Resettable::Reset))
        .source(format!("servo {}", env!("CARGO_PKG_VERSION")))
        .manual("Manual of servo");
    let mut text = Vec::new();
    man.render(&mut text).map_err(CliError::Output)?;
    if let Some(examples) = examples {
        write_examples(&examples, &mut text).map_err(CliError::Output)?;
    }
    Ok((man.get_filename(), text))
}

/// A section of lines that are not filled, which is all that [`Man`] would do with them.
fn write_examples(examples: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in examples.lines().filter(|line| *line != "Examples:") {
        roff.text([roman(line.strip_prefix("Example: ").unwrap_or(line).trim_start())]);
    }
    roff.control("fi", []);
    roff.to_writer(page)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> CliError {
    let path = path.display().to_string();
    move |error| CliError::Failed(format!("failed to write '{path}': {error}"))
}
