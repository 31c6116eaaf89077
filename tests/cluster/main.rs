//! The agent on a real Kubernetes cluster of one node: API server, scheduler, controllers, kubelet and containers.
//!
//! A test binary of its own, so that no other test runs beside it: the cluster needs both cores of a small machine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod adjust;
mod canary;
mod canary_causes;
mod causes;
mod check;
mod efficiency;
mod fixture;
mod image;
mod installed;
mod interrupted;
mod logs;
mod onboarding;
mod onboarding_checks;
mod optimize;
mod refused;
mod session;
mod shop;
mod sidecar;
mod workload;
#[path = "../support"]
mod support {
    #[expect(dead_code, reason = "other tests use the rest")]
    pub(crate) mod agent;
    pub(crate) mod cluster;
    pub(crate) mod components;
    pub(crate) mod dockerfile;
    #[expect(dead_code, reason = "other tests use the rest")]
    pub(crate) mod helm;
    #[expect(dead_code, reason = "other tests use the rest")]
    pub(crate) mod http_server;
    #[expect(dead_code, reason = "other tests use the rest")]
    pub(crate) mod prometheus;
    #[expect(dead_code, reason = "other tests use the rest")]
    pub(crate) mod servo_bin;
}
