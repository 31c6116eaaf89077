//! Requests to the API server, and their limits of time.
//!
//! Answers are read here rather than by the client library, which would log an object that it cannot read with every
//! value in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use kube::Client;
use kube::client::Body;
use kube::core::params::WatchParams;
use kube::core::{Request, WatchEvent};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::{ApiError, TransportError};
use super::session::Session;
use crate::k8s::WorkloadKind;

/// How long a request may take, with its answer.
const REQUEST_LIMIT: Duration = Duration::from_mins(5);

/// How long the server may be silent. It gives up on a request itself after 60 s.
pub(in crate::k8s) const SILENCE_LIMIT: Duration = Duration::from_secs(65);

/// A request as the client library builds it, or a name that cannot be in one.
pub(in crate::k8s) type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// Objects of one kind in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::k8s) struct Collection {
    /// The path before the namespace.
    group: &'static str,
    /// The word for them in a path.
    pub(in crate::k8s) plural: &'static str,
}

impl Collection {
    pub(in crate::k8s) const DEPLOYMENTS: Self = Self { group: APPS, plural: "deployments" };
    pub(in crate::k8s) const STATEFUL_SETS: Self = Self { group: APPS, plural: "statefulsets" };
    pub(in crate::k8s) const REPLICA_SETS: Self = Self { group: APPS, plural: "replicasets" };
    pub(in crate::k8s) const PODS: Self = Self { group: CORE, plural: "pods" };
    pub(in crate::k8s) const SERVICES: Self = Self { group: CORE, plural: "services" };
    pub(in crate::k8s) const POD_METRICS: Self = Self { group: METRICS, plural: "pods" };
    pub(in crate::k8s) const CONFIG_MAPS: Self = Self { group: CORE, plural: "configmaps" };
    pub(in crate::k8s) const LEASES: Self = Self { group: COORDINATION, plural: "leases" };

    pub(in crate::k8s) fn of(kind: WorkloadKind) -> Self {
        match kind {
            WorkloadKind::Deployment => Self::DEPLOYMENTS,
            WorkloadKind::StatefulSet => Self::STATEFUL_SETS,
        }
    }

    /// Builds requests for those of a namespace.
    pub(in crate::k8s) fn within(self, namespace: &str) -> Request {
        Request::new(format!("{}/namespaces/{namespace}/{}", self.group, self.plural))
    }
}

const APPS: &str = "/apis/apps/v1";
const CORE: &str = "/api/v1";
const COORDINATION: &str = "/apis/coordination.k8s.io/v1";
const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";

/// What a request is about, for messages.
pub(in crate::k8s) fn about(verb: &str, collection: Collection, namespace: &str, name: &str) -> String {
    format!("{verb} {} \"{name}\" in namespace \"{namespace}\"", collection.plural)
}

#[derive(Clone)]
pub(in crate::k8s) struct Api(Arc<Session>);

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    pub(in crate::k8s) fn new(session: Session) -> Self {
        Self(Arc::new(session))
    }

    /// What speaks to the server, for what is not a request with an answer.
    pub(in crate::k8s) async fn client(&self) -> Client {
        self.0.client().await.0
    }

    /// Sends a request and reads its answer as JSON.
    pub(in crate::k8s) async fn read<T: DeserializeOwned>(&self, what: &str, request: Built) -> Result<T, ApiError> {
        let body = self.send(what, request).await?;
        serde_json::from_slice(&body).map_err(|source| ApiError::Unintelligible { request: what.to_owned(), source })
    }

    /// The same for an object that may be missing.
    pub(in crate::k8s) async fn find<T: DeserializeOwned>(
        &self,
        what: &str,
        request: Built,
    ) -> Result<Option<T>, ApiError> {
        match self.read(what, request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request and returns the body of its answer. When the credentials are refused they are read anew, and the
    /// request is sent once more: a server that refuses them has not carried it out.
    ///
    /// # Cancel safety
    /// Dropping the future ends the request, which the server may have carried out.
    pub(in crate::k8s) async fn send(&self, what: &str, request: Built) -> Result<bytes::Bytes, ApiError> {
        let request = built(what, request)?;
        let (client, generation) = self.0.client().await;
        match exchange(&client, what, request.clone()).await {
            Err(error) if error.is_unauthorized() => {
                self.renew(what, generation).await?;
                exchange(&self.client().await, what, request).await
            }
            answer => answer,
        }
    }

    /// Reads the credentials anew.
    async fn renew(&self, what: &str, generation: u64) -> Result<(), ApiError> {
        tracing::debug!(request = what, "the API server refused the credentials; reading them again");
        let renewed = self.0.renew(generation).await;
        renewed.map_err(|source| ApiError::Unreachable { request: what.to_owned(), source })
    }

    /// Opens a watch for what happens after a version of a collection.
    pub(in crate::k8s) async fn watch<T: DeserializeOwned + Clone>(
        &self,
        what: &str,
        collection: &Request,
        params: &WatchParams,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<T>, ApiError>> + Send + use<T>, ApiError> {
        let request = built(what, collection.watch(params, version))?;
        let open = async |client: Client, request| {
            let opened = timeout(SILENCE_LIMIT, client.request_events(request)).await;
            let opened = opened.map_err(|_| silent(what, SILENCE_LIMIT))?;
            opened.map_err(|error| ApiError::of_client(what.to_owned(), error))
        };
        let (client, generation) = self.0.client().await;
        let events = match open(client, request.clone()).await {
            Err(error) if error.is_unauthorized() => {
                self.renew(what, generation).await?;
                open(self.client().await, request).await?
            }
            opened => opened?,
        };
        let what = what.to_owned();
        Ok(events.map(move |event| event.map_err(|error| ApiError::of_client(what.clone(), error))))
    }
}

/// One request and the body of its answer.
async fn exchange(client: &Client, what: &str, request: http::Request<Vec<u8>>) -> Result<bytes::Bytes, ApiError> {
    let failed = |error| ApiError::of_client(what.to_owned(), error);
    let answered = async {
        let answer = timeout(SILENCE_LIMIT, client.send(request.map(Body::from))).await;
        let answer = answer.map_err(|_| silent(what, SILENCE_LIMIT))?;
        let (head, body) = answer.map_err(failed)?.into_parts();
        let body = body.collect_bytes().await.map_err(failed)?;
        if head.status.is_success() {
            return Ok(body);
        }
        Err(ApiError::refused(what.to_owned(), head.status.as_u16(), &body))
    };
    timeout(REQUEST_LIMIT, answered).await.map_err(|_| silent(what, REQUEST_LIMIT))?
}

fn built(what: &str, request: Built) -> Result<http::Request<Vec<u8>>, ApiError> {
    request.map_err(|_| ApiError::Unaskable { request: what.to_owned() })
}

fn silent(what: &str, limit: Duration) -> ApiError {
    ApiError::Unreachable { request: what.to_owned(), source: TransportError::silence(limit) }
}
