//! What can be adjusted, and what cannot.

use serde_json::{Value, json};

use super::{attached, container, expect_failure, none, section, stanza, web, web_section, writes};
use crate::support::kube_api::cluster::{Cluster, deployment};
use crate::support::kube_api::{Effect, Fault, KubeApi, Refusal};

async fn refused(adjustments: &[(&str, Value)], texts: &[&str]) {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let error = servo.adjust(adjustments, &none()).await.unwrap_err();
    expect_failure(&error, ("failed", None), texts);
    assert!(writes(&api).is_empty(), "{:?}", writes(&api));
}

#[tokio::test]
async fn an_unknown_setting_is_refused_before_anything_is_written() {
    refused(&[("web/main.mem", json!("256Mi")), ("web/main.disk", json!(1))], &["disk"]).await;
}

#[tokio::test]
async fn replicas_out_of_range_are_refused_before_anything_is_written() {
    refused(&[("web/main.replicas", json!(5))], &["replicas", "5"]).await;
}

#[tokio::test]
async fn a_workload_can_be_scaled_to_nothing() {
    let api = KubeApi::start(deployment("web", 2), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let adjusted = servo.adjust(&[("web/main.replicas", json!(0))], &none()).await.unwrap();
    assert_eq!(adjusted["application"]["components"]["web/main"]["settings"]["replicas"]["value"], 0);
    assert_eq!(api.object(&web()).unwrap()["spec"]["replicas"], 0);
}

#[tokio::test]
async fn replicas_out_of_range_that_others_set_are_described() {
    let api = KubeApi::start(deployment("web", 9), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let described = servo.describe().await.unwrap();
    assert_eq!(described["application"]["components"]["web/main"]["settings"]["replicas"]["value"], 9);
}

#[tokio::test]
async fn replicas_that_were_not_adjusted_are_left_to_whoever_scales() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    servo.adjust(&[("web/main.cpu", json!(0.5))], &none()).await.unwrap();
    let patch = api.calls().into_iter().find(|call| call.method == "PATCH").unwrap();
    assert_eq!(patch.body["spec"].get("replicas"), None);
}

#[tokio::test]
async fn a_workload_without_an_adjustment_is_not_written() {
    let objects = [deployment("web", 1), deployment("api", 1)].concat();
    let api = KubeApi::start(objects, Cluster::healthy()).await;
    let section = section(&[stanza("web", &none()), stanza("api", &none())], &none());
    let servo = attached(&api, &section).await;
    servo.adjust(&[("api/main.mem", json!("256Mi"))], &none()).await.unwrap();
    assert_eq!(writes(&api), ["PATCH deployments/api"]);
}

#[tokio::test]
async fn an_environment_variable_is_set_and_others_stay() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let mut workload = stanza("web", &none());
    workload["containers"][0]["env"] = json!([{"name": "THREADS", "type": "range", "min": 1, "max": 9, "step": 1}]);
    let servo = attached(&api, &section(&[workload], &none())).await;
    let adjusted = servo.adjust(&[("web/main.THREADS", json!(4))], &none()).await.unwrap();
    assert_eq!(adjusted["application"]["components"]["web/main"]["settings"]["THREADS"]["value"], 4.0);
    let env = container(&api.object(&web()).unwrap())["env"].clone();
    assert_eq!(env.as_array().unwrap().len(), 2, "{env}");
    assert!(env.as_array().unwrap().contains(&json!({"name": "THREADS", "value": "4"})), "{env}");
}

#[tokio::test]
async fn a_deployment_that_is_missing_is_told() {
    let api = KubeApi::start(Vec::new(), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    expect_failure(&servo.describe().await.unwrap_err(), ("failed", None), &["deployments \"web\"", "\"default\""]);
}

#[tokio::test]
async fn a_value_that_the_server_finds_invalid_is_told_in_its_words() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    let invalid = Refusal::new(422, "limits.memory: Invalid value: \"abc\"");
    api.fault(Fault::on("PATCH deployments/web", Effect::Refuse(invalid)));
    let error = servo.adjust(&[("web/main.cpu", json!(0.5))], &none()).await.unwrap_err();
    expect_failure(&error, ("failed", None), &["patch deployments \"web\"", "Invalid value: \"abc\""]);
    assert_eq!(writes(&api), ["PATCH deployments/web"]);
}
