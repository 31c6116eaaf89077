//! The file of `servo optimizer serve`: which applications are optimized, and who may ask.

use super::campaign::CampaignConfig;
use crate::config::variables::{OPSANI_TOKEN, OPSANI_TOKEN_FILE};
use crate::decode::{Decode, Decoder, Fields, Keys as _, Map, Node, Secret, Value};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServedConfig {
    /// One for each application, in the order of the file; at least one.
    pub applications: Vec<ServedApplication>,
}

/// An application whose agent asks for commands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServedApplication {
    /// Its identifier, organization, slash and name, as agents have it in `optimizer.id`.
    pub id: String,
    /// What agents prove themselves by.
    pub token: Secret,
    /// What is optimized, and how.
    pub campaign: CampaignConfig,
}

impl Decode for ServedConfig {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let applications = fields.required::<Applications>("applications");
        fields.finish();
        Some(Self { applications: applications?.0 })
    }
}

struct Applications(Vec<ServedApplication>);

impl Decode for Applications {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Some(map) = mapping(node).filter(|map| !map.is_empty()) else {
            cx.invalid_unquoted(node, "a mapping from ids of applications to what is optimized expected");
            return None;
        };
        let decoded: Vec<Option<ServedApplication>> = map
            .iter()
            .map(|entry| cx.within(entry.key.as_str(), |cx| application(&entry.key, &entry.value, cx)))
            .collect();
        decoded.into_iter().collect::<Option<_>>().map(Self)
    }
}

fn mapping(node: &Node) -> Option<&Map> {
    match &node.value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

fn application(id: &str, node: &Node, cx: &mut Decoder<'_>) -> Option<ServedApplication> {
    let is_plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    let is_id = id.split_once('/').is_some_and(|(organization, name)| is_plain(organization) && is_plain(name));
    if !is_id {
        cx.invalid_unquoted(node, "an id is organization/name, of letters, digits, dots, hyphens and underscores");
    }
    let mut fields = cx.fields(node)?;
    let token = token(&mut fields);
    let campaign = CampaignConfig::read(&mut fields);
    fields.finish();
    Some(ServedApplication { id: is_id.then(|| id.to_owned())?, token: token?, campaign: campaign? })
}

/// The token of the file; else that of the file it names; else that of the environment.
fn token(fields: &mut Fields<'_, '_, '_>) -> Option<Secret> {
    let written = fields.or::<Option<Secret>>("token", None)?;
    let file = fields.or::<Option<String>>("token_file", None)?;
    let variables = fields.decoder().variables();
    let non_empty = |name: &str| variables.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
    if let Some(token) = written {
        return not_empty(token, "token", fields);
    }
    if let Some(path) = file.or_else(|| non_empty(OPSANI_TOKEN_FILE)) {
        return match std::fs::read_to_string(&path) {
            Ok(text) => not_empty(Secret::new(text.trim()), "token_file", fields),
            Err(error) => {
                fields.fail_at("token_file", format!("cannot read the file {path:?}: {error}"));
                None
            }
        };
    }
    if let Some(token) = non_empty(OPSANI_TOKEN) {
        return Some(Secret::new(&token));
    }
    let hint = format!("or 'token_file', or the environment variables {OPSANI_TOKEN} and {OPSANI_TOKEN_FILE}");
    fields.fail_at_with_hint("token", "field required", hint);
    None
}

fn not_empty(token: Secret, key: &str, fields: &mut Fields<'_, '_, '_>) -> Option<Secret> {
    if token.expose().is_empty() {
        fields.fail_at(key, "the token is empty");
        return None;
    }
    Some(token)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::config::Environment;
    use crate::decode::Origin;

    fn decode(config: &Json, variables: &[(&str, &str)]) -> Result<ServedConfig, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(config, &Origin::whole("f"));
        Decoder::run(&environment, |cx| ServedConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn every_application_has_a_token_of_its_own_or_that_of_the_environment() {
        let slo = json!([{"metric": "m", "threshold": 1}]);
        let config = json!({"applications": {
            "a.com/one": {"slo": slo, "token": "t1"},
            "a.com/two": {"slo": slo, "trials": 5},
        }});
        let served = decode(&config, &[("OPSANI_TOKEN", "t2")]).unwrap();
        let tokens: Vec<&str> = served.applications.iter().map(|application| application.token.expose()).collect();
        assert_eq!(tokens, ["t1", "t2"]);
        assert!(decode(&config, &[]).unwrap_err().starts_with("f: applications.a.com/two.token: field required"));
    }

    #[test]
    fn problems_are_named_and_no_token_is_shown() {
        let config = json!({"applications": {"app": {"token": "s3cr3t", "bogus": 1}}});
        let problems = decode(&config, &[]).unwrap_err();
        for text in ["applications.app: an id is", "applications.app.bogus", "applications.app.slo"] {
            assert!(problems.contains(text), "{text}: {problems}");
        }
        assert!(!problems.contains("s3cr3t"), "{problems}");
        for empty in [json!({}), json!({"applications": {}}), json!({"applications": []})] {
            assert!(decode(&empty, &[]).is_err());
        }
    }
}
