//! What the connectors of Kubernetes share: names, kinds of workloads, and the quantities of a cluster.
//!
//! Pure: nothing here talks to an API server, and nothing knows a connector.

mod kind;
mod name;
mod quantity;
mod resources;

pub use kind::{SpelledKind, WorkloadKind};
pub use name::{ContainerName, DnsSubdomain, NameError};
pub use quantity::{parse_bytes, parse_cores};
pub use resources::{Resource, Resources};
