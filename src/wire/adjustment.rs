//! The state that adjustments ask for: `{"state": {"application": {"components": …}}}`.

use serde_json::{Map, Value as Json, json};

use super::mapping;
use crate::decode::{Decode, Decoder, Entry, Node};
use crate::types::{Adjustment, Scalar};

/// The state, with components in the order of their first adjustment.
pub fn encode(adjustments: &[Adjustment]) -> Json {
    let mut components: Map<String, Json> = Map::new();
    for adjustment in adjustments {
        let component =
            components.entry(adjustment.component_name.clone()).or_insert_with(|| json!({ "settings": {} }));
        component["settings"][&adjustment.setting_name] = json!({ "value": adjustment.value.to_json() });
    }
    json!({ "application": { "components": components } })
}

/// The adjustments of a state, `application.components.*.settings.*.value`, in the order of the body.
pub(crate) struct State(pub Vec<Adjustment>);

impl Decode for State {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let application = step(node, "application", cx)?;
        let components = cx.within("application", |cx| step(application, "components", cx))?;
        cx.within("application", |cx| cx.within("components", |cx| each(components, cx, component))).map(Self)
    }
}

fn component(component: &Entry, cx: &mut Decoder<'_>) -> Option<Vec<Adjustment>> {
    let settings = step(&component.value, "settings", cx)?;
    cx.within("settings", |cx| {
        each(settings, cx, |setting, cx| {
            let value = step(&setting.value, "value", cx)?;
            let value = cx.within("value", |cx| Scalar::decode(value, cx))?;
            Some(vec![Adjustment::new(component.key.as_str(), setting.key.as_str(), value)])
        })
    })
}

/// The adjustments below each key of a mapping; all problems are recorded before giving up.
fn each(
    node: &Node,
    cx: &mut Decoder<'_>,
    mut decode: impl FnMut(&Entry, &mut Decoder<'_>) -> Option<Vec<Adjustment>>,
) -> Option<Vec<Adjustment>> {
    let decoded: Vec<_> =
        mapping(node, cx)?.iter().map(|entry| cx.within(entry.key.as_str(), |cx| decode(entry, cx))).collect();
    Some(decoded.into_iter().collect::<Option<Vec<_>>>()?.concat())
}

/// The value of a key that a mapping must have.
fn step<'n>(node: &'n Node, key: &str, cx: &mut Decoder<'_>) -> Option<&'n Node> {
    let map = mapping(node, cx)?;
    let found = map.get(key).map(|entry| &entry.value);
    if found.is_none() {
        cx.within(key, |cx| cx.invalid_unquoted(node, "field required"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjustments_of_one_component_share_its_settings() {
        let adjustments = [
            Adjustment::new("web.v1", "cpu", Scalar::Float(1.25)),
            Adjustment::new("db", "mem", Scalar::Text("1Gi".to_owned())),
            Adjustment::new("web.v1", "replicas", Scalar::Integer(3)),
        ];
        let components = json!({
            "web.v1": {"settings": {"cpu": {"value": 1.25}, "replicas": {"value": 3}}},
            "db": {"settings": {"mem": {"value": "1Gi"}}},
        });
        assert_eq!(encode(&adjustments), json!({"application": {"components": components}}));
    }
}
