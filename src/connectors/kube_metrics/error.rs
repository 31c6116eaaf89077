//! Why there is no sample.

use crate::connector::EventError;
use crate::k8s::ApiError;

/// A sample that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SampleError {
    /// The cluster refuses, or does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The cluster has no metrics API, or nothing that serves it.
    #[error(
        "the cluster has no metrics API that answers: install metrics-server, or see why it does not run, by 'kubectl \
         get apiservices v1beta1.metrics.k8s.io'"
    )]
    NoMetricsApi(#[source] ApiError),
    /// The workload would select every pod.
    #[error("{0} selects no pods by labels")]
    NoSelector(String),
    /// The container that the configuration names is not there.
    #[error(
        "container \"{container}\" is not in {owner}, which has '{found}': correct 'container' of the configuration"
    )]
    NoContainer {
        /// The one that is wanted.
        container: String,
        /// The object that lacks it.
        owner: String,
        found: String,
    },
    /// The configuration names none, and there is not just one.
    #[error(
        "{owner} has more containers than one, or none ('{found}'): name the one to measure as 'container' of the configuration"
    )]
    SeveralContainers {
        /// The object that has them.
        owner: String,
        found: String,
    },
    /// Another pod has the label of the tuning pod.
    #[error("pod \"{found}\" is labelled as a tuning pod, but the one of this workload is \"{expected}\"")]
    UnexpectedTuningPod {
        found: String,
        /// The name that the tuning pod has.
        expected: String,
    },
    #[error("cannot read the {resource} of container \"{container}\" of {owner}: '{text}' is no quantity")]
    Quantity { owner: String, container: String, resource: &'static str, text: String },
}

impl SampleError {
    /// The failure of a request to the metrics API.
    pub(super) fn of_metrics(error: ApiError) -> Self {
        match error {
            ApiError::Status { code: 404 | 503, .. } => Self::NoMetricsApi(error),
            error => Self::Api(error),
        }
    }

    /// Another sample may be had.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Api(error) | Self::NoMetricsApi(error) => error.is_transient(),
            _ => false,
        }
    }

    fn is_not_found(&self) -> bool {
        match self {
            Self::Api(error) | Self::NoMetricsApi(error) => error.is_not_found(),
            _ => false,
        }
    }
}

/// Every failure of a sample is one of the measurement.
impl From<SampleError> for EventError {
    fn from(error: SampleError) -> Self {
        let message = if error.is_not_found() { "Resource not found, failing measurement" } else { "failed to sample" };
        Self::measurement_failed(message).with_source(error)
    }
}
