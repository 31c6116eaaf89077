//! Readings of metrics: single values and series over time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Duration, Metric, UnixTime};
use crate::decode::plain_float;

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub time: UnixTime,
    pub value: f64,
}

impl Point {
    /// A value at a time.
    pub const fn new(time: UnixTime, value: f64) -> Self {
        Self { time, value }
    }
}

/// One value of a metric.
#[derive(Clone, PartialEq)]
pub struct DataPoint {
    pub metric: Arc<Metric>,
    pub time: UnixTime,
    pub value: f64,
}

/// `throughput: 31337.00rps @ 2020-01-21 12:00:01+00:00`.
impl fmt::Display for DataPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.2}{} @ {}", self.metric.name, self.value, self.metric.unit, self.time.text(' '))
    }
}

impl fmt::Debug for DataPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataPoint({}, ({}, {}))", self.metric, self.time.text(' '), plain_float(self.value))
    }
}

/// Values of a metric over time, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeSeries {
    metric: Arc<Metric>,
    points: Vec<Point>,
    id: String,
    annotation: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl TimeSeries {
    /// A series of these points, which are sorted by time; those of equal times keep their order.
    pub fn new(metric: Arc<Metric>, mut points: Vec<Point>) -> Self {
        points.sort_by_key(|point| point.time);
        Self { metric, points, id: String::new(), annotation: None, metadata: BTreeMap::new() }
    }

    /// The same series with an id, which tells several series of one metric apart on the wire.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The same series with a note for people.
    #[must_use]
    pub fn with_annotation(mut self, annotation: impl Into<String>) -> Self {
        self.annotation = Some(annotation.into());
        self
    }

    /// The same series with facts about its source.
    #[must_use]
    pub fn with_metadata(mut self, metadata: BTreeMap<String, String>) -> Self {
        self.metadata = metadata;
        self
    }

    pub fn metric(&self) -> &Arc<Metric> {
        &self.metric
    }

    /// The points, in order of time.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The id; empty when it has none.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn annotation(&self) -> Option<&str> {
        self.annotation.as_deref()
    }

    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The point of the least value, the first of several; `None` when empty.
    pub fn min(&self) -> Option<&Point> {
        self.points.iter().reduce(|least, point| if point.value < least.value { point } else { least })
    }

    /// The point of the greatest value, the first of several; `None` when empty.
    pub fn max(&self) -> Option<&Point> {
        self.points.iter().reduce(|greatest, point| if point.value > greatest.value { point } else { greatest })
    }

    /// The first and the last time; `None` when empty.
    pub fn timespan(&self) -> Option<(UnixTime, UnixTime)> {
        Some((self.points.first()?.time, self.points.last()?.time))
    }

    /// The time from the first to the last point; `None` when empty.
    pub fn duration(&self) -> Option<Duration> {
        self.timespan().map(|(first, last)| last.since(first))
    }
}

/// What a connector measured of one metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    DataPoint(DataPoint),
    TimeSeries(TimeSeries),
}

impl Reading {
    /// The series, when it is one.
    pub fn as_series(&self) -> Option<&TimeSeries> {
        match self {
            Self::TimeSeries(series) => Some(series),
            Self::DataPoint(_) => None,
        }
    }

    pub fn metric(&self) -> &Arc<Metric> {
        match self {
            Self::DataPoint(point) => &point.metric,
            Self::TimeSeries(series) => series.metric(),
        }
    }

    /// The name of its kind, as messages have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::DataPoint(_) => "DataPoint",
            Self::TimeSeries(_) => "TimeSeries",
        }
    }
}

impl From<DataPoint> for Reading {
    fn from(point: DataPoint) -> Self {
        Self::DataPoint(point)
    }
}

impl From<TimeSeries> for Reading {
    fn from(series: TimeSeries) -> Self {
        Self::TimeSeries(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Unit;

    fn series(points: &[(i64, f64)]) -> TimeSeries {
        let points = points.iter().map(|(seconds, value)| Point::new(UnixTime::from_seconds(*seconds), *value));
        TimeSeries::new(Arc::new(Metric::new("throughput", Unit::RequestsPerSecond)), points.collect())
    }

    #[test]
    fn points_are_sorted_by_time_and_keep_their_order_where_it_is_the_same() {
        let series = series(&[(2, 1.0), (1, 2.0), (2, 3.0), (1, 4.0)]);
        let values: Vec<f64> = series.points().iter().map(|point| point.value).collect();
        assert_eq!(values, [2.0, 4.0, 1.0, 3.0]);
    }

    #[test]
    fn extremes_are_the_first_of_their_value() {
        let series = series(&[(1, 5.0), (2, 1.0), (3, 5.0), (4, 1.0)]);
        let seconds = |point: Option<&Point>| point.map(|point| point.time.seconds());
        assert_eq!((seconds(series.min()), seconds(series.max())), (Some(2), Some(1)));
        assert_eq!(series.duration(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn an_empty_series_has_neither_extremes_nor_a_timespan() {
        let series = series(&[]);
        assert!(series.is_empty());
        assert_eq!((series.min(), series.max(), series.timespan(), series.duration()), (None, None, None, None));
    }
}
