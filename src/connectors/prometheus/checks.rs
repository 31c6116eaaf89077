//! The checks: is there a server, does it scrape anything, do the queries run.

use super::api::{ApiRequest, Client, QueryResult, Series, Targets, Window, check_name};
use super::config::{AbsentPolicy, BaseUrl, MetricConfig, PrometheusConfig};
use crate::checks::{CheckFailure, CheckOutcome, CheckSuite};
use crate::types::{Duration, SeriesRule, Severity, UnixTime};

/// How far back the queries of the checks look.
const LOOK_BACK: Duration = Duration::from_secs(600);

/// From how many series on a metric is probably not aggregated. Each is sent with every measurement.
const MANY_SERIES: usize = 20;

/// The checks of a connector, in order.
pub(super) fn suite<'a>(client: &'a Client, config: &'a PrometheusConfig) -> CheckSuite<'a> {
    let mut suite = CheckSuite::new();
    let name = format!("Connect to \"{}\"", config.base_url.as_str());
    suite.check("check_base_url", name, Severity::Critical, connect(client, &config.base_url));
    suite.check("check_targets", "Active targets", Severity::Common, active_targets(client));
    let queries = config.metrics.iter().map(|metric| (check_name(metric), run_query(client, metric)));
    suite.multi("check_queries", Severity::Common, queries);
    suite
}

async fn connect(client: &Client, base_url: &BaseUrl) -> CheckOutcome {
    let Err(error) = client.get::<Targets>(&ApiRequest::targets()).await else { return Ok(None) };
    let explains_itself = error.explains_itself();
    let failure = CheckFailure::from(error);
    if explains_itself {
        return Err(failure);
    }
    let is_secure = base_url.as_str().starts_with("https:");
    let tls = if is_secure {
        ", and that 'tls_config' trusts its certificate and has one of ours when it asks for that"
    } else {
        ""
    };
    Err(failure.with_hint(format!(
        "check that Prometheus runs at {} and that 'base_url' of the configuration names it{tls}",
        base_url.as_str()
    )))
}

async fn active_targets(client: &Client) -> CheckOutcome {
    let Targets(targets) = client.get(&ApiRequest::targets()).await?;
    let down = targets.iter().filter(|target| target.is_down()).count();
    match (targets.len(), down) {
        (0, _) => Err(CheckFailure::new("no targets are being scraped by Prometheus")
            .with_hint("add scrape_configs to the configuration of Prometheus")),
        (found, 0) => Ok(Some(format!("found {found} targets"))),
        (found, down) => Ok(Some(format!("found {found} targets, {down} of them down"))),
    }
}

async fn run_query(client: &Client, metric: &MetricConfig) -> CheckOutcome {
    let window = Window::before(UnixTime::now(), LOOK_BACK)?;
    let request = ApiRequest::range(metric, window)
        .map_err(|error| CheckFailure::new(format!("metric '{}' cannot be measured: {error}", metric.name)))?;
    let result: QueryResult = client.get(&request).await?;
    let series = result
        .into_series()
        .ok_or_else(|| CheckFailure::new("the query gives a text, not numbers").with_hint("query for numbers"))?;
    if series.len() > 1 {
        if metric.series() == SeriesRule::Only {
            return Err(CheckFailure::new(format!(
                "the query gives {} series, where 'series: only' permits one",
                series.len()
            ))
            .with_hint("aggregate them in the query, such as by sum(...)"));
        }
        tracing::info!(metric = metric.name, "{} has {} series; {}", metric.name, series.len(), metric.series().text());
    }
    if !series.is_empty() && !series.iter().any(Series::has_number) {
        tracing::warn!(
            metric = metric.name,
            "{} had no number in the last 10 minutes, only NaN: was there traffic?",
            metric.name
        );
    }
    // No data is no failure of the check, and at times is as it should be, such as of errors that did not happen.
    if series.is_empty() && matches!(metric.absent, AbsentPolicy::Warn | AbsentPolicy::Fail) {
        tracing::warn!(
            metric = metric.name,
            "there was no data in the last 10 minutes: is what its query names scraped under these names?"
        );
    }
    Ok(Some(found(series.len())))
}

fn found(count: usize) -> String {
    if count < MANY_SERIES {
        return format!("returned {count} results");
    }
    format!(
        "returned {count} results: {count} series are many for one metric, and all are sent; aggregate them in the \
         query, such as by sum(...)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_series_are_named_by_their_count() {
        assert_eq!(found(0), "returned 0 results");
        assert_eq!(found(19), "returned 19 results");
        assert!(found(20).starts_with("returned 20 results: 20 series are many"));
    }
}
