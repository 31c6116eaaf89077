//! What the messages about events say: the same fields as between servo and an optimizer. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::checks::Check;
use crate::connector::{AdjustRequest, DescribeRequest, Event, MeasureRequest, Outcome};
use crate::decode::{Decode, Decoder, Entry, Fields, Map, NoVariables, Node, Origin, Value};
use crate::types::{
    Adjustment, Component, DataPoint, Description, EnumSetting, Measurement, Metric, Point, RangeSetting, Reading,
    Scalar, Setting, Severity, TimeSeries, Unit, UnixTime,
};

pub(super) fn describe(request: &DescribeRequest) -> Json {
    json!({ "control": request.control.to_wire() })
}

pub(super) fn measure(request: &MeasureRequest) -> Json {
    json!({ "metrics": request.metrics, "control": request.control.to_wire() })
}

pub(super) fn adjust(request: &AdjustRequest) -> Json {
    let mut params = Adjustment::to_descriptor(&request.adjustments);
    params["control"] = request.control.to_wire();
    params
}

pub(super) fn before(event: Event) -> Json {
    json!({ "event": event.as_str() })
}

/// The parameters of `after`: what each connector answered, as connectors answer.
pub(super) fn after(event: Event, outcome: &Outcome<'_>) -> Json {
    let now = UnixTime::now();
    let results: Vec<Json> = match outcome {
        Outcome::Nothing => Vec::new(),
        Outcome::Metrics(parts) => parts.iter().map(|metrics| json!({ "metrics": metrics_json(metrics) })).collect(),
        Outcome::Components(parts) => parts.iter().map(|components| components_json(components)).collect(),
        Outcome::Checks(parts) => parts.iter().map(|checks| json!({ "checks": checks })).collect(),
        Outcome::Descriptions(parts) => parts.iter().map(Description::to_wire).collect(),
        Outcome::Measurements(parts) => parts.iter().map(|measurement| measurement.to_wire(now)).collect(),
    };
    json!({ "event": event.as_str(), "results": results })
}

fn metrics_json(metrics: &[Arc<Metric>]) -> Json {
    metrics.iter().map(|metric| (metric.name.clone(), metric.to_wire())).collect::<serde_json::Map<_, _>>().into()
}

fn components_json(components: &[Component]) -> Json {
    let components = components.iter().map(|component| (component.name.clone(), component.to_wire()));
    json!({ "components": components.collect::<serde_json::Map<_, _>>() })
}

/// Reads a result by its keys.
///
/// # Errors
/// Everything that is wrong with it, with key paths, one problem a line.
fn read<T>(result: &Json, read: impl FnOnce(&mut Fields<'_, '_, '_>) -> Option<T>) -> Result<T, String> {
    let node = Node::from_json(result, &Origin::whole("answer"));
    let decoded = Decoder::run(&NoVariables, |cx| {
        cx.within("result", |cx| {
            let mut fields = cx.fields(&node)?;
            let value = read(&mut fields);
            fields.ignore_unknown();
            value
        })
    });
    decoded.map_err(|problems| problems.to_string())
}

/// The result of `describe` and `adjust`.
pub(super) fn description(result: &Json) -> Result<Description, String> {
    read(result, |fields| {
        let components = fields.or("application", ComponentsOf(Vec::new()));
        let metrics = fields.or("measurement", MetricsOf(Vec::new()));
        Some(Description { components: components?.0, metrics: metrics?.0 })
    })
}

pub(super) fn components(result: &Json) -> Result<Vec<Component>, String> {
    read(result, |fields| fields.required::<Named<Settings>>("components")).map(components_of)
}

pub(super) fn metrics(result: &Json) -> Result<Vec<Arc<Metric>>, String> {
    read(result, |fields| fields.required::<Named<UnitOf>>("metrics")).map(metrics_of)
}

/// The result of `measure`. Single values are of now.
pub(super) fn measurement(result: &Json) -> Result<Measurement, String> {
    let (readings, annotations) = read(result, |fields| {
        let readings = fields.required::<Named<Values>>("metrics");
        let annotations = fields.or("annotations", Named::<String>(Vec::new()));
        Some((readings?, annotations?))
    })?;
    let now = UnixTime::now();
    let readings = readings.0.into_iter().flat_map(|(name, values)| values.readings(name, now)).collect();
    let annotations: BTreeMap<String, String> = annotations.0.into_iter().collect();
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

/// A mapping of names to values, in its order.
struct Named<T>(Vec<(String, T)>);

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            cx.invalid(node, "value is not a valid mapping");
            return None;
        };
        let decode = |entry: &Entry| {
            let value = cx.within(entry.key.as_str(), |cx| T::decode(&entry.value, cx))?;
            Some((entry.key.clone(), value))
        };
        let decoded: Vec<Option<(String, T)>> = map.iter().map(decode).collect();
        decoded.into_iter().collect::<Option<_>>().map(Self)
    }
}

struct ComponentsOf(Vec<Component>);

impl Decode for ComponentsOf {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let components = fields.or("components", Named::<Settings>(Vec::new()));
        fields.ignore_unknown();
        components.map(|components| Self(components_of(components)))
    }
}

fn components_of(components: Named<Settings>) -> Vec<Component> {
    components.0.into_iter().map(|(name, settings)| Component::new(name, settings.0)).collect()
}

struct MetricsOf(Vec<Arc<Metric>>);

impl Decode for MetricsOf {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let metrics = fields.or("metrics", Named::<UnitOf>(Vec::new()));
        fields.ignore_unknown();
        metrics.map(|metrics| Self(metrics_of(metrics)))
    }
}

fn metrics_of(metrics: Named<UnitOf>) -> Vec<Arc<Metric>> {
    metrics.0.into_iter().map(|(name, unit)| Arc::new(Metric::new(name, unit.0))).collect()
}

/// `{"unit": …}`; without one it is a plain number.
struct UnitOf(Unit);

impl Decode for UnitOf {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let unit = fields.or("unit", Unit::Float);
        fields.ignore_unknown();
        unit.map(Self)
    }
}

struct Settings(Vec<Setting>);

impl Decode for Settings {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let settings = fields.required::<Nodes>("settings");
        let Nodes(settings) = settings?;
        let decode = |entry: &Entry| {
            fields.decoder().within("settings", |cx| cx.within(entry.key.as_str(), |cx| setting(entry, cx)))
        };
        let decoded: Vec<Option<Setting>> = settings.iter().map(decode).collect();
        fields.ignore_unknown();
        decoded.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// A mapping, as it is.
struct Nodes(Map);

impl Decode for Nodes {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if let Value::Map(map) = &node.value {
            return Some(Self(map.clone()));
        }
        cx.invalid(node, "value is not a valid mapping");
        None
    }
}

/// A setting. Its value may lie outside of its bounds: a description says what really is.
fn setting(entry: &Entry, cx: &mut Decoder<'_>) -> Option<Setting> {
    let Nodes(mut map) = Nodes::decode(&entry.value, cx)?;
    let name = Node::new(Value::Text(entry.key.clone()), entry.key_origin.clone());
    map.insert(Entry { key: "name".to_owned(), key_origin: entry.key_origin.clone(), value: name });
    let kind = map.get("type").and_then(|kind| match &kind.value.value {
        Value::Text(kind) => Some(kind.clone()),
        _ => None,
    });
    let value = map.remove("value").filter(|value| !value.value.is_null());
    let value = match value {
        Some(entry) => Some(cx.within("value", |cx| Scalar::decode(&entry.value, cx))?),
        None => None,
    };
    let node = Node::new(Value::Map(map), entry.value.origin.clone());
    let setting: Setting = match kind.as_deref() {
        Some("range") => RangeSetting::decode(&node, cx)?.into(),
        Some("enum") => EnumSetting::decode(&node, cx)?.into(),
        _ => {
            cx.within("type", |cx| cx.invalid_unquoted(&node, "the type must be 'range' or 'enum'"));
            return None;
        }
    };
    Some(if value.is_some() { setting.safe_set(value.as_ref()) } else { setting })
}

/// What was read of a metric: one value, or series of points.
struct Values {
    unit: Unit,
    value: Option<f64>,
    series: Vec<Series>,
}

impl Values {
    fn readings(self, name: String, now: UnixTime) -> Vec<Reading> {
        let metric = Arc::new(Metric::new(name, self.unit));
        if let Some(value) = self.value {
            return vec![DataPoint { metric, time: now, value }.into()];
        }
        let series = self.series.into_iter();
        series.map(|Series { id, points }| TimeSeries::new(Arc::clone(&metric), points).with_id(id).into()).collect()
    }
}

impl Decode for Values {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let unit = fields.or("unit", Unit::Float);
        let value: Option<Option<f64>> = fields.get("value");
        let series: Option<Option<Vec<Series>>> = fields.get("values");
        fields.ignore_unknown();
        let (unit, value, series) = (unit?, value?, series?);
        match (value, series) {
            (Some(value), None) => Some(Self { unit, value: Some(value), series: Vec::new() }),
            (None, Some(series)) => Some(Self { unit, value: None, series }),
            _ => {
                cx.invalid_unquoted(node, "one of 'value' and 'values' is needed");
                None
            }
        }
    }
}

struct Series {
    id: String,
    points: Vec<Point>,
}

impl Decode for Series {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let id = fields.or("id", String::new());
        let data = fields.required::<Vec<PointOf>>("data");
        fields.ignore_unknown();
        Some(Self { id: id?, points: data?.into_iter().map(|point| point.0).collect() })
    }
}

struct PointOf(Point);

impl Decode for PointOf {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if let Value::List(pair) = &node.value
            && let [time, value] = pair.as_slice()
        {
            let (time, value) = (f64::decode(time, cx), f64::decode(value, cx));
            return Some(Self(Point::new(UnixTime::from_seconds_f64(time?), value?)));
        }
        cx.invalid_unquoted(node, "a point is a list of seconds since the epoch and a value");
        None
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
    use crate::types::{Control, Duration};

    #[test]
    fn a_description_reads_back_from_its_wire_form() {
        let wire = json!({
            "application": { "components": { "cache": { "settings": {
                "hz": { "type": "range", "pinned": false, "value": 10, "min": 1, "max": 500, "step": 1 },
                "policy": { "type": "enum", "pinned": false, "unit": "words", "value": "a", "values": ["a", "b"] },
            } } } },
            "measurement": { "metrics": { "throughput": { "unit": "rps" } } },
        });
        assert_eq!(description(&wire).map(|found| found.to_wire()), Ok(wire));
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
        let wire = json!({ "metrics": { "rps": { "unit": "rps", "values": [
            { "id": "a", "data": [[1_700_000_000, 1.5], [1_700_000_001, 2.0]] },
            { "id": "b", "data": [[1_700_000_000, 3.0]] },
        ] } }, "annotations": { "note": "n" } });
        let found = measurement(&wire).expect("valid");
        assert_eq!(found.to_wire(UnixTime::now()), wire);
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
