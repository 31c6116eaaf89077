//! The reports that vegeta prints while it attacks, and the metrics in them.
//!
//! Every report is about the whole attack so far, not about the time since the one before: a series of them is a
//! series of averages since the beginning.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde::Serialize;

use super::report_time::{Nanoseconds, ReportTime};
use super::target::redacted;
use crate::decode::{Decode, Decoder, NoVariables, Node, Origin, Problems, Value};
use crate::types::{Metric, Point, Reading, TimeSeries, Unit, UnixTime};

/// Escape sequences, such as the one that clears the screen before a report.
static ESCAPE_SEQUENCE: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant, compiled by every test of this file")]
    Regex::new(r"(?:\x1b\[|\u{9b})[0-?]*[ -/]*[@-~]").expect("a valid expression")
});

/// Why a line of vegeta's is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("the report is not JSON")]
    Json(#[from] serde_json::Error),
    /// Members are missing, or are of the wrong type.
    #[error("{0}")]
    Members(Problems),
}

/// A report. Its serialized form is what is published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub(super) latencies: Latencies,
    pub(super) bytes_in: Bytes,
    pub(super) bytes_out: Bytes,
    /// When the first request was sent.
    earliest: ReportTime,
    /// When the last request was sent.
    latest: ReportTime,
    /// When the last answer arrived.
    end: ReportTime,
    pub(super) duration: Nanoseconds,
    pub(super) wait: Nanoseconds,
    pub(super) requests: i64,
    pub(super) rate: f64,
    /// Requests per minute that succeeded.
    pub(super) throughput: f64,
    /// The share of requests that succeeded, up to 1.
    success: f64,
    /// Percent of requests that failed.
    pub(super) error_rate: f64,
    /// How many requests were answered with which status; 0 is no answer.
    pub(super) status_codes: BTreeMap<String, i64>,
    pub(super) errors: Vec<String>,
}

/// How long requests took, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Latencies {
    pub(super) total: f64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
    pub(super) min: f64,
}

/// How much was sent or received, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bytes {
    pub(super) total: i64,
    pub(super) mean: f64,
}

impl Report {
    /// Reads a line of output; `None` when it is empty but for escape sequences.
    ///
    /// # Errors
    /// The line is anything else than a report.
    pub fn parse(line: &str) -> Result<Option<Self>, ReportError> {
        let text = ESCAPE_SEQUENCE.replace_all(line, "");
        if text.trim().is_empty() {
            return Ok(None);
        }
        let node = Node::from_json(&serde_json::from_str(&text)?, &Origin::whole("report"));
        Decoder::run(&NoVariables, |cx| Self::decode(&node, cx)).map(Some).map_err(ReportError::Members)
    }

    /// What is published of it.
    pub(super) fn published(&self) -> serde_json::Value {
        // Texts and numbers, none of which can fail to serialize.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// How many requests were answered, whatever the answer was.
    pub(super) fn answered(&self) -> i64 {
        self.status_codes.iter().filter(|(code, _)| *code != "0").map(|(_, count)| count).sum()
    }

    /// Answered requests per second of the attack.
    #[expect(clippy::cast_precision_loss, reason = "a rate of that many requests needs no last digit")]
    fn delivered_rate(&self) -> f64 {
        if self.requests > 0 { self.answered() as f64 / self.requests as f64 * self.rate } else { 0.0 }
    }

    /// The first errors that the report has, and how many there are besides; `None` without any.
    pub(super) fn error_set(&self) -> Option<String> {
        const SHOWN: usize = 5;
        const LONGEST: usize = 200;
        let short = |error: &String| redacted(&error.chars().take(LONGEST).collect::<String>());
        let shown: Vec<String> = self.errors.iter().take(SHOWN).map(short).collect();
        let more = self.errors.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        (!shown.is_empty()).then(|| format!("{}{more}", shown.join("; ")))
    }

    /// The report in a line, for people: what is attacked at which rate, and how that goes.
    pub fn summary(&self, target: &str, rate: &str) -> String {
        let Latencies { p50, p90, p95, p99, .. } = &self.latencies;
        format!(
            "Vegeta attacking \"{target}\" @ {rate}: ~{:.2}rpm ({:.2}% errors) \
             [latencies: 50th={p50:.2}ms, 90th={p90:.2}ms, 95th={p95:.2}ms, 99th={p99:.2}ms]",
            self.throughput, self.error_rate
        )
    }
}

impl Decode for Report {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let latencies = fields.required("latencies");
        let bytes_in = fields.required("bytes_in");
        let bytes_out = fields.required("bytes_out");
        let earliest = fields.required("earliest");
        let latest = fields.required("latest");
        let end = fields.required("end");
        let duration = fields.required("duration");
        let wait = fields.required("wait");
        let requests = fields.required("requests");
        let rate = fields.required("rate");
        let throughput: Option<f64> = fields.required("throughput");
        let success: Option<f64> = fields.required("success");
        let status_codes: Option<StatusCodes> = fields.required("status_codes");
        let errors = fields.required("errors");
        fields.ignore_unknown();
        let success = success?;
        Some(Self {
            latencies: latencies?,
            bytes_in: bytes_in?,
            bytes_out: bytes_out?,
            earliest: earliest?,
            latest: latest?,
            end: end?,
            duration: duration?,
            wait: wait?,
            requests: requests?,
            rate: rate?,
            throughput: throughput? * 60.0,
            success,
            error_rate: 100.0 - success * 100.0,
            status_codes: status_codes?.0,
            errors: errors?,
        })
    }
}

impl Decode for Latencies {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let mut milliseconds = |key: &str| {
            let nanoseconds: Option<i64> = fields.required(key);
            #[expect(clippy::cast_precision_loss, reason = "a double is what is published")]
            nanoseconds.map(|nanoseconds| nanoseconds as f64 * 0.000_001)
        };
        let (total, mean, max, min) =
            (milliseconds("total"), milliseconds("mean"), milliseconds("max"), milliseconds("min"));
        let [p50, p90, p95, p99] = ["50th", "90th", "95th", "99th"].map(milliseconds);
        fields.ignore_unknown();
        Some(Self { total: total?, mean: mean?, p50: p50?, p90: p90?, p95: p95?, p99: p99?, max: max?, min: min? })
    }
}

impl Decode for Bytes {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let (total, mean) = (fields.required("total"), fields.required("mean"));
        fields.ignore_unknown();
        Some(Self { total: total?, mean: mean? })
    }
}

/// How many requests were answered with which status; without any, vegeta may also write an empty list.
struct StatusCodes(BTreeMap<String, i64>);

impl Decode for StatusCodes {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let codes = match &node.value {
            Value::List(items) if items.is_empty() => return Some(Self(BTreeMap::new())),
            Value::Map(codes) => codes,
            _ => {
                cx.invalid(node, "value is not a valid mapping");
                return None;
            }
        };
        let counts: Vec<Option<(String, i64)>> = codes
            .iter()
            .map(|entry| {
                let count = cx.within(entry.key.as_str(), |cx| i64::decode(&entry.value, cx));
                count.map(|count| (entry.key.clone(), count))
            })
            .collect();
        counts.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// A metric's name and unit, and where it stands in a report.
pub(super) type Source = (&'static str, Unit, fn(&Report) -> f64);

/// All metrics, in the order in which they are described and measured.
pub(super) const SOURCES: [Source; 10] = [
    ("throughput", Unit::RequestsPerMinute, |report| report.throughput),
    ("error_rate", Unit::Percentage, |report| report.error_rate),
    ("latency_total", Unit::Milliseconds, |report| report.latencies.total),
    ("latency_mean", Unit::Milliseconds, |report| report.latencies.mean),
    ("latency_50th", Unit::Milliseconds, |report| report.latencies.p50),
    ("latency_90th", Unit::Milliseconds, |report| report.latencies.p90),
    ("latency_95th", Unit::Milliseconds, |report| report.latencies.p95),
    ("latency_99th", Unit::Milliseconds, |report| report.latencies.p99),
    ("latency_max", Unit::Milliseconds, |report| report.latencies.max),
    ("latency_min", Unit::Milliseconds, |report| report.latencies.min),
];

pub(super) fn metrics() -> Vec<Arc<Metric>> {
    SOURCES.iter().map(|(name, unit, _)| Arc::new(Metric::new(*name, *unit))).collect()
}

/// The rate of requests that were answered, which is not what was asked for when the service or the generator cannot keep
/// up. ServoX has no such metric.
pub(super) fn delivered_rate() -> Arc<Metric> {
    Arc::new(Metric::new("delivered_rate", Unit::RequestsPerSecond))
}

/// The values of all metrics at the end of each report. Small, as an attack may take days.
#[derive(Debug, Default)]
pub struct Samples(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    time: UnixTime,
    values: [f64; SOURCES.len()],
    delivered_rate: f64,
}

impl Samples {
    /// Adds the values of a report.
    pub fn push(&mut self, report: &Report) {
        let values = SOURCES.map(|(_, _, value)| value(report));
        self.0.push(Sample { time: report.end.time(), values, delivered_rate: report.delivered_rate() });
    }

    /// Whether there was no report.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A series for each metric that is wanted; nothing without samples.
    pub fn readings(&self, wants: impl Fn(&str) -> bool) -> Vec<Reading> {
        if self.is_empty() {
            return Vec::new();
        }
        let metrics = metrics().into_iter().enumerate().filter(|(_, metric)| wants(&metric.name));
        metrics.map(|(index, metric)| TimeSeries::new(metric, self.points(index)).into()).collect()
    }

    /// The rate of answered requests.
    pub(super) fn delivered(&self) -> Reading {
        let points = self.0.iter().map(|sample| Point::new(sample.time, sample.delivered_rate)).collect();
        TimeSeries::new(delivered_rate(), points).into()
    }

    /// All metrics as the last report has them, which is about all before it too.
    pub(super) fn latest(&self) -> Vec<Reading> {
        let Some(Sample { time, values, delivered_rate: rate }) = self.0.last() else { return Vec::new() };
        let points =
            metrics().into_iter().chain([delivered_rate()]).zip(values.iter().chain([rate])).map(|(metric, value)| {
                let points = vec![Point::new(*time, *value)];
                TimeSeries::new(metric, points).into()
            });
        points.collect()
    }

    fn points(&self, index: usize) -> Vec<Point> {
        self.0.iter().map(|sample| Point::new(sample.time, sample.values[index])).collect()
    }
}
