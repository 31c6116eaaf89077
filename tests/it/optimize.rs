//! `servo optimize` and what reads its journal: exit codes, interruption and resumption, terminals.

use serde_json::Value;

use crate::support::servo_bin::{Finished, ServoBin, succeeded, was_wrong};

const MEASURE: &str = "measure: {warmup: 1m, duration: 1m}";
const SERVICE: &str = "simulation: {speed: 10000}\n";

/// A configuration that minimizes cost under a limit of the latency.
fn cost(limit: u32, trials: u32, service: &str) -> String {
    let slo = format!("slo: [{{metric: p99_latency, threshold: {limit}}}]");
    format!("optimizer: {{embedded: {{{slo}, trials: {trials}, {MEASURE}}}}}\n{service}")
}

/// A service of which nothing can be made cheaper.
const CHEAPEST: &str = "simulation: {speed: 10000, cpu: {pinned: true}, mem: {pinned: true}, workers: {pinned: true}, \
                        replicas: {min: 4, max: 8, step: 2, value: 4}}\n";

#[track_caller]
fn ended(finished: &Finished, code: i32, texts: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    for text in texts {
        assert!(finished.stdout.contains(text), "{text:?} is not in {finished:?}");
    }
}

#[tokio::test]
async fn an_optimization_ends_with_the_code_of_what_it_came_to() {
    for (config, code, next) in [
        (cost(600, 12, SERVICE), 0, "servo recommend servo-journal.jsonl\n"),
        (cost(600, 8, CHEAPEST), 3, "servo status servo-journal.jsonl\n"),
        (cost(1, 8, SERVICE), 5, "servo status servo-journal.jsonl\n"),
    ] {
        let servo = ServoBin::configured(&config);
        let finished = servo.run("optimize").await;
        let texts =
            ["Optimization: minimize cost, keep p99_latency", "\ntrial  1/", "\nJournal: servo-journal.jsonl\n", next];
        ended(&finished, code, &texts);
        // What is over stays what it is.
        ended(&servo.run("optimize").await, code, &["servo-journal.jsonl has the result:\n"]);
        ended(&servo.run("run --exit-when-done").await, code, &["The application was left with: "]);
    }
}

#[tokio::test]
async fn every_exit_code_of_an_optimization_is_documented() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    for code in [0, 1, 2, 3, 4, 5, 130] {
        assert!(page.contains(&format!("\n| {code} | ")), "{code}");
    }
}

#[tokio::test]
async fn what_was_not_confirmed_is_recommended_only_on_request() {
    let servo = ServoBin::configured(&cost(600, 12, SERVICE));
    ended(&servo.run("optimize").await, 0, &[]);
    succeeded(&servo.run("recommend").await);
    let journal = servo.folder().join("servo-journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let (confirmed, verdict) = (r#""confirmed":true"#, r#""verdict":"confirmed""#);
    assert!(text.contains(confirmed) && text.contains(verdict), "{text}");
    let unconfirmed = text.replace(confirmed, r#""confirmed":false"#);
    for (other, code) in [("no_improvement", 3), ("too_few_measurements", 4)] {
        let unconfirmed = unconfirmed.replace(verdict, &format!(r#""verdict":"{other}""#));
        std::fs::write(&journal, unconfirmed).unwrap();
        ended(&servo.run("optimize").await, code, &[]);
        let refused = servo.run("recommend").await;
        assert!(refused.code == Some(4) && refused.stdout.is_empty(), "{refused:?}");
        assert!(refused.stderr.contains("--unconfirmed"), "{refused:?}");
        succeeded(&servo.run("recommend --unconfirmed").await);
    }
}

#[tokio::test]
async fn an_interrupted_optimization_says_where_it_stands_and_the_same_command_goes_on() {
    let servo = ServoBin::configured(&cost(600, 12, &SERVICE.replace("10000", "300")));
    let running = servo.start("optimize");
    running.wait_for_error_text("trial=6").await;
    let interrupted = running.interrupt().await;
    let texts = [
        "Interrupted after 5 of 12 trials.\nbest so far: ",
        "\nLive settings: cpu=2.0 mem=2.0 replicas=4 workers=6 (the baseline)\n",
        "\nJournal: servo-journal.jsonl\nGo on with: servo optimize\n",
    ];
    ended(&interrupted, 130, &texts);
    // A simulation begins anew with each process, and with it the readings: what matters is how far it had come.
    let resumed = servo.run("optimize").await;
    assert!(
        resumed.stdout.contains("Going on from servo-journal.jsonl: 5 of 12 trials done, best so far: "),
        "{resumed:?}"
    );
    assert!(!resumed.stdout.contains("trial  5/12") && resumed.stdout.contains("\ntrial  6/12 "), "{resumed:?}");
}

#[tokio::test]
async fn the_journal_of_the_configuration_is_the_default_and_older_spellings_work() {
    let servo = ServoBin::configured(&cost(600, 5, SERVICE));
    servo.run("optimize").await;
    let status: Value = serde_json::from_str(succeeded(&servo.run("status --output json").await)).unwrap();
    assert_eq!(status["trials"].as_array().unwrap().len(), 5, "{status}");
    for command in ["status", "replay", "report --format markdown"] {
        let new = servo.run(command).await;
        let old = servo.run(&format!("optimizer {command} servo-journal.jsonl")).await;
        assert_eq!(succeeded(&new), succeeded(&old), "{command}");
    }
    let elsewhere = ServoBin::configured(SERVICE).run("status").await;
    assert!(was_wrong(&elsewhere).contains("name a journal"), "{elsewhere:?}");
}

#[tokio::test]
async fn an_optimizer_elsewhere_cannot_be_run_to_its_end() {
    let servo = ServoBin::configured(&format!("optimizer: {{id: a.com/b, token: t}}\n{SERVICE}"));
    assert!(was_wrong(&servo.run("optimize").await).contains("optimizer.embedded"));
}

#[tokio::test]
async fn on_a_terminal_no_line_is_wider_than_the_screen_and_the_log_is_in_a_file() {
    for (columns, name) in [(100, "xterm"), (80, "xterm"), (40, "xterm"), (80, "dumb")] {
        let servo = ServoBin::configured(&cost(600, 12, SERVICE));
        let finished = servo.run_on_terminal_of(columns, name, "optimize").await;
        ended(&finished, 0, &["Log: logs/servo.log", "Found after 12 trials"]);
        assert!(!finished.stdout.contains("INFO"), "{finished:?}");
        let log = std::fs::read_to_string(servo.folder().join("logs/servo.log")).unwrap();
        assert!(log.contains("the trial was measured"), "{log}");
        let settled = finished.stdout.lines().map(|line| line.rsplit(['\r', '\x1b']).next().unwrap_or(line));
        let wide: Vec<&str> =
            settled.filter(|line| line.chars().count() > columns + 4 && !line.contains("servo re")).collect();
        assert!(wide.is_empty(), "{columns} {name}: {wide:#?}");
        assert_eq!(name == "dumb", !finished.stdout.contains('\x1b'), "{finished:?}");
    }
}
