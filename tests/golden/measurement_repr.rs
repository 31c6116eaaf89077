//! The wire form of measurements.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use servox::internals::types::{DataPoint, Measurement, Metric, Point, Reading, TimeSeries, UnixTime};
use servox::internals::wire::measurement::encode;

use crate::support::{decoded, expect_equal, text, texts};

/// The wall clock of all cases.
const NOW: f64 = 1_700_000_000.75;

pub(crate) fn check(case: &Value) -> Result<(), String> {
    match (text(case, "error"), measurement(&case["input"])) {
        (None, Ok(measurement)) => {
            expect_equal("wire form", &case["output"], &encode(&measurement, UnixTime::from_seconds_f64(NOW)))
        }
        (None, Err(problem)) => Err(format!("expected a measurement, got {problem}")),
        (Some(error), Err(problem)) => {
            let mixed = error.contains("all readings must be");
            if !mixed || error.contains(&problem) { Ok(()) } else { Err(format!("expected {error}, got {problem}")) }
        }
        (Some(error), Ok(_)) => Err(format!("expected {error}, got a measurement")),
    }
}

fn measurement(input: &Value) -> Result<Measurement, String> {
    let readings: Result<Vec<Reading>, String> =
        input["readings"].as_array().into_iter().flatten().map(reading).collect();
    let annotations = input.get("annotations").map_or_else(|| Ok(BTreeMap::new()), texts)?;
    Measurement::new(readings?, annotations).map_err(|error| error.to_string())
}

fn reading(input: &Value) -> Result<Reading, String> {
    let metric: Arc<Metric> = Arc::new(decoded(&input["metric"])?);
    if input["type"] == "DataPoint" {
        let point = point(&input["time"], &input["value"])?;
        return Ok(DataPoint { metric, time: point.time, value: point.value }.into());
    }
    let points: Result<Vec<Point>, String> =
        input["data_points"].as_array().into_iter().flatten().map(|pair| point(&pair[0], &pair[1])).collect();
    let series = TimeSeries::new(metric, points?)
        .with_id(text(input, "id").unwrap_or_default())
        .with_metadata(input.get("metadata").map_or_else(|| Ok(BTreeMap::new()), texts)?);
    Ok(series.into())
}

fn point(time: &Value, value: &Value) -> Result<Point, String> {
    let time = match time {
        Value::String(text) => UnixTime::parse(text).map_err(|error| error.to_string())?,
        number => UnixTime::from_seconds_f64(number.as_f64().ok_or("neither text nor a number")?),
    };
    let value = decoded(value)?;
    Ok(Point { time, value })
}
