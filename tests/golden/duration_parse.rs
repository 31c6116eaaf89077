//! Reading durations from text and numbers.

use serde_json::Value;
use servox::internals::types::Duration;

use crate::support::{decode, expect_integer, is_marked};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let result = decode::<Duration>(input);
    let refused = case.get("error").is_some() || (is_marked(case) && has_foreign_digits(input));
    match (result, refused) {
        (Ok(duration), false) => expect_integer("microseconds", &case["output"]["microseconds"], duration.as_micros()),
        (Err(_), true) => Ok(()),
        (Ok(duration), true) => Err(format!("expected a problem, got {duration}")),
        (Err(problems), false) => Err(format!("expected a duration, got {problems}")),
    }
}

/// Digits beyond ASCII, which we refuse.
fn has_foreign_digits(input: &Value) -> bool {
    input.as_str().is_some_and(|text| text.chars().any(|c| c.is_numeric() && !c.is_ascii()))
}
