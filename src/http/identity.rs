//! Who this program is to a server that asks: a certificate with its key.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("'{path}' holds no certificate in PEM form", path = .path.display())]
    NoCertificate { path: PathBuf },
    #[error("'{path}' is not a valid PEM file", path = .path.display())]
    Certificate { path: PathBuf, source: PemError },
    /// There is no key that could be read.
    #[error("'{path}' holds no private key in PEM form, or one with a passphrase: store it without", path = .path.display())]
    Key {
        path: PathBuf,
        /// Why; it quotes nothing of the file.
        source: PemError,
    },
}

/// A certificate, those that lead from it to an authority, and its key. Never printed.
#[derive(Debug)]
pub struct Identity {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads two PEM texts; the paths are where they are from.
    ///
    /// # Errors
    /// When either holds nothing of use. Whether they belong together is found when a client is made.
    pub fn from_pem(certificates: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, IdentityError> {
        let (path, text) = certificates;
        let certificates = CertificateDer::pem_slice_iter(text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| IdentityError::Certificate { path: path.to_owned(), source })?;
        if certificates.is_empty() {
            return Err(IdentityError::NoCertificate { path: path.to_owned() });
        }
        let (path, text) = key;
        let key = PrivateKeyDer::from_pem_slice(text)
            .map_err(|source| IdentityError::Key { path: path.to_owned(), source })?;
        Ok(Self { certificates, key })
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { certificates: self.certificates.clone(), key: self.key.clone_key() }
    }
}
