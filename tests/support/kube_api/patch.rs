//! Patches as the API server applies them.

use serde_json::{Map, Value};

/// Applies a strategic merge patch.
pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    merge(target, patch, true);
}

/// Applies a JSON merge patch.
pub(crate) fn json_merge(target: &mut Value, patch: &Value) {
    merge(target, patch, false);
}

fn merge(target: &mut Value, patch: &Value, is_strategic: bool) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if is_strategic && patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        *target = Value::Object(patch.iter().filter(|(key, _)| *key != "$patch").map(clone).collect());
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (key, value) in patch {
        match value {
            Value::Null => {
                members.shift_remove(key);
            }
            Value::Array(items) if is_strategic && merge_key(key, items).is_some() => {
                let list = members.entry(key).or_insert_with(|| Value::Array(Vec::new()));
                merge_list(list, items, merge_key(key, items).unwrap_or_default());
            }
            // Directives for lists, such as the order of their elements.
            _ if is_strategic && key.starts_with('$') => {}
            value => merge(members.entry(key).or_insert(Value::Null), value, is_strategic),
        }
    }
}

fn clone((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// The key by which elements of a list are merged; none for a list that is replaced.
fn merge_key(list: &str, items: &[Value]) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        // The ports of a Service have `port` instead.
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => Some("containerPort"),
        "ports" => Some("port"),
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        _ => None,
    }
}

fn merge_list(list: &mut Value, items: &[Value], key: &str) {
    let Value::Array(elements) = list else {
        *list = Value::Array(Vec::new());
        return merge_list(list, items, key);
    };
    // The directives come first, wherever they are.
    let is_delete = |item: &Value| item.get("$patch").and_then(Value::as_str) == Some("delete");
    for item in items.iter().filter(|item| is_delete(item)).chain(items.iter().filter(|item| !is_delete(item))) {
        let position = elements.iter().position(|element| element.get(key) == item.get(key));
        match position {
            Some(_) if is_delete(item) => elements.retain(|element| element.get(key) != item.get(key)),
            Some(position) => merge(&mut elements[position], item, true),
            None if is_delete(item) => {}
            None => {
                let mut element = Value::Null;
                merge(&mut element, item, true);
                elements.push(element);
            }
        }
    }
}

#[test]
fn a_strategic_patch_merges_maps_and_lists_with_keys_and_replaces_other_lists() {
    use serde_json::json;
    let check = |target: Value, patch: Value, expected: Value| {
        let mut patched = target.clone();
        strategic(&mut patched, &patch);
        assert_eq!(patched, expected, "{patch} on {target}");
    };
    check(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null, "d": 3}}), json!({"a": {"c": 2, "d": 3}}));
    check(json!({"args": [1, 2]}), json!({"args": [3]}), json!({"args": [3]}));
    check(
        json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]}),
        json!({"containers": [
            {"name": "a", "env": [{"name": "F", "value": "2"}, {"name": "E", "$patch": "delete"}]},
            {"name": "b", "$patch": "delete"},
            {"name": "c", "image": "y"},
        ]}),
        json!({"containers": [
            {"name": "a", "image": "x", "env": [{"name": "F", "value": "2"}]}, {"name": "c", "image": "y"},
        ]}),
    );
    check(json!({"m": {"a": 1}}), json!({"m": {"$patch": "replace", "b": 2}}), json!({"m": {"b": 2}}));
    check(
        json!({"ports": [{"containerPort": 1, "name": "x"}]}),
        json!({"ports": [{"containerPort": 2}]}),
        json!({
            "ports": [{"containerPort": 1, "name": "x"}, {"containerPort": 2}]
        }),
    );
    let mut target = json!({"containers": [{"name": "a"}]});
    json_merge(&mut target, &json!({"containers": [{"name": "b"}]}));
    assert_eq!(target, json!({"containers": [{"name": "b"}]}));
}
