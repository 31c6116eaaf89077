//! Whatever an executable does wrong is told clearly, and leaves no process behind.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{connector, executable, is_alive, no_orphans, pids, servo};
use crate::support::agent::Agent;
use crate::support::http_server::{BOUND, HttpServer, Reply, Request};
use crate::support::servo_bin::{ServoBin, succeeded, was_wrong};

const CONFIG: &str = "toy: {}\n";

/// Runs a command that fails, and returns what it said. No process is left, whatever the connector has started.
async fn failure(functions: &str, arguments: &str) -> String {
    let servo = servo(CONFIG, functions);
    let finished = servo.run(arguments).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    no_orphans(servo.folder()).await;
    finished.stderr
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not said: {text}");
    }
}

#[tokio::test]
async fn a_crash_in_the_middle_of_an_event_fails_it_with_the_last_words() {
    let crash = r#"on_describe() { sleep 1000 & echo $! >>"$folder/pids"; echo "out of memory" >&2; exit 3; }"#;
    let said = failure(crash, "describe").await;
    says(
        &said,
        &["description failed: connector 'toy' failed: it ended in the middle of describe, with exit status 3"],
    );
    says(&said, &["the end of its standard error:\nout of memory", "toy"]);
}

#[tokio::test]
async fn a_signal_that_ends_it_is_named() {
    says(&failure("on_describe() { kill -KILL $$; }", "describe").await, &["in the middle of describe, by signal 9"]);
}

#[tokio::test]
async fn malformed_output_is_repeated_with_the_rule_that_it_breaks() {
    let said = failure("on_describe() { echo 'Connecting...'; on_describe2; }", "describe").await;
    says(&said, &["it wrote a line to standard output that is no JSON", "Connecting..."]);
    let said = failure(r#"on_describe() { echo '{"id":3,"result":{}}'; }"#, "describe").await;
    says(&said, &["is no message of JSON-RPC 2.0"]);
}

#[tokio::test]
async fn an_answer_to_nothing_is_named_with_the_request_that_is_open() {
    let said = failure("on_describe() { id=99; answer '{}'; }", "describe").await;
    // After initialize, configure and before.
    says(&said, &["it answered a request of id 99, but that of id 4 is open"]);
}

#[tokio::test]
async fn a_line_of_64_mib_is_refused() {
    let said = failure(r"on_describe() { head -c 67108864 /dev/zero | tr '\0' x; echo; }", "describe").await;
    says(&said, &["it wrote a line of more than 16 MiB to standard output"]);
    assert!(said.len() < 10_000, "{}", said.len());
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_a_configuration_error() {
    let servo = servo(CONFIG, "on_initialize() { trap '' TERM; while :; do sleep 1; done; }");
    let finished = servo.run("describe").await;
    says(
        was_wrong(&finished),
        &["servo.yaml:1:1: toy: '", "it did not answer initialize within 10s", "servo connector test"],
    );
    no_orphans(servo.folder()).await;
}

#[tokio::test]
async fn an_executable_that_is_none_is_a_configuration_error() {
    for (content, why) in [
        (&b"\x7fELF and nothing else"[..], "could not be started"),
        (b"#!/no/such/interpreter\n", "could not be started"),
        (b"#!/bin/true\n", "it ended in the middle of initialize, with exit status 0"),
    ] {
        let servo = ServoBin::configured("connectors: {it: broken}\nit: {}\n");
        executable(&servo.folder().join("servo-connector-broken"), content);
        let folder = servo.folder().display().to_string();
        let finished = servo.env("SERVO_CONNECTOR_PATH", &folder).run("describe").await;
        says(&finished.stderr, &["servo.yaml:1:", "connectors: '", why]);
        assert_eq!(finished.code, Some(2), "{finished:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_executable_is_a_configuration_error() {
    let servo = ServoBin::configured("connectors: [dull]\ndull: {}\n").file("servo-connector-dull", "#!/bin/sh\n");
    let folder = servo.folder().display().to_string();
    let finished = servo.env("SERVO_CONNECTOR_PATH", &folder).run("describe").await;
    says(was_wrong(&finished), &["servo-connector-dull' is no connector that can be used: the file is not executable"]);
}

#[tokio::test]
async fn an_answer_that_is_late_ends_the_connector() {
    let slow = r#"on_initialize() { answer "${announced%\}},\"timeouts\":{\"describe\":0.2}}"; }
        on_describe() { echo "thinking" >&2; sleep 1000; }"#;
    let said = failure(slow, "describe").await;
    says(&said, &["it did not answer describe within 200ms", "thinking"]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_understood_is_told_with_its_key_path() {
    let said =
        failure(r#"on_describe() { answer '{"measurement":{"metrics":{"m":{"unit":"miles"}}}}'; }"#, "describe").await;
    says(
        &said,
        &["connector 'toy' answered describe wrongly", "result.measurement.metrics.m.unit: value is not a valid"],
    );
}

#[tokio::test]
async fn a_configuration_that_it_refuses_ends_the_command() {
    let said = failure("on_configure() { fail -32000 'no such database' failed; }", "describe").await;
    says(&said, &["attaching the connectors failed", "it refused its configuration: no such database"]);
}

#[tokio::test]
async fn one_that_will_not_end_is_killed() {
    let servo = servo(CONFIG, "trap '' TERM; on_shutdown() { while :; do sleep 1; done; }");
    succeeded(&servo.run("describe").await);
    no_orphans(servo.folder()).await;
}

#[tokio::test]
async fn an_interrupt_cancels_and_waits_for_the_answer() {
    let servo = servo(CONFIG, "");
    let running = servo.start("measure --duration 600s");
    let started = async {
        while pids(servo.folder()).len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(BOUND, started).await.is_ok(), "it was not started");
    // Whether the measurement has begun by now or not: it is called off.
    let finished = running.interrupt().await;
    assert_eq!(finished.code, Some(130), "{finished:?}");
    no_orphans(servo.folder()).await;
}

#[tokio::test]
async fn an_error_has_the_status_and_reason_that_the_connector_gives() {
    let reject = r#"on_adjust() { printf '{"jsonrpc":"2.0","id":%s,"error":{"code":1,"message":"too high","data":{"status":"rejected","reason":"unstable"}}}\n' "$id"; }"#;
    let state = json!({"application": {"components": {"c": {"settings": {"s": {"value": 9}}}}}});
    let command = json!({"cmd": "ADJUST", "param": {"state": state, "control": {}}});
    let (params, _) = completions(reject, vec![command], "ADJUSTMENT").await;
    assert_eq!(params[0], json!({"status": "rejected", "message": "too high", "reason": "unstable"}));
}

#[tokio::test]
async fn it_is_started_again_at_the_next_event() {
    let once = r#"on_describe() { if [[ $(wc -l <"$folder/pids") -lt 3 ]]; then exit 4; fi
        answer '{"application":'"$components"',"measurement":'"$metrics"'}'; }"#;
    let describe = json!({"cmd": "DESCRIBE", "param": {}});
    let (params, log) = completions(once, vec![describe.clone(), describe], "DESCRIPTION").await;
    assert_eq!((&params[0]["status"], &params[1]["status"]), (&json!("failed"), &json!("ok")), "{params:?}");
    let message = params[0]["message"].as_str().unwrap_or_default();
    says(message, &["it ended in the middle of describe, with exit status 4"]);
    says(&log, &["starting the connector again"]);
}

#[tokio::test]
async fn a_cancelled_command_is_cancelled_in_the_connector() {
    let progress = r#"on_measure() {
        printf '{"jsonrpc":"2.0","method":"progress","params":{"id":%s,"progress":25,"message":"begun"}}\n' "$id"
        read -r message; echo "$message" >>"$folder/cancels"; fail -32000 'called off' cancelled; }"#;
    let mut commands =
        vec![json!({"cmd": "MEASURE", "param": {"metrics": [], "control": {"duration": 600}}})].into_iter();
    let server = HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" => commands.next().map_or_else(sleep_reply, |command| Reply::Json(200, command)),
        "MEASUREMENT" if request.param().get("progress").is_some() => Reply::Json(200, json!({"status": "cancel"})),
        _ => Reply::ok(),
    })
    .await;
    let agent = agent(&server, progress);
    let is_completion = |param: &Value| param.get("progress").is_none();
    let requests = server
        .wait_until("a completion", |requests| {
            requests.iter().any(|request| request.event() == "MEASUREMENT" && is_completion(&request.param()))
        })
        .await;
    let params: Vec<Value> =
        requests.iter().filter(|request| request.event() == "MEASUREMENT").map(Request::param).collect();
    assert_eq!(params[0]["progress"], 25.0);
    assert_eq!(params[1]["status"], "cancelled");
    let cancels = std::fs::read_to_string(agent.folder().join("cancels")).unwrap();
    assert_eq!(cancels.trim(), r#"{"jsonrpc":"2.0","method":"cancel","params":{"id":3}}"#);
    stop(agent).await;
}

#[tokio::test]
async fn one_that_ends_between_events_is_told_in_the_log_and_started_again() {
    let after = "on_describe() { answer '{}'; exit 5; }";
    let describe = json!({"cmd": "DESCRIBE", "param": {}});
    let server = optimizer(vec![describe]).await;
    let agent = agent(&server, after);
    agent.wait_for_log("the connector failed between events").await;
    agent.wait_for_log("it ended while nothing was asked, with exit status 5").await;
    stop(agent).await;
}

fn sleep_reply() -> Reply {
    Reply::Json(200, json!({"cmd": "SLEEP", "param": {"duration": 60}}))
}

async fn optimizer(commands: Vec<Value>) -> HttpServer {
    let mut commands = commands.into_iter();
    HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" => commands.next().map_or_else(sleep_reply, |command| Reply::Json(200, command)),
        _ => Reply::ok(),
    })
    .await
}

fn agent(server: &HttpServer, functions: &str) -> Agent {
    let folder = tempfile::tempdir().unwrap();
    connector(folder.path(), "toy", functions);
    let config = format!("optimizer: {{id: dev.opsani.com/app, token: t, base_url: '{}'}}\n{CONFIG}", server.url());
    std::fs::write(folder.path().join("servo.yaml"), config).unwrap();
    let path = folder.path().display().to_string();
    Agent::start_in(folder, &["run"], &[("SERVO_CONNECTOR_PATH", &path)])
}

/// Stops it. Nothing is left of its connectors then.
async fn stop(mut agent: Agent) -> String {
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
    for pid in pids(agent.folder()) {
        assert!(!is_alive(pid), "process {pid} is left");
    }
    agent.log()
}

/// What is posted for these commands, and the log.
async fn completions(functions: &str, commands: Vec<Value>, event: &str) -> (Vec<Value>, String) {
    let count = commands.len();
    let server = optimizer(commands).await;
    let agent = agent(&server, functions);
    let requests = server
        .wait_until("all completions", |requests| {
            requests.iter().filter(|request| request.event() == event).count() == count
        })
        .await;
    let log = stop(agent).await;
    let of_event = requests.iter().filter(|request| request.event() == event);
    (of_event.map(Request::param).collect(), log)
}
