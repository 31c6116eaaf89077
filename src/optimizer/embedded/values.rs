//! The value of each metric in a measurement, of which a campaign takes one.
//!
//! Pure.

use std::collections::BTreeMap;

use crate::types::{Measurement, Reading};

/// The note that a load generator leaves whose reports are about the whole attack up to then.
const CUMULATIVE_NOTE: &str = "load_profile";

const CUMULATIVE: [&str; 10] = [
    "throughput",
    "error_rate",
    "latency_total",
    "latency_mean",
    "latency_50th",
    "latency_90th",
    "latency_95th",
    "latency_99th",
    "latency_max",
    "latency_min",
];

/// The mean over the series of a metric of the mean over their points; the last point of a cumulative one. Metrics
/// without a finite value are left out.
pub(crate) fn of(measurement: &Measurement) -> BTreeMap<String, f64> {
    let is_attack = measurement.annotations.contains_key(CUMULATIVE_NOTE);
    let mut levels: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for reading in &measurement.readings {
        let name = reading.metric().name.as_str();
        let is_cumulative = is_attack && CUMULATIVE.contains(&name);
        if let Some(level) = level(reading, is_cumulative) {
            levels.entry(name).or_default().push(level);
        }
    }
    levels.into_iter().filter_map(|(name, levels)| Some((name.to_owned(), mean(&levels)?))).collect()
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

    use super::*;
    use crate::types::{DataPoint, Metric, Point, TimeSeries, Unit, UnixTime};

    fn series(name: &str, values: &[f64]) -> Reading {
        let points = values.iter().map(|value| Point::new(UnixTime::from_seconds(1), *value)).collect();
        TimeSeries::new(Arc::new(Metric::new(name, Unit::Float)), points).into()
    }

    #[test]
    fn each_series_counts_the_same_however_many_points_it_has() {
        let point = DataPoint { metric: Arc::new(Metric::new("b", Unit::Float)), time: UnixTime(0), value: 7.0 };
        let readings = vec![series("a", &[1.0, f64::NAN, 3.0]), series("a", &[6.0]), series("c", &[]), point.into()];
        let found = of(&Measurement { readings, ..Measurement::default() });
        assert_eq!(found, BTreeMap::from([("a".to_owned(), 4.0), ("b".to_owned(), 7.0)]));
    }

    #[test]
    fn of_an_attack_the_last_report_counts() {
        let readings = vec![series("latency_99th", &[9.0, 5.0]), series("queue", &[9.0, 5.0])];
        let annotations = BTreeMap::from([("load_profile".to_owned(), "…".to_owned())]);
        let found = of(&Measurement { readings, annotations });
        assert_eq!(found, BTreeMap::from([("latency_99th".to_owned(), 5.0), ("queue".to_owned(), 7.0)]));
    }
}
