//! A real Prometheus on a port of its own, which ends with the test.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use servox::internals::network::Network;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::http_server::BOUND;

/// A running server. It is killed with this value.
pub(crate) struct Prometheus {
    pub(crate) url: String,
    program: PathBuf,
    address: String,
    folder: TempDir,
    process: Child,
    http: reqwest::Client,
}

impl Prometheus {
    /// Starts the program with a configuration, in which `ADDRESS` stands for its own address; waits until it answers.
    pub(crate) async fn start(program: PathBuf, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A free port; the server cannot be asked for the one that it took.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        std::fs::write(folder.path().join("prometheus.yml"), config.replace("ADDRESS", &address)).unwrap();
        let process = process(&program, &folder, &address);
        let http = Network::default().client_builder().unwrap().build().unwrap();
        let server = Self { url: format!("http://{address}"), program, address, folder, process, http };
        server.until("ready", async || server.send("/-/ready", &[]).await.is_some_and(|(ok, _)| ok)).await;
        server
    }

    /// Waits for what it says; panics after a bound.
    pub(crate) async fn until(&self, state: &str, is_in_state: impl AsyncFn() -> bool) {
        let waited = async {
            while !is_in_state().await {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(BOUND, waited).await.unwrap_or_else(|_| panic!("Prometheus is not {state}"));
    }

    /// Whether a request succeeded, and the answer; `None` when there is none.
    async fn send(&self, path: &str, query: &[(&str, &str)]) -> Option<(bool, String)> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), query).unwrap();
        let answer = self.http.get(url).send().await.ok()?;
        Some((answer.status().is_success(), answer.text().await.ok()?))
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        serde_json::from_str(&self.send(path, query).await?.1).ok()
    }

    pub(crate) async fn query(&self, query: &str) -> Option<Value> {
        self.get("/api/v1/query", &[("query", query)]).await
    }

    /// The value of an instant query with a single result.
    pub(crate) async fn value(&self, query: &str) -> Option<f64> {
        let answer = self.query(query).await?;
        answer.pointer("/data/result/0/value/1")?.as_str()?.parse().ok()
    }

    pub(crate) async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again after it was stopped, with what it had stored.
    pub(crate) fn start_again(&mut self) {
        self.process = process(&self.program, &self.folder, &self.address);
    }
}

fn process(program: &PathBuf, folder: &TempDir, address: &str) -> Child {
    Command::new(program)
        .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
