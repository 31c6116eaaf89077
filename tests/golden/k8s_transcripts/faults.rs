//! The requests that the recorded server refused, as faults of ours, and what else it answered that is no object.

use std::collections::BTreeMap;

use serde_json::Value;

use super::recording::{is_refused, target};
use crate::kube_api::{Effect, Fault, KubeApi, LogKey, Refusal};

/// Sets up one step.
pub(super) fn set_up<'a>(api: &KubeApi, exchanges: impl Iterator<Item = &'a Value>) {
    api.forget_faults();
    let mut denied: Vec<Value> = Vec::new();
    let mut by_request: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for exchange in exchanges {
        if exchange["path"].as_str().is_some_and(|path| path.trim_end_matches('/') == "/version")
            && !is_refused(exchange)
        {
            api.set_version(exchange["response_body"].clone());
        }
        if exchange["response_body"]["status"]["allowed"] == false {
            denied.push(exchange["request_body"]["spec"]["resourceAttributes"].clone());
        }
        keep_log(api, exchange);
        by_request.entry(request(exchange)).or_default().push(exchange);
    }
    if !denied.is_empty() {
        api.allow(move |asked| !denied.iter().any(|denied| is_same_right(denied, asked)));
    }
    for exchanges in by_request.values() {
        let mut answered = 0;
        let all_are_refused = exchanges.iter().all(|exchange| is_refused(exchange));
        for exchange in exchanges {
            match effect(exchange) {
                None => answered += 1,
                // Reads are not counted: a port reads as often as it likes.
                Some(effect) if all_are_refused && exchange["method"] == "GET" => {
                    api.fault(fault(exchange, effect));
                    break;
                }
                Some(effect) => api.fault(fault(exchange, effect).after(answered).times(1)),
            }
        }
    }
}

fn keep_log(api: &KubeApi, exchange: &Value) {
    let Some(target) = target(exchange).filter(|target| target.subresource.as_deref() == Some("log")) else { return };
    if let (false, Some(text)) = (is_refused(exchange), exchange["response_body"].as_str()) {
        let query = |name: &str| exchange["query"][name].as_str().unwrap_or_default().to_owned();
        let previous = query("previous").eq_ignore_ascii_case("true");
        let key = LogKey { pod: target.name.unwrap_or_default(), container: query("container"), previous };
        api.log(key, text);
    }
}

/// `pods/log` is the sub-resource `log` of `pods`.
fn is_same_right(denied: &Value, asked: &Value) -> bool {
    let text = |attributes: &Value, name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
    let resource = |attributes: &Value| match text(attributes, "subresource") {
        subresource if subresource.is_empty() => text(attributes, "resource"),
        subresource => format!("{}/{subresource}", text(attributes, "resource")),
    };
    let is_same = |name: &str| text(denied, name) == text(asked, name);
    is_same("group") && is_same("verb") && is_same("namespace") && resource(denied) == resource(asked)
}

/// What tells requests apart.
fn request(exchange: &Value) -> String {
    let method =
        if exchange.get("watch_events").is_some() { "WATCH" } else { exchange["method"].as_str().unwrap_or_default() };
    let query = |name: &str| exchange["query"][name].as_str().unwrap_or_default().to_lowercase();
    format!("{method} {} {} {}", exchange["path"], query("container"), query("previous"))
}

/// What is wrong with an answer, if it does not follow from the objects.
fn effect(exchange: &Value) -> Option<Effect> {
    let error = exchange["watch_events"].as_array().into_iter().flatten().find(|event| event["type"] == "ERROR");
    if let Some(event) = error {
        return Some(Effect::WatchError(refusal(&event["object"])));
    }
    let status = exchange["response_status"].as_u64().and_then(|status| u16::try_from(status).ok())?;
    let is_log = target(exchange).is_some_and(|target| target.subresource.is_some());
    let follows = status == 404 || (is_log && status == 400);
    (status >= 400 && !follows).then(|| Effect::Answer(status, exchange["response_body"].clone()))
}

fn refusal(status: &Value) -> Refusal {
    let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    Refusal::new(code, status["message"].as_str().unwrap_or_default())
}

fn fault(exchange: &Value, effect: Effect) -> Fault {
    let wanted = request(exchange);
    Fault::when(
        move |call| {
            let method = if call.is_watch() { "WATCH" } else { &call.method };
            let query = |name: &str| call.query.get(name).map(|value| value.to_lowercase()).unwrap_or_default();
            format!("{method} {:?} {} {}", call.path, query("container"), query("previous")) == wanted
        },
        effect,
    )
}
