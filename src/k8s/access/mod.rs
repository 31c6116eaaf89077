//! How the cluster is found and reached.

pub(super) mod connect;
pub(super) mod kubeconfig;
pub(super) mod tls;
