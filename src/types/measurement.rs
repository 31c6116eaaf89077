//! What was measured: the readings of one or several connectors, and their wire form.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{DataPoint, Point, Reading, TimeSeries, UnixTime};

/// Readings with notes about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurement {
    /// The readings, in the order they were made.
    pub readings: Vec<Reading>,
    /// Notes, by name.
    pub annotations: BTreeMap<String, String>,
}

/// Why readings are no measurement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasurementError {
    /// Data points and time series in one measurement.
    #[error("all readings must be of the same type: expected \"{expected}\" but found \"{found}\"")]
    Mixed {
        /// The kind of the first reading.
        expected: &'static str,
        /// The kind of another one.
        found: &'static str,
    },
}

impl Measurement {
    /// A measurement of one connector.
    ///
    /// # Errors
    /// The readings are of different kinds.
    pub fn new(readings: Vec<Reading>, annotations: BTreeMap<String, String>) -> Result<Self, MeasurementError> {
        let expected = readings.first().map_or("", Reading::kind);
        if let Some(other) = readings.iter().find(|reading| reading.kind() != expected) {
            return Err(MeasurementError::Mixed { expected, found: other.kind() });
        }
        debug_lengths(&readings);
        Ok(Self { readings, annotations })
    }

    /// Adds what another connector measured; readings of different kinds may meet here. A later note replaces an
    /// earlier one of the same name.
    pub fn merge(&mut self, other: Self) {
        self.readings.extend(other.readings);
        self.annotations.extend(other.annotations);
    }

    /// The measurements of several connectors as one.
    pub fn merged(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        parts.into_iter().for_each(|part| whole.merge(part));
        whole
    }

    /// The wire form, `{"metrics": …, "annotations": …}`, as sent at `now`.
    ///
    /// Every metric is keyed by its name. Of several data points the last counts. Of several series each is one
    /// element of `values`, in reading order and with its own id; a single one has the second of `now` as id. What
    /// is not finite is left out with a warning, as JSON has no word for it.
    pub fn to_wire(&self, now: UnixTime) -> Json {
        let mut metrics = Map::new();
        for (name, readings) in by_metric(&self.readings) {
            if let Some(wire) = metric_to_wire(&readings, now) {
                metrics.insert(name.to_owned(), wire);
            }
        }
        json!({ "metrics": metrics, "annotations": self.annotations })
    }
}

/// Notes neighbours of different lengths: harmless, but a hint when results look odd.
fn debug_lengths(readings: &[Reading]) {
    let series: Vec<&TimeSeries> = readings.iter().filter_map(as_series).collect();
    for pair in series.windows(2) {
        let [expected, found] = [pair[0].len(), pair[1].len()];
        if expected != found {
            tracing::debug!(expected, found, id = pair[1].id(), "time series have different numbers of values");
        }
    }
}

fn as_series(reading: &Reading) -> Option<&TimeSeries> {
    match reading {
        Reading::TimeSeries(series) => Some(series),
        Reading::DataPoint(_) => None,
    }
}

/// The readings of each metric, metrics in the order of their first reading.
fn by_metric(readings: &[Reading]) -> Vec<(&str, Vec<&Reading>)> {
    let mut groups: Vec<(&str, Vec<&Reading>)> = Vec::new();
    for reading in readings {
        let name = reading.metric().name.as_str();
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, group)) => group.push(reading),
            None => groups.push((name, vec![reading])),
        }
    }
    groups
}

/// The wire form of one metric's readings: those of the kind of the last one. `None` when there is nothing to send.
fn metric_to_wire(readings: &[&Reading], now: UnixTime) -> Option<Json> {
    match readings.last()? {
        Reading::DataPoint(point) => data_point_to_wire(point),
        Reading::TimeSeries(last) => {
            let series: Vec<&TimeSeries> = readings.iter().copied().filter_map(as_series).collect();
            let alone = series.len() == 1;
            let values: Vec<Json> = series
                .iter()
                .map(|series| {
                    let own_id = !alone && !series.id().is_empty();
                    let id = if own_id { series.id().to_owned() } else { now.seconds().to_string() };
                    json!({ "id": id, "data": finite_points(series) })
                })
                .collect();
            Some(json!({ "unit": last.metric().unit.as_str(), "values": values }))
        }
    }
}

fn data_point_to_wire(point: &DataPoint) -> Option<Json> {
    if !point.value.is_finite() {
        tracing::warn!(metric = point.metric.name, value = point.value, "left out a data point that is not finite");
        return None;
    }
    Some(json!({ "unit": point.metric.unit.as_str(), "value": point.value }))
}

fn finite_points(series: &TimeSeries) -> Vec<Json> {
    let (finite, other): (Vec<&Point>, Vec<&Point>) = series.points().iter().partition(|point| point.value.is_finite());
    if !other.is_empty() {
        let metric = series.metric().name.as_str();
        tracing::warn!(metric, id = series.id(), points = other.len(), "left out points that are not finite");
    }
    finite.iter().map(|point| json!([point.time.seconds(), point.value])).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::{Metric, Unit};

    const NOW: UnixTime = UnixTime(1_700_000_000_750_000);

    fn metric(name: &str, unit: Unit) -> Arc<Metric> {
        Arc::new(Metric::new(name, unit))
    }

    fn series(unit: Unit, id: &str, values: &[f64]) -> Reading {
        let points = values.iter().map(|value| Point::new(UnixTime::from_seconds(1), *value)).collect();
        TimeSeries::new(metric("m", unit), points).with_id(id).into()
    }

    fn point(value: f64) -> Reading {
        DataPoint { metric: metric("m", Unit::Float), time: NOW, value }.into()
    }

    fn metrics(readings: Vec<Reading>) -> Json {
        Measurement { readings, ..Measurement::default() }.to_wire(NOW)["metrics"].take()
    }

    #[test]
    fn several_series_have_their_own_ids_and_the_unit_of_the_last() {
        let readings =
            vec![series(Unit::Bytes, "a", &[1.0]), series(Unit::Cores, "", &[]), series(Unit::Gibibytes, "c", &[3.0])];
        let values = json!([
            {"id": "a", "data": [[1, 1.0]]},
            {"id": "1700000000", "data": []},
            {"id": "c", "data": [[1, 3.0]]},
        ]);
        assert_eq!(metrics(readings), json!({"m": {"unit": "GiB", "values": values}}));
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        let values = json!([{"id": "1700000000", "data": [[1, 2.0]]}]);
        let of_series = metrics(vec![series(Unit::Float, "a", &[f64::NAN, 2.0, f64::INFINITY])]);
        assert_eq!(of_series, json!({"m": {"unit": "", "values": values}}));
        assert_eq!(metrics(vec![point(f64::NAN)]), json!({}));
    }

    #[test]
    fn readings_of_several_connectors_may_be_of_different_kinds() {
        let mixed = vec![point(1.0), series(Unit::Float, "a", &[2.0])];
        let error = MeasurementError::Mixed { expected: "DataPoint", found: "TimeSeries" };
        assert_eq!(Measurement::new(mixed.clone(), BTreeMap::new()), Err(error));

        let notes = |text: &str| BTreeMap::from([("run".to_owned(), text.to_owned())]);
        let mut merged = Measurement { readings: vec![mixed[0].clone()], annotations: notes("1") };
        merged.merge(Measurement { readings: vec![mixed[1].clone()], annotations: notes("2") });
        let values = json!([{"id": "1700000000", "data": [[1, 2.0]]}]);
        let expected = json!({"metrics": {"m": {"unit": "", "values": values}}, "annotations": {"run": "2"}});
        assert_eq!(merged.to_wire(NOW), expected);
    }
}
