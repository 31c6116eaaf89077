//! `servo inject-sidecar` and `servo eject-sidecar` on a scripted API server.

use serde_json::{Value, json};

use crate::support::kube_api::cluster::{Cluster, deployment};
use crate::support::kube_api::{Effect, Fault, Key, KubeApi, Refusal};
use crate::support::servo_bin::{Finished, ServoBin, succeeded, was_wrong};

fn service(ports: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"ports": ports},
    })
}

/// A Deployment whose container listens on `http`, 8480, behind a Service with these ports.
async fn shop(ports: &Value) -> (KubeApi, ServoBin) {
    let api = KubeApi::start(deployment("web", 1).into_iter().chain([service(ports)]), Cluster::healthy()).await;
    let servo = ServoBin::new().env("KUBECONFIG", &api.kubeconfig().display().to_string());
    (api, servo)
}

fn containers(api: &KubeApi) -> Vec<Value> {
    let web = api.object(&Key::deployment("default", "web")).unwrap();
    web["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone()
}

#[track_caller]
fn failed(finished: &Finished) -> &str {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    &finished.stderr
}

const INJECT: &str = "inject-sidecar deploy/web --image opsani/envoy-proxy:v1.24.0 --service shop";

#[tokio::test]
async fn a_sidecar_is_injected_before_the_port_behind_a_service_and_ejected_again() {
    let (api, servo) = shop(&json!([{"port": 80, "targetPort": "http"}])).await;
    let untouched = containers(&api);

    let finished = servo.run(INJECT).await;
    assert_eq!(succeeded(&finished), "Envoy sidecar injected to Deployment web in default\n");
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let sidecar = json!({
        "name": "opsani-envoy",
        "image": "opsani/envoy-proxy:v1.24.0",
        "imagePullPolicy": "IfNotPresent",
        "resources": {
            "requests": {"cpu": "125m", "memory": "128Mi"},
            "limits": {"cpu": "250m", "memory": "256Mi"},
        },
        "env": [
            variable("OPSANI_ENVOY_PROXY_SERVICE_PORT", "9980"),
            variable("OPSANI_ENVOY_PROXIED_CONTAINER_PORT", "8480"),
            variable("OPSANI_ENVOY_PROXY_METRICS_PORT", "9901"),
        ],
        "ports": [
            {"name": "opsani-proxy", "containerPort": 9980},
            {"name": "opsani-metrics", "containerPort": 9901},
        ],
    });
    assert_eq!(containers(&api), [untouched[0].clone(), sidecar]);

    let again = servo.run(INJECT).await;
    assert!(failed(&again).contains("Port conflict: Deployment 'web' already exposes port 9980"), "{again:?}");

    let finished = servo.run("eject-sidecar deployment/web").await;
    assert_eq!(succeeded(&finished), "Envoy sidecar ejected from Deployment web in default\n");
    assert_eq!(containers(&api), untouched);
    let again = servo.run("eject-sidecar deployment/web").await;
    assert!(failed(&again).contains("No Envoy sidecar found in Deployment web in default"), "{again:?}");
}

#[tokio::test]
async fn programs_are_told_what_was_done() {
    let (_api, servo) = shop(&json!([])).await;
    let finished = servo.run("inject-sidecar deploy/web -i envoy -p http --output json").await;
    let told: Value = serde_json::from_str(succeeded(&finished)).unwrap();
    let expected = json!({
        "namespace": "default", "deployment": "web", "container": "opsani-envoy", "image": "envoy",
        "proxied_port": 8480,
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_service_that_sends_to_the_sidecar_is_no_target() {
    let (api, servo) = shop(&json!([{"port": 80, "targetPort": 9980}])).await;
    let finished = servo.run(INJECT).await;
    assert!(failed(&finished).contains("name the port of the application's container with --port"), "{finished:?}");
    assert_eq!(containers(&api).len(), 1);
}

#[tokio::test]
async fn a_change_by_others_meanwhile_is_no_failure_until_the_third() {
    let conflict = || Effect::Refuse(Refusal::new(409, "the object has been modified"));
    for (command, request) in [(INJECT, "PATCH deployments/web"), ("eject-sidecar deploy/web", "PUT deployments/web")] {
        for (times, code) in [(2, 0), (3, 1)] {
            let (api, servo) = shop(&json!([{"port": 80, "targetPort": 8480}])).await;
            if command != INJECT {
                succeeded(&servo.run(INJECT).await);
            }
            api.fault(Fault::on(request, conflict()).times(times));
            let finished = servo.run(command).await;
            assert_eq!(finished.code, Some(code), "{command} {times}: {finished:?}");
            assert_eq!(api.summaries(|call| call.summary() == request).len(), 3, "{command} {times}");
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let (_api, servo) = shop(&json!([])).await;
    for (arguments, said) in [
        ("inject-sidecar deploy/other -i x -p 80", "deployments \"other\" in namespace \"default\""),
        ("inject-sidecar deploy/web -i x -s other", "Unknown Service 'other'"),
        ("inject-sidecar deploy/web -i x -s shop", "Target Service 'shop' does not expose any ports"),
        ("inject-sidecar deploy/web -i x -p 81", "Port '81' could not be resolved to a destination container port"),
        ("eject-sidecar deploy/other", "deployments \"other\" in namespace \"default\""),
    ] {
        let finished = servo.run(arguments).await;
        assert!(failed(&finished).contains(said), "{arguments}: {finished:?}");
    }
    assert!(was_wrong(&servo.run("inject-sidecar deploy/web -i x -p 65536").await).contains("invalid port"));
    assert!(was_wrong(&servo.run("eject-sidecar deploy/web -n a/b").await).contains("invalid namespace 'a/b'"));
    let nowhere = ServoBin::new().run("eject-sidecar deploy/web").await;
    assert!(failed(&nowhere).contains("found no Kubernetes cluster"), "{nowhere:?}");
}
