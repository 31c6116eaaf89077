//! The server's side of the wire.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::call::{Call, Target};
use super::controller::{Verb, Write};
use super::fault::Effect;
use super::objects::{Key, Refusal, not_found};
use super::selector::selects;
use super::{LogKey, Shared, State};

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Accepts connections for as long as the server is there.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let address = listener.local_addr().unwrap();
    let mut is_there = shared.is_there.subscribe();
    let mut listener = Some(listener);
    loop {
        let connections = connections(listener.take(), address, &shared);
        tokio::select! {
            () = connections => return,
            _ = is_there.wait_for(|is_there| !is_there) => {}
        }
        if is_there.wait_for(|is_there| *is_there).await.is_err() {
            return;
        }
    }
}

async fn connections(listener: Option<TcpListener>, address: SocketAddr, shared: &Arc<Shared>) {
    let listener = match listener {
        Some(listener) => listener,
        None => TcpListener::bind(address).await.unwrap(),
    };
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&shared)));
            // A dropped connection is part of the script, so the error says nothing.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

enum Reply {
    Json(u16, Value),
    Text(u16, String),
    Watch(Watch),
    Drop,
    Hang,
}

async fn answer(request: hyper::Request<Incoming>, shared: Arc<Shared>) -> Result<hyper::Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let call = call(&parts, &body);
    let struck = {
        let faults = &mut shared.state().faults;
        faults.iter_mut().find_map(|fault| fault.strike(&call))
    };
    let reply = match struck {
        Some(Effect::Late(time)) => {
            record(&call, &shared);
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                usual(&call, &shared)
            })
            .await?
        }
        effect => {
            // Recorded after its effect, so that who waits for it finds the effect.
            let reply = reply(effect, &call, &shared);
            record(&call, &shared);
            reply
        }
    };
    let (status, body) = match reply {
        Reply::Json(status, body) => (status, Full::from(body.to_string()).boxed_unsync()),
        Reply::Text(status, body) => (status, Full::from(body).boxed_unsync()),
        Reply::Watch(watch) => (200, watch.into_body()),
        Reply::Drop => return Err("dropped, as the script says".into()),
        Reply::Hang => std::future::pending().await,
    };
    Ok(hyper::Response::builder().status(status).header("content-type", "application/json").body(body)?)
}

fn call(parts: &http::request::Parts, body: &Bytes) -> Call {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let path = parts.uri.path().to_owned();
    Call {
        method: parts.method.to_string(),
        target: Target::parse(&path),
        path,
        query: query.into_owned().collect(),
        content_type: header("content-type"),
        authorization: header("authorization"),
        body: serde_json::from_slice(body).unwrap_or_default(),
    }
}

fn record(call: &Call, shared: &Shared) {
    shared.calls.send_modify(|calls| calls.push(call.clone()));
}

fn reply(effect: Option<Effect>, call: &Call, shared: &Arc<Shared>) -> Reply {
    match effect {
        Some(Effect::Refuse(refusal)) => Reply::Json(refusal.code, refusal.status()),
        Some(Effect::Answer(status, body)) => Reply::Json(status, body),
        Some(Effect::Drop) => Reply::Drop,
        Some(Effect::Hang) => Reply::Hang,
        Some(Effect::WatchError(refusal)) => {
            let event = json!({"type": "ERROR", "object": refusal.status()});
            Reply::Text(200, format!("{event}\n"))
        }
        Some(Effect::Late(_)) | None => usual(call, shared),
    }
}

fn usual(call: &Call, shared: &Arc<Shared>) -> Reply {
    let answered = match &call.target {
        None if call.path.trim_end_matches('/') == "/version" => Ok(Reply::Json(200, shared.state().version.clone())),
        None => Err(Refusal::new(404, "the server could not find the requested resource")),
        Some(target) => addressed(call, target, shared),
    };
    answered.unwrap_or_else(|refusal| Reply::Json(refusal.code, refusal.status()))
}

fn addressed(call: &Call, target: &Target, shared: &Arc<Shared>) -> Result<Reply, Refusal> {
    let key = Key {
        group: target.group.clone(),
        resource: target.resource.clone(),
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name.clone().unwrap_or_default(),
    };
    match (call.method.as_str(), &target.name, target.subresource.as_deref()) {
        ("GET", Some(_), Some("log")) => log(call, &key, &shared.state()),
        ("GET", Some(_), None) => {
            let state = shared.state();
            let object = state.objects.get(&key).cloned().ok_or_else(|| not_found(&key))?;
            Ok(Reply::Json(200, object))
        }
        ("GET", None, _) if call.is_watch() => watch(call, target, shared).map(Reply::Watch),
        ("GET", None, _) => Ok(Reply::Json(200, list(call, target, &shared.state()))),
        ("POST", None, _) if target.resource == "selfsubjectaccessreviews" => {
            let mut review = call.body.clone();
            review["status"] = json!({"allowed": (shared.state().allows)(&call.body["spec"]["resourceAttributes"])});
            Ok(Reply::Json(201, review))
        }
        ("POST", None, _) => {
            let created = shared.change(|state| state.objects.create(target, &call.body))?;
            let key = Key { name: created["metadata"]["name"].as_str().unwrap_or_default().to_owned(), ..key };
            shared.react(&Write { verb: Verb::Create, key, before: None, after: Some(created.clone()) });
            Ok(Reply::Json(201, created))
        }
        ("PATCH" | "PUT", Some(_), None) => {
            let content_type = call.content_type.as_deref().unwrap_or_default();
            let before = shared.state().objects.get(&key).cloned();
            let modify = |state: &mut State| state.objects.modify(&key, &call.method, content_type, &call.body);
            let after = shared.change(modify)?;
            shared.react(&Write { verb: Verb::Modify, key, before, after: Some(after.clone()) });
            Ok(Reply::Json(200, after))
        }
        ("DELETE", Some(_), None) => {
            let before = shared.state().objects.get(&key).cloned();
            let answer = shared.change(|state| state.objects.delete(&key, &call.body))?;
            let after = shared.state().objects.get(&key).cloned();
            shared.react(&Write { verb: Verb::Delete, key, before, after });
            Ok(Reply::Json(200, answer))
        }
        (method, _, subresource) => {
            let message = format!("{method} on {} {subresource:?} is not served", target.resource);
            Err(Refusal::new(405, message))
        }
    }
}

fn list(call: &Call, target: &Target, state: &State) -> Value {
    let labels = call.query.get("labelSelector").map(String::as_str);
    let fields = call.query.get("fieldSelector").map(String::as_str);
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let objects = state.objects.all(&target.group, &target.resource, namespace);
    let items: Vec<&Value> =
        objects.map(|(_, object)| object).filter(|object| selects(object, labels, fields)).collect();
    let kind = items.first().and_then(|item| item["kind"].as_str()).unwrap_or_default();
    json!({
        "kind": format!("{kind}List"), "apiVersion": target.api_version(),
        "metadata": {"resourceVersion": state.objects.version().to_string()}, "items": items,
    })
}

fn log(call: &Call, key: &Key, state: &State) -> Result<Reply, Refusal> {
    if state.objects.get(key).is_none() {
        return Err(not_found(key));
    }
    let container = call.query.get("container").cloned().unwrap_or_default();
    let previous = call.query.get("previous").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let Some(text) = state.logs.get(&LogKey { pod: key.name.clone(), container: container.clone(), previous }) else {
        let what = if previous { "previous terminated container" } else { "container" };
        return Err(Refusal::new(400, format!("{what} {container:?} in pod {:?} not found", key.name)));
    };
    let limit = call.query.get("limitBytes").and_then(|limit| limit.parse().ok()).unwrap_or(text.len());
    let shown = &text.as_bytes()[..limit.min(text.len())];
    Ok(Reply::Text(200, String::from_utf8_lossy(shown).into_owned()))
}

/// A watch that is open.
struct Watch {
    shared: Arc<Shared>,
    target: Target,
    labels: Option<String>,
    fields: Option<String>,
    /// What has been sent.
    version: u64,
    closings: u64,
    /// Sent before anything else.
    first: Vec<Value>,
    is_over: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let this = (&self.target, &self.fields);
        self.shared.change(|state| {
            let open = &mut state.open_watches;
            if let Some(position) = open.iter().position(|(target, fields)| (target, fields) == this) {
                open.swap_remove(position);
            }
        });
    }
}

fn watch(call: &Call, target: &Target, shared: &Arc<Shared>) -> Result<Watch, Refusal> {
    let state = &mut *shared.state();
    let version = call.query.get("resourceVersion").map(String::as_str).filter(|version| !matches!(*version, "" | "0"));
    let version =
        version.map(|version| version.parse::<u64>().map_err(|_| Refusal::new(400, "not a resource version")));
    let version = version.transpose()?;
    let first = if version.is_some() {
        Vec::new()
    } else {
        let items = list(call, target, state)["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().map(|object| json!({"type": "ADDED", "object": object})).collect()
    };
    let watched = (target.clone(), call.query.get("fieldSelector").cloned());
    let same = 1 + state.open_watches.iter().filter(|open| **open == watched).count();
    state.open_watches.push(watched);
    state.most_watches = state.most_watches.max(same);
    Ok(Watch {
        shared: Arc::clone(shared),
        target: target.clone(),
        labels: call.query.get("labelSelector").cloned(),
        fields: call.query.get("fieldSelector").cloned(),
        version: version.unwrap_or(state.objects.version()),
        closings: state.closings,
        first,
        is_over: false,
    })
}

impl Watch {
    fn into_body(self) -> Body {
        let frames = stream::unfold(self, |mut watch| async move {
            let events = watch.next().await?;
            let lines: Vec<String> = events.iter().map(Value::to_string).collect();
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(lines.join("\n") + "\n"))), watch))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    /// The next events; none when the server closes the watch.
    async fn next(&mut self) -> Option<Vec<Value>> {
        if self.is_over {
            return None;
        }
        if !self.first.is_empty() {
            return Some(std::mem::take(&mut self.first));
        }
        let mut changes = self.shared.changes.subscribe();
        loop {
            let events = {
                let state = self.shared.state();
                if state.closings > self.closings {
                    return None;
                }
                let (labels, fields) = (self.labels.as_deref(), self.fields.as_deref());
                let events = state.objects.events_since(self.version, &self.target, labels, fields);
                if events.is_ok() {
                    self.version = state.objects.version();
                }
                events
            };
            match events {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Some(events),
                Err(refusal) => {
                    self.is_over = true;
                    return Some(vec![json!({"type": "ERROR", "object": refusal.status()})]);
                }
            }
            changes.changed().await.ok()?;
        }
    }
}
