//! Whole configuration files: whether they load, and what they then say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};
use servox::internals::assembly::schema::of_everything;
use servox::internals::assembly::{Loaded, PreparedServo, load};
use servox::internals::config::file::{parse_bytes, parse_documents, to_yaml};
use servox::internals::config::{
    ConnectionFile, Detail, Dump, Environment, OptimizerConfig, OptimizerRequirement, Secrets,
};
use servox::internals::connectors::CONNECTORS;
use servox::internals::decode::{KeyPath, Node, Problems};
use servox::internals::types::{ByteSize, Duration};

use crate::support::{expect_equal, text};

/// The working directory belongs to the whole process.
static WORKING_DIRECTORY: Mutex<()> = Mutex::new(());

const FULL: Dump = Dump { secrets: Secrets::Raw, detail: Detail::Full };
const SET: Dump = Dump { secrets: Secrets::Raw, detail: Detail::Set };

/// What the mark of a case makes of its result.
enum Verdict {
    /// As recorded.
    Recorded,
    /// The port refuses what is recorded as valid.
    Refused,
    /// The port may refuse it.
    Either,
    /// The port accepts what is recorded as invalid.
    Accepted,
    /// The port does not look at the environment.
    WithoutEnvironment,
    /// The port reads `SERVO_CONNECTORS` as the key `connectors`.
    ConnectorsFromEnvironment,
}

fn verdict(case: &Value) -> Verdict {
    let mark = text(case, "quirk").unwrap_or_default();
    if mark.contains("should reject") || mark.contains("fails when checks run") {
        Verdict::Refused
    } else if mark.contains("may reject") {
        Verdict::Either
    } else if mark.contains("the port accepts") {
        Verdict::Accepted
    } else if mark.contains("a port must not") {
        Verdict::WithoutEnvironment
    } else if mark.contains("never activates or restricts") {
        Verdict::ConnectorsFromEnvironment
    } else {
        Verdict::Recorded
    }
}

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let _guard = WORKING_DIRECTORY.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (name, content) in case["input"]["files"].as_object().into_iter().flatten() {
        let content = content.as_str().ok_or("a file is text")?;
        std::fs::write(folder.path().join(name), content).map_err(|error| error.to_string())?;
    }
    let before = std::env::current_dir().map_err(|error| error.to_string())?;
    std::env::set_current_dir(folder.path()).map_err(|error| error.to_string())?;
    let checked = check_here(case);
    std::env::set_current_dir(before).map_err(|error| error.to_string())?;
    checked
}

fn check_here(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let loaded = load_case(input, &environment(input));
    check_against_schema(case, loaded.as_ref().ok())?;
    match (verdict(case), case.get("output"), loaded) {
        (Verdict::Refused, _, Ok(_)) => Err("it is accepted".to_owned()),
        (Verdict::Refused | Verdict::Either, _, Err(_)) | (Verdict::Either | Verdict::Accepted, _, Ok(_)) => Ok(()),
        (Verdict::WithoutEnvironment, _, Ok(loaded)) => {
            let without = load_case(input, &Environment::default()).map_err(|problems| problems.to_string())?;
            expect_equal("configuration", &shown(&without.servos), &shown(&loaded.servos))
        }
        (Verdict::ConnectorsFromEnvironment, _, loaded) => {
            let connectors = input["env"]["SERVO_CONNECTORS"].as_str().unwrap_or_default();
            let yaml = format!("{}connectors: {connectors}\n", input["yaml"].as_str().unwrap_or_default());
            let as_key = load_case(&json!({ "yaml": yaml }), &Environment::default());
            expect_equal("valid", &as_key.is_ok(), &loaded.is_ok())
        }
        (_, Some(output), Ok(loaded)) => check_documents(output, &loaded.servos),
        (_, Some(_), Err(problems)) => Err(format!("refused:\n{problems}")),
        (_, None, Ok(_)) => Err("it is accepted".to_owned()),
        (_, None, Err(problems)) => check_problems(case, &problems),
    }
}

/// What loads must pass the schema; what does not load must fail it, unless its rules are beyond a schema's means.
fn check_against_schema(case: &Value, loaded: Option<&Loaded>) -> Result<(), String> {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        jsonschema::validator_for(&of_everything(CONNECTORS)).unwrap_or_else(|error| unreachable!("{error}"))
    });
    let input = &case["input"];
    let is_alone = input.get("env").is_none();
    let documents = match (loaded, is_alone) {
        (Some(loaded), false) => loaded.servos.iter().map(|servo| servo.shown(SET)).collect(),
        (None, false) => return Ok(()),
        (_, true) => {
            let yaml = input["yaml"].as_str().unwrap_or_default();
            let Ok(parsed) = parse_bytes(yaml.as_bytes(), "servo.yaml") else { return Ok(()) };
            parsed.documents.iter().map(Node::to_json).collect::<Vec<_>>()
        }
    };
    for document in &documents {
        if let (Some(_), Err(error)) = (loaded, VALIDATOR.validate(document)) {
            return Err(format!("the schema refuses what loads: {}: {error}", error.instance_path()));
        }
    }
    let passes = documents.iter().all(|document| VALIDATOR.is_valid(document));
    let gists: Vec<&str> =
        case["errors"].as_array().into_iter().flatten().filter_map(|error| error["gist"].as_str()).collect();
    // The environment may give an optimizer; `connectors` may give any section a meaning.
    let is_open =
        documents.iter().any(|document| document.get("optimizer").is_none() || document.get("connectors").is_some());
    let is_beyond = is_open || gists.iter().any(|gist| BEYOND_A_SCHEMA.iter().any(|rule| gist.contains(rule)));
    if loaded.is_none() && passes && !gists.is_empty() && !is_beyond {
        return Err(format!("the schema takes what does not load: {gists:?}"));
    }
    Ok(())
}

/// Rules over several values, over files, and over the text of a value, which a schema does not say.
const BEYOND_A_SCHEMA: &[&str] = &[
    "must be configured with a connection file",
    "No optimization target",
    "error parsing JSON",
    "invalid or missing URL scheme",
    "file or directory",
    "in rate",
    "in duration",
    "target or targets",
    "target and targets",
    "no targets found",
    "invalid target",
    "Vegeta JSON target",
    "invalid JSON",
    "cannot be greater than max",
    "must be greater than zero",
    "not step aligned",
    "outside of the range",
    "step cannot be zero",
    "step must be zero",
    "not in the values list",
    "same Numeric type",
];

fn environment(input: &Value) -> Environment {
    let pairs = input["env"].as_object().into_iter().flatten();
    Environment::from_pairs(pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))))
}

/// Loads a file as a servo does that begins to run: a connection file that is there is read too.
fn load_case(input: &Value, environment: &Environment) -> Result<Loaded, Problems> {
    let yaml = input["yaml"].as_str().unwrap_or_default();
    let parsed = parse_bytes(yaml.as_bytes(), "servo.yaml")?;
    let loaded = load(parsed, CONNECTORS, environment, OptimizerRequirement::Required)?;
    for servo in &loaded.servos {
        if let Some(path) = servo.config.optimizer.as_ref().and_then(OptimizerConfig::connection_file)
            && let Ok(text) = std::fs::read_to_string(path)
        {
            ConnectionFile::parse(&text, "connection file").map_err(|problems| below("optimizer", &problems))?;
        }
    }
    Ok(loaded)
}

/// The problems with their paths below a key.
fn below(key: &str, problems: &Problems) -> Problems {
    let mut moved = Problems::default();
    for problem in problems {
        let mut problem = problem.clone();
        let segments = std::iter::once(key).chain(problem.path.segments().iter().map(String::as_str));
        problem.path = KeyPath::new(segments);
        moved.push(problem);
    }
    moved
}

fn shown(servos: &[PreparedServo]) -> Vec<Value> {
    servos.iter().map(|servo| servo.shown(FULL)).collect()
}

fn check_documents(output: &Value, servos: &[PreparedServo]) -> Result<(), String> {
    let documents = output["documents"].as_array().ok_or("no documents")?;
    expect_equal("number of documents", &documents.len(), &servos.len())?;
    documents.iter().zip(servos).try_for_each(|(document, servo)| check_document(document, servo))
}

fn check_document(expected: &Value, servo: &PreparedServo) -> Result<(), String> {
    let optimizer = servo.config.optimizer.as_ref().ok_or("no optimizer")?;
    let kind = match optimizer {
        OptimizerConfig::Opsani(_) => "opsani",
        OptimizerConfig::AppDynamics(_) => "appdynamics",
        OptimizerConfig::Embedded(_) => "embedded",
    };
    expect_equal("optimizer", &expected["optimizer"].as_str(), &Some(kind))?;
    let id = servo.identity().map(|identity| identity.id.clone());
    expect_equal("id", &expected["id"].as_str(), &id.as_deref())?;
    let mut active: Vec<&str> = servo.routes.iter().map(|route| route.name.as_str()).collect();
    if !servo.config.lists_connectors() {
        active.sort_unstable();
    }
    expect_equal("active connectors", &expected["active"], &json!(active))?;
    let full = connected(servo.shown(FULL), expected);
    compare("full", &readable(&expected["full"]), &full, None)?;
    let set = servo.shown(SET);
    if let Some(config) = expected.get("config") {
        compare("config", &readable(config), &connected(set.clone(), expected), Some(&full))?;
    }
    loads_back(&set, servo)
}

/// With what the connection file says, which the reference shows in place of what is written.
fn connected(mut shown: Value, expected: &Value) -> Value {
    if shown["optimizer"].get("connection_file").is_some_and(Value::is_string) {
        shown["optimizer"] = expected["full"]["optimizer"].clone();
    }
    shown
}

/// The dump that is set loads back as the same configuration.
fn loads_back(set: &Value, servo: &PreparedServo) -> Result<(), String> {
    let text = to_yaml(set);
    let again = parse_documents(&text, "shown")
        .and_then(|parsed| load(parsed, CONNECTORS, &Environment::default(), OptimizerRequirement::Required))
        .map_err(|problems| format!("what is shown does not load:\n{problems}\n{text}"))?;
    expect_equal("what is shown, loaded again", &vec![servo.shown(FULL)], &shown(&again.servos))
}

/// The keys that are read, where the reference shows names of its own that nothing reads.
fn readable(value: &Value) -> Value {
    const NAMES: [(&str, &str); 6] = [
        ("pool", "scrapePool"),
        ("url", "scrapeUrl"),
        ("global_url", "globalUrl"),
        ("discovered_labels", "discoveredLabels"),
        ("last_scraped_at", "lastScrape"),
        ("last_scrape_duration", "lastScrapeDuration"),
    ];
    let mut value = value.clone();
    let sections = value.as_object_mut().into_iter().flat_map(|members| members.values_mut());
    for target in sections.filter_map(|section| section.get_mut("targets")?.as_array_mut()).flatten() {
        let Some(members) = target.as_object_mut() else { continue };
        for (name, read) in NAMES {
            if let Some(member) = members.remove(name) {
                members.insert(read.to_owned(), member);
            }
        }
        if let Some(error) = members.remove("last_error") {
            members.insert("lastError".to_owned(), error);
        }
    }
    value
}

/// Compares what is shown. A dump of what is set may say more than the reference's where that would not load back;
/// `whole` is then everything that it could say.
fn compare(path: &str, expected: &Value, got: &Value, whole: Option<&Value>) -> Result<(), String> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(members)) => {
            for (key, value) in expected {
                let member = members.get(key).ok_or_else(|| format!("{path}.{key} is missing; expected {value}"))?;
                compare(&format!("{path}.{key}"), value, member, whole.map(|whole| &whole[key]))?;
            }
            let extra = members.iter().find(|(key, value)| {
                let may_be_said = whole.is_some_and(|whole| says(&whole[key.as_str()], value));
                !expected.contains_key(*key) && !may_be_said
            });
            extra.map_or(Ok(()), |(key, value)| Err(format!("{path}.{key} is unexpected: {value}")))
        }
        (Value::Array(expected), Value::Array(items)) if expected.len() == items.len() => {
            expected.iter().zip(items).enumerate().try_for_each(|(index, (expected, item))| {
                compare(&format!("{path}.{index}"), expected, item, whole.map(|whole| &whole[index]))
            })
        }
        (Value::String(expected), Value::String(text)) if is_same_quantity(expected, text) => Ok(()),
        _ if expected == got => Ok(()),
        _ => Err(format!("{path}: expected {expected}, got {got}")),
    }
}

/// Whether two texts are one duration, one time, or one size that the reference has rounded to a decimal.
fn is_same_quantity(expected: &str, got: &str) -> bool {
    if let (Ok(expected), Ok(got)) = (Duration::parse(expected), Duration::parse(got)) {
        return expected == got;
    }
    let time = |text: &str| text.get(..26).map(str::to_owned).filter(|text| text.contains('T'));
    if let (Some(expected), Some(got)) = (time(expected), time(got)) {
        return expected == got;
    }
    ByteSize::parse(got).is_ok_and(|size| size.human() == expected)
}

/// Whether a value has all that a part of it says.
fn says(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| says(whole, part)))
        }
        _ => whole == part,
    }
}

fn check_problems(case: &Value, problems: &Problems) -> Result<(), String> {
    let Some(errors) = case.get("errors").and_then(Value::as_array) else { return Ok(()) };
    let is_call = |error: &&Value| error["gist"].as_str().is_some_and(|gist| gist.starts_with("__init__()"));
    let expected: BTreeSet<String> = errors.iter().filter_map(|error| error["path"].as_str()).map(real_path).collect();
    // What is missing in a call of the reference's own is named with the mapping; here it is named itself.
    let calls: Vec<&str> = errors.iter().filter(is_call).filter_map(|error| error["path"].as_str()).collect();
    let got: BTreeMap<String, &str> =
        problems.iter().map(|problem| (problem.path.to_string(), problem.rule.as_str())).collect();
    let is_below = |path: &String| calls.iter().any(|call| path.starts_with(&format!("{call}.")));
    if expected.iter().any(|path| got.contains_key(path)) || got.keys().any(is_below) {
        return Ok(());
    }
    Err(format!("expected a problem at one of {expected:?}; got\n{problems}"))
}

/// The path without rules over whole mappings and names of classes.
fn real_path(path: &str) -> String {
    let is_artificial = |segment: &&str| *segment == "__root__" || is_class_name(segment);
    path.split('.').filter(|segment| !is_artificial(segment)).collect::<Vec<_>>().join(".")
}

fn is_class_name(segment: &str) -> bool {
    segment.ends_with("Setting") && segment.starts_with(|c: char| c.is_ascii_uppercase())
}
