//! Readings of metrics: the results of their queries, and what it means when a result is empty.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::client::{Client, ClientError};
use super::config::{AbsentPolicy, MetricConfig};
use super::query::{ApiRequest, QueryError, Window};
use super::result::QueryResult;
use crate::connector::EventError;
use crate::types::{Metric, Reading, TimeSeries};

/// A metric that cannot be measured.
#[derive(Debug, thiserror::Error)]
#[error("failed to measure '{metric}'")]
pub(super) struct MeasureError {
    metric: String,
    source: MeasureCause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum MeasureCause {
    /// There is nothing to ask for.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Prometheus does not answer, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The result is of no use.
    #[error("the query gives a text, not numbers: {0:?}")]
    Text(String),
    /// It must be there, and is not.
    #[error("the metric is absent from Prometheus, and must not be: its query is {0:?}")]
    Absent(String),
}

/// Every failure of a measurement is answered as one, and never ends more than the measurement.
impl From<MeasureError> for EventError {
    fn from(error: MeasureError) -> Self {
        Self::measurement_failed(error.to_string()).with_source(error.source)
    }
}

/// The query of a metric over a span of time, ready to be sent.
pub(super) struct MetricQuery<'a> {
    metric: &'a MetricConfig,
    request: ApiRequest,
}

impl<'a> MetricQuery<'a> {
    /// The queries of several metrics.
    ///
    /// # Errors
    /// A metric has no query.
    pub(super) fn all(metrics: &[&'a MetricConfig], window: Window) -> Result<Vec<Self>, MeasureError> {
        let query = |metric: &&'a MetricConfig| {
            let request = ApiRequest::range(metric, window).map_err(|error| failed(metric, error))?;
            Ok(Self { metric, request })
        };
        metrics.iter().map(query).collect()
    }
}

/// Queries that are asked at once: more would wait for each other in the server, and be taken for unanswered.
const CONCURRENT_QUERIES: usize = 32;

/// The readings of all queries, in their order, each series being one. Many are asked for at once; the first error drops
/// the others.
pub(super) async fn read_all(client: &Client, queries: &[MetricQuery<'_>]) -> Result<Vec<Reading>, MeasureError> {
    // Nothing is asked before its turn: a future does nothing until then.
    let reads: Vec<_> = queries.iter().map(|query| read(client, query)).collect();
    let readings: Vec<Vec<Reading>> = stream::iter(reads).buffered(CONCURRENT_QUERIES).try_collect().await?;
    Ok(readings.into_iter().flatten().collect())
}

async fn read(client: &Client, query: &MetricQuery<'_>) -> Result<Vec<Reading>, MeasureError> {
    let MetricQuery { metric, request } = query;
    let result: QueryResult = client.get(request).await.map_err(|error| failed(metric, error))?;
    let promql = || metric.query.clone().unwrap_or_default();
    let series = result.into_series().ok_or_else(|| failed(metric, MeasureCause::Text(promql())))?;
    if series.is_empty() {
        match metric.absent {
            AbsentPolicy::Ignore | AbsentPolicy::Zero => {}
            AbsentPolicy::Warn => {
                if is_absent(client, metric).await? {
                    tracing::warn!("Found absent metric for query (`{}`)", promql());
                }
            }
            AbsentPolicy::Fail => {
                if is_absent(client, metric).await? {
                    return Err(failed(metric, MeasureCause::Absent(promql())));
                }
            }
        }
    }
    let described = Arc::new(Metric::new(&metric.name, metric.unit));
    let readings = series.into_iter().map(|series| {
        let reading = TimeSeries::new(Arc::clone(&described), series.points);
        reading.with_id(series.id).with_annotation(series.annotation).into()
    });
    Ok(readings.collect())
}

/// Whether Prometheus says that a metric is absent at present: by a vector of one series of value 1. Every other
/// answer with data says that it is not.
async fn is_absent(client: &Client, metric: &MetricConfig) -> Result<bool, MeasureError> {
    let request = ApiRequest::absence(metric).map_err(|error| failed(metric, error))?;
    let answer = client.send::<QueryResult>(&request).await.map_err(|error| failed(metric, error))?;
    let data = answer.any_data().map_err(|error| failed(metric, client.error(&request, error)))?;
    Ok(match data {
        Some(QueryResult::Vector(series)) => match series.as_slice() {
            // What comes after the point does not count.
            [only] => matches!(only.points.as_slice(), [point] if (1.0..2.0).contains(&point.value)),
            _ => false,
        },
        _ => false,
    })
}

fn failed(metric: &MetricConfig, source: impl Into<MeasureCause>) -> MeasureError {
    MeasureError { metric: metric.name.clone(), source: source.into() }
}
