//! Connector `kubernetes`: describes and adjusts deployments and stateful sets.
//!
//! It needs the API server of a cluster. It changes nothing but what an adjustment names, and owns nothing but the
//! tuning pods that it creates.

mod adjust;
mod attempt;
mod canary;
mod cascade;
mod cause;
mod checks;
mod classify;
mod clusters;
pub(crate) mod components;
mod config;
mod connector;
mod diagnosis;
mod failure_mode;
mod fields;
mod logs;
mod newest;
mod on_failure;
mod optimization;
mod owner;
mod permissions;
mod plan;
mod readiness;
mod recovery;
mod restarts;
mod rollout;
#[cfg(test)]
mod sample;
mod saturation;
mod settings;
mod site;
mod strategy;
mod target;
mod tuning_pod;
mod undo;
mod workload;

use std::borrow::Cow;

use schemars::{Schema, SchemaGenerator};
use serde_json::json;

pub(crate) use cascade::{DEFAULT_TIMEOUT, SharedSettings};
pub(crate) use cause::Subject;

pub(crate) use config::{KubernetesConfig, PermissionSet, standard_permissions};
pub(crate) use connector::ensure_tuning_pods;
pub(crate) use failure_mode::FailureMode;

pub(crate) use newest::{NewestError, pod_selector};
pub(crate) use permissions::advice;

pub(crate) use readiness::{Readiness, pod_readiness, workload_readiness};

pub use settings::{Role, cpu, environment, memory, replicas};
pub(crate) use strategy::Strategy;

pub(crate) use workload::{ContainerConfig, ContainerCpu, StaticVariables, WorkloadConfig};

use crate::connector::{
    BuildContext, BuildError, Connector, ConnectorFactory, ConnectorName, License, Maturity, Metadata, Section,
};
use crate::decode::Decoder;

pub(super) static FACTORY: KubernetesFactory = KubernetesFactory;

static METADATA: Metadata = Metadata {
    default_name: Cow::Borrowed("kubernetes"),
    class_name: Cow::Borrowed("KubernetesConnector"),
    full_name: Cow::Borrowed("Kubernetes Connector"),
    version: Cow::Borrowed("1.5.0"),
    description: Some(Cow::Borrowed("Kubernetes adjust connector")),
    homepage: Some(Cow::Borrowed("https://github.com/opsani/kubernetes-connector")),
    license: Some(License::Apache2),
    maturity: Some(Maturity::Stable),
};

/// Makes connectors of this type.
pub(crate) struct KubernetesFactory;

impl ConnectorFactory for KubernetesFactory {
    type Config = KubernetesConfig;

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<KubernetesConfig> {
        KubernetesConfig::parse(section, cx)
    }

    fn build(
        &self,
        name: ConnectorName,
        config: KubernetesConfig,
        _cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(connector::KubernetesConnector::new(name, config)))
    }

    fn sample(&self) -> serde_json::Value {
        json!({
            "description": "Update the namespace, deployment, etc. to match your Kubernetes cluster",
            "deployments": [{
                "namespace": "default",
                "timeout": "5m",
                "name": "app",
                "containers": [{
                    "name": "opsani/fiber-http:latest",
                    "cpu": { "unit": "cores", "min": "250m", "max": "4", "step": "125m" },
                    "memory": { "unit": "GiB", "min": "256.0Mi", "max": "4.0Gi", "step": "128.0Mi" },
                }],
                "replicas": { "min": 1, "max": 2 },
            }],
        })
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<KubernetesConfig>()
    }
}
