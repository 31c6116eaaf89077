//! What the connectors of Kubernetes share: names, workloads with their containers, selectors, and the quantities of a
//! cluster.
//!
//! Pure: nothing here talks to an API server, and nothing knows a connector.

mod container;
mod kind;
mod name;
mod quantity;
mod resources;
mod selector;
mod workload;

pub use container::{Container, Variable};
pub use kind::{SpelledKind, WorkloadKind};
pub use name::{ContainerName, DnsSubdomain, NameError};
pub use quantity::{bytes_text, parse_bytes, parse_cores, whole_bytes_text};
pub use resources::{Resource, Resources};
pub use selector::selector_text;
pub use workload::{Condition, ProgressSpec, Workload, WorkloadProgress, WorkloadSpec, WorkloadStatus};
