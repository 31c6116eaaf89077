//! Reading the answer to a request: its body as JSON, or an error that says what came instead.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::optimizer::OptimizerError;

/// The largest answer that is read. Commands have a few kilobytes.
const LARGEST_ANSWER: usize = 16 << 20;

/// How much of the body of an error is shown.
const SHOWN_BODY: usize = 300;

/// An address for messages: without user, password and query.
pub(super) fn shown(url: &url::Url) -> String {
    let mut url = url.clone();
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    // Only an address that cannot have credentials refuses to lose them.
    cleared.map_or_else(|()| url.origin().ascii_serialization(), |()| url.to_string())
}

/// Sends a request and reads a successful answer as JSON. An error quotes the beginning of the answer, without the secrets
/// of the request, should it repeat them.
pub(super) async fn read_json(
    request: RequestBuilder,
    event: &'static str,
    secrets: &[&str],
) -> Result<Value, OptimizerError> {
    let (client, request) = request.build_split();
    let request = request.map_err(|error| transport(String::new(), error))?;
    let url = shown(request.url());
    let failed = |error| transport(url.clone(), error);
    let mut response = client.execute(request).await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            let problem = format!("it is larger than {} MiB", LARGEST_ANSWER >> 20);
            return Err(OptimizerError::Unintelligible { url, event, problem });
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        let not_json = |error: serde_json::Error| OptimizerError::Unintelligible {
            url,
            event,
            problem: if body.is_empty() { "it is empty".to_owned() } else { format!("it is not JSON ({error})") },
        };
        return serde_json::from_slice(&body).map_err(not_json);
    }
    if status == StatusCode::GONE && detail(&body).as_deref() == Some("unexpected servo_uid") {
        return Err(OptimizerError::UnexpectedServo);
    }
    let mut text = String::from_utf8_lossy(&body).trim().to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "REDACTED");
    }
    let body = text.chars().take(SHOWN_BODY).collect();
    Err(OptimizerError::HttpStatus { url, event, status: status.as_u16(), body })
}

fn detail(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("detail")?.as_str().map(str::to_owned)
}

fn transport(url: String, error: reqwest::Error) -> OptimizerError {
    OptimizerError::Transport { url, source: Box::new(error.without_url()) }
}
