//! Connector `kubernetes`: describes and adjusts deployments and stateful sets.
//!
//! It needs the API server of a cluster. It changes nothing but what an adjustment names, and owns nothing but the
//! tuning pods that it creates.
//!
//! An adjustment passes through four folders:
//!
//! - `config`: what the section says of workloads, containers and ranges.
//! - `plan`: from adjustments to the patch that carries them out and the one that undoes it; pure.
//! - `apply`: writes what was planned, and restores what was there when it fails.
//! - `watch`: waits until it is ready, sees whether it stays so, and finds out why not.
//!
//! `describe` tells what the cluster has as components.

mod apply;
mod checks;
mod clusters;
mod config;
mod connector;
mod describe;
#[cfg(test)]
mod fixtures;
mod permissions;
mod plan;
mod watch;
mod workload_ref;

use std::borrow::Cow;

use serde_json::json;

pub(crate) use config::shared::{DEFAULT_TIMEOUT, SharedSettings};
pub(crate) use watch::cause::Subject;

pub(crate) use config::failure_mode::FailureMode;
pub(crate) use config::{KubernetesConfig, PermissionSet, standard_permissions};
pub(crate) use connector::ensure_tuning_pods;

pub(crate) use permissions::advice;
pub(crate) use watch::newest_pods::{NewestError, pod_selector};

pub(crate) use watch::readiness::{Readiness, pod_readiness, workload_readiness};

pub(crate) use config::strategy::Strategy;
pub use describe::settings::{Role, cpu, environment, memory, replicas};

pub(crate) use config::workload::{ContainerConfig, ContainerCpu, ContainerMemory, StaticVariables, WorkloadConfig};

use super::built_in::BuiltIn;
use crate::connector::{License, Maturity, Metadata};

pub(super) static FACTORY: BuiltIn<KubernetesConfig> = BuiltIn {
    metadata: &METADATA,
    parse: |section, cx| section.keys(cx),
    build: |name, config, _| Ok(Box::new(connector::KubernetesConnector::new(name, config))),
    sample: || {
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
    },
    commands: None,
    is_by_name_only: false,
};

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
