//! Writing durations.

use serde_json::Value;
use servox::internals::types::Duration;

use crate::support::{expect_equal, is_marked, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let micros = micros(&case["input"]["microseconds"]).ok_or("no number of microseconds")?;
    let expected = if is_marked(case) { &case["recommended"] } else { &case["output"] };
    let duration = Duration::from_micros(micros);
    expect_equal("extended", &text(expected, "extended").unwrap_or("?"), &duration.to_string().as_str())?;
    expect_equal("plain", &text(expected, "plain").unwrap_or("?"), &duration.plain().as_str())
}

/// An integer. One beyond 64 bits is a double once it has been JSON, but a whole one.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn micros(number: &Value) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_f64().map(|number| number as i128))
}
