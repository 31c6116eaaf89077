//! Rollouts that fail: what the optimizer is told, and what becomes of the workloads.

use serde_json::{Value, json};

use super::{SOON, attached, expect_failure, held, memory, none, section, stanza, web, web_section, writes};
use crate::support::kube_api::cluster::{Cluster, Fate, befall, deployment, newest_pods, roll_out, stateful_set};
use crate::support::kube_api::{Effect, Fault, Key, KubeApi, LogKey, Refusal};

/// Adjusts `web`, whose new pods have this fate, and returns the failure.
async fn failure_of(fate: Fate, more: &Value) -> (servox::internals::connector::EventError, KubeApi) {
    let api = KubeApi::start(deployment("web", 1), Cluster::where_pods(move |_| fate.clone())).await;
    let mut options = json!({"timeout": "1s"});
    for (key, value) in more.as_object().into_iter().flatten() {
        options[key] = value.clone();
    }
    let servo = attached(&api, &web_section(&options)).await;
    let error = servo.adjust(&memory("web/main.mem"), &none()).await.unwrap_err();
    (error, api)
}

#[tokio::test]
async fn a_failure_is_told_by_its_cause() {
    let unschedulable = "0/3 nodes are available: 3 Insufficient memory.";
    for (fate, expected, texts) in [
        (Fate::Unready, ("rejected", Some("start-failed")), ["web", "ContainersNotReady"]),
        (Fate::Crashing(2), ("rejected", Some("unstable")), ["web", "main"]),
        (Fate::Unschedulable(unschedulable), ("rejected", Some("unschedulable")), ["web/main.mem", unschedulable]),
        (Fate::NoImage, ("failed", Some("image-pull-failed")), ["web", "web-rev2-0"]),
    ] {
        let (error, _api) = failure_of(fate, &none()).await;
        expect_failure(&error, expected, &texts);
    }
}

#[tokio::test]
async fn a_failed_workload_is_left_as_it_failed() {
    let (_, api) = failure_of(Fate::Unready, &none()).await;
    assert_eq!(writes(&api), ["PATCH deployments/web"]);
}

#[tokio::test]
async fn pods_of_a_stateful_set_are_classified_as_those_of_a_deployment() {
    let api = KubeApi::start(stateful_set("db", 2), Cluster::where_pods(|_| Fate::Crashing(1))).await;
    let section = json!({"timeout": "1s", "stateful_sets": [stanza("db", &none())]});
    let servo = attached(&api, &section).await;
    let error = servo.adjust(&[("db/main.mem", json!("256Mi"))], &none()).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("unstable")), &["db"]);
}

#[tokio::test]
async fn a_quota_that_forbids_pods_is_told_before_the_deadline() {
    let quota = "exceeded quota: compute, requested: limits.memory=256Mi";
    let api = KubeApi::start(deployment("web", 1), Cluster::without_pods(quota)).await;
    let servo = attached(&api, &web_section(&none())).await;
    let (adjustments, control) = (memory("web/main.mem"), none());
    let adjusted = tokio::time::timeout(SOON, servo.adjust(&adjustments, &control)).await.expect("an early end");
    expect_failure(&adjusted.unwrap_err(), ("rejected", Some("start-failed")), &["web", quota, "FailedCreate"]);
}

#[tokio::test]
async fn an_exceeded_progress_deadline_is_told_although_old_pods_are_available() {
    let api = KubeApi::start(deployment("web", 1), held).await;
    let servo = attached(&api, &web_section(&none())).await;
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        api.change(|objects| {
            roll_out(objects, &web(), &Fate::Unready);
            objects.update(&web(), |workload| {
                workload["status"]["conditions"] = json!([
                    {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "fine"},
                    {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                     "message": "ReplicaSet \"web-rev2\" has timed out progressing."},
                ]);
            });
        });
    };
    let (adjustments, control) = (memory("web/main.mem"), none());
    let adjusting = tokio::time::timeout(SOON, servo.adjust(&adjustments, &control));
    let (adjusted, ()) = tokio::join!(adjusting, script);
    let texts = ["web", "ProgressDeadlineExceeded", "has timed out progressing"];
    expect_failure(&adjusted.expect("an early end").unwrap_err(), ("rejected", Some("start-failed")), &texts);
}

fn replicas(api: &KubeApi, name: &str) -> Value {
    api.object(&Key::deployment("default", name)).unwrap()["spec"]["replicas"].clone()
}

/// Two Deployments, `web` before `api`; the pods of one of them fail.
async fn two(failing: &'static str, modes: [&str; 2]) -> (servox::internals::connector::EventError, KubeApi) {
    let objects = [deployment("web", 1), deployment("api", 1)].concat();
    let fate = move |pod: &Value| {
        let fails = pod["metadata"]["labels"]["app.kubernetes.io/name"] == failing;
        if fails { Fate::Unready } else { Fate::Ready }
    };
    let api = KubeApi::start(objects, Cluster::where_pods(fate)).await;
    let [web, other] = modes.map(|mode| json!({"on_failure": mode}));
    let section = section(&[stanza("web", &web), stanza("api", &other)], &json!({"timeout": "1s"}));
    let servo = attached(&api, &section).await;
    let adjustments = [memory("web/main.mem"), memory("api/main.mem")].concat();
    let error = servo.adjust(&adjustments, &none()).await.unwrap_err();
    (error, api)
}

#[tokio::test]
async fn of_several_workloads_the_failing_one_is_treated_as_its_own_mode_says() {
    let (error, api) = two("api", ["shutdown", "exception"]).await;
    expect_failure(&error, ("rejected", Some("start-failed")), &["api"]);
    assert_eq!((replicas(&api, "web"), replicas(&api, "api")), (json!(1), json!(1)));

    let (error, api) = two("api", ["ignore", "shutdown"]).await;
    expect_failure(&error, ("rejected", Some("start-failed")), &["api"]);
    assert_eq!((replicas(&api, "web"), replicas(&api, "api")), (json!(1), json!(0)));
}

#[tokio::test]
async fn shutdown_scales_to_nothing_also_after_a_conflict() {
    let api = KubeApi::start(deployment("web", 2), Cluster::where_pods(|_| Fate::Unready)).await;
    let servo = attached(&api, &web_section(&json!({"timeout": "1s", "on_failure": "shutdown"}))).await;
    let conflict = Refusal::new(409, "the object has been modified");
    api.fault(Fault::on("PATCH deployments/web", Effect::Refuse(conflict)).after(1).times(1));
    let error = servo.adjust(&memory("web/main.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("start-failed")), &["web"]);
    assert_eq!(replicas(&api, "web"), 0);
}

#[tokio::test]
async fn restarts_from_before_an_adjustment_do_not_count() {
    let mut objects = deployment("web", 1);
    for pod in objects.iter_mut().filter(|object| object["kind"] == "Pod") {
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(3);
    }
    let api = KubeApi::start(objects, Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let adjusted = servo.adjust(&[("web/main.replicas", json!(2))], &json!({"settlement": "200ms"})).await.unwrap();
    assert_eq!(adjusted["application"]["components"]["web/main"]["settings"]["replicas"]["value"], 2);
}

#[tokio::test]
async fn a_restart_after_a_change_of_replicas_counts() {
    let mut objects = deployment("web", 1);
    for pod in objects.iter_mut().filter(|object| object["kind"] == "Pod") {
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(3);
    }
    let api = KubeApi::start(objects, held).await;
    let servo = attached(&api, &web_section(&json!({"timeout": "2s"}))).await;
    let script = async {
        api.wait_for("WATCH deployments", 1).await;
        api.change(|objects| {
            for pod in newest_pods(objects, &web()) {
                objects.update(&pod, |pod| befall(pod, &Fate::Crashing(4)));
            }
            crate::support::kube_api::cluster::refresh(objects, &web());
        });
    };
    let (adjustments, control) = ([("web/main.replicas", json!(2))], none());
    let (adjusted, ()) = tokio::join!(servo.adjust(&adjustments, &control), script);
    expect_failure(&adjusted.unwrap_err(), ("rejected", Some("unstable")), &["web", "main"]);
}

#[tokio::test]
async fn logs_are_told_up_to_a_bound() {
    let api = KubeApi::start(deployment("web", 1), Cluster::where_pods(|_| Fate::Crashing(1))).await;
    let servo = attached(&api, &web_section(&json!({"timeout": "1s", "container_logs_in_error_status": true}))).await;
    for previous in [true, false] {
        let key = LogKey { pod: "web-rev2-0".to_owned(), container: "main".to_owned(), previous };
        api.log(key, &"out of memory\n".repeat(200_000));
    }
    let error = servo.adjust(&memory("web/main.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("unstable")), &["web", "out of memory"]);
    let length = error.chain().len();
    assert!(length < 200_000, "{length}");
    let calls = api.calls();
    let mut reads = calls.iter().filter(|call| call.path.ends_with("/log"));
    assert!(reads.all(|call| call.query.contains_key("limitBytes")));
}

#[tokio::test]
async fn logs_that_may_not_be_read_do_not_hide_the_failure() {
    let api = KubeApi::start(deployment("web", 1), Cluster::where_pods(|_| Fate::Crashing(1))).await;
    let servo = attached(&api, &web_section(&json!({"timeout": "1s", "container_logs_in_error_status": true}))).await;
    api.fault(Fault::on("GET pods/web-rev2-0/log", Effect::Refuse(Refusal::new(403, "pods/log is forbidden"))));
    let error = servo.adjust(&memory("web/main.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("unstable")), &["web", "forbidden"]);
}
