//! From adjustments to what is written, and to what undoes it; pure: nothing here asks a cluster.

pub(super) mod fields;
pub(super) mod targets;
pub(super) mod tuning_pod;
pub(super) mod undo;
pub(super) mod workload;
