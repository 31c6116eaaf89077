//! After an adjustment the workload and its pods have what was asked for, or it has failed by somebody else's doing.

use std::time::Duration;

use serde_json::{Value, json};

use super::{attached, expect_failure, memory, none, section, stanza, web, web_section};
use crate::support::kube_api::cluster::{Cluster, deployment};
use crate::support::kube_api::{Controller, KubeApi, Objects, Stage, Verb, Write};

/// A webhook that gives every new pod a memory limit of 64Mi, which the template does not show.
fn capping() -> impl Controller + 'static {
    let mut cluster = Cluster::healthy();
    let cap = |objects: &mut Objects| {
        let keys: Vec<_> = objects.all("", "pods", "default").map(|(key, _)| key.clone()).collect();
        for key in keys {
            objects.update(&key, |pod| pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("64Mi"));
        }
    };
    move |write: &Write, objects: &Objects| {
        let mut stages = cluster.react(write, objects);
        if write.verb != Verb::Delete && !stages.is_empty() {
            let place = stages.len() - 1;
            stages.insert(place, Stage::after(Duration::ZERO, cap));
        }
        stages
    }
}

fn memory_of(description: &Value, component: &str) -> Value {
    description["application"]["components"][component]["settings"]["mem"]["value"].clone()
}

#[tokio::test]
async fn a_webhook_that_changes_pods_alone_is_seen() {
    let api = KubeApi::start(deployment("web", 1), capping()).await;
    let keys = json!({"containers": [{
        "name": "main", "cpu": {"min": "125m", "max": "4", "step": "125m"},
        "memory": {"min": "64MiB", "max": "4GiB", "step": "64MiB", "get": ["limit"]},
    }]});
    let servo = attached(&api, &section(&[stanza("web", &keys)], &none())).await;
    let error = servo.adjust(&memory("web/main.mem"), &none()).await.unwrap_err();
    let texts = ["limits.memory of container \"main\": asked for 256Mi, found 64Mi in pod \"web-", "webhook"];
    expect_failure(&error, ("failed", Some("not-applied")), &texts);
    // The template has what was asked for.
    let template = super::container(&api.object(&web()).unwrap());
    assert_eq!(template["resources"]["limits"]["memory"], "256Mi");
    assert_eq!(memory_of(&servo.describe().await.unwrap(), "web/main"), 0.0625);
    // Asked again, nothing has to be written, and it is still not so.
    let error = servo.adjust(&memory("web/main.mem"), &none()).await.unwrap_err();
    expect_failure(&error, ("failed", Some("not-applied")), &texts);
}

#[tokio::test]
async fn a_webhook_that_changes_tuning_pods_is_seen() {
    let api = KubeApi::start(deployment("web", 1), capping()).await;
    let servo = attached(&api, &section(&[stanza("web", &json!({"strategy": "canary"}))], &none())).await;
    let error = servo.adjust(&memory("web/main-tuning.mem"), &none()).await.unwrap_err();
    let texts = ["asked for 256Mi, found 64Mi in pod \"web-tuning\""];
    expect_failure(&error, ("failed", Some("not-applied")), &texts);
}

#[tokio::test]
async fn what_an_earlier_adjustment_gave_is_verified_before_a_measurement() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    servo.adjust(&memory("web/main.mem"), &none()).await.unwrap();
    servo.adjust(&[("web/main.cpu", json!("250m"))], &none()).await.unwrap();
    servo.before_measure().await.unwrap();
    api.change(|objects| {
        objects.update(&web(), |workload| {
            let container = &mut workload["spec"]["template"]["spec"]["containers"][0];
            container["resources"]["limits"]["memory"] = json!("512Mi");
        });
        crate::support::kube_api::cluster::roll_out(objects, &web(), &crate::support::kube_api::cluster::Fate::Ready);
    });
    let error = servo.before_measure().await.unwrap_err();
    expect_failure(&error, ("failed", Some("overwritten")), &["asked for 256Mi, found 512Mi in its pod template"]);
}
