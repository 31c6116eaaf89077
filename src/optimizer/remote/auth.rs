//! Credentials: what a request carries, and how a token is fetched that expires.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::read_json;
use crate::decode::{HttpUrl, Secret};
use crate::optimizer::OptimizerError;
use crate::types::UnixTime;

/// What the optimizer wants to see.
pub(super) enum Auth {
    /// The same header in every request.
    Header(HeaderName, HeaderValue),
    /// A token from a token endpoint, fetched again when it has expired.
    ClientCredentials(Box<ClientCredentials>),
}

impl Auth {
    /// The header for a token: `Authorization: Bearer …`, unless the token brings its own scheme.
    ///
    /// # Errors
    /// When the token has characters that no header can have.
    pub(super) fn token(token: &Secret) -> Result<Self, &'static str> {
        let text = token.expose();
        let (name, text) = match text.strip_prefix("X-SF-Token ") {
            Some(token) => (HeaderName::from_static("x-sf-token"), token.to_owned()),
            None if text.contains("Bearer") => (AUTHORIZATION, text.to_owned()),
            None => (AUTHORIZATION, format!("Bearer {text}")),
        };
        Ok(Self::Header(name, header_value(&text)?))
    }

    /// The header for the next request.
    ///
    /// # Errors
    /// When a token is needed and cannot be had.
    pub(super) async fn header(&self, http: &reqwest::Client) -> Result<(HeaderName, HeaderValue), OptimizerError> {
        match self {
            Self::Header(name, value) => Ok((name.clone(), value.clone())),
            Self::ClientCredentials(credentials) => Ok((AUTHORIZATION, credentials.header(http).await?)),
        }
    }

    /// Forgets a token that was refused. Whether the next one may be another.
    pub(super) async fn refused(&self) -> bool {
        match self {
            Self::Header(..) => false,
            Self::ClientCredentials(credentials) => {
                credentials.held.lock().await.take();
                true
            }
        }
    }
}

/// A header value that `Debug` does not print.
fn header_value(text: &str) -> Result<HeaderValue, &'static str> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "the token has characters that no HTTP header can have")?;
    value.set_sensitive(true);
    Ok(value)
}

/// OAuth2 client credentials (RFC 6749, section 4.4).
pub(super) struct ClientCredentials {
    token_url: HttpUrl,
    secret: Secret,
    basic: HeaderValue,
    /// Locked while a token is being fetched, so that there is one fetch at a time.
    held: Mutex<Option<Token>>,
}

struct Token {
    header: HeaderValue,
    refresh: Option<Secret>,
    /// When it is no longer used.
    expires_at: Option<Instant>,
}

/// The answer of a token endpoint; it is never printed.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<f64>,
    expires_at: Option<f64>,
}

impl ClientCredentials {
    /// # Errors
    /// When the credentials have characters that no header can have.
    pub(super) fn new(token_url: HttpUrl, client_id: &str, client_secret: &Secret) -> Result<Self, &'static str> {
        let pair = BASE64_STANDARD.encode(format!("{client_id}:{}", client_secret.expose()));
        let basic = header_value(&format!("Basic {pair}"))?;
        Ok(Self { token_url, secret: client_secret.clone(), basic, held: Mutex::new(None) })
    }

    async fn header(&self, http: &reqwest::Client) -> Result<HeaderValue, OptimizerError> {
        let mut held = self.held.lock().await;
        let expired = |token: &Token| token.expires_at.is_some_and(|at| at <= Instant::now());
        let refresh = match held.as_ref() {
            Some(token) if !expired(token) => return Ok(token.header.clone()),
            Some(token) => token.refresh.clone(),
            None => None,
        };
        // A refresh token may have expired as well; the credentials themselves always do.
        *held = None;
        let token = match refresh {
            Some(refresh) => {
                let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
                match self.fetch(http, &form).await {
                    Ok(token) => token,
                    Err(_) => self.fetch(http, &[("grant_type", "client_credentials")]).await?,
                }
            }
            None => self.fetch(http, &[("grant_type", "client_credentials")]).await?,
        };
        let header = token.header.clone();
        *held = Some(token);
        Ok(header)
    }

    async fn fetch(&self, http: &reqwest::Client, form: &[(&str, &str)]) -> Result<Token, OptimizerError> {
        let request = http
            .post(self.token_url.url().clone())
            .header(AUTHORIZATION, self.basic.clone())
            .header(ACCEPT, "application/json")
            // Before the form, which adds its own otherwise.
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8")
            .form(form);
        // The credentials without their scheme, as an answer may quote them alone.
        let basic = self.basic.to_str().unwrap_or_default();
        let mut secrets = vec![self.secret.expose(), basic.strip_prefix("Basic ").unwrap_or(basic)];
        secrets.extend(form.iter().filter(|(key, _)| *key == "refresh_token").map(|(_, value)| *value));
        let body = read_json(request, "the token request", &secrets).await?;
        let unusable = |problem: &str| OptimizerError::Unintelligible {
            url: super::answer::shown(self.token_url.url()),
            event: "the token request",
            problem: problem.to_owned(),
        };
        let response: TokenResponse =
            serde_json::from_value(body).map_err(|_| unusable("it has no usable 'access_token'"))?;
        let header = header_value(&format!("Bearer {}", response.access_token)).map_err(unusable)?;
        let left = match (response.expires_in, response.expires_at) {
            (Some(seconds), _) => Some(seconds),
            (None, Some(at)) => Some(at - UnixTime::now().as_seconds_f64()),
            (None, None) => None,
        };
        // A time that no clock reaches is as good as none.
        let expires_at = left.and_then(|left| {
            let left = Duration::try_from_secs_f64(left.max(0.0)).ok()?;
            Instant::now().checked_add(left)
        });
        Ok(Token { header, refresh: response.refresh_token.map(Secret::new), expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_brings_its_own_scheme_or_is_a_bearer() {
        for (token, name, value) in [
            ("abc", "authorization", "Bearer abc"),
            ("Bearer abc", "authorization", "Bearer abc"),
            ("Token Bearer", "authorization", "Token Bearer"),
            ("bearer abc", "authorization", "Bearer bearer abc"),
            ("X-SF-Token abc", "x-sf-token", "abc"),
        ] {
            let Ok(Auth::Header(header, text)) = Auth::token(&Secret::new(token)) else { panic!("{token}") };
            assert_eq!((header.as_str(), text.to_str().unwrap()), (name, value));
            assert!(!format!("{text:?}").contains("abc"));
        }
        assert!(Auth::token(&Secret::new("a\nb")).is_err());
    }
}
