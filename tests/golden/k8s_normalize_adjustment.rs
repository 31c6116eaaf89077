//! Adjustments as Kubernetes has them.

use serde_json::Value;
use servox::internals::types::{Adjustment, Scalar};

use crate::support::{decoded, expect_equal, expect_quantity, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let result = decoded::<Scalar>(&input["value"]).and_then(|value| normalize(input, value));
    match (case.get("output"), result) {
        (None, Err(_)) => Ok(()),
        (None, Ok(normal)) => Err(format!("expected a problem, got {normal:?}")),
        (Some(_), Err(problem)) => Err(format!("expected an adjustment, got {problem}")),
        (Some(expected), Ok((name, value))) => {
            expect_equal("setting", &text(expected, "setting"), &Some(name.as_str()))?;
            match (name.as_str(), &value) {
                ("cpu", Scalar::Text(cores)) => expect_quantity(text(expected, "value").unwrap_or_default(), cores),
                _ => expect_equal("value", &expected["value"], &value.to_json()),
            }
        }
    }
}

fn normalize(input: &Value, value: Scalar) -> Result<(String, Scalar), String> {
    let adjustment = Adjustment::new("web", text(input, "setting_name").unwrap_or_default(), value);
    let (name, value) = adjustment.for_kubernetes().map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value))
}
