//! The requests of one sample. What they find is added to the series at once; nothing else is kept.

use super::config::KubeMetricsConfig;
use super::error::SampleError;
use super::metric::Role;
use super::sample::{Allocated, RequestedMetrics, Sample, TuningPod};
use super::series::PodSeries;
use crate::k8s::{ApiError, Cluster, PodMetrics, ROLE_LABEL, TUNING_ROLE, Workload, selector_text};
use crate::types::UnixTime;

pub(super) struct Sampler<'a> {
    cluster: &'a Cluster,
    config: &'a KubeMetricsConfig,
    requested: RequestedMetrics,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(cluster: &'a Cluster, config: &'a KubeMetricsConfig, requested: RequestedMetrics) -> Self {
        Self { cluster, config, requested }
    }

    /// Takes one sample, by at most five requests one after the other. Nothing is asked for that nobody wants. Returns
    /// whether it is whole: the metrics API learns of a new pod late.
    ///
    /// # Cancel safety
    /// Dropping the future may leave a part of the sample in `series`.
    pub(super) async fn sample(&self, series: &mut PodSeries) -> Result<bool, SampleError> {
        let workload = workload(self.cluster, self.config).await?;
        let selector = selector(&workload, self.config)?;
        let allocated = Allocated::of_workload(&workload, self.config)?;
        let mut sample = Sample { config: self.config, requested: &self.requested, series };
        let knows_main = self.sample_main(&mut sample, &selector, &allocated).await?;
        let knows_tuning = self.sample_tuning(&mut sample, &selector).await?;
        for (pods, is_known) in [(&self.config.name, knows_main), (&self.config.tuning_pod(), knows_tuning)] {
            if !is_known {
                tracing::warn!(
                    "the metrics API knows nothing yet of the present pods of {pods}, which this sample lacks"
                );
            }
        }
        Ok(knows_main && knows_tuning)
    }

    /// Whether anything is known of them.
    async fn sample_main(
        &self,
        sample: &mut Sample<'_>,
        selector: &str,
        allocated: &Allocated<'_>,
    ) -> Result<bool, SampleError> {
        let (mut time, is_wanted) = (None, self.requested.needs_usage(Role::Main));
        if is_wanted {
            let pods =
                pod_metrics(self.cluster, self.config, &format!("{selector},{ROLE_LABEL}!={TUNING_ROLE}")).await?;
            time = sample.add_main_usage(allocated, &pods)?;
        }
        if self.requested.has_restarts(Role::Main) {
            let pods = self.cluster.pods(self.config.namespace.as_str(), selector).await?;
            sample.add_main_restarts(&pods, time.unwrap_or_else(UnixTime::now));
        }
        Ok(time.is_some() || !is_wanted)
    }

    /// Whether anything is known of it, if it is there.
    async fn sample_tuning(&self, sample: &mut Sample<'_>, selector: &str) -> Result<bool, SampleError> {
        let (usage, restarts) = (self.requested.needs_usage(Role::Tuning), self.requested.has_restarts(Role::Tuning));
        if !usage && !restarts {
            return Ok(true);
        }
        let raw = self.cluster.raw_pod(self.config.namespace.as_str(), &self.config.tuning_pod()).await?;
        let pod = raw.as_ref().map(|pod| TuningPod::new(pod, self.config)).transpose()?.unwrap_or_default();
        if usage {
            let metrics =
                pod_metrics(self.cluster, self.config, &format!("{selector},{ROLE_LABEL}={TUNING_ROLE}")).await?;
            sample.add_tuning(&pod, &metrics)
        } else {
            sample.add_tuning_restarts(&pod, UnixTime::now());
            Ok(true)
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

pub(super) async fn pod_metrics(
    cluster: &Cluster,
    config: &KubeMetricsConfig,
    selector: &str,
) -> Result<Vec<PodMetrics>, SampleError> {
    cluster.pod_metrics(config.namespace.as_str(), selector).await.map_err(SampleError::of_metrics)
}
