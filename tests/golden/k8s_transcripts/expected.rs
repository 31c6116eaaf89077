//! What the port's outcome of an event is to be: what was recorded, or what the case's mark says instead.

use serde_json::{Value, json};

/// What an event is to come to.
#[derive(Debug)]
pub(super) enum Expected {
    /// This description.
    Descriptor(Value),
    /// Some description in which the adjustments of the event have come true.
    Adjusted,
    /// A failure.
    Failure(Failure),
    /// These checks.
    Checks(Vec<Value>),
    /// Nothing more than no error.
    Done,
}

/// A failure, as the optimizer sees it.
#[derive(Debug)]
pub(super) struct Failure {
    /// Any of these.
    pub(super) words: Vec<String>,
    /// Any of these; anything when there are none.
    pub(super) reasons: Vec<Option<String>>,
    /// Texts that the message has.
    pub(super) names: Vec<String>,
}

/// What a step is to come to, and whether that is what was recorded.
pub(super) struct Expectation {
    pub(super) expected: Expected,
    pub(super) is_as_recorded: bool,
}

const MARKS: [&str; 6] = ["defect", "reference_defect", "quirk", "differs", "recommended", "note"];
const REASONS: [&str; 4] = ["unschedulable", "unstable", "start-failed", "image-pull-failed"];
const WORDS: [(&str, &str); 4] =
    [("reject", "rejected"), ("cancelled", "cancelled"), ("aborted", "aborted"), ("failed", "failed")];

/// The expectation of a step of a case.
pub(super) fn of(case: &Value, step: usize) -> Expectation {
    let outcome = &case["output"]["steps"][step]["outcome"];
    let mark = mark(case);
    if let Some(error) = outcome.get("error") {
        return failure(case, step, error, mark.as_deref());
    }
    let recorded = |expected| Expectation { expected, is_as_recorded: true };
    if let Some(checks) = outcome["checks"].as_array() {
        return recorded(Expected::Checks(checks.clone()));
    }
    let Some(descriptor) = outcome.get("descriptor") else { return recorded(Expected::Done) };
    let mut corrected = descriptor.clone();
    if mark.is_some() {
        correct(&mut corrected, case, step);
    }
    let is_as_recorded = corrected == *descriptor;
    Expectation { expected: Expected::Descriptor(corrected), is_as_recorded }
}

fn mark(case: &Value) -> Option<String> {
    let texts: Vec<&str> = MARKS.iter().filter_map(|mark| case[*mark].as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn failure(case: &Value, step: usize, error: &Value, mark: Option<&str>) -> Expectation {
    let said = mark.map(|mark| mark.split_once("should").map_or("", |(_, port)| port));
    if said.is_some_and(|port| port.contains("retry")) {
        return Expectation { expected: Expected::Adjusted, is_as_recorded: false };
    }
    let status = error.get("status_sent").unwrap_or(&Value::Null);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    // What is not reported is so by a defect: it is to be reported as failed, or as what it is classified to be.
    let mut words = text(&status["status"]).map_or(vec!["failed".to_owned(), "rejected".to_owned()], |word| vec![word]);
    let mut reasons = if status.is_object() { vec![text(&status["reason"])] } else { Vec::new() };
    if let Some(port) = said {
        let spoken = REASONS.iter().fold(port.to_owned(), |text, reason| text.replace(reason, ""));
        let named: Vec<_> =
            WORDS.iter().filter(|(stem, _)| spoken.contains(stem)).map(|(_, word)| (*word).to_owned()).collect();
        words = if named.is_empty() { words } else { named };
        let named: Vec<_> =
            REASONS.iter().filter(|reason| port.contains(*reason)).map(|reason| Some((*reason).to_owned())).collect();
        reasons = if named.is_empty() { reasons } else { named };
    }
    let names = names(case, step, error, mark.is_some());
    Expectation { expected: Expected::Failure(Failure { words, reasons, names }), is_as_recorded: mark.is_none() }
}

/// The object and the cause, as far as the recording has words for them.
fn names(case: &Value, step: usize, error: &Value, is_marked: bool) -> Vec<String> {
    let message = error["message"].as_str().unwrap_or_default();
    let exchanges = &case["output"]["steps"][step]["exchanges"];
    let mut texts = Vec::new();
    causes(exchanges, &mut texts);
    let mut names: Vec<String> = texts.into_iter().filter(|text| is_marked || message.contains(text)).collect();
    let config = &case["input"]["config"];
    let workloads =
        ["deployments", "stateful_sets"].into_iter().flat_map(|list| config[list].as_array().into_iter().flatten());
    let workloads: Vec<&str> = workloads.filter_map(|workload| workload["name"].as_str()).collect();
    // With several workloads it depends which of them it is about.
    if let [name] = workloads.as_slice() {
        names.push((*name).to_owned());
    }
    names.sort();
    names.dedup();
    names
}

/// What conditions that have failed say.
fn causes(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| causes(item, texts)),
        Value::Object(members) => {
            let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
            let status = members.get("status").and_then(Value::as_str);
            let has_failed = match kind {
                "Ready" | "PodScheduled" | "Progressing" => status == Some("False"),
                "ReplicaFailure" => status == Some("True"),
                _ => false,
            };
            if let (true, Some(message)) = (has_failed, members.get("message").and_then(Value::as_str)) {
                texts.push(message.to_owned());
            }
            members.values().for_each(|member| causes(member, texts));
        }
        _ => {}
    }
}

/// What the port describes otherwise in a canary: environment settings of the tuning component are pinned as they are
/// configured, and keep their values from one adjustment to the next.
fn correct(descriptor: &mut Value, case: &Value, step: usize) {
    let deployments = case["input"]["config"]["deployments"].as_array().into_iter().flatten();
    for deployment in deployments
        .filter(|deployment| deployment["strategy"] == "canary" || deployment["strategy"]["type"] == "canary")
    {
        let container = &deployment["containers"][0];
        let default = format!("{}/{}-tuning", text(&deployment["name"]), text(&container["name"]));
        let component = deployment["strategy"]["alias"].as_str().unwrap_or(&default).to_owned();
        for setting in container["env"].as_array().into_iter().flatten() {
            let name = text(&setting["name"]);
            let path = format!("/application/components/{component}/settings/{name}");
            let carried = carried(case, step, &component, name, &path);
            let Some(described) = descriptor.pointer_mut(&path) else { continue };
            described["pinned"] = json!(setting["pinned"].as_bool().unwrap_or(false));
            if let Some(value) = carried {
                // In its place among the keys, so that both print alike.
                described["value"] = value;
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The value that the last adjustment of a setting came to.
fn carried(case: &Value, step: usize, component: &str, setting: &str, path: &str) -> Option<Value> {
    let is_of_it =
        |adjustment: &Value| adjustment["component_name"] == component && adjustment["setting_name"] == setting;
    let adjusts = |step: &usize| {
        case["input"]["events"][*step]["adjustments"].as_array().is_some_and(|all| all.iter().any(is_of_it))
    };
    let last = (0..=step).rev().find(adjusts)?;
    case["output"]["steps"][last]["outcome"]["descriptor"].pointer(path)?.get("value").cloned()
}
