//! How requests reach the server: connections as configured, credentials and headers on each.
//!
//! Files are read for every request, so that a rotated token or certificate is used from the next one on; connections
//! are kept until the files of TLS change. Nothing that is read from a file appears in an error.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::sync::Mutex;

use super::super::config::BaseUrl;
use super::super::headers_and_params::{Headers, Params};
use super::super::http_config::{Authorization, BasicAuth, Credential, HttpConfig, TlsConfig, fits_a_header};
use crate::http::{Authorities, AuthoritiesError, Identity, IdentityError, ServerName, Tls, Verification};
use crate::network::{Network, NetworkError};

/// The longest wait for a connection. How long an answer may take is configured.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no connection can be made.
#[derive(Debug, thiserror::Error)]
pub(in crate::connectors::prometheus) enum TransportError {
    /// The surroundings or the key cannot be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The authorities cannot be used.
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    /// The certificate or the key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("failed to make an HTTP client")]
    Client(#[from] reqwest::Error),
    /// A file cannot be read.
    #[error("failed to read '{path}' of '{key}'", path = .path.display())]
    File {
        /// The key that names it.
        key: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A file holds no credential.
    #[error("'{path}' of '{key}' must hold one line of text and nothing else", path = .path.display())]
    Credential {
        /// The key that names it.
        key: &'static str,
        path: PathBuf,
    },
}

#[derive(Debug)]
pub(super) struct Transport {
    connections: Connections,
    config: HttpConfig,
    headers: HeaderMap,
    /// What must not be repeated: the texts of the section, and what was last read from its files.
    secrets: Secrets,
}

/// Texts that are not printed.
#[derive(Default)]
struct Secrets(std::sync::Mutex<BTreeSet<String>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// A text shorter than this is in too many words to be replaced in them.
const SHORTEST_SECRET: usize = 5;

impl Transport {
    /// Nothing is sent yet, and no file is read.
    pub(super) fn new(config: &HttpConfig, base_url: &BaseUrl, network: &Network) -> Result<Self, TransportError> {
        let headers = config.headers.iter().flat_map(Headers::iter).collect();
        let connections = Connections::new(config.tls_config.as_ref(), network)?;
        let transport = Self { connections, config: config.clone(), headers, secrets: Secrets::default() };
        let address = base_url.expose();
        transport.remember(address.password().unwrap_or_default());
        for value in transport.headers.values() {
            transport.remember(value.to_str().unwrap_or_default());
        }
        for (_, value) in config.params.iter().flat_map(Params::iter) {
            transport.remember(value.as_ref());
            transport.remember(&url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>());
        }
        Ok(transport)
    }

    /// The text without anything that is secret in a request.
    pub(super) fn redacted(&self, text: &str) -> String {
        let secrets = self.secrets.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Longer ones first, as they may hold shorter ones.
        let mut secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "REDACTED"))
    }

    fn remember(&self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET && secret != "false" {
            self.secrets.0.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned());
        }
    }

    /// The beginning of a request, with all that every request has.
    pub(super) async fn get(&self, mut url: url::Url) -> Result<reqwest::RequestBuilder, TransportError> {
        if let Some(params) = &self.config.params {
            url.query_pairs_mut().extend_pairs(params.iter());
        }
        let mut headers = self.headers.clone();
        if let Some(value) = self.credentials().await? {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(self.connections.client().await?.get(url).headers(headers))
    }

    async fn credentials(&self) -> Result<Option<HeaderValue>, TransportError> {
        let text = match &self.config {
            HttpConfig { authorization: Some(Authorization { scheme, credentials }), .. } => {
                let credentials = credential(credentials, "authorization.credentials_file").await?;
                self.remember(&credentials);
                format!("{scheme} {credentials}")
            }
            HttpConfig { basic_auth: Some(BasicAuth { username, password }), .. } => {
                let password = match password {
                    Some(password) => credential(password, "basic_auth.password_file").await?,
                    None => String::new(),
                };
                let credentials = STANDARD.encode(format!("{username}:{password}"));
                self.remember(&password);
                self.remember(&credentials);
                format!("Basic {credentials}")
            }
            _ => return Ok(None),
        };
        // What does not fit was refused before.
        Ok(HeaderValue::from_bytes(text.as_bytes()).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        }))
    }
}

async fn credential(credential: &Credential, key: &'static str) -> Result<String, TransportError> {
    let path = match credential {
        Credential::Written(secret) => return Ok(secret.expose().to_owned()),
        Credential::File(path) => path,
    };
    let bytes = read(key, path).await?;
    let text = String::from_utf8(bytes).ok();
    let text = text.as_deref().map(str::trim).filter(|text| fits_a_header(text));
    text.map(str::to_owned).ok_or_else(|| TransportError::Credential { key, path: path.clone() })
}

async fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TransportError> {
    let file = tokio::fs::read(path).await;
    file.map_err(|source| TransportError::File { key, path: path.to_owned(), source })
}

#[derive(Debug)]
enum Connections {
    Lasting(reqwest::Client),
    Renewed(Box<Renewed>),
}

/// Connections that are made anew when a file changes.
#[derive(Debug)]
struct Renewed {
    config: TlsConfig,
    network: Network,
    last: Mutex<Option<(Files, reqwest::Client)>>,
}

impl Connections {
    fn new(config: Option<&TlsConfig>, network: &Network) -> Result<Self, TransportError> {
        let config = config.cloned().unwrap_or_default();
        if config.insecure_skip_verify {
            tracing::warn!("TLS certificates of Prometheus are not verified (tls_config.insecure_skip_verify: true)");
        }
        if config.ca_file.is_some() || config.cert_file.is_some() {
            let last = Mutex::default();
            return Ok(Self::Renewed(Box::new(Renewed { config, network: network.clone(), last })));
        }
        Ok(Self::Lasting(client(&config, &Files::default(), network)?))
    }

    async fn client(&self) -> Result<reqwest::Client, TransportError> {
        let renewed = match self {
            Self::Lasting(client) => return Ok(client.clone()),
            Self::Renewed(renewed) => renewed,
        };
        let mut last = renewed.last.lock().await;
        let files = Files::read(&renewed.config).await?;
        if let Some((known, client)) = &*last
            && *known == files
        {
            return Ok(client.clone());
        }
        let client = client(&renewed.config, &files, &renewed.network)?;
        *last = Some((files, client.clone()));
        Ok(client)
    }
}

/// What the files of TLS hold. Not printed, as one is a key.
#[derive(Default, PartialEq)]
struct Files {
    ca: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl Files {
    async fn read(config: &TlsConfig) -> Result<Self, TransportError> {
        async fn of(key: &'static str, path: Option<&PathBuf>) -> Result<Option<Vec<u8>>, TransportError> {
            match path {
                Some(path) => read(key, path).await.map(Some),
                None => Ok(None),
            }
        }
        Ok(Self {
            ca: of("tls_config.ca_file", config.ca_file.as_ref()).await?,
            cert: of("tls_config.cert_file", config.cert_file.as_ref()).await?,
            key: of("tls_config.key_file", config.key_file.as_ref()).await?,
        })
    }
}

fn client(config: &TlsConfig, files: &Files, network: &Network) -> Result<reqwest::Client, TransportError> {
    let tls = Tls { verification: verification(config, files, network)?, identity: identity(config, files)? };
    let builder = network.client_builder_for(tls)?.connect_timeout(CONNECT_TIMEOUT);
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

fn verification(config: &TlsConfig, files: &Files, network: &Network) -> Result<Verification, TransportError> {
    if config.insecure_skip_verify {
        return Ok(Verification::Off);
    }
    let authorities = match (&config.ca_file, &files.ca) {
        (Some(path), Some(text)) => Authorities::from_pem(path, text)?,
        _ => network.authorities().map_err(NetworkError::from)?,
    };
    // A name that is none was refused before.
    let name = config.server_name.as_deref().and_then(|name| ServerName::try_from(name.to_owned()).ok());
    Ok(match name {
        Some(name) => Verification::Named(authorities, name),
        None => Verification::Against(authorities),
    })
}

fn identity(config: &TlsConfig, files: &Files) -> Result<Option<Identity>, TransportError> {
    match ((&config.cert_file, &files.cert), (&config.key_file, &files.key)) {
        ((Some(cert_file), Some(cert)), (Some(key_file), Some(key))) => {
            Ok(Some(Identity::from_pem((cert_file.as_path(), cert.as_slice()), (key_file.as_path(), key.as_slice()))?))
        }
        _ => Ok(None),
    }
}
