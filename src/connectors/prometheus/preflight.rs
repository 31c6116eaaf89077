//! Asking each query once when a measurement begins: a server that is down, a query that it refuses, and a name that it
//! does not have are known at once, and not when the time has been spent.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::api::{Allowance, ApiRequest, Client, NearestNames, QueryResult, Window};
use super::config::MetricConfig;
use super::readings::{CONCURRENT_QUERIES, MeasureError, failed};
use crate::causes::chain;

/// How long a failure is repeated that may pass.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The longest list of names that is read, in bytes.
const LONGEST_LIST: u64 = 16 << 20;

/// Why metrics have no data at present, by name of the metric; most have some.
///
/// # Errors
/// The server does not answer, or refuses a query.
pub(super) async fn ask(
    client: &Client,
    metrics: &[&MetricConfig],
    window: Window,
) -> Result<BTreeMap<String, String>, MeasureError> {
    let allowance = client.allowance().await;
    let asked: Vec<_> = metrics.iter().map(|metric| is_empty(client, metric, window, &allowance)).collect();
    let empty: Vec<bool> = stream::iter(asked).buffered(CONCURRENT_QUERIES).try_collect().await?;
    let empty: Vec<&&MetricConfig> =
        metrics.iter().zip(empty).filter_map(|(metric, is_empty)| is_empty.then_some(metric)).collect();
    if empty.is_empty() {
        return Ok(BTreeMap::new());
    }
    let Some(names) = names(client).await else { return Ok(BTreeMap::new()) };
    let told = empty.into_iter().map(|metric| {
        let hint = names.of(metric.query.as_deref().unwrap_or_default());
        tracing::warn!(metric = metric.name, "{} has no data at the start of the measurement: {hint}", metric.name);
        (metric.name.clone(), hint)
    });
    Ok(told.collect())
}

async fn is_empty(
    client: &Client,
    metric: &MetricConfig,
    window: Window,
    allowance: &Allowance,
) -> Result<bool, MeasureError> {
    let request = ApiRequest::first_look(metric, window).map_err(|error| failed(metric, error))?;
    let found = match client.get_within::<QueryResult>(&request, TOLERANCE, allowance).await {
        Ok(answer) => answer.data.into_series(),
        // A server of range queries alone is left to answer those.
        Err(error) if error.is_of_the_answer() => None,
        Err(error) => return Err(failed(metric, error)),
    };
    Ok(found.is_some_and(|series| series.is_empty()))
}

/// The names that the server has, if it says them: it is asked for help only.
async fn names(client: &Client) -> Option<NearestNames> {
    let request = ApiRequest::names();
    let answer = client.get_within(&request, Duration::ZERO, &Allowance::new(LONGEST_LIST)).await;
    answer
        .map_err(|error| tracing::debug!("the names of metrics are not known: {}", chain(&error)))
        .ok()
        .map(|n| n.data)
}
