//! Watches that bridge interruptions: list, follow from the version of the list, list again.
//!
//! A server ends every watch sooner or later, forgets old versions, restarts, and loses connections. None of that says
//! anything about the objects, so that none of it reaches who listens; what may have happened in between comes with
//! the next list. There is no limit of time here.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::core::params::{ListParams, WatchParams};
use kube::core::{Object, ObjectList, Request, WatchEvent};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::error::ApiError;
use super::request::{Api, Collection, SILENCE_LIMIT, about};
use crate::k8s::WorkloadKind;
use crate::k8s::objects::workload::{ProgressSpec, WorkloadProgress, WorkloadStatus};

/// The server ends a watch after this time, in seconds: before its silence means that it is gone.
const WATCH_SECONDS: u32 = 55;

/// The wait before the first retry; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Something about the pods of a selector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PodEvent {
    /// These are all; what was known before is out of date.
    Listed(Vec<Pod>),
    /// This one is new or has changed.
    Applied(Box<Pod>),
    Deleted(Box<Pod>),
}

pub(in crate::k8s) fn watch_workload(
    api: Api,
    kind: WorkloadKind,
    namespace: &str,
    name: &str,
) -> impl Stream<Item = Result<Option<WorkloadProgress>, ApiError>> + Send + use<> {
    let events = follow::<Object<ProgressSpec, WorkloadStatus>>(one(api, Collection::of(kind), namespace, name));
    events.map(|event| Ok(single(event?).map(WorkloadProgress::from)))
}

pub(in crate::k8s) fn watch_pod(
    api: Api,
    namespace: &str,
    name: &str,
) -> impl Stream<Item = Result<Option<Pod>, ApiError>> + Send + use<> {
    follow::<Pod>(one(api, Collection::PODS, namespace, name)).map(|event| Ok(single(event?).map(trimmed)))
}

pub(in crate::k8s) fn watch_pods(
    api: Api,
    namespace: &str,
    selector: &str,
) -> impl Stream<Item = Result<PodEvent, ApiError>> + Send + use<> {
    let selection = Selection {
        api,
        what: format!("watch pods in namespace \"{namespace}\""),
        collection: Collection::PODS.within(namespace),
        list: ListParams::default().labels(selector),
        watch: watch_params().labels(selector),
    };
    follow::<Pod>(selection).map(|event| {
        Ok(match event? {
            Event::Listed(pods) => PodEvent::Listed(pods.into_iter().map(trimmed).collect()),
            Event::Applied(pod) => PodEvent::Applied(Box::new(trimmed(pod))),
            Event::Deleted(pod) => PodEvent::Deleted(Box::new(trimmed(pod))),
        })
    })
}

/// The one object of a name, selected by the field: labels need not be there, and may change.
fn one(api: Api, collection: Collection, namespace: &str, name: &str) -> Selection {
    let field = format!("metadata.name={name}");
    Selection {
        api,
        what: about("watch", collection, namespace, name),
        collection: collection.within(namespace),
        list: ListParams::default().fields(&field),
        watch: watch_params().fields(&field),
    }
}

fn watch_params() -> WatchParams {
    WatchParams::default().timeout(WATCH_SECONDS)
}

/// A pod without what only makes it big.
fn trimmed(mut pod: Pod) -> Pod {
    pod.metadata.managed_fields = None;
    pod.spec = None;
    pod
}

fn single<T>(event: Event<T>) -> Option<T> {
    match event {
        Event::Listed(objects) => objects.into_iter().next(),
        Event::Applied(object) => Some(object),
        Event::Deleted(_) => None,
    }
}

struct Selection {
    api: Api,
    what: String,
    collection: Request,
    list: ListParams,
    watch: WatchParams,
}

enum Event<T> {
    Listed(Vec<T>),
    Applied(T),
    Deleted(T),
}

type Events<T> = Pin<Box<dyn Stream<Item = Result<WatchEvent<T>, ApiError>> + Send>>;

enum State<T> {
    /// Nothing is known, or it is out of date.
    Unlisted,
    Listed(String),
    Following(Events<T>),
    /// An error was told that no retry can help.
    Ended,
}

struct Watch<T> {
    selection: Selection,
    state: State<T>,
    failures: u32,
    /// When the last list or watch began.
    begun: Instant,
}

fn follow<T>(selection: Selection) -> impl Stream<Item = Result<Event<T>, ApiError>> + Send + use<T>
where
    T: DeserializeOwned + Clone + Send + 'static,
{
    let watch = Watch { selection, state: State::Unlisted, failures: 0, begun: Instant::now() };
    stream::unfold(watch, |mut watch| async move { Some((watch.next().await?, watch)) }).boxed()
}

impl<T: DeserializeOwned + Clone + Send + 'static> Watch<T> {
    async fn next(&mut self) -> Option<Result<Event<T>, ApiError>> {
        loop {
            let step = match &mut self.state {
                State::Ended => return None,
                State::Unlisted => self.list().await.map(Some),
                State::Listed(version) => {
                    let version = std::mem::take(version);
                    self.open(&version).await.map(|()| None)
                }
                State::Following(events) => next_event(events, &self.selection.what).await,
            };
            match step {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(Interruption::Over) => self.relist().await,
                Err(Interruption::Failed(error)) if error.is_expired() || error.is_transient() => {
                    tracing::debug!(%error, "listing again");
                    self.relist().await;
                }
                Err(Interruption::Failed(error)) => {
                    self.state = State::Ended;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn list(&mut self) -> Result<Event<T>, Interruption> {
        self.begun = Instant::now();
        let Selection { api, what, collection, list, .. } = &self.selection;
        let found: ObjectList<T> = api.read(what, collection.list(list)).await?;
        self.state = State::Listed(found.metadata.resource_version.unwrap_or_default());
        Ok(Event::Listed(found.items))
    }

    async fn open(&mut self, version: &str) -> Result<(), Interruption> {
        self.begun = Instant::now();
        let Selection { api, what, collection, watch, .. } = &self.selection;
        self.state = State::Following(Box::pin(api.watch(what, collection, watch, version).await?));
        Ok(())
    }

    /// Has the next step be a list, soon after a long watch, later after failures in a row.
    async fn relist(&mut self) {
        if self.begun.elapsed() > LONGEST_WAIT {
            self.failures = 0;
        }
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Unlisted;
        sleep(wait).await;
    }
}

/// Why a watch does not go on.
enum Interruption {
    /// The server ended it, or is silent.
    Over,
    Failed(ApiError),
}

impl From<ApiError> for Interruption {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

async fn next_event<T>(events: &mut Events<T>, what: &str) -> Result<Option<Event<T>>, Interruption> {
    let Ok(Some(event)) = timeout(SILENCE_LIMIT, events.next()).await else { return Err(Interruption::Over) };
    match event? {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Ok(Some(Event::Applied(object))),
        WatchEvent::Deleted(object) => Ok(Some(Event::Deleted(object))),
        WatchEvent::Bookmark(_) => Ok(None),
        WatchEvent::Error(status) => Err(ApiError::of_event(what.to_owned(), *status).into()),
    }
}
