//! The time after a rollout in which it must stay ready.

use serde_json::{Value, json};

use super::{attached, expect_failure, memory, none, section, stanza, web, web_section};
use crate::support::kube_api::cluster::{Cluster, Fate, befall, deployment, newest_pods, refresh};
use crate::support::kube_api::{Key, KubeApi};

/// Something happens to the pods of a workload.
fn strike(api: &KubeApi, key: &Key, fate: &Fate) {
    api.change(|objects| {
        for pod in newest_pods(objects, key) {
            objects.update(&pod, |pod| befall(pod, fate));
        }
        refresh(objects, key);
    });
}

#[tokio::test]
async fn what_becomes_unready_is_unstable() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH pods", 1).await;
        strike(&api, &web(), &Fate::Unready);
    };
    let (adjustments, control) = (memory("web/main.mem"), json!({"settlement": "2s"}));
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    expect_failure(&adjusted.unwrap_err(), ("rejected", Some("unstable")), &["web"]);
}

#[tokio::test]
async fn a_restart_is_unstable_although_the_pod_is_ready_again() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH pods", 1).await;
        api.change(|objects| {
            for pod in newest_pods(objects, &web()) {
                objects.update(&pod, |pod| pod["status"]["containerStatuses"][0]["restartCount"] = json!(1));
            }
        });
    };
    let (adjustments, control) = (memory("web/main.mem"), json!({"settlement": "2s"}));
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    expect_failure(&adjusted.unwrap_err(), ("rejected", Some("unstable")), &["web"]);
}

#[tokio::test]
async fn of_several_workloads_only_the_unready_one_is_told_and_treated() {
    let objects = [deployment("web", 1), deployment("api", 1)].concat();
    let api = KubeApi::start(objects, Cluster::healthy()).await;
    let shutdown = json!({"on_failure": "shutdown"});
    let section = section(&[stanza("web", &shutdown), stanza("api", &shutdown)], &none());
    let servo = attached(&api, &section).await;
    let other = Key::deployment("default", "api");
    let script = async {
        api.wait_for("WATCH pods", 2).await;
        strike(&api, &other, &Fate::Unready);
    };
    let adjustments = [memory("web/main.mem"), memory("api/main.mem")].concat();
    let control = json!({"settlement": "2s"});
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    let error = adjusted.unwrap_err();
    expect_failure(&error, ("rejected", Some("unstable")), &["api"]);
    assert!(!error.chain().contains("\"web\""), "{}", error.chain());
    let replicas = |key: &Key| -> Value { api.object(key).unwrap()["spec"]["replicas"].clone() };
    assert_eq!((replicas(&web()), replicas(&other)), (json!(1), json!(0)));
}

#[tokio::test]
async fn a_pod_that_is_unready_counts_before_its_workload_says_so() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH pods", 1).await;
        api.change(|objects| {
            for pod in newest_pods(objects, &web()) {
                objects.update(&pod, |pod| befall(pod, &Fate::Unready));
            }
        });
        // It is read again after the first look and the list of the watch, and recovers before the settlement ends.
        api.wait_for("GET pods", 3).await;
        strike(&api, &web(), &Fate::Ready);
    };
    let (adjustments, control) = (memory("web/main.mem"), json!({"settlement": "2s"}));
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    expect_failure(&adjusted.unwrap_err(), ("rejected", Some("unstable")), &["web", "ContainersNotReady"]);
}
