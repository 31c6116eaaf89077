//! What an adjustment costs besides waiting for the cluster. The figures are shown; their bounds only find disasters.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

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

/// How long the cluster took for the rollouts, as the agent has logged it.
fn rollout(log: &str) -> Duration {
    let figures = log.lines().filter(|line| line.contains("rolled out")).map(|line| {
        let (_, figure) = line.split_once("milliseconds=").unwrap();
        figure.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_millis(figures.sum())
}

#[tokio::test]
async fn an_adjustment_costs_little_besides_the_rollout() {
    let Some(cluster) = Cluster::alone() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 2).await;
    let section = Section { settlement: "3s", ..Section::of(&namespace) };
    let session = Session::start_with(&section, &[("SERVO_LOG_LEVEL", "DEBUG")]).await;
    session.describe().await;
    let (pid, settlement) = (session.agent.pid(), Duration::from_secs(3));
    let cpu = cpu_time(pid);
    let answer = session.adjust(&json!({"main": {"cpu": 0.1}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let (cpu, wall, rollout) = (cpu_time(pid) - cpu, session.last_adjustment(), rollout(&session.agent.log()));
    assert!(rollout > Duration::ZERO, "{}", session.agent.log());
    let outside = wall.checked_sub(rollout + settlement).unwrap();
    show(&format!(
        "an adjustment of a Deployment with 3 s of settlement: {wall:?} in all, of that {rollout:?} rollout and \
         {outside:?} outside rollout and settlement; {cpu} ms of CPU time"
    ));
    assert!(outside < Duration::from_secs(1), "{outside:?}\n{}", session.agent.log());
    assert!(cpu < 1000, "{cpu} ms of CPU time");
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
