//! Measurements of real Prometheus servers, old and new, by the whole binary.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::components::component;
use crate::support::http_server::{HttpServer, Reply, Request};
use crate::support::prometheus::Prometheus;
use crate::support::servo_bin::ServoBin;

/// A real server that scrapes itself every second, after a few times, so that there is something to measure.
async fn scraped(program: PathBuf) -> Prometheus {
    let config = "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: prometheus\n  static_configs: [{targets: [ADDRESS]}]\n";
    let server = Prometheus::start(program, config).await;
    let scrapes = async || server.value("count_over_time(up[1m])").await;
    server.until("scraped", async || scrapes().await.is_some_and(|count| count >= 3.0)).await;
    server
}

async fn query_range(server: &Prometheus, query: &str, start: f64, end: f64) -> Value {
    let (start, end) = (start.to_string(), end.to_string());
    let window = [("query", query), ("start", &start), ("end", &end), ("step", "1s")];
    server.get("/api/v1/query_range", &window).await.expect("an answer")
}

/// An optimizer that asks for measurements of this length, then sleeps.
async fn optimizer(measurements: usize, seconds: u64) -> HttpServer {
    let mut left = measurements;
    HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" if left > 0 => {
            left -= 1;
            let control = json!({"duration": seconds});
            Reply::Json(200, json!({"cmd": "MEASURE", "param": {"metrics": {}, "control": control}}))
        }
        "WHATS_NEXT" => Reply::Json(200, json!({"cmd": "SLEEP", "param": {"duration": 60}})),
        _ => Reply::ok(),
    })
    .await
}

fn config(optimizer: &HttpServer, prometheus: &Prometheus, metrics: &[(&str, &str)]) -> String {
    let metrics: Vec<Value> =
        metrics.iter().map(|(name, query)| json!({"name": name, "query": query, "step": "1s"})).collect();
    json!({
        "optimizer": {"id": "dev.opsani.com/app", "token": "t", "base_url": optimizer.url()},
        "prometheus": {"base_url": prometheus.url, "metrics": metrics},
    })
    .to_string()
}

fn completions(requests: &[Request]) -> Vec<Value> {
    let posted = requests.iter().filter(|request| request.event() == "MEASUREMENT").map(Request::param);
    posted.filter(|param| param.get("progress").is_none()).collect()
}

async fn readings_agree_with_the_server(program: &str) {
    let Some(program) = component(program) else { return };
    let prometheus = scraped(program).await;
    let optimizer = optimizer(1, 4).await;
    // The clock tells the exact times at which the queries were evaluated: on the wire they are whole seconds.
    let metrics = [
        ("clock", "time()"),
        ("up", "up"),
        ("head", "prometheus_tsdb_head_series"),
        ("requests", "sum(rate(prometheus_http_requests_total[10s]))"),
        ("by_handler", "prometheus_http_requests_total{handler=~\"/api/v1/.*\"}"),
    ];
    let _agent = Agent::start(&config(&optimizer, &prometheus, &metrics), &["run"], &[]);
    let requests = optimizer.wait_until("a measurement", |requests| !completions(requests).is_empty()).await;
    let measured = &completions(&requests)[0]["metrics"];

    let clock = measured["clock"]["values"][0]["data"].as_array().expect("the clock is measured");
    let start = clock[0][1].as_f64().unwrap();
    let end = clock[clock.len() - 1][1].as_f64().unwrap();
    assert!((3.9..=5.1).contains(&(end - start)) && clock.len() == 5, "{clock:?}");
    for (name, query) in &metrics[1..] {
        let own = query_range(&prometheus, query, start, end).await;
        let own = own["data"]["result"].as_array().unwrap();
        let ours = measured[name]["values"].as_array().expect("every metric is measured");
        assert_eq!(ours.len(), own.len(), "series of {name}");
        for (ours, own) in ours.iter().zip(own) {
            // What was scraped in the last second may have been stored after it was measured.
            let until = end - 1.5;
            let own: Vec<(f64, f64)> = own["values"].as_array().unwrap().iter().map(own_point).collect();
            let ours: Vec<(f64, f64)> = ours["data"].as_array().unwrap().iter().map(our_point).collect();
            let settled = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
                points.iter().copied().filter(|(time, _)| *time <= until).collect()
            };
            assert_eq!(settled(&ours), settled(&own), "points of {name}");
        }
    }
}

fn own_point(point: &Value) -> (f64, f64) {
    (point[0].as_f64().unwrap().trunc(), point[1].as_str().unwrap().parse().unwrap())
}

fn our_point(point: &Value) -> (f64, f64) {
    (point[0].as_f64().unwrap(), point[1].as_f64().unwrap())
}

#[tokio::test]
async fn readings_of_the_old_server_agree_with_its_own_answers() {
    readings_agree_with_the_server("prometheus-2").await;
}

#[tokio::test]
async fn readings_of_the_new_server_agree_with_its_own_answers() {
    readings_agree_with_the_server("prometheus-3").await;
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_fails_the_measurement_and_the_agent_goes_on() {
    let Some(program) = component("prometheus-3") else { return };
    let mut prometheus = scraped(program).await;
    let optimizer = optimizer(2, 2).await;
    let mut agent = Agent::start(&config(&optimizer, &prometheus, &[("up", "up")]), &["run"], &[]);
    agent.wait_for_log("Measuring").await;
    prometheus.stop().await;
    let requests = optimizer.wait_until("two answers", |requests| completions(requests).len() == 2).await;
    for completion in completions(&requests) {
        assert_eq!((&completion["status"], &completion["reason"]), (&json!("failed"), &json!("not-measured")));
        assert!(completion["message"].as_str().unwrap().contains(&prometheus.url), "{completion}");
    }
    agent.signal(rustix::process::Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_server_that_restarts_in_the_middle_loses_nothing_of_the_measurement() {
    let Some(program) = component("prometheus-3") else { return };
    let mut prometheus = scraped(program).await;
    let optimizer = optimizer(1, 6).await;
    let agent = Agent::start(&config(&optimizer, &prometheus, &[("up", "up")]), &["run"], &[]);
    agent.wait_for_log("Measuring").await;
    prometheus.stop().await;
    prometheus.start_again();
    optimizer.wait_until("a measurement", |requests| !completions(requests).is_empty()).await;
    let measured = completions(&optimizer.requests()).remove(0);
    let data = measured["metrics"]["up"]["values"][0]["data"].as_array().unwrap_or_else(|| panic!("{measured:#}"));
    assert!(data.len() >= 4 && data.iter().all(|point| point[1] == 1.0), "{measured:#}");
}

#[tokio::test]
async fn a_violated_objective_aborts_the_measurement_early() {
    let Some(program) = component("prometheus-3") else { return };
    let prometheus = scraped(program).await;
    let mut left = 1;
    let optimizer = HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" if left > 0 => {
            left -= 1;
            let slo = json!({"conditions": [{"metric": "up", "threshold": 0.5, "keep": "below"}]});
            let control = json!({"duration": 600, "userdata": {"slo": slo}});
            Reply::Json(200, json!({"cmd": "MEASURE", "param": {"metrics": {}, "control": control}}))
        }
        "WHATS_NEXT" => Reply::Json(200, json!({"cmd": "SLEEP", "param": {"duration": 60}})),
        _ => Reply::ok(),
    })
    .await;
    let mut config: Value = serde_json::from_str(&config(&optimizer, &prometheus, &[("up", "up")])).unwrap();
    config["prometheus"]["fast_fail"] = json!({"period": "1s", "span": "5s"});
    let _agent = Agent::start(&config.to_string(), &["run"], &[]);
    let waited = optimizer.wait_until("an answer", |requests| !completions(requests).is_empty());
    let requests = tokio::time::timeout(Duration::from_secs(20), waited).await.expect("an early end");
    let completion = &completions(&requests)[0];
    assert_eq!((&completion["status"], &completion["reason"]), (&json!("aborted"), &json!("slo-violation")));
    assert!(completion["message"].as_str().unwrap().starts_with("SLO violation(s) observed: (up below 0.5)["));
}

#[tokio::test]
async fn an_error_rate_has_a_value_only_where_there_was_traffic() {
    let Some(program) = component("prometheus-3") else { return };
    let prometheus = scraped(program).await;
    let rate = |handler: &str, codes: &str| {
        format!(r#"sum(rate(prometheus_http_requests_total{{handler="{handler}"{codes}}}[10s]))"#)
    };
    for (handler, is_alive) in [("/metrics", true), ("/api/v1/labels", false)] {
        let (failed, all) = (rate(handler, r#",code=~"5..""#), rate(handler, ""));
        let query = format!("100 * ({failed} or vector(0)) / ({all} > 0)");
        let metrics = [json!({"name": "error_rate", "query": query, "step": "1s", "absent": "fail"})];
        let section = json!({"prometheus": {"base_url": prometheus.url, "metrics": metrics}});
        let measured = ServoBin::configured(&section.to_string()).run("measure --duration 2s").await;
        let expected = if is_alive { Some(0) } else { Some(1) };
        assert_eq!(measured.code, expected, "{handler}: {measured:?}");
        assert!(is_alive || measured.stderr.contains("absent from Prometheus"), "{handler}: {measured:?}");
    }
}
