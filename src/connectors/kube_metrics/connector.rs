//! The connector: its capabilities.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::checks;
use super::config::KubeMetricsConfig;
use super::sample::RequestedMetrics;
use super::sampler::Sampler;
use super::schedule::Schedule;
use super::series::PodSeries;
use crate::checks::{Check, CheckRequest};
use crate::connector::{Connector, EventContext, EventError, Lifecycle, MeasureRequest};
use crate::connectors::meter::{Meter, measurement};
use crate::k8s::{ClientError, ClientSettings, Cluster, connect};
use crate::progress;
use crate::types::{Duration, Measurement, Metric};

/// When the next sample is taken at the latest after one that lacks something.
const SOON: std::time::Duration = std::time::Duration::from_secs(5);

pub(super) struct KubeMeter {
    config: KubeMetricsConfig,
    cluster: OnceCell<Cluster>,
}

impl KubeMeter {
    pub(super) fn new(config: KubeMetricsConfig) -> Self {
        Self { config, cluster: OnceCell::new() }
    }

    /// The cluster, which is looked for once.
    async fn cluster(&self, cx: &EventContext) -> Result<&Cluster, ClientError> {
        let kubeconfig = self.config.kubeconfig.as_ref().map(|path| path.as_path().to_owned());
        let settings = ClientSettings { kubeconfig, context: self.config.context.clone() };
        let services = cx.services();
        self.cluster.get_or_try_init(|| connect(&settings, &services.kubernetes, &services.network)).await
    }

    /// Takes samples for the time of the measurement.
    async fn observe(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        let control = &request.control;
        let total = control.warmup + control.duration;
        let requested = self.config.metrics_to_collect.iter().filter(|metric| request.wants(&metric.to_string()));
        let requested = RequestedMetrics::new(requested.copied());
        if requested.is_empty() {
            report(cx, total).await?;
            return Ok(Measurement::default());
        }
        warn_of_lost(&requested);
        let no_cluster = |error| EventError::measurement_failed("there is no cluster to measure").with_source(error);
        let sampler = Sampler::new(self.cluster(cx).await.map_err(no_cluster)?, &self.config, requested);
        let frequency = self.config.metric_collection_frequency.to_std();
        let schedule = Schedule::start(control.warmup.to_std(), total.to_std(), frequency);
        let ((), series) = tokio::try_join!(report(cx, total), sample_all(&sampler, schedule))?;
        measurement(series.into_readings(), BTreeMap::new())
    }
}

/// Takes the samples. One that cannot be had for the moment is missing; that there is none at all is a failure.
async fn sample_all(sampler: &Sampler<'_>, mut schedule: Schedule) -> Result<PodSeries, EventError> {
    let mut series = PodSeries::default();
    let (mut taken, mut missing) = (0_usize, None);
    while schedule.next().await {
        match sampler.sample(&mut series).await {
            Ok(is_whole) => {
                taken += 1;
                if !is_whole {
                    schedule.hasten(SOON);
                }
            }
            Err(error) if error.is_transient() => {
                let error = EventError::from(error);
                tracing::warn!("{}: a sample is missing", error.chain());
                missing = Some(error);
                schedule.hasten(SOON);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some(error) if taken == 0 => Err(error),
        _ => Ok(series),
    }
}

fn warn_of_lost(requested: &RequestedMetrics) {
    let lost = requested.lost();
    if !lost.is_empty() {
        let lost = lost.join(", ");
        tracing::warn!(
            "{lost} will have no values: they take a usage or saturation metric of the same pods beside them"
        );
    }
}

/// Reports progress until the time is over.
async fn report(cx: &EventContext, total: Duration) -> Result<(), EventError> {
    progress::wait_reporting(cx, total.to_std(), &format!("measuring kubernetes metrics for {total}")).await
}

#[async_trait]
impl Meter for KubeMeter {
    fn metrics(&self) -> Vec<Arc<Metric>> {
        let described = |metric: &super::KubeMetric| Arc::new(Metric::new(metric.to_string(), metric.unit()));
        self.config.metrics_to_collect.iter().map(described).collect()
    }

    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        // Dropping the measurement drops its request and its reports; it leaves nothing behind.
        cx.unless_cancelled(self.observe(cx, request)).await?
    }

    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        checks::suite(self.cluster(cx).await.map_err(unattachable)?, &self.config).run(cx, request).await
    }

    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        Some(self)
    }
}

#[async_trait]
impl Lifecycle for KubeMeter {
    async fn attach(&self, cx: &EventContext) -> Result<Vec<Box<dyn Connector>>, EventError> {
        self.cluster(cx).await.map_err(unattachable)?;
        Ok(Vec::new())
    }
}

fn unattachable(error: ClientError) -> EventError {
    EventError::failed("unable to configure the Kubernetes client").with_source(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{ConnectorName, ErrorKind, Event, EventContextText, Phase, ProgressSender, Section};
    use crate::decode::{Decoder, NoVariables, Node, Origin};
    use crate::types::Control;

    /// A connector that samples without a pause, and has no cluster.
    fn connector() -> KubeMeter {
        let section = json!({ "namespace": "default", "name": "web", "metric_collection_frequency": 0 });
        let node = Node::from_json(&section, &Origin::whole("test"));
        let name = ConnectorName::new("kube_metrics");
        let section = Section { name: &name, node: &node, prefix: "SERVO_KUBE_METRICS_" };
        let config = Decoder::run(&NoVariables, |cx| section.keys::<KubeMetricsConfig>(cx)).unwrap();
        KubeMeter::new(config)
    }

    fn context(event: Event) -> EventContext {
        let event = EventContextText(Phase::On, event);
        let name = ConnectorName::new("kube_metrics");
        EventContext::new(name, event, Arc::default(), ProgressSender::default(), CancellationToken::new())
    }

    async fn measure(metric: &str) -> Result<Measurement, EventError> {
        let control = Control { duration: Duration::from_secs(90), ..Control::default() };
        let request = MeasureRequest { metrics: vec![metric.to_owned()], control };
        connector().measure(&context(Event::Measure), &request).await
    }

    #[tokio::test(start_paused = true)]
    async fn metrics_of_others_are_waited_for_without_a_cluster() {
        let started_at = Instant::now();
        assert_eq!(measure("throughput").await.unwrap(), Measurement::default());
        assert_eq!(started_at.elapsed().as_secs(), 90);
    }

    #[tokio::test]
    async fn without_a_cluster_a_measurement_fails() {
        let error = measure("main_cpu_usage").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MeasurementFailed);
        assert!(error.chain().contains("found no Kubernetes cluster"), "{}", error.chain());
    }

    #[test]
    fn the_configured_metrics_are_described() {
        let metrics = connector().metrics();
        let shown: Vec<String> = metrics.iter().map(ToString::to_string).collect();
        assert_eq!((shown.len(), shown[12].as_str()), (18, "main_cpu_saturation (%)"));
    }
}
