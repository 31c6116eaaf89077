//! The words by which a tuning pod is known to all that deal with one.

/// The label that tells a tuning pod from the others.
pub(crate) const ROLE_LABEL: &str = "opsani_role";

/// The value of [`ROLE_LABEL`] on a tuning pod.
pub(crate) const TUNING_ROLE: &str = "tuning";

/// The name of a workload's tuning pod.
pub(crate) fn tuning_pod_name(workload: &str) -> String {
    format!("{workload}-tuning")
}
