//! The connector: its capabilities, and what runs in the background.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::api::{Client, QueryError, Window};
use super::config::{AbsentPolicy, MetricConfig, PrometheusConfig};
use super::readings::{MetricQuery, Readout, read_all};
use super::{checks, preflight, slo, streaming};
use crate::checks::{Check, CheckRequest};
use crate::connector::{EventContext, EventError, Lifecycle, MeasureRequest, NOT_MEASURED};
use crate::connectors::meter::{Meter, measurement};
use crate::progress;
use crate::types::{Duration, Measurement, Metric, SloInput, SloKeep, UnixTime, series_text};

/// A query is repeated at least so long, however short the measurement was: a proxy that restarts takes seconds.
const LEAST_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A server that does not answer for longer is not coming back soon.
const MOST_TOLERANCE: std::time::Duration = std::time::Duration::from_mins(1);

pub(super) struct PrometheusMeter {
    config: PrometheusConfig,
    client: Arc<Client>,
    /// What was begun with `startup` and ends with `shutdown`.
    background: Mutex<JoinSet<()>>,
}

impl PrometheusMeter {
    pub(super) fn new(config: PrometheusConfig, client: Client) -> Self {
        Self { config, client: Arc::new(client), background: Mutex::default() }
    }

    fn background(&self) -> MutexGuard<'_, JoinSet<()>> {
        // A set of tasks is whole at every moment, so a panic elsewhere leaves nothing half done.
        self.background.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the time of the measurement and reads the metrics over it.
    async fn observe(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        let metrics: Vec<&MetricConfig> =
            self.config.metrics.iter().filter(|metric| request.wants(&metric.name)).collect();
        let control = &request.control;
        let total = control.warmup + control.duration;
        let slo = control.userdata.as_ref().and_then(|userdata| userdata.slo.as_ref());
        if metrics.is_empty() {
            wait(cx, total).await?;
            return Ok(Measurement::default());
        }
        // What cannot be queried is known before the time is spent.
        let window = window(UnixTime::now().plus(control.warmup), control.duration)?;
        let is_judged = |name: &str| slo.is_some_and(|slo| judges(slo, name));
        let optimizer = cx.services().optimizer.as_ref();
        // What a remote optimizer asks for is measured as well as it can be.
        let is_strict = optimizer.is_none_or(|optimizer| optimizer.embedded);
        let mut queries = MetricQuery::of_measurement(&metrics, window, is_judged, is_strict)?;
        refuse_silence(optimizer.is_some_and(|optimizer| optimizer.embedded), &metrics, slo)?;
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        tracing::info!("Measuring {} metrics for {total}: {}", metrics.len(), series_text(&names, "and"));
        // While the time already runs, so that it is the same for all connectors.
        let asked = async { Ok(preflight::ask(&self.client, &metrics, window).await?) };
        let watched = async {
            match slo.filter(|slo| !slo.conditions.is_empty() && !self.config.fast_fail.disabled) {
                Some(slo) => slo::watch(&self.client, &metrics, &self.config.fast_fail, slo, control).await,
                None => Ok(()),
            }
        };
        let ((), mut hints, ()) = tokio::try_join!(wait(cx, total), asked, watched)?;
        for query in &mut queries {
            query.with_hint(hints.remove(&query.metric().name));
        }
        tracing::info!("Querying Prometheus for {} metrics...", metrics.len());
        let Readout { readings, annotations } = read_all(&self.client, &queries, tolerance(control.duration)).await?;
        measurement(readings, annotations)
    }
}

/// How long a query that fails is repeated: as long as the measurement took, within bounds.
fn tolerance(duration: Duration) -> std::time::Duration {
    duration.to_std().clamp(LEAST_TOLERANCE, MOST_TOLERANCE)
}

fn window(start: UnixTime, duration: Duration) -> Result<Window, EventError> {
    Window::new(start, start.plus(duration)).map_err(|error: QueryError| {
        EventError::measurement_failed("there is nothing to measure").with_reason(NOT_MEASURED).with_source(error)
    })
}

/// Whether an objective is judged by this metric.
fn judges(slo: &SloInput, name: &str) -> bool {
    slo.conditions
        .iter()
        .any(|condition| condition.metric == name || condition.threshold_metric.as_deref() == Some(name))
}

/// Refuses an objective of the embedded optimizer that a dead service would keep: a metric that must stay low, and is
/// zero when there is none.
fn refuse_silence(is_embedded: bool, metrics: &[&MetricConfig], slo: Option<&SloInput>) -> Result<(), EventError> {
    let keeps_low = |metric: &&&MetricConfig| {
        metric.absent == AbsentPolicy::Zero
            && metric.zero_is_good != Some(true)
            && slo.is_some_and(|slo| {
                slo.conditions.iter().any(|slo| slo.metric == metric.name && slo.keep == SloKeep::Below)
            })
    };
    let Some(metric) = metrics.iter().find(keeps_low) else { return Ok(()) };
    let text = format!(
        "'{}' has an SLO to stay below a threshold and 'absent: zero', so that a service without any traffic keeps it: \
         write a query that has no value without traffic, or 'zero_is_good: true' if silence is health",
        metric.name
    );
    if is_embedded {
        return Err(EventError::measurement_failed(text).with_reason(NOT_MEASURED));
    }
    tracing::warn!("{text}");
    Ok(())
}

async fn wait(cx: &EventContext, total: Duration) -> Result<(), EventError> {
    progress::wait_reporting(cx, total.to_std(), &format!("measuring Prometheus metrics for {total}")).await
}

#[async_trait]
impl Meter for PrometheusMeter {
    fn metrics(&self) -> Vec<Arc<Metric>> {
        let described =
            |metric: &MetricConfig| Arc::new(Metric::new(&metric.name, metric.unit).judged_by(metric.series()));
        self.config.metrics.iter().map(described).collect()
    }

    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        // Dropping the measurement drops its requests; it leaves nothing behind.
        cx.unless_cancelled(self.observe(cx, request)).await?
    }

    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        checks::suite(&self.client, &self.config).run(cx, request).await
    }

    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        Some(self)
    }
}

#[async_trait]
impl Lifecycle for PrometheusMeter {
    async fn startup(&self, cx: &EventContext) -> Result<(), EventError> {
        if let Some(interval) = self.config.streaming_interval {
            tracing::info!("Streaming Prometheus metrics every {interval}");
            let exchange = cx.services().exchange.clone();
            let metrics = self.config.metrics.clone();
            let publish = streaming::publish(Arc::clone(&self.client), metrics, exchange, interval.to_std());
            // Whatever an earlier start left ends here.
            *self.background() = JoinSet::new();
            self.background().spawn(publish);
        }
        Ok(())
    }

    async fn shutdown(&self, _cx: &EventContext) -> Result<(), EventError> {
        let mut background = std::mem::take(&mut *self.background());
        background.shutdown().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{
        ConnectorName, ErrorKind, Event, EventContextText, Phase, ProgressSender, Section, Services,
    };
    use crate::decode::{Decoder, NoVariables, Node, Origin};
    use crate::exchange::Delivery;
    use crate::network::Network;
    use crate::types::Control;

    /// A connector of metrics `a` with a query and `b` without, whose server does not exist.
    fn connector() -> PrometheusMeter {
        let section = json!({
            "base_url": "http://user:secret@127.0.0.1:1",
            "streaming_interval": "10s",
            "metrics": [{"name": "a", "unit": "ms", "query": "up"}, {"name": "b"}],
        });
        let node = Node::from_json(&section, &Origin::whole("test"));
        let name = ConnectorName::new("prometheus");
        let section = Section { name: &name, node: &node, prefix: "SERVO_PROMETHEUS_" };
        let config = Decoder::run(&NoVariables, |cx| section.keys::<PrometheusConfig>(cx)).unwrap();
        let client = Client::new(&config, &Network::default()).unwrap();
        PrometheusMeter::new(config, client)
    }

    fn context(event: Event, services: &Arc<Services>, cancellation: &CancellationToken) -> EventContext {
        EventContext::new(
            ConnectorName::new("prometheus"),
            EventContextText(Phase::On, event),
            Arc::clone(services),
            ProgressSender::default(),
            cancellation.clone(),
        )
    }

    /// Measures for so many seconds and returns what came of it and the seconds that it took.
    async fn measure(metrics: &[&str], duration: i64) -> (Result<Measurement, EventError>, u64) {
        let control = Control { duration: Duration::from_secs(duration), ..Control::default() };
        let request = MeasureRequest { metrics: metrics.iter().map(|&name| name.to_owned()).collect(), control };
        let started_at = Instant::now();
        let cx = context(Event::Measure, &Arc::default(), &CancellationToken::new());
        (connector().measure(&cx, &request).await, started_at.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_metrics_are_waited_for_and_have_no_readings() {
        let (measurement, seconds) = measure(&["unknown"], 90).await;
        assert_eq!(measurement.unwrap(), Measurement::default());
        assert_eq!(seconds, 90);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_queried_fails_before_the_time_is_spent() {
        for (metrics, duration, reason) in [(&["a"], 0, "earlier than the end"), (&["b"], 90, "no query")] {
            let (measurement, seconds) = measure(metrics, duration).await;
            let error = measurement.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::MeasurementFailed, Some(NOT_MEASURED)));
            assert!(error.chain().contains(reason), "{}", error.chain());
            assert_eq!(seconds, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_not_there_is_named_without_its_credentials() {
        let (measurement, _) = measure(&["a"], 90).await;
        let error = measurement.unwrap_err().chain();
        assert!(
            error.starts_with("failed to measure 'a': failed to ask Prometheus at http://127.0.0.1:1/api"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_measurement_is_over_at_once() {
        let cancellation = CancellationToken::new();
        cancellation.cancel();
        let cx = context(Event::Measure, &Arc::default(), &cancellation);
        let error = connector().measure(&cx, &MeasureRequest::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn values_are_published_from_startup_to_shutdown_whether_there_is_a_server_or_not() {
        let (connector, services) = (connector(), Arc::<Services>::default());
        let mut published = services.exchange.subscribe(streaming::CHANNEL, 8);
        let cx = context(Event::Startup, &services, &CancellationToken::new());
        connector.startup(&cx).await.unwrap();
        for _ in 0..2 {
            let Some(Delivery::Message(_, message)) = published.recv().await else { panic!("nothing was published") };
            assert_eq!(message.content(), b"[]");
        }
        connector.shutdown(&cx).await.unwrap();
        assert!(connector.background().is_empty());
    }

    #[test]
    fn all_metrics_are_described() {
        let shown: Vec<String> = connector().metrics().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a (ms)", "b"]);
    }
}
