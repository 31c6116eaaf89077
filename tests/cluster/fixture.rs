//! The cluster itself: what the other tests stand on.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::cluster::Cluster;

fn deployment(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "main", "image": "localhost/workload:1", "imagePullPolicy": "Never",
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                }]},
            },
        },
    })
}

/// The first line of the answer to `GET /healthz`.
async fn get_health(pod: &Value) -> String {
    let address = SocketAddr::new(pod["status"]["podIP"].as_str().unwrap().parse().unwrap(), 8080);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn pods_of_a_deployment_run_and_are_reached_from_this_machine() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    namespace.create(&deployment(2)).await;
    namespace.until_ready("deployments/web").await;
    let pods = namespace.list("pods?labelSelector=app%3Dweb").await;
    assert_eq!(pods.len(), 2);
    assert!(get_health(&pods[0]).await.ends_with("200 OK"));

    namespace.patch("deployments/web", &json!({"spec": {"replicas": 1}})).await;
    namespace.until_ready("deployments/web").await;
    namespace.delete("deployments/web").await;
    namespace.until("deployments/web", "gone", Value::is_null).await;
}

#[tokio::test]
async fn the_api_server_can_be_away_for_a_while() {
    let Some(cluster) = Cluster::alone() else { return };
    Cluster::stop("apiserver").await;
    assert!(cluster.send("GET", "/version", None).await.is_err());
    Cluster::start("apiserver").await;
    while cluster.send("GET", "/readyz", None).await.is_err() {
        tokio::task::yield_now().await;
    }
}
