//! Label and field selectors in the spelling of the query.

use serde_json::Value;

/// Whether an object is selected by both; an absent selector selects everything.
pub(crate) fn selects(object: &Value, labels: Option<&str>, fields: Option<&str>) -> bool {
    let labels_match = labels.is_none_or(|selector| terms(selector).iter().all(|term| label_matches(object, term)));
    let fields_match = fields.is_none_or(|selector| terms(selector).iter().all(|term| field_matches(object, term)));
    labels_match && fields_match
}

/// The terms of a selector: its commas outside of parentheses separate them.
fn terms(selector: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (position, character) in selector.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                terms.push(&selector[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    terms.push(&selector[start..]);
    terms.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn label_matches(object: &Value, term: &str) -> bool {
    let label = |key: &str| object["metadata"]["labels"].get(key.trim()).and_then(Value::as_str);
    let listed = |values: &str, value: &str| {
        values.trim().trim_matches(['(', ')']).split(',').any(|listed| listed.trim() == value)
    };
    if let Some((key, values)) = term.split_once(" notin ") {
        return label(key).is_none_or(|value| !listed(values, value));
    }
    if let Some((key, values)) = term.split_once(" in ") {
        return label(key).is_some_and(|value| listed(values, value));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return label(key) != Some(value.trim());
    }
    if let Some((key, value)) = term.split_once('=') {
        return label(key) == Some(value.trim_start_matches('=').trim());
    }
    match term.strip_prefix('!') {
        Some(key) => label(key).is_none(),
        None => label(term).is_some(),
    }
}

fn field_matches(object: &Value, term: &str) -> bool {
    let Some((path, value)) = term.split_once('=') else { return false };
    let (path, is_wanted) = path.strip_suffix('!').map_or((path, true), |path| (path, false));
    let pointer = format!("/{}", path.trim().replace('.', "/"));
    let found = object.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
    (found == value.trim_start_matches('=').trim()) == is_wanted
}

#[test]
fn a_selector_selects_as_the_api_does() {
    let object = serde_json::json!({"metadata": {"name": "a", "labels": {"app": "web", "tier": "front"}}});
    let check =
        |labels, fields, expected| assert_eq!(selects(&object, labels, fields), expected, "{labels:?} {fields:?}");
    check(None, None, true);
    check(Some("app=web,tier==front"), Some("metadata.name=a"), true);
    check(Some("app=db"), None, false);
    check(Some("app in (db,web),!gone,tier"), None, true);
    check(Some("app notin (db, web)"), None, false);
    check(Some("app!=db"), Some("metadata.name!=b"), true);
    check(None, Some("metadata.name=b"), false);
}
