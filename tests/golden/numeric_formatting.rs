//! Quantities, numbers and adjustments: what is read, and how it is written.

use bigdecimal::{BigDecimal, ToPrimitive};
use serde_json::{Value, json};
use servox::internals::decode::plain_float;
use servox::internals::types::{
    Adjustment, ByteSize, Core, DataPoint, Metric, Number, Scalar, UnixTime, step_aligned, step_suggestions,
};
use servox::internals::wire::adjustment::encode;

use crate::support::{decimal, decoded, expect_equal, expect_quantity, is_marked, text, unitless_decimal};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let value = &case["input"]["value"];
    match text(&case["input"], "kind") {
        Some("core") => check_core(case, value),
        Some("bytes") => check_bytes(case, value),
        Some("float_text") => expect_equal("text", &text(case, "output"), &value.as_f64().map(plain_float).as_deref()),
        Some("adjustment") => check_adjustment(case, value),
        Some("kubernetes_adjustment") => check_kubernetes_adjustment(case, value),
        Some("step_aligned") => check_aligned(case, value),
        Some("step_suggestions") => check_suggestions(case, value),
        Some("data_point") => check_data_point(case, value),
        kind => Err(format!("unknown kind {kind:?}")),
    }
}

/// The result of a case where an error is expected.
fn refused<T: std::fmt::Debug, E>(result: Result<T, E>) -> Result<(), String> {
    result.map_or(Ok(()), |value| Err(format!("expected a problem, got {value:?}")))
}

fn check_core(case: &Value, value: &Value) -> Result<(), String> {
    let result = decoded::<Core>(value);
    let expected = &case["output"];
    let Some(cores) = decimal(&expected["cores"]) else { return refused(result) };
    let core = result?;
    expect_equal("cores", &cores, core.cores())?;
    expect_equal("wire number", &expected["opsani_repr"], &json!(core.as_f64()))?;
    expect_quantity(text(expected, "str").unwrap_or_default(), &core.to_string())
}

fn check_bytes(case: &Value, value: &Value) -> Result<(), String> {
    let result = decoded::<ByteSize>(value);
    if let Some(gib) = unitless_decimal(value) {
        // The reference reads them as bytes; later versions and the port as GiB.
        let bytes = (gib * BigDecimal::from(1_i64 << 30)).with_scale(0).to_i64();
        return expect_equal("bytes", &bytes, &result.ok().map(ByteSize::bytes));
    }
    if case.get("error").is_some() || is_marked(case) {
        return refused(result);
    }
    let size = result?;
    let got = json!({
        "bytes": size.bytes(),
        "str": size.to_string(),
        "human_readable": size.human(),
        "opsani_repr": size.as_gib(),
    });
    expect_equal("size", &case["output"], &got)
}

fn check_adjustment(case: &Value, value: &Value) -> Result<(), String> {
    let result = decoded::<Scalar>(value);
    if case.get("error").is_some() {
        return refused(result);
    }
    let adjustment = Adjustment::new("web", "cpu", result?);
    let got = json!({
        "str": adjustment.to_string(),
        "value": adjustment.value.to_json(),
        "descriptor": { "state": encode(std::slice::from_ref(&adjustment)) },
    });
    expect_equal("adjustment", &case["output"], &got)
}

fn check_kubernetes_adjustment(case: &Value, pair: &Value) -> Result<(), String> {
    let value = decoded::<Scalar>(&pair[1])?;
    let adjustment = Adjustment::new("web", pair[0].as_str().unwrap_or_default(), value);
    match (text(case, "error"), adjustment.for_kubernetes()) {
        (None, Ok(("cpu", Scalar::Text(cores)))) => {
            expect_quantity(case["output"][1].as_str().unwrap_or_default(), &cores)
        }
        (None, Ok((name, value))) => expect_equal("adjustment", &case["output"], &json!([name, value.to_json()])),
        (Some(error), Err(got)) if error.contains("precision") => {
            let got = got.to_string();
            if error.contains(&got) { Ok(()) } else { Err(format!("expected {error}, got {got}")) }
        }
        (Some(_), Err(_)) => Ok(()),
        (_, other) => Err(format!("unexpected {other:?}")),
    }
}

fn numbers(pair: &Value) -> Result<(Number, Number), String> {
    Ok((decoded(&pair[0])?, decoded(&pair[1])?))
}

fn check_aligned(case: &Value, pair: &Value) -> Result<(), String> {
    let (value, step) = numbers(pair)?;
    // A step of zero, an error in the reference, divides nothing but itself.
    let expected = case["output"].as_bool().unwrap_or(false);
    expect_equal("aligned", &expected, &step_aligned(&value.into(), &step.into()))
}

fn check_suggestions(case: &Value, pair: &Value) -> Result<(), String> {
    let (difference, step) = numbers(pair)?;
    let (lower, upper) = step_suggestions(&difference.into(), &step.into()).ok_or("no suggestions")?;
    expect_equal("suggestions", &case["output"], &json!([lower.wire().to_json(), upper.wire().to_json()]))
}

/// Times have a zone: one without is UTC, and is shown with it.
fn check_data_point(case: &Value, fields: &Value) -> Result<(), String> {
    let at = |index: usize| fields[index].as_str().unwrap_or_default();
    let time = at(2);
    let unit = decoded(&fields[1])?;
    let point = DataPoint {
        metric: Metric::new(at(0), unit).into(),
        time: UnixTime::parse(time).map_err(|error| error.to_string())?,
        value: decoded(&fields[3])?,
    };
    let has_zone = time.ends_with('Z') || time.rfind(['+', '-']) > time.find('T');
    let zoned = |text: &str| {
        if has_zone {
            return text.to_owned();
        }
        // The time ends the text, or is followed by the value of the debug text.
        match text.rsplit_once(", ").filter(|_| text.ends_with("))")) {
            Some((time, value)) => format!("{time}+00:00, {value}"),
            None => format!("{text}+00:00"),
        }
    };
    let expected = |key: &str| text(&case["output"], key).map(zoned);
    expect_equal("text", &expected("str"), &Some(point.to_string()))?;
    expect_equal("debug text", &expected("repr"), &Some(format!("{point:?}")))
}
