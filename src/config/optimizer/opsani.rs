//! The Opsani kind of the `optimizer` section.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json};

use crate::config::variables::{OPSANI_BASE_URL, OPSANI_OPTIMIZER, OPSANI_TOKEN, OPSANI_TOKEN_FILE, OPSANI_URL};
use crate::decode::{Decode, Decoder, Fields, Form, HttpUrl, Node, Properties, Secret, Secrets, Show, Written, keys};

/// The platform when no other is configured.
const DEFAULT_BASE_URL: &str = "https://api.opsani.com";

/// The variables that give its keys.
pub(super) const VARIABLES: [&str; 5] =
    [OPSANI_OPTIMIZER, OPSANI_TOKEN, OPSANI_TOKEN_FILE, OPSANI_BASE_URL, OPSANI_URL];

/// Those that fill absent keys; that of the token is read with its file.
const KEY_VARIABLES: &[(&str, &str)] = &[(ID, OPSANI_OPTIMIZER), (BASE_URL, OPSANI_BASE_URL), ("url", OPSANI_URL)];

const ID: &str = "id";
const BASE_URL: &str = "base_url";

keys! {
    /// An optimizer that is reached with a token.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct OpsaniOptimizer {
        /// The optimizer: organization, slash, name. Required, here or in the environment.
        id: OpsaniId,
        /// The credential. Required, here, in the file that `OPSANI_TOKEN_FILE` names, or in the environment.
        token: Secret as Token,
        /// The address of the platform, from which that of the optimizer is made.
        base_url: HttpUrl as TrimmedUrl = HttpUrl::parse(DEFAULT_BASE_URL).ok()?,
        /// The address of the optimizer; without it, the place below the platform that its id gives.
        url: HttpUrl as OptimizerUrl,
    }
    variables: KEY_VARIABLES;
}

/// The form of an address whose trailing slashes do not matter.
pub(super) struct TrimmedUrl(HttpUrl);

impl Decode for TrimmedUrl {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let url = HttpUrl::decode(node, cx)?;
        url.without_trailing_slashes().map_err(|rule| cx.invalid_unquoted(node, rule)).ok().map(Self)
    }
}

impl Written for TrimmedUrl {
    type Value = HttpUrl;

    fn value(self) -> HttpUrl {
        self.0
    }
}

impl JsonSchema for TrimmedUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TrimmedUrl".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<HttpUrl>()
    }
}

/// The form of the optimizer's address, which platform and id give when it is absent.
struct OptimizerUrl;

impl Form<HttpUrl> for OptimizerUrl {
    fn read(key: &'static str, _: Option<HttpUrl>, fields: &mut Fields<'_, '_, '_>) -> Option<HttpUrl> {
        let written: Option<HttpUrl> = fields.or(key, None)?;
        written.or_else(|| {
            let id: OpsaniId = fields.preview(ID, None)??;
            let (organization, name) = id.parts();
            let platform: Option<TrimmedUrl> = fields.preview(BASE_URL, None)?;
            let platform = platform.map_or_else(|| HttpUrl::parse(DEFAULT_BASE_URL).ok(), |url| Some(url.0))?;
            Some(platform.below(&format!("accounts/{organization}/applications/{name}/")))
        })
    }

    fn show(key: &'static str, value: &HttpUrl, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), value.show(secrets));
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&HttpUrl>, properties: &mut Properties<'_>) {
        properties.add::<Option<HttpUrl>>(key, documentation, Some(Json::Null));
    }
}

/// The form of the token: that of the file; else that of the token file; else that of the environment. Empty ones
/// count as absent.
struct Token;

impl Form<Secret> for Token {
    fn read(_: &'static str, _: Option<Secret>, fields: &mut Fields<'_, '_, '_>) -> Option<Secret> {
        token(fields)
    }

    fn show(key: &'static str, value: &Secret, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), value.show(secrets));
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&Secret>, properties: &mut Properties<'_>) {
        properties.add::<Secret>(key, documentation, None);
    }
}

impl OpsaniOptimizer {
    /// The identifier, such as `dev.opsani.com/app`.
    pub fn id(&self) -> &str {
        &self.id.text
    }

    /// The part of the identifier before the slash.
    pub fn organization(&self) -> &str {
        self.id.parts().0
    }

    /// The part of the identifier after the slash.
    pub fn name(&self) -> &str {
        self.id.parts().1
    }

    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The platform, without trailing slashes.
    pub fn base_url(&self) -> &HttpUrl {
        &self.base_url
    }

    /// The address of the optimizer: as configured, else below the platform.
    pub fn url(&self) -> &HttpUrl {
        &self.url
    }
}

/// A token that an HTTP header can carry.
fn sendable(token: Secret, fields: &mut Fields<'_, '_, '_>) -> Option<Secret> {
    if token.expose().chars().any(char::is_control) {
        fields.fail_at("token", "the token has line breaks or other characters that no HTTP header can have");
        return None;
    }
    Some(token)
}

fn token(fields: &mut Fields<'_, '_, '_>) -> Option<Secret> {
    let written = fields.get_from::<Secret>("token", None)?;
    let is_empty = written.is_some();
    if let Some(token) = written.filter(|token| !token.expose().is_empty()) {
        return sendable(token, fields);
    }
    let variables = fields.decoder().variables();
    let non_empty = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    if let Some(path) = non_empty(OPSANI_TOKEN_FILE) {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => return sendable(Secret::new(text.trim()), fields),
            Err(error) => {
                let rule = format!("cannot read the file {path:?} that {OPSANI_TOKEN_FILE} names: {error}");
                fields.fail_at("token", rule);
                return None;
            }
        }
    }
    if let Some(token) = non_empty(OPSANI_TOKEN) {
        return sendable(Secret::new(token), fields);
    }
    let rule = if is_empty { "the token is empty" } else { "field required" };
    let hint = format!("the environment variables {OPSANI_TOKEN} and {OPSANI_TOKEN_FILE} can also give it");
    fields.fail_at_with_hint("token", rule, hint);
    None
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OpsaniId {
    text: String,
    slash: usize,
}

impl OpsaniId {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "an id is organization/name: 5 to 50 letters, digits, dots and hyphens, then 1 to 64 letters, \
                            digits, dots, hyphens and underscores";
        let (organization, name) = text.split_once('/').ok_or(FORM)?;
        let organization_fits = (5..=50).contains(&organization.len())
            && !organization.starts_with('-')
            && organization.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        let name_fits =
            (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !organization_fits || !name_fits {
            return Err(FORM);
        }
        if matches!(name, "." | "..") {
            return Err("the name of an optimizer may not be '.' or '..'");
        }
        Ok(Self { text: text.to_owned(), slash: organization.len() })
    }

    fn parts(&self) -> (&str, &str) {
        (&self.text[..self.slash], &self.text[self.slash + 1..])
    }
}

impl Show for OpsaniId {
    fn show(&self, _: Secrets) -> Json {
        self.text.as_str().into()
    }
}

impl JsonSchema for OpsaniId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OpsaniId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            // No number is one, so that none is converted.
            "format": "optimizer-id",
            "pattern": "^(?!-)[A-Za-z0-9.-]{5,50}/(?!\\.{1,2}$)[A-Za-z0-9_.-]{1,64}$",
            "examples": ["dev.opsani.com/app"],
        })
    }
}

impl Decode for OpsaniId {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, cx)?;
        Self::parse(&text).map_err(|rule| cx.invalid(node, rule)).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Environment, OptimizerConfig};
    use crate::decode::{Detail, Dump, Origin, shown};

    fn decode(config: &Json, variables: &[(&str, &str)]) -> Result<Json, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(config, &Origin::whole("f"));
        Decoder::run(&environment, |cx| OptimizerConfig::decode(&node, cx))
            .map(|config| shown(&config, Dump { secrets: Secrets::Raw, detail: Detail::Set }))
            .map_err(|problems| problems.to_string())
    }

    fn check(config: &Json, variables: &[(&str, &str)], expected: Json) {
        assert_eq!(decode(config, variables), Ok(expected), "{config} {variables:?}");
    }

    fn check_fails(config: &Json, variables: &[(&str, &str)], message: &str) {
        let problems = decode(config, variables).expect_err("it is accepted");
        assert!(problems.starts_with(message), "{problems}");
    }

    #[test]
    fn the_address_is_computed_from_platform_and_id_unless_given() {
        let id = "a.com/app";
        let default = "https://api.opsani.com/accounts/a.com/applications/app/";
        check(&json!({"id": id, "token": 12}), &[], json!({"id": id, "token": "12", "url": default}));
        check(&json!({"id": id, "token": "t", "url": null}), &[], json!({"id": id, "token": "t", "url": default}));
        check(
            &json!({"id": id, "token": "t", "base_url": "http://localhost:8080/api//"}),
            &[],
            json!({"id": id, "token": "t", "base_url": "http://localhost:8080/api",
                   "url": "http://localhost:8080/api/accounts/a.com/applications/app/"}),
        );
        check(
            &json!({"id": id, "token": "t"}),
            &[("OPSANI_URL", "http://127.0.0.1:1/x")],
            json!({"id": id, "token": "t", "url": "http://127.0.0.1:1/x"}),
        );
    }

    #[test]
    fn the_file_wins_over_variables_key_by_key() {
        let variables =
            [("OPSANI_OPTIMIZER", "env.com/app"), ("OPSANI_TOKEN", "env"), ("OPSANI_BASE_URL", "http://env/")];
        let url = "http://env/accounts/a.com/applications/app/";
        let expected = json!({"id": "a.com/app", "token": "env", "base_url": "http://env", "url": url});
        check(&json!({"id": "a.com/app"}), &variables, expected);
    }

    #[test]
    fn a_token_file_wins_over_the_variable_and_empty_sources_count_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(folder.path().join("full"), "from-file\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let token = |written: Json, file: &str, variable: &str| {
            let mut config = json!({"id": "a.com/app"});
            if !written.is_null() {
                config["token"] = written;
            }
            decode(&config, &[(OPSANI_TOKEN_FILE, file), (OPSANI_TOKEN, variable)])
                .map(|config| config["token"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(token(json!("inline"), &path("full"), "v"), Ok("inline".to_owned()));
        assert_eq!(token(json!(""), &path("full"), "v"), Ok("from-file".to_owned()));
        assert_eq!(token(json!(null), &path("full"), "v"), Ok("from-file".to_owned()));
        assert_eq!(token(json!(null), &path("empty"), "v"), Ok("v".to_owned()));
        assert_eq!(token(json!(null), "", "v"), Ok("v".to_owned()));
        let missing = token(json!(null), &path("missing"), "s3cr3t").unwrap_err();
        assert!(missing.starts_with("f: token: cannot read the file") && !missing.contains("s3cr3t"), "{missing}");
        assert!(token(json!(null), "", "").unwrap_err().starts_with("f: token: field required; "));
        assert!(token(json!(""), &path("empty"), "").unwrap_err().starts_with("f: token: the token is empty; "));
        check_fails(&json!({"id": "a.com/app", "token": null}), &[], "f: token: none is not an allowed value");
    }

    #[test]
    fn an_id_has_two_parts_of_limited_form() {
        for id in ["a.com/app", "...../app", "Example-1.com/My_App.v2-x", &format!("example.com/{}", "a".repeat(64))] {
            assert!(OpsaniId::parse(id).is_ok(), "{id}");
        }
        let long_organization = format!("{}/app", "a".repeat(51));
        let long_name = format!("example.com/{}", "a".repeat(65));
        for id in [
            "app",
            "a.bc/app",
            "example.com/",
            "example.com/$",
            "example_x.com/app",
            "-example.com/app",
            "example.com/a/b",
            "example.com/app\n",
            "example.com/.",
            "example.com/..",
            "example.com/é",
            &long_organization,
            &long_name,
        ] {
            assert!(OpsaniId::parse(id).is_err(), "{id}");
        }
    }
}
