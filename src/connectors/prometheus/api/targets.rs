//! What Prometheus scrapes, and the command `servo prometheus targets` that shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use serde_json::{Value as Json, json};

use super::super::config::PrometheusConfig;
use super::client::Client;
use super::json::{JsonReader, Kind, ReadError, Scalar};
use super::request::ApiRequest;
use super::response::{ResponseData, scalar_text};
use crate::causes::chain;
use crate::connector::{CommandContext, CommandOutput};
use crate::table::Table;
use crate::types::Duration;

/// The active targets, in the order of the answer.
#[derive(Debug, Default)]
pub(in crate::connectors::prometheus) struct Targets(pub(in crate::connectors::prometheus) Vec<Target>);

/// Something that Prometheus scrapes. Texts that the answer lacks are empty.
#[derive(Debug, Default)]
pub(in crate::connectors::prometheus) struct Target {
    pool: String,
    url: String,
    /// The address as seen from other machines.
    global_url: String,
    health: String,
    labels: BTreeMap<String, String>,
    /// `None` when it never was.
    last_scrape: Option<Scrape>,
    scrape_duration: Option<Duration>,
    error: String,
}

/// When a target was scraped, in the zone of the answer.
#[derive(Debug, Clone, Copy)]
struct Scrape {
    local: DateTime,
    at: Timestamp,
}

impl Scrape {
    /// Reads RFC 3339 text. The year 1 is how Prometheus says "never".
    fn parse(text: &str) -> Option<Self> {
        let pieces = Pieces::parse(text).ok()?;
        let local = pieces.date().to_datetime(pieces.time()?);
        let at = pieces.to_numeric_offset()?.to_timestamp(local).ok()?;
        (local.year() > 1).then_some(Self { local, at })
    }
}

impl Target {
    /// Whether its last scrape failed.
    pub(in crate::connectors::prometheus) fn is_down(&self) -> bool {
        self.health == "down"
    }

    async fn read(reader: &mut JsonReader) -> Result<Self, ReadError> {
        let mut target = Self::default();
        reader.object("a target is not an object").await?;
        loop {
            match reader.key().await? {
                None => return Ok(target),
                Some("scrapePool") => target.pool = read_text(reader).await?,
                Some("scrapeUrl") => target.url = read_text(reader).await?,
                Some("globalUrl") => target.global_url = read_text(reader).await?,
                Some("health") => target.health = read_text(reader).await?,
                Some("labels") => target.labels = read_labels(reader).await?,
                Some("lastScrape") => target.last_scrape = Scrape::parse(&read_text(reader).await?),
                Some("lastScrapeDuration") => target.scrape_duration = read_duration(reader).await?,
                Some("lastError") => target.error = read_text(reader).await?,
                Some(_) => reader.skip().await?,
            }
        }
    }

    fn url_text(&self) -> String {
        if self.global_url.is_empty() || self.global_url == self.url {
            self.url.clone()
        } else {
            format!("{} ({})", self.url, self.global_url)
        }
    }

    fn scrape_text(&self, now: Timestamp) -> String {
        let Some(scrape) = self.last_scrape else { return "-".to_owned() };
        let took = self.scrape_duration.map(|took| format!(" in {took}")).unwrap_or_default();
        format!("{} ({}{took})", scrape.local.strftime("%Y-%m-%d %H:%M:%S"), relative(scrape.at, now))
    }

    fn to_json(&self) -> Json {
        json!({
            "scrapePool": self.pool,
            "health": self.health,
            "scrapeUrl": self.url,
            "globalUrl": self.global_url,
            "labels": self.labels,
            "lastScrape": self.last_scrape.map(|scrape| scrape.at.to_string()),
            "lastScrapeDuration": self.scrape_duration.map(Duration::as_secs_f64),
            "lastError": self.error,
        })
    }
}

impl ResponseData for Targets {
    async fn read(reader: &mut JsonReader) -> Result<Self, ReadError> {
        let mut targets = Self::default();
        reader.object("'data' is not an object").await?;
        loop {
            match reader.key().await? {
                None => return Ok(targets),
                Some("activeTargets") => targets.0 = read_active(reader).await?,
                Some(_) => reader.skip().await?,
            }
        }
    }
}

/// The list of targets; anything else is none.
async fn read_active(reader: &mut JsonReader) -> Result<Vec<Target>, ReadError> {
    let mut targets = Vec::new();
    if reader.kind().await? != Kind::Array {
        reader.skip().await?;
        return Ok(targets);
    }
    reader.array("a list").await?;
    while reader.element().await? {
        targets.push(Target::read(reader).await?);
    }
    Ok(targets)
}

/// A text; null is empty.
async fn read_text(reader: &mut JsonReader) -> Result<String, ReadError> {
    Ok(scalar_text(reader.scalar("a target has a list or an object for a text").await?).unwrap_or_default())
}

async fn read_labels(reader: &mut JsonReader) -> Result<BTreeMap<String, String>, ReadError> {
    let mut labels = BTreeMap::new();
    if reader.kind().await? == Kind::Scalar {
        reader.skip().await?;
        return Ok(labels);
    }
    reader.object("the labels of a target are not an object").await?;
    while let Some(name) = reader.key().await? {
        let name = name.to_owned();
        labels.insert(name, read_text(reader).await?);
    }
    Ok(labels)
}

async fn read_duration(reader: &mut JsonReader) -> Result<Option<Duration>, ReadError> {
    Ok(match reader.scalar("the duration of a scrape is a list or an object").await? {
        Scalar::Number(text) => text.parse().ok().and_then(|seconds| Duration::from_secs_f64(seconds).ok()),
        Scalar::Text(text) => text.parse().ok(),
        Scalar::Null | Scalar::Bool(_) => None,
    })
}

pub(in crate::connectors::prometheus) fn command() -> clap::Command {
    let targets = clap::Command::new("targets").about("Show what Prometheus scrapes");
    clap::Command::new("prometheus").about("Ask the Prometheus server").subcommand(targets)
}

/// Runs the command.
///
/// # Errors
/// A message for people.
pub(in crate::connectors::prometheus) async fn run(
    config: &PrometheusConfig,
    cx: &CommandContext,
) -> Result<CommandOutput, String> {
    let client = Client::new(config, &cx.services.network).map_err(|error| chain(&error))?;
    let request = ApiRequest::targets();
    let answer = tokio::select! {
        () = cx.cancellation.cancelled() => return Err("interrupted".to_owned()),
        answer = client.get(&request) => answer,
    };
    answer.map(|found| output(&found, Timestamp::now())).map_err(|error| chain(&error))
}

/// The targets as people and programs read them.
fn output(Targets(targets): &Targets, now: Timestamp) -> CommandOutput {
    let mut table = Table::new(["POOL", "HEALTH", "URL", "LABELS", "LAST SCRAPED", "ERROR"]);
    for target in targets {
        let mut labels: Vec<String> = target.labels.iter().map(|(name, text)| format!("{name}={text}")).collect();
        labels.sort();
        let error = if target.error.is_empty() { "-" } else { &target.error };
        table.row([
            target.pool.clone(),
            target.health.clone(),
            target.url_text(),
            labels.join("\n"),
            target.scrape_text(now),
            error.to_owned(),
        ]);
    }
    // An empty line ends the table.
    let text = format!("{table}\n");
    CommandOutput { text, json: targets.iter().map(Target::to_json).collect() }
}

/// How long ago a time is, in the largest unit that it fills: `just now`, `12 seconds ago`, `in 1 minute`.
fn relative(at: Timestamp, now: Timestamp) -> String {
    // How many of the unit before make one of these.
    const UNITS: [(f64, &str); 6] =
        [(60.0, "minute"), (60.0, "hour"), (24.0, "day"), (7.0, "week"), (365.0 / 7.0 / 12.0, "month"), (12.0, "year")];
    let seconds = now.duration_since(at).as_secs();
    let is_past = seconds >= 0;
    if seconds.abs() <= 9 {
        return if is_past { "just now" } else { "a while" }.to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "no two times are so far apart")]
    let (mut count, mut unit) = (seconds.abs() as f64, "second");
    for (divisor, larger) in UNITS {
        if count < divisor {
            break;
        }
        (count, unit) = (count / divisor, larger);
    }
    let count = count.trunc();
    let plural = if count > 1.0 { "s" } else { "" };
    if is_past { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::reader;
    use super::super::response::{Envelope, ResponseError};
    use super::*;

    async fn read(data: &str) -> Result<Targets, ResponseError> {
        let body = format!(r#"{{"status":"success","data":{data}}}"#);
        Ok(Envelope::read(&mut reader(&[body.as_bytes()])).await?.success()?.0)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn targets_are_a_table_with_a_line_per_label() {
        let data = r#"{"droppedTargets":[{"discoveredLabels":{"a":"b"}}],"activeTargets":[
            {"discoveredLabels":{"x":"y"},"labels":{"job":"prometheus","instance":"127.0.0.1:19091"},
             "scrapePool":"prometheus","scrapeUrl":"http://127.0.0.1:19091/metrics",
             "globalUrl":"http://vm:19091/metrics","lastError":"","lastScrape":"2026-11-22T12:26:08.123456789Z",
             "lastScrapeDuration":0.005739,"health":"up","scrapeInterval":"15s"},
            {"scrapePool":"node","scrapeUrl":"http://n/metrics","globalUrl":"http://n/metrics","health":"down",
             "lastScrape":"2026-11-22T04:24:08-08:00","lastScrapeDuration":"1s","lastError":"refused"},
            {"scrapePool":"new","scrapeUrl":"http://m","health":"unknown","lastScrape":"0001-01-01T00:00:00Z",
             "lastScrapeDuration":0,"labels":null,"lastError":null}]}"#;
        let targets = read(data).await.unwrap();
        assert_eq!(targets.0.iter().filter(|target| target.is_down()).count(), 1);
        let output = output(&targets, at("2026-11-22T12:26:10Z"));
        let lines: Vec<&str> = output.text.lines().collect();
        assert_eq!(
            lines,
            [
                "POOL        HEALTH    URL                                                       LABELS                    LAST SCRAPED                                ERROR",
                "prometheus  up        http://127.0.0.1:19091/metrics (http://vm:19091/metrics)  instance=127.0.0.1:19091  2026-11-22 12:26:08 (just now in 5ms739us)  -",
                "                                                                                job=prometheus",
                "node        down      http://n/metrics                                                                    2026-11-22 04:24:08 (2 minutes ago in 1s)   refused",
                "new         unknown   http://m                                                                            -                                           -",
            ]
        );
        assert!(output.text.ends_with("-\n"));
        assert_eq!(output.json[0]["labels"]["job"], "prometheus");
        assert_eq!(output.json[1]["lastScrape"], "2026-11-22T12:24:08Z");
        assert!(output.json[2]["lastScrape"].is_null());
    }

    #[tokio::test]
    async fn missing_active_targets_are_none() {
        for data in ["{}", r#"{"activeTargets":null}"#, r#"{"activeTargets":[]}"#] {
            assert!(read(data).await.unwrap().0.is_empty(), "{data}");
        }
        assert!(read(r#"{"activeTargets":[1]}"#).await.is_err());
    }

    #[test]
    fn relative_times_are_truncated_to_the_largest_unit() {
        let now = at("2026-11-22T12:00:00Z");
        for (seconds, past, future) in [
            (0, "just now", "just now"),
            (9, "just now", "a while"),
            (10, "10 seconds ago", "in 10 seconds"),
            (59, "59 seconds ago", "in 59 seconds"),
            (60, "1 minute ago", "in 1 minute"),
            (119, "1 minute ago", "in 1 minute"),
            (7_199, "1 hour ago", "in 1 hour"),
            (86_400, "1 day ago", "in 1 day"),
            (6 * 86_400, "6 days ago", "in 6 days"),
            (14 * 86_400, "2 weeks ago", "in 2 weeks"),
            (31 * 86_400, "1 month ago", "in 1 month"),
            (365 * 86_400, "1 year ago", "in 1 year"),
            (1_100 * 86_400, "3 years ago", "in 3 years"),
        ] {
            let span = jiff::SignedDuration::from_secs(seconds);
            assert_eq!(relative(now - span, now), past);
            assert_eq!(relative(now + span, now), future);
        }
    }
}
