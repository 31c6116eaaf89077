//! What a run shows of itself over HTTP, when it is asked to: metrics, health, readiness, and what connectors publish.
//!
//! Nothing here changes anything, nothing needs a password, and nothing that is shown holds one: names, words, numbers,
//! and what connectors publish. Events are counted as they happen; everything else is read when it is asked for. A
//! reader never delays what it watches.

mod board;
mod page;
mod process;
pub(crate) mod sse;
mod stream;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use page::FAMILIES;

use crate::exchange::Exchange;
use crate::http::server::{self, Limits};
use crate::optimizer::Optimizer;
use crate::optimizer::embedded::Snapshot;
use crate::runner::Observer;
use board::Board;
use stream::Streams;

/// Few clients, small requests: a probe, a scrape, some readers.
const LIMITS: Limits = Limits { connections: 64, header_time: Duration::from_secs(30), buffer: Some(16 << 10) };

/// How long answers that are on their way may delay the end.
const GRACE: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";

const INDEX: &str = "\
/metrics                    metrics in the Prometheus text format
/healthz                    whether the process has a servo that goes on
/readyz                     whether all servos are ready
/stream?channel=SELECTOR    what connectors publish, as server-sent events
";

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Why there are no endpoints.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on '{address}': {source}")]
pub(crate) struct ListenError {
    address: String,
    source: io::Error,
}

/// A servo that is shown.
#[derive(Clone)]
pub(crate) struct Source {
    pub name: String,
    pub exchange: Exchange,
    pub optimizer: Option<Arc<dyn Optimizer>>,
    /// The campaign of an optimizer in this process.
    pub campaign: Option<watch::Receiver<Snapshot>>,
}

/// The endpoints of a run, being served.
pub(crate) struct Endpoints {
    board: Arc<Board>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Takes an address such as `127.0.0.1:9100`, `localhost:9100`, or `:9100` for all interfaces.
///
/// # Errors
/// It is no address, not one of this machine, or somebody else has it.
pub(crate) async fn bind(address: &str) -> Result<TcpListener, ListenError> {
    let bound = match address.strip_prefix(':') {
        // Without IPv6 there is only IPv4; elsewhere the first serves both.
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(format!("0.0.0.0:{port}")).await
            }
            bound => bound,
        },
        None => TcpListener::bind(address).await,
    };
    bound.map_err(|source| ListenError { address: address.to_owned(), source })
}

impl Endpoints {
    /// Begins to answer. The servos count as being prepared.
    pub(crate) fn serve(listener: TcpListener, servos: Vec<Source>) -> Self {
        let stop = CancellationToken::new();
        let shown =
            Arc::new(Shown { streams: Streams::new(&servos, stop.clone()), board: Arc::new(Board::new(servos)) });
        let board = Arc::clone(&shown.board);
        let address =
            listener.local_addr().map_or_else(|error| error.to_string(), |address: SocketAddr| address.to_string());
        tracing::info!("serving /metrics, /healthz, /readyz and /stream on http://{address}");
        let respond = move |request: Request<Incoming>| {
            let answer = shown.respond(&request);
            async { answer }
        };
        let serving = server::serve(listener, LIMITS, stop.clone(), respond);
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the endpoints are no longer served");
            }
        });
        Self { board, stop, task }
    }

    /// Says that what comes before the run has succeeded: connectors are attached, checks have passed.
    pub(crate) fn prepared(&self) {
        self.board.prepared();
    }

    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::<Board>::clone(&self.board)
    }

    /// Ends all streams and stops answering.
    pub(crate) async fn finish(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            // A reader that does not read.
            self.task.abort();
        }
    }
}

struct Shown {
    board: Arc<Board>,
    streams: Streams,
}

impl Shown {
    fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path();
        let known = ["/", "/metrics", "/healthz", "/readyz", "/stream"].contains(&path);
        if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/" => text(StatusCode::OK, INDEX.to_owned()),
            "/metrics" => full(StatusCode::OK, page::CONTENT_TYPE, page::render(&self.board, self.streams.figures())),
            "/healthz" => verdict(self.board.health()),
            "/readyz" => verdict(self.board.readiness()),
            "/stream" => match self.streams.open(request.uri().query().unwrap_or_default()) {
                Ok(events) => answer(StatusCode::OK, sse::CONTENT_TYPE, events),
                Err(refused) => text(refused.status(), format!("{refused}\n")),
            },
            _ => text(StatusCode::NOT_FOUND, format!("there is no such place; these are there:\n{INDEX}")),
        }
    }
}

fn verdict(verdict: Result<String, String>) -> Response<Body> {
    match verdict {
        Ok(lines) => text(StatusCode::OK, lines),
        Err(lines) => text(StatusCode::SERVICE_UNAVAILABLE, lines),
    }
}

fn text(status: StatusCode, content: String) -> Response<Body> {
    full(status, TEXT, content)
}

fn full(status: StatusCode, content_type: &'static str, content: String) -> Response<Body> {
    answer(status, content_type, Full::from(content).boxed_unsync())
}

fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Shown {
        let servo = Source { name: "web".to_owned(), exchange: Exchange::default(), optimizer: None, campaign: None };
        let servos = vec![servo];
        Shown { streams: Streams::new(&servos, CancellationToken::new()), board: Arc::new(Board::new(servos)) }
    }

    #[test]
    fn what_is_there_is_read_only_and_the_rest_is_not_there() {
        let shown = shown();
        for (method, target, status) in [
            (Method::GET, "/", 200),
            (Method::HEAD, "/metrics", 200),
            (Method::GET, "/healthz", 200),
            (Method::GET, "/readyz", 503),
            (Method::GET, "/stream?channel=metrics.*", 200),
            (Method::GET, "/stream?channel=/(/", 400),
            (Method::POST, "/metrics", 405),
            (Method::DELETE, "/stream", 405),
            (Method::GET, "/metrics/", 404),
            (Method::POST, "/elsewhere", 404),
        ] {
            let request = Request::builder().method(method.clone()).uri(target).body(()).unwrap();
            let response = shown.respond(&request);
            assert_eq!(response.status(), status, "{method} {target}");
            assert_eq!(response.headers().contains_key(ALLOW), status == 405, "{method} {target}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_taken_or_is_none_is_named() {
        let taken = bind("127.0.0.1:0").await.unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        for address in [taken.as_str(), "9100", "127.0.0.1", ":99999", "192.0.2.1:9100"] {
            let error = bind(address).await.unwrap_err().to_string();
            assert!(error.contains(&format!("'{address}'")), "{error}");
        }
        assert!(bind(":0").await.is_ok());
    }
}
