//! Publishing the present values of all metrics at an interval, in the background.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::api::{ApiRequest, Client, QueryResult};
use super::config::MetricConfig;
use crate::causes::chain;
use crate::exchange::{ChannelName, Exchange, Message};
use crate::types::Point;

/// Where values are published, as a list of `[name, time, value]`.
pub(crate) const CHANNEL: ChannelName = ChannelName::from_static("metrics.prometheus");

/// Publishes at once and after every interval at which somebody listens, until it is dropped. A metric without a value
/// is left out; a query that fails is logged and left out.
pub(super) async fn publish(client: Arc<Client>, metrics: Vec<MetricConfig>, exchange: Exchange, interval: Duration) {
    loop {
        // Without a listener the server need not be asked.
        if exchange.is_heard(&CHANNEL) {
            let values = join_all(metrics.iter().map(|metric| present_value(&client, metric))).await;
            let values: Vec<Json> = values.into_iter().flatten().collect();
            exchange.publish(&CHANNEL, &Message::json(&Json::Array(values)));
        }
        tokio::time::sleep(interval).await;
    }
}

async fn present_value(client: &Client, metric: &MetricConfig) -> Option<Json> {
    let name = metric.name.as_str();
    let request = ApiRequest::instant(metric)
        .map_err(|error| tracing::error!(metric = name, %error, "failed querying Prometheus for metrics"))
        .ok()?;
    let result = client.get(&request).await.map_err(|error| {
        tracing::error!(metric = name, "failed querying Prometheus for metrics: {}", chain(&error));
    });
    let point = first_point(result.ok()?, name)?;
    // JSON has no word for the others.
    point.value.is_finite().then(|| json!([name, point.time.to_string(), point.value]))
}

/// The value of the first series, or the only value.
fn first_point(result: QueryResult, metric: &str) -> Option<Point> {
    match result {
        QueryResult::Vector(series) => series.first()?.points.last().copied(),
        QueryResult::Scalar(point) => Some(point),
        QueryResult::Matrix(_) | QueryResult::Text => {
            tracing::error!(metric, "left out a metric whose query gives neither a vector nor a number");
            None
        }
    }
}
