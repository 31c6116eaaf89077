//! Every integration test, in one binary for the sake of link time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod architecture;
mod chart;
mod check;
mod cli;
mod configuration;
mod deploy;
mod documentation;
mod embedded;
mod endpoints;
mod external;
mod init;
mod killed;
mod kube_metrics;
mod kubernetes;
mod opsani_dev;
mod optimize;
mod prometheus;
mod prometheus_http;
mod runner;
mod show;
mod vegeta;
#[path = "../support"]
mod support {
    pub(crate) mod agent;
    pub(crate) mod components;
    #[expect(dead_code, reason = "other tests use the rest")]
    pub(crate) mod helm;
    pub(crate) mod http_server;
    pub(crate) mod kube_api;
    pub(crate) mod kubernetes_servo;
    pub(crate) mod load_server;
    pub(crate) mod prometheus;
    pub(crate) mod servo_bin;
}
