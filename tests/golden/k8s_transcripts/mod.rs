//! The Kubernetes connector on a recorded cluster: the case's objects, events and refusals are given; what comes of each
//! event, and what it leaves in the cluster, is compared with the recording.

mod effects;
mod expected;
mod faults;
mod player;
mod recording;

use std::sync::Arc;

use serde_json::{Value, json};
use servox::internals::checks::Check;
use servox::internals::connector::EventError;
use tokio::process::Command;

use self::expected::{Expectation, Expected, Failure};
use self::player::Player;
use self::recording::{Recording, exchanges};
use crate::http_server::BOUND;
use crate::kube_api::KubeApi;
use crate::kubernetes_servo::{KubernetesServo, status};
use crate::support::expect_equal;
use crate::toy;

/// Checks one case.
pub(crate) fn check(case: &Value) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(play(case))
}

/// What became of an event.
enum Outcome {
    Described(Value),
    Checked(Vec<Check>),
    Done,
    Failed(EventError),
    /// A command that failed, and what it said.
    Refused(String),
}

async fn play(case: &Value) -> Result<(), String> {
    let recording = Arc::new(Recording::of(case));
    let player = Player::new(Arc::clone(&recording));
    let objects = case["input"]["initial_objects"].as_array().cloned().unwrap_or_default();
    let api = KubeApi::start(objects, player.clone()).await;
    let environment = case["input"]["environment"].as_object().into_iter().flatten();
    let environment: Vec<(&str, &str)> =
        environment.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    let servo = KubernetesServo::attach(&api.kubeconfig(), &case["input"]["config"], &environment).await?;
    api.forget_calls();

    let events = case["input"]["events"].as_array().ok_or("the case has no events")?;
    let mut exchanges = exchanges(case);
    for (step, event) in events.iter().enumerate() {
        let exchanges = exchanges.next().ok_or("an event without a step")?;
        faults::set_up(&api, exchanges);
        api.change(|objects| player.begin(step, objects));
        let Expectation { expected, is_as_recorded } = expected::of(case, step);
        let outcome = tokio::time::timeout(BOUND, dispatch(case, &api, &servo, event));
        let outcome = outcome.await.map_err(|_| format!("event {step} did not end"))??;
        let wrong = |wrong: String| {
            format!("event {step}, {}: {wrong}\n  requests: {:#?}", event["event"], api.summaries(|_| true))
        };
        compare(event, &expected, outcome).map_err(wrong)?;
        api.settle().await;
        if is_as_recorded {
            let own_namespace = case["input"]["environment"]["POD_NAMESPACE"].as_str();
            effects::compare(&recording, step, &api, own_namespace).map_err(wrong)?;
        }
        api.forget_calls();
    }
    Ok(())
}

async fn dispatch(case: &Value, api: &KubeApi, servo: &KubernetesServo, event: &Value) -> Result<Outcome, String> {
    let none = json!({});
    let done = |result: Result<(), EventError>| result.map_or_else(Outcome::Failed, |()| Outcome::Done);
    let described = |result: Result<Value, EventError>| result.map_or_else(Outcome::Failed, Outcome::Described);
    Ok(match event["event"].as_str().unwrap_or_default() {
        "describe" => described(servo.describe().await),
        "adjust" => {
            let adjustments = event["adjustments"].as_array().into_iter().flatten();
            let adjustments: Vec<(String, Value)> = adjustments.map(adjustment).collect();
            let adjustments: Vec<(&str, Value)> =
                adjustments.iter().map(|(selector, value)| (selector.as_str(), value.clone())).collect();
            described(servo.adjust(&adjustments, event.get("control").unwrap_or(&none)).await)
        }
        "check" => servo.check().await.map_or_else(Outcome::Failed, Outcome::Checked),
        "before_measure" => done(servo.before_measure().await),
        "inject_sidecar" => sidecar("inject-sidecar", &case["input"]["config"], api, event).await?,
        "eject_sidecar" => sidecar("eject-sidecar", &case["input"]["config"], api, event).await?,
        other => return Err(format!("unknown event {other:?}")),
    })
}

/// Runs a command on the sidecar of the first Deployment as a process of its own. Where in the list of containers it
/// is put is none of the command's options.
async fn sidecar(command: &str, config: &Value, api: &KubeApi, event: &Value) -> Result<Outcome, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let deployment = &config["deployments"][0];
    let namespace = [deployment, config].into_iter().find_map(|section| section["namespace"].as_str());
    let target = format!("deployment/{}", text(&deployment["name"]));
    let mut arguments = vec![command.to_owned(), target, "--namespace".to_owned()];
    arguments.push(namespace.unwrap_or("default").to_owned());
    let options = [("image", event), ("service", &event["options"]), ("port", &event["options"])];
    for (option, source) in options {
        if let Some(value) = source.get(option).filter(|value| !value.is_null()) {
            arguments.extend([format!("--{option}"), text(value)]);
        }
    }
    let finished = Command::new(std::env::current_exe().map_err(|e| e.to_string())?)
        .args(arguments)
        .env_clear()
        .env(toy::AS_SERVO, "1")
        .env("KUBECONFIG", api.kubeconfig())
        .kill_on_drop(true)
        .output();
    let finished = finished.await.map_err(|e| e.to_string())?;
    if finished.status.success() {
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Refused(String::from_utf8_lossy(&finished.stderr).into_owned()))
}

fn adjustment(adjustment: &Value) -> (String, Value) {
    let text = |name: &str| adjustment[name].as_str().unwrap_or_default();
    (format!("{}.{}", text("component_name"), text("setting_name")), adjustment["value"].clone())
}

fn compare(event: &Value, expected: &Expected, outcome: Outcome) -> Result<(), String> {
    match (expected, outcome) {
        (Expected::Descriptor(expected), Outcome::Described(got)) => expect_equal("descriptor", expected, &got),
        (Expected::Adjusted, Outcome::Described(got)) => compare_values(event, &got),
        (Expected::Checks(expected), Outcome::Checked(got)) => compare_checks(expected, &got),
        (Expected::Failure(expected), Outcome::Failed(got)) => compare_failure(expected, &got),
        (Expected::Failure(expected), Outcome::Refused(got)) => compare_names(expected, &got),
        (Expected::Done, Outcome::Failed(got)) => Err(format!("failed: {}", got.chain())),
        (Expected::Done, Outcome::Refused(got)) => Err(format!("failed: {got}")),
        (Expected::Done, _) => Ok(()),
        (expected, Outcome::Failed(got)) => {
            Err(format!("failed: {} ({:?}), expected {expected:?}", got.chain(), status(&got)))
        }
        (expected, Outcome::Described(got)) => Err(format!("described {got}, expected {expected:?}")),
        (expected, _) => Err(format!("succeeded, expected {expected:?}")),
    }
}

/// Every adjusted setting of a component that is described has its new value.
fn compare_values(event: &Value, descriptor: &Value) -> Result<(), String> {
    for adjustment in event["adjustments"].as_array().into_iter().flatten() {
        let text = |name: &str| adjustment[name].as_str().unwrap_or_default();
        let (component, setting) = (text("component_name"), text("setting_name"));
        let got = &descriptor["application"]["components"][component]["settings"][setting]["value"];
        let gib =
            if setting.starts_with("mem") && adjustment["value"].is_string() { 1024.0 * 1024.0 * 1024.0 } else { 1.0 };
        let expected = effects::quantity(&adjustment["value"]).map(|number| number / gib);
        expect_equal(&format!("{component}.{setting}"), &expected, &effects::quantity(got))?;
    }
    Ok(())
}

fn compare_checks(expected: &[Value], got: &[Check]) -> Result<(), String> {
    let got: Vec<Value> = got
        .iter()
        .map(|check| {
            let (severity, success) = (check.severity.as_str(), check.success);
            json!({"id": check.id, "name": check.name, "severity": severity, "success": success})
        })
        .collect();
    let expected: Vec<Value> = expected
        .iter()
        .map(|check| {
            json!({"id": check["id"], "name": check["name"], "severity": check["severity"], "success": check["success"]})
        })
        .collect();
    expect_equal("checks", &expected, &got)
}

fn compare_failure(expected: &Failure, got: &EventError) -> Result<(), String> {
    let (word, reason) = status(got);
    let message = got.chain();
    let reason = reason.map(str::to_owned);
    if !expected.words.iter().any(|expected| expected == word) {
        return Err(format!("{word} ({message}), expected {:?}", expected.words));
    }
    if !expected.reasons.is_empty() && !expected.reasons.contains(&reason) {
        return Err(format!("reason {reason:?} ({message}), expected {:?}", expected.reasons));
    }
    compare_names(expected, &message)
}

fn compare_names(expected: &Failure, message: &str) -> Result<(), String> {
    match expected.names.iter().find(|name| !message.contains(*name)) {
        Some(name) => Err(format!("the message does not name {name:?}: {message}")),
        None => Ok(()),
    }
}
