//! What is measured, against what the server saw.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use servox::internals::connector::{ErrorKind, Event, MeasureRequest};
use servox::internals::connectors::vegeta::CHANNEL;
use servox::internals::exchange::Delivery;
use servox::internals::types::{Control, Duration as Span};

use super::{Bench, last, section, values, wait_until};
use crate::support::http_server::{HttpServer, Reply};
use crate::support::load_server::LoadServer;

/// Answers at once, and well.
async fn plain_server() -> LoadServer {
    LoadServer::start(|_| (Duration::ZERO, 200)).await
}

#[tokio::test]
async fn the_warmup_is_an_attack_of_its_own_and_counts_for_nothing() {
    let Some(bench) = Bench::real() else { return };
    // The warmup makes 50 requests, all of which fail.
    let server = LoadServer::start(|number| (Duration::ZERO, if number < 50 { 500 } else { 200 })).await;
    let control = Control {
        duration: Span::from_secs(2),
        warmup: Span::from_secs(1),
        delay: Span::from_secs(3),
        ..Control::default()
    };
    let request = MeasureRequest { metrics: vec!["error_rate".to_owned(), "unknown".to_owned()], control };
    let connector = Bench::connector(&section(&server.url(), "50/1s"));
    let measured = connector.as_measure().unwrap().measure(&bench.context(Event::Measure), &request).await.unwrap();
    assert_eq!(server.answered().len(), 150);
    assert!(values(&measured, "error_rate").iter().all(|rate| *rate == 0.0), "{measured:?}");
    assert_eq!(measured.readings.len(), 1);
    let profile = "Loading 1 URL(s) for 2s (delay of 3s, warmup of 1s) at a rate of 50/1s (reporting every 200ms)";
    assert_eq!(measured.annotations, [("load_profile".to_owned(), profile.to_owned())].into());
}

#[tokio::test]
async fn rates_have_units_and_zero_is_as_fast_as_the_workers_can() {
    let Some(bench) = Bench::real() else { return };
    let server = LoadServer::start(|_| (Duration::from_millis(10), 200)).await;
    let measured = bench.measure(&section(&server.url(), "1200/1m"), Span::from_secs(2)).await.unwrap();
    assert_eq!(server.answered().len(), 40);
    assert!((last(&measured, "throughput") - 1200.0).abs() < 120.0, "{measured:?}");

    let mut unlimited = section(&server.url(), "0");
    unlimited["max_workers"] = json!(2);
    unlimited["workers"] = json!(2);
    let measured = bench.measure(&unlimited, Span::from_secs(1)).await.unwrap();
    // Two workers, 10 ms for each request.
    let throughput = last(&measured, "throughput");
    assert!((3_000.0..=12_000.0).contains(&throughput), "{throughput}");
}

#[tokio::test]
async fn a_target_that_fails_is_a_result_and_one_that_is_not_there_is_none() {
    let Some(bench) = Bench::real() else { return };
    let server = LoadServer::start(|_| (Duration::ZERO, 500)).await;
    let measured = bench.measure(&section(&server.url(), "50"), Span::from_secs(1)).await.unwrap();
    assert_eq!((last(&measured, "error_rate"), last(&measured, "throughput")), (100.0, 0.0));
    assert!((last(&measured, "delivered_rate") - 50.0).abs() < 5.0, "{measured:?}");
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let error = bench.measure(&section(&gone, "50"), Span::from_secs(1)).await.unwrap_err();
    assert_eq!(error.reason(), Some("not-measured"));
    let text = error.chain();
    assert!(text.starts_with("none of 50 requests was answered: ") && text.contains("connection refused"), "{text}");
}

#[tokio::test]
async fn options_have_their_effect() {
    let Some(bench) = Bench::real() else { return };
    let mut reports = bench.services.exchange.subscribe(CHANNEL, 100);
    let mut last_report = async || {
        let mut last = Value::Null;
        while let Ok(Some(Delivery::Message(_, message))) =
            tokio::time::timeout(Duration::from_millis(10), reports.recv()).await
        {
            last = serde_json::from_slice(message.content()).unwrap();
        }
        last
    };
    for (keepalive, max_body) in [(true, -1), (false, 2)] {
        let server = plain_server().await;
        let mut section = section(&server.url(), "50");
        section["keepalive"] = json!(keepalive);
        section["max_body"] = json!(max_body);
        section["connections"] = json!(20);
        bench.measure(&section, Span::from_secs(1)).await.unwrap();
        let (connections, report) = (server.connections(), last_report().await);
        assert_eq!(connections == 50, !keepalive, "{connections}");
        assert_eq!(report["bytes_in"]["mean"], if max_body < 0 { 6.0 } else { 2.0 }, "{report}");
    }
}

#[tokio::test]
async fn targets_arrive_as_they_were_written() {
    let Some(bench) = Bench::real() else { return };
    let file = bench.folder().join("with blanks.json");
    let targets = async |section: Value| {
        let server = plain_server().await;
        let text = section.to_string().replace("SERVER", &server.url());
        let mut section: Value = serde_json::from_str(&text).unwrap();
        if let Some(targets) = section.get("targets").cloned() {
            std::fs::write(&file, targets.as_str().unwrap()).unwrap();
            section["targets"] = json!(file);
        }
        section["rate"] = json!("20");
        bench.measure(&section, Span::from_secs(1)).await.unwrap();
        let mut paths: Vec<String> = server.answered().into_iter().map(|request| request.path).collect();
        paths.sort();
        paths.dedup();
        paths
    };
    let shell = "GET SERVER/?q=$HOME`id`;echo";
    assert_eq!(targets(json!({"target": shell})).await, ["/?q=$HOME`id`;echo"]);
    let several = "GET SERVER/a\nX-Time: 12:30\n\nPOST SERVER/b\n";
    assert_eq!(targets(json!({"target": several})).await, ["/a", "/b"]);
    let lines = r#"{"method":"GET","url":"SERVER/1"}
        {"method":"PUT","url":"SERVER/2","body":"YQ=="}
"#;
    assert_eq!(targets(json!({"format": "json", "targets": lines.replace("\n        ", "\n")})).await, ["/1", "/2"]);
    let spread = "{\n  \"method\": \"GET\",\n  \"url\": \"SERVER/{x}\"\n}";
    assert_eq!(targets(json!({"format": "json", "target": spread})).await, ["/%7Bx%7D"]);
}

#[tokio::test]
async fn every_report_is_published_while_it_is_measured() {
    let Some(bench) = Bench::real() else { return };
    let server = plain_server().await;
    let mut published = bench.services.exchange.subscribe(CHANNEL, 100);
    let section = section(&server.url(), "50");
    let measuring = bench.measure(&section, Span::from_secs(2));
    let first = async {
        let first = published.recv().await;
        (first, server.answered().len())
    };
    let (measured, (first, answered_by_then)) = tokio::join!(measuring, first);
    let Some(Delivery::Message(channel, message)) = first else { panic!("{first:?}") };
    assert_eq!((channel, message.content_type().as_str()), (CHANNEL, "application/json"));
    assert!(answered_by_then < 60, "the first report came after {answered_by_then} requests");
    let report: Value = serde_json::from_slice(message.content()).unwrap();
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    let expected = "latencies bytes_in bytes_out earliest latest end duration wait requests rate throughput success \
                    error_rate status_codes errors";
    assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>());
    let first = values(&measured.unwrap(), "latency_50th")[0];
    assert_eq!(report["latencies"]["p50"].as_f64().unwrap().to_bits(), first.to_bits());
}

#[tokio::test]
async fn a_vegeta_that_is_killed_fails_the_measurement() {
    let Some(bench) = Bench::real() else { return };
    let server = plain_server().await;
    let section = section(&server.url(), "50");
    for program in ["attack", "report"] {
        let mut published = bench.services.exchange.subscribe(CHANNEL, 100);
        let kill = async {
            published.recv().await;
            let processes = super::processes_of(bench.folder().to_str().unwrap());
            let named = |number: &i32| {
                let command = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&command).contains(&format!("vegeta\0{program}"))
            };
            let number = processes.into_iter().find(named).unwrap();
            kill_process(Pid::from_raw(number).unwrap(), Signal::KILL).unwrap();
        };
        let (measured, ()) = tokio::join!(bench.measure(&section, Span::from_secs(600)), kill);
        let error = measured.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MeasurementFailed);
        assert!(error.chain().contains("vegeta exited with") && error.chain().contains("-9"), "{}", error.chain());
        assert_eq!(bench.processes(), 0, "{program}");
    }
}

#[tokio::test]
async fn a_cancelled_measurement_is_over_within_a_second_whatever_the_target_does() {
    let Some(bench) = Bench::real() else { return };
    // Vegeta would wait for its answers.
    let server = HttpServer::start(|_| Reply::Hang).await;
    let section = section(&server.url(), "50");
    let cancel = async {
        server.wait_until("the attack", |requests| requests.len() > 20).await;
        assert_eq!(bench.processes(), 2);
        bench.cancellation.cancel();
        tokio::time::Instant::now()
    };
    let (measured, cancelled_at) = tokio::join!(bench.measure(&section, Span::from_secs(600)), cancel);
    let elapsed = cancelled_at.elapsed();
    assert_eq!(measured.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
    assert_eq!(bench.processes(), 0);
}

#[tokio::test]
async fn a_dropped_measurement_leaves_no_process() {
    let Some(bench) = Bench::real() else { return };
    let server = plain_server().await;
    let section = section(&server.url(), "50");
    tokio::select! {
        measured = bench.measure(&section, Span::from_secs(600)) => panic!("{measured:?}"),
        () = wait_until("the attack", || server.answered().len() > 5) => {}
    }
    wait_until("the end of the processes", || bench.processes() == 0).await;
}
