//! The AppDynamics kind of the `optimizer` section.
//!
//! Address and token are either configured or come from a connection file, which wins and may change at any time.
//! What depends on them is computed when asked for, so that it changes with them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use super::connection_file::ConnectionFile;
use super::opsani::TrimmedUrl;
use super::path_part::check_path_part;
use crate::config::variables::APPD_PREFIX;
use crate::decode::{
    Decode, Decoder, Fields, Form, HttpUrl, Node, OptionalPath, Properties, Secret, Secrets, Show, Written, keys,
};

/// Its keys; the variables that give them are these in upper case with a prefix.
pub(super) const KEYS: [&str; 9] = [
    "optimizer_id",
    "tenant_id",
    "base_url",
    "client_id",
    "client_secret",
    "connection_file",
    "token",
    "url",
    "token_url",
];

keys! {
    /// An optimizer behind the AppDynamics platform.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AppDynamicsOptimizer {
        /// The optimizer. Required.
        optimizer_id: String as PathPart,
        /// The tenant of the platform. Required without a connection file.
        tenant_id: Option<String> as Option<PathPart> = None,
        /// The platform. Required without a connection file.
        base_url: Option<HttpUrl> as Option<TrimmedUrl> = None,
        /// The user of the token request. Required without a connection file.
        client_id: Option<String> = None,
        /// The password of the token request. Required without a connection file.
        client_secret: Option<Secret> = None,
        /// Path of a file that says tenant, platform and token, and wins over what is written here.
        connection_file: Option<PathBuf> as ConnectionFilePath = None,
        /// Used in place of a token request.
        token: Option<Secret> = None,
        /// The address of the optimizer; without it, its place below the platform.
        url: Option<HttpUrl> = None,
        /// The address of token requests; without it, its place below the platform.
        token_url: Option<HttpUrl> = None,
    }
    variables: APPD_PREFIX;
}

/// Everything that is needed to reach an AppDynamics optimizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedAppDynamics {
    /// `<tenant> - <optimizer>`.
    pub display_id: String,
    /// The address of the optimizer.
    pub url: HttpUrl,
    /// Where client credentials are exchanged for a token.
    pub token_url: HttpUrl,
    /// Used as it is when there is one; never empty.
    pub token: Option<Secret>,
    /// The user of the token request.
    pub client_id: Option<String>,
    /// The password of the token request.
    pub client_secret: Option<Secret>,
}

impl AppDynamicsOptimizer {
    /// The identifier within the tenant.
    pub fn optimizer_id(&self) -> &str {
        &self.optimizer_id
    }

    /// `<tenant> - <optimizer>`, or the optimizer alone until the connection file has been read.
    pub fn display_id(&self) -> String {
        match &self.tenant_id {
            Some(tenant) => format!("{tenant} - {}", self.optimizer_id),
            None => self.optimizer_id.clone(),
        }
    }

    /// The file that gives address, tenant and token.
    pub fn connection_file(&self) -> Option<&Path> {
        self.connection_file.as_deref()
    }

    /// The platform, without trailing slashes.
    pub fn base_url(&self) -> Option<&HttpUrl> {
        self.base_url.as_ref()
    }

    /// The address of the optimizer: as configured, else below the platform.
    pub fn url(&self) -> Option<HttpUrl> {
        self.url.clone().or_else(|| Some(self.url_below(self.base_url.as_ref()?)))
    }

    /// The address of the token endpoint: as configured, else below the platform.
    pub fn token_url(&self) -> Option<HttpUrl> {
        let computed = || Some(token_url_below(self.base_url.as_ref()?, self.tenant_id.as_deref()?));
        self.token_url.clone().or_else(computed)
    }

    /// What is needed to reach the optimizer; nothing until the connection file has been read, when there is one.
    pub fn resolved(&self) -> Option<ResolvedAppDynamics> {
        Some(self.resolved_at(self.base_url.as_ref()?, self.tenant_id.as_deref()?, self.token.as_ref()))
    }

    /// What is needed to reach the optimizer according to a connection file.
    pub fn with_connection(&self, file: &ConnectionFile) -> ResolvedAppDynamics {
        self.resolved_at(&file.endpoint, &file.tenant_id, Some(&file.authorization))
    }

    /// The same with what a connection file says in place of what is configured.
    #[must_use]
    pub fn connected(&self, file: &ConnectionFile) -> Self {
        Self {
            token: Some(file.authorization.clone()),
            base_url: Some(file.endpoint.clone()),
            tenant_id: Some(file.tenant_id.clone()),
            ..self.clone()
        }
    }

    fn resolved_at(&self, base: &HttpUrl, tenant: &str, token: Option<&Secret>) -> ResolvedAppDynamics {
        ResolvedAppDynamics {
            display_id: format!("{tenant} - {}", self.optimizer_id),
            url: self.url.clone().unwrap_or_else(|| self.url_below(base)),
            token_url: self.token_url.clone().unwrap_or_else(|| token_url_below(base, tenant)),
            token: token.filter(|token| !token.expose().is_empty()).cloned(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
        }
    }

    fn url_below(&self, base: &HttpUrl) -> HttpUrl {
        base.below(&format!("rest/optimize/co/v1/optimizers/{}/", self.optimizer_id))
    }

    /// The section with the addresses that it gives.
    pub(super) fn show_resolved(&self, secrets: Secrets) -> Json {
        let (url, token_url) = (self.url(), self.token_url());
        Self { url, token_url, ..self.clone() }.show(secrets)
    }
}

/// The form of the connection file's path, without which other keys are required.
struct ConnectionFilePath;

impl Form<Option<PathBuf>> for ConnectionFilePath {
    fn read(
        key: &'static str,
        default: Option<Option<PathBuf>>,
        fields: &mut Fields<'_, '_, '_>,
    ) -> Option<Option<PathBuf>> {
        let path = OptionalPath::read(key, default, fields)?;
        let mut is_missing = |key: &&str| matches!(fields.preview::<Option<Json>>(key, None), Some(None));
        let keys = ["base_url", "client_id", "client_secret", "tenant_id"];
        let missing: Vec<&str> = keys.into_iter().filter(|key| is_missing(key)).collect();
        if path.is_none() && !missing.is_empty() {
            fields.fail(format!(
                "without connection_file, base_url, client_id, client_secret and tenant_id are needed; missing: {}",
                missing.join(", ")
            ));
            return None;
        }
        Some(path)
    }

    fn show(key: &'static str, value: &Option<PathBuf>, secrets: Secrets, members: &mut Map<String, Json>) {
        OptionalPath::show(key, value, secrets, members);
    }

    fn describe(
        key: &'static str,
        documentation: &str,
        default: Option<&Option<PathBuf>>,
        properties: &mut Properties<'_>,
    ) {
        OptionalPath::describe(key, documentation, default, properties);
    }
}

fn token_url_below(base: &HttpUrl, tenant: &str) -> HttpUrl {
    base.below(&format!("auth/{tenant}/default/oauth2/token"))
}

/// The form of text that becomes part of an address.
struct PathPart(String);

impl Decode for PathPart {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, cx)?;
        check_path_part(&text).map_err(|rule| cx.invalid_unquoted(node, rule)).ok()?;
        Some(Self(text))
    }
}

impl Written for PathPart {
    type Value = String;

    fn value(self) -> String {
        self.0
    }
}

impl JsonSchema for PathPart {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PathPart".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<String>()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::{NoVariables, Origin};

    fn decode(config: &Json) -> Result<AppDynamicsOptimizer, String> {
        let node = Node::from_json(config, &Origin::whole("f"));
        Decoder::run(&NoVariables, |cx| AppDynamicsOptimizer::decode(&node, cx))
            .map_err(|problems| problems.to_string())
    }

    fn complete() -> Json {
        json!({"optimizer_id": "O", "tenant_id": "T", "base_url": "https://appd.example/", "client_id": "c", "client_secret": "s3cr3t"})
    }

    fn with(key: &str, value: &str) -> Json {
        let mut config = complete();
        config[key] = json!(value);
        config
    }

    fn file() -> ConnectionFile {
        ConnectionFile::parse("{Authorization: a, Endpoint: 'https://tenant.example/', TenantId: U}", "c").unwrap()
    }

    #[test]
    fn addresses_are_computed_from_platform_tenant_and_id_unless_given() {
        let resolved = decode(&complete()).unwrap().resolved().unwrap();
        assert_eq!(resolved.display_id, "T - O");
        assert_eq!(resolved.url.as_str(), "https://appd.example/rest/optimize/co/v1/optimizers/O/");
        assert_eq!(resolved.token_url.as_str(), "https://appd.example/auth/T/default/oauth2/token");
        assert_eq!(resolved.token, None);
        let resolved = decode(&with("url", "http://localhost/x")).unwrap().resolved().unwrap();
        assert_eq!(resolved.url.as_str(), "http://localhost/x");
    }

    #[test]
    fn a_connection_file_overrides_address_tenant_and_token_but_not_given_addresses() {
        let mut config = with("token_url", "http://localhost/t");
        config["connection_file"] = json!("conn.yaml");
        let resolved = decode(&config).unwrap().with_connection(&file());
        assert_eq!(resolved.display_id, "U - O");
        assert_eq!(resolved.url.as_str(), "https://tenant.example/rest/optimize/co/v1/optimizers/O/");
        assert_eq!(resolved.token_url.as_str(), "http://localhost/t");
        assert_eq!(resolved.token, Some(Secret::new("a")));
    }

    #[test]
    fn nothing_can_be_reached_before_the_connection_file_is_read() {
        let config = decode(&json!({"optimizer_id": "O", "connection_file": "conn.yaml"})).unwrap();
        assert_eq!((config.resolved(), config.url(), config.display_id()), (None, None, "O".to_owned()));
        let connected = config.connected(&file());
        assert_eq!(connected.resolved(), Some(config.with_connection(&file())));
    }

    #[test]
    fn without_a_connection_file_all_credentials_are_needed() {
        let problems = decode(&json!({"optimizer_id": "O", "base_url": "nope", "token": "t"})).unwrap_err();
        assert!(problems.ends_with("; missing: client_id, client_secret, tenant_id"), "{problems}");
        assert!(decode(&json!({"connection_file": "x"})).unwrap_err().starts_with("f: optimizer_id: field required"));
    }

    #[test]
    fn parts_of_addresses_are_checked() {
        for (key, value) in
            [("optimizer_id", ".."), ("optimizer_id", "a b"), ("tenant_id", "."), ("optimizer_id", "a/../b")]
        {
            let problems = decode(&with(key, value)).unwrap_err();
            assert!(problems.starts_with(&format!("f: {key}: it becomes part of an address")), "{problems}");
        }
    }

    #[test]
    fn secrets_are_shown_only_when_asked_for() {
        let config = decode(&complete()).unwrap();
        let dump = |secrets| config.show_resolved(secrets)["client_secret"].clone();
        assert_eq!((dump(Secrets::Redacted), dump(Secrets::Raw)), (json!("REDACTED"), json!("s3cr3t")));
        assert!(!format!("{config:?}").contains("s3cr3t"));
    }
}
