//! A scripted Kubernetes API server on a port of its own: real sockets, real HTTP, objects with versions, watches, patches.
//!
//! It keeps the objects that clients write; a [`Controller`] plays the cluster behind it, [`Fault`]s make it fail. All
//! requests are recorded.

mod call;
pub(crate) mod cluster;
mod controller;
mod fault;
mod objects;
mod patch;
mod selector;
mod serve;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) use call::{Call, Target};
pub(crate) use controller::{Controller, Stage, Verb, Write};
pub(crate) use fault::{Effect, Fault};
pub(crate) use objects::{Key, Objects, Refusal};

/// Longest time that a test waits for a state.
const BOUND: Duration = Duration::from_secs(30);

/// A log of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LogKey {
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) previous: bool,
}

/// What the server knows.
struct State {
    objects: Objects,
    controller: Box<dyn Controller>,
    faults: Vec<Fault>,
    logs: HashMap<LogKey, String>,
    /// Whether these resource attributes are allowed.
    allows: Box<dyn Fn(&Value) -> bool + Send>,
    version: Value,
    /// Watches that were begun before this many closings end.
    closings: u64,
    /// By collection and field selector.
    open_watches: Vec<(Target, Option<String>)>,
    /// Writes to which the cluster has not reacted in full.
    reactions: usize,
    /// The most watches of one object at a time.
    most_watches: usize,
}

/// What the server's tasks share.
struct Shared {
    state: Mutex<State>,
    /// Counts changes, for those who wait.
    changes: watch::Sender<u64>,
    calls: watch::Sender<Vec<Call>>,
    /// Whether connections are accepted.
    is_there: watch::Sender<bool>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Lets the cluster react to a write.
    fn react(self: &Arc<Self>, write: &Write) {
        let stages = {
            let state = &mut *self.state();
            state.controller.react(write, &state.objects)
        };
        if stages.is_empty() {
            return;
        }
        self.state().reactions += 1;
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            for Stage { delay, act } in stages {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                shared.change(|state| act(&mut state.objects));
            }
            shared.change(|state| state.reactions -= 1);
        });
    }
}

/// A running API server. It ends with this value.
pub(crate) struct KubeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    folder: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KubeApi {
    /// Starts on a free port of the loopback interface, with these objects.
    pub(crate) async fn start(objects: impl IntoIterator<Item = Value>, controller: impl Controller + 'static) -> Self {
        let mut kept = Objects::default();
        objects.into_iter().for_each(|object| kept.put(object));
        let state = State {
            objects: kept,
            controller: Box::new(controller),
            faults: Vec::new(),
            logs: HashMap::new(),
            allows: Box::new(|_| true),
            version: json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "platform": "linux/amd64"}),
            closings: 0,
            open_watches: Vec::new(),
            reactions: 0,
            most_watches: 0,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            calls: watch::Sender::new(Vec::new()),
            is_there: watch::Sender::new(true),
        });
        let task = tokio::spawn(serve::accept(listener, Arc::clone(&shared)));
        Self { address, shared, folder: tempfile::tempdir().unwrap(), task }
    }

    /// A kubeconfig file that points here.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.folder.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "fake", "user": {"token": "fake-token"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        });
        std::fs::write(&path, text.to_string()).unwrap();
        path
    }

    /// All requests so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    /// The [summaries](Call::summary) of all requests so far that satisfy a condition.
    pub(crate) fn summaries(&self, condition: impl Fn(&Call) -> bool) -> Vec<String> {
        self.calls().iter().filter(|call| condition(call)).map(Call::summary).collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget_calls(&self) {
        self.shared.calls.send_modify(Vec::clear);
    }

    /// Waits until so many requests with this summary have come.
    pub(crate) async fn wait_for(&self, summary: &str, times: usize) {
        let mut calls = self.shared.calls.subscribe();
        let has_come = |calls: &Vec<Call>| calls.iter().filter(|call| call.summary() == summary).count() >= times;
        let waited = tokio::time::timeout(BOUND, calls.wait_for(has_come)).await.is_ok();
        assert!(waited, "{summary:?} did not come {times} times, but {:#?}", self.summaries(|_| true));
    }

    /// Waits until the objects satisfy a condition.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl Fn(&Objects) -> bool) {
        let mut changes = self.shared.changes.subscribe();
        let satisfied = async {
            while !condition(&self.shared.state().objects) {
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(BOUND, satisfied).await.is_ok();
        assert!(waited, "{what} did not happen");
    }

    /// Waits until the cluster has reacted to all writes.
    pub(crate) async fn settle(&self) {
        let mut changes = self.shared.changes.subscribe();
        let settled = async {
            while self.shared.state().reactions > 0 {
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(BOUND, settled).await.is_ok();
        assert!(waited, "the cluster does not come to rest");
    }

    pub(crate) fn object(&self, key: &Key) -> Option<Value> {
        self.shared.state().objects.get(key).cloned()
    }

    /// Somebody else changes objects.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Objects)) {
        self.shared.change(|state| change(&mut state.objects));
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// All faults are over.
    pub(crate) fn forget_faults(&self) {
        self.shared.state().faults.clear();
    }

    pub(crate) fn log(&self, key: LogKey, text: &str) {
        self.shared.state().logs.insert(key, text.to_owned());
    }

    /// Only what satisfies this, by its resource attributes, is allowed in access reviews.
    pub(crate) fn allow(&self, allows: impl Fn(&Value) -> bool + Send + 'static) {
        self.shared.state().allows = Box::new(allows);
    }

    /// The answer to `/version`.
    pub(crate) fn set_version(&self, version: Value) {
        self.shared.state().version = version;
    }

    /// Ends all watches, as a server does now and then.
    pub(crate) fn close_watches(&self) {
        self.shared.change(|state| state.closings += 1);
    }

    /// Ends all watches with an error, and forgets what they would need to go on.
    pub(crate) fn expire_watches(&self) {
        self.shared.change(|state| state.objects.forget_history());
    }

    /// Refuses connections for a while, and drops those that are open.
    pub(crate) async fn be_away_for(&self, time: Duration) {
        self.go_away();
        tokio::time::sleep(time).await;
        self.come_back();
    }

    /// Waits until no watch is open, then for this time, in which no request may come.
    pub(crate) async fn stays_idle_for(&self, time: Duration) {
        let mut changes = self.shared.changes.subscribe();
        let closed = async {
            while !self.shared.state().open_watches.is_empty() {
                changes.changed().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(BOUND, closed).await.is_ok(), "a watch stays open");
        let mut calls = self.shared.calls.subscribe();
        calls.mark_unchanged();
        let call = tokio::time::timeout(time, calls.changed()).await;
        assert!(call.is_err(), "a request comes while idle: {:?}", self.calls().last().map(Call::summary));
    }

    /// Refuses connections, and drops those that are open.
    pub(crate) fn go_away(&self) {
        self.shared.is_there.send_replace(false);
    }

    pub(crate) fn come_back(&self) {
        self.shared.is_there.send_replace(true);
    }

    /// Watches that are open now.
    pub(crate) fn open_watches(&self) -> usize {
        self.shared.state().open_watches.len()
    }

    /// The most watches of one object that were open at a time.
    pub(crate) fn most_watches(&self) -> usize {
        self.shared.state().most_watches
    }
}
