//! Tuning pods: made, replaced, and never mistaken for somebody else's.

use serde_json::{Value, json};
use servox::internals::servo::Dispatch;

use super::{SOON, attached, expect_failure, held, memory, none, section, stanza, writes};
use crate::support::kube_api::cluster::{Cluster, Fate, deployment};
use crate::support::kube_api::{Controller, Effect, Fault, Key, KubeApi, Objects, Refusal, Stage, Verb, Write};

fn canary(more: &Value) -> Value {
    section(&[stanza("web", &json!({"strategy": "canary"}))], more)
}

fn tuning() -> Key {
    Key::pod("default", "web-tuning")
}

#[tokio::test]
async fn a_description_makes_the_missing_pod_once() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &canary(&none())).await;
    servo.describe().await.unwrap();
    servo.describe().await.unwrap();
    servo.before_measure().await.unwrap();
    assert_eq!(writes(&api), ["POST pods"]);
    let pod = api.object(&tuning()).unwrap();
    assert_eq!(pod["metadata"]["labels"]["opsani_role"], "tuning");
    assert_eq!(pod["metadata"]["annotations"]["opsani.com/opsani_tuning_for"], "web/main-tuning");
    assert_eq!(pod["spec"]["containers"][0]["image"], "example/web:1.0");
}

#[tokio::test]
async fn an_adjustment_replaces_the_pod_and_leaves_the_deployment_alone() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &canary(&none())).await;
    servo.describe().await.unwrap();
    let before = api.object(&tuning()).unwrap();
    servo.adjust(&memory("web/main-tuning.mem"), &none()).await.unwrap();
    assert_eq!(writes(&api), ["POST pods", "DELETE pods/web-tuning", "POST pods"]);
    let after = api.object(&tuning()).unwrap();
    assert_ne!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert_eq!(after["spec"]["containers"][0]["resources"]["limits"]["memory"], "256Mi");
}

#[tokio::test]
async fn somebody_elses_pod_of_that_name_is_an_error_and_untouched() {
    let mut objects = deployment("web", 1);
    objects.push(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-tuning", "namespace": "default", "labels": {}},
        "spec": {"containers": [{"name": "main"}]}, "status": {"phase": "Running"},
    }));
    let api = KubeApi::start(objects, Cluster::healthy()).await;
    let servo = attached(&api, &canary(&none())).await;
    let before = api.object(&tuning());
    expect_failure(&servo.describe().await.unwrap_err(), ("failed", None), &["web-tuning", "opsani_role"]);
    let error = servo.adjust(&memory("web/main-tuning.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("failed", None), &["web-tuning", "opsani_role"]);
    assert!(writes(&api).is_empty(), "{:?}", writes(&api));
    assert_eq!(api.object(&tuning()), before);
}

#[tokio::test]
async fn a_pod_that_was_made_for_a_measurement_and_is_not_ready_is_taken_away() {
    let api = KubeApi::start(deployment("web", 1), Cluster::where_pods(|_| Fate::Unready)).await;
    let servo = attached(&api, &canary(&json!({"timeout": "1s"}))).await;
    let error = servo.before_measure().await.unwrap_err();
    expect_failure(&error, ("rejected", Some("start-failed")), &["web", "ContainersNotReady", "taken away"]);
    assert_eq!(writes(&api), ["POST pods", "DELETE pods/web-tuning"]);
}

#[tokio::test]
async fn a_quota_that_forbids_the_pod_fails_with_its_words() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &canary(&none())).await;
    servo.describe().await.unwrap();
    api.fault(Fault::on("POST pods", Effect::Refuse(Refusal::new(403, "exceeded quota: compute"))));
    let error = servo.adjust(&memory("web/main-tuning.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("failed", None), &["create pods \"web-tuning\"", "exceeded quota: compute"]);
}

#[tokio::test]
async fn shutdown_puts_a_pod_of_the_template_in_place_of_the_failed_one() {
    let fate = |pod: &Value| {
        let is_big = pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "256Mi";
        if is_big { Fate::Unready } else { Fate::Ready }
    };
    let api = KubeApi::start(deployment("web", 1), Cluster::where_pods(fate)).await;
    let servo = attached(&api, &canary(&json!({"timeout": "1s", "on_failure": "shutdown"}))).await;
    let error = servo.adjust(&memory("web/main-tuning.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("start-failed")), &["web", "ContainersNotReady"]);
    let pod = api.object(&tuning()).unwrap();
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["memory"], "128Mi");
}

#[tokio::test]
async fn what_is_unknown_in_the_template_survives() {
    let mut objects = deployment("web", 1);
    for object in objects.iter_mut().filter(|object| object["kind"] == "Deployment") {
        object["spec"]["template"]["spec"]["hostUsers"] = json!(false);
        object["spec"]["template"]["spec"]["ofTheFuture"] = json!({"a": [1]});
    }
    let api = KubeApi::start(objects, Cluster::healthy()).await;
    let servo = attached(&api, &canary(&none())).await;
    servo.describe().await.unwrap();
    let spec = &api.object(&tuning()).unwrap()["spec"];
    assert_eq!((&spec["hostUsers"], &spec["ofTheFuture"]), (&json!(false), &json!({"a": [1]})));
}

#[tokio::test]
async fn a_run_begins_without_the_pod_of_an_earlier_one_and_ends_without_its_own() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let earlier = attached(&api, &canary(&none())).await;
    earlier.describe().await.unwrap();
    drop(earlier);

    let servo = attached(&api, &canary(&none())).await;
    servo.servo().startup(&Dispatch::default()).await.unwrap();
    assert_eq!(writes(&api), ["DELETE pods/web-tuning"]);
    servo.describe().await.unwrap();
    servo.servo().shutdown(&Dispatch::default()).await;
    assert_eq!(writes(&api), ["DELETE pods/web-tuning", "POST pods", "DELETE pods/web-tuning"]);
}

#[tokio::test]
async fn another_command_leaves_the_pod_when_it_ends() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &canary(&none())).await;
    servo.describe().await.unwrap();
    servo.servo().shutdown(&Dispatch::default()).await;
    assert_eq!(writes(&api), ["POST pods"]);
}

#[tokio::test]
async fn a_pod_that_is_deleted_while_it_is_awaited_is_a_failure_at_once() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &canary(&none())).await;
    let script = async {
        api.wait_for("WATCH pods", 1).await;
        api.change(|objects| objects.remove(&tuning()));
    };
    let (described, ()) = tokio::join!(tokio::time::timeout(SOON, servo.describe()), script);
    expect_failure(&described.expect("an early end").unwrap_err(), ("failed", None), &["web-tuning"]);
}

#[tokio::test]
async fn a_pod_that_vanishes_as_soon_as_it_is_deleted_is_not_awaited() {
    let mut cluster = Cluster::healthy();
    let at_once = move |write: &Write, objects: &Objects| {
        let key = write.key.clone();
        match write.verb {
            Verb::Delete => vec![Stage::after(std::time::Duration::ZERO, move |objects| objects.remove(&key))],
            _ => cluster.react(write, objects),
        }
    };
    let api = KubeApi::start(deployment("web", 1), at_once).await;
    let servo = attached(&api, &canary(&none())).await;
    servo.describe().await.unwrap();
    let (adjustments, control) = (memory("web/main-tuning.mem"), none());
    tokio::time::timeout(SOON, servo.adjust(&adjustments, &control)).await.expect("an early end").unwrap();
}

#[tokio::test]
async fn a_rollback_puts_a_pod_of_the_earlier_settings_in_place_of_the_failed_one() {
    let fate = |pod: &Value| {
        let is_big = pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1Gi";
        if is_big { Fate::Unready } else { Fate::Ready }
    };
    let api = KubeApi::start(deployment("web", 1), Cluster::where_pods(fate)).await;
    let servo = attached(&api, &canary(&json!({"timeout": "1s", "on_failure": "rollback"}))).await;
    servo.adjust(&memory("web/main-tuning.mem"), &none()).await.unwrap();
    let error = servo.adjust(&[("web/main-tuning.mem", json!("1Gi"))], &none()).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("start-failed")), &["web-tuning", "rolled back"]);
    let pod = api.object(&tuning()).unwrap();
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["memory"], "256Mi");
}

#[tokio::test]
async fn a_quota_that_changes_meanwhile_is_told_as_it_is() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &canary(&json!({"timeout": "0s"}))).await;
    let conflict = Refusal::new(409, "Operation cannot be fulfilled on resourcequotas \"compute\"");
    api.fault(Fault::on("POST pods", Effect::Refuse(conflict)));
    let error = servo.describe().await.unwrap_err();
    expect_failure(&error, ("failed", None), &["create pods \"web-tuning\"", "resourcequotas"]);
    assert_eq!(writes(&api), ["POST pods"]);
}

#[tokio::test]
async fn a_run_deletes_its_pod_although_the_server_refuses_at_first() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &canary(&none())).await;
    servo.servo().startup(&Dispatch::default()).await.unwrap();
    servo.describe().await.unwrap();
    let busy = Refusal::new(503, "the server is currently unable to handle the request");
    api.fault(Fault::on("DELETE pods/web-tuning", Effect::Refuse(busy)).times(1));
    servo.servo().shutdown(&Dispatch::default()).await;
    api.settle().await;
    assert_eq!(api.object(&tuning()), None);
}
