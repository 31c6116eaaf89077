//! Waiting for a rollout, whatever becomes of connections and watches meanwhile.

use std::time::Duration;

use serde_json::json;

use super::{SOON, attached, expect_failure, held, memory, none, web, web_section, writes};
use crate::support::kube_api::cluster::{Cluster, Fate, deployment, roll_out};
use crate::support::kube_api::{Effect, Fault, KubeApi, Refusal};

#[tokio::test]
async fn a_watch_that_the_server_closes_is_not_readiness() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        api.close_watches();
        api.wait_for("WATCH deployments", 2).await;
        api.change(|objects| roll_out(objects, &web(), &Fate::Ready));
    };
    let adjustments = memory("web/main.mem");
    let control = none();
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    assert_eq!(adjusted.unwrap()["application"]["components"]["web/main"]["settings"]["mem"]["value"], 0.25);
    assert_eq!(api.most_watches(), 1, "one watch of a workload at a time");
}

#[tokio::test]
async fn a_watch_that_expires_begins_again_from_a_fresh_list() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        // What happens now is in no history.
        api.change(|objects| roll_out(objects, &web(), &Fate::Ready));
        api.expire_watches();
    };
    let adjustments = memory("web/main.mem");
    let control = none();
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    adjusted.unwrap();
}

#[tokio::test]
async fn a_watch_that_is_refused_as_too_old_begins_again_from_a_fresh_list() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let expired = Refusal::new(410, "too old resource version");
    api.fault(Fault::on("WATCH deployments", Effect::WatchError(expired.clone())).times(1));
    api.fault(Fault::on("WATCH deployments", Effect::Refuse(expired)).times(1));
    servo.adjust(&memory("web/main.mem"), &none()).await.unwrap();
    assert_eq!(writes(&api), ["PATCH deployments/web"]);
}

#[tokio::test]
async fn an_api_that_is_away_in_the_middle_of_a_rollout_delays_its_end() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        let away = api.be_away_for(Duration::from_millis(700));
        api.change(|objects| roll_out(objects, &web(), &Fate::Ready));
        away.await;
    };
    let adjustments = memory("web/main.mem");
    let control = none();
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    adjusted.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_dropped_under_a_read_is_tried_again() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    api.fault(Fault::on("GET deployments", Effect::Drop).times(1));
    api.fault(Fault::on("GET deployments", Effect::Refuse(Refusal::new(503, "not now"))).times(1));
    servo.adjust(&memory("web/main.mem"), &none()).await.unwrap();
}

#[tokio::test]
async fn a_rollout_that_is_ready_at_the_deadline_is_a_success() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&json!({"timeout": "1s"}))).await;
    // The watch never says anything.
    api.fault(Fault::on("WATCH deployments", Effect::Hang));
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        api.change(|objects| roll_out(objects, &web(), &Fate::Ready));
    };
    let adjustments = memory("web/main.mem");
    let control = none();
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    adjusted.unwrap();
}

#[tokio::test]
async fn a_conflict_of_the_patch_is_tried_again() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let conflict = Refusal::new(409, "the object has been modified");
    api.fault(Fault::on("PATCH deployments/web", Effect::Refuse(conflict)).times(2));
    servo.adjust(&memory("web/main.mem"), &none()).await.unwrap();
    assert_eq!(writes(&api), ["PATCH deployments/web"; 3]);
}

#[tokio::test]
async fn a_patch_that_is_forbidden_fails_at_once_and_names_the_request() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let forbidden = Refusal::new(403, "deployments.apps \"web\" is forbidden");
    api.fault(Fault::on("PATCH deployments/web", Effect::Refuse(forbidden)));
    let (adjustments, control) = (memory("web/main.mem"), none());
    let adjusted = tokio::time::timeout(SOON, servo.adjust(&adjustments, &control)).await.expect("an early end");
    let texts = ["patch deployments \"web\"", "\"default\"", "is forbidden"];
    expect_failure(&adjusted.unwrap_err(), ("failed", None), &texts);
    assert_eq!(writes(&api), ["PATCH deployments/web"]);
}

#[tokio::test]
async fn a_patch_holds_nothing_but_what_was_adjusted() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    servo.adjust(&memory("web/main.mem"), &none()).await.unwrap();
    let patch = api.calls().into_iter().find(|call| call.method == "PATCH").unwrap();
    assert_eq!(patch.content_type.as_deref(), Some("application/strategic-merge-patch+json"));
    assert_eq!(patch.authorization.as_deref(), Some("Bearer fake-token"));
    let container = json!({
        "name": "main", "resources": {"requests": {"memory": "256Mi"}, "limits": {"memory": "256Mi"}},
    });
    let mut body = patch.body;
    assert_eq!(body["spec"]["template"]["spec"]["containers"].take(), json!([container]));
    assert_eq!(body, json!({"spec": {"template": {"spec": {"containers": null}}}}));
}

#[tokio::test]
async fn nothing_is_asked_and_no_watch_is_open_between_commands() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    servo.adjust(&memory("web/main.mem"), &json!({"settlement": "200ms"})).await.unwrap();
    servo.describe().await.unwrap();
    api.stays_idle_for(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_others_took_back_meanwhile_is_told_with_who_did() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        api.change(|objects| {
            objects.update(&web(), |workload| {
                let container = &mut workload["spec"]["template"]["spec"]["containers"][0];
                container["resources"]["requests"]["memory"] = json!("128Mi");
                workload["metadata"]["managedFields"] = json!([{
                    "manager": "healer", "operation": "Apply", "time": "2023-06-15T00:10:00Z",
                    "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {
                        "f:resources": {"f:requests": {"f:memory": {}}},
                    }}}}}},
                }]);
            });
            roll_out(objects, &web(), &Fate::Ready);
        });
    };
    let adjustments = memory("web/main.mem");
    let control = none();
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    let texts = [
        "requests.memory of container \"main\": asked for 256Mi, found 128Mi",
        "changed by \"healer\" at 2023-06-15T00:10",
    ];
    expect_failure(&adjusted.unwrap_err(), ("failed", Some("overwritten")), &texts);
    let described = servo.describe().await.unwrap();
    assert_eq!(described["application"]["components"]["web/main"]["settings"]["mem"]["value"], 0.125);
}
