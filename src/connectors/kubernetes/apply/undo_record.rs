//! The record of an adjustment that is under way: what was there, what was written, by which attempt of which process.
//!
//! It is a Lease beside the workload, which no controller copies, and which shows people who is at work. Its holder renews
//! it while the attempt lasts. A record whose holder is gone is what an attempt left that was cut off.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use super::process::{Presence, Process, UnderWay};
use crate::causes::chain;
use crate::connector::{EventContext, EventError};
use crate::connectors::kubernetes::plan::undo::Undo;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::connectors::kubernetes::{FailureMode, permissions};
use crate::k8s::{ApiError, Cluster, Workload};
use crate::types::UnixTime;

/// The annotation of the Lease that has the record.
pub(crate) const UNDO_ANNOTATION: &str = "servo.opsani.com/undo";

/// How often the holder renews its record.
const RENEWAL: Duration = Duration::from_secs(10);

/// A holder on another machine that has not renewed its record for so long is gone.
const LEASE: Duration = Duration::from_secs(30);

/// How often a record is looked at whose holder may be gone.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Contents {
    /// Tells this attempt from all others.
    attempt: String,
    holder: Process,
    /// The uid of the workload: one that was made anew under its name has other values.
    workload: String,
    fields: Undo,
}

/// The record of an attempt of this process. Dropping it ends its renewal; the Lease stays until [`Self::delete`].
pub(crate) struct OwnRecord {
    name: String,
    contents: Contents,
    _under_way: UnderWay,
    renewal: tokio::task::JoinHandle<()>,
}

impl Drop for OwnRecord {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// A record that was found.
pub(crate) struct FoundRecord {
    name: String,
    uid: Option<String>,
    renewed: Json,
    contents: Contents,
}

/// The name of the Lease of a workload.
fn lease_name(workload_ref: &WorkloadRef<'_>) -> String {
    format!("servo-{}-{}", workload_ref.kind.as_str().to_lowercase(), workload_ref.name())
}

impl OwnRecord {
    /// Records an adjustment that is about to be written.
    ///
    /// # Errors
    /// Another process has a record for this workload; the API refuses; or the wait is called off.
    pub(crate) async fn create(
        workload_ref: &WorkloadRef<'_>,
        workload: &Workload,
        undo: &Undo,
        policy: CancelPolicy<'_>,
    ) -> Result<Self, EventError> {
        let attempt = format!("{:016x}", fastrand::u64(..));
        let holder = Process::own().await;
        let contents = Contents { attempt, holder, workload: workload.uid.clone(), fields: undo.clone() };
        let name = lease_name(workload_ref);
        let lease = lease(workload_ref, workload, &name, &contents);
        let under_way = UnderWay::begin(&contents.attempt);
        let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
        let create = || async {
            match cluster.create_lease(namespace, &lease).await {
                Err(error) if error.is_taken_name() => Ok(Ok(false)),
                Err(error) if error.is_forbidden() => Ok(Err(error)),
                answer => answer.map(|()| Ok(true)),
            }
        };
        let is_created = workload_ref.commit(policy, create).await?.map_err(|error| forbidden(workload_ref, &error))?;
        if !is_created {
            let holder = FoundRecord::read(workload_ref, policy).await?.map(|record| record.holder());
            let holder = holder.unwrap_or_else(|| "another process".to_owned());
            return Err(EventError::adjustment_failed(format!(
                "{workload_ref} is being adjusted by {holder}, as the lease \"{name}\" says: two at once would overwrite \
                 each other"
            ))
            .with_reason(crate::connector::NOT_APPLIED));
        }
        let renewal = tokio::spawn(renew(cluster.clone(), namespace.to_owned(), name.clone()));
        Ok(Self { name, contents, _under_way: under_way, renewal })
    }

    /// What is restored when the adjustment fails.
    pub(crate) fn undo(&self) -> &Undo {
        &self.contents.fields
    }

    /// Takes over what the API server made of the values that were written.
    ///
    /// # Errors
    /// The API refuses, or the wait is called off.
    pub(crate) async fn accept(
        &mut self,
        workload_ref: &WorkloadRef<'_>,
        workload: &Workload,
        policy: CancelPolicy<'_>,
    ) -> Result<(), EventError> {
        if !self.contents.fields.accept(workload) {
            return Ok(());
        }
        let patch = json!({ "metadata": { "annotations": annotations(&self.contents) } });
        let request = || workload_ref.cluster.patch_lease(workload_ref.namespace(), &self.name, &patch);
        workload_ref.commit(policy, request).await
    }

    /// Deletes the record, after a success or a rollback.
    ///
    /// # Errors
    /// The API refuses, or the wait is called off.
    pub(crate) async fn delete(
        &self,
        workload_ref: &WorkloadRef<'_>,
        policy: CancelPolicy<'_>,
    ) -> Result<(), EventError> {
        let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
        workload_ref.commit(policy, || cluster.delete_lease(namespace, &self.name, None)).await.map(drop)
    }
}

async fn renew(cluster: Cluster, namespace: String, name: String) {
    loop {
        sleep(RENEWAL).await;
        let patch = json!({ "spec": { "renewTime": now() } });
        if let Err(error) = cluster.patch_lease(&namespace, &name, &patch).await {
            tracing::debug!(%error, "cannot renew the record of an adjustment");
        }
    }
}

/// The time in the form that a Lease has: microseconds are required.
fn now() -> String {
    UnixTime::from_seconds(UnixTime::now().seconds()).to_string().replace("+00:00", ".000000Z")
}

fn annotations(contents: &Contents) -> Json {
    json!({ UNDO_ANNOTATION: json!(contents).to_string() })
}

fn lease(workload_ref: &WorkloadRef<'_>, workload: &Workload, name: &str, contents: &Contents) -> Json {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "labels": { "app.kubernetes.io/managed-by": "servo" },
            "annotations": annotations(contents),
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": workload_ref.kind.as_str(), "name": workload.name, "uid": workload.uid,
            }],
        },
        "spec": {
            "holderIdentity": format!("{}/{}", contents.holder.host, contents.holder.pid),
            "leaseDurationSeconds": LEASE.as_secs(),
            "acquireTime": now(),
            "renewTime": now(),
        },
    })
}

/// The account has no right to the records: which rights it needs.
fn forbidden(workload_ref: &WorkloadRef<'_>, error: &ApiError) -> EventError {
    EventError::adjustment_failed(format!(
        "{}; 'on_failure: rollback' keeps its record in a Lease: {}",
        chain(error),
        permissions::advice(workload_ref.namespace(), &permissions::of_leases())
    ))
}

impl FoundRecord {
    /// The record of a workload, when there is one.
    ///
    /// # Errors
    /// The API refuses; what is there is not a record; or the wait is called off.
    pub(crate) async fn read(
        workload_ref: &WorkloadRef<'_>,
        policy: CancelPolicy<'_>,
    ) -> Result<Option<Self>, EventError> {
        let name = lease_name(workload_ref);
        let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
        let request = || async {
            match cluster.lease(namespace, &name).await {
                // Without `rollback` nothing is recorded, and the right to read records need not be there.
                Err(error) if error.is_forbidden() && workload_ref.mode() != FailureMode::Rollback => Ok(Ok(None)),
                Err(error) if error.is_forbidden() => Ok(Err(error)),
                answer => answer.map(Ok),
            }
        };
        let found = workload_ref.persist(policy, request).await?;
        let Some(lease) = found.map_err(|error| forbidden(workload_ref, &error))? else { return Ok(None) };
        let text = lease["metadata"]["annotations"][UNDO_ANNOTATION].as_str().unwrap_or_default();
        let contents = serde_json::from_str(text).map_err(|error| {
            let message = format!(
                "the lease \"{name}\" in namespace \"{namespace}\" does not have the record of an adjustment of \
                 {workload_ref} that can be read: look at the workload, then delete the lease"
            );
            EventError::failed(message).with_source(error)
        })?;
        let uid = lease["metadata"]["uid"].as_str().map(str::to_owned);
        Ok(Some(Self { name, uid, renewed: lease["spec"]["renewTime"].clone(), contents }))
    }

    /// Such as `the process 17 on web-1`.
    pub(crate) fn holder(&self) -> String {
        format!("the process {} on {}", self.contents.holder.pid, self.contents.holder.host)
    }

    /// What is to be restored of the workload as it is now; nothing of one that was made anew.
    pub(crate) fn undo(&self, workload: &Workload) -> Undo {
        if self.contents.workload == workload.uid { self.contents.fields.clone() } else { Undo::default() }
    }

    /// Whether its holder is gone. One on another machine is waited for: it renews its record, or it does not.
    ///
    /// # Errors
    /// The API refuses, or the wait is called off.
    pub(crate) async fn is_abandoned(
        &self,
        workload_ref: &WorkloadRef<'_>,
        cx: &EventContext,
    ) -> Result<bool, EventError> {
        match self.contents.holder.presence().await {
            Presence::Gone => return Ok(true),
            Presence::Alive => {
                let is_own = self.contents.holder == Process::own().await;
                return Ok(is_own && !UnderWay::has(&self.contents.attempt));
            }
            Presence::Unknown => {}
        }
        let (seen, policy) = (Instant::now(), CancelPolicy::Event(cx));
        while seen.elapsed() < LEASE {
            cx.unless_cancelled(sleep(LOOK)).await?;
            let now = Self::read(workload_ref, policy).await?;
            if now.is_none_or(|now| now.renewed != self.renewed || now.contents.attempt != self.contents.attempt) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes it.
    ///
    /// # Errors
    /// The API refuses, or the wait is called off.
    pub(crate) async fn delete(
        &self,
        workload_ref: &WorkloadRef<'_>,
        policy: CancelPolicy<'_>,
    ) -> Result<(), EventError> {
        let (cluster, namespace) = (workload_ref.cluster, workload_ref.namespace());
        let request = || cluster.delete_lease(namespace, &self.name, self.uid.as_deref());
        workload_ref.commit(policy, request).await.map(drop)
    }
}
