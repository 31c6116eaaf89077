//! From where a cluster is reached.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{SOON, attached, expect_failure, none, web_section};
use crate::support::kube_api::cluster::{Cluster, deployment};
use crate::support::kube_api::{Effect, Fault, KubeApi, Refusal};
use crate::support::kubernetes_servo::KubernetesServo;
use crate::support::servo_bin::{ServoBin, succeeded};

#[tokio::test]
async fn a_workstation_describes_without_an_optimizer() {
    let api = KubeApi::start(deployment("web", 2), Cluster::healthy()).await;
    let config = json!({"kubernetes": web_section(&none())}).to_string();
    let bin = ServoBin::configured(&config).env("KUBECONFIG", &api.kubeconfig().display().to_string());
    let finished = bin.run("describe").await;
    assert!(succeeded(&finished).contains("web/main"), "{finished:?}");
}

/// A kubeconfig file for a server, with these credentials.
fn kubeconfig(api: &KubeApi, folder: &Path, user: &Value) -> PathBuf {
    let mut config: Value = serde_json::from_slice(&std::fs::read(api.kubeconfig()).unwrap()).unwrap();
    config["users"][0]["user"] = user.clone();
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// Only this token is accepted.
fn accept(api: &KubeApi, token: &str) {
    let wanted = format!("Bearer {token}");
    let refused = Effect::Refuse(Refusal::new(401, "Unauthorized"));
    api.forget_faults();
    api.fault(Fault::when(move |call| call.authorization.as_deref() != Some(wanted.as_str()), refused));
}

#[tokio::test]
async fn a_token_file_that_ends_with_a_newline_is_read_anew_when_its_token_is_refused() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    accept(&api, "first");
    let file = kubeconfig(&api, folder.path(), &json!({"tokenFile": token}));
    let servo = KubernetesServo::attach(&file, &web_section(&none()), &[]).await.unwrap();
    servo.describe().await.unwrap();
    std::fs::write(&token, "second\n").unwrap();
    accept(&api, "second");
    servo.describe().await.unwrap();
}

#[tokio::test]
async fn a_plugin_is_run_again_when_its_token_is_refused() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first").unwrap();
    accept(&api, "first");
    let script = format!(
        "echo '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": \
         {{\"token\": \"'$(cat {})'\"}}}}'",
        token.display()
    );
    let exec = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "args": ["-c", script],
        "interactiveMode": "Never",
    }});
    let file = kubeconfig(&api, folder.path(), &exec);
    let servo = KubernetesServo::attach(&file, &web_section(&none()), &[]).await.unwrap();
    servo.describe().await.unwrap();
    std::fs::write(&token, "second").unwrap();
    accept(&api, "second");
    servo.describe().await.unwrap();
}

#[tokio::test]
async fn credentials_that_stay_refused_end_a_request_after_one_repetition() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&none())).await;
    accept(&api, "another");
    let described = tokio::time::timeout(SOON, servo.describe()).await.expect("an early end");
    expect_failure(&described.unwrap_err(), ("failed", None), &["(401 Unauthorized)"]);
    assert_eq!(api.summaries(|_| true), ["GET deployments/web"; 2]);
}

#[tokio::test]
async fn a_plugin_that_fails_ends_a_command_at_once_with_what_it_says() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let folder = tempfile::tempdir().unwrap();
    for (command, text) in [("/bin/sh", "log in first"), ("no-such-plugin", "there is no 'no-such-plugin'")] {
        let exec = json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": command,
            "args": ["-c", "echo log in first >&2; exit 1"], "interactiveMode": "Never",
        }});
        let file = kubeconfig(&api, folder.path(), &exec);
        let section = web_section(&none());
        let attached = KubernetesServo::attach(&file, &section, &[("PATH", "/usr/bin:/bin")]);
        let error = tokio::time::timeout(SOON, attached).await.expect("an early end").err().unwrap();
        assert!(error.contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_rollback_without_the_right_to_records_says_which_rights_it_needs_and_changes_nothing() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let servo = attached(&api, &web_section(&json!({"on_failure": "rollback"}))).await;
    for verb in ["GET", "POST"] {
        api.forget_calls();
        api.forget_faults();
        let refused = Effect::Refuse(Refusal::new(403, "Forbidden"));
        api.fault(Fault::when(move |call| call.summary().starts_with(&format!("{verb} leases")), refused));
        let error = servo.adjust(&[("web/main.cpu", json!("250m"))], &none()).await.unwrap_err();
        let texts =
            ["(403 Forbidden)", "resources: [\"leases\"]", "verbs: [\"get\", \"create\", \"patch\", \"delete\"]"];
        expect_failure(&error, ("failed", None), &texts);
        let written = api.summaries(|call| call.is_write() && call.summary().contains("deployments"));
        assert!(written.is_empty(), "{written:?}");
    }
}
