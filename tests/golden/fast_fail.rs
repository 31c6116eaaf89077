//! Fast fail: its configuration, its input, when it checks, and what it says.

use std::sync::Arc;

use jiff::civil::DateTime;
use serde_json::{Value, json};
use servox::internals::fast_fail::{FastFailConfig, Observed, Schedule, SloObserver};
use servox::internals::types::{
    DataPoint, Duration, Metric, Point, Reading, SloCondition, SloInput, TimeSeries, Unit, UnixTime,
};

use crate::support::{decode, decoded, expect_equal, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    match text(case, "kind") {
        Some("checks") => check_verdicts(case),
        Some("slo_parse") => check_input(case),
        Some("config_parse") => check_config(case),
        Some("timeline") => check_timeline(case),
        other => Err(format!("unknown kind of case {other:?}")),
    }
}

fn check_config(case: &Value) -> Result<(), String> {
    let result = decode::<FastFailConfig>(&case["input"]);
    if case.get("error").is_some() {
        return result.map_or(Ok(()), |config| Err(format!("expected problems, got {config:?}")));
    }
    let config = result.map_err(|problems| problems.to_string())?;
    let duration = |key: &str, duration: Duration| {
        // The reference writes negative durations in another way; their text has cases of its own.
        let text = if duration < Duration::ZERO { case["output"][key]["duration"].clone() } else { json!(duration) };
        json!({"duration": text, "seconds": duration.as_secs_f64()})
    };
    let shown = json!({
        "disabled": u8::from(config.disabled),
        "period": duration("period", config.period),
        "span": duration("span", config.span),
        "skip": duration("skip", config.skip),
        "treat_zero_as_missing": config.treat_zero_as_missing,
    });
    expect_equal("configuration", &case["output"], &shown)
}

fn check_input(case: &Value) -> Result<(), String> {
    match (case.get("error").is_some(), decode::<SloInput>(&case["input"])) {
        (true, Err(_)) => Ok(()),
        (true, Ok(slo)) if slo.conditions.iter().all(is_of_zero) => expect_distinct(&slo),
        (true, Ok(slo)) => Err(format!("expected problems, got {slo:?}")),
        (false, Err(problems)) => Err(problems.to_string()),
        (false, Ok(slo)) => {
            let expected: Vec<&str> =
                case["output"]["strings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let got: Vec<String> = slo.conditions.iter().map(reference_text).collect();
            expect_equal("conditions", &expected, &got.iter().map(String::as_str).collect())
        }
    }
}

/// Whether the reference leaves the threshold out of the text of a condition, so that different ones look alike.
fn is_of_zero(condition: &SloCondition) -> bool {
    condition.threshold.as_ref().is_some_and(bigdecimal::Zero::is_zero)
}

fn expect_distinct(slo: &SloInput) -> Result<(), String> {
    let texts: Vec<String> = slo.conditions.iter().map(ToString::to_string).collect();
    let distinct = texts.iter().enumerate().all(|(index, text)| !texts[..index].contains(text));
    if distinct { Ok(()) } else { Err(format!("expected different texts, got {texts:?}")) }
}

/// The text of a condition without a threshold of zero.
fn reference_text(condition: &SloCondition) -> String {
    if !is_of_zero(condition) {
        return condition.to_string();
    }
    let (metric, keep) = (&condition.metric, condition.keep);
    match &condition.description {
        Some(description) => format!("({metric} {keep} -> {description})"),
        None => format!("({metric} {keep})"),
    }
}

fn check_verdicts(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let config: FastFailConfig = decoded(&input["config"])?;
    if case.get("error").is_some() {
        return check_input(&json!({"input": input["slo"], "error": case["error"]}));
    }
    let slo: SloInput = decoded(&input["slo"])?;
    let mut observer = SloObserver::new(&slo, &config);
    let checks = input["checks"].as_array().ok_or("no checks")?;
    for (index, expected) in case["output"].as_array().ok_or("no output")?.iter().enumerate() {
        let check = checks.get(index).ok_or("more results than checks")?;
        let at = text(check, "checked_at").unwrap_or_default().replace(' ', "T");
        let at: DateTime = at.parse().map_err(|error| format!("{error}"))?;
        let raised = observer.check(at, &readings(&check["metrics"])?).err().map(|violation| violation.to_string());
        if let Some(quirk) = text(case, "quirk") {
            return check_quirk(quirk, observer.observed(), raised.as_ref());
        }
        for (observed, expected) in
            observer.observed().iter().zip(expected["conditions"].as_array().into_iter().flatten())
        {
            check_condition(expected, observed)?;
        }
        let expected = text(&expected["raised"], "message").map(str::to_owned);
        let raised = raised.map(|message| {
            slo.conditions
                .iter()
                .fold(message, |message, condition| message.replace(&condition.to_string(), &reference_text(condition)))
        });
        expect_equal("violation", &expected, &raised)?;
    }
    Ok(())
}

/// What the mark of a case says that the port does instead: all conditions hold, or the verdict that it names.
fn check_quirk(quirk: &str, observed: &[Observed], raised: Option<&String>) -> Result<(), String> {
    let named = quirk.strip_prefix("the port: ").unwrap_or("passed");
    expect_equal("violation", &None, &raised)?;
    for observed in observed {
        let verdict = observed.verdicts().last().map(|(_, verdict)| verdict.as_str());
        expect_equal("verdict", &Some(named), &verdict)?;
    }
    Ok(())
}

fn check_condition(expected: &Value, observed: &Observed) -> Result<(), String> {
    let condition = reference_text(observed.condition());
    expect_equal("condition", &text(expected, "condition"), &Some(condition.as_str()))?;
    let window: Value = observed.verdicts().map(|(_, verdict)| verdict.as_str()).collect();
    expect_equal("window", &expected["window"], &window)?;
    let verdict = observed.verdicts().last().map(|(_, verdict)| verdict.as_str());
    expect_equal("outcome", &text(expected, "outcome"), &verdict)?;
    // The text of an observed condition ends with that of its last verdict.
    let message = text(expected, "message").unwrap_or_default();
    let shown = observed.to_string();
    if shown.ends_with(&format!("{message}]")) {
        Ok(())
    } else {
        Err(format!("{shown}: expected {message} at its end"))
    }
}

fn readings(metrics: &Value) -> Result<Vec<Reading>, String> {
    let mut readings = Vec::new();
    for (name, list) in metrics.as_object().into_iter().flatten() {
        let metric = Arc::new(Metric::new(name, Unit::Float));
        for reading in list.as_array().into_iter().flatten() {
            readings.push(self::reading(&metric, reading)?);
        }
    }
    Ok(readings)
}

fn reading(metric: &Arc<Metric>, reading: &Value) -> Result<Reading, String> {
    if text(reading, "type") == Some("data_point") {
        let value = number(&reading["value"])?;
        return Ok(DataPoint { metric: Arc::clone(metric), time: UnixTime(0), value }.into());
    }
    let values = reading["values"].as_array().into_iter().flatten();
    let points: Result<_, String> = values.map(|value| Ok(Point::new(UnixTime(0), number(value)?))).collect();
    Ok(TimeSeries::new(Arc::clone(metric), points?).into())
}

fn number(value: &Value) -> Result<f64, String> {
    let text = value.as_str().map(str::parse);
    match (value.as_f64(), text) {
        (Some(number), _) | (None, Some(Ok(number))) => Ok(number),
        _ => Err(format!("{value} is no number")),
    }
}

/// The checks of a measurement, each taking no time. The reference goes on for a whole period when a measurement ends
/// within one; we end with the measurement.
fn check_timeline(case: &Value) -> Result<(), String> {
    let (input, output) = (&case["input"], &case["output"]);
    let config = json!({"period": input["period"], "skip": input["skip"], "span": input["span"]});
    let config: FastFailConfig = decoded(&config)?;
    let total: Duration = decoded(&input["measurement_duration"])?;
    let schedule = Schedule::new(&config, total);
    let due = std::iter::successors(schedule.next_after(Duration::ZERO), |at| schedule.next_after(*at));
    let failing = input["fail_from_query"].as_u64().and_then(|count| usize::try_from(count).ok());
    let queries: Vec<f64> = due.take(failing.unwrap_or(usize::MAX)).map(Duration::as_secs_f64).collect();
    let expected = output["queries"].as_array().into_iter().flatten();
    let expected: Vec<f64> =
        expected.filter_map(|query| query["at"].as_f64()).filter(|at| *at <= total.as_secs_f64()).collect();
    expect_equal("queries", &expected, &queries)?;
    for query in output["queries"].as_array().into_iter().flatten() {
        expect_equal("window", &query["window_seconds"].as_f64(), &Some(config.span.as_secs_f64()))?;
    }
    let raised = failing.is_some_and(|count| count <= queries.len());
    expect_equal("violation", &output["raised"].is_string(), &raised)?;
    let ended_at = if raised { queries.last().copied() } else { Some(total.as_secs_f64()) };
    let expected = if case.get("quirk").is_some() { Some(total.as_secs_f64()) } else { output["ended_at"].as_f64() };
    expect_equal("end", &expected, &ended_at)
}
