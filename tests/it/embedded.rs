//! The embedded optimizer through the built program: the demonstration, a run with a journal, and the server.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::support::agent::Agent;
use crate::support::components::component;
use crate::support::servo_bin::{ServoBin, keys, succeeded};

const SERVICE: &str = "simulation: {speed: 10000}\n";
const CAMPAIGN: &str = "slo: [{metric: p99_latency, threshold: 250}], trials: 5, measure: {warmup: 1m, duration: 1m}";
const IDLE: &str = "the optimization is over";

fn lines(journal: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(journal).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn stop(mut agent: Agent) {
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
}

#[tokio::test]
async fn the_demonstration_optimizes_and_its_journal_can_be_read() {
    let servo = ServoBin::configured("");
    let finished = servo.run("demo --trials 5 --seed 3 --journal j.jsonl --output json").await;
    let result: Value = serde_json::from_str(succeeded(&finished)).unwrap();
    assert_eq!(
        keys(&result),
        ["seed", "budget", "trials", "journal", "report", "baseline", "winner", "optimum", "excess"],
        "{result}"
    );
    assert_eq!(result["trials"], 5);
    assert!(result["optimum"]["truth"]["p99_latency"].as_f64().unwrap() <= 600.0, "{result}");
    let status = servo.run("optimizer status j.jsonl --output json").await;
    let status: Value = serde_json::from_str(succeeded(&status)).unwrap();
    assert_eq!(status["trials"].as_array().unwrap().len(), 5);
    assert!(status["left"]["problem"].is_null() && status["left"].is_object(), "{status}");
    let replay = servo.run("optimizer replay j.jsonl").await;
    assert!(succeeded(&replay).starts_with("7 decisions came out the same"), "{replay:?}");
}

#[tokio::test]
async fn a_run_goes_on_from_its_journal_and_refuses_that_of_another_one() {
    let config = |seed: u32| format!("optimizer: {{embedded: {{{CAMPAIGN}, seed: {seed}}}}}\n{SERVICE}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("servo.yaml"), config(1)).unwrap();
    let agent = Agent::start_in(folder, &["run"], &[]);
    agent.wait_for_log(IDLE).await;
    let journal = lines(&agent.folder().join("servo-journal.jsonl"));
    let entries: Vec<&str> = journal.iter().map(|entry| entry["entry"].as_str().unwrap()).collect();
    assert_eq!(entries, ["header", "trial", "trial", "trial", "trial", "trial", "end", "left"]);
    let text = std::fs::read(agent.folder().join("servo-journal.jsonl")).unwrap();
    stop(agent).await;

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("servo-journal.jsonl"), text).unwrap();
    std::fs::write(folder.path().join("servo.yaml"), config(2)).unwrap();
    let mut agent = Agent::start_in(folder, &["run"], &[]);
    assert_eq!(agent.exit().await.code(), Some(2), "{}", agent.log());
    assert!(agent.log().contains("differs in seed ("), "{}", agent.log());
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_trial_puts_the_settings_of_before_back() {
    let config = format!("optimizer: {{embedded: {{{CAMPAIGN}}}}}\n{}", SERVICE.replace("10000", "100"));
    let mut agent = Agent::start(&config, &["run"], &[]);
    agent.wait_for_log("purpose=search").await;
    agent.wait_for_log("adjusted the application").await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
    agent.wait_for_log("the baseline settings are back").await;
    let log = agent.log();
    assert!(log.find("the baseline settings are back") < log.rfind("servo - stopped"), "{log}");
    let journal = lines(&agent.folder().join("servo-journal.jsonl"));
    assert!(journal.iter().all(|entry| entry["entry"] != "left"), "it is not over: {journal:?}");
}

/// An optimizer for one application, and its address.
async fn serve(campaign: &str) -> (Agent, String) {
    let folder = tempfile::tempdir().unwrap();
    let applications = format!("applications: {{dev.example.com/app: {{token: s3cr3t, {campaign}}}}}\n");
    std::fs::write(folder.path().join("optimizer.yaml"), applications).unwrap();
    let server = Agent::start_in(folder, &["optimizer", "serve", "--listen", "127.0.0.1:0", "--journals", "js"], &[]);
    server.wait_for_log("serving optimizations").await;
    let log = server.log();
    let port = log.split("127.0.0.1:").nth(1).unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    (server, format!("http://127.0.0.1:{port}"))
}

/// The section of an agent that this optimizer serves.
fn client(address: &str) -> String {
    format!("optimizer: {{id: dev.example.com/app, token: s3cr3t, base_url: '{address}'}}\n")
}

#[tokio::test]
async fn another_agent_is_served_over_http() {
    let (server, address) = serve(CAMPAIGN).await;
    let agent = Agent::start(&(client(&address) + SERVICE), &["run"], &[]);
    agent.wait_for_log(IDLE).await;
    stop(agent).await;
    let journal = lines(&server.folder().join("js/dev.example.com_app.jsonl"));
    assert_eq!(journal.iter().filter(|entry| entry["entry"] == "trial").count(), 5);
    stop(server).await;
}

/// The reference, with a connector of its own for a service that is a formula.
fn reference(servo: &Path, folder: &Path) -> Child {
    let connector = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/components/servox/connector");
    Command::new(servo)
        .arg("run")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PYTHONPATH", connector)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn the_reference_is_served_over_http() {
    let Some(servo) = component("servox") else { return };
    let (server, address) = serve("slo: [{metric: latency, threshold: 150}], trials: 5, measure: {duration: 1s}").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("servo.yaml"), client(&address) + "connectors: [toy]\ntoy: {}\n").unwrap();
    let mut agent = reference(&servo, folder.path());
    server.wait_for_log("command=SLEEP").await;
    kill_process(Pid::from_raw(agent.id().unwrap().cast_signed()).unwrap(), Signal::TERM).unwrap();
    server.wait_for_log("an agent says goodbye").await;
    agent.wait().await.unwrap();

    let journal = lines(&server.folder().join("js/dev.example.com_app.jsonl"));
    let entries: Vec<&str> = journal.iter().map(|entry| entry["entry"].as_str().unwrap()).collect();
    assert_eq!(entries, ["header", "trial", "trial", "trial", "trial", "trial", "end", "left"]);
    for trial in &journal[1..6] {
        let (cpu, latency) = (&trial["settings"]["web.cpu"], &trial["outcome"]["metrics"]["latency"]);
        assert_eq!(latency.as_f64(), cpu.as_f64().map(|cpu| 100.0 / cpu), "{trial}");
    }
    assert!(journal[7]["problem"].is_null(), "{}", journal[7]);
    stop(server).await;
}
