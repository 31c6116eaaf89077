//! What a section says about the requests themselves: credentials, TLS, headers and parameters.
//!
//! Keys are those of Prometheus' own HTTP clients. Files are named here and read when a request is sent, because they
//! may come later and change at any time. Secrets are shown by nothing.

use std::path::PathBuf;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value as Json};

use super::headers_and_params::{Headers, Params};
use crate::decode::{Fields, Form, IfSet, PathIfSet, Properties, Secret, Secrets, Show, keys};
use crate::http::ServerName;

keys! {
    /// How requests are sent to a server. Empty is as before there was any of this.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct HttpConfig {
        /// A token that is sent with every request; not together with `basic_auth`.
        pub authorization: Option<Authorization> as IfSet = None,
        /// A user and a password that are sent with every request.
        pub basic_auth: Option<BasicAuth> as IfSet = None,
        /// Which servers are trusted, and who we are to them.
        pub tls_config: Option<TlsConfig> as IfSet = None,
        /// Headers of every request, such as `X-Scope-OrgID`, the tenant of Mimir. Their values are taken for secrets.
        pub headers: Option<Headers> as IfSet = None,
        /// Parameters of every request, each a text or a list of them. They are shown: credentials belong elsewhere.
        pub params: Option<Params> as IfSet = None,
    }
    check: HttpConfig::check;
}

impl HttpConfig {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.authorization.is_some() && self.basic_auth.is_some() {
            fields.fail_at("basic_auth", "there is 'authorization' already: a request carries one of the two");
            return None;
        }
        Some(self)
    }

    /// The key that says who sends a request.
    pub(super) fn credentials_key(&self) -> Option<&'static str> {
        let authorization = self.authorization.as_ref().map(|_| "authorization");
        authorization.or(self.basic_auth.as_ref().map(|_| "basic_auth"))
    }
}

/// A secret that is written in the section, or in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Written(Secret),
    /// What the file holds when a request is sent, without blanks around it.
    File(PathBuf),
}

impl Credential {
    /// Reads whichever of two keys is there; neither is fine.
    #[expect(clippy::option_option, reason = "a problem and absent keys are two outcomes")]
    fn read(fields: &mut Fields<'_, '_, '_>, key: &str) -> Option<Option<Self>> {
        let file_key = &file_key(key);
        let written: Option<Option<Secret>> = fields.or(key, None);
        let file: Option<Option<String>> = fields.or(file_key, None);
        match (written?, file?) {
            (Some(_), Some(_)) => {
                fields.fail_at(file_key, format!("there is '{key}' already: write one of the two"));
                None
            }
            (Some(secret), None) if !fits_a_header(secret.expose()) => {
                fields.fail_at(key, "it is empty, or has a character that no header carries, such as a line break");
                None
            }
            (Some(secret), None) => Some(Some(Self::Written(secret))),
            (None, Some(path)) if path.is_empty() => {
                fields.fail_at(file_key, "the path of a file is needed");
                None
            }
            (None, Some(path)) => Some(Some(Self::File(PathBuf::from(path)))),
            (None, None) => Some(None),
        }
    }
}

fn file_key(key: &str) -> String {
    format!("{key}_file")
}

/// The form of a credential: a key for the secret itself, and one with `_file` at its end for the file that holds it.
struct WrittenOrInFile;

impl Form<Option<Credential>> for WrittenOrInFile {
    fn read(
        key: &'static str,
        _: Option<Option<Credential>>,
        fields: &mut Fields<'_, '_, '_>,
    ) -> Option<Option<Credential>> {
        Credential::read(fields, key)
    }

    fn show(key: &'static str, value: &Option<Credential>, secrets: Secrets, members: &mut Map<String, Json>) {
        let shown = match value {
            Some(Credential::Written(secret)) => (key.to_owned(), secret.show(secrets)),
            Some(Credential::File(path)) => (file_key(key), path.show(secrets)),
            None => return,
        };
        members.extend([shown]);
    }

    fn describe(
        key: &'static str,
        documentation: &str,
        _: Option<&Option<Credential>>,
        properties: &mut Properties<'_>,
    ) {
        const FILE: &str = "The file that holds the secret. It is read for every request.";
        properties.add::<Option<Secret>>(key, documentation, Some(Json::Null));
        properties.add::<Option<String>>(&file_key(key), FILE, Some(Json::Null));
    }
}

/// As of an optional one, of which one key is required.
impl Form<Credential> for WrittenOrInFile {
    fn read(key: &'static str, _: Option<Credential>, fields: &mut Fields<'_, '_, '_>) -> Option<Credential> {
        let credential = Credential::read(fields, key)?;
        if credential.is_none() {
            fields.fail(format!("'{key}' or '{}' is needed", file_key(key)));
        }
        credential
    }

    fn show(key: &'static str, value: &Credential, secrets: Secrets, members: &mut Map<String, Json>) {
        <Self as Form<Option<Credential>>>::show(key, &Some(value.clone()), secrets, members);
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&Credential>, properties: &mut Properties<'_>) {
        <Self as Form<Option<Credential>>>::describe(key, documentation, None, properties);
        properties.require_one_of(&[key, &file_key(key)]);
    }
}

keys! {
    /// A scheme with a token.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Authorization {
        /// The scheme; default `Bearer`.
        pub scheme("type"): String = "Bearer".to_owned(),
        /// The secret itself; or the file that holds it.
        pub credentials: Credential as WrittenOrInFile,
    }
    check: Authorization::check;
}

impl Authorization {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.scheme.eq_ignore_ascii_case("basic") {
            fields.fail_at("type", "user and password belong into 'basic_auth'");
            return None;
        }
        // A scheme has the characters that a name of a header has.
        if HeaderName::from_bytes(self.scheme.as_bytes()).is_err() {
            fields.fail_at("type", "a scheme is one word, such as Bearer");
            return None;
        }
        Some(self)
    }
}

keys! {
    /// A user with a password.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BasicAuth {
        /// The user. Required.
        pub username: String,
        /// The secret itself; or the file that holds it.
        pub password: Option<Credential> as WrittenOrInFile = None,
    }
    check: BasicAuth::check;
}

impl BasicAuth {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.username.contains(':') {
            fields.fail_at("username", "a user's name has no colon: what comes after it belongs into 'password'");
            return None;
        }
        Some(self)
    }
}

keys! {
    /// How connections to an `https` address are secured. Files are PEM, and are read again when they change.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct TlsConfig {
        /// The authorities to trust, in place of the usual ones.
        pub ca_file: Option<PathBuf> as PathIfSet = None,
        /// Our own certificate, for servers that ask for one.
        pub cert_file: Option<PathBuf> as PathIfSet = None,
        /// Its key, without a passphrase.
        pub key_file: Option<PathBuf> as PathIfSet = None,
        /// The name that the server's certificate must have when it is not that of the address.
        pub server_name: Option<String> as IfSet = None,
        /// Whether any certificate of the server is accepted; default false.
        pub insecure_skip_verify: bool = false,
    }
    check: TlsConfig::check;
}

impl TlsConfig {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        let problem = match (&self.cert_file, &self.key_file, &self.server_name) {
            (Some(_), None, _) => ("key_file", "field required: it is the key of 'cert_file'"),
            (None, Some(_), _) => ("cert_file", "field required: it is the certificate of 'key_file'"),
            (_, _, Some(name)) if ServerName::try_from(name.as_str()).is_err() => {
                ("server_name", "the name or address of a host is needed, without scheme and port")
            }
            _ => return Some(self),
        };
        fields.fail_at(problem.0, problem.1);
        None
    }
}

/// Whether a text can be sent as a credential.
pub(super) fn fits_a_header(text: &str) -> bool {
    !text.is_empty() && HeaderValue::from_bytes(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};

    fn decode(config: &Json) -> Result<HttpConfig, String> {
        let node = Node::from_json(config, &Origin::whole("f"));
        Decoder::run(&NoVariables, |cx| HttpConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_is_shown_loads_back_equal_and_hides_secrets() {
        for config in [
            json!({}),
            json!({"authorization": {"type": "Token", "credentials": "s3cr3t"}}),
            json!({"authorization": {"credentials_file": "/run/token"}, "headers": {}}),
            json!({"basic_auth": {"username": "me", "password": "s3cr3t"}, "headers": {"X-A": "s3cr3t", "X-B": ""}}),
            json!({"basic_auth": {"username": ""}, "params": {"a": "x", "b": ["y", "z"], "c": []}}),
            json!({"tls_config": {"ca_file": "ca", "cert_file": "c", "key_file": "k", "server_name": "10.0.0.1"}}),
            json!({"tls_config": {"insecure_skip_verify": true, "ca_file": ""}, "params": null}),
        ] {
            let decoded = decode(&config).unwrap();
            let shown = decoded.show(Secrets::Redacted).to_string();
            assert!(!shown.contains("s3cr3t") && !format!("{decoded:?}").contains("s3cr3t"), "{shown}");
            let raw = decoded.show(Secrets::Raw);
            assert_eq!(decode(&raw).unwrap(), decoded);
        }
    }

    #[test]
    fn every_problem_is_reported_with_its_path_and_without_secrets() {
        for (config, path) in [
            (
                json!({"authorization": {"credentials": "s3cr3t", "credentials_file": "x"}}),
                "authorization.credentials_file",
            ),
            (json!({"authorization": {}}), "authorization"),
            (json!({"authorization": {"credentials": ""}}), "authorization.credentials"),
            (json!({"authorization": {"credentials": "s3cr3t\n"}}), "authorization.credentials"),
            (json!({"authorization": {"credentials_file": ""}}), "authorization.credentials_file"),
            (json!({"authorization": {"type": "Basic", "credentials": "s3cr3t"}}), "authorization.type"),
            (json!({"authorization": {"type": "a b", "credentials": "s3cr3t"}}), "authorization.type"),
            (json!({"authorization": {"credential": "s3cr3t", "credentials": "s3cr3t"}}), "authorization.credential"),
            (json!({"authorization": "s3cr3t"}), "authorization"),
            (json!({"authorization": {"credentials": "s"}, "basic_auth": {"username": "u"}}), "basic_auth"),
            (json!({"basic_auth": {"password": "s3cr3t"}}), "basic_auth.username"),
            (json!({"basic_auth": {"username": "u:s3cr3t"}}), "basic_auth.username"),
            (
                json!({"basic_auth": {"username": "u", "password": "s3cr3t", "password_file": "x"}}),
                "basic_auth.password_file",
            ),
            (json!({"tls_config": {"cert_file": "x"}}), "tls_config.key_file"),
            (json!({"tls_config": {"key_file": "x"}}), "tls_config.cert_file"),
            (json!({"tls_config": {"server_name": "https://a"}}), "tls_config.server_name"),
            (json!({"tls_config": {"min_version": "TLS12"}}), "tls_config.min_version"),
            (json!({"headers": {"Authorization": "s3cr3t"}}), "headers.Authorization"),
            (json!({"headers": {"host": "s3cr3t"}}), "headers.host"),
            (json!({"headers": {"X A": "s3cr3t"}}), "headers.X A"),
            (json!({"headers": {"X-A": "1", "x-a": "s3cr3t"}}), "headers.x-a"),
            (json!({"headers": {"X-A": "s3cr3t\n"}}), "headers.X-A"),
            (json!({"headers": {"X-A": null}}), "headers.X-A"),
            (json!({"headers": ["s3cr3t"]}), "headers"),
            (json!({"params": {"query": "up"}}), "params.query"),
            (json!({"params": {"a": {}}}), "params.a"),
            (json!({"bearer_token": "s3cr3t"}), "bearer_token"),
        ] {
            let problems = decode(&config).expect_err(&config.to_string());
            assert!(problems.lines().count() == 1 && problems.starts_with(&format!("f: {path}: ")), "{problems}");
            assert!(!problems.contains("s3cr3t"), "{problems}");
        }
    }
}
