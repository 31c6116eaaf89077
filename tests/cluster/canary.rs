//! The life of a tuning pod.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, Section, TUNING};

fn section(namespace: &Namespace) -> Section {
    Section { is_canary: true, ..Section::of(namespace) }
}

/// Asks a Service once, by a connection of its own.
async fn ask(address: SocketAddr) -> Option<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    timeout(Duration::from_secs(2), asked).await.ok().flatten()
}

/// How many requests a pod has served.
async fn served(pod: &Value) -> u32 {
    let host = pod["status"]["podIP"].as_str().unwrap();
    let metrics = reqwest_text(&format!("{host}:8080")).await;
    let line = metrics.lines().find(|line| line.starts_with("http_requests_total{"));
    line.and_then(|line| line.split(' ').nth(1)?.trim().parse().ok()).unwrap_or(0)
}

async fn reqwest_text(host: &str) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_tuning_pod_lives_as_long_as_the_agent_and_takes_its_share_of_the_traffic() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    let before = workload::service(&namespace, 1).await;
    let service = namespace
        .create(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }))
        .await;
    let session = Session::start(&section(&namespace)).await;
    let described = session.describe().await;
    assert_eq!(described["tuning"]["settings"]["cpu"]["value"], 0.05, "{described:#}");
    assert_eq!(described["main"]["settings"]["cpu"]["pinned"], true);

    let answer = session.adjust(&json!({"tuning": {"cpu": 0.1, "mem": 0.125}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let pod = namespace.get(TUNING).await;
    let amounts = json!({"cpu": "100m", "memory": "128Mi"});
    assert_eq!(*workload::resources(&pod), json!({"requests": amounts, "limits": amounts}));
    assert_eq!(session.describe().await["tuning"]["settings"]["mem"]["value"], 0.125);
    assert_eq!(namespace.get("deployments/web").await["spec"], before["spec"]);

    let address = SocketAddr::new(service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap(), 80);
    for _ in 0..200 {
        ask(address).await;
        if served(&pod).await > 0 {
            break;
        }
    }
    assert!(served(&pod).await > 0, "the tuning pod got no request");

    session.stop().await;
    namespace.until(TUNING, "gone", Value::is_null).await;
    assert_eq!(workload::pods(&namespace).await.len(), 1);
}

#[tokio::test]
async fn a_start_replaces_the_tuning_pod_that_a_killed_agent_left() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let session = Session::start(&section(&namespace)).await;
    let answer = session.adjust(&json!({"tuning": {"cpu": 0.1}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let left = namespace.get(TUNING).await;
    session.kill().await;
    assert_eq!(namespace.get(TUNING).await["metadata"]["uid"], left["metadata"]["uid"]);

    let session = Session::start(&section(&namespace)).await;
    let described = session.describe().await;
    assert_eq!(described["tuning"]["settings"]["cpu"]["value"], 0.05, "{described:#}");
    assert_ne!(namespace.get(TUNING).await["metadata"]["uid"], left["metadata"]["uid"]);
    let pods = workload::pods(&namespace).await;
    assert_eq!(pods.len(), 2, "{pods:#?}");
    session.stop().await;
    namespace.until(TUNING, "gone", Value::is_null).await;
}
