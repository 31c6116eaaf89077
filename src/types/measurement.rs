//! What was measured: the readings of one or several connectors.

use std::collections::BTreeMap;

use super::{Reading, TimeSeries};

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
    use crate::types::{DataPoint, Metric, Unit, UnixTime};

    #[test]
    fn readings_of_several_connectors_may_be_of_different_kinds() {
        let metric = Arc::new(Metric::new("m", Unit::Float));
        let point = DataPoint { metric: Arc::clone(&metric), time: UnixTime(0), value: 1.0 }.into();
        let mixed = vec![point, TimeSeries::new(metric, Vec::new()).into()];
        let error = MeasurementError::Mixed { expected: "DataPoint", found: "TimeSeries" };
        assert_eq!(Measurement::new(mixed.clone(), BTreeMap::new()), Err(error));

        let notes = |text: &str| BTreeMap::from([("run".to_owned(), text.to_owned())]);
        let mut merged = Measurement { readings: vec![mixed[0].clone()], annotations: notes("1") };
        merged.merge(Measurement { readings: vec![mixed[1].clone()], annotations: notes("2") });
        assert_eq!(merged, Measurement { readings: mixed, annotations: notes("2") });
    }
}
