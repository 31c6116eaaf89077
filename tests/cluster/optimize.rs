//! The embedded optimizer on the real cluster: the cheapest settings of a service under the load of vegeta.
//!
//! Four trials run with every other test. The whole of it takes about 20 minutes of a machine that does nothing else:
//!
//! ```text
//! cargo test --test cluster -- --ignored --exact --nocapture optimize::the_cheapest_settings_are_found
//! ```
//!
//! It optimizes in 20 trials, measures what was found for another minute, and sweeps the CPU at memory and WORKERS
//! that are known to be good. Its figures are shown; it fails when what was found violates an objective, or costs more
//! than a quarter more than the best of the sweep.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::support::agent::Agent;
use crate::support::cluster::{Cluster, Namespace};
use crate::support::components::component;

const WEB: &str = "deployments/web";

/// Milliseconds that 99% of the requests must keep.
const LONGEST_LATENCY: f64 = 50.0;

/// Percent of the requests that may fail.
const HIGHEST_ERROR_RATE: f64 = 1.0;

/// What is found may cost so much more than the best of the sweep, as a factor.
const DEAREST: f64 = 1.25;

/// Steps of the CPU, in cores, of which there are 12.
const CORES: f64 = 0.125;

/// Memory of the sweep, in GiB: twice what the service needs.
const GOOD_MEMORY: f64 = 0.125;

/// Requests that are served at once in the sweep: enough for both cores, and few that wait for each other.
const GOOD_WORKERS: u32 = 4;

/// Longest time that a measurement takes: vegeta waits half a minute for answers after the last request.
const LONGEST: Duration = Duration::from_mins(2);

/// How an optimization is measured.
struct Campaign {
    trials: u32,
    warmup: &'static str,
    duration: &'static str,
    /// Longest time that all of it takes.
    bound: Duration,
}

/// The service on the cluster, with vegeta, and a folder for the agent.
struct Site {
    namespace: Namespace,
    vegeta: PathBuf,
    /// The sections of the connectors.
    connectors: String,
}

fn show(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn deployment() -> Value {
    let amounts = json!({"cpu": "1", "memory": "256Mi"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            // The node has no room for two.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "main", "image": "localhost/workload:1", "imagePullPolicy": "Never",
                    "env": [{"name": "WORKERS", "value": "8"}],
                    "resources": {"requests": amounts, "limits": amounts},
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                }]},
            },
        },
    })
}

impl Site {
    async fn start(cluster: &Cluster) -> Option<Self> {
        let vegeta = component("vegeta")?;
        let namespace = cluster.namespace().await;
        namespace.create(&deployment()).await;
        let ports = json!([{"port": 80, "targetPort": 8080}]);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": ports}});
        let address = namespace.create(&service).await["spec"]["clusterIP"].as_str().unwrap().to_owned();
        namespace.until_ready(WEB).await;
        let kubernetes = json!({
            "kubeconfig": cluster.kubeconfig(), "namespace": namespace.name(), "timeout": "30s", "settlement": "1s",
            "on_failure": "exception",
            "deployments": [{
                "name": "web",
                "replicas": {"min": 1, "max": 2, "pinned": true},
                "containers": [{
                    "name": "main", "alias": "main",
                    "cpu": {"min": "125m", "max": "1500m", "step": "125m"},
                    "memory": {"min": "32Mi", "max": "512Mi", "step": "32Mi"},
                    "env": [{"name": "WORKERS", "type": "range", "min": 1, "max": 16, "step": 1}],
                }],
            }],
        });
        let vegeta_section =
            json!({"rate": "150/1s", "target": format!("GET http://{address}/"), "reporting_interval": "5s"});
        let connectors = format!("kubernetes: {kubernetes}\nvegeta: {vegeta_section}\n");
        Some(Self { namespace, vegeta, connectors })
    }

    /// With the folder of vegeta.
    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.vegeta.parent().unwrap().display())
    }

    /// An agent that optimizes.
    fn start_agent(&self, campaign: &Campaign) -> Agent {
        let Campaign { trials, warmup, duration, .. } = campaign;
        let embedded = json!({
            "objective": "cost", "trials": trials, "measure": {"warmup": warmup, "duration": duration},
            "slo": [
                {"metric": "latency_99th", "threshold": LONGEST_LATENCY, "keep": "below"},
                {"metric": "error_rate", "threshold": HIGHEST_ERROR_RATE, "keep": "below"},
            ],
        });
        let config = format!("optimizer: {}\n{}", json!({"embedded": embedded}), self.connectors);
        Agent::start(&config, &["run"], &[("PATH", &self.path())])
    }

    /// Runs the agent until its optimization is over, and returns the journal.
    async fn optimize(&self, campaign: &Campaign) -> Vec<Value> {
        let mut agent = self.start_agent(campaign);
        let bound = campaign.bound;
        let (path, end) = (agent.folder().join("servo-journal.jsonl"), Instant::now() + bound);
        let (mut journal, mut shown) = (Vec::new(), 0);
        while journal.last().is_none_or(|last: &Value| last["entry"] != "left") {
            assert!(Instant::now() < end, "it was not over after {bound:?}:\n{}", agent.log());
            sleep(Duration::from_millis(100)).await;
            journal = entries(&path);
            journal.iter().skip(shown).for_each(show_entry);
            shown = journal.len();
        }
        agent.signal(Signal::TERM);
        assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
        journal
    }

    /// Gives the service these settings, lets it warm up, and measures it for so many seconds: its p99 and its errors.
    async fn measure(&self, (cpu, memory, workers): (f64, f64, f64), seconds: u32) -> (f64, f64) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("servo.yaml"), &self.connectors).unwrap();
        let wanted = format!("main.cpu={cpu} main.mem={memory} main.WORKERS={workers}");
        self.servo(&folder, &format!("adjust {wanted}")).await;
        self.servo(&folder, "measure --duration 5s").await;
        let measured = self.servo(&folder, &format!("measure --output json --duration {seconds}s")).await;
        let measured: Value = serde_json::from_str(&measured).unwrap();
        // Reports are about all of the attack up to then.
        let last = |metric: &str| {
            let readings = measured[0]["readings"].as_array().unwrap().iter();
            readings
                .filter(|reading| reading["metric"] == metric)
                .filter_map(|reading| reading["value"].as_f64())
                .next_back()
        };
        (last("latency_99th").unwrap(), last("error_rate").unwrap())
    }

    /// What a command of the agent prints that succeeds.
    async fn servo(&self, folder: &TempDir, arguments: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servo"));
        command.args(arguments.split_whitespace()).env_clear().env("PATH", self.path()).current_dir(folder.path());
        let output = timeout(LONGEST, command.stdin(Stdio::null()).kill_on_drop(true).output()).await;
        let output = output.unwrap_or_else(|_| panic!("'servo {arguments}' did not end")).unwrap();
        assert!(output.status.success(), "servo {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The whole lines of a journal that is being written.
fn entries(journal: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn show_entry(entry: &Value) {
    if entry["entry"] != "trial" {
        return;
    }
    let (metrics, settings) = (&entry["outcome"]["metrics"], &entry["settings"]);
    show(&format!(
        "trial {:>2} {:<12} cpu {}, mem {}, WORKERS {}: {}, p99 {} ms, errors {}%",
        entry["number"],
        entry["purpose"].as_str().unwrap(),
        settings["main.cpu"],
        settings["main.mem"],
        settings["main.WORKERS"],
        entry["outcome"]["word"].as_str().unwrap_or("measured"),
        metrics["latency_99th"],
        metrics["error_rate"],
    ));
}

fn keeps((latency, errors): (f64, f64)) -> bool {
    latency <= LONGEST_LATENCY && errors <= HIGHEST_ERROR_RATE
}

fn amounts(deployment: &Value) -> (&Value, &Value) {
    let limits = &deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
    (&limits["cpu"], &limits["memory"])
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_trial_leaves_the_settings_of_before() {
    let Some(cluster) = Cluster::alone() else { return };
    let Some(site) = Site::start(&cluster).await else { return };
    let before = (json!("1"), json!("256Mi"));
    let campaign = Campaign { trials: 6, warmup: "1s", duration: "3s", bound: Duration::ZERO };
    let mut agent = site.start_agent(&campaign);
    site.namespace.until(WEB, "changed by a trial", |web| amounts(web) != (&before.0, &before.1)).await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
    let web = site.namespace.until_ready(WEB).await;
    assert_eq!(amounts(&web), (&before.0, &before.1), "{}", agent.log());
}

#[tokio::test]
async fn a_few_trials_are_adjusted_measured_and_taken_back() {
    let Some(cluster) = Cluster::alone() else { return };
    let Some(site) = Site::start(&cluster).await else { return };
    let before = site.namespace.get(WEB).await;
    let campaign = Campaign { trials: 4, warmup: "1s", duration: "4s", bound: Duration::from_secs(80) };
    let journal = site.optimize(&campaign).await;
    let words: Vec<&str> = journal.iter().map(|entry| entry["entry"].as_str().unwrap()).collect();
    assert_eq!(words, ["header", "trial", "trial", "trial", "trial", "end", "left"]);
    for trial in &journal[1..4] {
        assert_eq!((&trial["purpose"], &trial["outcome"]["status"]), (&json!("baseline"), &json!("measured")));
        assert!(trial["outcome"]["metrics"]["latency_99th"].as_f64().unwrap() > 0.0, "{trial:#}");
    }
    assert_ne!(journal[4]["settings"], journal[1]["settings"]);
    assert!(journal[6]["problem"].is_null(), "{:#}", journal[6]);

    let after = site.namespace.until_ready(WEB).await;
    let container = |object: &Value| object["spec"]["template"]["spec"]["containers"][0].clone();
    let (before, after) = (container(&before), container(&after));
    for key in ["requests", "limits"] {
        let amounts = &after["resources"][key];
        assert_eq!((&amounts["cpu"], &amounts["memory"]), (&json!("1"), &json!("256Mi")), "{after:#}");
    }
    assert_eq!(before["env"], after["env"]);
}

#[tokio::test]
#[ignore = "takes 20 minutes of a machine that does nothing else"]
async fn the_cheapest_settings_are_found() {
    let Some(cluster) = Cluster::alone() else { return };
    let Some(site) = Site::start(&cluster).await else { return };
    let campaign = Campaign { trials: 20, warmup: "5s", duration: "20s", bound: Duration::from_mins(30) };
    let journal = site.optimize(&campaign).await;
    let end = journal.iter().find(|entry| entry["entry"] == "end").unwrap();
    let settings = &end["winner"]["settings"];
    show(&format!("winner: {}, confirmed: {}", settings, end["winner"]["confirmed"]));
    let [cpu, memory, workers] =
        ["main.cpu", "main.mem", "main.WORKERS"].map(|name| settings[name].as_f64().expect("nothing was found"));
    let found = site.measure((cpu, memory, workers), 60).await;
    show(&format!("measured for another 60 s: p99 {:.1} ms, errors {:.2}%", found.0, found.1));

    let prices = &journal[0]["campaign"]["prices"];
    let cost =
        |cpu: f64, memory: f64| cpu * prices["cpu"].as_f64().unwrap() + memory * prices["memory"].as_f64().unwrap();
    let mut best = None;
    for step in (1..=12).rev() {
        let cpu = CORES * f64::from(step);
        let read = site.measure((cpu, GOOD_MEMORY, f64::from(GOOD_WORKERS)), 20).await;
        show(&format!(
            "sweep: cpu {cpu}, cost {:.5}: p99 {:.1} ms, errors {:.2}%",
            cost(cpu, GOOD_MEMORY),
            read.0,
            read.1
        ));
        if keeps(read) {
            best = Some(cost(cpu, GOOD_MEMORY));
        }
    }
    let best = best.expect("no setting of the sweep keeps the objectives");
    let factor = cost(cpu, memory) / best;
    show(&format!("winner {:.5} an hour, best of the sweep {best:.5}: factor {factor:.3}", cost(cpu, memory)));
    assert!(keeps(found), "what was found violates an objective");
    assert!(factor <= DEAREST, "what was found costs {factor:.3} of the best of the sweep");
    show("passed: what was found keeps the objectives, and costs what it may");
}
