//! The parameters and results of the messages about events: the bodies of [`crate::wire`], and what only connectors
//! know. Pure.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::checks::Check;
use crate::connector::{AdjustRequest, DescribeRequest, Event, MeasureRequest, Outcome};
use crate::decode::{Decode, Decoder, Fields, Node};
use crate::types::{Component, Description, Measurement, Metric, Severity, UnixTime};
use crate::wire::{self, Place};

/// Where a result stands, for the problems of it.
const RESULT: Place<'static> = Place { origin: "answer", key: "result" };

pub(super) fn describe(request: &DescribeRequest) -> Json {
    json!({ "control": wire::control::encode(&request.control) })
}

pub(super) fn measure(request: &MeasureRequest) -> Json {
    json!({ "metrics": request.metrics, "control": wire::control::encode(&request.control) })
}

pub(super) fn adjust(request: &AdjustRequest) -> Json {
    let control = wire::control::encode(&request.control);
    json!({ "state": wire::adjustment::encode(&request.adjustments), "control": control })
}

pub(super) fn before(event: Event) -> Json {
    json!({ "event": event.as_str() })
}

/// The parameters of `after`: what each connector answered, in the form in which connectors answer.
pub(super) fn after(event: Event, outcome: &Outcome<'_>) -> Json {
    let now = UnixTime::now();
    let results: Vec<Json> = match outcome {
        Outcome::Nothing => Vec::new(),
        Outcome::Metrics(parts) => {
            parts.iter().map(|metrics| json!({ "metrics": wire::description::metrics(metrics) })).collect()
        }
        Outcome::Components(parts) => {
            parts.iter().map(|components| json!({ "components": wire::description::components(components) })).collect()
        }
        Outcome::Checks(parts) => parts.iter().map(|checks| json!({ "checks": checks })).collect(),
        Outcome::Descriptions(parts) => parts.iter().map(wire::description::encode).collect(),
        Outcome::Measurements(parts) => parts.iter().map(|of| wire::measurement::encode(of, now)).collect(),
    };
    json!({ "event": event.as_str(), "results": results })
}

/// Reads a result by its keys.
///
/// # Errors
/// Everything that is wrong with it, with key paths, one problem a line.
fn read<T>(result: &Json, read: impl FnOnce(&mut Fields<'_, '_, '_>) -> Option<T>) -> Result<T, String> {
    RESULT.read(result, read).map_err(|problems| problems.to_string())
}

/// The result of `describe` and `adjust`.
pub(super) fn description(result: &Json) -> Result<Description, String> {
    read(result, wire::description::decode)
}

pub(super) fn components(result: &Json) -> Result<Vec<Component>, String> {
    read(result, wire::description::decode_components)
}

pub(super) fn metrics(result: &Json) -> Result<Vec<Arc<Metric>>, String> {
    read(result, wire::description::decode_metrics)
}

/// The result of `measure`. Single values are of now.
pub(super) fn measurement(result: &Json) -> Result<Measurement, String> {
    let Measurement { readings, annotations } = read(result, wire::measurement::decode)?;
    Measurement::new(readings, annotations).map_err(|error| error.to_string())
}

pub(super) fn checks(result: &Json) -> Result<Vec<Check>, String> {
    let checks = read(result, |fields| fields.required::<Vec<CheckOf>>("checks"))?;
    let checks: Vec<Check> = checks.into_iter().map(|check| check.0).collect();
    let is_repeated = |(index, check): (usize, &Check)| checks[..index].iter().any(|earlier| earlier.id == check.id);
    match checks.iter().enumerate().find(|(index, check)| is_repeated((*index, *check))) {
        Some((_, check)) => Err(format!("answer: result.checks: two checks have the id {:?}", check.id)),
        None => Ok(checks),
    }
}

struct CheckOf(Check);

impl Decode for CheckOf {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let id = fields.required::<String>("id");
        let name = fields.required::<String>("name");
        let success = fields.required::<bool>("success");
        let severity = fields.or("severity", Severity::default());
        let texts = ["description", "message", "hint"].map(|key| fields.or::<Option<String>>(key, None));
        let tags = fields.or("tags", Vec::<String>::new());
        fields.ignore_unknown();
        let [description, message, hint] = texts;
        let mut check = Check::named(name?, severity?);
        check.id = id?;
        check.success = success?;
        check.description = description?;
        check.message = message?;
        check.hint = hint?;
        check.tags = tags?.into_iter().collect();
        Some(Self(check))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Control, Duration, Scalar};

    #[test]
    fn a_description_reads_back_from_its_wire_form() {
        let body = json!({
            "application": { "components": { "cache": { "settings": {
                "hz": { "type": "range", "pinned": false, "value": 10, "min": 1, "max": 500, "step": 1 },
                "policy": { "type": "enum", "pinned": false, "unit": "words", "value": "a", "values": ["a", "b"] },
            } } } },
            "measurement": { "metrics": { "throughput": { "unit": "rps" } } },
        });
        assert_eq!(description(&body).map(|found| wire::description::encode(&found)), Ok(body));
        assert_eq!(description(&json!({})), Ok(Description::default()));
    }

    #[test]
    fn a_value_outside_of_its_bounds_is_described_as_it_is() {
        let components = components(&json!({ "components": { "c": { "settings": {
            "hz": { "type": "range", "value": 900, "min": 1, "max": 500, "step": 1 },
        } } } }));
        let value = components.expect("valid")[0].settings[0].value();
        assert_eq!(value, Some(Scalar::Integer(900)));
    }

    #[test]
    fn a_measurement_reads_back_from_its_wire_form() {
        let body = json!({ "metrics": { "rps": { "unit": "rps", "values": [
            { "id": "a", "data": [[1_700_000_000, 1.5], [1_700_000_001, 2.0]] },
            { "id": "b", "data": [[1_700_000_000, 3.0]] },
        ] } }, "annotations": { "note": "n" } });
        let found = measurement(&body).expect("valid");
        assert_eq!(wire::measurement::encode(&found, UnixTime::now()), body);
        let single = json!({ "metrics": { "hits": { "unit": "%", "value": 99.5 } } });
        assert_eq!(measurement(&single).expect("valid").readings.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key_path() {
        fn check<T>(found: Result<T, String>, paths: &[&str]) {
            let problems = found.err().unwrap_or_default();
            let found: Vec<_> = problems.lines().filter_map(|line| line.split(": ").nth(1)).collect();
            assert_eq!(found, paths, "{problems}");
        }
        check(description(&json!([])), &["result"]);
        let broken = json!({ "application": { "components": { "c": { "settings": {
            "a": {}, "b": { "type": "range", "min": 2, "max": 1, "step": 1 }, "d": { "type": "enum", "values": [] },
        } } } }, "measurement": { "metrics": { "m": { "unit": "miles" } } } });
        let settings = "result.application.components.c.settings";
        check(
            description(&broken),
            &[
                &format!("{settings}.a.type"),
                &format!("{settings}.b.max"),
                &format!("{settings}.d.values"),
                "result.measurement.metrics.m.unit",
            ],
        );
        check(metrics(&json!({})), &["result.metrics"]);
        let readings = json!({ "metrics": { "a": {}, "b": { "values": [{ "data": [[1]] }] }, "c": { "value": "x" } } });
        check(
            measurement(&readings),
            &["result.metrics.a", "result.metrics.b.values.0.data.0", "result.metrics.c.value"],
        );
        check(checks(&json!({ "checks": [{ "id": "a" }] })), &["result.checks.0.name", "result.checks.0.success"]);
        let twins = json!({ "checks": [{ "id": "a", "name": "n", "success": true }, { "id": "a", "name": "m", "success": true }] });
        check(checks(&twins), &["result.checks"]);
    }

    #[test]
    fn spans_of_control_are_seconds() {
        let control =
            Control { duration: Duration::from_secs(60), warmup: Duration::from_micros(500_000), ..Control::default() };
        let request = MeasureRequest { metrics: vec!["a".to_owned()], control };
        let expected = json!({ "metrics": ["a"], "control": { "duration": 60, "delay": 0, "warmup": 0.5 } });
        assert_eq!(measure(&request), expected);
    }
}
