//! Adjustments that are cancelled, and values that are restored.

use std::time::Duration;

use serde_json::{Value, json};
use servox::internals::servo::Dispatch;
use tokio_util::sync::CancellationToken;

use super::{attached, container, expect_failure, held, memory, none, section, stanza, web, web_section, writes};
use crate::support::kube_api::cluster::{Cluster, Fate, deployment, roll_out};
use crate::support::kube_api::{Effect, Fault, Key, KubeApi, Refusal};

/// What the adjustment of `web` under way is recorded in.
fn lease(api: &KubeApi) -> Option<Value> {
    api.object(&Key::new("coordination.k8s.io", "leases", "default", "servo-deployment-web"))
}

/// The writes of an adjustment that is rolled back.
const ROLLED_BACK: [&str; 4] =
    ["POST leases", "PATCH deployments/web", "PATCH deployments/web", "DELETE leases/servo-deployment-web"];

/// The writes so far, but those by which the record of an adjustment is renewed.
fn writes_but_renewals(api: &KubeApi) -> Vec<String> {
    writes(api).into_iter().filter(|write| write != "PATCH leases/servo-deployment-web").collect()
}

fn rollback() -> Value {
    json!({"on_failure": "rollback"})
}

fn workload(api: &KubeApi) -> Value {
    api.object(&web()).unwrap()
}

fn limit(api: &KubeApi) -> Value {
    container(&workload(api))["resources"]["limits"]["memory"].clone()
}

/// Cancels an adjustment while it waits for the rollout.
async fn cancelled(api: &KubeApi, more: &Value) -> servox::internals::connector::EventError {
    let servo = attached(api, &web_section(more)).await;
    let cancellation = CancellationToken::new();
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        cancellation.cancel();
    };
    let adjustments = memory("web/main.mem");
    let (adjusted, ()) = tokio::join!(servo.adjust_until(&adjustments, &cancellation), script);
    adjusted.unwrap_err()
}

#[tokio::test]
async fn a_cancelled_adjustment_changes_nothing_more() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let error = cancelled(&api, &none()).await;
    expect_failure(&error, ("cancelled", None), &[]);
    assert_eq!(writes(&api), ["PATCH deployments/web"]);
    assert_eq!(limit(&api), "256Mi");
}

#[tokio::test]
async fn a_cancelled_adjustment_is_rolled_back_where_the_mode_says_so() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let error = cancelled(&api, &rollback()).await;
    expect_failure(&error, ("cancelled", None), &[]);
    assert_eq!(writes_but_renewals(&api), ROLLED_BACK);
    assert_eq!(limit(&api), "128Mi");
    assert_eq!(lease(&api), None);
}

#[tokio::test]
async fn a_write_that_is_under_way_is_answered_before_it_is_rolled_back() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&rollback())).await;
    api.fault(Fault::on("PATCH deployments/web", Effect::Late(Duration::from_millis(200))).times(1));
    let cancellation = CancellationToken::new();
    let script = async {
        api.wait_for("PATCH deployments/web", 1).await;
        assert_eq!(limit(&api), "128Mi");
        cancellation.cancel();
    };
    let adjustments = memory("web/main.mem");
    let (adjusted, ()) = tokio::join!(servo.adjust_until(&adjustments, &cancellation), script);
    expect_failure(&adjusted.unwrap_err(), ("cancelled", None), &["rolled back"]);
    assert_eq!(writes_but_renewals(&api), ROLLED_BACK);
    assert_eq!(limit(&api), "128Mi");
    assert_eq!(lease(&api), None);
}

#[tokio::test]
async fn old_values_that_cannot_be_taken_off_are_restored_on_all_workloads() {
    let objects = [deployment("web", 1), deployment("api", 1)].concat();
    let api = KubeApi::start(objects, Cluster::healthy()).await;
    let section = section(&[stanza("web", &none()), stanza("api", &none())], &rollback());
    let servo = attached(&api, &section).await;
    let refusal = Refusal::new(403, "no more");
    api.fault(Fault::on("DELETE leases/servo-deployment-web", Effect::Refuse(refusal)).times(1));
    let adjustments = [memory("web/main.mem"), memory("api/main.mem")].concat();
    let error = servo.adjust(&adjustments, &none()).await.unwrap_err();
    expect_failure(&error, ("failed", None), &["no more", "rolled back"]);
    for name in ["web", "api"] {
        let workload = api.object(&Key::deployment("default", name)).unwrap();
        assert_eq!(container(&workload)["resources"]["limits"]["memory"], "128Mi", "{name}");
    }
}

/// Cuts an adjustment off while it waits for its rollout, as the end of its process does.
async fn cut_off(api: &KubeApi) {
    let servo = attached(api, &web_section(&rollback())).await;
    let adjustments = [("web/main.mem", json!("256Mi")), ("web/main.replicas", json!(3))];
    let control = none();
    tokio::select! {
        _ = servo.adjust(&adjustments, &control) => panic!("nothing rolls it out"),
        () = api.wait_for("WATCH deployments", 1) => {}
    }
    assert!(lease(api).is_some());
}

#[tokio::test]
async fn what_a_crash_left_is_undone_before_the_next_adjustment_in_every_mode() {
    for mode in ["rollback", "exception"] {
        let api = KubeApi::start(deployment("web", 1), held).await;
        cut_off(&api).await;
        let servo = attached(&api, &web_section(&json!({"on_failure": mode}))).await;
        let script = async {
            api.wait_for("WATCH deployments", 1).await;
            api.change(|objects| roll_out(objects, &web(), &Fate::Ready));
        };
        let (adjustments, control) = ([("web/main.cpu", json!("250m"))], none());
        let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
        adjusted.unwrap();
        let amounts = json!({"cpu": "250m", "memory": "128Mi"});
        assert_eq!(container(&workload(&api))["resources"], json!({"requests": amounts, "limits": amounts}), "{mode}");
        assert_eq!(workload(&api)["spec"]["replicas"], 1, "{mode}");
        assert_eq!(lease(&api), None, "{mode}");
    }
}

#[tokio::test]
async fn what_somebody_chose_after_a_crash_is_not_undone() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    cut_off(&api).await;
    api.change(|objects| objects.update(&web(), |workload| workload["spec"]["replicas"] = json!(5)));
    let servo = attached(&api, &web_section(&rollback())).await;
    servo.servo().startup(&Dispatch::default()).await.unwrap();
    assert_eq!((limit(&api), &workload(&api)["spec"]["replicas"]), (json!("128Mi"), &json!(5)));
    assert_eq!(lease(&api), None);
}

#[tokio::test]
async fn an_adjustment_of_another_process_is_neither_undone_nor_joined() {
    let record = json!({
        "attempt": "1", "workload": "uid-default-web", "fields": [{"field": "replicas", "before": 3, "written": 1}],
        "holder": {"host": "elsewhere", "place": "another machine", "pid": 17, "started": "1"},
    });
    let held_elsewhere = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": "servo-deployment-web", "namespace": "default",
            "annotations": {"servo.opsani.com/undo": record.to_string()},
        },
        "spec": {"renewTime": "2023-06-15T00:00:00.000000Z"},
    });
    let api =
        KubeApi::start(deployment("web", 1).into_iter().chain([held_elsewhere.clone()]), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&rollback())).await;
    let renewed = async {
        for second in 1.. {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let time = json!(format!("2023-06-15T00:00:{second:02}.000000Z"));
            api.change(|objects| objects.update(&Key::of(&held_elsewhere), |lease| lease["spec"]["renewTime"] = time));
        }
    };
    let (adjustments, control) = (memory("web/main.mem"), none());
    let work = async {
        servo.servo().startup(&Dispatch::default()).await.unwrap();
        assert_eq!(workload(&api)["spec"]["replicas"], 1);
        servo.adjust(&adjustments, &control).await.unwrap_err()
    };
    let error = tokio::select! {
        error = work => error,
        () = renewed => unreachable!("it is renewed for ever"),
    };
    expect_failure(&error, ("failed", Some("not-applied")), &["the process 17 on elsewhere", "servo-deployment-web"]);
    assert_eq!(limit(&api), "128Mi");
    assert!(lease(&api).is_some());
}

#[tokio::test]
async fn what_would_not_be_rolled_out_is_refused_before_anything_is_written() {
    let mut objects = deployment("web", 1);
    for object in objects.iter_mut().filter(|object| object["kind"] == "Deployment") {
        object["spec"]["paused"] = json!(true);
    }
    let api = KubeApi::start(objects, Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&rollback())).await;
    let error = servo.adjust(&memory("web/main.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("failed", Some("not-applied")), &["is paused", "rollout resume deployment web"]);
    assert!(writes(&api).is_empty());
}

#[tokio::test]
async fn a_rollback_restores_what_was_changed_and_nothing_else() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&json!({"on_failure": "rollback", "timeout": "1s"}))).await;
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        assert!(lease(&api).is_some());
        api.change(|objects| {
            roll_out(objects, &web(), &Fate::Unready);
            // Somebody else works on it as well.
            objects.update(&web(), |workload| {
                let container = &mut workload["spec"]["template"]["spec"]["containers"][0];
                container["image"] = json!("example/web:2.0");
                container["resources"]["limits"]["cpu"] = json!("500m");
                container["env"] = json!([{"name": "MODE", "value": "b"}]);
                workload["metadata"]["annotations"]["theirs"] = json!("kept");
            });
        });
        api.wait_for("PATCH deployments/web", 2).await;
        api.change(|objects| roll_out(objects, &web(), &Fate::Ready));
    };
    let adjustments = [("web/main.mem", json!("256Mi")), ("web/main.replicas", json!(3))];
    let control = none();
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    let told = ["web", "while it was being adjusted", "rolled back"];
    expect_failure(&adjusted.unwrap_err(), ("aborted", Some("overwritten")), &told);
    let after = workload(&api);
    assert_eq!(after["spec"]["replicas"], 1);
    assert_eq!(
        container(&after)["resources"],
        json!({"requests": {"cpu": "125m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}})
    );
    assert_eq!(container(&after)["image"], "example/web:2.0");
    assert_eq!(container(&after)["env"], json!([{"name": "MODE", "value": "b"}]));
    assert_eq!(after["metadata"]["annotations"]["theirs"], "kept");
    assert_eq!(lease(&api), None);
}

#[tokio::test]
async fn a_success_removes_the_old_values_from_the_workload() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&rollback())).await;
    servo.adjust(&memory("web/main.mem"), &none()).await.unwrap();
    assert_eq!(limit(&api), "256Mi");
    assert_eq!(lease(&api), None);
}

#[tokio::test]
async fn a_start_restores_what_a_crash_left() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&rollback())).await;
    {
        let (adjustments, control) = (memory("web/main.mem"), none());
        tokio::select! {
            _ = servo.adjust(&adjustments, &control) => panic!("nothing rolls it out"),
            () = api.wait_for("WATCH deployments", 1) => {}
        }
    }
    drop(servo);
    assert_eq!(limit(&api), "256Mi");

    let servo = attached(&api, &web_section(&rollback())).await;
    servo.servo().startup(&Dispatch::default()).await.unwrap();
    assert_eq!(limit(&api), "128Mi");
    assert_eq!(lease(&api), None);
}
