//! The agent on a real Kubernetes cluster of one node: API server, scheduler, controllers, kubelet and containers.
//!
//! A test binary of its own, so that no other test runs beside it: the cluster needs both cores of a small machine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod fixture;
#[path = "../support"]
mod support {
    #[expect(dead_code, reason = "the tests of the connector, which use the rest, come with it")]
    pub(crate) mod cluster;
}
