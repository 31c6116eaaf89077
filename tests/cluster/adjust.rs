//! Adjustments that succeed: the pods really have them, and the description agrees.

use serde_json::{Value, json};

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::support::servo_bin::{ServoBin, succeeded};
use crate::workload::{self, Section};

const WANTED: &str = r#"{"cpu": 0.1, "mem": 0.0625, "replicas": 2, "MODE": "better"}"#;

fn wanted() -> Value {
    json!({"main": serde_json::from_str::<Value>(WANTED).unwrap()})
}

/// Every pod has what was wanted.
async fn assert_adjusted(namespace: &Namespace) {
    let pods = workload::pods(namespace).await;
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        let amounts = json!({"cpu": "100m", "memory": "64Mi"});
        assert_eq!(*workload::resources(pod), json!({"requests": amounts, "limits": amounts}));
        let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
        assert!(env.contains(&json!({"name": "MODE", "value": "better"})), "{env:?}");
        assert!(env.contains(&json!({"name": "KEPT", "value": "as it is"})), "{env:?}");
    }
}

fn assert_described(components: &Value) {
    let wanted: Value = serde_json::from_str(WANTED).unwrap();
    for (setting, value) in wanted.as_object().unwrap() {
        assert_eq!(components["main"]["settings"][setting]["value"], *value, "{setting} in {components:#}");
    }
}

#[tokio::test]
async fn one_command_changes_every_setting_of_a_deployment() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let session = Session::start(&Section::of(&namespace)).await;
    assert_eq!(session.describe().await["main"]["settings"]["cpu"]["value"], 0.05);

    let answer = session.adjust(&wanted()).await;
    assert_eq!((&answer["status"], &answer["reason"]), (&json!("ok"), &json!("success")), "{answer:#}");
    assert_described(&answer["state"]["application"]["components"]);
    assert_adjusted(&namespace).await;
    assert_described(&session.describe().await);
    let left = namespace.get("deployments/web").await;
    assert_eq!(namespace.get(workload::RECORD).await, Value::Null, "{left:#}");
    session.stop().await;
}

#[tokio::test]
async fn one_command_changes_every_setting_of_a_stateful_set() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::stateful_set(&namespace, 1).await;
    let session = Session::start(&Section { kind: "stateful_sets", ..Section::of(&namespace) }).await;
    let answer = session.adjust(&wanted()).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    assert_adjusted(&namespace).await;
    assert_described(&session.describe().await);
    session.stop().await;
}

#[tokio::test]
async fn a_workstation_describes_and_adjusts_without_an_optimizer() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let servo = ServoBin::configured(&Section::of(&namespace).text());
    let described = servo.run("describe").await;
    assert!(succeeded(&described).contains("main"), "{described:?}");

    let adjusted = servo.run("adjust main.cpu=100m main.mem=64Mi").await;
    succeeded(&adjusted);
    let pods = workload::pods(&namespace).await;
    assert_eq!(workload::resources(&pods[0])["limits"], json!({"cpu": "100m", "memory": "64Mi"}));
}
