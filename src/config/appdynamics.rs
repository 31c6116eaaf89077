//! The AppDynamics kind of the `optimizer` section.
//!
//! Address and token are either configured or come from a connection file, which wins and may change at any time.
//! What depends on them is computed when asked for, so that it changes with them.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde_json::Value as Json;

use super::connection_file::ConnectionFile;
use super::dump::{Dump, Members};
use super::path_part::check_path_part;
use super::variables::APPD_PREFIX;
use crate::decode::{Decode, Decoder, Fields, HttpUrl, Node, Secret, TextForm};

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

/// An optimizer behind the AppDynamics platform.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AppDynamicsOptimizer {
    /// The optimizer. Required.
    optimizer_id: String,
    /// The tenant of the platform. Required without a connection file.
    tenant_id: Option<String>,
    /// The platform. Required without a connection file.
    base_url: Option<HttpUrl>,
    /// The user of the token request. Required without a connection file.
    client_id: Option<String>,
    /// The password of the token request. Required without a connection file.
    client_secret: Option<Secret>,
    /// Path of a file that says tenant, platform and token, and wins over what is written here.
    #[schemars(with = "Option<String>")]
    connection_file: Option<PathBuf>,
    /// Used in place of a token request.
    token: Option<Secret>,
    /// The address of the optimizer; without it, its place below the platform.
    url: Option<HttpUrl>,
    /// The address of token requests; without it, its place below the platform.
    token_url: Option<HttpUrl>,
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

    pub(super) fn to_json(&self, dump: Dump) -> Json {
        let address = |url: &HttpUrl| dump.address(url);
        let mut members = Members::new(dump);
        members.always("optimizer_id", &self.optimizer_id);
        members.optional("tenant_id", self.tenant_id.as_ref());
        members.optional("base_url", self.base_url.as_ref().map(address));
        members.optional("client_id", self.client_id.as_ref());
        members.secret("client_secret", self.client_secret.as_ref());
        members.optional("connection_file", self.connection_file.as_ref());
        members.secret("token", self.token.as_ref());
        members.optional("url", self.url().as_ref().map(address));
        members.optional("token_url", self.token_url().as_ref().map(address));
        members.finish()
    }
}

impl Decode for AppDynamicsOptimizer {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?.with_environment(APPD_PREFIX);
        let optimizer_id = fields.required::<String>("optimizer_id");
        let tenant_id = fields.or::<Option<String>>("tenant_id", None);
        let base_url = fields.or::<Option<HttpUrl>>("base_url", None);
        let client_id = fields.or::<Option<String>>("client_id", None);
        let client_secret = fields.or::<Option<Secret>>("client_secret", None);
        let connection_file = fields.or::<Option<String>>("connection_file", None);
        let token = fields.or::<Option<Secret>>("token", None);
        let url = fields.or::<Option<HttpUrl>>("url", None);
        let token_url = fields.or::<Option<HttpUrl>>("token_url", None);
        let base_url = base_url.and_then(|url| trimmed(url.as_ref(), &mut fields));
        check_part("optimizer_id", optimizer_id.as_deref(), &mut fields);
        check_part("tenant_id", tenant_id.as_ref().and_then(Option::as_deref), &mut fields);
        let connection_file = connection_file.map(|path| path.filter(|path| !path.is_empty()));
        if let Some(None) = connection_file {
            require(
                &[
                    ("base_url", matches!(base_url, Some(None))),
                    ("client_id", matches!(client_id, Some(None))),
                    ("client_secret", matches!(client_secret, Some(None))),
                    ("tenant_id", matches!(tenant_id, Some(None))),
                ],
                &mut fields,
            );
        }
        fields.finish();
        Some(Self {
            optimizer_id: optimizer_id?,
            tenant_id: tenant_id?,
            base_url: base_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            connection_file: connection_file?.map(PathBuf::from),
            token: token?,
            url: url?,
            token_url: token_url?,
        })
    }
}

#[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
fn trimmed(url: Option<&HttpUrl>, fields: &mut Fields<'_, '_, '_>) -> Option<Option<HttpUrl>> {
    let trimmed = url.map(HttpUrl::without_trailing_slashes).transpose();
    trimmed.map_err(|rule| fields.fail_at("base_url", rule)).ok()
}

/// Reports the keys that are missing where no connection file gives their values.
fn require(keys: &[(&str, bool)], fields: &mut Fields<'_, '_, '_>) {
    let missing: Vec<&str> = keys.iter().filter_map(|(key, is_missing)| is_missing.then_some(*key)).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        fields.fail(format!(
            "without connection_file, base_url, client_id, client_secret and tenant_id are needed; missing: {missing}"
        ));
    }
}

fn token_url_below(base: &HttpUrl, tenant: &str) -> HttpUrl {
    base.below(&format!("auth/{tenant}/default/oauth2/token"))
}

fn check_part(key: &str, part: Option<&str>, fields: &mut Fields<'_, '_, '_>) {
    if let Some(Err(rule)) = part.map(check_path_part) {
        fields.fail_at(key, rule);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Detail, Secrets};
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
        let dump = |secrets| config.to_json(Dump { secrets, detail: Detail::Set })["client_secret"].clone();
        assert_eq!((dump(Secrets::Redacted), dump(Secrets::Raw)), (json!("REDACTED"), json!("s3cr3t")));
        assert!(!format!("{config:?}").contains("s3cr3t"));
    }
}
