//! The `checks` section: which checks are run, and how failing ones are waited for.

use std::borrow::Cow;

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

use super::variables::CHECKS_PREFIX;
use crate::decode::{Decode, Decoder, Node, Secrets, Show, TextForm, Value, Written, keys};
use crate::types::{Duration, Severity};

keys! {
    /// Which checks are run before `servo run`, and how failing ones are waited for.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ChecksConfig {
        /// Names of the connectors whose checks are run; all when absent.
        pub connectors: Option<Vec<String>> = None,
        /// Names of checks; a single one between slashes is a regular expression.
        pub name: Option<Vec<String>> as Option<Patterns> = None,
        /// Ids of checks; a single one between slashes is a regular expression, or has commas.
        pub id: Option<Vec<String>> as Option<Patterns> = None,
        /// Tags of checks; a single one may have commas.
        pub tag: Option<Vec<String>> = None,
        /// Print no table of each pass, also without `progressive`.
        pub quiet: bool = false,
        /// The table has a line for each check instead of one for each connector.
        pub verbose: bool = false,
        /// Log each check once instead of printing a table for each pass.
        pub progressive: bool = true,
        /// How long failing checks are waited for: a duration, or an empty text for one pass.
        pub wait: Wait = Wait { text: "30m".to_owned(), time: Some(Duration::from_secs(30 * 60)) },
        /// The time between two passes: a duration, or `expo`, which begins with 8 s and doubles.
        pub delay: Delay = Delay { text: EXPONENTIAL.to_owned(), time: None },
        /// A connector's checks end after a failure of this severity.
        pub halt_on: Severity = Severity::Critical,
        /// Try the remedies of failing checks.
        pub remedy: bool = true,
        /// End a pass at the first failing check.
        pub check_halting: bool = false,
    }
    variables: CHECKS_PREFIX;
    default: all;
}

/// How long failing checks are waited for, with the text that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    text: String,
    time: Option<Duration>,
}

/// The time between two passes, with the text that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    text: String,
    time: Option<Duration>,
}

/// A list of texts of which a single one between slashes must be a regular expression.
struct Patterns(Vec<String>);

impl Decode for Patterns {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let texts = Vec::<String>::decode(node, cx)?;
        if let [text] = texts.as_slice()
            && let Some(pattern) = text_between_slashes(text)
            && Regex::new(pattern).is_err()
        {
            cx.invalid_unquoted(node, format!("{text:?} is not a valid regular expression between slashes"));
            return None;
        }
        Some(Self(texts))
    }
}

fn text_between_slashes(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/')
}

impl Written for Patterns {
    type Value = Vec<String>;

    fn value(self) -> Vec<String> {
        self.0
    }
}

impl JsonSchema for Patterns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Patterns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Vec<String>>()
    }
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

impl Show for Wait {
    fn show(&self, _: Secrets) -> Json {
        self.text.as_str().into()
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

impl Show for Delay {
    fn show(&self, _: Secrets) -> Json {
        self.text.as_str().into()
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
    use crate::config::Environment;
    use crate::decode::{Detail, Dump, Origin, shown};

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
        let checks = decode(&config, &[]).unwrap();
        let shown = shown(&checks, Dump { secrets: Secrets::Redacted, detail: Detail::Set });
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
