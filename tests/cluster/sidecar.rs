//! `servo inject-sidecar` and `servo eject-sidecar` on real Deployments. The template is what counts: the sidecar's image
//! is one that need not run.

use serde_json::{Value, json};

use crate::support::cluster::{Cluster, Namespace};
use crate::support::servo_bin::{Finished, ServoBin, succeeded};
use crate::workload;

/// The Deployment, behind a Service that sends its requests to this port.
async fn behind_service(namespace: &Namespace, target_port: &Value) -> Value {
    workload::service(namespace, 1).await;
    let ports = json!([{"name": "http", "containerPort": 8080, "protocol": "TCP"}]);
    let web = workload::change_container(namespace, "deployments/web", &json!({"ports": ports})).await;
    namespace
        .create(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": target_port}]},
        }))
        .await;
    web
}

async fn servo(namespace: &Namespace, arguments: &str) -> Finished {
    let servo = ServoBin::new().env("KUBECONFIG", &namespace.cluster.kubeconfig().display().to_string());
    servo.run(&format!("{arguments} --namespace {}", namespace.name())).await
}

async fn inject(namespace: &Namespace, service_or_port: &str) -> Finished {
    servo(namespace, &format!("inject-sidecar deployment/web --image localhost/busybox:1 {service_or_port}")).await
}

async fn pod_spec(namespace: &Namespace) -> Value {
    namespace.get("deployments/web").await["spec"]["template"]["spec"].clone()
}

fn value_of<'v>(container: &'v Value, variable: &str) -> &'v Value {
    let variables = container["env"].as_array().unwrap();
    &variables.iter().find(|found| found["name"] == variable).unwrap()["value"]
}

#[tokio::test]
async fn a_sidecar_is_injected_and_ejected_without_a_trace() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    let first = behind_service(&namespace, &json!("http")).await["spec"]["template"]["spec"].clone();

    succeeded(&inject(&namespace, "--service web").await);
    let injected = pod_spec(&namespace).await;
    let containers = injected["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 2);
    assert_eq!(containers[0], first["containers"][0]);
    let sidecar = &containers[1];
    assert_eq!((&sidecar["name"], &sidecar["image"]), (&json!("opsani-envoy"), &json!("localhost/busybox:1")));
    assert_eq!(value_of(sidecar, "OPSANI_ENVOY_PROXIED_CONTAINER_PORT"), "8080");
    let ports: Vec<_> = sidecar["ports"].as_array().unwrap().iter().map(|port| &port["containerPort"]).collect();
    assert_eq!(ports, [9980, 9901]);

    let again = inject(&namespace, "--service web").await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("already exposes port 9980"), "{again:?}");
    assert_eq!(pod_spec(&namespace).await, injected);

    succeeded(&servo(&namespace, "eject-sidecar deployment/web").await);
    assert_eq!(pod_spec(&namespace).await, first);
    let again = servo(&namespace, "eject-sidecar deployment/web").await;
    assert!(again.code == Some(1) && again.stderr.contains("No Envoy sidecar found"), "{again:?}");
}

#[tokio::test]
async fn a_service_that_sends_to_the_sidecar_already_is_refused() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace().await;
    let first = behind_service(&namespace, &json!(9980)).await["spec"]["template"]["spec"].clone();
    let refused = inject(&namespace, "--service web").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("name the port of the application's container with --port"), "{refused:?}");
    assert_eq!(pod_spec(&namespace).await, first);

    // As the refusal advises.
    succeeded(&inject(&namespace, "--port http").await);
    assert_eq!(value_of(&pod_spec(&namespace).await["containers"][1], "OPSANI_ENVOY_PROXIED_CONTAINER_PORT"), "8080");
}
