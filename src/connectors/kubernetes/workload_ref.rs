//! One configured workload and the cluster that it is in, as every step of an event needs them.

use std::fmt;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{FailureMode, WorkloadConfig};
use crate::causes;
use crate::connector::{EventContext, EventError};
use crate::k8s::{ApiError, Cluster, Workload, WorkloadKind, tuning_pod_name};
use crate::retry::{Attempt, Limits, retry};

/// How long the answer to a write is awaited that was under way when its wait was called off.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// An API server that was away is asked again soon after it is back.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Who may call off a wait.
#[derive(Clone, Copy)]
pub(super) enum CancelPolicy<'a> {
    Event(&'a EventContext),
    /// Nobody: what is put right is put right to its end.
    UntilDone,
}

impl CancelPolicy<'_> {
    /// Resolves to the error to return when the wait is called off.
    pub(super) async fn ends(self) -> EventError {
        match self {
            Self::Event(cx) => cx.cancelled().await,
            Self::UntilDone => std::future::pending().await,
        }
    }
}

/// One configured workload and the cluster that it is in.
#[derive(Clone, Copy)]
pub(super) struct WorkloadRef<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) kind: WorkloadKind,
    pub(super) config: &'a WorkloadConfig,
}

impl<'a> WorkloadRef<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.config.name.as_str()
    }

    pub(super) fn namespace(&self) -> &'a str {
        self.config.shared.namespace.as_str()
    }

    /// How long it may take to become ready; a negative time is none.
    pub(super) fn timeout(&self) -> Duration {
        self.config.shared.timeout.to_std()
    }

    pub(super) fn mode(&self) -> FailureMode {
        self.config.shared.on_failure
    }

    /// The name of its tuning pod, in a canary.
    pub(super) fn tuning_pod(&self) -> String {
        tuning_pod_name(self.name())
    }

    /// The workload as it is now.
    ///
    /// # Errors
    /// The API refuses, or the wait is called off.
    pub(super) async fn workload(&self, policy: CancelPolicy<'_>) -> Result<Workload, EventError> {
        self.persist(policy, || self.cluster.workload(self.kind, self.namespace(), self.name())).await
    }

    /// Repeats a request until it is answered: an API server may be away for a while, and a conflict is no failure of
    /// a request that says only what is to change. The workload's `timeout` limits it, and whoever may call it off.
    pub(super) async fn persist<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        policy: CancelPolicy<'_>,
        request: impl FnMut() -> F,
    ) -> Result<T, EventError> {
        tokio::select! {
            error = policy.ends() => Err(error),
            answer = self.repeat(request) => answer,
        }
    }

    /// As [`Self::persist`], for a request that writes. One that is under way when the wait is called off is answered
    /// first, where that does not take long: else it might be carried out after what is done about the cancellation.
    pub(super) async fn commit<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        policy: CancelPolicy<'_>,
        mut request: impl FnMut() -> F,
    ) -> Result<T, EventError> {
        let under_way = Mutex::new(());
        let noted = || {
            let (answer, under_way) = (request(), &under_way);
            async move {
                let _request = under_way.lock().await;
                answer.await
            }
        };
        let called_off = async {
            let error = policy.ends().await;
            drop(timeout(LAST_ANSWER, under_way.lock()).await);
            error
        };
        tokio::select! {
            // So that nothing begins after the wait was called off, and the lock tells who waits.
            biased;
            error = called_off => Err(error),
            answer = self.repeat(noted) => answer,
        }
    }

    async fn repeat<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        mut request: impl FnMut() -> F,
    ) -> Result<T, EventError> {
        let limits = Limits { max_time: Some(self.timeout()), max_tries: None, max_wait: Some(LONGEST_WAIT) };
        let mut told = String::new();
        let on_wait = |error: &ApiError, wait: Duration| {
            // Each cause once: it may last for all of the timeout.
            let cause = causes::chain(error);
            if cause == told {
                tracing::debug!(workload = %self, cause, ?wait, "repeating a request");
            } else {
                tracing::warn!(workload = %self, "{cause}; asking again for up to {} s", self.timeout().as_secs());
                told = cause;
            }
        };
        let attempt = || {
            let answer = request();
            async {
                answer.await.map_err(|error| {
                    let passes = error.is_transient() || error.is_conflict();
                    if passes { Attempt::transient(error) } else { Attempt::permanent(error) }
                })
            }
        };
        retry(limits, on_wait, attempt).await.map_err(failed)
    }

    /// When its time is over, counted from now. A timeout beyond the range of the clock is no limit.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline(Instant::now().checked_add(self.timeout()))
    }
}

/// `Deployment "web" in namespace "default"`.
impl fmt::Display for WorkloadRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\" in namespace \"{}\"", self.kind.as_str(), self.name(), self.namespace())
    }
}

/// A moment that may never come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// The moment that never comes.
    pub(super) const NEVER: Self = Self(None);

    /// The moment after this time from now.
    pub(super) fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    pub(super) async fn passed(self) {
        match self.0 {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// The failure of an event by a request that failed.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failed(error: ApiError) -> EventError {
    EventError::adjustment_failed(causes::chain(&error))
}
