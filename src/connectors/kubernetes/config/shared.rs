//! The keys that a workload takes from the section when it does not say them itself.
//!
//! There are three layers: what a workload says, what the section says, and the built-in values. A key that is
//! written, also as null where null is allowed, or that comes from the environment, is said; its value does not
//! matter. Layers exist only while a section is read: everything else sees [`SharedSettings`].

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::failure_mode::FailureMode;
use crate::decode::{Fields, FilePath, INHERITED};
use crate::k8s::DnsSubdomain;
use crate::types::Duration;

/// The keys that a section and its workloads have in common. The default holds the built-in values.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(default)]
pub struct SharedSettings {
    /// Path of a kubeconfig file; without it, `KUBECONFIG`, the file in the home directory or the pod's own access.
    pub kubeconfig: Option<FilePath>,
    /// Context of the kubeconfig file; without it, the one that the file calls current.
    pub context: Option<String>,
    /// Namespace of the workload; default `default`.
    pub namespace: DnsSubdomain,
    /// How long a workload is watched after an adjustment, unless the optimizer says so; not at all when absent.
    pub settlement: Option<Duration>,
    /// What becomes of a workload whose adjustment fails: `exception`, the default, leaves it as it failed; `ignore`
    /// also says that it succeeded; `shutdown` scales it to zero, or makes a tuning pod anew; `rollback` gives it its
    /// old values. `destroy` is an old name of `shutdown`.
    pub on_failure: FailureMode,
    /// How long a workload may take to become ready; default `5m`.
    pub timeout: Duration,
    /// Whether messages about a failure carry the logs of its containers; default false.
    pub container_logs_in_error_status: bool,
    /// Without effect here, as `strategy` decides; kept for configurations that have it. Default true.
    pub create_tuning_pod: bool,
}

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespace: DnsSubdomain::default_namespace(),
            settlement: None,
            on_failure: FailureMode::default(),
            timeout: DEFAULT_TIMEOUT,
            container_logs_in_error_status: false,
            create_tuning_pod: true,
        }
    }
}

/// The same keys in a workload: those with a default are taken from the section when they are absent.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes the keys, and holds nothing")]
pub(crate) struct SharedKeys {
    /// Path of a kubeconfig file; without it, that of the section.
    kubeconfig: Option<FilePath>,
    /// Context of the kubeconfig file; without it, that of the section.
    context: Option<String>,
    /// Its namespace; without it, that of the section.
    namespace: Option<DnsSubdomain>,
    /// How long it is watched after an adjustment; without it, as long as the section says.
    settlement: Option<Duration>,
    /// What becomes of it when its adjustment fails; without it, what the section says.
    #[schemars(default, transform = inherit)]
    on_failure: FailureMode,
    /// How long it may take to become ready; without it, as long as the section says.
    timeout: Option<Duration>,
    /// Whether messages about a failure carry the logs of its containers; without it, what the section says.
    #[schemars(default, transform = inherit)]
    container_logs_in_error_status: bool,
    /// Without effect; kept for configurations that have it.
    #[schemars(default = "on")]
    create_tuning_pod: bool,
}

fn inherit(schema: &mut Schema) {
    schema.insert(INHERITED.to_owned(), true.into());
}

fn on() -> bool {
    true
}

/// Enough for a rolling update of a few pods that start slowly.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What one layer says. Where null is allowed, the inner option is the value.
#[derive(Debug, Clone)]
#[expect(clippy::option_option, reason = "an absent key and an explicit null are two layers' answers")]
pub(crate) struct SharedLayer {
    kubeconfig: Option<Option<FilePath>>,
    context: Option<Option<String>>,
    namespace: Option<DnsSubdomain>,
    settlement: Option<Option<Duration>>,
    on_failure: Option<FailureMode>,
    timeout: Option<Duration>,
    container_logs_in_error_status: Option<bool>,
    create_tuning_pod: Option<bool>,
}

impl SharedLayer {
    /// Reads the keys of a section or of a workload.
    pub(crate) fn read(fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        let kubeconfig = fields.get("kubeconfig");
        let context = fields.get("context");
        let namespace = fields.get("namespace");
        let settlement = fields.get("settlement");
        let on_failure = fields.get("on_failure");
        let timeout = fields.get("timeout");
        let container_logs_in_error_status = fields.get("container_logs_in_error_status");
        let create_tuning_pod = fields.get("create_tuning_pod");
        Some(Self {
            kubeconfig: kubeconfig?,
            context: context?,
            namespace: namespace?,
            settlement: settlement?,
            on_failure: on_failure?,
            timeout: timeout?,
            container_logs_in_error_status: container_logs_in_error_status?,
            create_tuning_pod: create_tuning_pod?,
        })
    }

    /// This layer, with what it does not say taken from below.
    pub(crate) fn over(self, below: &SharedSettings) -> SharedSettings {
        SharedSettings {
            kubeconfig: self.kubeconfig.unwrap_or_else(|| below.kubeconfig.clone()),
            context: self.context.unwrap_or_else(|| below.context.clone()),
            namespace: self.namespace.unwrap_or_else(|| below.namespace.clone()),
            settlement: self.settlement.unwrap_or(below.settlement),
            on_failure: self.on_failure.unwrap_or(below.on_failure),
            timeout: self.timeout.unwrap_or(below.timeout),
            container_logs_in_error_status: self
                .container_logs_in_error_status
                .unwrap_or(below.container_logs_in_error_status),
            create_tuning_pod: self.create_tuning_pod.unwrap_or(below.create_tuning_pod),
        }
    }
}
