//! Memory of a container, as quantities of a configuration.

use serde_json::{Value, json};
use servox::internals::types::ByteSize;

use crate::support::{decoded, expect_equal, is_marked};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let result = decoded::<ByteSize>(input);
    let expected = case.get("since_2.2.7").or_else(|| case.get("output"));
    let Some(expected) = expected.filter(|_| !is_marked(case) && !has_dangling_point(input)) else {
        return result.map_or(Ok(()), |size| Err(format!("expected a problem, got {size}")));
    };
    let size = result?;
    let got = json!({
        "bytes": size.bytes(),
        "string": size.to_string(),
        "human_readable": size.human(),
        "wire": size.as_gib(),
    });
    expect_equal("size", expected, &got)
}

/// Whether a point ends the number: what follows it is trailing text, which we refuse, as in the marked cases.
fn has_dangling_point(input: &Value) -> bool {
    let text = input.as_str().unwrap_or_default();
    text.split_once('.').is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()))
}
