//! Writing what was planned, and restoring what was there when that fails.

pub(super) mod adjust;
pub(super) mod attempt;
pub(super) mod leftovers;
pub(super) mod on_failure;
mod process;
pub(super) mod tuning_pod;
pub(super) mod tuning_pod_owner;
pub(super) mod undo_record;
pub(super) mod workload;
pub(super) mod workload_state;
