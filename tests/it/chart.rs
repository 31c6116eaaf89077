//! The chart in `deploy/helm/servo`: what each kind of values becomes.

use serde_json::{Value, json};

use crate::support::helm::{Helm, Rendered};
use crate::support::servo_bin::{ServoBin, succeeded};

/// The values of ServoX 2.2.4 that are required with either kind of connection.
fn legacy(more: &Value) -> Value {
    with(json!({"optimizerId": "app", "workloadName": "web", "workloadContainerName": "main"}), more)
}

fn with_static_settings(more: &Value) -> Value {
    let settings = json!({
        "connectionSettingsType": "static", "tenantId": "tenant", "baseUrl": "https://example.com",
        "clientId": "client", "clientSecret": "s3cr3t",
    });
    legacy(&with(settings, more))
}

fn with(mut values: Value, more: &Value) -> Value {
    values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    values
}

fn workload(more: &Value) -> Value {
    let container = json!({
        "name": "main", "cpu": {"min": "125m", "max": "2", "step": "125m"},
        "memory": {"min": "128Mi", "max": "2Gi", "step": "128Mi"},
    });
    with(json!({"name": "web", "replicas": {"min": 1, "max": 2}, "containers": [container]}), more)
}

/// A servo.yaml with an optimizer of its own and these sections.
fn embedded(sections: &Value) -> Value {
    let slo = json!([{"metric": "p99_latency", "threshold": 250}]);
    let optimizer = json!({"embedded": {"slo": slo, "journal": "/servo/data/servo-journal.jsonl"}});
    json!({"config": with(json!({"optimizer": optimizer}), sections)})
}

fn adjusting(section: &Value) -> Value {
    embedded(&json!({"kubernetes": with(json!({"deployments": [workload(&json!({}))]}), section)}))
}

/// The servo.yaml in the chart is valid as it stands; what it says.
async fn configuration(rendered: &Rendered, environment: &[(&str, &str)]) -> Value {
    let mut servo = ServoBin::configured(rendered.servo_yaml());
    for (name, value) in environment {
        servo = servo.env(name, value);
    }
    assert_eq!(succeeded(&servo.run("validate -q").await), "");
    serde_json::from_str(succeeded(&servo.run("config --raw --format json").await)).unwrap()
}

/// The rules of the only Role, as `group resource: verbs`.
fn rules(rendered: &Rendered) -> Vec<String> {
    let rules = rendered.one("Role")["rules"].as_array().unwrap();
    let words = |list: &Value| {
        let words: Vec<&str> = list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        words.join(" ")
    };
    let line = |rule: &Value| {
        let [groups, resources, verbs] = ["apiGroups", "resources", "verbs"].map(|key| words(&rule[key]));
        format!("{groups} {resources}: {verbs}").trim_start().to_owned()
    };
    rules.iter().map(line).collect()
}

fn variable<'c>(container: &'c Value, name: &str) -> &'c Value {
    let variables = container["env"].as_array().unwrap();
    variables.iter().find(|variable| variable["name"] == name).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn values_of_servox_with_static_connection_settings_work() {
    let Some(helm) = Helm::find() else { return };
    let values =
        with_static_settings(&json!({"workloadNamespaceName": "shop", "urlOverride": "https://x.example.com/"}));
    let rendered = helm.render("first", "default", &values);
    let deployment = rendered.one("Deployment");
    assert_eq!(deployment["metadata"]["name"], "servox-first");
    assert_eq!(deployment["metadata"]["namespace"], "shop");
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/name"], "servox");
    let servo = rendered.container("servo");
    let reference = json!({"secretKeyRef": {"name": "servox-first", "key": "client_secret"}});
    assert_eq!(variable(servo, "APPD_CLIENT_SECRET")["valueFrom"], reference);
    assert_eq!(rendered.one("Secret")["stringData"], json!({"client_secret": "s3cr3t"}));
    assert!(!rendered.servo_yaml().contains("s3cr3t"));

    let config = configuration(&rendered, &[("APPD_CLIENT_SECRET", "s3cr3t")]).await;
    let optimizer = &config["optimizer"];
    assert_eq!([&optimizer["optimizer_id"], &optimizer["url"]], ["app", "https://x.example.com/"]);
    let workload = &config["kubernetes"]["deployments"][0];
    assert_eq!(workload["strategy"]["alias"], "tuning");
    assert_eq!(
        (&workload["containers"][0]["alias"], &config["wait"]["measure_enabled"]),
        (&json!("main"), &json!(true))
    );
    let pods = "pods: get list watch create delete".to_owned();
    assert!(rules(&rendered).contains(&pods), "{:?}", rules(&rendered));
}

#[tokio::test]
async fn values_of_servox_with_a_sidecar_work() {
    let Some(helm) = Helm::find() else { return };
    let more = json!({
        "agentMgmtSidecarImage": "sidecar:1", "servoUid": "abc", "logLevel": "DEBUG", "servoImageOverride": "mine:2",
        "imagePullSecrets": [{"name": "registry"}], "cpu": {"min": "250m", "max": "1", "step": "250m"},
        "clientSecret": "not base64!",
    });
    let rendered = helm.render("first", "shop", &legacy(&more));
    assert_eq!(rendered.one("Deployment")["metadata"]["name"], "servox-abc");
    assert_eq!(rendered.pod()["imagePullSecrets"], more["imagePullSecrets"]);
    let (servo, sidecar) = (rendered.container("servo"), rendered.container("agent-management-sidecar"));
    assert_eq!([&servo["image"], &sidecar["image"]], ["mine:2", "sidecar:1"]);
    let shared = json!({"name": "connection", "mountPath": "/agent-management-sidecar"});
    for container in [servo, sidecar] {
        assert!(container["volumeMounts"].as_array().unwrap().contains(&shared), "{container:#}");
    }
    assert_eq!(rendered.one("Secret")["stringData"], json!({"OAUTH_SECRET": "not base64!"}));
    assert!(rendered.servo_yaml().contains("connection_file: /agent-management-sidecar/connection.yaml"));
    assert!(rendered.servo_yaml().contains(r#"cpu: {"max":"1","min":"250m","step":"250m"}"#));
    assert_eq!(rendered.all("ConfigMap")[0]["data"]["log_level"], "DEBUG");
}

#[tokio::test]
async fn a_servo_yaml_is_completed_by_what_the_chart_knows() {
    let Some(helm) = Helm::find() else { return };
    let rendered = helm.render("first", "shop", &adjusting(&json!({})));
    let config = configuration(&rendered, &[]).await;
    assert_eq!(config["kubernetes"]["namespace"], "shop");
    assert_eq!(config["kubernetes"]["permissions"].as_array().unwrap().len(), rules(&rendered).len());
    assert_eq!(rendered.one("Deployment")["metadata"]["name"], "servo-first");
    assert_eq!(rendered.pod()["serviceAccountName"], "servo-first");

    // What it says itself is kept.
    let own = json!({"group": "apps", "resources": ["deployments"], "verbs": ["get"]});
    let rendered = helm.render("first", "shop", &adjusting(&json!({"namespace": "other", "permissions": [own]})));
    assert_eq!(configuration(&rendered, &[]).await["kubernetes"]["namespace"], "other");
    let namespaces: Vec<_> = rendered.all("Role").iter().map(|role| role["metadata"]["namespace"].clone()).collect();
    assert_eq!(namespaces, ["shop", "other"]);
    assert!(rendered.all("RoleBinding").iter().all(|binding| binding["subjects"][0]["namespace"] == "shop"));
}

#[tokio::test]
async fn the_role_has_what_the_features_in_use_need() {
    let Some(helm) = Helm::find() else { return };
    let has = |values: &Value, rule: &str| {
        let rules = rules(&helm.render("first", "shop", values));
        assert!(rules.iter().any(|has| has == rule), "{rule}: {rules:?}");
    };
    let plain = adjusting(&json!({}));
    assert_eq!(
        rules(&helm.render("first", "shop", &plain)),
        [
            "namespaces: get",
            "apps deployments: get list watch patch",
            "apps replicasets: get list",
            "pods: get list watch"
        ]
    );
    let canary = workload(&json!({"strategy": {"type": "canary", "alias": "tuning"}}));
    has(&adjusting(&json!({"deployments": [canary]})), "pods: get list watch create delete");
    let canary = workload(&json!({"strategy": "canary"}));
    has(&adjusting(&json!({"deployments": [canary]})), "pods: get list watch create delete");
    let stateful = json!({"stateful_sets": [workload(&json!({}))]});
    has(&adjusting(&stateful), "apps statefulsets: get list watch update patch");
    has(&adjusting(&stateful), "pods: delete");
    has(&adjusting(&json!({"on_failure": "rollback"})), "coordination.k8s.io leases: get create patch delete");
    let one = json!({"deployments": [workload(&json!({"on_failure": "rollback"}))]});
    has(&adjusting(&one), "coordination.k8s.io leases: get create patch delete");
    has(&adjusting(&json!({"container_logs_in_error_status": true})), "pods/log: get");
    let kube_metrics = json!({"kube_metrics": {"name": "web", "container": "main"}});
    has(&embedded(&kube_metrics), "metrics.k8s.io pods: get list");
    let renamed = json!({"connectors": {"usage": "kube_metrics"}, "usage": {"name": "web", "container": "main"}});
    let renamed = embedded(&renamed);
    has(&renamed, "metrics.k8s.io pods: get list");
    assert_eq!(configuration(&helm.render("first", "shop", &renamed), &[]).await["usage"]["namespace"], "shop");
    let opsani_dev = json!({"opsani_dev": {
        "deployment": "web", "container": "main", "service": "web",
        "cpu": {"min": "250m", "max": "2"}, "memory": {"min": "256Mi", "max": "2Gi"},
    }});
    has(&embedded(&opsani_dev), "configmaps: get list");
    let more = json!({"rbac": {"extraRules": [{"apiGroups": ["x"], "resources": ["y"], "verbs": ["get"]}]}});
    has(&with(plain, &more), "x y: get");
}

#[test]
fn no_container_can_do_more_than_it_must() {
    let Some(helm) = Helm::find() else { return };
    let more = json!({"prometheus": {"enabled": true}});
    for values in [with(adjusting(&json!({})), &more), with_static_settings(&more)] {
        let rendered = helm.render("first", "shop", &values);
        assert_eq!(rendered.pod()["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
        for name in ["servo", "prometheus"] {
            let container = rendered.container(name);
            let confined = json!({
                "runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
            });
            assert_eq!(container["securityContext"], confined);
            assert!(container["resources"]["limits"].is_object());
        }
    }
}

#[test]
fn tokens_volumes_and_endpoints_are_options() {
    let Some(helm) = Helm::find() else { return };
    let render = |more: &Value| helm.render("first", "shop", &with(adjusting(&json!({})), more));
    let plain = render(&json!({}));
    assert!(plain.all("Secret").is_empty() && plain.container("servo").get("livenessProbe").is_none());

    let own = render(&json!({"token": {"value": "s3cr3t"}}));
    assert_eq!(own.one("Secret")["stringData"], json!({"token": "s3cr3t"}));
    assert_eq!(variable(own.container("servo"), "OPSANI_TOKEN_FILE")["value"], "/var/run/secrets/servo/token");
    let other = render(&json!({"token": {"existingSecret": "mine", "key": "key"}}));
    assert!(other.all("Secret").is_empty());
    let volumes = other.pod()["volumes"].as_array().unwrap();
    let secret = json!({"secretName": "mine", "defaultMode": 288, "items": [{"key": "key", "path": "token"}]});
    assert!(volumes.iter().any(|volume| volume["secret"] == secret), "{volumes:#?}");

    let kept = render(&json!({"persistence": {"enabled": true, "size": "2Gi"}}));
    assert_eq!(kept.one("PersistentVolumeClaim")["spec"]["resources"]["requests"]["storage"], "2Gi");

    let probed = render(&json!({"listen": {"enabled": true, "port": 9000}}));
    let servo = probed.container("servo");
    assert_eq!(servo["args"], json!(["run", "--check", "--listen=0.0.0.0:9000"]));
    assert_eq!(servo["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(servo["readinessProbe"]["httpGet"]["path"], "/readyz");

    let measured = render(&json!({"prometheus": {"enabled": true}}));
    let maps = measured.all("ConfigMap");
    let scraped = maps.iter().find(|map| map["metadata"]["name"] == "prometheus-config").unwrap();
    assert!(scraped["data"]["prometheus.yaml"].as_str().unwrap().contains("namespaces: {names: [shop]}"));
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    let Some(helm) = Helm::find() else { return };
    let refused = |values: &Value, words: &[&str]| {
        let told = helm.refuse(values);
        assert!(words.iter().all(|word| told.contains(word)), "{words:?}: {told}");
    };
    refused(&json!({}), &["`config` is missing"]);
    refused(&legacy(&json!({"config": {"wait": {}}})), &["both `config` and `optimizerId`"]);
    refused(&legacy(&json!({})), &["`agentMgmtSidecarImage` is required"]);
    refused(&legacy(&json!({"connectionSettingsType": "static"})), &["is required for static connection settings"]);
    refused(&json!({"optimizerId": "app"}), &["`workloadName` is required"]);
    refused(&legacy(&json!({"connectionSettingsType": "other"})), &["connectionSettingsType", "static"]);
    refused(&with(adjusting(&json!({})), &json!({"conifg": {}})), &["conifg"]);
    refused(&with(adjusting(&json!({})), &json!({"listen": {"port": "x"}})), &["port", "integer"]);
    refused(&with(adjusting(&json!({})), &json!({"persistence": {"size": "big"}})), &["size"]);
}

#[test]
fn helm_finds_nothing_to_object_to() {
    let Some(helm) = Helm::find() else { return };
    let sidecar = legacy(&json!({"agentMgmtSidecarImage": "sidecar:1"}));
    for values in [adjusting(&json!({})), with_static_settings(&json!({})), sidecar] {
        let output = helm.run(&["lint", "--strict"], &values);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
