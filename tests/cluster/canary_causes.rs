//! What can go wrong with an adjustment of a tuning pod, each caused for real, and each treated in every way that
//! `on_failure` has.

use serde_json::{Value, json};

use crate::causes::{Cause, for_each_mode};
use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, Section, TUNING};

/// What there is before the adjustment that fails, without what the cluster adds.
struct Before {
    /// As it was made from the template.
    first: Value,
    /// As it was adjusted before.
    adjusted: Value,
}

/// A tuning pod that an adjustment made fail is left, ignored, made anew from the template, or restored; between an
/// adjustment that succeeds and this one, something happens.
async fn assert_treated(cause: &Cause, happen: impl AsyncFn(&Namespace)) {
    let Some(cluster) = Cluster::shared() else { return };
    for_each_mode(&cluster, async |namespace, on_failure| {
        workload::deployment(namespace, 1).await;
        let session = Session::start(&Section { is_canary: true, ..cause.section(namespace, on_failure) }).await;
        let before = adjusted_once(namespace, &session).await;
        happen(namespace).await;
        let answer = session.adjust(&json!({"tuning": cause.adjustment})).await;
        assert_told(cause, &answer, on_failure);
        // Without another wait: what was restored was healthy when the agent answered.
        let left = namespace.get(TUNING).await;
        match on_failure {
            "shutdown" => assert_eq!(workload::adjustable(&left), before.first),
            "rollback" => assert_eq!(workload::adjustable(&left), before.adjusted),
            _ => assert_ne!(workload::adjustable(&left), before.adjusted, "{on_failure}"),
        }
        if matches!(on_failure, "shutdown" | "rollback") && cause.is_cured_by_old_values {
            assert_eq!(left["status"]["containerStatuses"][0]["ready"], true, "{left:#}");
        }
        session.stop().await;
        namespace.until(TUNING, "gone", Value::is_null).await;
    })
    .await;
}

async fn adjusted_once(namespace: &Namespace, session: &Session) -> Before {
    session.describe().await;
    let first = workload::adjustable(&namespace.get(TUNING).await);
    let answer = session.adjust(&json!({"tuning": {"cpu": 0.1}})).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    Before { first, adjusted: workload::adjustable(&namespace.get(TUNING).await) }
}

/// A pod that is made anew and does not get ready either is a failure of its own, which tells of the first.
#[track_caller]
fn assert_told(cause: &Cause, answer: &Value, on_failure: &str) {
    if on_failure != "shutdown" || cause.is_cured_by_old_values {
        return cause.assert_told(answer, on_failure);
    }
    assert_eq!((&answer["status"], &answer["reason"]), (&json!("failed"), &Value::Null), "{answer:#}");
    let message = answer["message"].as_str().unwrap();
    let both = ["was made anew", "before that: Pod web-tuning: Container image pull failure"];
    assert!(both.iter().all(|text| message.contains(text)), "{answer:#}");
}

async fn nothing(_: &Namespace) {}

#[tokio::test]
async fn a_tuning_pod_beyond_the_node_is_unschedulable() {
    assert_treated(&Cause::rejected(json!({"cpu": 3}), "unschedulable"), nothing).await;
}

#[tokio::test]
async fn a_tuning_pod_that_exits_is_unstable() {
    assert_treated(&Cause::rejected(json!({"MODE": "exit"}), "unstable"), nothing).await;
}

#[tokio::test]
async fn a_tuning_pod_that_never_gets_ready_fails_to_start() {
    assert_treated(&Cause::rejected(json!({"MODE": "never"}), "start-failed"), nothing).await;
}

#[tokio::test]
async fn a_tuning_pod_that_ceases_to_be_ready_in_settlement_is_unstable() {
    let cause = Cause::rejected(json!({"MODE": "flaky"}), "unstable");
    assert_treated(&Cause { settlement: "6s", ..cause }, nothing).await;
}

#[tokio::test]
async fn a_tuning_pod_whose_image_cannot_be_pulled_is_told() {
    let its_image_is_gone = async |namespace: &Namespace| {
        let image = json!({"image": "localhost/absent:1"});
        workload::change_container(namespace, "deployments/web", &image).await;
    };
    assert_treated(&Cause::image_pull(json!({"MODE": "better"})), its_image_is_gone).await;
}
