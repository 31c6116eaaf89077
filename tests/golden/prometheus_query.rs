//! The requests that a metric makes.

use serde_json::Value;
use servox::internals::connectors::prometheus::{ApiRequest, MetricConfig, QueryError, Window, check_name};
use servox::internals::types::{Duration, UnixTime};

use crate::support::{decode, expect_equal, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let metric: MetricConfig = match (decode(&input["metric"]), text(case, "error")) {
        (Ok(metric), _) => metric,
        (Err(problems), Some(error)) => return expect_path(error, &problems.to_string()),
        // Steps that Prometheus refuses are refused when the configuration is loaded.
        (Err(problems), None) if is_refused_step(case) => {
            return expect_path("metrics.0.step: ", &problems.to_string());
        }
        (Err(problems), None) => return Err(problems.to_string()),
    };
    if is_refused_step(case) {
        return Err("expected a problem of the step".to_owned());
    }
    match (request(input, &metric), text(case, "error")) {
        (Ok(request), None) => check_request(case, &metric, &request),
        (Err(QueryError::NoQuery), Some(_)) if metric.query.is_none() => Ok(()),
        (Err(QueryError::EmptyWindow { .. }), Some(error)) => {
            expect_equal("error", &true, &error.contains("start time"))
        }
        (result, _) => Err(format!("got {result:?}")),
    }
}

fn is_refused_step(case: &Value) -> bool {
    case["output"]["step_seconds"].as_f64().is_some_and(|seconds| seconds <= 0.0)
}

/// `ValidationError: metrics.0.step: …`, of which the path below the metric is named. What the reference says of a
/// missing argument is a problem of the argument.
fn expect_path(error: &str, problems: &str) -> Result<(), String> {
    let error = error.trim_start_matches("ValidationError: ");
    let (path, message) = error.split_once(": ").unwrap_or((error, ""));
    let key = match path.strip_prefix("metrics.0.") {
        Some(key) => key,
        None if message.contains("'name'") => "name",
        None => path,
    };
    let named = problems.lines().all(|problem| problem.starts_with(&format!("input: {key}: ")));
    if named && !problems.is_empty() { Ok(()) } else { Err(format!("expected a problem of '{key}', got {problems}")) }
}

fn request(input: &Value, metric: &MetricConfig) -> Result<ApiRequest, QueryError> {
    match text(input, "kind") {
        Some("query") => ApiRequest::instant(metric),
        Some("absent") => ApiRequest::absence(metric),
        _ => {
            let time = |key: &str| UnixTime::from_seconds_f64(input[key].as_f64().unwrap_or_default());
            ApiRequest::range(metric, Window::new(time("start"), time("end"))?)
        }
    }
}

fn check_request(case: &Value, metric: &MetricConfig, request: &ApiRequest) -> Result<(), String> {
    let output = &case["output"];
    let expected = url::Url::parse("http://prometheus:9090")
        .and_then(|base| base.join(text(output, "target").unwrap_or_default()));
    let expected = expected.map_err(|error| error.to_string())?;
    let url = request.url(&url::Url::parse("http://prometheus:9090").map_err(|error| error.to_string())?);
    expect_equal("path", &expected.path(), &url.path())?;
    let mut pairs: Vec<(String, String)> = expected.query_pairs().into_owned().collect();
    if text(case, "defect") == Some("P7") {
        check_step(output, &mut pairs, request)?;
    }
    expect_equal("parameters", &pairs, &url.query_pairs().into_owned().collect())?;
    expect_equal("unit", &text(output, "unit").unwrap_or_default(), &metric.unit.as_str())?;
    if text(&case["input"], "kind") == Some("query_range") {
        expect_equal("step", &output["step_seconds"].as_f64(), &Some(metric.step.as_secs_f64()))?;
        // The name is not a template: the query stands in it as it is.
        let query = text(&case["input"]["metric"], "query").map(|query| format!("Run query \"{query}\""));
        let name = text(output, "check_name").map(str::to_owned).or(query);
        expect_equal("name of the check", &name, &Some(check_name(metric)))?;
    }
    Ok(())
}

/// A step whose text Prometheus does not read is sent as a decimal number of seconds.
fn check_step(output: &Value, pairs: &mut [(String, String)], request: &ApiRequest) -> Result<(), String> {
    let got = request.parameters.iter().find(|(name, _)| *name == "step").map(|(_, text)| text.clone());
    let got = got.ok_or("no step")?;
    if !got.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(format!("step {got} is no decimal number"));
    }
    let seconds: f64 = got.parse().map_err(|error| format!("step {got}: {error}"))?;
    let step = Duration::from_secs_f64(seconds).map_err(|error| error.to_string())?;
    expect_equal("step", &output["step_seconds"].as_f64(), &Some(step.as_secs_f64()))?;
    for (_, value) in pairs.iter_mut().filter(|(name, _)| name == "step") {
        value.clone_from(&got);
    }
    Ok(())
}
