//! Adjustments that the cluster refuses: the Deployment is gone, or the account may not change it. Nothing can be treated
//! then, whatever `on_failure` says, and that is told.

use serde_json::{Value, json};

use crate::causes::for_each_mode;
use crate::session::Session;
use crate::support::cluster::{Cluster, Namespace};
use crate::workload::{self, Section};

const WEB: &str = "deployments/web";

/// A failure without a reason, whose message has all of these texts.
#[track_caller]
fn assert_failed(answer: &Value, on_failure: &str, texts: &[&str]) {
    assert_eq!((&answer["status"], &answer["reason"]), (&json!("failed"), &Value::Null), "{on_failure}: {answer:#}");
    let message = answer["message"].as_str().unwrap();
    assert!(texts.iter().all(|text| message.contains(text)), "{on_failure}: {texts:?}: {answer:#}");
}

async fn delete(namespace: &Namespace) {
    namespace.delete(WEB).await;
    namespace.until(WEB, "gone", Value::is_null).await;
}

#[tokio::test]
async fn a_deployment_that_is_gone_is_told_in_every_mode() {
    let Some(cluster) = Cluster::shared() else { return };
    for_each_mode(&cluster, async |namespace, on_failure| {
        workload::deployment(namespace, 1).await;
        let session = Session::start(&Section { on_failure, ..Section::of(namespace) }).await;
        session.describe().await;
        delete(namespace).await;
        let answer = session.adjust(&json!({"main": {"cpu": 0.1}})).await;
        // Nothing has begun that could be ignored or rolled back.
        assert_failed(&answer, on_failure, &["deployments", "\"web\" not found"]);
        assert!(!answer["message"].as_str().unwrap().contains("roll"), "{answer:#}");
        session.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_deployment_that_goes_in_the_middle_of_its_rollout_is_told_at_once() {
    let Some(cluster) = Cluster::shared() else { return };
    for_each_mode(&cluster, async |namespace, on_failure| {
        let first = workload::deployment(namespace, 1).await;
        let session = Session::start(&Section { on_failure, timeout: "60s", ..Section::of(namespace) }).await;
        session.begin_adjustment(&json!({"main": {"MODE": "slow"}}));
        namespace.until(WEB, "patched", workload::is_changed_since(&first)).await;
        delete(namespace).await;
        let answer = session.completion("ADJUSTMENT", 0).await;
        match on_failure {
            // There is nothing to describe.
            "ignore" => assert_failed(&answer, on_failure, &["\"web\" not found"]),
            "rollback" => {
                let texts = ["does not exist", "; rolling back failed: ", "not found"];
                assert_failed(&answer, on_failure, &texts);
            }
            "shutdown" => assert_failed(&answer, on_failure, &["not found", "before that: ", "does not exist"]),
            _ => assert_failed(&answer, on_failure, &["does not exist"]),
        }
        assert_eq!(namespace.get(WEB).await, Value::Null);
        session.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_account_that_may_not_patch_is_told_so() {
    let Some(cluster) = Cluster::shared() else { return };
    for_each_mode(&cluster, async |namespace, on_failure| {
        let first = workload::deployment(namespace, 1).await;
        let account = namespace
            .account(json!([
                {
                    "apiGroups": ["", "apps"], "resources": ["deployments", "replicasets", "pods"],
                    "verbs": ["get", "list", "watch"],
                },
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
            ]))
            .await;
        let section = Section { kubeconfig: account.kubeconfig(), on_failure, ..Section::of(namespace) };
        let session = Session::start(&section).await;
        let answer = session.adjust(&json!({"main": {"cpu": 0.1}})).await;
        match on_failure {
            "ignore" => {
                assert_eq!(answer["status"], "ok", "{answer:#}");
                // What is described is what there is.
                let described = &answer["state"]["application"]["components"]["main"]["settings"];
                assert_eq!(described["cpu"]["value"], 0.05, "{answer:#}");
            }
            _ => assert_failed(&answer, on_failure, &["cannot patch resource", "deployments"]),
        }
        assert_eq!(namespace.get(WEB).await["spec"], first["spec"]);
        session.stop().await;
    })
    .await;
}
