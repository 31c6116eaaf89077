//! The checks of the connector, and `servo vegeta attack`.

use std::time::Duration;

use serde_json::{Value, json};
use servox::internals::checks::{Check, CheckRequest};
use servox::internals::connector::Event;
use servox::internals::types::Severity;

use super::{Bench, section};
use crate::support::components::component;
use crate::support::load_server::LoadServer;
use crate::support::servo_bin::{Finished, ServoBin};

async fn check(bench: &Bench, section: &Value) -> Vec<Check> {
    let connector = Bench::connector(section);
    let request = CheckRequest { halt_on: Some(Severity::Critical), ..CheckRequest::default() };
    connector.as_check().unwrap().check(&bench.context(Event::Check), &request).await.unwrap()
}

fn results(checks: &[Check]) -> Vec<(&str, &str, bool, String)> {
    let result = |check: &Check| check.message.clone().unwrap_or_default();
    checks.iter().map(|check| (check.id.as_str(), check.name.as_str(), check.success, result(check))).collect()
}

#[tokio::test]
async fn checks_attack_once_and_tell_how_that_went() {
    let Some(bench) = Bench::real() else { return };
    // One of ten fails.
    let server = LoadServer::start(|number| (Duration::ZERO, if number % 10 == 0 { 500 } else { 200 })).await;
    let checks = check(&bench, &section(&server.url(), "20")).await;
    let execution = format!("Vegeta exit code: 0 (vegeta 12.13.0 at {})", bench.program().display());
    let expected = [
        ("check_execution", "Vegeta execution", true, execution),
        ("check_report_aggregation", "Report aggregation", true, "Collected 6 reports".to_owned()),
        ("check_error_rates", "Error rate < 5.0%", false, "Vegeta reported an error rate of 10.00%".to_owned()),
    ];
    let mut found = results(&checks);
    // The last interval and the end may coincide.
    if found[1].3 == "Collected 5 reports" {
        found[1].3 = "Collected 6 reports".to_owned();
    }
    assert_eq!(found, expected);
    assert_eq!(server.answered().len(), 100);
}

#[tokio::test]
async fn a_missing_program_fails_its_check_with_what_to_do() {
    let bench = Bench::empty();
    let checks = check(&bench, &section("http://127.0.0.1:1/", "1")).await;
    let [execution] = checks.as_slice() else { panic!("{checks:?}") };
    let message = format!("program 'vegeta' is in none of the folders of PATH: {}", bench.folder().display());
    assert_eq!((execution.success, execution.message.as_ref()), (false, Some(&message)));
    assert!(execution.hint.as_ref().unwrap().starts_with("install vegeta 12 into one of these folders"));
}

#[tokio::test]
async fn checks_say_how_vegeta_failed() {
    let bench = Bench::fake("echo 'bad target' >&2; exit 1", "cat");
    let checks = check(&bench, &section("http://127.0.0.1:1/", "1")).await;
    let program = bench.program().display().to_string();
    let message = format!(
        "Vegeta exit code: 1 (vegeta of unknown version at {program}): vegeta exited with 1 (attack) and 0 (report): \
         bad target"
    );
    assert_eq!(results(&checks), [("check_execution", "Vegeta execution", false, message)]);
}

/// Runs `servo vegeta attack` on a server.
async fn attack(server: &LoadServer, arguments: &str) -> Option<Finished> {
    let program = component("vegeta")?;
    let folder = program.parent().unwrap().to_str().unwrap().to_owned();
    let config = json!({"vegeta": {"rate": "50", "target": format!("GET {}/", server.url())}});
    let servo = ServoBin::configured(&config.to_string()).env("PATH", &format!("{folder}:/usr/bin:/bin"));
    Some(servo.run(&format!("vegeta attack {arguments}")).await)
}

#[tokio::test]
async fn an_attack_reports_while_it_runs_and_at_the_end() {
    let server = LoadServer::start(|_| (Duration::ZERO, 200)).await;
    let Some(text) = attack(&server, "--duration 2s").await else { return };
    assert_eq!((text.code, server.answered().len()), (Some(0), 100), "{}", text.stderr);
    let requests = text.stdout.lines().find(|line| line.starts_with("requests")).unwrap();
    assert_eq!(requests.split_whitespace().collect::<Vec<_>>(), ["requests", "100"]);
    let progress = format!("elapsed - Vegeta attacking \"GET {}/\" @ 50: ~", server.url());
    assert!(text.stderr.contains(&progress), "{}", text.stderr);

    let json = attack(&server, "--duration 1s --format json").await.unwrap();
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&report["requests"], &report["status_codes"]), (&json!(50), &json!({"200": 50})));

    let hdr = attack(&server, "--duration 1s --format hdr").await.unwrap();
    let lines: Vec<&str> = hdr.stdout.lines().collect();
    assert!(lines[0].starts_with("Value(ms)") && lines.len() == 7, "{lines:?}");
    assert!(lines[6].contains("1.000000      50 "), "{lines:?}");
}

#[tokio::test]
async fn an_attack_that_cannot_be_made_fails() {
    let server = LoadServer::start(|_| (Duration::ZERO, 200)).await;
    let config = json!({"vegeta": {"rate": "50", "target": format!("GET {}/", server.url())}}).to_string();
    let missing = ServoBin::configured(&config).run("vegeta attack").await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("program 'vegeta' is in none of the folders of PATH"), "{}", missing.stderr);
    for arguments in ["--duration 0", "--duration soon", "--format xml"] {
        let usage = ServoBin::configured(&config).run(&format!("vegeta attack {arguments}")).await;
        assert_eq!(usage.code, Some(2), "{arguments}: {}", usage.stderr);
    }
    assert!(server.answered().is_empty());
}
