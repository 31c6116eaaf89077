//! Verification of servers other than the usual one: by another name than that of the address, or not at all.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

/// What a certificate is held against.
#[derive(Debug)]
enum Expected {
    /// These authorities and this name, whatever the address says.
    Name(Arc<RootCertStore>, ServerName<'static>),
    /// Nothing: every certificate is accepted.
    Nothing,
}

/// A verifier. Signatures of the handshake are checked in any case, so that a broken server is noticed.
#[derive(Debug)]
pub(super) struct Verifier {
    expected: Expected,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn none(provider: &CryptoProvider) -> Self {
        Self { expected: Expected::Nothing, algorithms: provider.signature_verification_algorithms }
    }

    /// Accepts certificates of these authorities for this name.
    pub(super) fn named(provider: &CryptoProvider, store: Arc<RootCertStore>, name: ServerName<'static>) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { expected: Expected::Name(store, name), algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Expected::Name(store, name) = &self.expected {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, store, intermediates, now, algorithms)?;
            verify_server_name(&certificate, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
