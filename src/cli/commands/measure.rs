//! `servo measure`: measures once, without an optimizer.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use tracing::Instrument;

use crate::cli::context::{Context, choice, dispatch_to, failed, span};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::age::Age;
use crate::cli::render::output::{Format, Report};
use crate::cli::render::sparkline::sparkline;
use crate::connector::{ConnectorName, MeasureRequest};
use crate::servo::{Answers, Dispatch, Servo};
use crate::table::Table;
use crate::types::{Control, Duration, Measurement, Metric, Reading, UnixTime};

/// Measure metrics of the application
///
/// Measures all metrics, or those that are named, and shows the readings: on a terminal their least, mean and greatest
/// value and their course for each metric, elsewhere and with --verbose each of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo measure throughput error_rate --duration 2m")]
pub(crate) struct Args {
    /// The metrics to measure
    metrics: Vec<String>,
    /// Measure with this connector; may be repeated
    #[arg(short, long = "connectors", value_name = "NAME")]
    connectors: Vec<String>,
    /// How long to measure, such as 90s or 5m
    #[arg(short, long, default_value = "0", value_parser = parse_duration)]
    duration: Duration,
    /// Show each reading on a terminal too
    #[arg(short, long)]
    verbose: bool,
    /// Show how long ago a reading was made; the default
    #[arg(long, overrides_with = "no_humanize", hide = true)]
    humanize: bool,
    /// Show when a reading was made, not how long ago
    #[arg(long)]
    no_humanize: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// The most bars of a course.
const COURSE_WIDTH: usize = 24;

fn parse_duration(text: &str) -> Result<Duration, String> {
    Duration::parse_exact(text).map_err(|error| error.to_string())
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let control = Control { duration: args.duration, ..Control::default() };
    let request = MeasureRequest { metrics: args.metrics.clone(), control };
    cx.ask(args.output, async |servos, dispatch| {
        let dispatch = dispatch_to(&args.connectors, servos, dispatch)?;
        let targets = targets(&args.metrics, servos, &dispatch).await?;
        let (mut reports, mut handled) = (Vec::new(), false);
        for (servo, dispatch) in servos.iter().zip(&targets) {
            let answers = servo.measure(&request, dispatch).instrument(span(servo, servos)).await.map_err(|error| {
                let hint = if args.duration.is_zero() { " (give a time to measure with --duration)" } else { "" };
                failed(&format!("measurement failed{hint}"), &error)
            })?;
            handled |= !answers.is_empty();
            warn_of_missing(&args.metrics, &answers);
            reports.push(report(servo, &answers, &args, cx.output.is_terminal()));
        }
        if handled {
            Ok(reports)
        } else {
            Err(CliError::Failed("measurement failed: no connector handled the request".to_owned()))
        }
    })
    .await
}

/// Says which of the metrics that were asked for have no readings.
fn warn_of_missing(metrics: &[String], answers: &Answers<Measurement>) {
    if answers.is_empty() {
        // Another servo has them.
        return;
    }
    let readings = || answers.iter().flat_map(|(_, measurement)| &measurement.readings);
    for metric in metrics.iter().filter(|metric| !readings().any(|reading| reading.metric().name == **metric)) {
        tracing::warn!(metric, "the metric has no readings");
    }
}

/// For each servo, a dispatch to the connectors that have one of these metrics.
async fn targets(metrics: &[String], servos: &[Servo], dispatch: &Dispatch) -> Result<Vec<Dispatch>, CliError> {
    let mut targets = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for servo in servos {
        if metrics.is_empty() {
            targets.push(dispatch.clone());
            continue;
        }
        let answers = servo
            .metrics(dispatch)
            .instrument(span(servo, servos))
            .await
            .map_err(|error| failed("listing the metrics failed", &error))?;
        let has_one = |offered: &[Arc<Metric>]| offered.iter().any(|metric| metrics.contains(&metric.name));
        let providers = answers.iter().filter(|(_, offered)| has_one(offered)).map(|(name, _)| name.clone());
        targets.push(dispatch.clone().only(providers.collect()));
        known.extend(answers.into_iter().flat_map(|(_, offered)| offered).map(|metric| metric.name.clone()));
    }
    match metrics.iter().find(|metric| !known.contains(metric)) {
        None => Ok(targets),
        Some(unknown) => {
            known.sort_unstable();
            known.dedup();
            Err(CliError::Usage(format!("no metric found named '{unknown}': {}", choice(&known))))
        }
    }
}

/// One value that was read.
#[derive(Debug)]
struct Row<'a> {
    metric: &'a Metric,
    connector: &'a ConnectorName,
    /// The id of the series.
    series: &'a str,
    /// All its labels, which tell apart series that have the same id.
    labels: &'a str,
    time: UnixTime,
    value: f64,
}

impl Row<'_> {
    fn is_of_the_series_of(&self, other: &Row<'_>) -> bool {
        self.metric.name == other.metric.name && self.source() == other.source()
    }

    fn source(&self) -> (&ConnectorName, &str, &str) {
        (self.connector, self.series, self.labels)
    }

    /// What a person can tell it by: the id, or the labels when another series of the metric has the same id.
    fn shown_source(&self, others: &[Row<'_>]) -> String {
        let is_twin = |other: &Row<'_>| {
            other.metric.name == self.metric.name && other.series == self.series && other.labels != self.labels
        };
        if others.iter().any(is_twin) {
            format!("{}{{{}}}", self.connector, self.labels)
        } else {
            format!("{}{}", self.connector, self.series)
        }
    }

    fn json(&self) -> Value {
        json!({
            "metric": self.metric.name,
            "unit": self.metric.unit,
            "connector": self.connector.as_str(),
            "series": self.series,
            "labels": self.labels,
            "time": self.time.to_string(),
            "value": self.value,
        })
    }
}

/// All values of the wanted metrics, by metric and time.
fn rows<'a>(answers: &'a Answers<Measurement>, metrics: &[String]) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for (connector, measurement) in answers {
        for reading in &measurement.readings {
            let metric: &Metric = reading.metric();
            if !metrics.is_empty() && !metrics.contains(&metric.name) {
                continue;
            }
            let (series, labels) = match reading {
                Reading::DataPoint(_) => ("", ""),
                Reading::TimeSeries(series) => (series.id(), series.annotation().unwrap_or_default()),
            };
            let row = |time, value| Row { metric, connector, series, labels, time, value };
            match reading {
                Reading::DataPoint(point) => rows.push(row(point.time, point.value)),
                Reading::TimeSeries(series) => {
                    rows.extend(series.points().iter().map(|point| row(point.time, point.value)));
                }
            }
        }
    }
    rows.sort_by(|a, b| (&a.metric.name, a.time.seconds()).cmp(&(&b.metric.name, b.time.seconds())));
    rows
}

fn report(servo: &Servo, answers: &Answers<Measurement>, args: &Args, terminal: bool) -> Report {
    let rows = rows(answers, &args.metrics);
    let annotations: BTreeMap<_, _> = answers.iter().flat_map(|(_, measurement)| &measurement.annotations).collect();
    let value = Map::from_iter([
        ("readings".to_owned(), rows.iter().map(Row::json).collect()),
        ("annotations".to_owned(), json!(annotations)),
    ]);
    let table = if terminal && !args.verbose && !args.no_humanize {
        summary(&rows)
    } else {
        table(&rows, args, UnixTime::now())
    };
    Report { servo: servo.name().to_owned(), table, value }
}

/// A row for each series, with its values from the first to the last.
fn summary(rows: &[Row<'_>]) -> Table {
    let mut series: Vec<(&Row<'_>, Vec<f64>)> = Vec::new();
    for row in rows {
        match series.iter_mut().find(|(first, _)| first.is_of_the_series_of(row)) {
            Some((_, values)) => values.push(row.value),
            None => series.push((row, vec![row.value])),
        }
    }
    let mut table = Table::new(["METRIC", "UNIT", "CONNECTOR", "MIN", "MEAN", "MAX", "COURSE"]);
    for (first, values) in &series {
        table.row([
            first.metric.name.clone(),
            first.metric.unit.to_string(),
            first.shown_source(rows),
            shown(values.iter().copied().fold(f64::INFINITY, f64::min)),
            shown(mean(values)),
            shown(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            sparkline(values, COURSE_WIDTH),
        ]);
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "far fewer readings than a float can count")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn shown(value: f64) -> String {
    format!("{value:.2}")
}

fn table(rows: &[Row<'_>], args: &Args, now: UnixTime) -> Table {
    let mut table = Table::new(["METRIC", "UNIT", "READINGS"]);
    for of_metric in rows.chunk_by(|a, b| a.metric.name == b.metric.name) {
        let first = &of_metric[0];
        let one_source = of_metric.iter().all(|row| row.source() == first.source());
        let lines = of_metric.iter().map(|row| {
            let source = if one_source && args.connectors.len() < 2 {
                String::new()
            } else {
                format!(" [{}]", row.shown_source(of_metric))
            };
            format!("{:.2} ({}){source}", row.value, time_text(row.time, args, now))
        });
        let lines: Vec<String> = lines.collect();
        table.row([first.metric.name.as_str(), first.metric.unit.as_str(), &lines.join("\n")]);
    }
    table
}

/// The time of the wall clock here.
fn local(time: UnixTime) -> String {
    Timestamp::from(time).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn time_text(time: UnixTime, args: &Args, now: UnixTime) -> String {
    if args.no_humanize {
        return local(time);
    }
    Age(now.since(time)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DataPoint, Point, TimeSeries, Unit};

    fn metric(name: &str, unit: Unit) -> Arc<Metric> {
        Arc::new(Metric::new(name, unit))
    }

    fn answers() -> Answers<Measurement> {
        let throughput = metric("throughput", Unit::RequestsPerMinute);
        let series = |id: &str, values: &[(i64, f64)]| {
            let points = values.iter().map(|(time, value)| Point::new(UnixTime::from_seconds(*time), *value)).collect();
            Reading::from(TimeSeries::new(Arc::clone(&throughput), points).with_id(id))
        };
        let errors = metric("errors", Unit::Float);
        let point = DataPoint { metric: errors, time: UnixTime::from_seconds(100), value: 0.125 };
        let measurement = |readings| Measurement { readings, annotations: BTreeMap::new() };
        vec![
            (ConnectorName::new("one"), measurement(vec![series("{pod=a}", &[(120, 2.0), (60, 1.0)])])),
            (ConnectorName::new("two"), measurement(vec![series("{pod=b}", &[(90, 3.0)]), Reading::from(point)])),
        ]
    }

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let args = clap::Command::new("measure");
        let matches = <Args as clap::Args>::augment_args(args).get_matches_from(line.split(' '));
        let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).expect("arguments");
        let answers = answers();
        let table = table(&rows(&answers, &args.metrics), &args, UnixTime::from_seconds(420));
        assert_eq!(table.to_string(), expected.join("\n"));
    }

    #[test]
    fn readings_are_listed_by_metric_and_time_and_name_their_source_when_there_are_several() {
        check(
            "measure",
            &[
                "METRIC      UNIT    READINGS",
                "errors              0.12 (5 minutes ago)",
                "throughput  rpm     1.00 (6 minutes ago) [one{pod=a}]",
                "                    3.00 (5 minutes ago) [two{pod=b}]",
                "                    2.00 (5 minutes ago) [one{pod=a}]",
            ],
        );
    }

    #[test]
    fn the_summary_has_a_row_for_each_series() {
        let expected = [
            "METRIC      UNIT    CONNECTOR    MIN    MEAN    MAX    COURSE",
            "errors              two          0.12   0.12    0.12   ▄",
            "throughput  rpm     one{pod=a}   1.00   1.50    2.00   ▁█",
            "throughput  rpm     two{pod=b}   3.00   3.00    3.00   ▄",
        ];
        assert_eq!(summary(&rows(&answers(), &[])).to_string(), expected.join("\n"));
    }

    #[test]
    fn only_the_metrics_that_are_named_are_shown() {
        check("measure errors", &["METRIC    UNIT    READINGS", "errors            0.12 (5 minutes ago)"]);
    }

    #[test]
    fn several_connectors_on_the_command_line_are_named_with_every_reading() {
        check(
            "measure errors -c one -c two",
            &["METRIC    UNIT    READINGS", "errors            0.12 (5 minutes ago) [two]"],
        );
    }
}
