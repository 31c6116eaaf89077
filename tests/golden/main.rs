//! The walker over the golden cases: a named test for every case of every file in `tests/golden/cases`.
//!
//! `SERVO_GOLDEN_DIR` replaces that folder by another one with files of the same names. A handler takes one case
//! and says what is wrong with what the crate makes of it. No case is skipped: a file that no handler knows, a file
//! or folder without cases, and a handler without its file all fail.

mod config_validation;
mod control;
mod conversation_basic;
mod duration_format;
mod duration_parse;
mod fast_fail;
mod generate;
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared with the other tests, which use all of it; a test may panic"
)]
#[path = "../support/http_server.rs"]
mod http_server;
mod k8s_core;
mod k8s_memory;
mod k8s_normalize_adjustment;
mod k8s_setting_repr;
mod k8s_transcripts;
#[expect(dead_code, clippy::unwrap_used, reason = "shared with the other tests, which use all of it; a test may panic")]
#[path = "../support/kube_api/mod.rs"]
mod kube_api;
mod kube_metrics_aggregation;
#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../support/kubernetes_servo.rs"]
mod kubernetes_servo;
mod measurement_repr;
mod numeric_formatting;
mod opsani_dev_generated;
mod prometheus_measurement_repr;
mod prometheus_query;
mod prometheus_response;
mod schema;
mod settings_repr;
mod settings_validation;
mod slo;
mod support;
mod toy;
mod vegeta_command;
mod vegeta_report;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Checks one case.
type Handler = fn(&Value) -> Result<(), String>;

/// Every file that is read, by its name without `.json`.
const HANDLERS: &[(&str, Handler)] = &[
    ("config_validation", config_validation::check),
    ("control", control::check),
    ("conversation_basic", conversation_basic::run),
    ("duration_format", duration_format::check),
    ("duration_parse", duration_parse::check),
    ("fast_fail", fast_fail::check),
    ("generate", generate::check),
    ("k8s_core", k8s_core::check),
    ("k8s_memory", k8s_memory::check),
    ("k8s_normalize_adjustment", k8s_normalize_adjustment::check),
    ("k8s_setting_repr", k8s_setting_repr::check),
    ("k8s_transcripts", k8s_transcripts::check),
    ("kube_metrics_aggregation", kube_metrics_aggregation::check),
    ("measurement_repr", measurement_repr::check),
    ("numeric_formatting", numeric_formatting::check),
    ("opsani_dev_generated", opsani_dev_generated::check),
    ("prometheus_measurement_repr", prometheus_measurement_repr::check),
    ("prometheus_query", prometheus_query::check),
    ("prometheus_response", prometheus_response::check),
    ("schema", schema::check),
    ("settings_repr", settings_repr::check),
    ("settings_validation", settings_validation::check),
    ("slo", slo::check),
    ("vegeta_command", vegeta_command::check),
    ("vegeta_report", vegeta_report::check),
];

/// Files and folders of features that do not exist yet. May only shrink.
const STILL_TO_COME: &[&str] = &[];

fn main() -> ExitCode {
    if toy::is_servo() {
        return toy::servo_main();
    }
    let arguments = Arguments::from_args();
    #[expect(clippy::disallowed_methods, reason = "a test program has no `cli` that reads it")]
    let given = std::env::var_os("SERVO_GOLDEN_DIR");
    let trials = trials(given);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The tests of the folder that is given, or of ours.
fn trials(given: Option<OsString>) -> Vec<Trial> {
    let is_ours = given.is_none();
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases"), PathBuf::from);
    let files = match files(&folder) {
        Ok(files) if files.is_empty() => return vec![failure("folder", format!("{} is empty", folder.display()))],
        Ok(files) => files,
        Err(error) => return vec![failure("folder", format!("{}: {error}", folder.display()))],
    };
    let mut trials: Vec<Trial> = files.iter().flat_map(|(name, path)| file_trials(name, path)).collect();
    if is_ours {
        let missing = HANDLERS.iter().filter(|(name, _)| !files.iter().any(|(file, _)| file == name));
        trials.extend(missing.map(|(name, _)| failure(name, "a handler, but no file".to_owned())));
    }
    trials
}

/// The entries of a folder by name, without `.json`, in order.
fn files(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name.strip_suffix(".json").unwrap_or(&name).to_owned(), path));
    }
    files.sort();
    Ok(files)
}

fn file_trials(name: &str, path: &Path) -> Vec<Trial> {
    if STILL_TO_COME.contains(&name) {
        return Vec::new();
    }
    let Some((_, handler)) = HANDLERS.iter().find(|(known, _)| *known == name) else {
        return vec![failure(name, format!("{}: no handler knows this file", path.display()))];
    };
    match cases(path) {
        Ok(cases) if cases.is_empty() => vec![failure(name, format!("{}: no cases", path.display()))],
        Ok(cases) => {
            let trial = |(index, case): (usize, Value)| {
                let check = *handler;
                let title = format!("{name}::{index:04} {}", slug(&case));
                Trial::test(title, move || check(&case).map_err(|wrong| failed(&case, &wrong)))
            };
            cases.into_iter().enumerate().map(trial).collect()
        }
        Err(error) => vec![failure(name, format!("{}: {error}", path.display()))],
    }
}

/// The cases of a file. What a file says beside them, such as fixtures, is added to each one that has no such key.
fn cases(path: &Path) -> Result<Vec<Value>, String> {
    if path.is_dir() {
        return schemas(path);
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut document: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let Some(Value::Array(mut cases)) = document.get_mut("cases").map(Value::take) else {
        return Err("no list of cases".to_owned());
    };
    let shared =
        document.as_object().into_iter().flatten().filter(|(key, _)| !matches!(key.as_str(), "about" | "cases"));
    for (key, value) in shared {
        for case in cases.iter_mut().filter_map(Value::as_object_mut) {
            case.entry(key).or_insert_with(|| value.clone());
        }
    }
    Ok(cases)
}

/// The schemas of a folder, one case each.
fn schemas(folder: &Path) -> Result<Vec<Value>, String> {
    let files = files(folder).map_err(|error| error.to_string())?;
    let case = |(name, path): (String, PathBuf)| {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let schema: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Ok(serde_json::json!({ "id": name, "schema": schema }))
    };
    files.into_iter().map(case).collect()
}

/// What a case is about, short enough for a line.
fn slug(case: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match case.get("id").or_else(|| case.get("input")) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let words = text.split(|c: char| !c.is_alphanumeric() && !"._-+%".contains(c)).filter(|word| !word.is_empty());
    let slug: String = words.collect::<Vec<_>>().join("_");
    slug.chars().take(LONGEST).collect()
}

fn failed(case: &Value, wrong: &str) -> Failed {
    const LONGEST: usize = 2_000;
    let shown: String = case.to_string().chars().take(LONGEST).collect();
    Failed::from(format!("{wrong}\n  case: {shown}"))
}

fn failure(name: &str, reason: String) -> Trial {
    Trial::test(name.to_owned(), move || Err(Failed::from(reason)))
}
