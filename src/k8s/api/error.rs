//! What the API server answers when it refuses, and what happens when it does not answer.
//!
//! Texts of other libraries pass through here, and lose what may be a credential.

use std::error::Error as StdError;
use std::io;

use kube::client::AuthError;
use rustls::CertificateError;
use serde::Deserialize;

/// Texts of servers that are no status of the API, such as pages of proxies, are cut here.
const LONGEST_TEXT: usize = 500;

/// Why a request to the API server has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("failed to {request}: {message} ({code} {reason})")]
    Status {
        code: u16,
        /// The API's word for it, such as `NotFound`; that of HTTP when there is none.
        reason: String,
        message: String,
        /// What was asked for, such as `get deployments "web" in namespace "default"`.
        request: String,
    },
    #[error("failed to {request}: no answer from the Kubernetes API server")]
    Unreachable { request: String, source: TransportError },
    /// The answer is not what the API promises.
    #[error("failed to {request}: the answer is not one of the Kubernetes API")]
    Unintelligible { request: String, source: serde_json::Error },
    /// It cannot be asked for: a name has characters that no name can have.
    #[error("cannot {request}: that is no valid name")]
    Unaskable {
        /// What was to be asked for.
        request: String,
    },
}

impl ApiError {
    /// The refusal in an answer. What is no status of the API is shown as it is, shortened.
    pub(in crate::k8s) fn refused(request: String, code: u16, body: &[u8]) -> Self {
        let status = serde_json::from_slice(body).unwrap_or_else(|_| Status {
            code,
            message: String::from_utf8_lossy(body).trim().chars().take(LONGEST_TEXT).collect(),
            reason: String::new(),
        });
        Self::of_status(request, code, status)
    }

    /// The refusal in an event of a watch.
    pub(in crate::k8s) fn of_event(request: String, status: kube::core::Status) -> Self {
        let kube::core::Status { code, message, reason, .. } = status;
        Self::of_status(request, code, Status { code, message, reason })
    }

    fn of_status(request: String, code: u16, status: Status) -> Self {
        let code = if status.code == 0 { code } else { status.code };
        let known = http::StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason());
        let reason = if status.reason.is_empty() { known.unwrap_or_default().to_owned() } else { status.reason };
        Self::Status { code, reason, message: status.message, request }
    }

    /// An error of the client library.
    pub(in crate::k8s) fn of_client(request: String, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_event(request, *status),
            kube::Error::SerdeError(source) => Self::Unintelligible { request, source },
            error => Self::Unreachable { request, source: TransportError::new(&error) },
        }
    }

    /// Whether the API server said this status.
    fn has_code(&self, wanted: u16) -> bool {
        matches!(self, Self::Status { code, .. } if *code == wanted)
    }

    /// The object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.has_code(404)
    }

    /// The object has changed in between, or exists already.
    pub(crate) fn is_conflict(&self) -> bool {
        self.has_code(409)
    }

    /// An object of its name exists already. A quota that is changed at the same moment is a conflict as well.
    pub(crate) fn is_taken_name(&self) -> bool {
        matches!(self, Self::Status { code: 409, reason, .. } if reason == "AlreadyExists")
    }

    /// The user may not do that.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.has_code(403)
    }

    /// The version that a watch began with is too old: list again.
    pub(in crate::k8s) fn is_expired(&self) -> bool {
        self.has_code(410)
    }

    /// The credentials are not accepted.
    pub(in crate::k8s) fn is_unauthorized(&self) -> bool {
        self.has_code(401)
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Status { code, .. } => *code == 429 || *code >= 500,
            Self::Unreachable { source, .. } => !source.is_permanent,
            Self::Unintelligible { .. } | Self::Unaskable { .. } => false,
        }
    }
}

/// An answer of the API that reports a failure.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    message: String,
    #[serde(default)]
    reason: String,
}

/// What went wrong below the API: connections, TLS, credentials.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct TransportError {
    text: String,
    /// No later try can succeed unless somebody changes something: a certificate is not accepted, or there are no
    /// credentials.
    is_permanent: bool,
}

impl TransportError {
    /// The texts of an error and of everything beneath it, each once.
    pub(in crate::k8s) fn new(error: &(dyn StdError + 'static)) -> Self {
        let chain: Vec<&(dyn StdError + 'static)> =
            std::iter::successors(Some(error), |&error| beneath(error)).collect();
        if let Some(text) = chain.iter().rev().find_map(|error| plugin_failure(*error)) {
            return Self { text, is_permanent: true };
        }
        let is_permanent = chain.iter().any(|error| error.is::<AuthError>() || refused_certificate(*error).is_some());
        let hint = chain.iter().find_map(|error| certificate_hint(refused_certificate(*error)?));
        let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
        // Many a wrapper repeats what it wraps.
        let kept = texts
            .iter()
            .enumerate()
            .filter(|(level, text)| texts.get(level + 1).is_none_or(|beneath| !text.contains(beneath.as_str())));
        let mut text = kept.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(": ");
        if let Some(hint) = hint {
            text = format!("{text} ({hint})");
        }
        Self { text, is_permanent }
    }

    pub(in crate::k8s) fn silence(limit: std::time::Duration) -> Self {
        Self { text: format!("it has been silent for {} s", limit.as_secs()), is_permanent: false }
    }

    /// Credentials that cannot be used as they are.
    pub(in crate::k8s) fn unusable(error: &(dyn StdError + 'static)) -> Self {
        Self { is_permanent: true, ..Self::new(error) }
    }
}

/// The error beneath another one. An I/O error passes over the error that it wraps.
fn beneath<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Why the API server's certificate is not accepted.
fn refused_certificate<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CertificateError> {
    match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(why),
        _ => None,
    }
}

fn certificate_hint(why: &CertificateError) -> Option<&'static str> {
    match why {
        CertificateError::UnknownIssuer => {
            Some("the kubeconfig's certificate-authority did not issue the API server's certificate")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Some(
            "the kubeconfig's server is none of the names in the certificate: tls-server-name can name one of them",
        ),
        _ => None,
    }
}

/// The failure of a credential plugin without what it prints, which may be a credential. What it says on standard
/// error is for people.
fn plugin_failure(error: &(dyn StdError + 'static)) -> Option<String> {
    match error.downcast_ref::<AuthError>()? {
        // Its command line has variables and arguments that may be credentials as well.
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let last = lines[lines.len().saturating_sub(MOST_LINES)..].join("; ");
            let said: String = last.chars().take(LONGEST_TEXT).collect();
            let colon = if said.is_empty() { "" } else { ": " };
            Some(format!("the credential plugin failed ({}){colon}{said}", out.status))
        }
        AuthError::AuthExecStart(source) => Some(format!("the credential plugin cannot be started: {source}")),
        AuthError::AuthExecParse(_) => Some("the credential plugin did not print an ExecCredential".to_owned()),
        AuthError::ExecPluginFailed => {
            Some("the credential plugin printed an ExecCredential without a status".to_owned())
        }
        _ => None,
    }
}

/// How many of the last lines of a plugin's standard error a message has.
const MOST_LINES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_api_server() {
        let body = br#"{"kind":"Status","message":"deployments \"web\" not found","reason":"NotFound","code":404}"#;
        let error = ApiError::refused("get deployments \"web\"".to_owned(), 404, body);
        assert_eq!(
            error.to_string(),
            "failed to get deployments \"web\": deployments \"web\" not found (404 NotFound)"
        );
        assert!(error.is_not_found() && !error.is_transient());
    }

    #[test]
    fn what_is_no_status_is_shown_shortened_with_the_reason_of_http() {
        let page = "x".repeat(2000);
        let error = ApiError::refused("list pods".to_owned(), 502, page.as_bytes());
        let text = error.to_string();
        assert!(text.ends_with("(502 Bad Gateway)") && text.len() < 600, "{text}");
        assert!(error.is_transient());
    }

    #[test]
    fn some_refusals_may_pass() {
        for (code, transient) in [(400, false), (401, false), (403, false), (409, false), (429, true), (500, true)] {
            let error = ApiError::refused(String::new(), code, b"");
            assert_eq!(error.is_transient(), transient, "{code}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Level {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn wrappers_that_repeat_what_they_wrap_are_left_out() {
        let level = |text, source: Option<Level>| Level { text, source: source.map(Box::new) };
        let error = level("service: connect", Some(level("connect", Some(level("refused", None)))));
        assert_eq!(TransportError::new(&error).to_string(), "connect: refused");
    }

    #[test]
    fn a_certificate_that_is_not_accepted_is_no_reason_to_try_again() {
        let refused = |why| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(why));
        for (error, transient, hint) in [
            (refused(CertificateError::UnknownIssuer), false, "certificate-authority"),
            (refused(CertificateError::NotValidForName), false, "tls-server-name"),
            (refused(CertificateError::Expired), false, "expired"),
            (io::Error::from(io::ErrorKind::ConnectionRefused), true, "refused"),
        ] {
            let error = ApiError::of_client(String::new(), kube::Error::Service(Box::new(error)));
            assert_eq!(error.is_transient(), transient, "{error}");
            let text = crate::causes::chain(&error);
            assert!(text.to_lowercase().contains(hint), "{text}");
        }
    }

    #[test]
    fn a_plugin_that_fails_is_told_with_what_it_says_for_people() {
        let out = std::process::Output {
            status: std::os::unix::process::ExitStatusExt::from_raw(256),
            stdout: b"s3cr3t".to_vec(),
            stderr: b"\nlog in first: run tool login\n".to_vec(),
        };
        let error = AuthError::AuthExecRun { cmd: "tool --secret s3cr3t".to_owned(), out: Box::new(out) };
        let error = ApiError::of_client(String::new(), kube::Error::Service(Box::new(error)));
        assert!(!error.is_transient());
        let text = crate::causes::chain(&error);
        assert!(text.ends_with("failed (exit status: 1): log in first: run tool login"), "{text}");
    }
}
