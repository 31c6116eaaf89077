//! Adjustments that are cut off: by the end of the agent after each of its writes, or by an API server that is away.

use serde_json::{Value, json};

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, Section};

const ROLLBACK_ANNOTATION: &str = "servo.opsani.com/rollback";
const TUNING: &str = "pods/web-tuning";

fn annotation(object: &Value) -> Option<&Value> {
    object["metadata"]["annotations"].get(ROLLBACK_ANNOTATION)
}

/// Kills an agent as soon as it has patched the Deployment, and starts another.
async fn kill_after_patch(namespace: &Namespace, section: &Section) -> Session {
    let first = namespace.until_ready("deployments/web").await;
    let session = Session::start(section).await;
    session.begin_adjustment(&json!({"main": {"MODE": "slow", "cpu": 0.1}}));
    let is_patched = |object: &Value| object["metadata"]["generation"] != first["metadata"]["generation"];
    namespace.until("deployments/web", "patched", is_patched).await;
    session.kill().await;
    Session::start(section).await
}

#[tokio::test]
async fn a_start_restores_what_a_killed_agent_was_to_roll_back() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    let first = workload::deployment(&namespace, 1).await;
    let section = Section { on_failure: "rollback", ..Section::of(&namespace) };
    let session = kill_after_patch(&namespace, &section).await;
    namespace.until("deployments/web", "restored", |object| annotation(object).is_none()).await;
    let restored = namespace.until_ready("deployments/web").await;
    assert_eq!(workload::adjustable(&restored), workload::adjustable(&first));
    assert_eq!(session.describe().await["main"]["settings"]["cpu"]["value"], 0.05);
    session.stop().await;
}

#[tokio::test]
async fn a_start_describes_what_a_killed_agent_left_where_nothing_is_rolled_back() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let session = kill_after_patch(&namespace, &Section::of(&namespace)).await;
    let settings = session.describe().await["main"]["settings"].clone();
    assert_eq!((&settings["cpu"]["value"], &settings["MODE"]["value"]), (&json!(0.1), &json!("slow")));
    session.stop().await;
}

#[tokio::test]
async fn a_start_has_one_tuning_pod_wherever_the_replacement_was_cut_off() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    let section = Section { is_canary: true, ..Section::of(&namespace) };
    // After the old one is deleted, and after the new one is created.
    for created in [false, true] {
        let session = Session::start(&section).await;
        session.describe().await;
        let first = namespace.get(TUNING).await;
        session.begin_adjustment(&json!({"tuning": {"MODE": "slow"}}));
        let is_cut_off = |pod: &Value| {
            let is_first = pod["metadata"]["uid"] == first["metadata"]["uid"];
            if created {
                !pod.is_null() && !is_first
            } else {
                !is_first || pod["metadata"].get("deletionTimestamp").is_some()
            }
        };
        let last = namespace.until(TUNING, "being replaced", is_cut_off).await;
        session.kill().await;

        let session = Session::start(&section).await;
        let described = session.describe().await;
        assert_eq!(described["tuning"]["settings"]["MODE"]["value"], "fine", "{described:#}");
        assert_ne!(namespace.get(TUNING).await["metadata"]["uid"], last["metadata"]["uid"]);
        assert_eq!(workload::pods(&namespace).await.len(), 2);
        session.stop().await;
        namespace.until(TUNING, "gone", Value::is_null).await;
    }
}

#[tokio::test]
async fn a_rollout_is_followed_to_its_end_although_the_api_server_was_away() {
    let Some(cluster) = Cluster::alone() else { return };
    let namespace = cluster.namespace().await;
    let first = workload::deployment(&namespace, 1).await;
    let session = Session::start(&Section { timeout: "60s", ..Section::of(&namespace) }).await;
    session.begin_adjustment(&json!({"main": {"MODE": "slow", "cpu": 0.1}}));
    let is_patched = |object: &Value| object["metadata"]["generation"] != first["metadata"]["generation"];
    namespace.until("deployments/web", "patched", is_patched).await;
    Cluster::stop("apiserver").await;
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    Cluster::start("apiserver").await;
    let answer = session.completion("ADJUSTMENT", 0).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let left = namespace.until_ready("deployments/web").await;
    assert_eq!(workload::resources(&left)["limits"]["cpu"], "100m");
    session.stop().await;
}
