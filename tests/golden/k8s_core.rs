//! Cores of a container, as quantities.

use serde_json::{Value, json};
use servox::internals::types::Core;

use crate::support::{decoded, expect_equal, expect_quantity, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let result = decoded::<Core>(&case["input"]);
    let Some(expected) = case.get("output") else {
        return result.map_or(Ok(()), |core| Err(format!("expected a problem, got {core}")));
    };
    let core = result?;
    let cores = decoded(&expected["decimal"])?;
    expect_equal("cores", &cores, core.cores())?;
    expect_equal("wire number", &expected["wire"], &json!(core.as_f64()))?;
    let millis = decoded(&expected["millicores"])?;
    expect_equal("millicores", &millis, &(core.cores() * 1000_i64))?;
    // No cores at all have no sign here.
    let expected = text(expected, "string").unwrap_or_default().replace("-0n", "0n");
    expect_quantity(&expected, &core.to_string())
}
