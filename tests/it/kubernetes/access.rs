//! From where a cluster is reached.

use serde_json::json;

use super::{none, web_section};
use crate::support::kube_api::KubeApi;
use crate::support::kube_api::cluster::{Cluster, deployment};
use crate::support::servo_bin::{ServoBin, succeeded};

#[tokio::test]
async fn a_workstation_describes_without_an_optimizer() {
    let api = KubeApi::start(deployment("web", 2), Cluster::healthy()).await;
    let config = json!({"kubernetes": web_section(&none())}).to_string();
    let bin = ServoBin::configured(&config).env("KUBECONFIG", &api.kubeconfig().display().to_string());
    let finished = bin.run("describe").await;
    assert!(succeeded(&finished).contains("web/main"), "{finished:?}");
}
