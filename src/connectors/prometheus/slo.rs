//! Watching objectives while a measurement runs.

use std::time::Duration as Span;

use tokio::time::{Instant, sleep_until};

use super::api::{Client, QueryError, Window};
use super::config::MetricConfig;
use super::readings::{MetricQuery, read_all};
use crate::connector::EventError;
use crate::fast_fail::{FastFailConfig, SLO_VIOLATION, Schedule, SloObserver};
use crate::types::{Control, Duration, SloInput, UnixTime};

/// How long a look repeats a failure that may pass; the next look comes anyway.
const TOLERANCE: Span = Span::from_secs(5);

/// Reads the metrics at every check of a measurement, and judges them. What was before the measurement, or in its warm-up
/// unless that is to be judged, is not looked at. A look that fails is left out: only the measurement itself needs its
/// readings.
///
/// # Errors
/// [`ErrorKind::Aborted`](crate::connector::ErrorKind::Aborted) when an objective is violated; a failed measurement
/// when a metric has no query.
///
/// # Cancel safety
/// Cancel safe: dropping it drops the requests.
pub(super) async fn watch(
    client: &Client,
    metrics: &[&MetricConfig],
    config: &FastFailConfig,
    slo: &SloInput,
    control: &Control,
) -> Result<(), EventError> {
    let (started_at, begun) = (Instant::now(), UnixTime::now());
    let unjudged = config.unjudged(control.warmup);
    let schedule = Schedule::new(config, control.warmup + control.duration).after(unjudged);
    let mut observer = SloObserver::new(slo, config);
    while let Some(due) = schedule.next_after(Duration::from_std(started_at.elapsed())) {
        sleep_until(started_at + due.to_std()).await;
        let checked_at = jiff::Zoned::now();
        let window = Window::before(UnixTime::from(checked_at.timestamp()), config.span).map_err(no_span)?;
        let Ok(window) = window.not_before(begun.plus(unjudged)) else { continue };
        match read_all(client, &MetricQuery::of_look(metrics, window)?, TOLERANCE).await {
            Ok(read) => observer
                .check(checked_at.datetime(), &read.readings)
                .map_err(|violation| EventError::aborted(violation.to_string(), SLO_VIOLATION))?,
            Err(error) => {
                tracing::warn!("objectives were not checked this time: {}", EventError::from(error).chain());
            }
        }
    }
    Ok(())
}

fn no_span(error: QueryError) -> EventError {
    EventError::measurement_failed("failed to check objectives: 'fast_fail.span' must be above zero").with_source(error)
}
