//! A server to put a load on: how long it takes and what it answers is decided by the number of the request, and it
//! keeps what it did, by its own clock.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// One answered request.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) path: String,
    pub(crate) arrived: Instant,
    pub(crate) left: Instant,
    pub(crate) status: u16,
}

#[derive(Debug, Default)]
struct Counts {
    connections: usize,
    arrived: usize,
    answered: Vec<Answered>,
}

/// A running server. It ends with this value.
pub(crate) struct LoadServer {
    port: u16,
    counts: Arc<Mutex<Counts>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for LoadServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl LoadServer {
    /// Starts on a free port of the loopback interface. Requests are numbered from 0 as they arrive.
    pub(crate) async fn start(behave: impl Fn(usize) -> (Duration, u16) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::<Mutex<Counts>>::default();
        let (behave, kept) = (Arc::new(behave), Arc::clone(&counts));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                kept.lock().unwrap().connections += 1;
                let (behave, kept) = (Arc::clone(&behave), Arc::clone(&kept));
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, &*behave, &kept));
                    // Clients may go at any time.
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        Self { port, counts, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.counts.lock().unwrap().connections
    }

    /// What was answered so far, by arrival.
    pub(crate) fn answered(&self) -> Vec<Answered> {
        let mut answered = self.counts.lock().unwrap().answered.clone();
        answered.sort_by_key(|request| request.arrived);
        answered
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    behave: &(impl Fn(usize) -> (Duration, u16) + Sync),
    counts: &Mutex<Counts>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    let number = {
        let mut counts = counts.lock().unwrap();
        counts.arrived += 1;
        counts.arrived - 1
    };
    let (latency, status) = behave(number);
    tokio::time::sleep_until(arrived + latency).await;
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let answered = Answered { path, arrived, left: Instant::now(), status };
    counts.lock().unwrap().answered.push(answered);
    Ok(Response::builder().status(status).body(Full::from("answer")).unwrap())
}
