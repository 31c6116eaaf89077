//! Service level objectives.

use bigdecimal::{BigDecimal, Zero};
use serde_json::{Value, json};
use servox::internals::decode::Problems;
use servox::internals::types::{SloCondition, SloInput};

use crate::support::{decimal, decode, expect_equal, expect_problems, is_validation_error, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    if let Some(condition) = input.get("condition") {
        check_condition(case, decode(condition))
    } else {
        check_input(case, &input["slo"], decode(&input["slo"]))
    }
}

fn check_condition(case: &Value, result: Result<SloCondition, Problems>) -> Result<(), String> {
    match (text(case, "error"), result) {
        (None, Ok(condition)) => check_fields(&case["output"], &condition),
        (None, Err(problems)) => Err(format!("expected a condition, got {problems}")),
        (Some(error), Err(problems)) if is_validation_error(error) => expect_problems(error, &problems),
        // An error that escaped names the field that it was about.
        (Some(error), Err(problems)) => {
            let field = error.rsplit(": ").next().unwrap_or_default().trim_matches('\'');
            let named = problems.iter().any(|problem| problem.path.to_string() == field);
            if named { Ok(()) } else { Err(format!("expected a problem at '{field}', got {problems}")) }
        }
        (Some(_), Ok(condition)) => Err(format!("expected problems, got {condition}")),
    }
}

fn check_fields(expected: &Value, condition: &SloCondition) -> Result<(), String> {
    let shown = json!({
        "description": condition.description,
        "metric": condition.metric,
        "slo_metric_minimum": condition.slo_metric_minimum,
        "keep": condition.keep.as_str(),
        "trigger_count": condition.trigger_count,
        "trigger_window": condition.trigger_window,
        "threshold_metric": condition.threshold_metric,
        "slo_threshold_minimum": condition.slo_threshold_minimum,
    });
    for (field, value) in shown.as_object().into_iter().flatten() {
        expect_equal(field, &expected[field], value)?;
    }
    let multiplier = decimal(&expected["threshold_multiplier"]);
    expect_equal("threshold_multiplier", &multiplier, &Some(condition.threshold_multiplier.clone()))?;
    let threshold = decimal(&expected["threshold"]);
    expect_equal("threshold", &threshold, &condition.threshold)?;
    let expected = match threshold.filter(Zero::is_zero) {
        Some(zero) => with_zero(text(expected, "str").unwrap_or_default(), condition, &zero),
        None => text(expected, "str").unwrap_or_default().to_owned(),
    };
    expect_equal("text", &expected, &condition.to_string())
}

/// The text that the reference gives, with the threshold of zero that it leaves out.
fn with_zero(text: &str, condition: &SloCondition, zero: &BigDecimal) -> String {
    let keep = condition.keep.as_str();
    text.replacen(keep, &format!("{keep} {}", zero.with_scale(0)), 1)
}

fn check_input(case: &Value, input: &Value, result: Result<SloInput, Problems>) -> Result<(), String> {
    match (text(case, "error"), result) {
        (None, Ok(slo)) => {
            let texts: Value = slo.conditions.iter().map(ToString::to_string).collect();
            expect_equal("conditions", &case["output"], &texts)
        }
        (None, Err(problems)) => Err(format!("expected conditions, got {problems}")),
        (Some(error), Err(problems)) => expect_problems(error, &problems),
        // Conditions on zero have the same text in the reference, which leaves it out.
        (Some(_), Ok(slo)) if case.get("quirk").is_some() && are_of_zero(input) => {
            let texts: Vec<String> = slo.conditions.iter().map(ToString::to_string).collect();
            let distinct = texts.iter().enumerate().all(|(index, text)| !texts[..index].contains(text));
            if distinct { Ok(()) } else { Err(format!("expected different texts, got {texts:?}")) }
        }
        (Some(_), Ok(slo)) => Err(format!("expected problems, got {slo:?}")),
    }
}

fn are_of_zero(input: &Value) -> bool {
    let conditions = input["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions
        .iter()
        .all(|condition| decode::<BigDecimal>(&condition["threshold"]).is_ok_and(|number| number.is_zero()))
}
