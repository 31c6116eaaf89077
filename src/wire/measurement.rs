//! Measurements: `{"metrics": …, "annotations": …}`.
//!
//! Readings are written straight from the series: a measurement may have millions of points, and a tree of JSON values
//! would take ten times their memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};
use serde_json::{Value as Json, json};

use super::Named;
use crate::decode::{Decode, Decoder, Fields, Node, Value};
use crate::types::{DataPoint, Measurement, Metric, Point, Reading, TimeSeries, Unit, UnixTime};

/// The whole body as it is sent at `now`, as a tree. For small measurements: what is posted is written without one.
pub fn encode(measurement: &Measurement, now: UnixTime) -> Json {
    json!({ "metrics": Metrics::new(&measurement.readings, now), "annotations": measurement.annotations })
}

/// The `metrics` of a measurement as they are sent at a moment.
///
/// Every metric is keyed by its name. Of several data points the last counts. Of several series each is one element of
/// `values`, in reading order and with its own id; a single one has the second of the moment as id. What is not finite is
/// left out with a warning, as JSON has no word for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metrics<'a> {
    readings: &'a [Reading],
    now: UnixTime,
}

impl<'a> Metrics<'a> {
    /// The metrics of these readings, as sent at `now`.
    pub(crate) fn new(readings: &'a [Reading], now: UnixTime) -> Self {
        Self { readings, now }
    }
}

impl Serialize for Metrics<'_> {
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

/// Reads a measurement. Single values are of now; a value of null is one that is not a number, and no reading.
pub(crate) fn decode(fields: &mut Fields<'_, '_, '_>) -> Option<Measurement> {
    let metrics = fields.required::<Named<MetricOf>>("metrics");
    let annotations = fields.or::<Option<Named<String>>>("annotations", None);
    let (metrics, annotations) = (metrics?, annotations?);
    let now = UnixTime::now();
    let readings = metrics.0.into_iter().flat_map(|(name, values)| values.readings(name, now)).collect();
    let annotations: BTreeMap<String, String> =
        annotations.map(|notes| notes.0).unwrap_or_default().into_iter().collect();
    Some(Measurement { readings, annotations })
}

/// What was read of a metric: one value, or series of points.
struct MetricOf {
    unit: Unit,
    read: Read,
}

enum Read {
    Value(f64),
    Series(Vec<Series>),
}

impl MetricOf {
    fn readings(self, name: String, now: UnixTime) -> Vec<Reading> {
        let metric = Arc::new(Metric::new(name, self.unit));
        match self.read {
            Read::Value(value) => vec![DataPoint { metric, time: now, value }.into()],
            Read::Series(series) => series
                .into_iter()
                .map(|Series { id, points }| TimeSeries::new(Arc::clone(&metric), points).with_id(id).into())
                .collect(),
        }
    }
}

impl Decode for MetricOf {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let unit = fields.or("unit", Unit::Float);
        let value: Option<Option<Number>> = fields.get("value");
        let series: Option<Option<Vec<Series>>> = fields.get("values");
        fields.ignore_unknown();
        let (unit, value, series) = (unit?, value?, series?);
        let read = match (value, series) {
            (Some(Number(value)), None) => Read::Value(value),
            (None, Some(series)) => Read::Series(series),
            _ => {
                cx.invalid_unquoted(node, "one of 'value' and 'values' is needed");
                return None;
            }
        };
        Some(Self { unit, read })
    }
}

/// A number; null is one that is not a number.
struct Number(f64);

impl Decode for Number {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Null => Some(Self(f64::NAN)),
            _ => f64::decode(node, cx).map(Self),
        }
    }
}

struct Series {
    id: String,
    points: Vec<Point>,
}

impl Decode for Series {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let id = fields.or("id", String::new());
        let data = fields.required::<Vec<PointOf>>("data");
        fields.ignore_unknown();
        Some(Self { id: id?, points: data?.into_iter().map(|point| point.0).collect() })
    }
}

/// `[seconds, value]`.
struct PointOf(Point);

impl Decode for PointOf {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if let Value::List(pair) = &node.value
            && let [time, value] = pair.as_slice()
        {
            let (time, value) = (f64::decode(time, cx), Number::decode(value, cx));
            return Some(Self(Point::new(UnixTime::from_seconds_f64(time?), value?.0)));
        }
        cx.invalid_unquoted(node, "a point is a list of seconds since the epoch and a value");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Place;

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
        encode(&Measurement { readings, ..Measurement::default() }, NOW)["metrics"].take()
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
    fn values_that_are_not_finite_are_left_out() {
        let values = json!([{"id": "1700000000", "data": [[1, 2.0]]}]);
        let of_series = metrics(vec![series(Unit::Float, "a", &[f64::NAN, 2.0, f64::INFINITY])]);
        assert_eq!(of_series, json!({"m": {"unit": "", "values": values}}));
        assert_eq!(metrics(vec![point(f64::NAN)]), json!({}));
    }

    #[test]
    fn of_readings_of_different_kinds_the_last_one_decides() {
        let values = json!([{"id": "1700000000", "data": [[1, 2.0]]}]);
        let mixed = vec![point(1.0), series(Unit::Float, "a", &[2.0])];
        assert_eq!(metrics(mixed), json!({"m": {"unit": "", "values": values}}));
    }

    #[test]
    fn a_value_of_null_is_no_reading_and_a_text_is_a_problem() {
        let read = |body: &Json| Place { origin: "test", key: "param" }.read(body, decode);
        let found = read(&json!({"metrics": {"m": {"values": [{"data": [[1, null], [2, 3]]}]}}, "annotations": null}));
        let found = found.expect("valid");
        let values: Vec<f64> =
            found.readings[0].as_series().unwrap().points().iter().map(|point| point.value).collect();
        assert!(values[0].is_nan() && values[1..] == [3.0], "{values:?}");
        for (metrics, path) in [
            (json!({"m": {"value": "fast"}}), "param.metrics.m.value"),
            (json!({"m": {"values": [{"data": [[1, [2]]]}]}}), "param.metrics.m.values.0.data.0"),
            (json!({"m": {"values": [{"data": [7]}]}}), "param.metrics.m.values.0.data.0"),
            (json!({"m": {"values": {"a": 1}}}), "param.metrics.m.values"),
            (json!({"m": {}}), "param.metrics.m"),
            (json!([1]), "param.metrics"),
        ] {
            let problems = read(&json!({ "metrics": metrics })).expect_err("not valid");
            assert_eq!(problems.iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>(), [path]);
        }
    }
}
