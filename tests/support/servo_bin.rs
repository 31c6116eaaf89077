//! The built `servo`, run in a folder of its own, with no environment but what a test gives it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longest time that a test waits for a command.
const BOUND: Duration = Duration::from_secs(30);

/// A folder with files, and an environment.
pub(crate) struct ServoBin {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that runs. It is killed with this value.
pub(crate) struct Running {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<()>,
    logged: watch::Receiver<String>,
}

/// What a command printed that succeeded.
#[track_caller]
pub(crate) fn succeeded(finished: &Finished) -> &str {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    &finished.stdout
}

/// What a command said that was used in a wrong way, or found a wrong configuration.
#[track_caller]
pub(crate) fn was_wrong(finished: &Finished) -> &str {
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    &finished.stderr
}

/// The keys of a JSON object, in their order.
pub(crate) fn keys(object: &serde_json::Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

impl ServoBin {
    /// An empty folder, in which it is always UTC.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let environment = [("PATH", "/usr/bin:/bin"), ("HOME", &home), ("TZ", "UTC")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder, environment }
    }

    /// With this servo.yaml.
    pub(crate) fn configured(config: &str) -> Self {
        Self::new().file("servo.yaml", config)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        std::fs::write(self.folder().join(name), content).unwrap();
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it to its end with these arguments, which are split at blanks, and nothing on standard input.
    pub(crate) async fn run(&self, arguments: &str) -> Finished {
        self.start(arguments).finish().await
    }

    /// Starts it with these arguments, which are split at blanks, and nothing on standard input.
    pub(crate) fn start(&self, arguments: &str) -> Running {
        Running::watch(self.command(arguments).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Starts it with these arguments, and nothing on standard input.
    pub(crate) fn start_with(&self, arguments: &[String]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servo"));
        self.prepare(command.args(arguments));
        Running::watch(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Runs it with a standard output that nobody reads.
    pub(crate) async fn run_with_closed_output(&self, arguments: &str) -> Finished {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Running::watch(self.command(arguments).stdout(writer).spawn().unwrap()).finish().await
    }

    /// Runs it to its end on a terminal; all that it shows there is its standard output.
    pub(crate) async fn run_on_terminal(&self, arguments: &str) -> Finished {
        let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_servo"));
        let mut command = Command::new("script");
        // From util-linux: it runs the line on a terminal of its own and ends as the line does.
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        self.prepare(&mut command).env("TERM", "xterm");
        Running::watch(command.stdout(Stdio::piped()).spawn().unwrap()).finish().await
    }

    /// As [`Self::run_on_terminal`], on one of this width that calls itself by this name.
    pub(crate) async fn run_on_terminal_of(&self, columns: usize, name: &str, arguments: &str) -> Finished {
        let line = format!("stty rows 30 columns {columns}; exec {} {arguments}", env!("CARGO_BIN_EXE_servo"));
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        self.prepare(&mut command).env("TERM", name);
        Running::watch(command.stdout(Stdio::piped()).spawn().unwrap()).finish().await
    }

    /// Runs it to its end with this text on standard input.
    pub(crate) async fn run_with_input(&self, arguments: &str, input: &str) -> Finished {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, input.as_bytes()).unwrap();
        drop(writer);
        Running::watch(self.command(arguments).stdin(reader).stdout(Stdio::piped()).spawn().unwrap()).finish().await
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servo"));
        self.prepare(command.args(arguments.split_whitespace()));
        command
    }

    fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
    }
}

impl Running {
    fn watch(mut child: Child) -> Self {
        let stdout = child.stdout.take();
        let stdout = tokio::spawn(async move {
            let mut text = String::new();
            if let Some(mut stdout) = stdout {
                stdout.read_to_string(&mut text).await.unwrap();
            }
            text
        });
        let (log, logged) = watch::channel(String::new());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let stderr = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                log.send_modify(|log| *log += &(line + "\n"));
            }
        });
        Self { child, stdout, stderr, logged }
    }

    /// Waits until standard error has shown a text.
    pub(crate) async fn wait_for_error_text(&self, text: &str) {
        let mut logged = self.logged.clone();
        let waited = tokio::time::timeout(BOUND, logged.wait_for(|log| log.contains(text))).await;
        assert!(matches!(waited, Ok(Ok(_))), "{text:?} was not shown:\n{}", *self.logged.borrow());
    }

    /// Sends SIGINT and waits for the end.
    pub(crate) async fn interrupt(self) -> Finished {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.finish().await
    }

    /// Waits for the end.
    pub(crate) async fn finish(self) -> Finished {
        self.finish_within(BOUND).await
    }

    /// Waits for the end of what takes longer than other commands.
    pub(crate) async fn finish_within(mut self, bound: Duration) -> Finished {
        let ended = tokio::time::timeout(bound, self.child.wait()).await;
        let code = ended.unwrap_or_else(|_| panic!("did not end:\n{}", *self.logged.borrow())).unwrap().code();
        self.stderr.await.unwrap();
        let stderr = self.logged.borrow().clone();
        Finished { code, stdout: self.stdout.await.unwrap(), stderr }
    }
}
