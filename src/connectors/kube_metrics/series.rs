//! The points of a measurement: a series for each metric of each pod. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::metric::KubeMetric;
use crate::types::{Metric, Point, Reading, TimeSeries};

/// What is kept of the samples of a measurement.
#[derive(Debug, Default)]
pub(super) struct PodSeries {
    all: Vec<(KubeMetric, String, Vec<Point>)>,
    places: HashMap<(KubeMetric, String), usize>,
}

impl PodSeries {
    /// Adds a point to the series of a metric of a pod.
    pub(super) fn add(&mut self, metric: KubeMetric, pod: &str, point: Point) {
        let place = *self.places.entry((metric, pod.to_owned())).or_insert(self.all.len());
        match self.all.get_mut(place) {
            Some((_, _, points)) => points.push(point),
            None => self.all.push((metric, pod.to_owned(), vec![point])),
        }
    }

    /// The readings: metrics in the order in which they first had a value, and the pods of each in that order too. The
    /// id of a series is the pod's name.
    pub(super) fn into_readings(self) -> Vec<Reading> {
        let mut metrics: Vec<(KubeMetric, Vec<TimeSeries>)> = Vec::new();
        for (metric, pod, points) in self.all {
            let place = metrics.iter().position(|(known, _)| *known == metric).unwrap_or(metrics.len());
            if place == metrics.len() {
                metrics.push((metric, Vec::new()));
            }
            let (_, series) = &mut metrics[place];
            let described = match series.first() {
                Some(first) => Arc::clone(first.metric()),
                None => Arc::new(Metric::new(metric.to_string(), metric.unit())),
            };
            series.push(TimeSeries::new(described, points).with_id(pod));
        }
        metrics.into_iter().flat_map(|(_, series)| series).map(Reading::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::metric::{Quantity, Role};
    use super::*;
    use crate::types::UnixTime;

    #[test]
    fn series_are_grouped_by_metric_in_the_order_of_their_first_points() {
        let [cpu, memory] =
            [Quantity::CpuUsage, Quantity::MemoryUsage].map(|quantity| KubeMetric { role: Role::Main, quantity });
        let mut series = PodSeries::default();
        for (metric, pod, seconds, value) in [
            (memory, "b", 2, 1.0),
            (cpu, "b", 2, 2.0),
            (memory, "a", 2, 3.0),
            (cpu, "a", 2, 4.0),
            (cpu, "b", 1, 5.0),
            (cpu, "b", 1, 6.0),
            (cpu, "c", 1, 7.0),
        ] {
            series.add(metric, pod, Point::new(UnixTime::from_seconds(seconds), value));
        }
        let readings = series.into_readings();
        let shown: Vec<String> = readings.iter().filter_map(Reading::as_series).map(shown).collect();
        assert_eq!(
            shown,
            [
                "main_mem_usage b 1@2",
                "main_mem_usage a 3@2",
                "main_cpu_usage b 5@1 6@1 2@2",
                "main_cpu_usage a 4@2",
                "main_cpu_usage c 7@1",
            ]
        );
    }

    fn shown(series: &TimeSeries) -> String {
        let point = |point: &Point| format!("{}@{}", point.value, point.time.seconds());
        let points: Vec<String> = series.points().iter().map(point).collect();
        format!("{} {} {}", series.metric().name, series.id(), points.join(" "))
    }
}
