//! Selectors of labels in the form that a request has.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// The text of a selector, `app=web,tier in (a,b)`; `None` when it has no term.
///
/// An empty text in a request would select everything, so that an empty selector has none. An operator that is
/// unknown selects nothing: it becomes a term that no label fulfils.
pub(crate) fn selector_text(selector: &LabelSelector) -> Option<String> {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(expression_text);
    let terms: Vec<String> = labels.chain(expressions).collect();
    (!terms.is_empty()).then(|| terms.join(","))
}

fn expression_text(requirement: &LabelSelectorRequirement) -> String {
    let key = &requirement.key;
    let values = requirement.values.as_deref().unwrap_or_default().join(",");
    match requirement.operator.as_str() {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.clone(),
        "DoesNotExist" => format!("!{key}"),
        _ => format!("{key},!{key}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_written_as_a_request_has_it() {
        for (selector, text) in [
            (json!({}), None),
            (json!({ "matchLabels": {}, "matchExpressions": [] }), None),
            (
                json!({ "matchLabels": { "b": "2", "app.kubernetes.io/name": "web" } }),
                Some("app.kubernetes.io/name=web,b=2"),
            ),
            (
                json!({ "matchLabels": { "a": "" }, "matchExpressions": [
                    { "key": "t", "operator": "In", "values": ["x", "y"] },
                    { "key": "u", "operator": "NotIn", "values": ["z"] },
                    { "key": "v", "operator": "Exists" },
                    { "key": "w", "operator": "DoesNotExist" },
                ] }),
                Some("a=,t in (x,y),u notin (z),v,!w"),
            ),
            (json!({ "matchExpressions": [{ "key": "k", "operator": "Gt", "values": ["1"] }] }), Some("k,!k")),
        ] {
            let selector = serde_json::from_value(selector).expect("a selector");
            assert_eq!(selector_text(&selector).as_deref(), text);
        }
    }
}
