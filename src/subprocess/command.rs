//! What to run: programs with arguments, joined by pipes.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::process::Stdio;

/// A program with its arguments. It runs in the working directory and with the environment of this process.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) input: Input,
}

/// Where the first program of a pipeline reads from.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// What this process reads from, unless that is a terminal.
    Inherited,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// What [`Process::send`](super::Process::send) is given, until the process is dropped.
    Kept,
}

impl Input {
    pub(super) fn stdio(&self) -> Stdio {
        match self {
            // Only the foreground process group may read from a terminal; any other is stopped when it tries.
            Self::Inherited if std::io::stdin().is_terminal() => Stdio::null(),
            Self::Inherited => Stdio::inherit(),
            Self::Bytes(_) | Self::Kept => Stdio::piped(),
        }
    }
}

impl Command {
    /// A program, looked up in `PATH` unless it is a path.
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), input: Input::Inherited }
    }

    /// A text for `/bin/sh`. Only for what a user wrote as one: nothing in it is quoted.
    pub(crate) fn shell(text: impl AsRef<OsStr>) -> Self {
        Self::new("/bin/sh").arguments(["-c".as_ref(), text.as_ref()])
    }

    /// With these arguments after those that it has.
    #[must_use]
    pub(crate) fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With these bytes to read, and no more. Without, it reads what this process does, or nothing where that is a
    /// terminal. Later programs of a pipeline read from the one before them.
    #[must_use]
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// With an input that is kept open, for [`Process::send`](super::Process::send).
    #[must_use]
    pub(crate) fn conversing(mut self) -> Self {
        self.input = Input::Kept;
        self
    }

    /// Joined to another by a pipe, which reads what this one writes.
    #[must_use]
    pub(crate) fn pipe(self, next: Self) -> Pipeline {
        Pipeline::from(self).pipe(next)
    }
}

/// Programs of one process group, each reading what the one before it writes.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(super) first: Command,
    pub(super) rest: Vec<Command>,
}

impl Pipeline {
    /// With one more program at the end.
    #[must_use]
    pub(crate) fn pipe(mut self, next: Command) -> Self {
        self.rest.push(next);
        self
    }
}

impl From<Command> for Pipeline {
    fn from(command: Command) -> Self {
        Self { first: command, rest: Vec::new() }
    }
}
