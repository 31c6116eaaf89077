//! The `optimizer` section: which kind of optimizer is meant, and what all kinds have in common.

mod appdynamics;
mod campaign;
mod connection_file;
mod embedded;
mod opsani;
mod path_part;
mod served_applications;

use std::borrow::Cow;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};

use embedded::EMBEDDED;

pub(crate) use appdynamics::{AppDynamicsOptimizer, ResolvedAppDynamics};
pub(crate) use campaign::{CampaignConfig, Objective, Prices};
pub use campaign::{CampaignMode, SearchAlgorithm};
pub use connection_file::ConnectionFile;
pub(crate) use embedded::EmbeddedOptimizer;
pub(crate) use opsani::OpsaniOptimizer;
pub(crate) use served_applications::{ServedApplication, ServedConfig};

use crate::config::variables;
use crate::decode::{Decode, Decoder, HttpUrl, Node, Secrets, Show, TextForm, Value, Variables};

/// Keys that every kind of optimizer has.
const SHARED_KEYS: [&str; 3] = ["token", "base_url", "url"];

/// Who decides what to try next, and how to reach it.
#[derive(Debug, Clone, PartialEq)]
pub enum OptimizerConfig {
    /// An optimizer that is reached with a token.
    Opsani(OpsaniOptimizer),
    /// An optimizer behind the AppDynamics platform.
    AppDynamics(AppDynamicsOptimizer),
    /// An optimizer of our own, in this process.
    Embedded(Box<EmbeddedOptimizer>),
}

impl OptimizerConfig {
    /// The full identifier, which also names a servo that has no name of its own.
    pub fn display_id(&self) -> String {
        match self {
            Self::Opsani(config) => config.id().to_owned(),
            Self::AppDynamics(config) => config.display_id(),
            Self::Embedded(config) => config.id().into_owned(),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Opsani(config) => config.name(),
            Self::AppDynamics(config) => config.optimizer_id(),
            Self::Embedded(config) => config.name(),
        }
    }

    /// The address below which the platform lies; unknown until the connection file has been read, and none of one in
    /// this process.
    pub fn base_url(&self) -> Option<&HttpUrl> {
        match self {
            Self::Opsani(config) => Some(config.base_url()),
            Self::AppDynamics(config) => config.base_url(),
            Self::Embedded(_) => None,
        }
    }

    /// The address of the optimizer; unknown until the connection file has been read.
    pub fn url(&self) -> Option<HttpUrl> {
        match self {
            Self::Opsani(config) => Some(config.url().clone()),
            Self::AppDynamics(config) => config.url(),
            Self::Embedded(_) => None,
        }
    }

    /// The connection file that has to be read before the optimizer can be reached.
    pub fn connection_file(&self) -> Option<&Path> {
        match self {
            Self::Opsani(_) | Self::Embedded(_) => None,
            Self::AppDynamics(config) => config.connection_file(),
        }
    }

    /// The same with what a connection file says, where there is one.
    #[must_use]
    pub fn connected(&self, file: &ConnectionFile) -> Self {
        match self {
            Self::Opsani(_) | Self::Embedded(_) => self.clone(),
            Self::AppDynamics(config) => Self::AppDynamics(config.connected(file)),
        }
    }

    /// Whether the environment says anything about an optimizer. Empty variables say nothing.
    pub(super) fn is_in_environment(variables: &dyn Variables) -> bool {
        let is_set = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
        let appdynamics = appdynamics::KEYS.map(|key| format!("{}{}", variables::APPD_PREFIX, key.to_uppercase()));
        opsani::VARIABLES.into_iter().any(is_set) || appdynamics.iter().any(|name| is_set(name))
    }
}

impl Show for OptimizerConfig {
    fn show(&self, secrets: Secrets) -> Json {
        match self {
            Self::Opsani(config) => config.show(secrets),
            Self::AppDynamics(config) => config.show_resolved(secrets),
            Self::Embedded(config) => json!({ EMBEDDED: config.show(secrets) }),
        }
    }
}

impl JsonSchema for OptimizerConfig {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OptimizerConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let appdynamics = generator.subschema_for::<AppDynamicsOptimizer>();
        let opsani = generator.subschema_for::<OpsaniOptimizer>();
        let embedded = generator.subschema_for::<EmbeddedOptimizer>();
        let embedded = json!({
            "type": "object",
            "properties": { (EMBEDDED): embedded },
            "required": [EMBEDDED],
            "additionalProperties": false,
        });
        json_schema!({ "anyOf": [appdynamics, opsani, embedded] })
    }
}

impl Decode for OptimizerConfig {
    const TEXT_FORM: TextForm = TextForm::JsonOrText;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match Kind::of(node, cx.variables()) {
            Kind::Opsani => OpsaniOptimizer::decode(node, cx).map(Self::Opsani),
            Kind::AppDynamics => AppDynamicsOptimizer::decode(node, cx).map(Self::AppDynamics),
            Kind::Embedded => {
                let mut fields = cx.fields(node)?;
                let config = fields.required(EMBEDDED);
                fields.finish();
                config.map(Self::Embedded)
            }
            Kind::Either => either(node, cx),
        }
    }
}

/// Which kind of optimizer a section means.
enum Kind {
    Opsani,
    AppDynamics,
    Embedded,
    /// The keys of both kinds are there, or those of none while the environment names both.
    Either,
}

impl Kind {
    /// Decides by the keys that only one kind has, then by the identifier that the environment gives.
    fn of(node: &Node, variables: &dyn Variables) -> Self {
        let has = |key: &str| matches!(&node.value, Value::Map(map) if map.contains(key));
        let is_set = |name: &str| variables.get(name).is_some();
        if has(EMBEDDED) {
            return Self::Embedded;
        }
        let is_exclusive = |key: &&str| !SHARED_KEYS.contains(key);
        match (has("id"), appdynamics::KEYS.into_iter().filter(is_exclusive).any(has)) {
            (true, false) => Self::Opsani,
            (false, true) => Self::AppDynamics,
            (true, true) => Self::Either,
            (false, false) => match (is_set(variables::OPSANI_OPTIMIZER), is_set(variables::APPD_OPTIMIZER_ID)) {
                (true, true) => Self::Either,
                (false, true) => Self::AppDynamics,
                (_, false) => Self::Opsani,
            },
        }
    }
}

/// The first kind that is valid, AppDynamics before Opsani; else the problems of both.
fn either(node: &Node, cx: &mut Decoder<'_>) -> Option<OptimizerConfig> {
    let appdynamics = match Decoder::run(cx.variables(), |cx| AppDynamicsOptimizer::decode(node, cx)) {
        Ok(config) => return Some(OptimizerConfig::AppDynamics(config)),
        Err(problems) => problems,
    };
    let opsani = match Decoder::run(cx.variables(), |cx| OpsaniOptimizer::decode(node, cx)) {
        Ok(config) => return Some(OptimizerConfig::Opsani(config)),
        Err(problems) => problems,
    };
    for problem in appdynamics.iter().chain(&opsani) {
        cx.report(problem.clone());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::decode::Origin;

    const OPSANI: [(&str, &str); 2] = [("OPSANI_OPTIMIZER", "a.com/app"), ("OPSANI_TOKEN", "t")];
    const APPD: [(&str, &str); 5] = [
        ("APPD_OPTIMIZER_ID", "O"),
        ("APPD_TENANT_ID", "T"),
        ("APPD_BASE_URL", "https://appd.example/"),
        ("APPD_CLIENT_ID", "c"),
        ("APPD_CLIENT_SECRET", "s"),
    ];

    fn decode(config: &Json, variables: &[&[(&str, &str)]]) -> Result<OptimizerConfig, String> {
        let environment = Environment::from_pairs(variables.concat());
        let node = Node::from_json(config, &Origin::whole("f"));
        Decoder::run(&environment, |cx| OptimizerConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    fn check(config: &Json, variables: &[&[(&str, &str)]], display_id: &str) {
        let optimizer = decode(config, variables).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(optimizer.display_id(), display_id, "{config}");
    }

    #[test]
    fn keys_that_only_one_kind_has_decide() {
        check(&json!({"id": "b.com/app", "token": "t"}), &[&APPD], "b.com/app");
        check(&json!({"optimizer_id": 77}), &[&APPD, &OPSANI], "T - 77");
        check(&json!({"tenant_id": "U"}), &[&APPD, &OPSANI], "U - O");
        check(&json!({"token": "x"}), &[&OPSANI], "a.com/app");
        let problems = decode(&json!({"id": "app", "extra": 1}), &[&APPD]).unwrap_err();
        assert!(problems.contains("f: id: ") && problems.contains("f: token: ") && problems.contains("f: extra: "));
        assert!(!problems.contains("optimizer_id"), "{problems}");
    }

    #[test]
    fn without_such_keys_the_environment_decides_appdynamics_first() {
        check(&json!({}), &[&OPSANI], "a.com/app");
        check(&json!({}), &[&APPD], "T - O");
        check(&json!({}), &[&APPD, &OPSANI], "T - O");
        check(&json!({}), &[&APPD[..4], &OPSANI], "a.com/app");
        let problems = decode(&json!({}), &[&APPD[..4]]).unwrap_err();
        assert!(problems.ends_with("; missing: client_secret") && !problems.contains("token:"), "{problems}");
        let problems = decode(&json!({}), &[]).unwrap_err();
        assert!(problems.contains("f: id: field required") && problems.contains("f: token: field required"));
    }

    #[test]
    fn the_problems_of_both_kinds_are_reported_when_the_keys_of_both_are_there() {
        let problems = decode(&json!({"id": "a.com/app", "optimizer_id": "O"}), &[]).unwrap_err();
        for expected in
            ["f: id: extra fields", "f: optimizer_id: extra fields", "f: token: field required", "missing: "]
        {
            assert!(problems.contains(expected), "{problems}");
        }
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        for config in [json!("a.com/app"), json!(null), json!(["a"])] {
            assert!(decode(&config, &[&OPSANI]).is_err(), "{config}");
        }
    }
}
