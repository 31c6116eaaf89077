//! The HTTP client of one Prometheus server.
//!
//! Connections are kept and reused. Answers are read as they arrive and never held as text. An exchange has a limit of
//! time and size; while its failure may pass it is repeated, if the caller has time for that. It follows no redirects,
//! and knows no metrics: a failure names the address, without user and password, and has no secret in the words that
//! it repeats.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use tokio::time::Instant;

use super::super::config::{BaseUrl, PrometheusConfig};
use super::json::{Allowance, JsonReader, ReadError};
use super::request::ApiRequest;
use super::response::{Envelope, Notes, ResponseData, ResponseError};
use super::transport::{Transport, TransportError};
use super::words::{is_markup, words};
use crate::causes::chain;
use crate::network::Network;
use crate::types;

/// How much is read of the answer of a server that refuses; only its reason is of interest.
const REFUSAL: usize = 16 << 10;

/// The longest pause between two tries, unless the server asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The data of an answer, and what the server says beside them.
pub(in crate::connectors::prometheus) struct Noted<T> {
    pub(in crate::connectors::prometheus) data: T,
    pub(in crate::connectors::prometheus) notes: Notes,
}

#[derive(Debug, thiserror::Error)]
#[error("failed to ask Prometheus at {url}{}", tried(*.tries))]
pub(in crate::connectors::prometheus) struct ClientError {
    /// The address, without parameters and credentials.
    url: String,
    tries: u32,
    source: RequestError,
}

fn tried(tries: u32) -> String {
    if tries > 1 { format!(" ({tries} times)") } else { String::new() }
}

impl ClientError {
    /// Whether the server answered with success, but with nothing that this request can use.
    pub(in crate::connectors::prometheus) fn is_of_the_answer(&self) -> bool {
        matches!(self.source, RequestError::Response(_))
    }

    /// Whether it says by itself what to do: a file is missing, or the server answered and would not have the request.
    pub(in crate::connectors::prometheus) fn explains_itself(&self) -> bool {
        matches!(self.source, RequestError::Status { .. } | RequestError::Transport(_))
    }
}

#[derive(Debug, thiserror::Error)]
pub(in crate::connectors::prometheus) enum RequestError {
    #[error("no answer within {0}; 'timeout' of the section is the longest time for one")]
    Timeout(types::Duration),
    /// There is no connection, or it broke.
    #[error("the connection failed")]
    Connection(#[source] ConnectionError),
    /// A file of the section cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Something else than success, perhaps with the server's reason.
    #[error("the answer is {status}{reason}{advice}", advice = advice(*.status))]
    Status {
        status: StatusCode,
        /// Empty, or beginning with `: `.
        reason: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Success, by something that is not Prometheus.
    #[error("the answer is not one of Prometheus, but {0}: is there a login or a proxy before it?")]
    Foreign(String),
    /// An answer that is of no use.
    #[error(transparent)]
    Response(ResponseError),
}

/// Why there is no connection: the innermost cause, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[error("{cause}{}", remedy(.cause))]
pub(in crate::connectors::prometheus) struct ConnectionError {
    cause: String,
}

impl ConnectionError {
    fn new(error: &reqwest::Error) -> Self {
        let mut innermost: &dyn Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        // The address is named once, without parameters.
        let cause = if innermost.source().is_none() && error.source().is_none() {
            "it broke off".to_owned()
        } else {
            innermost.to_string()
        };
        Self { cause }
    }

    /// Another try would end the same: the certificate, the name or the protocol is wrong.
    fn is_permanent(&self) -> bool {
        let is_temporary = self.cause.contains("Temporary failure") || self.cause.contains("try again");
        !is_temporary && !remedy(&self.cause).is_empty()
    }
}

/// What can be done about the cause of a failed connection, beginning with `; `; empty if it may pass.
fn remedy(cause: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if has(&["UnknownIssuer", "CaUsedAsEndEntity"]) {
        "; the certificate is of an authority that is not trusted: name it in 'tls_config.ca_file'"
    } else if has(&["NotValidForName", "not valid for name", "certificate not valid for"]) {
        "; the certificate is for another name: correct 'base_url', or set 'tls_config.server_name'"
    } else if has(&["Expired", "expired", "NotValidYet"]) {
        "; the certificate must be renewed, or a clock is wrong"
    } else if has(&["invalid peer certificate"]) {
        "; the server must have another certificate, or 'tls_config' trust this one"
    } else if has(&["InvalidContentType", "corrupt message"]) {
        "; the server does not speak TLS there: is the address http:// rather than https://?"
    } else if has(&["CertificateRequired", "certificate required", "BadCertificate"]) {
        "; the server wants a certificate: set 'tls_config.cert_file' and 'key_file'"
    } else if has(&["lookup address", "No address associated", "Name or service not known", "dns error"]) {
        "; no such host: correct 'base_url'"
    } else {
        ""
    }
}

/// How a failed exchange is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It would fail again.
    Never,
    /// Credentials that are being replaced are refused for a moment.
    Once,
    /// The failure may pass.
    WhileThereIsTime,
}

impl RequestError {
    fn repeat(&self) -> Repeat {
        match self {
            Self::Connection(error) if error.is_permanent() => Repeat::Never,
            Self::Timeout(_) | Self::Connection(_) => Repeat::WhileThereIsTime,
            Self::Status { status, .. } => match status.as_u16() {
                401 | 403 => Repeat::Once,
                408 | 425 | 429 | 500 | 502..=504 | 506.. => Repeat::WhileThereIsTime,
                _ => Repeat::Never,
            },
            Self::Response(ResponseError::Refused { error_type, .. }) => match error_type.as_str() {
                "timeout" | "canceled" | "internal" | "unavailable" => Repeat::WhileThereIsTime,
                _ => Repeat::Never,
            },
            Self::Transport(_) | Self::Foreign(_) | Self::Response(_) => Repeat::Never,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<ResponseError> for RequestError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Read(ReadError::Body(error)) => Self::Connection(ConnectionError::new(&error)),
            other => Self::Response(other),
        }
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

#[derive(Debug)]
pub(in crate::connectors::prometheus) struct Client {
    transport: Transport,
    base_url: BaseUrl,
    timeout: types::Duration,
}

impl Client {
    /// A client; nothing is sent yet.
    pub(in crate::connectors::prometheus) fn new(
        config: &PrometheusConfig,
        network: &Network,
    ) -> Result<Self, TransportError> {
        let transport = Transport::new(&config.http, &config.base_url, network)?;
        Ok(Self { transport, base_url: config.base_url.clone(), timeout: config.timeout() })
    }

    /// Sends a request and reads the answer, whatever its `status` says.
    pub(in crate::connectors::prometheus) async fn send<T: ResponseData>(
        &self,
        request: &ApiRequest,
    ) -> Result<Envelope<T>, ClientError> {
        self.exchange(request, &self.allowance().await).await.map_err(|source| self.error(request, source))
    }

    /// Sends a request and returns the data of a success.
    pub(in crate::connectors::prometheus) async fn get<T: ResponseData>(
        &self,
        request: &ApiRequest,
    ) -> Result<T, ClientError> {
        let noted = self.get_within(request, Duration::ZERO, &self.allowance().await).await?;
        Ok(noted.data)
    }

    /// The same, repeated while the failure may pass and no more than this time is over. The last try begins at its end.
    pub(in crate::connectors::prometheus) async fn get_within<T: ResponseData>(
        &self,
        request: &ApiRequest,
        tolerance: Duration,
        allowance: &Allowance,
    ) -> Result<Noted<T>, ClientError> {
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let elapsed = begun.elapsed();
            let answer = self.exchange::<T>(request, allowance).await;
            let source = match answer.and_then(|envelope| Ok(envelope.success()?)) {
                Ok((data, notes)) => return Ok(Noted { data, notes }),
                Err(source) => source,
            };
            let left = tolerance.saturating_sub(elapsed);
            let is_over = match source.repeat() {
                Repeat::Never => true,
                Repeat::Once => tries > 1 || left.is_zero(),
                Repeat::WhileThereIsTime => left.is_zero(),
            };
            let error = ClientError { tries, ..self.error(request, source) };
            if is_over {
                return Err(error);
            }
            let wanted = error.source.retry_after().unwrap_or_else(|| pause(tries));
            let pause = wanted.min(left.max(Duration::from_millis(1)));
            tracing::warn!("{}; asking again in {:.1} s", chain(&error), pause.as_secs_f64());
            tokio::time::sleep(pause).await;
        }
    }

    /// What the answers of one reading may have together.
    pub(in crate::connectors::prometheus) async fn allowance(&self) -> Allowance {
        Allowance::new(super::answer_limit().await)
    }

    /// The failure of a request to this server.
    pub(in crate::connectors::prometheus) fn error(
        &self,
        request: &ApiRequest,
        source: impl Into<RequestError>,
    ) -> ClientError {
        let source = match source.into() {
            RequestError::Response(ResponseError::Refused { error_type, error }) => {
                let error = self.transport.redacted(&error);
                RequestError::Response(ResponseError::Refused { error_type, error })
            }
            other => other,
        };
        ClientError { url: format!("{}{}", self.base_url.as_str(), request.path), tries: 1, source }
    }

    async fn exchange<T: ResponseData>(
        &self,
        request: &ApiRequest,
        allowance: &Allowance,
    ) -> Result<Envelope<T>, RequestError> {
        let exchanged = tokio::time::timeout(self.timeout.to_std(), self.exchange_untimed(request, allowance));
        exchanged.await.unwrap_or(Err(RequestError::Timeout(self.timeout)))
    }

    async fn exchange_untimed<T: ResponseData>(
        &self,
        request: &ApiRequest,
        allowance: &Allowance,
    ) -> Result<Envelope<T>, RequestError> {
        let url = request.url(self.base_url.expose());
        let sent = self.transport.get(url).await?.header(ACCEPT, "*/*").send().await;
        let response = sent.map_err(|error| self.unsent(&error))?;
        let status = response.status();
        if !status.is_success() {
            let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = retry_after.and_then(|text| wait_of(text, Timestamp::now()));
            let reason = match words(&beginning(response).await) {
                Some(words) => format!(": {}", self.transport.redacted(&words)),
                None => String::new(),
            };
            return Err(RequestError::Status { status, reason, retry_after });
        }
        let mut reader = JsonReader::new(response.bytes_stream(), allowance.clone());
        let envelope = Envelope::read(&mut reader).await;
        envelope.map_err(|error| match error {
            ResponseError::Read(ReadError::Syntax { .. }) if is_markup(&String::from_utf8_lossy(reader.head())) => {
                let said = words(reader.head()).unwrap_or_else(|| "a web page".to_owned());
                RequestError::Foreign(self.transport.redacted(&said))
            }
            error => error.into(),
        })
    }

    fn unsent(&self, error: &reqwest::Error) -> RequestError {
        if error.is_timeout() {
            return RequestError::Timeout(self.timeout);
        }
        RequestError::Connection(ConnectionError::new(error))
    }
}

/// The wait before the next try: up to a second, doubled with every try, and never near zero.
fn pause(tries: u32) -> Duration {
    let longest = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(tries - 1)).min(LONGEST_PAUSE);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The wait that `Retry-After` asks for: seconds, or the time of a date.
fn wait_of(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // A date of HTTP ends with its zone, which is always this one.
    let date = text.strip_suffix("GMT").map_or_else(|| text.to_owned(), |date| format!("{date}+0000"));
    let until = rfc2822::parse(&date).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// The beginning of a body; empty when it breaks off at once.
async fn beginning(response: reqwest::Response) -> Vec<u8> {
    let mut chunks = response.bytes_stream();
    let mut beginning = Vec::new();
    while beginning.len() < REFUSAL
        && let Some(Ok(chunk)) = chunks.next().await
    {
        beginning.extend_from_slice(&chunk[..chunk.len().min(REFUSAL - beginning.len())]);
    }
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_says_how_long_to_wait_in_seconds_or_by_a_date() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(wait_of(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_are_never_near_zero() {
        for tries in 1..40 {
            let longest = Duration::from_secs(1 << (tries - 1).min(10)).min(LONGEST_PAUSE);
            assert!((longest / 2..=longest).contains(&pause(tries)), "{tries}");
        }
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let status = |code| RequestError::Status {
            status: StatusCode::from_u16(code).unwrap(),
            reason: String::new(),
            retry_after: None,
        };
        for (error, expected) in [
            (RequestError::Timeout(types::Duration::from_secs(1)), Repeat::WhileThereIsTime),
            (status(429), Repeat::WhileThereIsTime),
            (status(503), Repeat::WhileThereIsTime),
            (status(401), Repeat::Once),
            (status(400), Repeat::Never),
            (status(422), Repeat::Never),
            (status(302), Repeat::Never),
            (status(501), Repeat::Never),
        ] {
            assert_eq!(error.repeat(), expected, "{error}");
        }
        for (cause, passes) in [
            ("Connection refused (os error 111)", true),
            ("invalid peer certificate: UnknownIssuer", false),
            ("failed to lookup address information: Name or service not known", false),
            ("failed to lookup address information: Temporary failure in name resolution", true),
        ] {
            assert_eq!(!ConnectionError { cause: cause.to_owned() }.is_permanent(), passes, "{cause}");
        }
    }
}
