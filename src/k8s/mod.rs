//! What the connectors of Kubernetes share: names, workloads with their containers, selectors, the quantities of a
//! cluster, and the cluster itself.
//!
//! Only [`Cluster`] and [`connect`] talk to an API server; the rest is pure. Nothing here knows a
//! connector, and the client library's own types stay inside, but for objects of the API.

mod api;
mod client;
mod cluster;
mod container;
mod error;
mod forward;
mod injection;
mod kind;
mod kubeconfig;
mod metrics;
mod name;
mod quantity;
mod resources;
mod selector;
mod sidecar;
mod tls;
mod tuning;
mod watch;
mod workload;

pub(crate) use client::{ClientError, ClientSettings, PodIdentity, Surroundings, connect, connect_without_settings};
pub(crate) use cluster::{Cluster, LogRequest, Permission};
pub(crate) use container::{Container, Variable};
pub(crate) use error::ApiError;

pub(crate) use injection::Injection;
pub(crate) use kind::{SpelledKind, WorkloadKind};

pub(crate) use metrics::{ContainerMetrics, POD_METRICS, PodMetrics};
pub(crate) use name::{ContainerName, DnsSubdomain, NameError};
pub(crate) use quantity::{bytes_text, whole_bytes_text};
pub use quantity::{parse_bytes, parse_cores};
pub(crate) use resources::Resource;
pub use resources::Resources;
pub(crate) use selector::selector_text;
pub(crate) use sidecar::{PROXY_PORT_NAME, PortName, SIDECAR_METRICS_PORT, SIDECAR_NAME, SIDECAR_PORT, SidecarError};
pub(crate) use tuning::{ROLE_LABEL, TUNING_ROLE, tuning_pod_name};
pub(crate) use watch::PodEvent;
pub(crate) use workload::{Condition, Workload, WorkloadProgress};
