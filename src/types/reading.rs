//! Readings of metrics: single values and series over time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Duration, Metric, UnixTime};
use crate::decode::plain_float;

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When it was read.
    pub time: UnixTime,
    /// What was read.
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
    /// The metric.
    pub metric: Arc<Metric>,
    /// When it was read.
    pub time: UnixTime,
    /// What was read.
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

    /// The metric.
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

    /// A note for people.
    pub fn annotation(&self) -> Option<&str> {
        self.annotation.as_deref()
    }

    /// Facts about the source.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The number of points.
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
    /// A single value.
    DataPoint(DataPoint),
    /// Values over time.
    TimeSeries(TimeSeries),
}

impl Reading {
    /// The metric.
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
