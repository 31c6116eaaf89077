//! What a section says about the requests themselves: credentials, TLS, headers and parameters.
//!
//! Keys are those of Prometheus' own HTTP clients. Files are named here and read when a request is sent, because they
//! may come later and change at any time. Secrets are shown by nothing.

use std::path::PathBuf;

use reqwest::header::{HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Serialize, Serializer};

use super::headers_and_params::{Headers, Params};
use crate::decode::{Decode, Decoder, Fields, Node, Secret, TextForm};
use crate::http::ServerName;

/// How requests are sent to a server. Empty is as before there was any of this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HttpConfig {
    /// A token that is sent with every request; not together with `basic_auth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// A user and a password that are sent with every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Which servers are trusted, and who we are to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<TlsConfig>,
    /// Headers of every request, such as `X-Scope-OrgID`, the tenant of Mimir. Their values are taken for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Headers>,
    /// Parameters of every request, each a text or a list of them. They are shown: credentials belong elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Params>,
}

impl HttpConfig {
    /// Reads the keys from a mapping that may have others.
    pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        let authorization: Option<Option<Authorization>> = fields.or("authorization", None);
        let basic_auth: Option<Option<BasicAuth>> = fields.or("basic_auth", None);
        let tls_config = fields.or("tls_config", None);
        let headers = fields.or("headers", None);
        let params = fields.or("params", None);
        if let (Some(Some(_)), Some(Some(_))) = (&authorization, &basic_auth) {
            fields.fail_at("basic_auth", "there is 'authorization' already: a request carries one of the two");
            return None;
        }
        Some(Self {
            authorization: authorization?,
            basic_auth: basic_auth?,
            tls_config: tls_config?,
            headers: headers?,
            params: params?,
        })
    }

    /// The key that says who sends a request.
    pub(super) fn credentials_key(&self) -> Option<&'static str> {
        let authorization = self.authorization.as_ref().map(|_| "authorization");
        authorization.or(self.basic_auth.as_ref().map(|_| "basic_auth"))
    }
}

impl Decode for HttpConfig {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let config = Self::read(&mut fields);
        fields.finish();
        config
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
    fn read(fields: &mut Fields<'_, '_, '_>, key: &str, file_key: &str) -> Option<Option<Self>> {
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

    fn written(&self) -> Option<&Secret> {
        match self {
            Self::Written(secret) => Some(secret),
            Self::File(_) => None,
        }
    }

    fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Written(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

/// A scheme with a token.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transform = authorization_keys)]
pub struct Authorization {
    /// The scheme; default `Bearer`.
    #[schemars(rename = "type", default = "bearer")]
    pub scheme: String,
    /// The token, or the file that holds it. One is required.
    #[schemars(skip)]
    pub credentials: Credential,
}

fn bearer() -> &'static str {
    "Bearer"
}

fn authorization_keys(schema: &mut Schema) {
    secret_keys(schema, "credentials", "credentials_file");
    let either = serde_json::json!([{ "required": ["credentials"] }, { "required": ["credentials_file"] }]);
    schema.insert("oneOf".to_owned(), either);
}

/// The two keys of a secret, of which a mapping has one.
fn secret_keys(schema: &mut Schema, key: &str, file_key: &str) {
    schema.insert("additionalProperties".to_owned(), false.into());
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        let secret = json_schema!({
            "description": "The secret itself; or the file that holds it.",
            "type": ["string", "null"],
            "writeOnly": true,
            "format": "password",
        });
        let file = json_schema!({
            "description": "The file that holds the secret. It is read for every request.",
            "type": ["string", "null"],
        });
        properties.insert(key.to_owned(), secret.into());
        properties.insert(file_key.to_owned(), file.into());
    }
}

impl Decode for Authorization {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let scheme: Option<String> = fields.or("type", bearer().to_owned());
        let credentials = Credential::read(&mut fields, "credentials", "credentials_file");
        if let Some(None) = credentials {
            fields.fail("'credentials' or 'credentials_file' is needed");
        }
        let scheme = scheme.and_then(|scheme| match scheme.as_str() {
            basic if basic.eq_ignore_ascii_case("basic") => {
                fields.fail_at("type", "user and password belong into 'basic_auth'");
                None
            }
            // A scheme has the characters that a name of a header has.
            token if HeaderName::from_bytes(token.as_bytes()).is_err() => {
                fields.fail_at("type", "a scheme is one word, such as Bearer");
                None
            }
            _ => Some(scheme),
        });
        fields.finish();
        Some(Self { scheme: scheme?, credentials: credentials?? })
    }
}

impl Serialize for Authorization {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            #[serde(rename = "type")]
            scheme: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            credentials: Option<&'a Secret>,
            #[serde(skip_serializing_if = "Option::is_none")]
            credentials_file: Option<&'a PathBuf>,
        }
        let (credentials, credentials_file) = (self.credentials.written(), self.credentials.file());
        Written { scheme: &self.scheme, credentials, credentials_file }.serialize(serializer)
    }
}

/// A user with a password.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transform = basic_auth_keys)]
pub struct BasicAuth {
    /// The user. Required.
    pub username: String,
    /// The password, or the file that holds it; none is an empty one.
    #[schemars(skip)]
    pub password: Option<Credential>,
}

fn basic_auth_keys(schema: &mut Schema) {
    secret_keys(schema, "password", "password_file");
}

impl Decode for BasicAuth {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let username: Option<String> = fields.required("username");
        let password = Credential::read(&mut fields, "password", "password_file");
        let username = username.and_then(|username| {
            let has_colon = username.contains(':');
            if has_colon {
                fields.fail_at("username", "a user's name has no colon: what comes after it belongs into 'password'");
            }
            (!has_colon).then_some(username)
        });
        fields.finish();
        Some(Self { username: username?, password: password? })
    }
}

impl Serialize for BasicAuth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            username: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            password: Option<&'a Secret>,
            #[serde(skip_serializing_if = "Option::is_none")]
            password_file: Option<&'a PathBuf>,
        }
        let password = self.password.as_ref();
        Written {
            username: &self.username,
            password: password.and_then(Credential::written),
            password_file: password.and_then(Credential::file),
        }
        .serialize(serializer)
    }
}

/// How connections to an `https` address are secured. Files are PEM, and are read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TlsConfig {
    /// The authorities to trust, in place of the usual ones.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, for servers that ask for one.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its key, without a passphrase.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The name that the server's certificate must have when it is not that of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Whether any certificate of the server is accepted; default false.
    #[schemars(default)]
    pub insecure_skip_verify: bool,
}

impl Decode for TlsConfig {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let ca_file = path(&mut fields, "ca_file");
        let cert_file = path(&mut fields, "cert_file");
        let key_file = path(&mut fields, "key_file");
        let server_name: Option<Option<String>> = fields.or("server_name", None);
        let insecure_skip_verify = fields.or("insecure_skip_verify", false);
        match (&cert_file, &key_file) {
            (Some(Some(_)), Some(None)) => fields.fail_at("key_file", "field required: it is the key of 'cert_file'"),
            (Some(None), Some(Some(_))) => {
                fields.fail_at("cert_file", "field required: it is the certificate of 'key_file'");
            }
            _ => {}
        }
        if let Some(Some(name)) = &server_name
            && ServerName::try_from(name.as_str()).is_err()
        {
            fields.fail_at("server_name", "the name or address of a host is needed, without scheme and port");
        }
        fields.finish();
        Some(Self {
            ca_file: ca_file?,
            cert_file: cert_file?,
            key_file: key_file?,
            server_name: server_name?,
            insecure_skip_verify: insecure_skip_verify?,
        })
    }
}

/// A path. An empty text is none, as a template may leave it.
#[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
fn path(fields: &mut Fields<'_, '_, '_>, key: &str) -> Option<Option<PathBuf>> {
    let path: Option<Option<String>> = fields.or(key, None);
    path.map(|path| path.filter(|path| !path.is_empty()).map(PathBuf::from))
}

/// Whether a text can be sent as a credential.
pub(super) fn fits_a_header(text: &str) -> bool {
    !text.is_empty() && HeaderValue::from_bytes(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::decode::{NoVariables, Origin, exposing_secrets};

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
            let shown = serde_json::to_string(&decoded).unwrap();
            assert!(!shown.contains("s3cr3t") && !format!("{decoded:?}").contains("s3cr3t"), "{shown}");
            let raw = exposing_secrets(|| serde_json::to_value(&decoded).unwrap());
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
