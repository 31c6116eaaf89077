//! The same work by the reference, ServoX 2.2.5, where Python 3.9 and its package index are there.
//!
//! Both programs run from the same configuration against the same scripted servers, one after the other.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http_server::{HttpServer, Reply, Request};
use super::{Agent, SERVO, matrix, median, optimizer_section, time};

/// How often each program is started.
const STARTS: usize = 11;

/// How long a loop is watched.
const SPAN: Duration = Duration::from_secs(20);

/// The longest that a large measurement may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// One thing that both programs do, and what it costs each.
pub(crate) struct Comparison {
    what: &'static str,
    unit: &'static str,
    ours: f64,
    theirs: f64,
    is_more_better: bool,
}

/// What a program costs: milliseconds, megabytes, and adjustments in a second.
struct Costs {
    start_up: f64,
    first_request: f64,
    idle: f64,
    idle_anonymous: f64,
    measuring: f64,
    measurement: f64,
    parsing: f64,
    parsing_memory: f64,
    adjustments: f64,
    adjustment: f64,
}

/// Compares both programs, when the reference is here.
pub(crate) async fn compare() -> Option<Vec<Comparison>> {
    let theirs = costs(&reference()?).await;
    let ours = costs(Path::new(SERVO)).await;
    let row = |what, unit, cost: fn(&Costs) -> f64| {
        let is_more_better = unit == "1/s";
        Comparison { what, unit, ours: cost(&ours), theirs: cost(&theirs), is_more_better }
    };
    Some(vec![
        row("start-up: `servo version`", "ms", |costs| costs.start_up),
        row("start-up: `servo run`, until its first request", "ms", |costs| costs.first_request),
        row("memory: idle in the loop", "MB", |costs| costs.idle),
        row("memory: of that, not backed by files", "MB", |costs| costs.idle_anonymous),
        row("memory: at most, measuring 20 metrics (5 series of 60 points each) again and again", "MB", |costs| {
            costs.measuring
        }),
        row("CPU: one of these measurements", "ms", |costs| costs.measurement),
        row("memory: at most, measuring 1,000 series of 1,000 points once", "MB", |costs| costs.parsing_memory),
        row("CPU: this measurement", "ms", |costs| costs.parsing),
        row("adjustments that change nothing", "1/s", |costs| costs.adjustments),
        row("CPU: one of these adjustments", "ms", |costs| costs.adjustment),
    ])
}

/// What the figures are of, and how equal the work is.
const CONDITIONS: &str = "\
Both programs run from the same configuration, one after the other, against the same scripted optimizer and Prometheus on
the loopback interface. Start-up is a median; CPU is user and system time; memory is resident, at most means since the
start. A measurement fetches all metrics and reports them. servo reports every series of a metric, ServoX only the
last one, so that servo does more in the same row. An adjustment goes through the loop to a connector that adjusts
nothing: it is the overhead of the agent.
";

/// The page of the documentation.
pub(crate) fn markdown(comparisons: &[Comparison]) -> String {
    let mut text = format!(
        "# Benchmarks\n\nservo against ServoX 2.2.5, made by `cargo bench --bench agent -- --markdown \
         docs/benchmarks.md`.\n\n{CONDITIONS}\n{}\n| | servo | ServoX | times better |\n|---|---:|---:|---:|\n",
        machine()
    );
    for Comparison { what, unit, ours, theirs, is_more_better } in comparisons {
        let ratio = if *is_more_better { ours / theirs } else { theirs / ours };
        let [ours, theirs, ratio] = [*ours, *theirs, ratio].map(figure);
        writeln!(text, "| {what} | {ours} {unit} | {theirs} {unit} | {ratio} |").unwrap();
    }
    text
}

/// With as many decimals as say something.
fn figure(value: f64) -> String {
    let decimals = match value {
        100.0.. => 0,
        1.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// Processors, system and versions, as a list.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let python = reference().map(|servo| first_line(Command::new(servo.with_file_name("python")).arg("--version")));
    format!(
        "- machine: {count} × {}, Linux {}\n- servo: {}, {:.1} MB, built by {}\n- ServoX: 2.2.5, {}\n",
        model.unwrap_or(std::env::consts::ARCH),
        read("/proc/sys/kernel/osrelease").split(['-', '\n']).next().unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
        std::fs::metadata(SERVO).unwrap().len() as f64 / 1e6,
        first_line(Command::new("rustc").arg("--version")),
        python.unwrap_or_default(),
    )
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// The reference, installed when it can be.
fn reference() -> Option<PathBuf> {
    let get = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/components/get");
    let output = Command::new(get).arg("servox").stderr(std::process::Stdio::inherit()).output().unwrap();
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

async fn costs(program: &Path) -> Costs {
    let starts = (0..STARTS).map(|_| time(Command::new(program).arg("version"))).collect();
    let start_up = median(starts).as_secs_f64() * 1e3;
    let first_request = first_request(program).await;
    let (idle, idle_anonymous) = idle(program).await;
    let (measuring, measurement) = measuring(program).await;
    let (parsing_memory, parsing) = parsing(program).await;
    let (adjustments, adjustment) = adjusting(program).await;
    Costs {
        start_up,
        first_request,
        idle,
        idle_anonymous,
        measuring,
        measurement,
        parsing,
        parsing_memory,
        adjustments,
        adjustment,
    }
}

fn sleep() -> Value {
    // The reference needs `data`.
    json!({"cmd": "SLEEP", "param": {"duration": 1, "data": {}}})
}

fn measure() -> Value {
    json!({"cmd": "MEASURE", "param": {"metrics": [], "control": {"duration": "100ms"}}})
}

/// An optimizer that always says the same.
async fn repeating(command: Value) -> HttpServer {
    HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" => Reply::Json(200, command.clone()),
        _ => Reply::ok(),
    })
    .await
}

fn waiting(program: &Path, optimizer: &HttpServer) -> Agent {
    Agent::start_program(program, &format!("{}wait: {{measure_enabled: true}}\n", optimizer_section(optimizer)))
}

async fn first_request(program: &Path) -> f64 {
    let mut times = Vec::new();
    for _ in 0..STARTS / 2 {
        let optimizer = repeating(sleep()).await;
        let start = Instant::now();
        let _agent = waiting(program, &optimizer);
        optimizer.wait_until("a request", |requests| !requests.is_empty()).await;
        times.push(start.elapsed());
    }
    median(times).as_secs_f64() * 1e3
}

/// Megabytes, and how many of them no file backs.
async fn idle(program: &Path) -> (f64, f64) {
    let optimizer = repeating(sleep()).await;
    let agent = waiting(program, &optimizer);
    optimizer.wait_until("a command", |requests| requests.len() > 3).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    (agent.resident(), agent.anonymous())
}

/// How many measurements or adjustments were reported; panics when one of them failed.
fn reports(requests: &[Request], event: &str) -> usize {
    let is_report = |request: &&Request| request.event() == event && request.param().get("progress").is_none();
    let reports = requests.iter().filter(is_report);
    reports
        .map(|request| {
            let is_good = request.param()["status"] == "ok" || request.param()["metrics"]["m0"].is_object();
            assert!(is_good, "{:.500}", request.body);
        })
        .count()
}

fn prometheus_section(server: &HttpServer, metrics: usize) -> String {
    let metric = |i| json!({"name": format!("m{i}"), "unit": "rps", "query": format!("m{i}"), "step": "1s"});
    let metrics: Vec<Value> = (0..metrics).map(metric).collect();
    format!("prometheus: {}\n", json!({"base_url": server.url(), "metrics": metrics}))
}

/// The most megabytes, and milliseconds of CPU for each measurement.
async fn measuring(program: &Path) -> (f64, f64) {
    let body = matrix(5, 60);
    let prometheus = HttpServer::start(move |_| Reply::Text(200, body.clone())).await;
    let optimizer = repeating(measure()).await;
    let config = format!("{}{}", optimizer_section(&optimizer), prometheus_section(&prometheus, 20));
    let agent = Agent::start_program(program, &config);
    let (_, cpu) = watched(&agent, &optimizer, "MEASUREMENT").await;
    (agent.most_resident(), cpu)
}

/// Reports in a second, and milliseconds of CPU for each.
async fn watched(agent: &Agent, optimizer: &HttpServer, event: &str) -> (f64, f64) {
    optimizer.wait_until(event, |requests| reports(requests, event) > 0).await;
    let (start, count, cpu) = (Instant::now(), reports(&optimizer.requests(), event), agent.cpu());
    tokio::time::sleep(SPAN).await;
    let (span, cpu) = (start.elapsed(), agent.cpu() - cpu);
    let count = (reports(&optimizer.requests(), event) - count) as f64;
    (count / span.as_secs_f64(), cpu / count)
}

/// The most megabytes of one large measurement, and its milliseconds of CPU.
async fn parsing(program: &Path) -> (f64, f64) {
    let body = matrix(1000, 1000);
    let prometheus = HttpServer::start(move |_| Reply::Text(200, body.clone())).await;
    let mut asked = 0;
    let optimizer = HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" => {
            asked += 1;
            Reply::Json(200, if asked == 4 { measure() } else { sleep() })
        }
        _ => Reply::ok(),
    })
    .await;
    let config = format!("{}{}", optimizer_section(&optimizer), prometheus_section(&prometheus, 1));
    let agent = Agent::start_program(program, &config);
    optimizer.wait_until("the loop", |requests| requests.len() > 3).await;
    let (start, cpu) = (Instant::now(), agent.cpu());
    while reports(&optimizer.requests(), "MEASUREMENT") == 0 {
        assert!(start.elapsed() < PATIENCE, "no measurement");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (agent.most_resident(), agent.cpu() - cpu)
}

/// Adjustments in a second, and milliseconds of CPU for each.
async fn adjusting(program: &Path) -> (f64, f64) {
    let components = json!({"web": {"settings": {"cpu": {"value": 1}}}});
    let param = json!({"state": {"application": {"components": components}}, "control": {}});
    let optimizer = repeating(json!({"cmd": "ADJUST", "param": param})).await;
    let agent = waiting(program, &optimizer);
    watched(&agent, &optimizer, "ADJUSTMENT").await
}
