//! The image, as the Dockerfile describes it, on the real cluster.

use std::path::Path;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::cluster::{Cluster, Namespace};
use crate::support::components::component;
use crate::support::dockerfile::{Copied, Image, static_servo};

/// Puts an image of the Dockerfile on the node; its name.
async fn loaded(target: Option<&'static str>) -> String {
    let name = format!("localhost/{}:{:08x}", target.unwrap_or("servo"), std::process::id());
    let (made, wanted) = (tempfile::tempdir().unwrap(), name.clone());
    let (file, folder) = (made.path().join("image.tar"), made.path().to_path_buf());
    let saved = file.clone();
    tokio::task::spawn_blocking(move || {
        Image::of(target).save(&wanted, &saved, |copied| result_of_stage(&folder, copied));
    })
    .await
    .unwrap();
    Cluster::load(file).await;
    name
}

/// What a stage of the builder makes.
fn result_of_stage(folder: &Path, copied: &Copied) -> std::path::PathBuf {
    match (copied.stage.as_deref().unwrap(), copied.source.as_str()) {
        ("build", "/out/servo") => static_servo(folder),
        ("build", "/empty") => {
            let empty = folder.join("empty");
            std::fs::create_dir_all(&empty).unwrap();
            empty
        }
        ("vegeta", "/out/vegeta") => component("vegeta").unwrap(),
        // Whatever the builder has there.
        ("vegeta", "/etc/ssl/certs/ca-certificates.crt") => {
            let authorities = folder.join("authorities");
            std::fs::write(&authorities, "").unwrap();
            authorities
        }
        _ => panic!("{copied:?}: who makes it?"),
    }
}

/// The name of the image without a load generator, on the node.
pub(super) async fn image() -> &'static str {
    static IMAGE: OnceCell<String> = OnceCell::const_new();
    IMAGE.get_or_init(|| loaded(None)).await
}

/// A pod of the image that runs to its end, with a servo.yaml where users mount theirs.
fn pod(name: &str, image: &str, args: &[&str]) -> Value {
    let mut container = json!({
        "name": "servo", "image": image, "imagePullPolicy": "Never",
        "securityContext": {"runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "config", "mountPath": "/servo/servo.yaml", "subPath": "servo.yaml"}],
    });
    if !args.is_empty() {
        container["args"] = json!(args);
    }
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 5,
            "containers": [container], "volumes": [{"name": "config", "configMap": {"name": "config"}}],
        },
    })
}

/// Waits until the pod's log has a text.
async fn until_logged(namespace: &Namespace, pod: &str, text: &str) -> String {
    let is_running = |pod: &Value| pod["status"]["phase"] != "Pending";
    namespace.until(&format!("pods/{pod}"), "started", is_running).await;
    let log = format!("pods/{pod}/log");
    let has_text = |log: &Value| log.as_str().is_some_and(|log| log.contains(text));
    namespace.until(&log, &format!("told {text:?}"), has_text).await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_image_runs_as_nobody_with_what_it_is_given_and_writes_where_users_mount() {
    let Some(cluster) = Cluster::shared() else { return };
    let image = image().await;
    let namespace = cluster.namespace().await;
    let config =
        "optimizer: {embedded: {trials: 4, measure: {duration: 1m}, slo: [{metric: p99_latency, threshold: 250}]}}
simulation: {speed: 10000}\n";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"servo.yaml": config}});
    namespace.create(&map).await;

    namespace.create(&pod("version", image, &["version"])).await;
    until_logged(&namespace, "version", env!("CARGO_PKG_VERSION")).await;
    // Without arguments it runs; the journal and the log are in the working directory.
    namespace.create(&pod("run", image, &[])).await;
    let log = until_logged(&namespace, "run", "the optimization is over").await;
    assert!(!log.contains("ermission denied") && !log.contains("servo.log"), "{log}");
    let status = namespace.get("pods/run").await["status"]["phase"].clone();
    assert_eq!(status, "Running");
}

#[tokio::test]
async fn the_other_image_has_vegeta() {
    let Some(cluster) = Cluster::shared() else { return };
    if component("vegeta").is_none() {
        return;
    }
    let image = loaded(Some("servo-vegeta")).await;
    let namespace = cluster.namespace().await;
    let config = "vegeta: {rate: 5, target: GET http://127.0.0.1:1/, reporting_interval: 1s}\n";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"servo.yaml": config}});
    namespace.create(&map).await;
    namespace.create(&pod("attack", &image, &["vegeta", "attack", "--duration", "1s"])).await;
    until_logged(&namespace, "attack", "connection refused").await;
}
