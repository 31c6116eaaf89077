//! The real Kubernetes cluster that `tests/cluster/cluster` starts, with a namespace per test.
//!
//! It stays up after a test run, so that the next one has it at once; `tests/cluster/cluster down` ends it. Tests of
//! several runs may use it at the same time: those that would disturb others take it alone.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use servox::internals::network::Network;
use tokio::time::{Instant, sleep};

const RBAC: &str = "rbac.authorization.k8s.io";
const API: &str = "https://10.89.255.1:6443";

/// Between two looks at an object.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest time that a test waits for a state.
pub(crate) const BOUND: Duration = Duration::from_mins(1);

/// The cluster, for one test.
#[derive(Clone)]
pub(crate) struct Cluster {
    http: reqwest::Client,
    /// Of the administrator.
    token: String,
    folder: PathBuf,
    /// Kept for as long as a namespace of the test is there.
    _turn: Arc<File>,
}

/// A namespace with what a test needs in it. It is deleted with this value.
pub(crate) struct Namespace {
    pub(crate) cluster: Cluster,
    name: String,
}

/// An account that may do little. Its kubeconfig is deleted with this value.
pub(crate) struct Account(tempfile::NamedTempFile);

impl Cluster {
    /// The cluster beside other tests; started when it does not run. Where it cannot be had: a failure under `CI=true`,
    /// elsewhere `None` after a visible word on what to do, so that the test returns without having run.
    pub(crate) fn shared() -> Option<Self> {
        Self::take(File::lock_shared)
    }

    /// The same, for a test that disturbs others or is disturbed by them.
    pub(crate) fn alone() -> Option<Self> {
        Self::take(File::lock)
    }

    fn take(lock: impl Fn(&File) -> std::io::Result<()>) -> Option<Self> {
        let folder = started()?;
        let turn = lock_file(folder, "turn");
        lock(&turn).unwrap();
        let pki = folder.join("run/pki");
        let token = fs::read_to_string(pki.join("token")).unwrap().trim().to_owned();
        let builder = Network::default().client_builder_with(&pki.join("ca.crt")).unwrap();
        let http = builder.timeout(Duration::from_secs(10)).build().unwrap();
        Some(Self { http, token, folder: folder.to_path_buf(), _turn: Arc::new(turn) })
    }

    /// The path of the administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("run/kubeconfig")
    }

    /// Ends one of its programs, such as `apiserver`.
    pub(crate) async fn stop(program: &'static str) {
        Self::run_script("stop", program).await;
    }

    /// Starts one of its programs again.
    pub(crate) async fn start(program: &'static str) {
        Self::run_script("start", program).await;
    }

    /// Puts an image on the node, which may have it.
    pub(crate) async fn load(image: PathBuf) {
        Self::run_script("load", image.display().to_string()).await;
    }

    /// Beside the test's own servers.
    async fn run_script(verb: &'static str, argument: impl Into<String>) {
        let argument = argument.into();
        let output = tokio::task::spawn_blocking(move || script(&[verb, &argument])).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A namespace of the test's own, in which pods can be created.
    pub(crate) async fn namespace(&self) -> Namespace {
        let name = format!("test-{:08x}", fastrand::u32(..));
        let namespace = Namespace { cluster: self.clone(), name };
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name}});
        namespace.cluster.send("POST", "/api/v1/namespaces", Some(&object)).await.unwrap();
        namespace.until("serviceaccounts/default", "there", |account| !account.is_null()).await;
        namespace
    }

    /// Sends a request to the API server: the answer's body, or the status code and the error's message.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, (u16, String)> {
        let mut request = self.http.request(method.parse().unwrap(), format!("{API}{path}")).bearer_auth(&self.token);
        if let Some(body) = body {
            let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
            request = request.header("content-type", kind).body(body.to_string());
        }
        // Without an answer it is away, as tests make it.
        let answer = request.send().await.map_err(|error| (0, error.to_string()))?;
        let (status, text) = (answer.status(), answer.text().await.map_err(|error| (0, error.to_string()))?);
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(body) } else { Err((status.as_u16(), body["message"].to_string())) }
    }
}

impl Namespace {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn collection(&self, resource: &str) -> String {
        let group = match resource {
            "deployments" | "replicasets" | "statefulsets" => "/apis/apps/v1",
            "leases" => "/apis/coordination.k8s.io/v1",
            "roles" | "rolebindings" => "/apis/rbac.authorization.k8s.io/v1",
            _ => "/api/v1",
        };
        format!("{group}/namespaces/{}/{resource}", self.name)
    }

    /// The path of an object such as `deployments/web`, or of a collection with a query, such as `pods?watch=1`.
    fn path(&self, object: &str) -> String {
        let end = object.find(['/', '?']).unwrap_or(object.len());
        format!("{}{}", self.collection(&object[..end]), &object[end..])
    }

    /// Creates an object.
    pub(crate) async fn create(&self, object: &Value) -> Value {
        let resource = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let created = self.cluster.send("POST", &self.collection(&resource), Some(object)).await;
        created.unwrap_or_else(|error| panic!("{resource}: {error:?}"))
    }

    /// Changes an object such as `deployments/web` by a JSON merge patch.
    pub(crate) async fn patch(&self, object: &str, patch: &Value) -> Value {
        let patched = self.cluster.send("PATCH", &self.path(object), Some(patch)).await;
        patched.unwrap_or_else(|error| panic!("{object}: {error:?}"))
    }

    /// Deletes an object, which may go on ending for a while.
    pub(crate) async fn delete(&self, object: &str) {
        self.cluster.send("DELETE", &self.path(object), None).await.unwrap();
    }

    /// An object, or null.
    pub(crate) async fn get(&self, object: &str) -> Value {
        match self.cluster.send("GET", &self.path(object), None).await {
            Ok(object) => object,
            Err((404, _)) => Value::Null,
            Err(error) => panic!("{object}: {error:?}"),
        }
    }

    /// The objects of a collection, such as `pods?labelSelector=app%3Dweb`.
    pub(crate) async fn list(&self, collection: &str) -> Vec<Value> {
        self.get(collection).await["items"].as_array().unwrap().clone()
    }

    /// Waits until an object is in a state; panics with the object after a bound.
    pub(crate) async fn until(&self, object: &str, state: &str, is_in_state: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + BOUND;
        loop {
            let found = self.get(object).await;
            if is_in_state(&found) {
                return found;
            }
            assert!(Instant::now() < end, "{object} was not {state}: {found:#}");
            sleep(PAUSE).await;
        }
    }

    /// Waits until a pod is ready.
    pub(crate) async fn until_pod_ready(&self, pod: &str) -> Value {
        self.until(pod, "ready", |pod| {
            let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
            conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        })
        .await
    }

    /// Waits until the pods of a Deployment or StatefulSet are those of its template, and ready.
    pub(crate) async fn until_ready(&self, object: &str) -> Value {
        self.until(object, "ready", |object| {
            let (metadata, status) = (&object["metadata"], &object["status"]);
            let wanted = object["spec"]["replicas"].as_u64();
            metadata["generation"] == status["observedGeneration"]
                && [&status["replicas"], &status["readyReplicas"], &status["updatedReplicas"]]
                    .into_iter()
                    .all(|count| Some(count.as_u64().unwrap_or(0)) == wanted)
        })
        .await
    }

    /// A `ServiceAccount` that has these rules of a Role.
    pub(crate) async fn account(&self, rules: Value) -> Account {
        let account = format!("account-{:08x}", fastrand::u32(..));
        let of = |kind: &str, group: &str| json!({"apiVersion": group, "kind": kind, "metadata": {"name": account}});
        let group = format!("{RBAC}/v1");
        let (mut role, mut binding) = (of("Role", &group), of("RoleBinding", &group));
        role["rules"] = rules;
        binding["roleRef"] = json!({"apiGroup": RBAC, "kind": "Role", "name": account});
        binding["subjects"] = json!([{"kind": "ServiceAccount", "name": account, "namespace": self.name}]);
        for object in [&of("ServiceAccount", "v1"), &role, &binding] {
            self.create(object).await;
        }
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let path = self.path(&format!("serviceaccounts/{account}/token"));
        let token = self.cluster.send("POST", &path, Some(&request)).await.unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": API, "certificate-authority": self.cluster.folder.join("run/pki/ca.crt"),
            }}],
            "users": [{"name": "test", "user": {"token": token["status"]["token"]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), kubeconfig.to_string()).unwrap();
        Account(file)
    }
}

impl Account {
    /// The path of its kubeconfig.
    pub(crate) fn kubeconfig(&self) -> String {
        self.0.path().display().to_string()
    }
}

impl Drop for Namespace {
    #[expect(clippy::disallowed_methods, reason = "a value is dropped without a runtime, also when its test fails")]
    fn drop(&mut self) {
        let kubeconfig = self.cluster.kubeconfig();
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(kubeconfig).args(["delete", "namespace", &self.name, "--wait=false"]);
        // What is left is deleted with the cluster.
        kubectl.stdout(Stdio::null()).stderr(Stdio::null()).status().ok();
    }
}

/// The folder of the cluster that runs; started once in the life of this process.
fn started() -> Option<&'static Path> {
    static STARTED: OnceLock<Option<(PathBuf, File)>> = OnceLock::new();
    let started = STARTED.get_or_init(|| {
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        // Held for as long as this process lives: a cluster that is used is not taken down.
        let use_of_it = lock_file(&folder, "users");
        use_of_it.lock_shared().unwrap();
        let output = script(&["up"]);
        if output.status.success() {
            return Some((folder, use_of_it));
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        assert!(!is_ci(), "a cluster is needed under CI: {why}");
        // Written past the harness, which hides the output of tests that pass.
        let word = format!("SKIPPED: the tests on a real cluster did not run, as it did not start: {why}\n");
        std::io::stderr().write_all(word.as_bytes()).unwrap();
        None
    });
    started.as_ref().map(|(folder, _)| folder.as_path())
}

#[expect(clippy::disallowed_methods, reason = "a test reads CI's variable, and the one that its script reads")]
fn is_ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

#[expect(clippy::disallowed_methods, reason = "a test reads the variable that its script reads")]
fn folder() -> PathBuf {
    std::env::var_os("SERVO_TEST_CLUSTER_DIR").map_or_else(|| PathBuf::from("/tmp/servo-test-cluster"), PathBuf::from)
}

fn lock_file(folder: &Path, name: &str) -> File {
    File::create(folder.join(name)).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests may wait for a cluster; each has a thread of its own")]
fn script(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/cluster");
    Command::new(script).args(arguments).output().unwrap()
}
