//! Objects of the API, names and quantities, as far as they are used; pure.

pub(super) mod container;
pub(super) mod kind;
pub(super) mod managed_fields;
pub(super) mod name;
pub(super) mod pod;
pub(super) mod quantity;
pub(super) mod resources;
pub(super) mod selector;
pub(super) mod tuning_pod;
pub(super) mod workload;
