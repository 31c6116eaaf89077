//! Why a client cannot be made.

use crate::network::NetworkError;

/// Why a client cannot be made from a valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The surroundings do not allow it.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A proxy address cannot be used.
    #[error("the proxy for {pattern:?} cannot be used")]
    Proxy {
        pattern: String,
        #[source]
        source: reqwest::Error,
    },
    /// A proxy address is none. It may hold a password, so that it is not repeated.
    #[error("the proxy for {pattern:?} is not an address such as http://proxy.example:3128")]
    ProxyAddress { pattern: String },
    /// The HTTP library refuses the options.
    #[error("failed to make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The credentials cannot be sent.
    #[error("the credentials of the optimizer cannot be used: {0}")]
    Credentials(&'static str),
}
