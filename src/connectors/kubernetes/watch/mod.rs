//! Waiting until what was written is ready, seeing whether it stays so, and finding out why not.

mod blocking_pods;
pub(super) mod cause;
pub(super) mod classify;
pub(super) mod diagnosis;
pub(super) mod disturbance;
pub(super) mod live_pods;
pub(super) mod logs;
pub(super) mod measurement;
pub(super) mod newest_pods;
pub(super) mod readiness;
pub(super) mod restarts;
pub(super) mod rollout;
pub(super) mod verification;
