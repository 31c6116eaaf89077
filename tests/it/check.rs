//! `servo check`, as the built program behaves.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::http_server::{HttpServer, Reply, Request};
use crate::support::servo_bin::{Finished, ServoBin, keys, succeeded, was_wrong};

async fn optimizer() -> HttpServer {
    HttpServer::start(|_| Reply::ok()).await
}

fn prometheus(request: &Request) -> Reply {
    let data = if request.path.starts_with("/api/v1/targets") {
        let target = json!({
            "labels": {"job": "web"}, "discoveredLabels": {}, "scrapePool": "web", "scrapeUrl": "http://web/metrics",
            "globalUrl": "http://web/metrics", "lastError": "", "lastScrape": "2026-01-01T00:00:00Z",
            "lastScrapeDuration": 0.1, "health": "up",
        });
        json!({"activeTargets": [target], "droppedTargets": []})
    } else {
        json!({"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000, "1"]}]})
    };
    Reply::Json(200, json!({"status": "success", "data": data}))
}

fn config(optimizer: &HttpServer, prometheus: &str) -> String {
    format!(
        "optimizer: {{id: dev.opsani.com/app, token: s3cr3t, url: '{}/'}}\n\
         prometheus: {{base_url: '{prometheus}', metrics: [{{name: tp, query: up, unit: rps}}]}}\n\
         wait: {{measure_enabled: true}}\n",
        optimizer.url()
    )
}

/// A free port of the loopback interface, held until a server listens on it.
async fn reserved() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[track_caller]
fn not_ready(finished: &Finished) -> &str {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    &finished.stdout
}

#[tokio::test]
async fn a_servo_whose_checks_pass_is_ready() {
    let (optimizer, metrics) = (optimizer().await, HttpServer::start(prometheus).await);
    let servo = ServoBin::configured(&config(&optimizer, &metrics.url()));
    let finished = servo.run("check").await;
    assert_eq!(
        succeeded(&finished),
        "CONNECTOR           STATUS    ERRORS\n\
         prometheus          √ PASSED\n\
         dev.opsani.com/app  √ PASSED\n"
    );
    assert!(finished.stderr.contains("🔥 All checks passed."), "{finished:?}");
    assert!(!finished.stderr.contains('\x1b') && !finished.stderr.contains("s3cr3t"), "{finished:?}");
    let verbose = servo.run("check --verbose").await;
    assert!(succeeded(&verbose).contains("check_base_url"), "{verbose:?}");
    assert_eq!(succeeded(&servo.run("check --quiet").await), "");
    assert_eq!(succeeded(&servo.run("check --progressive").await), "");
}

#[tokio::test]
async fn a_metric_that_must_not_be_absent_and_has_no_data_is_warned_about() {
    let empty = |request: &Request| match prometheus(request) {
        Reply::Json(200, mut answer) if !answer["data"]["result"].is_null() => {
            answer["data"]["result"] = json!([]);
            Reply::Json(200, answer)
        }
        answer => answer,
    };
    let (optimizer, metrics) = (optimizer().await, HttpServer::start(move |request| empty(request)).await);
    let config = config(&optimizer, &metrics.url());
    let warning = "there was no data in the last 10 minutes";
    let finished = ServoBin::configured(&config).run("check").await;
    assert!(succeeded(&finished).contains("PASSED") && !finished.stderr.contains(warning), "{finished:?}");
    let strict = config.replace("unit: rps", "unit: rps, absent: fail");
    let finished = ServoBin::configured(&strict).run("check").await;
    assert!(succeeded(&finished).contains("PASSED") && finished.stderr.contains(warning), "{finished:?}");
}

#[tokio::test]
async fn one_that_fails_is_not_ready_and_says_why_in_table_and_json() {
    let (optimizer, metrics) = (optimizer().await, HttpServer::start(|_| Reply::Json(500, Value::Null)).await);
    let servo = ServoBin::configured(&config(&optimizer, &metrics.url()));
    let finished = servo.run("check").await;
    assert!(not_ready(&finished).contains("prometheus          X FAILED  (1/1) Connect to"), "{finished:?}");
    let finished = servo.run("check --output json").await;
    let report: Value = serde_json::from_str(not_ready(&finished)).unwrap();
    assert_eq!(keys(&report[0]), ["servo", "ready", "checks"]);
    assert_eq!(report[0]["ready"], false);
    assert_eq!(
        keys(&report[0]["checks"][0]),
        [
            "connector",
            "name",
            "id",
            "description",
            "severity",
            "tags",
            "success",
            "message",
            "hint",
            "remedy",
            "exception",
            "created_at",
            "run_at",
            "runtime"
        ]
    );
    assert!(not_ready(&servo.run("check --output yaml").await).contains("  ready: false\n"));
    assert_eq!(not_ready(&servo.run("check --quiet --output json").await), "");
}

#[tokio::test]
async fn connectors_and_filters_select_checks() {
    let (optimizer, metrics) = (optimizer().await, HttpServer::start(prometheus).await);
    let servo = ServoBin::configured(&config(&optimizer, &metrics.url()));
    let ids = async |arguments: &str| -> Vec<String> {
        let finished = servo.run(&format!("check --output json {arguments}")).await;
        let report: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
        let checks = report[0]["checks"].as_array().unwrap();
        checks.iter().map(|check| check["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["check_base_url", "check_targets", "check_queries_item_0"];
    assert_eq!(ids("prometheus").await, all);
    assert_eq!(ids("--wait prometheus").await, all);
    assert_eq!(ids("dev.opsani.com/app").await, ["ffd7e219"]);
    assert_eq!(ids("-i check_base_url prometheus").await, ["check_base_url"]);
    assert_eq!(ids("--id /^check_base/ prometheus").await, ["check_base_url"]);
    assert_eq!(ids("--name /Connect/ prometheus").await, ["check_base_url"]);
    let nothing = servo.run("check --tag none prometheus").await;
    assert_eq!(not_ready(&nothing), "CONNECTOR    STATUS    ERRORS\n");
    assert!(nothing.stderr.contains("no checks were selected"), "{nothing:?}");
}

#[tokio::test]
async fn what_makes_no_sense_is_a_usage_error() {
    let optimizer = optimizer().await;
    let servo = ServoBin::configured(&config(&optimizer, "http://127.0.0.1:9"));
    for (arguments, said) in [
        ("check nope", "no connector found named 'nope'"),
        ("check wait", "connector 'wait' has no checks"),
        ("check --wait soon", "a time for --wait is written as"),
        ("check --delay soon", "invalid"),
        ("check --wait=-1s", "negative"),
        ("check --halt-on maybe", "maybe"),
        ("check --name /(/", "regular expression"),
        ("check --interactive", "--run"),
    ] {
        assert!(was_wrong(&servo.run(arguments).await).contains(said), "{arguments}");
    }
    was_wrong(&ServoBin::configured("wait: {measure_enabled: true}\n").run("check").await);
}

#[tokio::test]
async fn a_prometheus_that_comes_later_is_waited_for() {
    let (optimizer, port) = (optimizer().await, reserved().await);
    let address = port.local_addr().unwrap();
    drop(port);
    let servo = ServoBin::configured(&config(&optimizer, &format!("http://{address}")));
    let running = servo.start("check --wait 20s --delay 100ms");
    running.wait_for_error_text("before rerunning failing checks").await;
    let _metrics = HttpServer::on(TcpListener::bind(address).await.unwrap(), prometheus);
    let finished = running.finish().await;
    let last = succeeded(&finished).rsplit("CONNECTOR ").next().unwrap();
    assert!(last.contains("prometheus          √ PASSED"), "{finished:?}");
}

#[tokio::test]
async fn one_that_never_comes_ends_the_wait_on_time() {
    let (optimizer, silent) = (optimizer().await, HttpServer::start(|_| Reply::Hang).await);
    for (prometheus, arguments) in [
        ("http://127.0.0.1:9".to_owned(), "check --wait 1s --delay 200ms"),
        ("http://127.0.0.1:9".to_owned(), "check --wait 1s --delay expo"),
        (silent.url(), "check --wait 1s --delay 200ms --output json"),
    ] {
        let servo = ServoBin::configured(&config(&optimizer, &prometheus));
        let started = Instant::now();
        let finished = servo.run(arguments).await;
        let took = started.elapsed();
        assert!(not_ready(&finished).contains("prometheus"), "{finished:?}");
        assert!(finished.stderr.contains("timed out waiting for checks to pass 1s"), "{finished:?}");
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(2), "{arguments}: {took:?}");
    }
}

#[tokio::test]
async fn several_servos_must_all_be_ready() {
    let (good, bad) = (optimizer().await, HttpServer::start(|_| Reply::Text(500, String::new())).await);
    let servo = |name: &str, optimizer: &HttpServer| {
        format!("name: {name}\noptimizer: {{id: dev.opsani.com/{name}, token: t, url: '{}/'}}\n", optimizer.url())
    };
    let servo = ServoBin::configured(&format!("{}---\n{}", servo("one", &good), servo("two", &bad)));
    let finished = servo.run("check").await;
    for text in [
        "one\nCONNECTOR    STATUS    ERRORS\none          √ PASSED\n",
        "two\nCONNECTOR    STATUS    ERRORS\ntwo          X FAILED",
    ] {
        assert!(not_ready(&finished).contains(text), "{finished:?}");
    }
    let finished = servo.run("check --output json").await;
    let report: Value = serde_json::from_str(not_ready(&finished)).unwrap();
    assert_eq!((&report[0]["ready"], &report[1]["ready"]), (&json!(true), &json!(false)));
    succeeded(&servo.run("--name one check").await);
}

#[tokio::test]
async fn run_starts_the_servo_when_it_is_ready() {
    let optimizer = HttpServer::start(|request| {
        let sleep = json!({"cmd": "SLEEP", "param": {"duration": 60}});
        if request.event() == "WHATS_NEXT" { Reply::Json(200, sleep) } else { Reply::ok() }
    })
    .await;
    let servo = ServoBin::configured(&format!(
        "optimizer: {{id: dev.opsani.com/app, token: t, url: '{}/'}}\n",
        optimizer.url()
    ));
    let running = servo.start("check --run");
    optimizer.wait_until("asking for a command", |requests| requests.iter().any(|r| r.event() == "WHATS_NEXT")).await;
    let finished = running.interrupt().await;
    assert!(succeeded(&finished).contains("optimizer:   dev.opsani.com/app\n"), "{finished:?}");
    let failing = HttpServer::start(|_| Reply::Text(500, String::new())).await;
    let servo =
        ServoBin::configured(&format!("optimizer: {{id: dev.opsani.com/app, token: t, url: '{}/'}}\n", failing.url()));
    assert!(!not_ready(&servo.run("check --run").await).contains("optimizer:   "));
}

#[tokio::test]
async fn an_interrupt_ends_a_wait_with_130() {
    let optimizer = optimizer().await;
    let servo = ServoBin::configured(&config(&optimizer, "http://127.0.0.1:9"));
    let running = servo.start("check --wait 10m");
    running.wait_for_error_text("before rerunning failing checks").await;
    assert_eq!(running.interrupt().await.code, Some(130));
}

#[tokio::test]
async fn on_a_terminal_a_list_says_what_is_waited_for_and_a_table_remains() {
    let optimizer = optimizer().await;
    let servo = ServoBin::configured(&config(&optimizer, "http://127.0.0.1:9"));
    let finished = servo.run_on_terminal("check --wait 1s --delay 400ms").await;
    let shown = not_ready(&finished);
    for text in [
        "\x1b[31mX\x1b[0m prometheus: 0 checks passed, 1 failed",
        "  \x1b[31mX\x1b[0m Connect to",
        "    hint: check that Prometheus runs",
        "1 check fails: waiting",
        "hint: Connect to \"http://127.0.0.1:9\": check that Prometheus runs",
    ] {
        assert!(shown.contains(text), "{text}: {shown:?}");
    }
    assert_eq!(shown.matches("CONNECTOR ").count(), 1, "one table at the end: {shown:?}");
    assert!(!shown.contains("| WARNING"), "the log does not repeat the list: {shown:?}");
    let plain = servo.env("NO_COLOR", "1").run_on_terminal("check").await;
    assert!(!not_ready(&plain).contains("\x1b[31m"), "{plain:?}");
}

#[tokio::test]
async fn hostile_files_are_refused_quickly_and_named() {
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        let below = n - 1;
        text + &format!("a{n}: &a{n} [*a{below}, *a{below}, *a{below}, *a{below}]\n")
    });
    for (name, content) in [
        ("huge.yaml", vec![b'#'; 64 << 20]),
        ("bomb.yaml", bomb.into_bytes()),
        ("binary.yaml", b"name: \xff\xfe\n".to_vec()),
        ("broken.yaml", b"}{".to_vec()),
        ("list.yaml", b"- one\n".to_vec()),
    ] {
        let servo = ServoBin::new();
        std::fs::write(servo.folder().join(name), content).unwrap();
        for command in ["check", "show events", "show metrics"] {
            let finished = servo.run(&format!("--config-file {name} {command}")).await;
            assert!(was_wrong(&finished).contains(name), "{name} {command}: {}", finished.stderr);
        }
    }
    // Even root cannot read the beginning of this one.
    for (file, said) in [("none.yaml", "does not exist"), (".", "is a directory"), ("/proc/self/mem", "cannot read")] {
        let finished = ServoBin::new().run(&format!("-c {file} check")).await;
        assert!(was_wrong(&finished).contains(said), "{file}: {finished:?}");
    }
}
