//! The built `servo` as a running process: started in a folder of its own, watched through its log, ended by signals.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::support::http_server::BOUND;

/// A running agent. It is killed with this value.
pub(crate) struct Agent {
    child: Child,
    folder: TempDir,
    log: watch::Receiver<String>,
}

impl Agent {
    /// Starts `servo` with these arguments on this configuration, with no environment but what is given.
    pub(crate) fn start(config: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("servo.yaml"), config).unwrap();
        Self::start_in(folder, args, env)
    }

    /// Starts `servo` in a folder that is already prepared.
    pub(crate) fn start_in(folder: TempDir, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_servo"))
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(env.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (sender, log) = watch::channel(String::new());
        let sender = Arc::new(Mutex::new(sender));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.lock().unwrap().send_modify(|log| {
                    log.push_str(&line);
                    log.push('\n');
                });
            }
        });
        Self { child, folder, log }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its folder, which outlives it.
    pub(crate) fn into_folder(self) -> TempDir {
        self.folder
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the agent is running")
    }

    /// Everything that was logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// Waits until a text has been logged.
    pub(crate) async fn wait_for_log(&self, text: &str) {
        let mut log = self.log.clone();
        let waited = tokio::time::timeout(BOUND, log.wait_for(|log| log.contains(text))).await;
        assert!(matches!(waited, Ok(Ok(_))), "{text:?} was not logged:\n{}", self.log());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        match tokio::time::timeout(BOUND, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(tokio::time::error::Elapsed { .. }) => panic!("the agent did not end:\n{}", self.log()),
        }
    }
}
