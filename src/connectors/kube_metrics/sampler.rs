//! The requests of one sample. What they find is added to the series at once; nothing else is kept.

use super::config::KubeMetricsConfig;
use super::error::SampleError;
use super::metric::Role;
use super::sample::{Given, ROLE_LABEL, Sample, TUNING, TuningPod, Wanted};
use super::series::PodSeries;
use crate::k8s::{ApiError, Cluster, PodMetrics, Workload, selector_text};
use crate::types::UnixTime;

/// Takes samples.
pub(super) struct Sampler<'a> {
    cluster: &'a Cluster,
    config: &'a KubeMetricsConfig,
    wanted: Wanted,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(cluster: &'a Cluster, config: &'a KubeMetricsConfig, wanted: Wanted) -> Self {
        Self { cluster, config, wanted }
    }

    /// Takes one sample, by at most five requests one after the other. Nothing is asked for that nobody wants.
    ///
    /// # Cancel safety
    /// Dropping the future may leave a part of the sample in `series`.
    pub(super) async fn sample(&self, series: &mut PodSeries) -> Result<(), SampleError> {
        let workload = workload(self.cluster, self.config).await?;
        let selector = selector(&workload, self.config)?;
        let given = Given::of_workload(&workload, self.config)?;
        let mut sample = Sample { config: self.config, wanted: &self.wanted, series };
        self.sample_main(&mut sample, &selector, &given).await?;
        self.sample_tuning(&mut sample, &selector).await
    }

    async fn sample_main(&self, sample: &mut Sample<'_>, selector: &str, given: &Given<'_>) -> Result<(), SampleError> {
        let mut time = None;
        if self.wanted.needs_usage(Role::Main) {
            let pods = pod_metrics(self.cluster, self.config, &format!("{selector},{ROLE_LABEL}!={TUNING}")).await?;
            time = sample.add_main_usage(given, &pods)?;
        }
        if self.wanted.has_restarts(Role::Main) {
            let pods = self.cluster.pods(self.config.namespace.as_str(), selector).await?;
            sample.add_main_restarts(&pods, time.unwrap_or_else(UnixTime::now));
        }
        Ok(())
    }

    async fn sample_tuning(&self, sample: &mut Sample<'_>, selector: &str) -> Result<(), SampleError> {
        let (usage, restarts) = (self.wanted.needs_usage(Role::Tuning), self.wanted.has_restarts(Role::Tuning));
        if !usage && !restarts {
            return Ok(());
        }
        let raw = self.cluster.raw_pod(self.config.namespace.as_str(), &self.config.tuning_pod()).await?;
        let pod = raw.as_ref().map(|pod| TuningPod::new(pod, self.config)).transpose()?.unwrap_or_default();
        if usage {
            let metrics = pod_metrics(self.cluster, self.config, &format!("{selector},{ROLE_LABEL}={TUNING}")).await?;
            sample.add_tuning(&pod, &metrics)
        } else {
            sample.add_tuning_restarts(&pod, UnixTime::now());
            Ok(())
        }
    }
}

/// The workload that is measured.
pub(super) async fn workload(cluster: &Cluster, config: &KubeMetricsConfig) -> Result<Workload, ApiError> {
    cluster.workload(config.kind.kind(), config.namespace.as_str(), &config.name).await
}

/// What selects its pods, those of the tuning pod's kind included.
pub(super) fn selector(workload: &Workload, config: &KubeMetricsConfig) -> Result<String, SampleError> {
    let owner = || format!("{} \"{}\"", config.kind.as_str(), config.name);
    selector_text(&workload.selector).ok_or_else(|| SampleError::NoSelector(owner()))
}

/// What these pods use.
pub(super) async fn pod_metrics(
    cluster: &Cluster,
    config: &KubeMetricsConfig,
    selector: &str,
) -> Result<Vec<PodMetrics>, SampleError> {
    cluster.pod_metrics(config.namespace.as_str(), selector).await.map_err(SampleError::of_metrics)
}
