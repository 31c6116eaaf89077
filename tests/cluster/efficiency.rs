//! What an adjustment costs besides waiting for the cluster. The figures are shown; their bounds only find disasters.

use std::io::Write;

use serde_json::json;
use tokio::time::Instant;

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, Section};

/// CPU time of a process so far, in milliseconds.
fn cpu_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the name, in parentheses; a tick is 10 ms.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

/// Resident memory of a process, in KiB: now (`VmRSS`), or at most (`VmHWM`).
fn memory(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn show(what: &str) {
    std::io::stderr().write_all(format!("figures: {what}\n").as_bytes()).unwrap();
}

#[tokio::test]
async fn an_adjustment_costs_little_besides_the_rollout() {
    let Some(cluster) = Cluster::alone() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 2).await;
    let session = Session::start(&Section { settlement: "3s", ..Section::of(&namespace) }).await;
    session.describe().await;
    let pid = session.agent.pid();
    let (cpu, start) = (cpu_time(pid), Instant::now());
    let answer = session.adjust(&json!({"main": {"cpu": 0.1}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let (cpu, wall) = (cpu_time(pid) - cpu, start.elapsed());
    show(&format!("an adjustment of a Deployment with 3 s of settlement: {wall:?} in all, {cpu} ms of CPU time"));
    assert!(cpu < 1000, "{cpu} ms of CPU time");

    let session_of_nothing = Session::start(&Section::of(&namespace)).await;
    session_of_nothing.describe().await;
    let start = Instant::now();
    let answer = session_of_nothing.adjust(&json!({"main": {"cpu": 0.1}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    show(&format!("an adjustment that changes nothing, idle time of the optimizer included: {:?}", start.elapsed()));
    session_of_nothing.stop().await;
    session.stop().await;
}

/// Pods that no node runs.
async fn crowd(namespace: &Namespace, count: usize) {
    for number in 0..count {
        let container = json!({
            "name": "main", "image": "localhost/busybox:1",
            "env": (0..30).map(|n| json!({"name": format!("VARIABLE_{n}"), "value": "x".repeat(40)})).collect::<Vec<_>>(),
        });
        namespace
            .create(&json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("other-{number}"), "labels": {"app": "other"}},
                "spec": {"schedulerName": "nobody", "terminationGracePeriodSeconds": 0, "containers": [container]},
            }))
            .await;
    }
}

#[tokio::test]
async fn watching_a_rollout_takes_little_memory_beside_many_pods() {
    let Some(cluster) = Cluster::alone() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 2).await;
    crowd(&namespace, 500).await;
    let session = Session::start(&Section::of(&namespace)).await;
    session.describe().await;
    let pid = session.agent.pid();
    let idle = memory(pid, "VmRSS");
    // From here on VmHWM is the most.
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let answer = session.adjust(&json!({"main": {"MODE": "slow"}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let most = memory(pid, "VmHWM");
    show(&format!("memory of a rollout beside 500 other pods: {idle} KiB before, at most {most} KiB"));
    assert!(most < idle + 15 * 1024, "{idle} KiB before, at most {most} KiB");
    session.stop().await;
}
