//! What becomes of a measurement when vegeta does what it must not: each ends in a result or in a failure that says why,
//! and no process is left.

use std::time::Duration;

use servox::internals::connector::ErrorKind;
use servox::internals::types::Duration as Span;

use super::{Bench, REPORT, section, values};

/// Keeps a process of the program alive until it is killed.
const FOREVER: &str = "tail -f \"$0\" >/dev/null";

/// Measures for a second, with programs that are quicker than that.
async fn measure(bench: &Bench) -> Result<Vec<f64>, String> {
    let section = section("http://127.0.0.1:1/", "1");
    let measuring = bench.measure(&section, Span::from_secs(1));
    let measured = tokio::time::timeout(Duration::from_secs(5), measuring).await.expect("an early end");
    assert_eq!(bench.processes(), 0);
    measured.map(|measurement| values(&measurement, "throughput")).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::MeasurementFailed);
        error.chain().replace(bench.folder().to_str().unwrap(), "FOLDER")
    })
}

async fn check(attack: &str, report: &str, expected: Result<&[f64], &str>) {
    let measured = measure(&Bench::fake(attack, report)).await;
    let expected = expected.map(<[f64]>::to_vec).map_err(|text| format!("the load could not be measured: {text}"));
    assert_eq!(measured, expected, "attack: {attack}\nreport: {report}");
}

#[tokio::test]
async fn a_program_that_is_missing_fails_with_what_to_do() {
    let missing = "the load could not be measured: program 'vegeta' is in none of the folders of PATH: FOLDER; install \
                   vegeta 12 into one of these folders, from https://github.com/tsenart/vegeta/releases or by `go \
                   install github.com/tsenart/vegeta/v12@latest`";
    assert_eq!(measure(&Bench::empty()).await, Err(missing.to_owned()));
}

#[tokio::test]
async fn a_failing_program_fails_with_what_it_printed() {
    let reports = format!("cat >/dev/null; echo '{REPORT}'");
    check(
        "echo 'bad target: http://me:secret@a' >&2; exit 1",
        "cat; exit 2",
        Err("vegeta exited with 1 (attack) and 2 (report): bad target: http://REDACTED@a"),
    )
    .await;
    // The help that follows a wrong option would bury what is wrong.
    check(
        "printf 'invalid value\\nUsage of vegeta attack:\\n  -rate value\\n    \\tthe rate\\n' >&2; exit 2",
        &reports,
        Err("vegeta exited with 2 (attack) and 0 (report): invalid value"),
    )
    .await;
    check("true", &format!("{reports}; exit 3"), Err("vegeta exited with 0 (attack) and 3 (report)")).await;
    check("true", &format!("{reports}; kill -9 $$"), Err("vegeta exited with 0 (attack) and -9 (report)")).await;
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_the_writer() {
    check("exec yes", &format!("echo '{REPORT}'"), Err("vegeta exited with -13 (attack) and 0 (report)")).await;
}

#[tokio::test]
async fn no_report_at_all_fails() {
    check("true", "cat", Err("vegeta reported no requests")).await;
    check("echo odd >&2", "cat; echo", Err("vegeta reported no requests: odd")).await;
    let without_requests = REPORT.replace("\"requests\":1", "\"requests\":0");
    check("true", &format!("cat; echo '{without_requests}'"), Err("vegeta reported no requests")).await;
}

#[tokio::test]
async fn a_line_may_come_in_pieces_and_between_empty_ones() {
    let (first, rest) = REPORT.split_at(100);
    let pieces =
        format!("cat; printf '\\033[2J\\033[0;0H\\n\\n{first}'; sleep 0.1; printf '{rest}\\n'; echo '{REPORT}'");
    check("true", &pieces, Ok(&[120.0, 120.0])).await;
}

#[tokio::test]
async fn half_a_line_fails_at_once_and_ends_what_still_runs() {
    let half = &REPORT[..100];
    let cause = "vegeta printed something else than a report: the report is not JSON: EOF while parsing";
    for report in [format!("cat; printf '{half}'"), format!("echo '{half}'; {FOREVER}")] {
        let error = measure(&Bench::fake("sleep 0.1", &report)).await.unwrap_err();
        assert!(error.contains(cause), "{error}");
    }
    let error = measure(&Bench::fake(FOREVER, "echo '{}'; cat")).await.unwrap_err();
    assert!(error.contains("report: latencies: field required"), "{error}");
}

#[tokio::test]
async fn a_measurement_of_no_time_fails_before_it_begins() {
    let bench = Bench::fake("true", "true");
    for duration in [0, -5] {
        let error = bench.measure(&section("http://127.0.0.1:1/", "1"), Span::from_secs(duration)).await.unwrap_err();
        let expected = "the load could not be measured: an attack needs a duration: by hand `--duration 1m`, from an optimizer `control.duration`";
        assert_eq!((error.kind(), error.chain().as_str()), (ErrorKind::MeasurementFailed, expected));
    }
}

#[tokio::test]
async fn a_report_with_an_error_for_every_port_is_read() {
    let errors: Vec<String> =
        (0..30_000).map(|port| format!("\"read tcp 127.0.0.1:{port}->127.0.0.1:80: reset\"")).collect();
    let long = REPORT.replace("\"errors\":[]", &format!("\"errors\":[{}]", errors.join(",")));
    let bench = Bench::fake("true", "cat; cat \"$0.line\"");
    std::fs::write(bench.folder().join("vegeta.line"), format!("{long}\n")).unwrap();
    assert_eq!(measure(&bench).await, Ok(vec![120.0]));
}
