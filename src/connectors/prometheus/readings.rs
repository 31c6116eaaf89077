//! Readings of metrics: the results of their queries, and what it means when a result lacks something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::api::{Allowance, ApiRequest, Client, ClientError, Noted, Notes, QueryError, QueryResult, Series, Window};
use super::config::{AbsentPolicy, MetricConfig, PartialPolicy, QueryKind};
use crate::connector::{EventError, NOT_MEASURED};
use crate::types::{Metric, Reading, SeriesRule, TimeSeries};

/// A metric that cannot be measured.
#[derive(Debug, thiserror::Error)]
#[error("failed to measure '{metric}'")]
pub(super) struct MeasureError {
    metric: String,
    source: Box<MeasureCause>,
}

/// Why not.
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
    #[error("the metric is absent from Prometheus, and must not be: its query is {query:?}{hint}")]
    Absent {
        query: String,
        /// What may be wrong with it, beginning with `; `, or nothing.
        hint: String,
    },
    #[error(
        "every value is NaN or infinite, and there must be a number: is there no traffic to divide by? The query is {0:?}"
    )]
    NoNumber(String),
    #[error("{0} series, where 'series: only' permits one: aggregate them in the query, such as by sum(...)")]
    Several(usize),
    #[error("the answer lacks data: {0}; 'partial: warn' of the metric accepts that")]
    Partial(String),
}

/// Nothing of this is the fault of the settings that are tried.
impl From<MeasureError> for EventError {
    fn from(error: MeasureError) -> Self {
        Self::measurement_failed(error.to_string()).with_reason(NOT_MEASURED).with_source(*error.source)
    }
}

/// The query of a metric over a span of time, ready to be sent.
pub(super) struct MetricQuery<'a> {
    metric: &'a MetricConfig,
    request: ApiRequest,
    /// Whether an SLO is judged by it.
    is_judged: bool,
    /// Why it may have no data, when it had none at the start of the measurement.
    hint: Option<String>,
}

impl<'a> MetricQuery<'a> {
    /// The queries of a measurement of this time; `is_strict` if no step may be longer.
    ///
    /// # Errors
    /// A metric has no query, or a step of its own that is longer than the measurement.
    pub(super) fn of_measurement(
        metrics: &[&'a MetricConfig],
        window: Window,
        is_judged: impl Fn(&str) -> bool,
        is_strict: bool,
    ) -> Result<Vec<Self>, MeasureError> {
        let step = |metric: &MetricConfig| {
            let duration = window.length();
            let too_long = QueryError::LongStep { step: metric.step.duration(), duration };
            metric.step.within(duration, is_strict).ok_or(too_long)
        };
        Self::all(metrics, window, is_judged, step)
    }

    /// The queries of a look at the last part of a measurement, for which no step is too long.
    ///
    /// # Errors
    /// A metric has no query.
    pub(super) fn of_look(metrics: &[&'a MetricConfig], window: Window) -> Result<Vec<Self>, MeasureError> {
        let step = |metric: &MetricConfig| Ok(metric.step.duration().min(window.length()));
        Self::all(metrics, window, |_| false, step)
    }

    fn all(
        metrics: &[&'a MetricConfig],
        window: Window,
        is_judged: impl Fn(&str) -> bool,
        step: impl Fn(&MetricConfig) -> Result<crate::types::Duration, QueryError>,
    ) -> Result<Vec<Self>, MeasureError> {
        let request = |metric: &MetricConfig| match metric.kind() {
            QueryKind::Range => ApiRequest::aligned_range(metric, window, step(metric)?),
            QueryKind::Instant => ApiRequest::at_the_end(metric, window),
        };
        let query = |metric: &&'a MetricConfig| {
            let request = request(metric).map_err(|error| failed(metric, error))?;
            Ok(Self { metric, request, is_judged: is_judged(&metric.name), hint: None })
        };
        metrics.iter().map(query).collect()
    }

    pub(super) fn metric(&self) -> &'a MetricConfig {
        self.metric
    }

    pub(super) fn with_hint(&mut self, hint: Option<String>) {
        self.hint = hint;
    }
}

/// Queries that are asked at once: more would wait for each other in the server, and be taken for unanswered.
pub(super) const CONCURRENT_QUERIES: usize = 32;

/// What was read, and notes about it by name.
#[derive(Debug, Default)]
pub(super) struct Readout {
    pub(super) readings: Vec<Reading>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// The readings of all queries, in their order, each series being one. Many are asked for at once, and each again for
/// this time while its failure may pass; the first error drops the others.
pub(super) async fn read_all(
    client: &Client,
    queries: &[MetricQuery<'_>],
    tolerance: Duration,
) -> Result<Readout, MeasureError> {
    let allowance = client.allowance().await;
    // Nothing is asked before its turn: a future does nothing until then.
    let reads: Vec<_> = queries.iter().map(|query| read(client, query, tolerance, &allowance)).collect();
    let parts: Vec<Readout> = stream::iter(reads).buffered(CONCURRENT_QUERIES).try_collect().await?;
    let mut whole = Readout::default();
    for part in parts {
        whole.readings.extend(part.readings);
        whole.annotations.extend(part.annotations);
    }
    Ok(whole)
}

async fn read(
    client: &Client,
    query: &MetricQuery<'_>,
    tolerance: Duration,
    allowance: &Allowance,
) -> Result<Readout, MeasureError> {
    let metric = query.metric;
    let answer = client.get_within::<QueryResult>(&query.request, tolerance, allowance).await;
    let Noted { data, notes } = answer.map_err(|error| failed(metric, error))?;
    let mut annotations = BTreeMap::new();
    judge_notes(query, &notes, &mut annotations).map_err(|cause| failed(metric, cause))?;
    let promql = || metric.query.clone().unwrap_or_default();
    let series = data.into_series().ok_or_else(|| failed(metric, MeasureCause::Text(promql())))?;
    if series.is_empty() {
        judge_absence(client, query).await?;
    } else if metric.absent == AbsentPolicy::Fail && !series.iter().any(Series::has_number) {
        return Err(failed(metric, MeasureCause::NoNumber(promql())));
    }
    let rule = metric.series();
    if series.len() > 1 {
        if rule == SeriesRule::Only {
            return Err(failed(metric, MeasureCause::Several(series.len())));
        }
        let note = format!("{} series; {}", series.len(), rule.text());
        tracing::info!(metric = metric.name, "{}: {note} (series: {})", metric.name, rule.as_str());
        annotations.insert(format!("{}.series", metric.name), note);
    }
    let described = Arc::new(Metric::new(&metric.name, metric.unit).judged_by(rule));
    let readings = series.into_iter().map(|series| {
        let reading = TimeSeries::new(Arc::clone(&described), series.points);
        reading.with_id(series.id).with_annotation(series.annotation).into()
    });
    Ok(Readout { readings: readings.collect(), annotations })
}

/// Logs what the server says beside its data, and notes it. Partial data are an error where they may not be judged.
fn judge_notes(
    query: &MetricQuery<'_>,
    notes: &Notes,
    annotations: &mut BTreeMap<String, String>,
) -> Result<(), MeasureCause> {
    let name = &query.metric.name;
    let mut note = |key: &str, text: &str| annotations.insert(format!("{name}.{key}"), text.to_owned());
    if !notes.infos.is_empty() {
        let infos = notes.infos.join("; ");
        tracing::info!(metric = name, "Prometheus says of the query of {name}: {infos}");
        note("infos", &infos);
    }
    if notes.warnings.is_empty() && !notes.is_partial {
        return Ok(());
    }
    let warnings =
        if notes.warnings.is_empty() { "the server marks it as partial".to_owned() } else { notes.warnings.join("; ") };
    tracing::warn!(metric = name, "Prometheus warns of the answer for {name}: {warnings}");
    note("warnings", &warnings);
    let by_default = if query.is_judged { PartialPolicy::Fail } else { PartialPolicy::Warn };
    match query.metric.partial.unwrap_or(by_default) {
        PartialPolicy::Fail => Err(MeasureCause::Partial(warnings)),
        PartialPolicy::Warn => Ok(()),
    }
}

async fn judge_absence(client: &Client, query: &MetricQuery<'_>) -> Result<(), MeasureError> {
    let metric = query.metric;
    if !matches!(metric.absent, AbsentPolicy::Warn | AbsentPolicy::Fail) || !is_absent(client, metric).await? {
        return Ok(());
    }
    let promql = metric.query.clone().unwrap_or_default();
    if metric.absent == AbsentPolicy::Warn {
        tracing::warn!("Found absent metric for query (`{promql}`)");
        return Ok(());
    }
    let hint = query.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    Err(failed(metric, MeasureCause::Absent { query: promql, hint }))
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

pub(super) fn failed(metric: &MetricConfig, source: impl Into<MeasureCause>) -> MeasureError {
    MeasureError { metric: metric.name.clone(), source: Box::new(source.into()) }
}
