//! The value of each metric in a measurement, of which a campaign takes one.
//!
//! Pure.

use std::collections::BTreeMap;

use crate::config::{CampaignConfig, Objective};
use crate::types::{Measurement, Reading, SeriesRule, SloKeep};

/// The note that a load generator leaves whose reports are about the whole attack up to then.
const CUMULATIVE_NOTE: &str = "load_profile";

const CUMULATIVE: [&str; 11] = [
    "throughput",
    "error_rate",
    "delivered_rate",
    "latency_total",
    "latency_mean",
    "latency_50th",
    "latency_90th",
    "latency_95th",
    "latency_99th",
    "latency_max",
    "latency_min",
];

/// The values that objectives are judged by: of each series of a metric the mean over its points, or the last point of a
/// cumulative one; of several series what the metric's rule says. Metrics without a finite value are left out.
pub(crate) fn judged(measurement: &Measurement, config: &CampaignConfig) -> BTreeMap<String, f64> {
    combined(measurement, |metric| {
        let keep = config.slo.iter().find(|condition| condition.metric == metric).map(|condition| condition.keep);
        match (keep, &config.objective) {
            (Some(SloKeep::Below), _) => Some(higher),
            (Some(SloKeep::Above), _) => Some(lower),
            (None, Objective::Minimize(objective)) if objective == metric => Some(higher),
            (None, Objective::Maximize(objective)) if objective == metric => Some(lower),
            (None, _) => None,
        }
    })
}

/// Whether the first of two values is worse than the second.
type IsWorse = fn(f64, f64) -> bool;

fn higher(value: f64, other: f64) -> bool {
    value > other
}

fn lower(value: f64, other: f64) -> bool {
    value < other
}

fn combined(measurement: &Measurement, is_worse: impl Fn(&str) -> Option<IsWorse>) -> BTreeMap<String, f64> {
    let is_attack = measurement.annotations.contains_key(CUMULATIVE_NOTE);
    let mut levels: BTreeMap<&str, (SeriesRule, Vec<f64>)> = BTreeMap::new();
    for reading in &measurement.readings {
        let name = reading.metric().name.as_str();
        let is_cumulative = is_attack && CUMULATIVE.contains(&name);
        if let Some(level) = level(reading, is_cumulative) {
            levels.entry(name).or_insert_with(|| (reading.metric().series, Vec::new())).1.push(level);
        }
    }
    let value = |(name, (rule, levels)): (&str, (SeriesRule, Vec<f64>))| {
        Some((name.to_owned(), rule.combine(&levels, is_worse(name))?))
    };
    levels.into_iter().filter_map(value).collect()
}

fn level(reading: &Reading, is_cumulative: bool) -> Option<f64> {
    match reading {
        Reading::DataPoint(point) => Some(point.value).filter(|value| value.is_finite()),
        Reading::TimeSeries(series) => {
            let values: Vec<f64> =
                series.points().iter().map(|point| point.value).filter(|value| value.is_finite()).collect();
            if is_cumulative { values.last().copied() } else { mean(&values) }
        }
    }
}

/// The mean; `None` of nothing, and where it is beyond all numbers.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
    let mean = values.iter().sum::<f64>() / f64::from(count);
    mean.is_finite().then_some(mean)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};
    use crate::types::{DataPoint, Metric, Point, TimeSeries, Unit, UnixTime};

    fn series(name: &str, values: &[f64]) -> Reading {
        let points = values.iter().map(|value| Point::new(UnixTime::from_seconds(1), *value)).collect();
        TimeSeries::new(Arc::new(Metric::new(name, Unit::Float)), points).into()
    }

    #[test]
    fn each_series_counts_the_same_however_many_points_it_has() {
        let point = DataPoint { metric: Arc::new(Metric::new("b", Unit::Float)), time: UnixTime(0), value: 7.0 };
        let readings = vec![series("a", &[1.0, f64::NAN, 3.0]), series("a", &[6.0]), series("c", &[]), point.into()];
        let found = combined(&Measurement { readings, ..Measurement::default() }, |_| None);
        assert_eq!(found, BTreeMap::from([("a".to_owned(), 4.0), ("b".to_owned(), 7.0)]));
    }

    #[test]
    fn of_an_attack_the_last_report_counts() {
        let readings = vec![series("latency_99th", &[9.0, 5.0]), series("queue", &[9.0, 5.0])];
        let annotations = BTreeMap::from([("load_profile".to_owned(), "…".to_owned())]);
        let found = combined(&Measurement { readings, annotations }, |_| None);
        assert_eq!(found, BTreeMap::from([("latency_99th".to_owned(), 5.0), ("queue".to_owned(), 7.0)]));
    }

    #[test]
    fn the_worst_of_several_pods_is_judged_and_not_their_mean() {
        let pod = |value| {
            let metric = Metric::new("lat", Unit::Milliseconds).judged_by(SeriesRule::Worst);
            TimeSeries::new(Arc::new(metric), vec![Point::new(UnixTime(0), value)]).into()
        };
        let measurement = Measurement { readings: [10.0, 900.0, 10.0].map(pod).to_vec(), ..Measurement::default() };
        let judged = |section: serde_json::Value| {
            let node = Node::from_json(&section, &Origin::whole("test"));
            let config = Decoder::run(&NoVariables, |cx| CampaignConfig::decode(&node, cx)).expect("valid");
            judged(&measurement, &config).remove("lat")
        };
        assert_eq!(judged(json!({ "objective": { "minimize": "lat" } })), Some(900.0));
        assert_eq!(judged(json!({ "objective": { "maximize": "lat" } })), Some(10.0));
        let slo = json!([{ "metric": "lat", "threshold": 250, "keep": "below" }]);
        assert_eq!(judged(json!({ "slo": slo })), Some(900.0));
        assert_eq!(combined(&measurement, |_| None).remove("lat"), Some(920.0 / 3.0));
    }
}
