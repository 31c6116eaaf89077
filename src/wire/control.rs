//! How a command asks to measure and adjust. Reading is [`Control`]'s own `Decode`, as its keys are those of a
//! configuration too.

use bigdecimal::BigDecimal;
use serde_json::{Map, Value as Json, json};

use crate::types::{Control, Duration, SloCondition, SloInput, UserData, decimal_text};

/// The control object of a command, which decodes to an equal value: spans in seconds, what is not set is left out.
pub(crate) fn encode(control: &Control) -> Json {
    let mut wire = Map::new();
    for (key, span) in [("duration", control.duration), ("delay", control.delay), ("warmup", control.warmup)] {
        wire.insert(key.to_owned(), seconds(span));
    }
    if let Some(settlement) = control.settlement {
        wire.insert("settlement".to_owned(), seconds(settlement));
    }
    for (key, object) in [("load", &control.load), ("environment", &control.environment)] {
        if let Some(object) = object {
            wire.insert(key.to_owned(), Json::Object(object.clone()));
        }
    }
    if let Some(UserData { slo, other }) = &control.userdata {
        let mut userdata = other.clone();
        if let Some(slo) = slo {
            userdata.insert("slo".to_owned(), slo_input(slo));
        }
        wire.insert("userdata".to_owned(), Json::Object(userdata));
    }
    Json::Object(wire)
}

/// A whole number where it is one, which every language reads.
pub(super) fn seconds(span: Duration) -> Json {
    match i64::try_from(span.as_micros()) {
        Ok(micros) if micros % 1_000_000 == 0 => Json::from(micros / 1_000_000),
        _ => Json::from(span.as_secs_f64()),
    }
}

fn slo_input(slo: &SloInput) -> Json {
    json!({ "conditions": slo.conditions.iter().map(condition).collect::<Vec<_>>() })
}

fn condition(condition: &SloCondition) -> Json {
    let mut wire = json!({
        "metric": condition.metric,
        "slo_metric_minimum": condition.slo_metric_minimum,
        "threshold_multiplier": decimal_json(&condition.threshold_multiplier),
        "keep": condition.keep.as_str(),
        "trigger_count": condition.trigger_count,
        "trigger_window": condition.trigger_window,
    });
    let optional = [
        ("description", condition.description.as_ref().map(|text| json!(text))),
        ("threshold", condition.threshold.as_ref().map(decimal_json)),
        ("threshold_metric", condition.threshold_metric.as_ref().map(|name| json!(name))),
        // It belongs to the metric: beside a fixed threshold it has no meaning.
        ("slo_threshold_minimum", condition.threshold_metric.as_ref().map(|_| json!(condition.slo_threshold_minimum))),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            wire[key] = value;
        }
    }
    wire
}

/// The exact decimal as a JSON number, whose grammar its text follows.
fn decimal_json(number: &BigDecimal) -> Json {
    serde_json::from_str(&decimal_text(number)).unwrap_or_default()
}
