//! The control object of a command.

use serde_json::{Map, Value, json};
use servox::internals::decode::Problems;
use servox::internals::types::{Control, Duration, SloInput};

use crate::support::{decode, decoded, expect_equal, expect_problems, is_marked, is_validation_error, text};

/// The keys whose values are durations.
const DURATIONS: [&str; 5] = ["duration", "delay", "warmup", "settlement", "past"];
/// The keys whose values are mappings.
const MAPPINGS: [&str; 3] = ["load", "environment", "userdata"];

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let keys = keys(&case["input"]);
    let result = decode::<Control>(&Value::Object(keys.clone()));
    if is_marked(case) { check_marked(case, &keys, result) } else { check_plain(case, result) }
}

/// The keys of the control object. A control object is not changed once made: assigning a key that it has gives the
/// object that has the new value from the start.
fn keys(input: &Value) -> Map<String, Value> {
    let mut keys = input.get("args").unwrap_or(input).as_object().cloned().unwrap_or_default();
    for assignment in input.get("assign").and_then(Value::as_array).into_iter().flatten() {
        if let [Value::String(key), value] = assignment.as_array().map_or(&[][..], Vec::as_slice) {
            keys.insert(key.clone(), value.clone());
        }
    }
    keys
}

fn check_plain(case: &Value, result: Result<Control, Problems>) -> Result<(), String> {
    match (text(case, "error"), result) {
        (None, Ok(control)) => expect_equal("control", &case["output"], &shown(&control)),
        (None, Err(problems)) => Err(format!("expected a control object, got {problems}")),
        (Some(error), Err(problems)) => expect_problems(error, &problems),
        // Keys that do not exist cannot be assigned here at all; there is nothing to refuse.
        (Some(error), Ok(_)) if !is_validation_error(error) => Ok(()),
        (Some(_), Ok(control)) => Err(format!("expected problems, got {control:?}")),
    }
}

/// Null and empty text are the only empty durations, lists are no mappings, delays are compared as durations.
fn check_marked(case: &Value, keys: &Map<String, Value>, result: Result<Control, Problems>) -> Result<(), String> {
    let is_container = |key: &&str| keys.get(*key).is_some_and(|value| value.is_array() || value.is_object());
    let is_list = |key: &&str| keys.get(*key).is_some_and(Value::is_array);
    if DURATIONS.iter().any(is_container) || MAPPINGS.iter().any(is_list) {
        return refused(result);
    }
    match (text(case, "error"), keys.get("past"), keys.get("delay")) {
        (None, _, _) => check_plain(case, result),
        (Some(_), Some(past), Some(delay)) => {
            expect_equal("delays", &delay_of(past)?, &delay_of(delay)?)?;
            let control = result.map_err(|problems| problems.to_string())?;
            expect_equal("delay", &delay_of(delay)?, &control.delay)
        }
        (Some(_), _, _) => refused(result),
    }
}

fn refused(result: Result<Control, Problems>) -> Result<(), String> {
    result.map_or(Ok(()), |control| Err(format!("expected problems, got {control:?}")))
}

fn delay_of(value: &Value) -> Result<Duration, String> {
    match value {
        Value::Null => Ok(Duration::ZERO),
        Value::String(text) if text.is_empty() => Ok(Duration::ZERO),
        other => decoded(other),
    }
}

fn shown(control: &Control) -> Value {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let userdata = control.userdata.as_ref().map(|userdata| {
        let mut shown = userdata.other.clone();
        shown.insert("slo".to_owned(), userdata.slo.as_ref().map_or(Value::Null, conditions));
        shown
    });
    json!({
        "duration": micros(control.duration),
        "delay": micros(control.delay),
        "warmup": micros(control.warmup),
        "settlement": control.settlement.map(micros),
        "load": control.load,
        "environment": control.environment,
        "userdata": userdata,
    })
}

fn conditions(slo: &SloInput) -> Value {
    slo.conditions.iter().map(ToString::to_string).collect()
}
