//! Completion scripts: `servo completions SHELL`, and the options `--show-completion` and `--install-completion`.
//!
//! The scripts are static: completing a word runs no program and reads no configuration.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, ValueEnum, builder::EnumValueParser};
use clap_complete::{Shell as Dialect, generate};

use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::Output;
use crate::config::Environment;

// Ids that no argument of a command has.
const SHOW: &str = "show-completion";
const INSTALL: &str = "install-completion";

/// Print the completion script of a shell
///
/// Load it in the shell's startup file, or have `servo --install-completion SHELL` do that.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo completions bash > ~/.bash_completions/servo.sh")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that scripts exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Pwsh,
}

/// What the arguments ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Show(Shell),
    /// Put it where the shell finds it.
    Install(Shell),
}

impl From<Args> for Request {
    fn from(args: Args) -> Self {
        Self::Show(args.shell)
    }
}

/// The program with the two options.
pub(crate) fn add_to(root: Command) -> Command {
    let option = |id: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name("SHELL").value_parser(EnumValueParser::<Shell>::new()).help(help)
    };
    root.arg(option(INSTALL, "Install the completion script of this shell, and exit").conflicts_with(SHOW))
        .arg(option(SHOW, "Print the completion script of this shell, and exit"))
}

/// What the two options ask for.
pub(crate) fn requested(matches: &ArgMatches) -> Option<Request> {
    let shell = |id| matches.get_one::<Shell>(id).copied();
    shell(INSTALL).map(Request::Install).or_else(|| shell(SHOW).map(Request::Show))
}

/// Prints or installs the script of these commands.
pub(crate) fn run(
    request: Request,
    command: &mut Command,
    environment: &Environment,
    output: &Output,
) -> Result<ExitCode, CliError> {
    match request {
        Request::Show(shell) => output.write(&shell.script(command))?,
        Request::Install(shell) => {
            let home = environment.non_empty("HOME").map(Path::new).ok_or_else(|| {
                CliError::Failed("cannot tell where to install completions: the variable HOME is not set".to_owned())
            })?;
            let script = shell.install(home, &shell.script(command))?;
            output.line(format_args!("completion installed in {}", script.display()))?;
            output.line("completion will take effect in the next shell that is started")?;
        }
    }
    Ok(ExitCode::Success)
}

impl Shell {
    fn dialect(self) -> Dialect {
        match self {
            Self::Bash => Dialect::Bash,
            Self::Zsh => Dialect::Zsh,
            Self::Fish => Dialect::Fish,
            Self::Powershell | Self::Pwsh => Dialect::PowerShell,
        }
    }

    fn script(self, command: &mut Command) -> String {
        let mut script = Vec::new();
        generate(self.dialect(), command, "servo", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }

    /// Where the script goes, and with which line which startup file loads it; `fish` looks by itself.
    fn places(self, home: &Path) -> (PathBuf, Option<(PathBuf, String)>) {
        match self {
            Self::Bash => {
                let script = home.join(".bash_completions/servo.sh");
                let line = format!("source '{}'", script.display());
                (script, Some((home.join(".bashrc"), line)))
            }
            Self::Zsh => {
                let line = "fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit".to_owned();
                (home.join(".zfunc/_servo"), Some((home.join(".zshrc"), line)))
            }
            Self::Fish => (home.join(".config/fish/completions/servo.fish"), None),
            Self::Powershell | Self::Pwsh => {
                let folder = home.join(".config/powershell");
                let script = folder.join("servo.ps1");
                let line = format!(". '{}'", script.display());
                (script, Some((folder.join("Microsoft.PowerShell_profile.ps1"), line)))
            }
        }
    }

    fn install(self, home: &Path, text: &str) -> Result<PathBuf, CliError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| CliError::Failed(format!("failed to write '{path}': {error}"))
        };
        let (script, startup) = self.places(home);
        if let Some(folder) = script.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        fs::write(&script, text).map_err(failed(&script))?;
        if let Some((file, line)) = startup {
            append_once(&file, &line).map_err(failed(&file))?;
        }
        Ok(script)
    }
}

/// Appends a line to a file that does not have it yet.
fn append_once(file: &Path, line: &str) -> io::Result<()> {
    let present = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    if present.lines().any(|present| present == line) {
        return Ok(());
    }
    let separator = if present.is_empty() || present.ends_with('\n') { "" } else { "\n" };
    fs::File::options().append(true).create(true).open(file)?.write_all(format!("{separator}{line}\n").as_bytes())
}
