//! Adjustments that are cut off: by the end of the agent after each of its writes, or by an API server that is away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, RECORD, Section, TUNING};

const WEB: &str = "deployments/web";

/// How long the API server is away: longer than a pod of mode `slow` needs, so that it gets ready unseen.
const OUTAGE: Duration = Duration::from_secs(10);

/// Kills an agent as soon as it has patched the Deployment, and starts another.
async fn kill_after_patch(namespace: &Namespace, section: &Section) -> Session {
    let first = namespace.until_ready(WEB).await;
    let session = Session::start(section).await;
    session.begin_adjustment(&json!({"main": {"MODE": "slow", "cpu": 0.1}}));
    namespace.until(WEB, "patched", workload::is_changed_since(&first)).await;
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
    namespace.until(RECORD, "gone", Value::is_null).await;
    let restored = namespace.until_ready(WEB).await;
    assert_eq!(workload::adjustable(&restored), workload::adjustable(&first));
    assert_eq!(session.describe().await["main"]["settings"]["cpu"]["value"], 0.05);
    session.stop().await;
}

#[tokio::test]
async fn a_start_leaves_an_adjustment_alone_whose_last_write_a_killed_agent_had_done() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    let first = workload::deployment(&namespace, 1).await;
    let section = Section { on_failure: "rollback", ..Section::of(&namespace) };
    let session = Session::start(&section).await;
    session.begin_adjustment(&json!({"main": {"MODE": "better", "cpu": 0.1}}));
    namespace.until(WEB, "patched", workload::is_changed_since(&first)).await;
    namespace.until(RECORD, "gone", Value::is_null).await;
    let left = namespace.get(WEB).await;
    session.kill().await;

    let session = Session::start(&section).await;
    let settings = session.describe().await["main"]["settings"].clone();
    assert_eq!((&settings["cpu"]["value"], &settings["MODE"]["value"]), (&json!(0.1), &json!("better")));
    assert_eq!(namespace.get(WEB).await["metadata"]["generation"], left["metadata"]["generation"]);
    session.stop().await;
}

/// Kills an agent in the middle of a rollback, before it has written the old values or after, and starts another, which
/// is to reach the state of before.
async fn assert_reached_after_a_kill(is_there: impl AsyncFn(&Namespace, &Value)) {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    workload::deployment(&namespace, 1).await;
    // So that a rollback takes a while: no old pod is left.
    let recreate = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
    namespace.patch(WEB, &recreate).await;
    let first = namespace.until_ready(WEB).await;
    let section = Section { on_failure: "rollback", timeout: "4s", ..Section::of(&namespace) };
    let session = Session::start(&section).await;
    session.begin_adjustment(&json!({"main": {"MODE": "exit", "cpu": 0.1}}));
    is_there(&namespace, &first).await;
    assert!(!session.is_answered("ADJUSTMENT"), "it was too late");
    session.kill().await;

    let session = Session::start(&Section { timeout: "30s", ..section }).await;
    namespace.until(RECORD, "gone", Value::is_null).await;
    let restored = namespace.until_ready(WEB).await;
    assert_eq!(workload::adjustable(&restored), workload::adjustable(&first));
    assert_eq!(session.describe().await["main"]["settings"]["cpu"]["value"], 0.05);
    assert_eq!(workload::pods(&namespace).await.len(), 1);
    session.stop().await;
}

#[tokio::test]
async fn a_start_does_the_rollback_that_a_killed_agent_had_not_begun() {
    assert_reached_after_a_kill(async |namespace, first| {
        namespace.until(WEB, "patched", workload::is_changed_since(first)).await;
        // It has failed, and the agent is about to find out.
        let has_failed = |pods: &Value| {
            let mut statuses =
                pods["items"].as_array().unwrap().iter().map(|pod| &pod["status"]["containerStatuses"][0]);
            statuses.any(|status| status["restartCount"].as_u64() > Some(0))
        };
        let object = namespace.until("pods?labelSelector=app%3Dweb", "restarted", has_failed).await;
        assert_eq!(object["kind"], "PodList");
        assert!(!namespace.get(RECORD).await.is_null());
    })
    .await;
}

#[tokio::test]
async fn a_start_finds_nothing_to_do_after_the_last_write_of_a_rollback() {
    assert_reached_after_a_kill(async |namespace, first| {
        namespace.until(WEB, "patched", workload::is_changed_since(first)).await;
        let is_restored = |object: &Value| workload::adjustable(object) == workload::adjustable(first);
        namespace.until(WEB, "given its old values", is_restored).await;
    })
    .await;
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
    namespace.until(WEB, "patched", workload::is_changed_since(&first)).await;
    Cluster::stop("apiserver").await;
    // There is nothing to wait for: an outage is as long as it is.
    tokio::time::sleep(OUTAGE).await;
    Cluster::start("apiserver").await;
    let answer = session.completion("ADJUSTMENT", 0).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let left = namespace.until_ready(WEB).await;
    assert_eq!(workload::resources(&left)["limits"]["cpu"], "100m");
    session.stop().await;
}
