//! Modest traffic to the sidecar of one pod, through the API server, so that Envoy has something to count.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, interval, timeout_at};

use crate::k8s::{ApiError, Cluster};

const PAUSE: Duration = Duration::from_millis(100);

/// Requests do not wait for the answers to those before them, which come in the same order.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: servo\r\n\r\n";

/// Why there was no traffic.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrafficError {
    /// The API server does not connect.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Nothing listens there, or it says nothing.
    #[error("nothing answers on port {port} of pod '{pod}'")]
    Silence { port: u16, pod: String },
}

/// Sends requests to a port of a pod for this time.
///
/// # Errors
/// There is no connection, or no answer on it.
pub(super) async fn send(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
    time: Duration,
) -> Result<(), TrafficError> {
    let end = Instant::now() + time;
    let mut answered = false;
    while Instant::now() < end {
        // Cut off, because opening alone may take longer than there is.
        let Ok(opened) = timeout_at(end, cluster.forward(namespace, pod, port)).await else { break };
        let received = exchange(opened?.stream(), end).await;
        answered |= received > 0;
        if received == 0 {
            break;
        }
    }
    if answered { Ok(()) } else { Err(TrafficError::Silence { port, pod: pod.to_owned() }) }
}

/// Sends requests until the time is over or the other side closes; returns how many bytes it answered with.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, end: Instant) -> usize {
    let (mut answers, mut requests) = tokio::io::split(stream);
    let mut received = 0;
    let sending = async {
        let mut pace = interval(PAUSE);
        loop {
            pace.tick().await;
            requests.write_all(REQUEST).await?;
        }
    };
    let receiving = async {
        let mut buffer = vec![0; 8192];
        loop {
            match answers.read(&mut buffer).await? {
                0 => return Ok(()),
                count => received += count,
            }
        }
    };
    let over = async {
        tokio::select! {
            ended = sending => ended,
            ended = receiving => ended,
        }
    };
    let ended: Result<io::Result<()>, _> = timeout_at(end, over).await;
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "the connection for traffic ended");
    }
    received
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_come_at_a_modest_rate_until_the_time_is_over() {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
            while let Ok(count @ 1..) = theirs.read(&mut buffer).await {
                seen.extend_from_slice(&buffer[..count]);
                if theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                    break;
                }
            }
            String::from_utf8(seen).expect("text")
        });
        let end = Instant::now() + Duration::from_secs(9);
        assert!(exchange(&mut ours, end).await > 0);
        assert_eq!(Instant::now(), end);
        drop(ours);
        let requests = server.await.expect("it ends").matches("GET / HTTP/1.1").count();
        assert!((89..=91).contains(&requests), "{requests}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_where_nothing_listens_ends_at_once() {
        let (mut ours, theirs) = tokio::io::duplex(1 << 16);
        drop(theirs);
        let start = Instant::now();
        assert_eq!(exchange(&mut ours, start + Duration::from_secs(9)).await, 0);
        assert_eq!(Instant::now(), start);
    }
}
