//! The endpoints of `servo run`, over real sockets: metrics, probes, the stream, and what is made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};
use servox::internals::endpoints::FAMILIES;
use servox::internals::endpoints::sse::{Event, Reader};
use servox::internals::network::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::runner::not_a_double;
use crate::support::agent::Agent;
use crate::support::components::component;
use crate::support::http_server::{BOUND, HttpServer, Reply};
use crate::support::servo_bin::ServoBin;

const LISTEN: &[&str] = &["run", "--listen", "127.0.0.1:0"];

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn config(server: &HttpServer, rest: &str) -> String {
    format!("optimizer: {{id: dev.opsani.com/app, token: s3cr3t, base_url: '{}'}}\n{rest}\n", server.url())
}

fn sleep(seconds: f64) -> Reply {
    Reply::Json(200, json!({"cmd": "SLEEP", "param": {"duration": seconds, "data": {"reason": "done"}}}))
}

fn http() -> reqwest::Client {
    Network::default().client_builder().unwrap().build().unwrap()
}

/// Where an agent serves, once it does.
async fn address(agent: &Agent) -> String {
    agent.wait_for_log("/stream on http://").await;
    let log = agent.log();
    let rest = log.split("/stream on ").nth(1).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn get(url: &str) -> (u16, String) {
    let response = http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Asks until the answer is as it should be.
async fn wait_for(url: &str, mut is_right: impl FnMut(u16, &str) -> bool) -> String {
    let mut last = String::new();
    let asked = async {
        loop {
            let (status, text) = get(url).await;
            if is_right(status, &text) {
                return text;
            }
            last = format!("{status} {text}");
        }
    };
    match tokio::time::timeout(BOUND, asked).await {
        Ok(text) => text,
        Err(tokio::time::error::Elapsed { .. }) => panic!("{url} last answered {last}"),
    }
}

async fn stop(mut agent: Agent) {
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
}

/// The samples of a page, by name and labels.
fn samples(page: &str) -> BTreeMap<&str, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name, value.parse().unwrap())).collect()
}

/// The families that a page has samples of.
fn families(page: &str) -> BTreeSet<String> {
    let names = samples(page).into_keys().map(|sample| sample.split('{').next().unwrap().to_owned());
    names.map(|name| name.strip_suffix("_bucket").map_or(name.clone(), str::to_owned)).collect()
}

async fn promtool(program: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The metrics of a run in which everything happens that a remote optimizer can cause.
async fn eventful_page() -> String {
    let mut hellos = [Reply::Text(503, "busy".into())].into_iter();
    let mut commands = [
        Reply::Json(200, json!({"cmd": "DESCRIBE"})),
        Reply::Json(200, json!({"cmd": "MEASURE", "param": {"metrics": []}})),
        Reply::Json(401, json!({"detail": "token"})),
        Reply::Json(200, json!({"cmd": "MEASURE", "param": {"metrics": [], "control": {"duration": 0}}})),
        Reply::Json(200, json!({"cmd": "ADJUST", "param": {"state": {"application": {"components": {}}}}})),
        sleep(60.0),
    ]
    .into_iter();
    let server = HttpServer::start(move |request| match request.event().as_str() {
        "HELLO" => hellos.next().unwrap_or_else(Reply::ok),
        "WHATS_NEXT" => commands.next().unwrap_or(Reply::Hang),
        _ => Reply::ok(),
    })
    .await;
    let rest = "wait: {measure_enabled: true}";
    let agent = Agent::start(&config(&server, rest), LISTEN, &[]);
    let url = format!("{}/metrics", address(&agent).await);
    let slept =
        |_: u16, page: &str| page.contains("servo_commands_total{servo=\"dev.opsani.com/app\",command=\"sleep\"} 1\n");
    let page = wait_for(&url, slept).await;
    let response = http().get(&url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    stop(agent).await;
    page
}

/// The metrics of a run with an embedded optimizer that has come to its result.
async fn optimized_page() -> String {
    let config = "name: web\noptimizer: {embedded: {slo: [{metric: p99_latency, threshold: 250}], trials: 5, \
                  measure: {warmup: 1m, duration: 1m}}}\nsimulation: {speed: 10000}\n";
    let agent = Agent::start(config, LISTEN, &[]);
    let url = format!("{}/metrics", address(&agent).await);
    let page = wait_for(&url, |_, page| page.contains("servo_optimization_finished{servo=\"web\"} 1\n")).await;
    stop(agent).await;
    page
}

#[tokio::test]
async fn every_metric_moves_and_promtool_accepts_the_page() {
    let (eventful, optimized) = tokio::join!(eventful_page(), optimized_page());
    let values = samples(&eventful);
    let own = |name: &str, labels: &str| {
        let sample = format!("{name}{{servo=\"dev.opsani.com/app\"{labels}}}");
        *values.get(sample.as_str()).unwrap_or_else(|| panic!("{sample} is not in\n{eventful}"))
    };
    for (name, labels, value) in [
        ("servo_commands_total", r#",command="describe""#, 1.0),
        ("servo_commands_total", r#",command="measure""#, 2.0),
        ("servo_commands_total", r#",command="adjust""#, 1.0),
        ("servo_command_duration_seconds_count", r#",command="describe",status="ok""#, 1.0),
        ("servo_command_duration_seconds_count", r#",command="measure",status="ok""#, 1.0),
        ("servo_command_duration_seconds_count", r#",command="adjust",status="ok""#, 1.0),
        ("servo_command_duration_seconds_bucket", r#",command="measure",status="failed",le="+Inf""#, 1.0),
        ("servo_command_failures_total", r#",command="measure",status="failed",reason="none""#, 1.0),
        ("servo_optimizer_retries_total", "", 1.0),
        ("servo_optimizer_failures_total", r#",reason="http_status""#, 1.0),
        ("servo_running", "", 1.0),
        ("servo_ready", "", 1.0),
    ] {
        assert!((own(name, labels) - value).abs() < 1e-9, "{name}{labels}:\n{eventful}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    for name in ["servo_optimizer_last_contact_timestamp_seconds", "process_start_time_seconds"] {
        let (_, time) = values.iter().find(|(sample, _)| sample.starts_with(name)).unwrap();
        assert!((now - 120.0..now + 5.0).contains(time), "{name} is {time}, now is {now}");
    }
    assert!(values["process_resident_memory_bytes"] > 1e6 && values["process_open_fds"] > 3.0, "{eventful}");
    assert!(!eventful.contains("s3cr3t"));
    let trials: f64 = samples(&optimized)
        .iter()
        .filter(|(name, _)| name.starts_with("servo_trials_total"))
        .map(|(_, value)| value)
        .sum();
    assert!((trials - 5.0).abs() < 1e-9, "{optimized}");

    let known: BTreeSet<String> = FAMILIES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let exported: BTreeSet<String> = families(&eventful).union(&families(&optimized)).cloned().collect();
    let parts = ["servo_command_duration_seconds_sum", "servo_command_duration_seconds_count"];
    let exported: BTreeSet<String> = exported.into_iter().filter(|name| !parts.contains(&name.as_str())).collect();
    assert_eq!(exported, known);

    let Some(program) = component("promtool") else { return };
    for page in [&eventful, &optimized] {
        let (accepted, said) = promtool(&program, &["check", "metrics"], page).await;
        assert!(accepted, "{said}");
    }
}

/// The words of an expression that are names of metrics of ours.
fn metrics(expression: &str) -> Vec<String> {
    let words = expression.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    words.filter(|word| word.starts_with("servo_") || word.starts_with("process_")).map(str::to_owned).collect()
}

/// The values of a key at any depth.
fn values_of(key: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == key => found.push(text.clone()),
                    member => values_of(key, member, found),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| values_of(key, element, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_and_the_alerts_use_metrics_that_there_are_and_the_documentation_has_all() {
    let names: BTreeSet<String> = FAMILIES
        .iter()
        .flat_map(|(name, kind, _)| {
            let parts: &[&str] = if *kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            parts.iter().map(move |part| format!("{name}{part}"))
        })
        .collect();
    let dashboard = std::fs::read_to_string(repository("deploy/grafana/servo.json")).unwrap();
    let mut expressions = Vec::new();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    values_of("expr", &dashboard, &mut expressions);
    values_of("query", &dashboard, &mut expressions);
    assert!(expressions.len() > 15);
    let alerts = std::fs::read_to_string(repository("deploy/prometheus/alerts.yaml")).unwrap();
    let used: Vec<String> = expressions.iter().flat_map(|text| metrics(text)).collect();
    let unused: Vec<&String> = names.iter().filter(|name| !used.contains(name)).collect();
    assert_eq!(unused, ["process_start_time_seconds", "process_virtual_memory_bytes"]);
    for name in used.into_iter().chain(metrics(&alerts)) {
        assert!(names.contains(&name), "{name} is used, but not exported");
    }
    let document = std::fs::read_to_string(repository("docs/endpoints.md")).unwrap();
    for (name, kind, _) in FAMILIES {
        assert!(document.contains(&format!("| `{name}` | {kind} |")), "{name} is not in the documentation");
    }
}

#[tokio::test]
async fn promtool_accepts_the_alerts_and_they_fire_when_they_should() {
    let Some(program) = component("promtool") else { return };
    for arguments in
        [["check", "rules", "deploy/prometheus/alerts.yaml"], ["test", "rules", "deploy/prometheus/alerts-test.yaml"]]
    {
        let (accepted, said) = promtool(&program, &arguments, "").await;
        assert!(accepted, "{said}");
    }
}

#[tokio::test]
async fn readiness_follows_the_optimizer_and_the_stop() {
    const SILENT: u8 = 0;
    const ANSWERS: u8 = 1;
    let mode = Arc::new(AtomicU8::new(SILENT));
    let seen = Arc::clone(&mode);
    let server = HttpServer::start(move |request| match (seen.load(Ordering::SeqCst), request.event().as_str()) {
        (_, "GOODBYE") => Reply::Hang,
        (SILENT, _) => Reply::Text(503, "busy, s3cr3t".into()),
        (_, "WHATS_NEXT") => sleep(0.2),
        _ => Reply::ok(),
    })
    .await;
    let mut agent = Agent::start(&config(&server, "name: web\nwait: {measure_enabled: true}"), LISTEN, &[]);
    let base = address(&agent).await;
    let ready = format!("{base}/readyz");
    wait_for(&ready, |status, text| status == 503 && text == "web: the optimizer has not answered yet\n").await;
    assert_eq!(get(&format!("{base}/healthz")).await, (200, "ok\n".to_owned()));
    mode.store(ANSWERS, Ordering::SeqCst);
    wait_for(&ready, |status, text| status == 200 && text == "web: ready\n").await;
    mode.store(SILENT, Ordering::SeqCst);
    wait_for(&ready, |status, text| status == 503 && text.starts_with("web: the optimizer does not answer, after "))
        .await;
    mode.store(ANSWERS, Ordering::SeqCst);
    wait_for(&ready, |status, _| status == 200).await;
    agent.signal(Signal::TERM);
    wait_for(&ready, |status, text| status == 503 && text == "web: stopping\n").await;
    not_a_double().await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(130));
}

#[tokio::test]
async fn a_servo_whose_checks_have_not_passed_is_alive_but_not_ready() {
    let server = HttpServer::start(|_| Reply::Text(500, "down".into())).await;
    let rest = "name: web\nchecks: {wait: 5m, delay: 1s}\nwait: {measure_enabled: true}";
    let args = ["run", "--check", "--listen", "127.0.0.1:0"];
    let agent = Agent::start(&config(&server, rest), &args, &[]);
    let base = address(&agent).await;
    let (status, text) = get(&format!("{base}/readyz")).await;
    assert_eq!((status, text.as_str()), (503, "web: not prepared yet: its checks have not passed\n"));
    assert_eq!(get(&format!("{base}/healthz")).await.0, 200);
    stop(agent).await;
}

#[tokio::test]
async fn an_address_that_is_taken_ends_with_2_before_anything_has_started() {
    let server = HttpServer::start(|_| Reply::ok()).await;
    let taken = server.url().replace("http://", "");
    let servo = ServoBin::configured(&config(&server, "wait: {measure_enabled: true}"));
    let finished = servo.run(&format!("run --listen {taken}")).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    assert!(finished.stderr.contains(&format!("failed to listen on '{taken}'")), "{finished:?}");
    let finished = servo.env("SERVO_RUN_LISTEN", "nowhere").run("run").await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("'nowhere'"), "{finished:?}");
    assert!(server.requests().is_empty());
}

/// Sends bytes and reads all that is answered.
async fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    // The server may have refused before all was sent.
    stream.write_all(request.as_bytes()).await.ok();
    let mut answer = Vec::new();
    tokio::time::timeout(BOUND, stream.read_to_end(&mut answer)).await.unwrap().ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let server = HttpServer::start(|_| Reply::Hang).await;
    let agent = Agent::start(&config(&server, "wait: {measure_enabled: true}"), LISTEN, &[]);
    let base = address(&agent).await;
    let post = raw(&base, "POST /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405 ") && post.to_lowercase().contains("allow: get, head"), "{post}");
    let head = raw(&base, "HEAD /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    let large = raw(&base, &format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(100_000))).await;
    assert!(large.is_empty() || large.starts_with("HTTP/1.1 431 "), "{large}");
    assert!(raw(&base, "nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    assert_eq!(get(&format!("{base}/stream?channel=/(/")).await.0, 400);
    assert_eq!(get(&format!("{base}/elsewhere")).await.0, 404);
    stop(agent).await;
}

/// A real Prometheus on a port that scrapes a target every second.
fn prometheus(program: &Path, folder: &Path, port: u16, target: &str) -> Child {
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: servo\n  static_configs:\n  - targets: ['{target}']\n"
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    Command::new(program)
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The next event that has a content.
async fn next_event(response: &mut reqwest::Response, reader: &mut Reader) -> Option<Event> {
    loop {
        let bytes = tokio::time::timeout(BOUND, response.chunk()).await.expect("an event or an end").ok()??;
        if let Some(event) = reader.read(&bytes).unwrap().into_iter().next() {
            return Some(event);
        }
    }
}

#[tokio::test]
async fn prometheus_scrapes_a_run_that_streams_what_prometheus_says() {
    let Some(program) = component("prometheus-2") else { return };
    let server = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => sleep(60.0),
        _ => Reply::ok(),
    })
    .await;
    let (port, own) = (free_port(), free_port());
    let rest = json!({
        "base_url": format!("http://127.0.0.1:{port}"),
        "streaming_interval": "1s",
        "metrics": [{"name": "ready", "query": "servo_ready", "step": "1s"}],
    });
    let own = format!("127.0.0.1:{own}");
    let base = format!("http://{own}");
    // It watches before there is anything to see.
    let viewer = ServoBin::new();
    let watching = viewer.start(&format!("watch --url {base} metrics.* --output json"));
    watching.wait_for_error_text("trying again").await;
    let config = format!("name: web\n{}", config(&server, &format!("prometheus: {rest}")));
    let mut agent = Agent::start(&config, &["run", "--listen", &own], &[]);
    address(&agent).await;
    let folder = tempfile::tempdir().unwrap();
    let mut process = prometheus(&program, folder.path(), port, &own);

    wait_for(&format!("{base}/metrics"), |_, page| page.contains("\nservo_stream_readers 1\n")).await;
    let mut response = http().get(format!("{base}/stream?channel=metrics.prometheus")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut reader = Reader::default();
    let mut seen = 0;
    while seen < 3 {
        let event = next_event(&mut response, &mut reader).await.unwrap();
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!((&data["servo"], &data["channel"]), (&json!("web"), &json!("metrics.prometheus")));
        // Nothing is there before the first scrape.
        if data["content"][0][0] == "ready" && data["content"][0][2] == 1.0 {
            seen += 1;
        }
    }
    let query = |text: &str| format!("http://127.0.0.1:{port}/api/v1/query?query={text}");
    let has_value = |_: u16, answer: &str| {
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        answer.pointer("/data/result/0/value/1") == Some(&json!("1"))
    };
    wait_for(&query("up{job=\"servo\"}"), has_value).await;
    wait_for(&query("servo_commands_total{command=\"sleep\"}"), has_value).await;

    let shown = watching.interrupt().await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let last = shown.stdout.lines().last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["content"][0][0], "ready");
    agent.signal(Signal::TERM);
    // The stream ends with the run, although somebody reads.
    while next_event(&mut response, &mut reader).await.is_some() {}
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
    process.kill().await.unwrap();
}

#[tokio::test]
async fn the_reports_of_vegeta_are_streamed_while_it_attacks() {
    let Some(vegeta) = component("vegeta") else { return };
    let target = HttpServer::start(|_| Reply::ok()).await;
    let mut commands =
        [json!({"cmd": "MEASURE", "param": {"metrics": ["throughput"], "control": {"duration": 60}}})].into_iter();
    let server = HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" => commands.next().map_or(Reply::Hang, |command| Reply::Json(200, command)),
        _ => Reply::ok(),
    })
    .await;
    let section = format!("vegeta: {{rate: 20/1s, target: 'GET {}/', reporting_interval: 1s}}\n", target.url());
    let path = format!("{}:/usr/bin:/bin", vegeta.parent().unwrap().display());
    let agent = Agent::start(&config(&server, &section), LISTEN, &[("PATH", &path)]);
    let stream = format!("{}/stream?channel=loadgen.*", address(&agent).await);
    let mut response = http().get(stream).send().await.unwrap();
    let mut reader = Reader::default();
    let mut requests = 0.0;
    for _ in 0..2 {
        let event = next_event(&mut response, &mut reader).await.unwrap();
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(data["channel"], "loadgen.vegeta");
        let counted = data["content"]["requests"].as_f64().unwrap();
        assert!(counted > requests, "a report is of the whole attack so far: {data}");
        requests = counted;
    }
    stop(agent).await;
}
