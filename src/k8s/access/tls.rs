//! The TLS library's defaults for the client of Kubernetes: client certificates of version 1 are accepted.
//!
//! Certificates made with plain `openssl x509 -req` are of that version; API servers and other clients take them. The
//! library reads a client's own certificate only to compare it with its key, and cannot read that version. Servers'
//! certificates are verified as ever.

use std::sync::{Arc, Once};

use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// Makes them the defaults of the process, which nobody else uses: other clients name their provider.
pub(in crate::k8s) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let provider = CryptoProvider { key_provider: &Uncompared, ..ring::default_provider() };
        if provider.install_default().is_err() {
            tracing::debug!("kept the defaults of TLS that were there");
        }
    });
}

/// Loads keys that are not compared with their certificates.
#[derive(Debug)]
struct Uncompared;

impl KeyProvider for Uncompared {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Ok(Arc::new(UncomparedKey(ring::sign::any_supported_type(&key)?)))
    }
}

/// A key that does not tell its public part.
#[derive(Debug)]
struct UncomparedKey(Arc<dyn SigningKey>);

impl SigningKey for UncomparedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(offered)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}
