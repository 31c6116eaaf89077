//! HTTP servers: one way to run them, so that limits and the end are alike everywhere.
//!
//! Connections are plain HTTP/1.1; TLS is left to proxies. A server has a limit of connections, beyond which those that
//! come wait to be accepted, and every request has a limited time to say what it wants. What is answered is the user's
//! business.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long to wait when the process has no file descriptor left for a connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub connections: usize,
    /// How long the next request of a connection may take to say what it wants.
    pub header_time: Duration,
    /// The most that is kept of a connection for reading and for writing, in bytes, at least 8192; a larger header is
    /// refused. `None` is some hundred kilobytes.
    pub buffer: Option<usize>,
}

/// Answers requests until it is told to stop; those that are being answered then are answered.
///
/// # Errors
/// The listener is broken.
pub(crate) async fn serve<Respond, Answer, Answered>(
    listener: TcpListener,
    limits: Limits,
    stop: CancellationToken,
    respond: Respond,
) -> std::io::Result<()>
where
    Respond: Fn(Request<Incoming>) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Response<Answered>> + Send + 'static,
    Answered: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let is_full = connections.len() >= limits.connections;
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept(), if !is_full => match accepted {
                Ok((stream, _)) => stream,
                Err(error) if is_of_connection(&error) => continue,
                Err(error) if is_exhausted(&error) => {
                    tracing::warn!(%error, "a connection cannot be accepted for the moment");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            },
            // Connections that are over need no place.
            Some(_) = connections.join_next() => continue,
        };
        let (stop, respond) = (stop.clone(), respond.clone());
        connections.spawn(async move {
            if let Err(error) = converse(stream, limits, stop, respond).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Answers the requests of one connection.
async fn converse<Respond, Answer, Answered>(
    stream: TcpStream,
    limits: Limits,
    stop: CancellationToken,
    respond: Respond,
) -> hyper::Result<()>
where
    Respond: Fn(Request<Incoming>) -> Answer + Send,
    Answer: Future<Output = Response<Answered>> + Send,
    Answered: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = respond(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_time);
    if let Some(buffer) = limits.buffer {
        http.max_buf_size(buffer);
    }
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        end = connection.as_mut() => end,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// The peer has gone before it was served.
fn is_of_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// There are too many open files, of this process or of all.
fn is_exhausted(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
