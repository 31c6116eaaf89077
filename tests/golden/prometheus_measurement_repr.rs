//! The wire form of measurements of Prometheus, and the request that carries it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use servox::internals::types::{DataPoint, Measurement, Metric, Point, Reading, TimeSeries, Unit, UnixTime};
use servox::internals::wire::measurement::encode;

use crate::support::{decoded, expect_equal, text, texts};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    match (text(case, "error"), measurement(input)) {
        (None, Ok(measurement)) => {
            let now = UnixTime::from_seconds_f64(number(&input["now"])?);
            check_wire(&case["output"], &encode(&measurement, now))
        }
        (None, Err(problem)) => Err(format!("expected a measurement, got {problem}")),
        (Some(error), Err(problem)) if error.contains(&problem) => Ok(()),
        (Some(error), other) => Err(format!("expected {error}, got {other:?}")),
    }
}

/// Compares what is sent. What is not finite has no word in JSON: points are left out, and data points with their
/// metric.
fn check_wire(output: &Value, wire: &Value) -> Result<(), String> {
    let mut expected = output["param"].clone();
    let mut is_finite = true;
    for metric in expected["metrics"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        for series in metric.get_mut("values").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(points) = series.get_mut("data").and_then(Value::as_array_mut) else { continue };
            let before = points.len();
            points.retain(|point| point[1].is_number());
            is_finite &= points.len() == before;
        }
    }
    if let Some(metrics) = expected["metrics"].as_object_mut() {
        let before = metrics.len();
        metrics.retain(|_, metric| metric.get("value").is_none_or(Value::is_number));
        is_finite &= metrics.len() == before;
    }
    expect_equal("wire form", &expected, wire)?;
    let Some(body) = text(output, "body").filter(|_| is_finite) else { return Ok(()) };
    let body: Value = serde_json::from_str(body).map_err(|error| format!("the expected body: {error}"))?;
    expect_equal("body", &body, &json!({ "event": "MEASUREMENT", "param": wire }))
}

fn measurement(input: &Value) -> Result<Measurement, String> {
    let readings: Result<Vec<Reading>, String> =
        input["readings"].as_array().into_iter().flatten().map(reading).collect();
    let annotations = match input.get("annotations") {
        Some(annotations) => texts(annotations)?,
        None => BTreeMap::new(),
    };
    Measurement::new(readings?, annotations).map_err(|error| error.to_string())
}

fn reading(input: &Value) -> Result<Reading, String> {
    let unit: Unit = match input.get("unit") {
        Some(unit) => decoded(unit)?,
        None => Unit::Float,
    };
    let metric = Arc::new(Metric::new(text(input, "metric").unwrap_or_default(), unit));
    if let Some(pair) = input.get("data_point") {
        let point = point(pair)?;
        return Ok(DataPoint { metric, time: point.time, value: point.value }.into());
    }
    let points: Result<Vec<Point>, String> = input["data_points"].as_array().into_iter().flatten().map(point).collect();
    let series = TimeSeries::new(metric, points?)
        .with_id(text(input, "id").unwrap_or_default())
        .with_annotation(text(input, "annotation").unwrap_or_default());
    Ok(series.into())
}

fn point(pair: &Value) -> Result<Point, String> {
    Ok(Point { time: UnixTime::from_seconds_f64(number(&pair[0])?), value: number(&pair[1])? })
}

/// A number, or the word for one that JSON does not have.
fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::String(word) => word.parse().map_err(|error| format!("{word}: {error}")),
        other => other.as_f64().ok_or_else(|| format!("{other} is no number")),
    }
}
