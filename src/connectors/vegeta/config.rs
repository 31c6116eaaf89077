//! The section of a `vegeta` connector.

use std::borrow::Cow;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json};

use super::target;
use crate::connector::Section;
use crate::decode::{
    Decode, Decoder, Fields, FilePath, Form, Node, Properties, Secrets, Show, TextForm, Value, keys, words,
};
use crate::types::Duration;

keys! {
    /// Generates load by vegeta, and measures it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct VegetaConfig {
        /// Free text.
        pub(super) description: Option<String> = None,
        /// How many requests in which time; a number is per second, and 0 is as fast as it goes, which takes
        /// `max_workers`. Required.
        pub(super) rate: Rate,
        /// The language of the targets. `http` by default.
        pub(super) format: TargetFormat = TargetFormat::Http,
        /// What is requested. Required.
        pub(super) targets: Targets as TextOrFile,
        /// Idle connections per host, at most; 10000 by default.
        pub(super) connections: i64 = 10_000,
        /// Workers to begin with; 10 by default.
        pub(super) workers: i64 = 10,
        /// Workers at most; none and 0 mean as many as it takes.
        pub(super) max_workers: Option<i64> = None,
        /// Bytes that are read of each answer, at most; -1, the default, means all.
        pub(super) max_body: i64 = -1,
        /// Whether HTTP/2 is used where the server offers it. True by default.
        pub(super) http2: bool = true,
        /// Whether connections are used again. True by default.
        pub(super) keepalive: bool = true,
        /// Whether certificates may be invalid. False by default.
        pub(super) insecure: bool = false,
        /// Time between two reports; 15 s by default, and 0 means one report at the end.
        pub(super) reporting_interval: Duration = Duration::from_secs(15),
    }
    check: VegetaConfig::check;
}

/// What is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Targets {
    /// The key `target`: the targets themselves.
    Text(String),
    /// The key `targets`: a file of them.
    File(FilePath),
}

/// The form of targets: two keys, of which one is needed.
struct TextOrFile;

impl Form<Targets> for TextOrFile {
    fn read(_: &'static str, _: Option<Targets>, fields: &mut Fields<'_, '_, '_>) -> Option<Targets> {
        let written = WrittenTargets::read(fields)?;
        let format = fields.preview("format", TargetFormat::Http);
        written.decode(format, fields.decoder())
    }

    fn show(_: &'static str, value: &Targets, secrets: Secrets, members: &mut Map<String, Json>) {
        let (text, file) = match value {
            Targets::Text(text) if secrets == Secrets::Raw => (text.show(secrets), Json::Null),
            Targets::Text(text) => (target::redacted(text).into(), Json::Null),
            Targets::File(file) => (Json::Null, file.show(secrets)),
        };
        members.insert("target".to_owned(), text);
        members.insert("targets".to_owned(), file);
    }

    fn describe(_: &'static str, _: &str, _: Option<&Targets>, properties: &mut Properties<'_>) {
        const TEXT: &str =
            "The targets themselves, in the language that `format` names. Either this or `targets` is required.";
        const FILE: &str = "Path of a file of targets. Either this or `target` is required.";
        properties.add::<Option<String>>("target", TEXT, Some(Json::Null));
        properties.add::<Option<FilePath>>("targets", FILE, Some(Json::Null));
    }
}

words! {
    /// The language of targets.
    pub(super) enum TargetFormat {
        /// Lines as in a request: method and address, then headers.
        Http = "http",
        /// A JSON object for each target.
        Json = "json",
    }
}

/// `hits` per second, or `hits/interval`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rate(String);

impl Show for Rate {
    fn show(&self, _: Secrets) -> Json {
        self.0.as_str().into()
    }
}

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
            // As vegeta reads it: a unit alone is one of it.
            [_, "ns" | "us" | "µs" | "ms" | "s" | "m" | "h"] => None,
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
        // Without targets, nothing else of the section is worth reading.
        WrittenTargets::read(&mut fields)?;
        fields.into_keys()
    }

    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.rate.is_unlimited() && self.max_workers.is_none_or(|limit| limit == 0) {
            fields.fail_at("rate", "a rate of 0 is without limit and needs max_workers");
            return None;
        }
        Some(self)
    }

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
    /// Reads the keys, one of which there must be.
    fn read(fields: &mut Fields<'n, '_, '_>) -> Option<Self> {
        let mut read = |key: &str| fields.own_node(key, TextForm::Text).map(|node| node.filter(|node| !node.is_null()));
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
    use serde_json::json;

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
        let dump = config.show(Secrets::Redacted);
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
