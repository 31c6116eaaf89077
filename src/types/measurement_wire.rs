//! The wire form of readings, written straight from the series: a measurement may have millions of points, and a tree of
//! JSON values would take ten times their memory.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::{DataPoint, Reading, TimeSeries, UnixTime};

/// The `metrics` of a measurement as they are sent at a moment.
///
/// Every metric is keyed by its name. Of several data points the last counts. Of several series each is one element of
/// `values`, in reading order and with its own id; a single one has the second of the moment as id. What is not finite is
/// left out with a warning, as JSON has no word for it.
#[derive(Debug, Clone, Copy)]
pub struct WireMetrics<'a> {
    readings: &'a [Reading],
    now: UnixTime,
}

impl<'a> WireMetrics<'a> {
    pub(super) fn new(readings: &'a [Reading], now: UnixTime) -> Self {
        Self { readings, now }
    }
}

impl Serialize for WireMetrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut metrics = serializer.serialize_map(None)?;
        for (name, readings) in by_metric(self.readings) {
            match readings.last() {
                Some(Reading::DataPoint(point)) if point.value.is_finite() => {
                    metrics.serialize_entry(name, &WirePoint(point))?;
                }
                Some(Reading::DataPoint(point)) => {
                    tracing::warn!(metric = name, value = point.value, "left out a data point that is not finite");
                }
                Some(Reading::TimeSeries(last)) => {
                    let series: Vec<&TimeSeries> = readings.iter().copied().filter_map(Reading::as_series).collect();
                    let unit = last.metric().unit.as_str();
                    metrics.serialize_entry(name, &WireSeries { unit, series: &series, now: self.now })?;
                }
                None => {}
            }
        }
        metrics.end()
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

struct WirePoint<'a>(&'a DataPoint);

impl Serialize for WirePoint<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut point = serializer.serialize_struct("DataPoint", 2)?;
        point.serialize_field("unit", self.0.metric.unit.as_str())?;
        point.serialize_field("value", &self.0.value)?;
        point.end()
    }
}

struct WireSeries<'a> {
    unit: &'a str,
    series: &'a [&'a TimeSeries],
    now: UnixTime,
}

impl Serialize for WireSeries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let alone = self.series.len() == 1;
        let values: Vec<Values<'_>> = self
            .series
            .iter()
            .map(|series| {
                let own_id = !alone && !series.id().is_empty();
                let id = if own_id { series.id().to_owned() } else { self.now.seconds().to_string() };
                Values { id, series }
            })
            .collect();
        let mut wire = serializer.serialize_struct("TimeSeries", 2)?;
        wire.serialize_field("unit", self.unit)?;
        wire.serialize_field("values", &values)?;
        wire.end()
    }
}

struct Values<'a> {
    id: String,
    series: &'a TimeSeries,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = serializer.serialize_struct("Values", 2)?;
        values.serialize_field("id", &self.id)?;
        values.serialize_field("data", &Data(self.series))?;
        values.end()
    }
}

/// The points that are finite, as `[seconds, value]`.
struct Data<'a>(&'a TimeSeries);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points = self.0.points();
        let finite = points.iter().filter(|point| point.value.is_finite());
        let count = finite.clone().count();
        if count < points.len() {
            let metric = self.0.metric().name.as_str();
            tracing::warn!(
                metric,
                id = self.0.id(),
                points = points.len() - count,
                "left out points that are not finite"
            );
        }
        let mut data = serializer.serialize_seq(Some(count))?;
        for point in finite {
            data.serialize_element(&(point.time.seconds(), point.value))?;
        }
        data.end()
    }
}
