//! One document of a servo.yaml: the keys of the servo itself, and the sections of its connectors.

use std::sync::Arc;

use schemars::JsonSchema;
use serde_json::{Value as Json, json};

use super::backoff::show_absent_limits;
use super::checks::ChecksConfig;
use super::common::CommonConfig;
use super::optimizer::OptimizerConfig;
use super::routes::{Descriptor, KnownConnector, Route};
use super::variables::{SERVO_OPTIMIZER, SERVO_PREFIX, SERVO_UID};
use super::{Environment, file};
use crate::decode::{Decode, Decoder, Detail, Dump, Fields, Map, Node, Problems, TextForm, Value, shown};

/// Configuration of one servo.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ServoConfig {
    /// Its name; without one the optimizer's identifier is used.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Sent with every message to the optimizer, which refuses other servos then.
    pub servo_uid: Option<String>,
    /// Who decides what to try next.
    #[schemars(with = "OptimizerConfig", default = "empty_optimizer")]
    pub optimizer: Option<OptimizerConfig>,
    /// Whether requests of the optimizer for diagnostics (configuration without secrets, and the last lines of the log)
    /// are ignored; default true.
    #[schemars(default = "no_diagnostics_by_default")]
    pub no_diagnostics: bool,
    /// How the optimizer is talked to.
    #[schemars(with = "Option<CommonConfig>")]
    pub settings: Arc<CommonConfig>,
    /// How checks are run.
    #[schemars(with = "Option<ChecksConfig>")]
    pub checks: ChecksConfig,
    /// Which connectors are active: a list of connector types, or a mapping from names of one's own to them. Without
    /// it, those that have a section.
    #[schemars(rename = "connectors", with = "Option<Descriptor>")]
    descriptor: Descriptor,
    #[schemars(skip)]
    sections: Vec<SectionConfig>,
    /// Whether `settings` and `checks` were written, as far as showing them is concerned.
    #[schemars(skip)]
    written: Written,
}

/// Without the key everything comes from the environment.
fn empty_optimizer() -> Json {
    Json::Object(serde_json::Map::new())
}

fn no_diagnostics_by_default() -> bool {
    true
}

/// The section of an active connector, not yet read by its factory.
#[derive(Debug, Clone)]
pub struct SectionConfig {
    /// The name of the connector, which is the key of the section.
    pub name: String,
    /// The default name of its type.
    pub connector: String,
    /// What was written, with what `SERVO_<NAME>` adds.
    pub node: Node,
    /// Prefix of the variables that fill absent keys, such as `SERVO_PROMETHEUS_`.
    pub prefix: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Written {
    settings: bool,
    checks: bool,
}

/// Whether a configuration must have an optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptimizerRequirement {
    Required,
    /// It need not: when neither file nor environment say anything of one, there is none.
    Optional,
}

/// What loading needs besides the documents.
#[derive(Clone, Copy)]
pub(crate) struct LoadOptions<'a> {
    /// The connector types, in dispatch order.
    pub known: &'a [KnownConnector<'a>],
    /// The names and types that a document without `connectors` may have; none is every type under its default
    /// name.
    pub offered: &'a [(&'a str, &'a str)],
    pub environment: &'a Environment,
    /// Whether every servo must have an optimizer.
    pub optimizer: OptimizerRequirement,
    /// Reports the problems of a connector's section, which then stand beside all others.
    pub check_section: &'a dyn Fn(&SectionConfig, &mut Decoder<'_>),
}

/// The configuration of a file.
#[derive(Debug, Clone)]
pub(crate) struct LoadedFile {
    pub servos: Vec<ServoConfig>,
    /// Complete sentences with positions, about what is legal but hardly meant.
    pub warnings: Vec<String>,
}

/// Validates the documents of a file.
///
/// # Errors
/// All problems of all documents.
pub(crate) fn load(parsed: file::ParsedFile, options: &LoadOptions<'_>) -> Result<LoadedFile, Problems> {
    let position = if parsed.documents.len() > 1 { Position::OneOfSeveral } else { Position::Only };
    let mut servos = Vec::new();
    let mut problems = Problems::default();
    let mut warnings = parsed.warnings;
    for document in &parsed.documents {
        let mut decoder = Decoder::new(options.environment).exact();
        let servo = ServoConfig::decode(document, position, options, &mut decoder);
        warnings.append(&mut decoder.take_warnings());
        match decoder.finish(servo) {
            Ok(servo) => servos.push(servo),
            Err(found) => problems.append(found),
        }
    }
    if problems.is_empty() { Ok(LoadedFile { servos, warnings }) } else { Err(problems) }
}

/// Whether a document has its file for itself. With others beside it, the environment alone gives no optimizer, as
/// all servos would have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Only,
    OneOfSeveral,
}

impl ServoConfig {
    /// Whether the key `connectors` says which connectors there are.
    pub fn lists_connectors(&self) -> bool {
        matches!(self.descriptor, Descriptor::Closed(_))
    }

    /// The sections of the active connectors, in dispatch order.
    pub fn sections(&self) -> &[SectionConfig] {
        &self.sections
    }

    /// The configuration as it is shown, followed by the sections as their connectors show them.
    pub fn to_json(&self, dump: Dump, sections: impl IntoIterator<Item = (String, Json)>) -> Json {
        let is_full = dump.detail == Detail::Full;
        let mut members = serde_json::Map::new();
        let mut add = |key: &str, value: Json, is_shown: bool| {
            if is_shown {
                members.insert(key.to_owned(), value);
            }
        };
        add("name", json!(self.name), is_full || self.name.is_some());
        add("description", json!(self.description), is_full || self.description.is_some());
        let optimizer = self.optimizer.as_ref().map(|optimizer| shown(optimizer, dump));
        add("optimizer", json!(optimizer), is_full || optimizer.is_some());
        let connectors = self.descriptor.to_json();
        add("connectors", json!(connectors), is_full || connectors.is_some());
        add("no_diagnostics", self.no_diagnostics.into(), is_full || !self.no_diagnostics);
        add("servo_uid", json!(self.servo_uid), self.servo_uid.is_some());
        // These two are also shown where they were written and say nothing but the defaults.
        let (settings, checks) = (self.settings.as_ref(), &self.checks);
        let is_set = |is_written: bool| is_written && !is_full;
        let mut shown_settings = shown(settings, dump);
        if is_full {
            show_absent_limits(&mut shown_settings["backoff"]);
        }
        add("settings", shown_settings, is_set(self.written.settings) || *settings != CommonConfig::default());
        add("checks", shown(checks, dump), is_set(self.written.checks) || *checks != ChecksConfig::default());
        members.extend(sections);
        members.into()
    }

    fn decode(node: &Node, position: Position, options: &LoadOptions<'_>, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?.with_environment(SERVO_PREFIX);
        let name = fields.or("name", None);
        let description = fields.or("description", None);
        let servo_uid = fields.get_from::<Option<String>>("servo_uid", Some(SERVO_UID)).map(Option::flatten);
        let optimizer = optimizer(&mut fields, position, options);
        let no_diagnostics = fields.or("no_diagnostics", no_diagnostics_by_default());
        let settings = section::<CommonConfig>("settings", &mut fields);
        let checks = section::<ChecksConfig>("checks", &mut fields);
        let descriptor = descriptor(&mut fields);
        let routes = descriptor.as_ref().and_then(|descriptor| {
            fields.decoder().within("connectors", |cx| descriptor.routes(options.known, options.offered, cx))
        });
        let sections = routes.as_ref().and_then(|routes| sections(routes, &mut fields, options));
        match routes {
            Some(_) => fields.finish(),
            // Without knowing the connectors, nothing can be said about other keys.
            None => fields.ignore_unknown(),
        }
        let ((settings, settings_written), (checks, checks_written)) = (settings?, checks?);
        Some(Self {
            name: name?,
            description: description?,
            servo_uid: servo_uid?,
            optimizer: optimizer?,
            no_diagnostics: no_diagnostics?,
            settings: Arc::new(settings),
            checks,
            descriptor: descriptor?,
            sections: sections?,
            written: Written { settings: settings_written, checks: checks_written },
        })
    }
}

/// The optimizer; `Some(None)` when there is none and need not be.
#[expect(clippy::option_option, reason = "a problem and an absent optimizer are two outcomes")]
fn optimizer(
    fields: &mut Fields<'_, '_, '_>,
    position: Position,
    options: &LoadOptions<'_>,
) -> Option<Option<OptimizerConfig>> {
    let variable = (position == Position::Only).then_some(SERVO_OPTIMIZER);
    let written = fields.node("optimizer", variable, TextForm::JsonOrText)?;
    let is_empty = match written.as_ref().map(|node| &node.value) {
        None => true,
        Some(Value::Map(map)) => map.is_empty(),
        // Only a mapping counts as a way of saying nothing.
        Some(_) => false,
    };
    if is_empty {
        let alone = position == Position::OneOfSeveral || !OptimizerConfig::is_in_environment(options.environment);
        match (options.optimizer, position) {
            (OptimizerRequirement::Optional, _) if alone => return Some(None),
            (OptimizerRequirement::Required, Position::OneOfSeveral) => {
                let rule = "cannot configure a multi-servo assembly without an optimizer specified in each config";
                fields.fail_at("optimizer", rule);
                return None;
            }
            _ => {}
        }
    }
    let empty = || Node::new(Value::Map(Map::default()), fields.origin("optimizer"));
    let node = written.map_or_else(empty, std::borrow::Cow::into_owned);
    fields.decoder().within("optimizer", |cx| OptimizerConfig::decode(&node, cx)).map(Some)
}

/// A section that may be absent or null, and whether it is neither.
fn section<T: Decode>(key: &str, fields: &mut Fields<'_, '_, '_>) -> Option<(T, bool)> {
    let variable = format!("{SERVO_PREFIX}{}", key.to_uppercase());
    let written = fields.node(key, Some(&variable), TextForm::Json)?.filter(|node| !node.is_null());
    let is_written = written.is_some();
    // The environment may still fill the keys of a section that is absent.
    let empty = || Node::new(Value::Map(Map::default()), fields.origin(key));
    let node = written.map_or_else(empty, std::borrow::Cow::into_owned);
    let value = fields.decoder().within(key, |cx| T::decode(&node, cx))?;
    Some((value, is_written))
}

fn descriptor(fields: &mut Fields<'_, '_, '_>) -> Option<Descriptor> {
    let variable = format!("{SERVO_PREFIX}CONNECTORS");
    // The variable replaces an absent key and adds nothing to one that is there.
    let node = fields.node("connectors", Some(&variable), TextForm::Text)?;
    fields.decoder().within("connectors", |cx| Descriptor::decode(node.as_deref(), cx))
}

fn sections(
    routes: &[Route<'_>],
    fields: &mut Fields<'_, '_, '_>,
    options: &LoadOptions<'_>,
) -> Option<Vec<SectionConfig>> {
    let found: Vec<Option<Option<SectionConfig>>> =
        routes.iter().map(|route| route_section(route, fields, options)).collect();
    for known in options.known {
        let is_routed = routes.iter().any(|route| route.name == known.default_name);
        if !is_routed && fields.has_written(known.default_name) {
            fields.accept(known.default_name);
            let hint = "it is not listed in 'connectors'";
            fields.fail_at_with_hint(known.default_name, "extra fields not permitted", hint);
        }
    }
    Some(found.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The section of a route; `Some(None)` when it is inactive.
#[expect(clippy::option_option, reason = "a problem and an inactive route are two outcomes")]
fn route_section(
    route: &Route<'_>,
    fields: &mut Fields<'_, '_, '_>,
    options: &LoadOptions<'_>,
) -> Option<Option<SectionConfig>> {
    let variable = format!("{SERVO_PREFIX}{}", route.name.to_uppercase());
    let node = fields.node(route.name, Some(&variable), TextForm::Json)?;
    let Some(node) = node.filter(|node| route.required || !node.is_null()) else {
        if route.required {
            let hint = format!("'connectors' lists it; the environment variable {variable} can also give it");
            fields.fail_at_with_hint(route.name, "field required", hint);
            return None;
        }
        return Some(None);
    };
    if node.is_null() {
        fields.fail_at(route.name, "none is not an allowed value");
        return None;
    }
    let section = SectionConfig {
        name: route.name.to_owned(),
        connector: route.connector.to_owned(),
        node: node.into_owned(),
        prefix: format!("{variable}_"),
    };
    fields.decoder().within(route.name, |cx| (options.check_section)(&section, cx));
    Some(Some(section))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Secrets;

    const OPTIMIZER: &str = "optimizer: {id: a.com/app, token: s3cr3t}\n";
    const KNOWN: [KnownConnector<'static>; 4] = [
        KnownConnector { default_name: "prometheus", class_name: "PrometheusConnector", reserved: true },
        KnownConnector { default_name: "vegeta", class_name: "VegetaConnector", reserved: true },
        KnownConnector { default_name: "wait", class_name: "WaitConnector", reserved: true },
        KnownConnector { default_name: "simulation", class_name: "SimulationConnector", reserved: false },
    ];

    fn load_with(
        text: &str,
        variables: &[(&str, &str)],
        optimizer: OptimizerRequirement,
    ) -> Result<Vec<ServoConfig>, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let options = LoadOptions {
            known: &KNOWN,
            offered: &[],
            environment: &environment,
            optimizer,
            check_section: &|_, _| {},
        };
        let loaded = file::parse_documents(text, "f").and_then(|parsed| load(parsed, &options));
        loaded.map(|loaded| loaded.servos).map_err(|problems| problems.to_string())
    }

    fn load_one(text: &str, variables: &[(&str, &str)]) -> Result<ServoConfig, String> {
        let mut servos = load_with(&format!("{OPTIMIZER}{text}"), variables, OptimizerRequirement::Required)?;
        Ok(servos.remove(0))
    }

    /// Checks the active connectors: name and type of each.
    fn check_routes(text: &str, variables: &[(&str, &str)], expected: &[(&str, &str)]) {
        let servo = load_one(text, variables).unwrap_or_else(|problems| panic!("{text}: {problems}"));
        let routes: Vec<_> = servo.sections().iter().map(|s| (s.name.as_str(), s.connector.as_str())).collect();
        assert_eq!(routes, expected, "{text}");
    }

    fn check_fails(text: &str, variables: &[(&str, &str)], messages: &[&str]) {
        let problems = load_one(text, variables).map(|_| ()).expect_err(text);
        let lines: Vec<&str> = problems.lines().collect();
        assert_eq!(lines.len(), messages.len(), "{problems}");
        for (line, message) in lines.iter().zip(messages) {
            assert!(line.starts_with(message), "{line:?} does not begin with {message:?}");
        }
    }

    #[test]
    fn what_sections_note_stands_beside_the_warnings_of_the_file() {
        let environment = Environment::default();
        let note = |section: &SectionConfig, cx: &mut Decoder<'_>| cx.warn(&section.node, "noted");
        let optimizer = OptimizerRequirement::Required;
        let options =
            LoadOptions { known: &KNOWN, offered: &[], environment: &environment, optimizer, check_section: &note };
        let text = format!("{OPTIMIZER}wait: {{}}\nname: a\nname: b\n");
        let loaded = file::parse_documents(&text, "f").and_then(|parsed| load(parsed, &options)).unwrap();
        assert_eq!(loaded.warnings.len(), 2);
        assert_eq!(loaded.warnings[1], "f:2:7: wait: noted");
    }

    #[test]
    fn without_a_descriptor_sections_that_are_there_are_active_in_the_order_of_the_types() {
        let text = "wait: {}\nvegeta: null\nprometheus: {}\n";
        let expected = [("prometheus", "prometheus"), ("wait", "wait")];
        check_routes(text, &[], &expected);
        for descriptor in ["null", "[]", "{}", "'[]'"] {
            check_routes(&format!("{text}connectors: {descriptor}\n"), &[], &expected);
        }
        check_routes("", &[("SERVO_WAIT", "{}"), ("SERVO_VEGETA_RATE", "1")], &[("wait", "wait")]);
    }

    #[test]
    fn a_list_activates_what_it_names_in_its_order() {
        let text = "connectors: [wait, some.path.PrometheusConnector, WaitConnector]\nprometheus: {}\nwait: {}\n";
        check_routes(text, &[], &[("wait", "wait"), ("prometheus", "prometheus")]);
        check_routes("connectors: '[\"wait\"]'\nwait: {}\n", &[], &[("wait", "wait")]);
        check_fails(
            "connectors: [wait]\nvegeta: {}\nbogus: 1\n",
            &[],
            &[
                "f:1:1: wait: field required; 'connectors' lists it; the environment variable SERVO_WAIT can also give it",
                "f:3:9: vegeta: extra fields not permitted; it is not listed in 'connectors'",
                "f:4:1: bogus: extra fields not permitted",
            ],
        );
        check_fails("connectors: [wait]\nwait: null\n", &[], &["f:3:7: wait: none is not an allowed value"]);
    }

    #[test]
    fn a_mapping_names_several_connectors_of_a_type() {
        let text = "connectors: {second: wait, first/x-1.y: WaitConnector}\nfirst/x-1.y: {}\nsecond: {}\n";
        check_routes(text, &[], &[("second", "wait"), ("first/x-1.y", "wait")]);
        check_routes(
            "connectors: {vegeta: vegeta, WaitConnector: wait}\nvegeta: {}\nWaitConnector: {}\n",
            &[],
            &[("vegeta", "vegeta"), ("WaitConnector", "wait")],
        );
        check_routes("connectors: {simulation: wait}\nsimulation: {}\n", &[], &[("simulation", "wait")]);
    }

    #[test]
    fn names_and_identifiers_of_a_descriptor_are_checked() {
        for (descriptor, message) in [
            ("{ab: wait}", "f:2:14: connectors: \"ab\" is not a valid connector name"),
            ("{no$pe: wait}", "f:2:14: connectors: \"no$pe\" is not a valid connector name"),
            ("{_abc: wait}", "f:2:14: connectors: \"_abc\" is not a valid connector name"),
            ("{vegeta: wait}", "f:2:14: connectors: the name \"vegeta\" is reserved for"),
            ("{settings: wait}", "f:2:14: connectors: the name \"settings\" is reserved"),
            ("{servo: wait}", "f:2:14: connectors: the name \"servo\" is reserved"),
            ("{adjust: wait}", "f:2:14: connectors: the name \"adjust\" is reserved"),
            ("{json: wait}", "f:2:14: connectors: the name \"json\" is reserved"),
            ("{first: bogus}", "f:2:21: connectors: no connector found for the identifier \"bogus\"; known are "),
            ("{first: 1}", "f:2:21: connectors: an identifier of a connector must be text (got 1)"),
            (
                "[prometeus]",
                "f:2:14: connectors: no connector found for the identifier \"prometeus\"; did you mean 'prometheus'?",
            ),
            ("[Wait]", "f:2:14: connectors: no connector found for the identifier \"Wait\"; did you mean 'wait'?"),
            ("[servo]", "f:2:14: connectors: no connector found"),
            ("wait", "f:2:13: connectors: text must be JSON of a list or a mapping (got \"wait\"); write a list"),
            ("''", "f:2:13: connectors: text must be JSON"),
            ("'\"wait\"'", "f:2:13: connectors: JSON text for connectors must hold"),
            ("5", "f:2:13: connectors: connectors must be a list or a mapping, found integer (got 5)"),
        ] {
            check_fails(&format!("connectors: {descriptor}\nwhatever: {{}}\n"), &[], &[message]);
        }
    }

    #[test]
    fn the_variable_counts_as_descriptor_when_the_file_has_none() {
        let variables = [("SERVO_CONNECTORS", "{\"first\": \"wait\"}"), ("SERVO_FIRST", "{}")];
        check_routes("", &variables, &[("first", "wait")]);
        check_routes("connectors: [wait]\nwait: {}\n", &variables, &[("wait", "wait")]);
        check_fails(
            "",
            &[("SERVO_CONNECTORS", "wait")],
            &["environment variable SERVO_CONNECTORS: connectors: text must be JSON"],
        );
    }

    #[test]
    fn sections_are_merged_with_their_variable_and_know_the_prefix_of_their_keys() {
        let text = "connectors: {staging-prom: prometheus}\nstaging-prom: {a: {x: 1}, l: [1]}\n";
        let variables = [("SERVO_STAGING-PROM", "{\"a\": {\"x\": 2, \"y\": 2}, \"l\": [2]}")];
        let servo = load_one(text, &variables).unwrap();
        let [section] = servo.sections() else { panic!("one section") };
        assert_eq!(section.node.to_json(), json!({"a": {"x": 1, "y": 2}, "l": [1]}));
        assert_eq!(section.prefix, "SERVO_STAGING-PROM_");
        check_fails(
            "wait: {}\n",
            &[("SERVO_WAIT", "x")],
            &["environment variable SERVO_WAIT: wait: the variable must be JSON"],
        );
    }

    #[test]
    fn all_problems_of_all_documents_and_sections_are_reported_together() {
        let check_section = |section: &SectionConfig, cx: &mut Decoder<'_>| cx.invalid(&section.node, "bad section");
        let environment = Environment::default();
        let optimizer = OptimizerRequirement::Required;
        let options = LoadOptions {
            known: &KNOWN,
            offered: &[],
            environment: &environment,
            optimizer,
            check_section: &check_section,
        };
        let text = "optimizer: {id: x, token: t}\nname: []\nwait: {}\n---\nname: two\nsettngs: {}\nchecks: {wait: x}\n";
        let problems = load(file::parse_documents(text, "f").unwrap(), &options).expect_err("accepted").to_string();
        let lines: Vec<String> =
            problems.lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
        assert_eq!(
            lines,
            [
                "f:2:7: name",
                "f:1:17: optimizer.id",
                "f:3:7: wait",
                "f:5:1: optimizer",
                "f:7:16: checks.wait",
                "f:6:1: settngs"
            ]
        );
        assert!(problems.contains("did you mean 'settings'?"), "{problems}");
    }

    #[test]
    fn several_documents_need_an_optimizer_each_in_the_file() {
        let variables = [("OPSANI_OPTIMIZER", "env.com/app"), ("OPSANI_TOKEN", "t")];
        let load = |text: &str, requirement| load_with(text, &variables, requirement);
        for second in ["name: two", "optimizer: {}"] {
            let text = format!("{OPTIMIZER}---\n{second}\n");
            let problems = load(&text, OptimizerRequirement::Required).map(|_| ()).expect_err(second);
            assert!(problems.contains("optimizer: cannot configure a multi-servo assembly"), "{problems}");
            let servos = load(&text, OptimizerRequirement::Optional).unwrap();
            assert_eq!(servos.iter().map(|servo| servo.optimizer.is_some()).collect::<Vec<_>>(), [true, false]);
        }
        let text = "optimizer: {id: a.com/app}\n---\noptimizer: {id: a.com/app}\n";
        assert_eq!(load(text, OptimizerRequirement::Required).unwrap().len(), 2);
    }

    #[test]
    fn an_optimizer_may_be_absent_only_when_nothing_is_said_of_one() {
        let optional = |text: &str, variables: &[(&str, &str)]| {
            load_with(text, variables, OptimizerRequirement::Optional).map(|servos| servos[0].optimizer.is_some())
        };
        assert_eq!(optional("", &[("OPSANI_TOKEN", "")]), Ok(false));
        assert_eq!(optional("optimizer: {}\n", &[]), Ok(false));
        assert_eq!(optional("", &[("SERVO_OPTIMIZER", r#"{"id": "a.com/app", "token": "t"}"#)]), Ok(true));
        for (text, variables) in
            [("optimizer: {token: t}\n", &[][..]), ("optimizer: null\n", &[]), ("", &[("APPD_TENANT_ID", "T")])]
        {
            assert!(optional(text, variables).is_err(), "{text:?} {variables:?}");
        }
        let required = load_with("", &[], OptimizerRequirement::Required).map(|_| ()).unwrap_err();
        assert!(required.contains("f:1:1: optimizer.id: field required; "), "{required}");
    }

    #[test]
    fn null_sections_of_the_servo_itself_mean_the_defaults() {
        let servo = load_one("settings: null\nchecks: null\nname: null\n", &[("CHECKS_WAIT", "1m")]).unwrap();
        assert_eq!(*servo.settings, CommonConfig::default());
        assert_eq!(servo.checks.wait.as_str(), "1m");
    }

    #[test]
    fn what_is_shown_has_only_what_was_set_and_loads_back_equal() {
        let text = "servo_uid: u\nconnectors: {one: wait}\nsettings: {ssl_verify: false}\nchecks: {}\none: {measure_enabled: yes}\n";
        let servo = load_one(text, &[("SERVO_NAME", "010"), ("SERVO_NO_DIAGNOSTICS", "no")]).unwrap();
        let dump = |servo: &ServoConfig, secrets, detail| {
            let sections = servo.sections().iter().map(|section| (section.name.clone(), section.node.to_json()));
            servo.to_json(Dump { secrets, detail }, sections)
        };
        let shown = dump(&servo, Secrets::Raw, Detail::Set);
        let expected = json!({
            "name": "010",
            "optimizer": {"id": "a.com/app", "token": "s3cr3t", "url": "https://api.opsani.com/accounts/a.com/applications/app/"},
            "connectors": {"one": "wait"},
            "no_diagnostics": false,
            "servo_uid": "u",
            "settings": {"ssl_verify": false},
            "checks": {},
            "one": {"measure_enabled": true},
        });
        assert_eq!(shown.to_string(), expected.to_string());
        let again = load_with(&file::to_yaml(&shown), &[], OptimizerRequirement::Required).unwrap();
        assert_eq!(dump(&again[0], Secrets::Raw, Detail::Full), dump(&servo, Secrets::Raw, Detail::Full));
        assert_eq!(dump(&servo, Secrets::Redacted, Detail::Set)["optimizer"]["token"], "REDACTED");
        assert!(!format!("{servo:?}").contains("s3cr3t"));
    }
}
