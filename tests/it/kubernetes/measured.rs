//! What happens to pods while they are measured.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use servox::internals::connector::EventError;
use servox::internals::servo::Dispatch;

use super::{SOON, expect_failure, memory, none, section, stanza, web, web_section};
use crate::support::kube_api::cluster::{Cluster, Fate, befall, deployment, newest_pods, refresh, roll_out};
use crate::support::kube_api::{Key, KubeApi, Objects};
use crate::support::kubernetes_servo::KubernetesServo;

/// Measures until something has happened.
async fn measure_while(
    api: &KubeApi,
    section: &Value,
    adjustments: &[(&str, Value)],
    happens: impl FnOnce(&mut Objects),
) -> Result<(), EventError> {
    let folder = tempfile::tempdir().unwrap();
    let [begun, over] = ["begun", "over"].map(|name| folder.path().join(name));
    let script = format!(": > {}; while [ ! -e {} ]; do /bin/sleep 0.02; done", begun.display(), over.display());
    let scripts = json!({"scripts": {"on": {"measure": [script]}}});
    let servo = KubernetesServo::attach_beside(&scripts, &api.kubeconfig(), section, &[]).await.unwrap();
    servo.servo().startup(&Dispatch::default()).await.unwrap();
    if !adjustments.is_empty() {
        servo.adjust(adjustments, &none()).await.unwrap();
    }
    let script = async {
        exists(&begun).await;
        api.change(happens);
        std::fs::write(&over, "").unwrap();
    };
    let both = async { tokio::join!(servo.before_measure(), script) };
    let (measured, ()) = tokio::time::timeout(3 * SOON, both).await.expect("an end");
    measured
}

async fn exists(path: &Path) {
    let path = PathBuf::from(path);
    while !path.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn crash(objects: &mut Objects, pod: &Key) {
    objects.update(pod, |pod| {
        let status = &mut pod["status"]["containerStatuses"][0];
        status["restartCount"] = json!(1);
        status["lastState"] = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    });
}

#[tokio::test]
async fn a_quiet_measurement_is_one() {
    let api = KubeApi::start(deployment("web", 2), Cluster::healthy()).await;
    measure_while(&api, &web_section(&none()), &memory("web/main.mem"), |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_container_that_runs_out_of_memory_is_the_settings_fault() {
    let api = KubeApi::start(deployment("web", 2), Cluster::healthy()).await;
    let happens = |objects: &mut Objects| {
        for pod in newest_pods(objects, &web()) {
            crash(objects, &pod);
        }
    };
    let error = measure_while(&api, &web_section(&none()), &memory("web/main.mem"), happens).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("unstable")), &["container \"main\" of pod", "OOMKilled, exit code 137"]);
}

#[tokio::test]
async fn a_pod_that_is_deleted_is_the_surroundings_fault() {
    let api = KubeApi::start(deployment("web", 2), Cluster::healthy()).await;
    let happens = |objects: &mut Objects| {
        let pod = newest_pods(objects, &web()).remove(0);
        objects.remove(&pod);
        refresh(objects, &web());
    };
    let error = measure_while(&api, &web_section(&none()), &[], happens).await.unwrap_err();
    expect_failure(&error, ("failed", Some("not-measured")), &["was deleted"]);
}

#[tokio::test]
async fn another_template_in_the_middle_is_told_with_what_it_changed() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let happens = |objects: &mut Objects| {
        objects.update(&web(), |workload| {
            workload["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("1Gi");
        });
        roll_out(objects, &web(), &Fate::Ready);
    };
    let error = measure_while(&api, &web_section(&none()), &memory("web/main.mem"), happens).await.unwrap_err();
    expect_failure(&error, ("failed", Some("overwritten")), &["asked for 256Mi, found 1Gi"]);
}

#[tokio::test]
async fn a_tuning_pod_that_is_lost_or_crashes_is_no_measurement() {
    let canary = section(&[stanza("web", &json!({"strategy": "canary"}))], &none());
    let tuning = || Key::pod("default", "web-tuning");
    let adjustments = memory("web/main-tuning.mem");
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let error = measure_while(&api, &canary, &adjustments, |objects| objects.remove(&tuning())).await.unwrap_err();
    expect_failure(&error, ("failed", Some("overwritten")), &["web-tuning", "is gone"]);
    let evicted = |objects: &mut Objects| {
        objects.update(&tuning(), |pod| {
            for (key, value) in [("phase", "Failed"), ("reason", "Evicted"), ("message", "low on memory")] {
                pod["status"][key] = json!(value);
            }
        });
    };
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let error = measure_while(&api, &canary, &adjustments, evicted).await.unwrap_err();
    expect_failure(&error, ("failed", Some("not-measured")), &["web-tuning", "Evicted: low on memory"]);
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let error = measure_while(&api, &canary, &adjustments, |objects| crash(objects, &tuning())).await.unwrap_err();
    expect_failure(&error, ("rejected", Some("unstable")), &["web-tuning", "OOMKilled"]);
}

#[tokio::test]
async fn a_workload_that_is_unwell_before_a_measurement_is_found_before() {
    let api = KubeApi::start(deployment("web", 2), Cluster::healthy()).await;
    api.change(|objects| {
        let pod = newest_pods(objects, &web()).remove(0);
        objects.update(&pod, |pod| befall(pod, &Fate::Unready));
        refresh(objects, &web());
    });
    let section = web_section(&json!({"timeout": "500ms"}));
    let servo = KubernetesServo::attach(&api.kubeconfig(), &section, &[]).await.unwrap();
    let error = servo.before_measure().await.unwrap_err();
    expect_failure(&error, ("failed", Some("not-measured")), &["was not ready before the measurement", "unavailable"]);
}
