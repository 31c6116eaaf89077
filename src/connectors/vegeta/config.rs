//! The section of a `vegeta` connector.

use std::borrow::Cow;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::target;
use crate::connector::Section;
use crate::decode::{Decode, Decoder, Fields, FilePath, Node, TextForm, Value, secrets_are_exposed, words};
use crate::types::Duration;

/// Generates load by vegeta, and measures it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct VegetaConfig {
    /// Free text.
    pub(super) description: Option<String>,
    /// How many requests in which time; a number is per second, and 0 is as fast as it goes, which takes `max_workers`.
    /// Required.
    pub(super) rate: Rate,
    /// The language of the targets. `http` by default.
    #[schemars(default = "default_format")]
    pub(super) format: TargetFormat,
    /// What is requested. Required.
    #[serde(flatten)]
    #[schemars(with = "TargetKeys")]
    pub(super) targets: Targets,
    /// Idle connections per host, at most; 10000 by default.
    #[schemars(default = "default_connections")]
    pub(super) connections: i64,
    /// Workers to begin with; 10 by default.
    #[schemars(default = "default_workers")]
    pub(super) workers: i64,
    /// Workers at most; none and 0 mean as many as it takes.
    pub(super) max_workers: Option<i64>,
    /// Bytes that are read of each answer, at most; -1, the default, means all.
    #[schemars(default = "default_max_body")]
    pub(super) max_body: i64,
    /// Whether HTTP/2 is used where the server offers it. True by default.
    #[schemars(default = "on")]
    pub(super) http2: bool,
    /// Whether connections are used again. True by default.
    #[schemars(default = "on")]
    pub(super) keepalive: bool,
    /// Whether certificates may be invalid. False by default.
    #[schemars(default)]
    pub(super) insecure: bool,
    /// Time between two reports; 15 s by default, and 0 means one report at the end.
    #[schemars(default = "default_reporting_interval")]
    pub(super) reporting_interval: Duration,
}

fn default_format() -> TargetFormat {
    TargetFormat::Http
}

fn default_connections() -> i64 {
    10_000
}

fn default_workers() -> i64 {
    10
}

fn default_max_body() -> i64 {
    -1
}

fn on() -> bool {
    true
}

fn default_reporting_interval() -> Duration {
    Duration::from_secs(15)
}

/// What is requested, as the two keys of which one is needed.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes the keys, and holds nothing")]
struct TargetKeys {
    /// The targets themselves, in the language that `format` names. Either this or `targets` is required.
    target: Option<String>,
    /// Path of a file of targets. Either this or `target` is required.
    targets: Option<FilePath>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Targets {
    /// The key `target`: the targets themselves.
    Text(String),
    /// The key `targets`: a file of them.
    File(FilePath),
}

/// As the two keys, of which one is null.
impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (text, file) = match self {
            Self::Text(text) if secrets_are_exposed() => (Some(text.clone()), None),
            Self::Text(text) => (Some(target::redacted(text)), None),
            Self::File(file) => (None, Some(file)),
        };
        let mut keys = serializer.serialize_map(Some(2))?;
        keys.serialize_entry("target", &text)?;
        keys.serialize_entry("targets", &file)?;
        keys.end()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetFormat {
    /// Lines as in a request: method and address, then headers.
    Http,
    /// A JSON object for each target.
    Json,
}

impl TargetFormat {
    /// The word for it, in the configuration and for vegeta.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Json => "json",
        }
    }
}

impl JsonSchema for TargetFormat {
    fn schema_name() -> Cow<'static, str> {
        "TargetFormat".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words([Self::Http, Self::Json].map(Self::as_str))
    }
}

impl Decode for TargetFormat {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &[Self::Http, Self::Json].map(|format| (format.as_str(), format)))
    }
}

/// `hits` per second, or `hits/interval`, as written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub(super) struct Rate(String);

impl Rate {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means as fast as the workers can.
    fn is_unlimited(&self) -> bool {
        self.0.split('/').next().is_some_and(|hits| hits.chars().all(|digit| digit == '0'))
    }
}

impl JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^[0-9]+(/[^/]+)?$",
            "minimum": 0,
            "examples": ["50/1s", 50],
        })
    }
}

impl Decode for Rate {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, cx)?;
        let is_count = |hits: &str| !hits.is_empty() && hits.chars().all(|c| c.is_ascii_digit());
        let problem = match text.split('/').collect::<Vec<_>>().as_slice() {
            [hits] if is_count(hits) => None,
            [hits, _] if !is_count(hits) => Some("rate must have an integer hits component".to_owned()),
            [_, interval] => Duration::parse(interval).err().map(|error| format!("rate has an {error}")),
            _ => Some("rate strings are of the form hits/interval".to_owned()),
        };
        if let Some(problem) = problem {
            cx.invalid_with_hint(node, problem, "write requests per time, such as 50/1s, or 50 for 50 a second");
            return None;
        }
        Some(Self(text))
    }
}

impl VegetaConfig {
    /// Reads and validates a section; the file of targets too.
    pub fn parse(section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = section.fields(cx)?;
        let written = WrittenTargets::read(section, &mut fields)?;
        let description = fields.or("description", None);
        let rate = fields.required("rate");
        let format = fields.or("format", default_format());
        let targets = written.decode(format, fields.decoder());
        let connections = fields.or("connections", default_connections());
        let workers = fields.or("workers", default_workers());
        let max_workers: Option<Option<i64>> = fields.or("max_workers", None);
        let max_body = fields.or("max_body", default_max_body());
        let http2 = fields.or("http2", on());
        let keepalive = fields.or("keepalive", on());
        let insecure = fields.or("insecure", false);
        let reporting_interval = fields.or("reporting_interval", default_reporting_interval());
        if rate.as_ref().is_some_and(Rate::is_unlimited) && matches!(max_workers, Some(None | Some(0))) {
            fields.fail_at("rate", "a rate of 0 is without limit and needs max_workers");
        }
        fields.finish();
        Some(Self {
            description: description?,
            rate: rate?,
            format: format?,
            targets: targets?,
            connections: connections?,
            workers: workers?,
            max_workers: max_workers?,
            max_body: max_body?,
            http2: http2?,
            keepalive: keepalive?,
            insecure: insecure?,
            reporting_interval: reporting_interval?,
        })
    }
}

impl VegetaConfig {
    /// What is requested, in a few words without credentials: the first request, or the file.
    pub(super) fn shown_target(&self) -> String {
        let requests = match (&self.targets, self.format) {
            (Targets::File(file), _) => return file.as_path().display().to_string(),
            (Targets::Text(text), TargetFormat::Http) => target::http_requests(text),
            (Targets::Text(text), TargetFormat::Json) => target::json_requests(text),
        };
        match requests.as_slice() {
            [] => "nothing".to_owned(),
            [request] => request.to_string(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
        }
    }
}

/// The keys `target` and `targets` as they were written; null is absent.
struct WrittenTargets<'n> {
    text: Option<Cow<'n, Node>>,
    file: Option<Cow<'n, Node>>,
}

impl<'n> WrittenTargets<'n> {
    /// Reads the keys, one of which there must be. Without, nothing else of the section is worth reading.
    fn read(section: Section<'n>, fields: &mut Fields<'n, '_, '_>) -> Option<Self> {
        let mut read = |key: &str| {
            let variable = format!("{}{}", section.prefix, key.to_uppercase());
            fields.node(key, Some(&variable), TextForm::Text).map(|node| node.filter(|node| !node.is_null()))
        };
        let (text, file) = (read("target")?, read("targets")?);
        let is_empty = |node: &Node| matches!(&node.value, Value::Text(text) if text.is_empty());
        match (&text, &file) {
            (None, None) => fields.fail("target or targets must be configured"),
            // An empty one is a problem of its own.
            (Some(text), Some(file)) if !is_empty(text) && !is_empty(file) => {
                fields.fail("target and targets cannot both be configured");
            }
            _ => return Some(Self { text, file }),
        }
        None
    }

    /// The targets, valid in this format. In an unknown format only the file's existence can be judged.
    fn decode(self, format: Option<TargetFormat>, cx: &mut Decoder<'_>) -> Option<Targets> {
        let Self { text, file } = self;
        let file = file.map(|node| cx.within("targets", |cx| decode_file(&node, format, cx)));
        let text = text.map(|node| cx.within("target", |cx| decode_text(&node, format, cx)));
        match (text, file) {
            (Some(text), _) => text.map(Targets::Text),
            (None, file) => file.flatten().map(Targets::File),
        }
    }
}

fn decode_text(node: &Node, format: Option<TargetFormat>, cx: &mut Decoder<'_>) -> Option<String> {
    let text = String::decode(node, cx)?;
    check(&text, format, node, cx)?;
    Some(text)
}

fn decode_file(node: &Node, format: Option<TargetFormat>, cx: &mut Decoder<'_>) -> Option<FilePath> {
    let file = FilePath::decode(node, cx)?;
    match read(file.as_path()) {
        Ok(text) => {
            check(&text, format, node, cx)?;
            if format == Some(TargetFormat::Json) && !target::is_a_json_document_a_line(&text) {
                cx.warn(node, "vegeta overlooks JSON targets that are not in a line of their own, with a line break");
            }
        }
        Err(error) => {
            cx.invalid(node, format!("cannot read the file: {error}"));
            return None;
        }
    }
    Some(file)
}

/// The text of a file of targets. Bytes that are not UTF-8 may stand in headers, which vegeta sends as they are.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn check(text: &str, format: Option<TargetFormat>, node: &Node, cx: &mut Decoder<'_>) -> Option<()> {
    let checked = match format? {
        TargetFormat::Http => target::check_http(text),
        TargetFormat::Json => target::check_json(text),
    };
    // Targets may hold credentials, so they are not quoted.
    checked.map_err(|error| cx.invalid_unquoted(node, error.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::connector::ConnectorName;
    use crate::decode::{NoVariables, Origin, Variables};

    struct Variable(&'static str, &'static str);

    impl Variables for Variable {
        fn get(&self, name: &str) -> Option<&str> {
            (name == self.0).then_some(self.1)
        }
    }

    fn parse_in(variables: &dyn Variables, section: &Json) -> Result<VegetaConfig, String> {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("vegeta");
        let section = Section { name: &name, node: &node, prefix: "SERVO_VEGETA_" };
        let parsed = Decoder::run(variables, |cx| cx.within("vegeta", |cx| VegetaConfig::parse(section, cx)));
        parsed.map_err(|problems| problems.to_string())
    }

    /// Compares all problems of a section, as `path: rule`.
    fn check(section: &Json, problems: &[&str]) {
        let found = parse_in(&NoVariables, section).err().unwrap_or_default();
        let expected: Vec<String> = problems.iter().map(|problem| format!("test: vegeta{problem}")).collect();
        assert_eq!(found, expected.join("\n"), "{section}");
    }

    const HINT: &str = "write requests per time, such as 50/1s, or 50 for 50 a second";

    #[test]
    fn what_is_absent_has_its_default() {
        let config = parse_in(&NoVariables, &json!({"rate": 50, "target": "GET http://a"})).expect("valid");
        let dump = serde_json::to_value(config).expect("serializable");
        let expected = json!({
            "description": null, "rate": "50", "format": "http", "target": "GET http://a", "targets": null,
            "connections": 10000, "workers": 10, "max_workers": null, "max_body": -1, "http2": true,
            "keepalive": true, "insecure": false, "reporting_interval": "15s",
        });
        assert_eq!(dump.to_string(), expected.to_string());
    }

    #[test]
    fn rates_are_hits_or_hits_per_interval() {
        let with_rate = |rate: Json| json!({"rate": rate, "target": "GET http://a", "max_workers": 1});
        for rate in [json!("50"), json!(50), json!("0050"), json!("50/1m30s"), json!("0"), json!("0/1s")] {
            check(&with_rate(rate), &[]);
        }
        for (rate, problem) in [
            (json!(5.5), "rate strings are of the form hits/interval (got 5.5)"),
            (json!("1/1s/1"), "rate strings are of the form hits/interval (got \"1/1s/1\")"),
            (json!(""), "rate strings are of the form hits/interval (got \"\")"),
            (json!("-5/1s"), "rate must have an integer hits component (got \"-5/1s\")"),
            (json!("/1s"), "rate must have an integer hits component (got \"/1s\")"),
            (
                json!("50/"),
                "rate has an invalid duration '': write a number with a unit, such as 5m or 1h30m (got \"50/\")",
            ),
        ] {
            check(&with_rate(rate), &[&format!(".rate: {problem}; {HINT}")]);
        }
    }

    #[test]
    fn a_rate_of_zero_needs_a_limit_of_workers() {
        let rule = ".rate: a rate of 0 is without limit and needs max_workers";
        for (rate, max_workers, problems) in [
            ("0", json!(null), &[rule] as &[_]),
            ("00/1s", json!(0), &[rule]),
            ("0", json!(2), &[]),
            ("1", json!(null), &[]),
        ] {
            check(&json!({"rate": rate, "target": "GET http://a", "max_workers": max_workers}), problems);
        }
    }

    #[test]
    fn exactly_one_of_target_and_targets_is_there() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("targets");
        std::fs::write(&file, "GET http://a\n").expect("writable");
        check(&json!({"unknown": 1}), &[": target or targets must be configured"]);
        check(&json!({"target": null, "targets": null}), &[": target or targets must be configured"]);
        check(
            &json!({"target": "GET http://a", "targets": "/no/such/file"}),
            &[": target and targets cannot both be configured"],
        );
        check(&json!({"rate": 1, "target": "", "targets": file}), &[".target: no targets found"]);
        check(&json!({"rate": 1, "target": null, "targets": file}), &[]);
    }

    #[test]
    fn variables_of_the_environment_count() {
        let variable = Variable("SERVO_VEGETA_TARGET", "GET http://a");
        let config = parse_in(&variable, &json!({"rate": 1})).expect("valid");
        assert_eq!(config.targets, Targets::Text("GET http://a".to_owned()));
        let both = parse_in(&variable, &json!({"rate": 1, "targets": "file"}));
        assert_eq!(both, Err("test: vegeta: target and targets cannot both be configured".to_owned()));
    }

    #[test]
    fn a_file_that_vegeta_reads_in_part_is_warned_about() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("targets");
        let warnings = |text: &str| {
            std::fs::write(&file, text).expect("writable");
            let section = json!({"rate": 1, "format": "json", "targets": file});
            let node = Node::from_json(&section, &Origin::whole("test"));
            let name = ConnectorName::new("vegeta");
            let mut cx = Decoder::new(&NoVariables);
            VegetaConfig::parse(Section { name: &name, node: &node, prefix: "" }, &mut cx).expect("valid");
            cx.take_warnings()
        };
        let target = r#"{"method":"GET","url":"http://a"}"#;
        assert_eq!(warnings(&format!("{target}\n\n{target}\n")), [""; 0]);
        let warning =
            "test: targets: vegeta overlooks JSON targets that are not in a line of their own, with a line break";
        for text in [target.to_owned(), format!("{target}\n{target}"), "{\n".to_owned() + &target[1..] + "\n"] {
            assert_eq!(warnings(&text), [warning], "{text}");
        }
    }

    #[test]
    fn all_problems_are_reported_and_targets_are_not_repeated() {
        check(
            &json!({"rate": "x", "format": "xml", "targets": "/no/such/file", "workers": "many", "duration": "1s"}),
            &[
                &format!(".rate: rate strings are of the form hits/interval (got \"x\"); {HINT}"),
                ".format: value is not a valid enumeration member; permitted: 'http', 'json' (got \"xml\")",
                ".targets: file or directory at path \"/no/such/file\" does not exist",
                ".workers: value is not a valid integer (got \"many\")",
                ".duration: extra fields not permitted",
            ],
        );
        check(
            &json!({"rate": 1, "target": "secret"}),
            &[".target: invalid target: line 1 is neither a request, such as GET http://host/, nor a header, such as \
             Name: value"],
        );
    }
}
