//! Watching objectives while a measurement runs.

use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::config::MetricConfig;
use super::query::{QueryError, Window};
use super::readings::{MetricQuery, read_all};
use crate::connector::EventError;
use crate::fast_fail::{FastFailConfig, SLO_VIOLATION, Schedule, SloObserver};
use crate::types::{Duration, SloInput, UnixTime};

/// Reads the metrics at every check of a measurement that takes `total`, and judges them.
///
/// # Errors
/// [`ErrorKind::Aborted`](crate::connector::ErrorKind::Aborted) when an objective is violated; a failed measurement
/// when a metric cannot be read.
///
/// # Cancel safety
/// Cancel safe: dropping it drops the requests.
pub(super) async fn watch(
    client: &Client,
    metrics: &[&MetricConfig],
    config: &FastFailConfig,
    slo: &SloInput,
    total: Duration,
) -> Result<(), EventError> {
    let started_at = Instant::now();
    let schedule = Schedule::new(config, total);
    let mut observer = SloObserver::new(slo, config);
    while let Some(due) = schedule.next_after(Duration::from_std(started_at.elapsed())) {
        sleep_until(started_at + due.to_std()).await;
        let checked_at = jiff::Zoned::now();
        let window = Window::before(UnixTime::from(checked_at.timestamp()), config.span).map_err(no_span)?;
        let readings = read_all(client, &MetricQuery::all(metrics, window)?).await?;
        observer
            .check(checked_at.datetime(), &readings)
            .map_err(|violation| EventError::aborted(violation.to_string(), SLO_VIOLATION))?;
    }
    Ok(())
}

fn no_span(error: QueryError) -> EventError {
    EventError::measurement_failed("failed to check objectives: 'fast_fail.span' must be above zero").with_source(error)
}
