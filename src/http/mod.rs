//! HTTP clients: one way to make them, so that TLS is verified alike everywhere. Servers are in [`server`].
//!
//! A client speaks HTTP/1.1 and HTTP/2, names the agent, and honours the proxy variables of the environment until its
//! user says otherwise. Timeouts and redirects are the user's business: the optimizer's client and a connector's differ.
//! Nothing here reads the environment: the variables that name certificate authorities are passed in.

mod authorities;
mod identity;
pub(crate) mod server;
mod verifier;

use std::sync::Arc;

use rustls::ClientConfig;
pub(crate) use rustls::pki_types::ServerName;

pub(crate) use authorities::{Authorities, AuthoritiesError};
pub(crate) use identity::{Identity, IdentityError};

use crate::telemetry::USER_AGENT;
use verifier::Verifier;

/// Whether a server must prove who it is.
#[derive(Debug, Clone)]
pub enum Verification {
    /// By a certificate of one of these authorities for the host of the address.
    Against(Authorities),
    /// By one of these authorities for this name, whatever the address is.
    Named(Authorities, ServerName<'static>),
    /// It need not: anybody on the way can read and change everything.
    Off,
}

#[derive(Debug, Clone)]
pub struct Tls {
    /// What is asked of the server.
    pub verification: Verification,
    /// What it is given when it asks.
    pub identity: Option<Identity>,
}

impl From<Verification> for Tls {
    fn from(verification: Verification) -> Self {
        Self { verification, identity: None }
    }
}

/// The beginning of a client.
///
/// # Errors
/// The TLS library refuses its own defaults, or a key that does not belong to its certificate.
pub(crate) fn client_builder(tls: Tls) -> Result<reqwest::ClientBuilder, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = match tls.verification {
        Verification::Against(Authorities(store)) => config.with_root_certificates(store),
        Verification::Named(Authorities(store), name) => {
            config.dangerous().with_custom_certificate_verifier(Arc::new(Verifier::named(&provider, store, name)))
        }
        Verification::Off => config.dangerous().with_custom_certificate_verifier(Arc::new(Verifier::none(&provider))),
    };
    let mut config = match tls.identity {
        Some(Identity { certificates, key }) => config.with_client_auth_cert(certificates, key)?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config).user_agent(USER_AGENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_with_and_without_verification() {
        let name = ServerName::try_from("prometheus.example").unwrap();
        for verification in [
            Verification::Against(Authorities::bundled()),
            Verification::Named(Authorities::bundled(), name),
            Verification::Off,
        ] {
            assert!(client_builder(verification.into()).unwrap().build().is_ok());
        }
    }
}
