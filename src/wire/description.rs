//! Descriptions: `{"application": {"components": …}, "measurement": {"metrics": …}}`.

use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{Named, mapping};
use crate::decode::{Decode, Decoder, Entry, Fields, Map, Node, Value};
use crate::types::{Component, Description, EnumSetting, Metric, RangeSetting, Scalar, Setting, Unit};

/// The whole body, with both parts even when they are empty; of several of one name the last counts.
pub fn encode(description: &Description) -> Json {
    json!({
        "application": { "components": components(&description.components) },
        "measurement": { "metrics": metrics(&description.metrics) },
    })
}

/// Components by name.
pub fn components(components: &[Component]) -> JsonMap<String, Json> {
    components.iter().map(|of| (of.name.clone(), json!({ "settings": settings(of) }))).collect()
}

/// The settings of a component by name.
pub(crate) fn settings(component: &Component) -> JsonMap<String, Json> {
    component.settings.iter().map(|setting| (setting.name().to_owned(), setting.to_wire())).collect()
}

/// Metrics by name: `{"throughput": {"unit": "rps"}}`.
pub(crate) fn metrics(metrics: &[Arc<Metric>]) -> JsonMap<String, Json> {
    metrics.iter().map(|metric| (metric.name.clone(), json!({ "unit": metric.unit.as_str() }))).collect()
}

/// Reads a description; both parts may be absent.
pub(crate) fn decode(fields: &mut Fields<'_, '_, '_>) -> Option<Description> {
    let components = fields.or("application", ComponentsOf(Vec::new()));
    let metrics = fields.or("measurement", MetricsOf(Vec::new()));
    Some(Description { components: components?.0, metrics: metrics?.0 })
}

/// Reads the key `components`.
pub(crate) fn decode_components(fields: &mut Fields<'_, '_, '_>) -> Option<Vec<Component>> {
    fields.required::<Named<Settings>>("components").map(components_of)
}

/// Reads the key `metrics`.
pub(crate) fn decode_metrics(fields: &mut Fields<'_, '_, '_>) -> Option<Vec<Arc<Metric>>> {
    fields.required::<Named<UnitOf>>("metrics").map(metrics_of)
}

/// `{"components": …}`.
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

/// `{"metrics": …}`.
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

/// `{"settings": …}`.
struct Settings(Vec<Setting>);

impl Decode for Settings {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let Nodes(settings) = fields.required("settings")?;
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
        mapping(node, cx).cloned().map(Self)
    }
}

/// A setting. Its value may lie outside of its bounds: a description says what really is.
fn setting(entry: &Entry, cx: &mut Decoder<'_>) -> Option<Setting> {
    let mut map = mapping(&entry.value, cx)?.clone();
    let name = Node::new(Value::Text(entry.key.clone()), entry.key_origin.clone());
    map.insert(Entry { key: "name".to_owned(), key_origin: entry.key_origin.clone(), value: name });
    let kind = match map.get("type").map(|kind| &kind.value.value) {
        Some(Value::Text(kind)) => Some(kind.clone()),
        // A description of older agents may leave the type out.
        None if map.contains("min") => Some("range".to_owned()),
        _ => None,
    };
    let value = map.remove("value").filter(|value| !value.value.is_null());
    let value = match value {
        Some(entry) => Some(cx.within("value", |cx| Scalar::decode(&entry.value, cx))?),
        None => None,
    };
    one_kind_of_number(&mut map);
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

/// Bounds of which one is a float are all floats: other languages write 2.0 as 2.
fn one_kind_of_number(map: &mut Map) {
    const BOUNDS: [&str; 3] = ["min", "max", "step"];
    let is_float = |key: &&str| map.get(key).is_some_and(|entry| matches!(entry.value.value, Value::Float(_)));
    if !BOUNDS.iter().any(is_float) {
        return;
    }
    for key in BOUNDS {
        if let Some(entry) = map.get(key)
            && let Value::Integer(integer) = entry.value.value
        {
            let mut entry = entry.clone();
            #[expect(clippy::cast_precision_loss, reason = "a bound of a setting is far below 2^53")]
            let float = integer as f64;
            entry.value.value = Value::Float(float);
            map.insert(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Place;

    fn read(settings: &Json) -> Result<Description, Vec<String>> {
        let body = json!({"application": {"components": {"web": {"settings": settings}}}});
        let read = Place { origin: "test", key: "descriptor" }.read(&body, decode);
        read.map_err(|problems| problems.iter().map(|problem| problem.path.to_string()).collect())
    }

    #[test]
    fn settings_read_back_and_bounds_of_two_kinds_become_floats() {
        let settings = json!({
            "hz": {"type": "range", "pinned": false, "value": 10, "min": 1, "max": 500, "step": 1},
            "policy": {"type": "enum", "pinned": true, "unit": "words", "value": "a", "values": ["a", "b"]},
            "share": {"type": "range", "pinned": false, "value": 8.0, "min": 1.0, "max": 9, "step": 1},
        });
        let mut expected = settings.clone();
        expected["share"]["max"] = json!(9.0);
        expected["share"]["step"] = json!(1.0);
        let wire = encode(&read(&settings).expect("valid"));
        assert_eq!(wire["application"]["components"]["web"]["settings"].to_string(), expected.to_string());
    }

    #[test]
    fn a_range_may_lack_its_type_and_every_problem_is_named() {
        assert!(read(&json!({"hz": {"min": 1, "max": 500, "step": 1}})).is_ok());
        let problems = read(&json!({"a": {"type": "color"}, "b": {"min": 1, "max": 2}, "c": {"type": "enum"}, "d": 1}));
        let base = "descriptor.application.components.web.settings";
        let expected = ["a.type", "b.step", "c.values", "d"].map(|path| format!("{base}.{path}"));
        assert_eq!(problems.expect_err("not valid"), expected);
    }
}
