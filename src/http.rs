//! HTTP clients: one way to make them, so that TLS is verified alike everywhere.
//!
//! A client speaks HTTP/1.1 and HTTP/2, names the agent, and honours the proxy variables of the environment until its
//! user says otherwise. Timeouts and redirects are the user's business: the optimizer's client and a connector's differ.
//! Nothing here reads the environment: the variables that name certificate authorities are passed in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::telemetry::USER_AGENT;

/// Why certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// A file or folder cannot be read.
    #[error("failed to read certificate authorities from '{path}'", path = .path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM text.
    #[error("'{path}' is not a valid PEM file", path = .path.display())]
    Pem {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: PemError,
    },
    /// There is no certificate in what was named.
    #[error("no usable certificate in {0}: name a PEM file or a folder of them, or remove the setting")]
    Empty(String),
}

/// The certificate authorities whose signatures are accepted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// Mozilla's list, as bundled when the program was built.
    pub fn bundled() -> Self {
        Self(Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()))
    }

    /// Those of one PEM file and no others.
    ///
    /// # Errors
    /// When the file cannot be read or has no certificate.
    pub fn from_file(path: &Path) -> Result<Self, AuthoritiesError> {
        let mut store = RootCertStore::empty();
        add_file(&mut store, path)?;
        Self::nonempty(store, || format!("'{}'", path.display()))
    }

    /// Those that the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name, together; without them, or when nothing of
    /// what they name exists, the bundled ones. A folder, or a list of folders joined by `:`, counts with its files
    /// that have names as `openssl rehash` gives them.
    ///
    /// # Errors
    /// When something that exists cannot be read, or nothing of it is a certificate.
    pub fn from_variables(file: Option<&str>, folders: Option<&str>) -> Result<Self, AuthoritiesError> {
        let mut store = RootCertStore::empty();
        let mut sources = Vec::new();
        if let Some(path) = file.map(Path::new).filter(|path| path.is_file()) {
            add_file(&mut store, path)?;
            sources.push(format!("'{}'", path.display()));
        }
        for folder in folders.into_iter().flat_map(|list| list.split(':')).map(Path::new).filter(|path| path.is_dir()) {
            add_folder(&mut store, folder)?;
            sources.push(format!("'{}'", folder.display()));
        }
        if sources.is_empty() {
            return Ok(Self::bundled());
        }
        Self::nonempty(store, || sources.join(" and "))
    }

    fn nonempty(store: RootCertStore, source: impl FnOnce() -> String) -> Result<Self, AuthoritiesError> {
        if store.is_empty() { Err(AuthoritiesError::Empty(source())) } else { Ok(Self(Arc::new(store))) }
    }
}

/// Whether a server must prove who it is.
#[derive(Debug, Clone)]
pub enum Verification {
    /// By a certificate of one of these authorities.
    Against(Authorities),
    /// It need not: anybody on the way can read and change everything.
    Off,
}

/// The beginning of a client.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub fn client_builder(verification: &Verification) -> Result<reqwest::ClientBuilder, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unverified = Unverified::new(&provider);
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut tls = match verification {
        Verification::Against(Authorities(store)) => tls.with_root_certificates(Arc::clone(store)),
        Verification::Off => tls.dangerous().with_custom_certificate_verifier(Arc::new(unverified)),
    }
    .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).user_agent(USER_AGENT))
}

fn add_file(store: &mut RootCertStore, path: &Path) -> Result<(), AuthoritiesError> {
    let text = std::fs::read(path).map_err(|source| AuthoritiesError::Read { path: path.to_owned(), source })?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| AuthoritiesError::Pem { path: path.to_owned(), source })?;
    let (_, ignored) = store.add_parsable_certificates(certificates);
    if ignored > 0 {
        // Old authorities with odd encodings are in many lists; the others must still work.
        tracing::debug!(path = %path.display(), ignored, "ignored certificates that cannot be parsed");
    }
    Ok(())
}

fn add_folder(store: &mut RootCertStore, folder: &Path) -> Result<(), AuthoritiesError> {
    let failed = |source| AuthoritiesError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_hash_name) && path.is_file() {
            add_file(store, &path)?;
        }
    }
    Ok(())
}

/// Whether a file name is eight hexadecimal digits, a dot and a number: the names under which authorities are looked
/// up. Without this rule every certificate of a system folder would count twice, as link and as file.
fn is_hash_name(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Accepts every certificate. Signatures of the handshake are still checked, so that a broken server is noticed.
#[derive(Debug)]
struct Unverified(WebPkiSupportedAlgorithms);

impl Unverified {
    fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_looked_up_by_hash_names() {
        for (name, counts) in [
            ("02265526.0", true),
            ("aBcdef01.12", true),
            ("ca-certificates.crt", false),
            ("02265526", false),
            ("02265526.r0", false),
            ("02265526.", false),
            ("x2265526.0", false),
        ] {
            assert_eq!(is_hash_name(name), counts, "{name}");
        }
    }

    #[test]
    fn what_does_not_exist_leaves_the_bundled_list() {
        let bundled = Authorities::bundled().0.len();
        assert!(bundled > 100);
        for (file, folders) in [(None, None), (Some("/no/such/file"), Some("/no/such/folder:")), (Some(""), Some(""))] {
            let authorities = Authorities::from_variables(file, folders).unwrap();
            assert_eq!(authorities.0.len(), bundled);
        }
    }

    #[test]
    fn what_exists_must_have_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no certificate\n").unwrap();
        let error = Authorities::from_variables(file.to_str(), None).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        let error = Authorities::from_variables(None, folder.path().to_str()).unwrap_err();
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
        assert!(Authorities::from_file(&file).is_err());
        assert!(Authorities::from_file(Path::new("/no/such/file")).is_err());
    }

    #[test]
    fn a_client_is_made_with_and_without_verification() {
        for verification in [Verification::Against(Authorities::bundled()), Verification::Off] {
            assert!(client_builder(&verification).unwrap().build().is_ok());
        }
    }
}
