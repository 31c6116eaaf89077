//! What becomes of the lines that `vegeta report` prints.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use servox::internals::connectors::vegeta::{Report, ReportError, Samples};
use servox::internals::types::{Measurement, Reading, UnixTime};
use servox::internals::wire::measurement::encode;

use crate::support::{decoded, expect_equal, text};

/// The clock of the cases.
const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let lines: Vec<String> = decoded(&input["lines"])?;
    let reports: Result<Vec<Option<Report>>, ReportError> = lines.iter().map(|line| Report::parse(line)).collect();
    match (text(case, "error"), text(case, "defect"), reports) {
        (None, _, Ok(reports)) => check_reports(case, &reports.into_iter().flatten().collect::<Vec<_>>()),
        // Empty lines are skipped.
        (Some(_), Some("V12"), Ok(reports)) => expect_equal("reports", &0, &reports.iter().flatten().count()),
        // Time spans may have any length.
        (Some(_), Some("V7"), Ok(reports)) => expect_equal("reports", &lines.len(), &reports.iter().flatten().count()),
        (Some(error), _, Err(problem)) if text(case, "defect") != Some("V12") => check_error(case, error, &problem),
        (_, _, Ok(_)) => Err("expected an error".to_owned()),
        (_, _, Err(problem)) => Err(problem.to_string()),
    }
}

/// Compares paths; where the reference failed in other ways, any error will do.
fn check_error(case: &Value, error: &str, problem: &ReportError) -> Result<(), String> {
    match problem {
        ReportError::Json(_) => expect_equal("kind", &true, &error.starts_with("JSONDecodeError")),
        ReportError::Members(_) if case.get("defect").is_some() => Ok(()),
        ReportError::Members(problems) => {
            let error = error.trim_start_matches("ValidationError: ");
            let paths = error.split("; ").filter_map(|part| part.split_once(": ")).map(|(path, _)| path.to_owned());
            let got = problems.iter().map(|problem| problem.path.to_string());
            expect_equal("paths", &paths.collect::<BTreeSet<_>>(), &got.collect())
        }
    }
}

fn check_reports(case: &Value, reports: &[Report]) -> Result<(), String> {
    let (input, output) = (&case["input"], &case["output"]);
    let published = serde_json::to_value(reports).map_err(|error| error.to_string())?;
    expect_equal("published", &output["published"], &published)?;
    let summary = reports
        .last()
        .map(|last| last.summary(text(input, "target").unwrap_or("None"), text(input, "rate").unwrap_or_default()));
    expect_equal("summary", &text(output, "summary"), &summary.as_deref())?;
    let mut samples = Samples::default();
    for report in reports {
        samples.push(report);
    }
    let wanted: Option<Vec<String>> = decoded(&input["metrics"])?;
    let readings =
        samples.readings(|name| wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|other| other == name)));
    let shown: Vec<Value> = readings.iter().map(shown).collect();
    expect_equal("readings", &in_utc(&output["readings"]), &json!(shown))?;
    let measurement = Measurement::new(readings, [].into()).map_err(|error| error.to_string())?;
    expect_equal("wire form", &output["wire_metrics"], &encode(&measurement, NOW)["metrics"])
}

fn shown(reading: &Reading) -> Value {
    let Reading::TimeSeries(series) = reading else { return Value::Null };
    let points: Vec<Value> = series.points().iter().map(|point| json!([point.time.to_string(), point.value])).collect();
    json!({"metric": series.metric().name, "unit": series.metric().unit, "data_points": points})
}

/// The expected readings with times in UTC, which is how times are kept.
fn in_utc(readings: &Value) -> Value {
    let mut readings = readings.clone();
    let points =
        readings.as_array_mut().into_iter().flatten().filter_map(|reading| reading["data_points"].as_array_mut());
    for point in points.flatten() {
        if let Some(time) = point[0].as_str().and_then(|time| UnixTime::parse(time).ok()) {
            point[0] = time.to_string().into();
        }
    }
    readings
}
