//! Figures of the whole program, each with its baseline in the same run: `cargo bench --bench agent`.
//!
//! - start-up: `servo version` against a program that does nothing;
//! - memory: resident size while idle in the command loop, and while measuring 20 metrics every second;
//! - parsing: 1,000 series of 1,000 points through the prometheus connector, against `serde_json` into plain structs,
//!   both over HTTP from the same server;
//! - external connector: an event through an executable, against the same inside;
//! - command loop: requests per second with an optimizer that answers at once, against a bare HTTP client;
//! - the same work by the reference, where it can be installed.
//!
//! Figures are printed, never asserted: they depend on the machine. `-- --markdown FILE` compares with the reference
//! only, and writes the page of the documentation.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that prints figures, waits on purpose, and fails as a test does"
)]

#[path = "../tests/support/http_server.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod http_server;

#[path = "agent/reference.rs"]
mod reference;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_server::{HttpServer, Reply};
use serde_json::json;
use servox::internals::connector::{
    BuildContext, Connector, ConnectorName, DescribeRequest, ErasedFactory, Event, EventContext, EventContextText,
    MeasureRequest, Phase, ProgressSender, Section, Services,
};
use servox::internals::connectors::external::Found;
use servox::internals::decode::{Decoder, NoVariables, Node, Origin};
use servox::internals::types::Duration as Span;

const SERVO: &str = env!("CARGO_BIN_EXE_servo");

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--markdown") {
        let file = arguments.get(at + 1).unwrap_or_else(|| panic!("--markdown needs a file"));
        let comparisons = runtime.block_on(reference::compare()).unwrap_or_else(|| panic!("the reference is not here"));
        let page = reference::markdown(&comparisons);
        print!("{page}");
        std::fs::write(file, page).unwrap();
        return;
    }
    println!("binary: {:.1} MB", std::fs::metadata(SERVO).unwrap().len() as f64 / 1e6);
    start_up();
    runtime.block_on(async {
        memory().await;
        parsing().await;
        external_connector().await;
        command_loop().await;
        if let Some(comparisons) = reference::compare().await {
            println!("{}", reference::markdown(&comparisons));
        }
    });
}

fn client() -> reqwest::Client {
    servox::internals::network::Network::default().client_builder().unwrap().build().unwrap()
}

fn start_up() {
    let folder = tempfile::tempdir().unwrap();
    let bare = compile_bare(folder.path());
    let (mut servo, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        servo.push(time(Command::new(SERVO).arg("version")));
        nothing.push(time(&mut Command::new(&bare)));
    }
    let (servo, nothing) = (median(servo), median(nothing));
    println!("start-up: servo version {servo:.2?}, fn main() {{}} {nothing:.2?}, ratio {:.2}", ratio(servo, nothing));
}

fn compile_bare(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("bare.rs"), folder.join("bare"));
    std::fs::write(&source, "fn main() {}\n").unwrap();
    let status = Command::new("rustc").args(["-O", "-o"]).arg(&program).arg(&source).status().unwrap();
    assert!(status.success());
    program
}

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

/// A `servo run` with its configuration in a folder of its own; killed with this value.
struct Agent {
    child: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Agent {
    fn start(config: &str) -> Self {
        Self::start_program(Path::new(SERVO), config)
    }

    fn start_program(program: &Path, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("servo.yaml"), config).unwrap();
        let child = Command::new(program)
            .args(["--log-level", "CRITICAL", "run"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, _folder: folder }
    }

    /// Resident megabytes now.
    fn resident(&self) -> f64 {
        self.megabytes("VmRSS:")
    }

    /// Resident megabytes now that no file backs, so that they cannot be dropped or shared.
    fn anonymous(&self) -> f64 {
        self.megabytes("RssAnon:")
    }

    /// The most megabytes that were resident so far.
    fn most_resident(&self) -> f64 {
        self.megabytes("VmHWM:")
    }

    fn megabytes(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        // They are of 1,024 bytes.
        kilobytes * 1.024 / 1e3
    }

    /// Milliseconds of CPU that it has used so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name may hold blanks; user and system time are the 14th and 15th field of all.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        // Linux tells programs of hundredths of a second, whatever it counts in.
        ticks * 10.0
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn optimizer_section(server: &HttpServer) -> String {
    format!("optimizer: {{id: dev.opsani.com/bench, token: t, base_url: '{}'}}\n", server.url())
}

async fn memory() {
    let idle = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => Reply::Json(200, json!({"cmd": "SLEEP", "param": {"duration": 1}})),
        _ => Reply::ok(),
    })
    .await;
    let agent = Agent::start(&format!("{}wait: {{measure_enabled: true}}\n", optimizer_section(&idle)));
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!("memory: idle in the loop {:.1} MB", agent.resident());
    drop(agent);

    let body = matrix(5, 60);
    let prometheus = HttpServer::start(move |_| Reply::Text(200, body.clone())).await;
    let measuring = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => {
            Reply::Json(200, json!({"cmd": "MEASURE", "param": {"metrics": [], "control": {"duration": 1}}}))
        }
        _ => Reply::ok(),
    })
    .await;
    let metrics: Vec<_> =
        (0..20).map(|i| json!({"name": format!("m{i}"), "query": format!("m{i}"), "step": "1s"})).collect();
    let section = json!({"base_url": prometheus.url(), "streaming_interval": "1s", "metrics": metrics});
    let agent = Agent::start(&format!("{}prometheus: {section}\n", optimizer_section(&measuring)));
    let mut most: f64 = 0.0;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        most = most.max(agent.resident());
    }
    println!(
        "memory: measuring and streaming 20 metrics (5 series of 60 points each) every second, at most {most:.1} MB"
    );
}

/// An answer to a range query.
fn matrix(series: usize, points: usize) -> String {
    let result: Vec<_> = (0..series)
        .map(|s| {
            let values: Vec<_> = (0..points).map(|p| json!([1_700_000_000.123 + p as f64, format!("{}", (s * p) as f64 * 1.25)])).collect();
            json!({"metric": {"__name__": "m", "instance": format!("host-{s}:9100"), "job": "node", "mode": "user"}, "values": values})
        })
        .collect();
    json!({"status": "success", "data": {"resultType": "matrix", "result": result}}).to_string()
}

mod plain {
    //! What a straightforward client reads an answer into.
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(crate) struct Answer {
        pub(crate) data: Data,
    }

    #[derive(Deserialize)]
    pub(crate) struct Data {
        pub(crate) result: Vec<Series>,
    }

    #[derive(Deserialize)]
    pub(crate) struct Series {
        #[expect(dead_code, reason = "reading the labels is part of the work")]
        pub(crate) metric: std::collections::BTreeMap<String, String>,
        pub(crate) values: Vec<(f64, String)>,
    }
}

async fn parsing() {
    let body = matrix(1000, 1000);
    let size = body.len();
    let server = HttpServer::start(move |_| Reply::Text(200, body.clone())).await;
    let client = client();
    let url = server.url();
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let start = Instant::now();
        let bytes = client.get(&url).send().await.unwrap().bytes().await.unwrap();
        let answer: plain::Answer = serde_json::from_slice(&bytes).unwrap();
        let points: Vec<Vec<(f64, f64)>> = answer
            .data
            .result
            .iter()
            .map(|series| series.values.iter().map(|(time, value)| (*time, value.parse().unwrap())).collect())
            .collect();
        assert_eq!(points.iter().map(Vec::len).sum::<usize>(), 1_000_000);
        baseline.push(start.elapsed());

        let start = Instant::now();
        assert_eq!(measure_once(&url).await, 1000);
        ours.push(start.elapsed());
    }
    let (ours, baseline) = (median(ours), median(baseline));
    println!(
        "parsing 1,000 × 1,000 points ({:.0} MB) over HTTP: connector {ours:.0?}, serde_json into structs {baseline:.0?}, speed {:.2}× of serde_json",
        size as f64 / 1e6,
        ratio(baseline, ours)
    );
}

/// One measurement of one metric through the connector's public edge; the number of its readings.
async fn measure_once(url: &str) -> usize {
    let factory =
        servox::internals::connectors::CONNECTORS.iter().find(|f| f.metadata().default_name == "prometheus").unwrap();
    let config = json!({"base_url": url, "metrics": [{"name": "m", "query": "m", "step": "1s"}]});
    let node = Node::from_json(&config, &Origin::whole("bench"));
    let name = ConnectorName::new("prometheus");
    let section = Section { name: &name, node: &node, prefix: "" };
    let prepared = Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).unwrap();
    let build = BuildContext { optimizer: None, network: servox::internals::network::Network::default() };
    let connector = prepared.build(name.clone(), &build).ok().unwrap();
    let context = EventContext::new(
        name,
        EventContextText(Phase::On, Event::Measure),
        Arc::new(Services::default()),
        ProgressSender::default(),
        tokio_util::sync::CancellationToken::new(),
    );
    let mut request = MeasureRequest::default();
    request.control.duration = Span::from_micros(1000);
    connector.as_measure().unwrap().measure(&context, &request).await.unwrap().readings.len()
}

/// The least that a connector can be: it says what it is, and describes nothing.
const LEAST_CONNECTOR: &str = r##"
use std::io::{stdin, stdout, BufRead, Write};
fn main() {
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        let id: String = line.split("\"id\":").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
        let result = if line.contains("\"initialize\"") {
            r#"{"protocol":1,"metadata":{"version":"1"},"schema":{"type":"object"},"capabilities":["describe"]}"#
        } else {
            "{}"
        };
        writeln!(stdout(), "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").unwrap();
        if line.contains("\"shutdown\"") { return; }
    }
}
"##;

async fn external_connector() {
    const COUNT: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("least.rs"), folder.path().join("servo-connector-least"));
    std::fs::write(&source, LEAST_CONNECTOR).unwrap();
    let compiled = Command::new("rustc").args(["-O", "--edition", "2021", "-o"]).arg(&program).arg(&source).status();
    assert!(compiled.unwrap().success());
    let factory: &'static dyn ErasedFactory = Box::leak(Box::new(Found::at(&program).ask().await.unwrap()));
    let external = build(factory, &json!({}));
    let wait = servox::internals::connectors::CONNECTORS.iter().find(|f| f.metadata().default_name == "wait").unwrap();
    let inside = build(*wait, &json!({"measure_enabled": false}));
    external.as_lifecycle().unwrap().attach(&context(external.as_ref(), Event::Attach)).await.unwrap();
    let (mut outer, mut inner) = (Vec::new(), Vec::new());
    for _ in 0..COUNT {
        for (connector, times) in [(&external, &mut outer), (&inside, &mut inner)] {
            let cx = context(connector.as_ref(), Event::Describe);
            let start = Instant::now();
            connector.as_describe().unwrap().describe(&cx, &DescribeRequest::default()).await.unwrap();
            times.push(start.elapsed());
        }
    }
    external.as_lifecycle().unwrap().detach(&context(external.as_ref(), Event::Detach)).await.unwrap();
    let worst = outer.iter().max().unwrap().as_secs_f64() * 1e3;
    let (outer, inner) = (median(outer), median(inner));
    println!(
        "external connector: an event takes {outer:.1?} at the median, {worst:.2} ms at most; the same inside {inner:.1?} (to stay below 2 ms more)"
    );
}

fn build(factory: &'static dyn ErasedFactory, section: &serde_json::Value) -> Box<dyn Connector> {
    let name = ConnectorName::new(&*factory.metadata().default_name);
    let node = Node::from_json(section, &Origin::whole("bench"));
    let section = Section { name: &name, node: &node, prefix: "" };
    let prepared = Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).unwrap();
    let build = BuildContext { optimizer: None, network: servox::internals::network::Network::default() };
    prepared.build(name.clone(), &build).ok().unwrap()
}

fn context(connector: &dyn Connector, event: Event) -> EventContext {
    EventContext::new(
        connector.name().clone(),
        EventContextText(Phase::On, event),
        Arc::new(Services::default()),
        ProgressSender::default(),
        tokio_util::sync::CancellationToken::new(),
    )
}

async fn command_loop() {
    const SPAN: Duration = Duration::from_secs(5);
    let server = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => Reply::Json(200, json!({"cmd": "DESCRIBE", "param": {}})),
        _ => Reply::ok(),
    })
    .await;
    let agent = Agent::start(&format!("{}wait: {{measure_enabled: true}}\n", optimizer_section(&server)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = server.requests().len();
    tokio::time::sleep(SPAN).await;
    let agent_rate = (server.requests().len() - before) as f64 / SPAN.as_secs_f64();
    drop(agent);

    let client = client();
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < SPAN {
        let body = json!({"event": "WHATS_NEXT", "param": null}).to_string();
        client.post(server.url()).body(body).send().await.unwrap().bytes().await.unwrap();
        count += 1;
    }
    let bare_rate = f64::from(count) / SPAN.as_secs_f64();
    println!(
        "command loop: {agent_rate:.0} requests/s, bare client {bare_rate:.0} requests/s, ratio {:.2}",
        agent_rate / bare_rate
    );
}
