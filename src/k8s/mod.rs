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

pub use client::{ClientError, ClientSettings, PodIdentity, Surroundings, connect, connect_without_settings};
pub use cluster::{Cluster, LogRequest, Permission, Version};
pub use container::{Container, Variable};
pub use error::{ApiError, TransportError};
pub use forward::Forward;
pub use injection::Injection;
pub use kind::{SpelledKind, WorkloadKind};
pub use kubeconfig::InvalidKubeconfig;
pub use metrics::{ContainerMetrics, POD_METRICS, PodMetrics};
pub use name::{ContainerName, DnsSubdomain, NameError};
pub use quantity::{bytes_text, parse_bytes, parse_cores, whole_bytes_text};
pub use resources::{Resource, Resources};
pub use selector::selector_text;
pub use sidecar::{PROXY_PORT_NAME, PortName, SIDECAR_METRICS_PORT, SIDECAR_NAME, SIDECAR_PORT, SidecarError};
pub use tuning::{ROLE_LABEL, TUNING_ROLE, tuning_pod_name};
pub use watch::PodEvent;
pub use workload::{Condition, ProgressSpec, Workload, WorkloadProgress, WorkloadSpec, WorkloadStatus};
