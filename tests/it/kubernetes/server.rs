//! The scripted API server itself, by a plain HTTP client: what the other tests stand on.

use serde_json::{Value, json};
use servox::internals::network::Network;

use crate::support::kube_api::cluster::{Cluster, deployment};
use crate::support::kube_api::{Effect, Fault, Key, KubeApi, LogKey, Refusal};

const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    fn of(api: &KubeApi) -> Self {
        let config: Value = serde_json::from_str(&std::fs::read_to_string(api.kubeconfig()).unwrap()).unwrap();
        let url = config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
        Self { http: Network::default().client_builder().unwrap().build().unwrap(), url }
    }

    async fn send(&self, method: &str, path: &str, body: Option<(&str, Value)>) -> (u16, Value) {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.url));
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn watch(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap()
    }
}

const STRATEGIC: &str = "application/strategic-merge-patch+json";

fn of_memory(text: &str) -> Value {
    let container = json!({"name": "main", "resources": {"limits": {"memory": text}}});
    json!({"spec": {"template": {"spec": {"containers": [container]}}}})
}

/// The next events of a watch.
async fn next(watch: &mut reqwest::Response) -> Vec<Value> {
    let lines = watch.chunk().await.unwrap().unwrap_or_default();
    let lines = String::from_utf8(lines.to_vec()).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_patch_of_the_template_is_rolled_out_in_stages_that_a_watch_sees() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let client = Client::of(&api);
    let (_, listed) = client.send("GET", "/apis/apps/v1/namespaces/default/deployments", None).await;
    let version = listed["metadata"]["resourceVersion"].as_str().unwrap();
    let path = "/apis/apps/v1/namespaces/default/deployments?watch=true&fieldSelector=metadata.name%3Dweb";
    let mut watch = client.watch(&format!("{path}&resourceVersion={version}")).await;

    let (status, patched) = client.send("PATCH", WEB, Some((STRATEGIC, of_memory("256Mi")))).await;
    assert_eq!((status, patched["metadata"]["generation"].as_i64()), (200, Some(2)));
    let mut last = Value::Null;
    let mut stages = 0;
    while last["status"]["observedGeneration"] != 2 || last["status"].get("unavailableReplicas").is_some() {
        for event in next(&mut watch).await {
            last = event["object"].clone();
            stages += 1;
        }
    }
    assert!(stages >= 3, "{stages}");
    let (_, pods) =
        client.send("GET", "/api/v1/namespaces/default/pods?labelSelector=pod-template-hash%3Drev2", None).await;
    assert_eq!(pods["items"].as_array().unwrap().len(), 1);
    assert_eq!(pods["items"][0]["spec"]["containers"][0]["resources"]["limits"]["memory"], "256Mi");
    assert_eq!(pods["items"][0]["spec"]["containers"][0]["resources"]["requests"]["memory"], "128Mi");
}

#[tokio::test]
async fn a_write_with_an_old_version_or_another_uid_is_a_conflict() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let client = Client::of(&api);
    let stale = json!({"metadata": {"resourceVersion": "1"}});
    assert_eq!(client.send("PATCH", WEB, Some((STRATEGIC, stale))).await.0, 409);
    let pod = "/api/v1/namespaces/default/pods/web-rev1-0";
    let other = json!({"preconditions": {"uid": "another"}});
    assert_eq!(client.send("DELETE", pod, Some(("application/json", other))).await.0, 409);
    assert_eq!(client.send("DELETE", pod, None).await.0, 200);
    api.wait_until("the pod's removal", |objects| objects.get(&Key::pod("default", "web-rev1-0")).is_none()).await;
}

#[tokio::test]
async fn a_watch_ends_when_it_is_closed_and_expires_when_history_is_forgotten() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let client = Client::of(&api);
    let path = "/api/v1/namespaces/default/pods?watch=true";
    let mut watch = client.watch(path).await;
    assert_eq!(next(&mut watch).await[0]["type"], "ADDED");
    assert_eq!((api.open_watches(), api.most_watches()), (1, 1));
    api.close_watches();
    assert!(next(&mut watch).await.is_empty());

    let mut watch = client.watch(path).await;
    next(&mut watch).await;
    api.expire_watches();
    assert_eq!(next(&mut watch).await[0]["object"]["code"], 410);
    let mut watch = client.watch(&format!("{path}&resourceVersion=1")).await;
    assert_eq!(next(&mut watch).await[0]["object"]["code"], 410);
}

#[tokio::test]
async fn faults_strike_the_requests_that_they_match_as_often_as_they_say() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let client = Client::of(&api);
    let refusal = Refusal::new(503, "not now");
    api.fault(Fault::on("GET deployments/web", Effect::Refuse(refusal)).after(1).times(1));
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(client.send("GET", WEB, None).await.0);
    }
    assert_eq!(codes, [200, 503, 200]);
    assert_eq!(api.summaries(|_| true), ["GET deployments/web"; 3]);
}

#[tokio::test]
async fn a_server_that_is_away_refuses_connections_until_it_is_back() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let client = Client::of(&api);
    assert_eq!(client.send("GET", "/version", None).await.0, 200);
    api.go_away();
    while client.http.get(format!("{}/version", client.url)).send().await.is_ok() {}
    api.come_back();
    while client.http.get(format!("{}/version", client.url)).send().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_log_is_cut_at_the_limit_and_one_that_is_not_there_is_a_bad_request() {
    let api = KubeApi::start(deployment("web", 1), Cluster::healthy()).await;
    let client = Client::of(&api);
    api.log(LogKey { pod: "web-rev1-0".to_owned(), container: "main".to_owned(), previous: false }, "abcdefghij");
    let path = "/api/v1/namespaces/default/pods/web-rev1-0/log?container=main";
    assert_eq!(client.send("GET", &format!("{path}&limitBytes=4"), None).await.1, "abcd");
    assert_eq!(client.send("GET", &format!("{path}&previous=true"), None).await.0, 400);
}
