//! What the connectors of Kubernetes share: names, workloads with their containers, selectors, the quantities of a
//! cluster, and the cluster itself.
//!
//! Only [`Cluster`] and [`connect`] talk to an API server; the rest is pure. Nothing here knows a
//! connector, and the client library's own types stay inside, but for objects of the API.

mod access;
mod api;
mod objects;
mod sidecar;

pub(crate) use access::connect::{
    ClientError, ClientSettings, PodIdentity, Surroundings, connect, connect_without_settings,
};
pub(crate) use api::cluster::{Cluster, LogRequest, Permission};
pub(crate) use api::error::ApiError;
pub(crate) use objects::container::{Container, Variable};

pub(crate) use objects::kind::{SpelledKind, WorkloadKind};
pub(crate) use sidecar::injection::Injection;

pub(crate) use api::metrics::{ContainerMetrics, POD_METRICS, PodMetrics};
pub(crate) use api::watch::PodEvent;
pub(crate) use objects::managed_fields::{FieldManager, last_other_manager, other_manager};
pub(crate) use objects::name::{ContainerName, DnsSubdomain, NameError};
pub(crate) use objects::pod::RunningPod;
pub use objects::quantity::{parse_bytes, parse_cores};
pub(crate) use objects::quantity::{quantity_text, whole_bytes_text};
pub(crate) use objects::resources::Resource;
pub use objects::resources::Resources;
pub(crate) use objects::selector::selector_text;
pub(crate) use objects::tuning_pod::{ROLE_LABEL, TUNING_ROLE, tuning_pod_name};
pub(crate) use objects::workload::{Condition, Workload, WorkloadProgress};
pub(crate) use sidecar::plan::{
    PROXY_PORT_NAME, PortName, SIDECAR_METRICS_PORT, SIDECAR_NAME, SIDECAR_PORT, SidecarError,
};

crate::decode::show_serialized!(ContainerName, DnsSubdomain, SpelledKind);
