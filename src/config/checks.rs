//! The `checks` section: which checks are run, and how failing ones are waited for.

use std::borrow::Cow;

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value as Json;

use super::dump::{Dump, Members};
use super::variables::CHECKS_PREFIX;
use crate::decode::{Decode, Decoder, Fields, Node, TextForm, Value};
use crate::types::{Duration, Severity};

/// Which checks are run before `servo run`, and how failing ones are waited for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the keys of the section are independent switches")]
pub struct ChecksConfig {
    /// Names of the connectors whose checks are run; all when absent.
    pub connectors: Option<Vec<String>>,
    /// Names of checks; a single one between slashes is a regular expression.
    pub name: Option<Vec<String>>,
    /// Ids of checks; a single one between slashes is a regular expression, or has commas.
    pub id: Option<Vec<String>>,
    /// Tags of checks; a single one may have commas.
    pub tag: Option<Vec<String>>,
    /// Print no table of each pass, also without `progressive`.
    pub quiet: bool,
    /// The table has a line for each check instead of one for each connector.
    pub verbose: bool,
    /// Log each check once instead of printing a table for each pass.
    pub progressive: bool,
    /// How long failing checks are waited for: a duration, or an empty text for one pass.
    pub wait: Wait,
    /// The time between two passes: a duration, or `expo`, which begins with 8 s and doubles.
    pub delay: Delay,
    /// A connector's checks end after a failure of this severity.
    pub halt_on: Severity,
    /// Try the remedies of failing checks.
    pub remedy: bool,
    /// End a pass at the first failing check.
    pub check_halting: bool,
}

/// How long failing checks are waited for, with the text that says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Wait {
    text: String,
    time: Option<Duration>,
}

/// The time between two passes, with the text that says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Delay {
    text: String,
    time: Option<Duration>,
}

impl ChecksConfig {
    /// The section as it is shown.
    pub fn to_json(&self, dump: Dump) -> Json {
        let default = Self::default();
        let mut members = Members::new(dump);
        members.optional("connectors", self.connectors.as_ref());
        members.optional("name", self.name.as_ref());
        members.optional("id", self.id.as_ref());
        members.optional("tag", self.tag.as_ref());
        members.unless_default("quiet", self.quiet, !self.quiet);
        members.unless_default("verbose", self.verbose, !self.verbose);
        members.unless_default("progressive", self.progressive, self.progressive);
        members.unless_default("wait", self.wait.as_str(), self.wait == default.wait);
        members.unless_default("delay", self.delay.as_str(), self.delay == default.delay);
        members.unless_default("halt_on", self.halt_on, self.halt_on == default.halt_on);
        members.unless_default("remedy", self.remedy, self.remedy);
        members.unless_default("check_halting", self.check_halting, !self.check_halting);
        members.finish()
    }
}

impl Default for ChecksConfig {
    fn default() -> Self {
        Self {
            connectors: None,
            name: None,
            id: None,
            tag: None,
            quiet: false,
            verbose: false,
            progressive: true,
            wait: Wait { text: "30m".to_owned(), time: Some(Duration::from_secs(30 * 60)) },
            delay: Delay { text: EXPONENTIAL.to_owned(), time: None },
            halt_on: Severity::Critical,
            remedy: true,
            check_halting: false,
        }
    }
}

impl Decode for ChecksConfig {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = cx.fields(node)?.with_environment(CHECKS_PREFIX);
        let connectors = fields.or("connectors", None);
        let name = patterns("name", &mut fields);
        let id = patterns("id", &mut fields);
        let tag = fields.or("tag", None);
        let quiet = fields.or("quiet", default.quiet);
        let verbose = fields.or("verbose", default.verbose);
        let progressive = fields.or("progressive", default.progressive);
        let wait = fields.or("wait", default.wait);
        let delay = fields.or("delay", default.delay);
        let halt_on = fields.or("halt_on", default.halt_on);
        let remedy = fields.or("remedy", default.remedy);
        let check_halting = fields.or("check_halting", default.check_halting);
        fields.finish();
        Some(Self {
            connectors: connectors?,
            name: name?,
            id: id?,
            tag: tag?,
            quiet: quiet?,
            verbose: verbose?,
            progressive: progressive?,
            wait: wait?,
            delay: delay?,
            halt_on: halt_on?,
            remedy: remedy?,
            check_halting: check_halting?,
        })
    }
}

/// A list of texts of which a single one between slashes must be a regular expression.
#[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
fn patterns(key: &str, fields: &mut Fields<'_, '_, '_>) -> Option<Option<Vec<String>>> {
    let texts = fields.or::<Option<Vec<String>>>(key, None)?;
    if let Some([text]) = texts.as_deref()
        && let Some(pattern) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'))
        && Regex::new(pattern).is_err()
    {
        fields.fail_at(key, format!("{text:?} is not a valid regular expression between slashes"));
        return None;
    }
    Some(texts)
}

/// The word for a delay that doubles.
const EXPONENTIAL: &str = "expo";

impl Wait {
    /// The text that says it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The time; `None` is a single pass.
    pub fn time(&self) -> Option<Duration> {
        self.time
    }
}

impl From<Wait> for String {
    fn from(wait: Wait) -> Self {
        wait.text
    }
}

impl JsonSchema for Wait {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "minimum": 0, "examples": ["30m", "90s", ""] })
    }
}

/// A duration, or the empty text for a single pass.
impl Decode for Wait {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, cx)?;
        let time = if text.is_empty() { None } else { Some(time(&text, node, cx)?) };
        Some(Self { text, time })
    }
}

impl Delay {
    /// The text that says it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The constant time; `None` for one that starts at 8 s and doubles.
    pub fn time(&self) -> Option<Duration> {
        self.time
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> Self {
        delay.text
    }
}

impl JsonSchema for Delay {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Delay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "minLength": 1, "minimum": 0, "examples": [EXPONENTIAL, "10s"] })
    }
}

impl Decode for Delay {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, cx)?;
        let time = if text == EXPONENTIAL { None } else { Some(time(&text, node, cx)?) };
        Some(Self { text, time })
    }
}

/// A duration that is not negative. A plain number, also one that has become text, counts seconds.
fn time(text: &str, node: &Node, cx: &mut Decoder<'_>) -> Option<Duration> {
    let number = text.parse().ok().map(|seconds| Node::new(Value::Float(seconds), node.origin.clone()));
    let time = Duration::decode(number.as_ref().unwrap_or(node), cx)?;
    if time < Duration::ZERO {
        cx.invalid(node, "a duration that is not negative is needed");
        return None;
    }
    Some(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Detail, Environment, Secrets};
    use crate::decode::Origin;

    fn decode(config: &Json, variables: &[(&str, &str)]) -> Result<ChecksConfig, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(config, &Origin::whole("f"));
        Decoder::run(&environment, |cx| ChecksConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    fn check_fails(config: &Json, message: &str) {
        let problems = decode(config, &[]).expect_err("it is accepted");
        assert!(problems.starts_with(message), "{config}: {problems}");
    }

    #[test]
    fn only_what_differs_from_the_default_is_shown() {
        let config = json!({"name": ["x"], "tag": [1, 2.5], "quiet": "t", "progressive": "no", "wait": "30m", "delay": "10s",
                            "halt_on": "common", "remedy": 0});
        let shown = decode(&config, &[]).unwrap().to_json(Dump { secrets: Secrets::Redacted, detail: Detail::Set });
        let expected = json!({"name": ["x"], "tag": ["1", "2.5"], "quiet": true, "progressive": false, "delay": "10s",
                              "halt_on": "common", "remedy": false});
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_default_is_that_of_an_empty_section() {
        assert_eq!(decode(&json!({}), &[]), Ok(ChecksConfig::default()));
    }

    #[test]
    fn waits_are_durations_or_empty_and_keep_their_text() {
        for (value, text, seconds) in [
            (json!("1h30m"), "1h30m", Some(5400.0)),
            (json!(""), "", None),
            (json!(0), "0", Some(0.0)),
            (json!(90), "90", Some(90.0)),
            (json!("90"), "90", Some(90.0)),
            (json!(1.5), "1.5", Some(1.5)),
        ] {
            let wait = decode(&json!({"wait": value}), &[]).unwrap().wait;
            assert_eq!((wait.as_str(), wait.time().map(Duration::as_secs_f64)), (text, seconds));
        }
        check_fails(&json!({"wait": "garbage"}), "f: wait: invalid duration 'garbage'");
        check_fails(&json!({"wait": "-1s"}), "f: wait: a duration that is not negative is needed");
        check_fails(&json!({"wait": null}), "f: wait: none is not an allowed value");
    }

    #[test]
    fn delays_are_durations_or_the_word_for_doubling() {
        assert_eq!(decode(&json!({"delay": "expo"}), &[]).unwrap().delay.time(), None);
        assert_eq!(decode(&json!({"delay": 5}), &[]).unwrap().delay.time(), Some(Duration::from_secs(5)));
        check_fails(&json!({"delay": ""}), "f: delay: invalid duration ''");
    }

    #[test]
    fn filters_are_lists_and_patterns_are_checked() {
        assert!(decode(&json!({"name": ["/.*exec.+/"], "id": ["/"], "tag": null}), &[]).is_ok());
        assert!(decode(&json!({"name": ["/(/", "x"]}), &[]).is_ok(), "only a single text is a pattern");
        check_fails(&json!({"name": "/x/"}), "f: name: value is not a valid list");
        check_fails(&json!({"id": ["/(/"]}), "f: id: \"/(/\" is not a valid regular expression");
    }

    #[test]
    fn severities_are_exact() {
        check_fails(&json!({"halt_on": "never"}), "f: halt_on: value is not a valid enumeration member");
        assert!(decode(&json!({"halt_on": null}), &[]).is_err());
    }

    #[test]
    fn variables_fill_absent_keys_lists_as_json() {
        let variables = [("CHECKS_NAME", "[\"x\"]"), ("CHECKS_HALT_ON", "warning"), ("CHECKS_WAIT", "5s")];
        let checks = decode(&json!({"wait": "1m"}), &variables).unwrap();
        assert_eq!(
            (checks.name, checks.halt_on, checks.wait.as_str()),
            (Some(vec!["x".to_owned()]), Severity::Warning, "1m")
        );
        let problems = decode(&json!({}), &[("CHECKS_NAME", "x")]).unwrap_err();
        assert_eq!(problems, "environment variable CHECKS_NAME: name: the variable must be JSON");
    }
}
