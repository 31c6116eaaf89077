//! What was measured: the readings of one or several connectors, and their wire form.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Reading, TimeSeries, UnixTime, WireMetrics};

/// Readings with notes about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurement {
    /// The readings, in the order they were made.
    pub readings: Vec<Reading>,
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

    /// The readings as they are sent at `now`.
    pub fn wire_metrics(&self, now: UnixTime) -> WireMetrics<'_> {
        WireMetrics::new(&self.readings, now)
    }

    /// The whole wire form, `{"metrics": …, "annotations": …}`, as a tree. For small measurements: what is posted is
    /// written without one.
    pub fn to_wire(&self, now: UnixTime) -> Json {
        json!({ "metrics": self.wire_metrics(now), "annotations": self.annotations })
    }
}

/// Notes neighbours of different lengths: harmless, but a hint when results look odd.
fn debug_lengths(readings: &[Reading]) {
    let series: Vec<&TimeSeries> = readings.iter().filter_map(Reading::as_series).collect();
    for pair in series.windows(2) {
        let [expected, found] = [pair[0].len(), pair[1].len()];
        if expected != found {
            tracing::debug!(expected, found, id = pair[1].id(), "time series have different numbers of values");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::{DataPoint, Metric, Point, Unit};

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
