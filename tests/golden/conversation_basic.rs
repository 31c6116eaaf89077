//! Whole conversations of `servo run` with a scripted optimizer: the case's answers are given, and what the agent posts
//! is compared with what was recorded.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http_server::{BOUND, HttpServer, Reply, Request};
use crate::toy;

/// Runs one case.
pub(crate) fn run(case: &Value) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(converse(case))
}

async fn converse(case: &Value) -> Result<(), String> {
    let recorded = case["output"]["exchanges"].as_array().ok_or("the case has no exchanges")?;
    let server = HttpServer::start(script(recorded)).await;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let url = server.url();
    let port = url.rsplit(':').next().unwrap_or_default();
    let place = |text: &str| text.replace("{PORT}", port).replace("{DIR}", &folder.path().display().to_string());
    write_files(case, folder.path(), place)?;
    let mut servo = start(case, folder.path(), place)?;

    // A connection file that was rewritten during the recording shows in the credentials of the requests.
    let moved = rewritten_connection(case, recorded);
    let elsewhere = match &moved {
        None => None,
        Some((before, authorization)) => {
            server.wait_until("the requests before the change of the connection file", |r| r.len() >= *before).await;
            let other = HttpServer::start(script(&recorded[*before..])).await;
            rewrite_connection(case, folder.path(), authorization, &other.url())?;
            Some(other)
        }
    };
    let goodbyes = recorded.iter().filter(|exchange| event(exchange) == "GOODBYE").count();
    let last = elsewhere.as_ref().unwrap_or(&server);
    let before_goodbye = recorded.len() - goodbyes - moved.as_ref().map_or(0, |(before, _)| *before);
    let recordable = |requests: &[Request]| requests.iter().filter(|request| !is_preflight(request)).count();
    last.wait_until("the conversation before the signal", |requests| recordable(requests) >= before_goodbye).await;
    if goodbyes > 0 {
        // An agent that has not heard the answer to its HELLO yet has nobody to say goodbye to.
        wait_for_log(&mut servo, "connected to the optimizer").await?;
    }
    if let Some(signal) = case["input"]["signal_at_end"].as_str() {
        send(&servo, signal)?;
    }
    let exited = tokio::time::timeout(BOUND, servo.wait()).await.map_err(|_| "the agent did not end")?;
    let code = exited.map_err(|e| e.to_string())?.code();

    let mut requests = server.requests();
    requests.extend(elsewhere.iter().flat_map(HttpServer::requests));
    requests.retain(|request| !is_preflight(request));
    compare(recorded, &requests, moved.as_ref().map(|(before, _)| *before))?;
    expect_exit(case, code)?;
    compare_files(case, folder.path())
}

/// Whether a request is one of those by which the port tries each query before a measurement begins. The reference
/// makes none of them.
fn is_preflight(request: &Request) -> bool {
    ["/api/v1/query?", "/api/v1/label/"].iter().any(|prefix| request.path.starts_with(prefix))
}

/// Waits until the agent has logged a text; what it logs later is read and dropped.
async fn wait_for_log(servo: &mut Child, text: &str) -> Result<(), String> {
    let mut lines = BufReader::new(servo.stderr.take().ok_or("the log is not piped")?).lines();
    let found = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains(text) {
                return Ok(());
            }
        }
        Err(format!("the agent ended without logging {text:?}"))
    };
    tokio::time::timeout(BOUND, found).await.map_err(|_| format!("the agent did not log {text:?}"))??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(())
}

/// The agent's exit code: the recorded one, or 0 where the record is marked as a defect of the exit code.
fn expect_exit(case: &Value, code: Option<i32>) -> Result<(), String> {
    let marked = case["reference_defect"].as_str().is_some_and(|text| text.contains("exit_code"));
    let expected = if marked { Some(0) } else { case["output"]["exit_code"].as_i64() };
    if code.map(i64::from) == expected { Ok(()) } else { Err(format!("exit code {code:?}, expected {expected:?}")) }
}

/// Files that the conversation leaves behind.
fn compare_files(case: &Value, folder: &Path) -> Result<(), String> {
    let output = case["output"].as_object().into_iter().flatten();
    for (name, content) in output.filter(|(name, _)| name.contains('.')) {
        let found = std::fs::read_to_string(folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
        if Some(found.as_str()) != content.as_str() {
            return Err(format!("{name} is {found:?}, expected {content}"));
        }
    }
    Ok(())
}

fn write_files(case: &Value, folder: &Path, place: impl Fn(&str) -> String) -> Result<(), String> {
    let config = &case["input"]["config"];
    let documents = config.as_array().cloned().unwrap_or_else(|| vec![config.clone()]);
    // JSON is YAML.
    let text: Vec<String> = documents.iter().map(|document| place(&document.to_string())).collect();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).map_err(|e| e.to_string());
    write("servo.yaml", &text.join("\n---\n"))?;
    for (name, content) in case["input"]["files"].as_object().into_iter().flatten() {
        write(name, &place(content.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn start(case: &Value, folder: &Path, place: impl Fn(&str) -> String) -> Result<Child, String> {
    let args = case["input"]["args"].as_array().into_iter().flatten().skip(1).filter_map(Value::as_str).map(place);
    let env = case["input"]["env"].as_object().into_iter().flatten();
    Command::new(std::env::current_exe().map_err(|e| e.to_string())?)
        .args(args)
        .env_clear()
        .env(toy::AS_SERVO, "1")
        .env("PATH", "/usr/bin:/bin")
        .envs(env.map(|(key, value)| (key, value.as_str().unwrap_or_default())))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| e.to_string())
}

fn send(servo: &Child, signal: &str) -> Result<(), String> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = servo.id().and_then(|id| Pid::from_raw(id.cast_signed())).ok_or("the agent ended by itself")?;
    let signal = match signal {
        "SIGTERM" => Signal::TERM,
        "SIGINT" => Signal::INT,
        "SIGHUP" => Signal::HUP,
        "SIGUSR1" => Signal::USR1,
        other => return Err(format!("unknown signal {other}")),
    };
    kill_process(pid, signal).map_err(|e| e.to_string())
}

/// Answers each request with the recorded answer to the same request: same method, path and event, same turn.
fn script(recorded: &[Value]) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let mut answers: HashMap<String, Vec<Value>> = HashMap::new();
    for exchange in recorded.iter().rev() {
        let request = &exchange["request"];
        let body = request_body(request);
        let key = key(request["method"].as_str(), request["path"].as_str(), &body);
        answers.entry(key).or_default().push(exchange["response"].clone());
    }
    let answers = Mutex::new(answers);
    move |request| {
        // The second address has a path of its own.
        let path = request.path.trim_start_matches("/elsewhere");
        let key = key(Some(&request.method), Some(path), &request.json());
        let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key).and_then(Vec::pop);
        match answer {
            Some(answer) => reply(&answer),
            None if request.event() == "WHATS_NEXT" => {
                Reply::Json(200, json!({"cmd": "SLEEP", "param": {"duration": 60}}))
            }
            None => Reply::ok(),
        }
    }
}

fn reply(recorded: &Value) -> Reply {
    let Some(status) = recorded["status"].as_u64().and_then(|status| u16::try_from(status).ok()) else {
        return Reply::Drop;
    };
    match (recorded.get("body"), recorded.get("text")) {
        (Some(Value::String(text)), _) | (None, Some(Value::String(text))) => Reply::Text(status, text.clone()),
        (Some(body), _) => Reply::Json(status, body.clone()),
        _ => Reply::Text(status, String::new()),
    }
}

fn request_body(request: &Value) -> Value {
    match (request.get("body"), request["body_raw"].as_str()) {
        (Some(body), _) if !body.is_null() => body.clone(),
        (_, Some(raw)) => serde_json::from_str(raw).unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

/// What makes two requests the same turn of the conversation.
fn key(method: Option<&str>, path: Option<&str>, body: &Value) -> String {
    let path = path.unwrap_or_default();
    // The times of a range query are those of the run.
    let path = match path.split_once('?') {
        Some((path, query)) => {
            let kept: Vec<_> =
                query.split('&').filter(|p| !p.starts_with("start=") && !p.starts_with("end=")).collect();
            format!("{path}?{}", kept.join("&"))
        }
        None => path.to_owned(),
    };
    let kind = if body["param"].get("progress").is_some() { "progress" } else { "" };
    format!("{} {path} {} {kind}", method.unwrap_or_default(), body["event"].as_str().unwrap_or_default())
}

fn event(exchange: &Value) -> String {
    request_body(&exchange["request"])["event"].as_str().unwrap_or_default().to_owned()
}

/// When the credentials changed during the recording of a case with a connection file: the number of requests before,
/// and the new credentials.
fn rewritten_connection(case: &Value, recorded: &[Value]) -> Option<(usize, String)> {
    connection_file(case)?;
    let authorization = |exchange: &Value| exchange["request"]["headers"]["authorization"].as_str().map(str::to_owned);
    let first = authorization(recorded.first()?)?;
    recorded.iter().enumerate().find_map(|(index, exchange)| {
        let later = authorization(exchange)?;
        (later != first).then_some((index, later))
    })
}

fn connection_file(case: &Value) -> Option<&str> {
    case["input"]["config"]["optimizer"]["connection_file"].as_str()?.rsplit('/').next()
}

/// Replaces the file as Kubernetes and careful writers do: by a new one under its name.
fn rewrite_connection(case: &Value, folder: &Path, authorization: &str, url: &str) -> Result<(), String> {
    let name = connection_file(case).ok_or("the case has no connection file")?;
    let text = format!("Authorization: {authorization}\nEndpoint: {url}/elsewhere/\nTenantId: other\n");
    std::fs::write(folder.join("next"), text).map_err(|e| e.to_string())?;
    std::fs::rename(folder.join("next"), folder.join(name)).map_err(|e| e.to_string())
}

/// One request without what differs from run to run.
#[derive(Debug)]
struct Turn {
    path: String,
    body: Value,
    /// Null where the record left the headers out.
    authorization: Value,
    content_type: Value,
}

impl Turn {
    fn agrees(&self, made: &Self) -> bool {
        let header = |recorded: &Value, made: &Value| recorded.is_null() || recorded == made;
        self.path == made.path
            && self.body == made.body
            && header(&self.authorization, &made.authorization)
            && header(&self.content_type, &made.content_type)
    }
}

/// Compares path by path: what the optimizers of different servos, the side channel and other servers see has no common
/// order. `moved` is the number of requests before the address changed.
fn compare(recorded: &[Value], requests: &[Request], moved: Option<usize>) -> Result<(), String> {
    let mut expected: Vec<Turn> = recorded.iter().map(recorded_turn).collect();
    let mut found: Vec<Turn> = requests.iter().map(made_turn).collect();
    if let Some(before) = moved {
        // The new address is applied, where the record kept the old one: the path has its prefix.
        for turn in expected.iter_mut().skip(before) {
            turn.path = turn.path.replacen("POST /", "POST /elsewhere/", 1);
        }
    }
    // Stable, so that the order within a path is kept.
    expected.sort_by(|a, b| a.path.cmp(&b.path));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let differs = |index: &usize| match (expected.get(*index), found.get(*index)) {
        (Some(expected), Some(found)) => !expected.agrees(found),
        _ => true,
    };
    match (0..expected.len().max(found.len())).find(differs) {
        None => Ok(()),
        Some(index) => Err(format!(
            "turn {index} of {} (made {}):\nexpected {:#?}\nfound {:#?}",
            expected.len(),
            found.len(),
            expected.get(index),
            found.get(index)
        )),
    }
}

fn recorded_turn(exchange: &Value) -> Turn {
    let request = &exchange["request"];
    let body = match request_body(request) {
        Value::Null => request["body_raw"].clone(),
        body => body,
    };
    Turn {
        path: key(request["method"].as_str(), request["path"].as_str(), &Value::Null).trim_end().to_owned(),
        body: normal(body),
        authorization: request["headers"]["authorization"].clone(),
        content_type: request["headers"]["content-type"].clone(),
    }
}

fn made_turn(request: &Request) -> Turn {
    let port = request.header("host").and_then(|host| host.rsplit(':').next()).unwrap_or_default();
    let text = request.body.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:<port>");
    let body = match serde_json::from_str(&text) {
        Ok(body) => body,
        Err(_) if text.is_empty() => Value::Null,
        Err(_) => Value::String(text),
    };
    let header = |name: &str| request.header(name).map_or(Value::Null, Value::from);
    Turn {
        path: key(Some(&request.method), Some(&request.path), &Value::Null).trim_end().to_owned(),
        body: normal(body),
        authorization: header("authorization"),
        content_type: header("content-type"),
    }
}

/// A body without what differs from run to run. Secrets in diagnostics are redacted on both sides: that ours are is
/// tested where the whole body is at hand.
fn normal(mut body: Value) -> Value {
    let mut replace = |pointer: &str, value: &str| {
        if let Some(found) = body.pointer_mut(pointer) {
            *found = json!(value);
        }
    };
    replace("/param/agent", "agent");
    replace("/param/telemetry/servox.platform", "platform");
    replace("/data/logs", "logs");
    replace("/data/configmap/optimizer/token", "REDACTED");
    if body.pointer("/param/progress").is_some() {
        body["param"]["runtime"] = json!("seconds");
        body["param"]["message"] = json!("line");
    }
    for metric in body.pointer_mut("/param/metrics").and_then(Value::as_object_mut).into_iter().flatten() {
        for values in metric.1.get_mut("values").and_then(Value::as_array_mut).into_iter().flatten() {
            values["id"] = json!("second");
        }
    }
    body
}
