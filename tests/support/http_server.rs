//! A scripted HTTP server on a port of its own: real sockets, real HTTP, answers from a closure.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Longest time that a test waits for a state.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn event(&self) -> String {
        self.json()["event"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn param(&self) -> Value {
        self.json()["param"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What the script says to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A JSON body with this HTTP status.
    Json(u16, Value),
    /// Any body with this HTTP status.
    Text(u16, String),
    /// The connection is dropped without an answer.
    Drop,
    /// No answer for as long as the client waits.
    Hang,
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Json(200, serde_json::json!({"status": "ok"}))
    }
}

/// A running server. It ends with this value.
pub(crate) struct HttpServer {
    address: SocketAddr,
    requests: watch::Receiver<Vec<Request>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = Arc<Mutex<dyn FnMut(&Request) -> Reply + Send>>;

impl HttpServer {
    /// Starts on a free port of the loopback interface.
    pub(crate) async fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    /// Starts on a listener.
    pub(crate) fn on(listener: TcpListener, script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, requests) = watch::channel(Vec::new());
        let script: Script = Arc::new(Mutex::new(script));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (script, sender) = (Arc::clone(&script), sender.clone());
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, &script, &sender));
                    // A dropped connection is part of the script, so the error says nothing.
                    drop(
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// Waits until the requests so far satisfy a condition; panics with them after a bound.
    pub(crate) async fn wait_until(&self, what: &str, mut condition: impl FnMut(&[Request]) -> bool) -> Vec<Request> {
        let mut requests = self.requests.clone();
        let waited = tokio::time::timeout(BOUND, requests.wait_for(|requests| condition(requests))).await;
        match waited {
            Ok(Ok(requests)) => requests.clone(),
            _ => panic!("{what} did not happen; the requests were: {:#?}", self.requests()),
        }
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    script: &Script,
    sender: &watch::Sender<Vec<Request>>,
) -> Result<hyper::Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let reply = (script.lock().unwrap())(&request);
    sender.send_modify(|requests| requests.push(request));
    let (status, body) = match reply {
        Reply::Json(status, body) => (status, body.to_string()),
        Reply::Text(status, body) => (status, body),
        Reply::Drop => return Err("dropped, as the script says".into()),
        Reply::Hang => {
            std::future::pending::<Infallible>().await;
            unreachable!("pending never resolves")
        }
    };
    Ok(hyper::Response::builder().status(status).body(Full::from(body))?)
}
