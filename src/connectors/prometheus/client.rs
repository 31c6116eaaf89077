//! The HTTP client of one Prometheus server.
//!
//! Connections are kept and reused. Answers are read as they arrive and never held as text. It neither retries nor
//! follows redirects, and knows no metrics: a failure names the address, without user and password.

use reqwest::StatusCode;

use super::config::{BaseUrl, PrometheusConfig};
use super::json::{JsonReader, ReadError};
use super::query::ApiRequest;
use super::response::{Envelope, ResponseData, ResponseError};
use super::transport::{TIMEOUT, Transport, TransportError};
use crate::network::Network;

/// The largest answer that is read: far more than a sensible query has, and a bound for what a mistaken one costs.
const LARGEST_ANSWER: u64 = 512 << 20;

/// The largest answer of a server that refuses; only its reason is of interest.
const LARGEST_REFUSAL: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
#[error("failed to ask Prometheus at {url}")]
pub(super) struct ClientError {
    /// The address, without parameters and credentials.
    url: String,
    source: RequestError,
}

impl ClientError {
    /// Whether it says by itself what to do: a file is missing, or the server answered and would not have the request.
    pub(super) fn explains_itself(&self) -> bool {
        matches!(self.source, RequestError::Status { .. } | RequestError::Transport(_))
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// There is no connection, or it broke.
    #[error("the connection failed")]
    Connection(#[source] reqwest::Error),
    /// A file of the section cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Something else than success, perhaps with the server's reason.
    #[error("the answer is {status}{reason}{advice}", advice = advice(*.status))]
    Status {
        status: StatusCode,
        /// Empty, or beginning with `: `.
        reason: String,
    },
    /// An answer that is of no use.
    #[error(transparent)]
    Response(ResponseError),
}

impl From<ResponseError> for RequestError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Read(ReadError::Body(error)) => error.into(),
            other => Self::Response(other),
        }
    }
}

impl From<reqwest::Error> for RequestError {
    fn from(error: reqwest::Error) -> Self {
        // The address is named once, without parameters.
        if error.is_timeout() { Self::Timeout } else { Self::Connection(error.without_url()) }
    }
}

/// What can be done about an answer that says nothing of a query, beginning with `; `.
fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "; set 'authorization' or 'basic_auth', or check what is there; a server of several tenants may want one \
             in 'headers', such as X-Scope-OrgID"
        }
        StatusCode::FORBIDDEN => {
            "; the credentials or certificate are known, or missing, but may not query: grant it, or use others; a \
             server of several tenants may want another one in 'headers'"
        }
        StatusCode::NOT_FOUND => {
            "; when the server is behind a path, add it to the address, as in http://mimir/prometheus"
        }
        status if status.is_redirection() => "; redirects are not followed: set the address to where it leads",
        _ => "",
    }
}

/// A client of one server.
#[derive(Debug)]
pub(super) struct Client {
    transport: Transport,
    base_url: BaseUrl,
}

impl Client {
    /// A client; nothing is sent yet.
    pub(super) fn new(config: &PrometheusConfig, network: &Network) -> Result<Self, TransportError> {
        Ok(Self { transport: Transport::new(&config.http, network)?, base_url: config.base_url.clone() })
    }

    /// Sends a request and reads the answer, whatever its `status` says.
    pub(super) async fn send<T: ResponseData>(&self, request: &ApiRequest) -> Result<Envelope<T>, ClientError> {
        self.exchange(request).await.map_err(|source| self.error(request, source))
    }

    /// Sends a request and returns the data of a success.
    pub(super) async fn get<T: ResponseData>(&self, request: &ApiRequest) -> Result<T, ClientError> {
        let data = self.exchange::<T>(request).await.and_then(|envelope| Ok(envelope.success()?));
        data.map_err(|source| self.error(request, source))
    }

    /// The failure of a request to this server.
    pub(super) fn error(&self, request: &ApiRequest, source: impl Into<RequestError>) -> ClientError {
        ClientError { url: format!("{}{}", self.base_url.as_str(), request.path), source: source.into() }
    }

    async fn exchange<T: ResponseData>(&self, request: &ApiRequest) -> Result<Envelope<T>, RequestError> {
        let url = request.url(self.base_url.expose());
        let response = self.transport.get(url).await?.header(reqwest::header::ACCEPT, "*/*").send().await?;
        let status = response.status();
        if !status.is_success() {
            return Err(RequestError::Status { status, reason: refusal(response).await });
        }
        Ok(Envelope::read(&mut JsonReader::new(response.bytes_stream(), LARGEST_ANSWER)).await?)
    }
}

/// What the server says of its refusal, or nothing: proxies answer with pages of HTML.
async fn refusal(response: reqwest::Response) -> String {
    let mut reader = JsonReader::new(response.bytes_stream(), LARGEST_REFUSAL);
    let envelope = Envelope::<Anything>::read(&mut reader).await;
    match envelope.map(Envelope::success) {
        Ok(Err(ResponseError::Refused { error_type, error })) => format!(": {error_type}: {error}"),
        _ => String::new(),
    }
}

/// Data of which nothing is wanted.
struct Anything;

impl ResponseData for Anything {
    async fn read(reader: &mut JsonReader) -> Result<Self, ReadError> {
        reader.skip().await.map(|()| Self)
    }
}
