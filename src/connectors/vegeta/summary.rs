//! The last report of an attack, in the formats of `servo vegeta attack`.

use super::report::{Report, SOURCES};
use crate::table::Table;

/// The first errors tell what is wrong; thousands may differ only in a port.
const SHOWN_ERRORS: usize = 10;

/// What a percentile of 100 is to plotters: `1/(1-Percentile)` has no value there.
const LAST_INVERSE: f64 = 10_000_000.0;

/// A table of metrics, by the names that a measurement has them under, and of counts.
pub(super) fn text(report: &Report) -> String {
    let mut table = Table::new(["METRIC", "VALUE"]);
    for (name, unit, value) in SOURCES {
        table.row([name, &format!("{:.2}{unit}", value(report))]);
    }
    table.row(["requests", &report.requests.to_string()]);
    table.row(["rate", &format!("{:.2}rps", report.rate)]);
    table.row(["duration", &format!("{:.2}s", report.duration.as_secs())]);
    table.row(["wait", &format!("{:.2}s", report.wait.as_secs())]);
    table.row(["bytes_in", &report.bytes_in.total.to_string()]);
    table.row(["bytes_out", &report.bytes_out.total.to_string()]);
    // As rows below each other.
    let codes: Vec<String> = report.status_codes.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    table.row(["status_codes", &codes.join("\n")]);
    table.row(["errors", &errors(report)]);
    table.to_string()
}

fn errors(report: &Report) -> String {
    let mut lines: Vec<String> = report.errors.iter().take(SHOWN_ERRORS).cloned().collect();
    if report.errors.len() > SHOWN_ERRORS {
        lines.push(format!("and {} more", report.errors.len() - SHOWN_ERRORS));
    }
    if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
}

/// The table that plotters of HDR histograms read. It has the percentiles that vegeta reports, and no others: the
/// requests themselves are not kept.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts are far below 2^52")]
pub(super) fn percentiles(report: &Report) -> String {
    let latencies = &report.latencies;
    let known = [
        (0.0, latencies.min),
        (0.5, latencies.p50),
        (0.9, latencies.p90),
        (0.95, latencies.p95),
        (0.99, latencies.p99),
        (1.0, latencies.max),
    ];
    let mut table = Table::new(["Value(ms)", "Percentile", "TotalCount", "1/(1-Percentile)"]);
    for (share, value) in known {
        let count = (share * report.requests as f64).round() as i64;
        let inverse = if share < 1.0 { 1.0 / (1.0 - share) } else { LAST_INVERSE };
        table.row([format!("{value:.6}"), format!("{share:.6}"), count.to_string(), format!("{inverse:.6}")]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let line = r#"{"latencies":{"total":600000000,"mean":2000000,"50th":1000000,"90th":2000000,"95th":3000000,
            "99th":4000000,"max":5000000,"min":500000},"bytes_in":{"total":300,"mean":1},"bytes_out":{"total":0,"mean":0},
            "earliest":"2020-01-21T12:00:01Z","latest":"2020-01-21T12:00:02Z","end":"2020-01-21T12:00:03Z",
            "duration":2950000000,"wait":1500000,"requests":300,"rate":101.7,"throughput":50,"success":0.5,
            "status_codes":{"200":150,"500":150},"errors":["500 Internal Server Error"]}"#;
        Report::parse(line).expect("a report").expect("not empty")
    }

    #[test]
    fn the_table_has_every_metric_under_its_name() {
        let expected = "METRIC         VALUE\n\
            throughput     3000.00rpm\n\
            error_rate     50.00%\n\
            latency_total  600.00ms\n\
            latency_mean   2.00ms\n\
            latency_50th   1.00ms\n\
            latency_90th   2.00ms\n\
            latency_95th   3.00ms\n\
            latency_99th   4.00ms\n\
            latency_max    5.00ms\n\
            latency_min    0.50ms\n\
            requests       300\n\
            rate           101.70rps\n\
            duration       2.95s\n\
            wait           0.00s\n\
            bytes_in       300\n\
            bytes_out      0\n\
            status_codes   200: 150\n               500: 150\n\
            errors         500 Internal Server Error";
        assert_eq!(text(&report()), expected);
    }

    #[test]
    fn only_the_first_errors_are_shown() {
        let mut report = report();
        report.errors = (1..=12).map(|number| format!("error {number}")).collect();
        let text = text(&report);
        assert!(text.ends_with("error 10\n               and 2 more"), "{text}");
        report.errors.clear();
        assert!(super::text(&report).ends_with("errors         -"));
    }

    #[test]
    fn the_percentiles_count_requests() {
        let expected = "Value(ms)    Percentile    TotalCount    1/(1-Percentile)\n\
            0.500000     0.000000      0             1.000000\n\
            1.000000     0.500000      150           2.000000\n\
            2.000000     0.900000      270           10.000000\n\
            3.000000     0.950000      285           20.000000\n\
            4.000000     0.990000      297           100.000000\n\
            5.000000     1.000000      300           10000000.000000";
        assert_eq!(percentiles(&report()), expected);
    }
}
