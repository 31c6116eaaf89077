//! A connection to a port of a pod, through the API server: no route to the pod is needed.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Portforwarder;
use tokio::io::DuplexStream;
use tokio::time::timeout;

use super::error::{ApiError, TransportError};
use super::request::SILENCE_LIMIT;

/// A connection to a port of a pod. It ends with this value.
pub(crate) struct Forward {
    stream: DuplexStream,
    forwarder: Portforwarder,
}

impl Forward {
    /// Asks for the connection. Whether anything listens there only shows when it is used.
    pub(in crate::k8s) async fn open(client: Client, namespace: &str, pod: &str, port: u16) -> Result<Self, ApiError> {
        let request = || format!("forward port {port} of pods \"{pod}\" in namespace \"{namespace}\"");
        let unreachable = |source| ApiError::Unreachable { request: request(), source };
        let pods = kube::Api::<Pod>::namespaced(client, namespace);
        let opened = timeout(SILENCE_LIMIT, pods.portforward(pod, &[port])).await;
        let opened = opened.map_err(|_| unreachable(TransportError::silence(SILENCE_LIMIT)))?;
        let mut forwarder = opened.map_err(|error| ApiError::of_client(request(), error))?;
        match forwarder.take_stream(port) {
            Some(stream) => Ok(Self { stream, forwarder }),
            None => Err(ApiError::Unaskable { request: request() }),
        }
    }

    /// What goes to the port, and what comes from it. It ends when nothing listens there.
    pub(crate) fn stream(&mut self) -> &mut DuplexStream {
        &mut self.stream
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}
