//! One workload as it is optimized during one event: what was read, what is to be written, and what was written.
//!
//! The two strategies are a closed set: a workload is adjusted itself, or through a pod beside it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::Value as Json;

use super::tuning_pod_owner;
use crate::connector::EventError;
use crate::connectors::kubernetes::Strategy;
use crate::connectors::kubernetes::describe::components;
use crate::connectors::kubernetes::describe::running::as_running;
use crate::connectors::kubernetes::plan::fields::FieldValue;
use crate::connectors::kubernetes::plan::tuning_pod::{TuningPod, is_ours};
use crate::connectors::kubernetes::plan::workload::{Plan, addressed};
use crate::connectors::kubernetes::watch::live_pods::live_pods;
use crate::connectors::kubernetes::workload_ref::{CancelPolicy, WorkloadRef};
use crate::k8s::{PodIdentity, RunningPod, Workload};
use crate::types::{Adjustment, Component};

/// One workload as it is optimized.
pub(crate) struct WorkloadState<'a> {
    pub(crate) workload_ref: WorkloadRef<'a>,
    /// As it was read last.
    pub(crate) workload: Workload,
    /// The pods of its present template, when they were looked at.
    pods: Vec<RunningPod>,
    /// The revision of a stateful set from before its template was changed.
    pub(crate) stale_revision: Option<String>,
    pub(crate) adjustable: Adjustable,
}

/// What there is beside the workload.
pub(crate) enum Adjustable {
    /// Nothing: its own pods are adjusted.
    Workload,
    /// A tuning pod, when there is one, and the owner of the next one.
    TuningPod { pod: Option<Json>, owner: Option<OwnerReference> },
}

/// What an adjustment comes to.
pub(crate) enum Intent {
    Keep,
    /// Fields of the workload are changed.
    Patch(Plan),
    /// The tuning pod is replaced by this one, which has these adjustments.
    Replace(Json, Vec<Adjustment>),
}

impl<'a> WorkloadState<'a> {
    /// Reads a workload and its tuning pod.
    ///
    /// # Errors
    /// They cannot be read, the workload lacks a configured container, or the name of the tuning pod is taken by a pod
    /// of somebody else.
    pub(crate) async fn read(
        workload_ref: WorkloadRef<'a>,
        own: Option<&PodIdentity>,
        policy: CancelPolicy<'_>,
    ) -> Result<Self, EventError> {
        let workload = workload_ref.workload(policy).await?;
        let adjustable = match workload_ref.config.strategy.strategy() {
            Strategy::Default => Adjustable::Workload,
            Strategy::Canary { .. } => {
                let pod = read_tuning_pod(&workload_ref, policy).await?;
                Adjustable::TuningPod {
                    pod,
                    owner: tuning_pod_owner::reference(workload_ref.cluster, own, workload_ref.namespace()).await,
                }
            }
        };
        Ok(Self { workload_ref, workload, pods: Vec::new(), stale_revision: None, adjustable })
    }

    /// Reads the pods of the workload, so that it is described as it runs.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn look_at_pods(&mut self, cancel_policy: CancelPolicy<'_>) -> Result<(), EventError> {
        self.pods =
            live_pods(&self.workload_ref, &self.workload, self.stale_revision.as_deref(), cancel_policy).await?;
        Ok(())
    }

    /// The values that these adjustments ask of it, whether or not it has them already.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub(crate) fn asked(&self, adjustments: &[Adjustment]) -> Result<Vec<FieldValue>, EventError> {
        Ok(match &self.adjustable {
            Adjustable::Workload => addressed(self.workload_ref.config, &self.workload, adjustments)?.values,
            Adjustable::TuningPod { pod, .. } => self.tuning_pod(pod.as_ref())?.adjust(adjustments)?.values,
        })
    }

    /// Its components, as they are.
    ///
    /// # Errors
    /// A configured container is missing.
    pub(crate) fn components(&self) -> Result<Vec<Component>, EventError> {
        let config = self.workload_ref.config;
        let running = as_running(config, &self.workload, &self.pods);
        Ok(match &self.adjustable {
            Adjustable::Workload => components::saturation(config, &running)?,
            Adjustable::TuningPod { pod, .. } => {
                let pod = pod.as_ref().ok_or_else(|| {
                    EventError::adjustment_failed(format!("the tuning pod of {} was deleted", self.workload_ref))
                })?;
                vec![components::main(config, &running)?, components::tuning(config, pod)?]
            }
        })
    }

    /// What these adjustments come to; those for others are passed over.
    ///
    /// # Errors
    /// A value that Kubernetes or the configuration does not allow, or a setting that there is not.
    pub(crate) fn plan(&self, adjustments: &[Adjustment]) -> Result<Intent, EventError> {
        match &self.adjustable {
            Adjustable::Workload => {
                let plan = Plan::of(self.workload_ref.config, &self.workload, adjustments)?;
                Ok(plan.map_or(Intent::Keep, Intent::Patch))
            }
            Adjustable::TuningPod { pod, .. } => {
                let mut next = self.tuning_pod(pod.as_ref())?;
                let adjusted = next.adjust(adjustments)?;
                for warning in adjusted.warnings {
                    tracing::warn!(workload = %self.workload_ref, "{warning}");
                }
                Ok(Intent::Replace(next.body().clone(), adjusted.adjustments))
            }
        }
    }

    /// A tuning pod of the present template: with the adjusted values of this one, or with those of the template.
    ///
    /// # Errors
    /// A configured container is missing.
    pub(crate) fn tuning_pod(&self, like: Option<&Json>) -> Result<TuningPod<'a>, EventError> {
        let owner = match &self.adjustable {
            Adjustable::TuningPod { owner, .. } => owner.as_ref(),
            Adjustable::Workload => None,
        };
        let pod = TuningPod::from_template(self.workload_ref.config, &self.workload, owner)?;
        Ok(match like {
            Some(like) => pod.with_settings_of(like)?,
            None => pod,
        })
    }
}

/// The tuning pod as it is, when there is one.
pub(crate) async fn read_tuning_pod(
    workload_ref: &WorkloadRef<'_>,
    policy: CancelPolicy<'_>,
) -> Result<Option<Json>, EventError> {
    let name = workload_ref.tuning_pod();
    let pod = workload_ref.persist(policy, || workload_ref.cluster.raw_pod(workload_ref.namespace(), &name)).await?;
    match pod {
        Some(pod) if !is_ours(&pod) => Err(EventError::adjustment_failed(format!(
            "the pod \"{name}\" in namespace \"{}\" is in the way of the tuning pod of {workload_ref}, and was not made by \
             this agent (it lacks the label opsani_role=tuning): delete or rename it",
            workload_ref.namespace()
        ))),
        pod => Ok(pod),
    }
}
