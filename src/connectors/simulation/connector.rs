//! The connector: a simulated service that is described, adjusted and measured like a real one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Span;

use async_trait::async_trait;

use super::METADATA;
use super::config::SimulationConfig;
use super::model::{self, Metrics as Truth, Service};
use crate::connector::{
    Adjust, AdjustRequest, Components, Connector, ConnectorName, Describe, DescribeRequest, EventContext, EventError,
    Measure, MeasureRequest, Metadata, Metrics,
};
use crate::fast_fail::Watch;
use crate::progress::{self, DurationProgress};
use crate::types::{
    Adjustment, Component, Description, Duration, Measurement, Metric, Point, Reading, Setting, TimeSeries, Unit,
    UnixTime,
};

/// The reason that a rejected adjustment gives when the service does not stay up.
const UNSTABLE: &str = "unstable";

/// How many times a measurement is read.
const READINGS: u32 = 10;

/// How much of the noise changes from reading to reading; the rest is that of the whole measurement, which does not go
/// away by reading more often.
const JITTER: f64 = 0.25;

pub(super) struct SimulationConnector {
    name: ConnectorName,
    config: SimulationConfig,
    service: Service,
    metrics: Vec<Arc<Metric>>,
    state: Mutex<State>,
}

struct State {
    settings: Vec<Setting>,
    noise: fastrand::Rng,
}

impl SimulationConnector {
    pub(super) fn new(name: ConnectorName, config: SimulationConfig) -> Self {
        let state = State { settings: config.settings(), noise: fastrand::Rng::with_seed(config.seed.cast_unsigned()) };
        let units = [
            Unit::RequestsPerSecond,
            Unit::Milliseconds,
            Unit::Milliseconds,
            Unit::Percentage,
            Unit::Percentage,
            Unit::Percentage,
        ];
        let metrics = Truth::NAMES.iter().zip(units).map(|(name, unit)| Arc::new(Metric::new(*name, unit))).collect();
        Self { name, service: config.service(), config, metrics, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment, so that a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn component(&self) -> Component {
        Component::new(self.config.component.as_str(), self.state().settings.clone())
    }

    /// The settings as the model takes them.
    fn settings(&self) -> model::Settings {
        let state = self.state();
        let value = |index: usize| {
            let value = state.settings.get(index).and_then(Setting::value);
            value.and_then(|value| value.as_f64()).unwrap_or_default()
        };
        model::Settings { cpu: value(0), mem: value(1), replicas: value(2), workers: value(3) }
    }

    /// Simulated time as real time.
    fn real(&self, simulated: Duration) -> Span {
        let seconds = simulated.max(Duration::ZERO).as_secs_f64() / self.config.speed;
        Span::try_from_secs_f64(seconds).unwrap_or(Span::MAX)
    }

    async fn pass(&self, cx: &EventContext, simulated: Duration, text: &str) -> Result<(), EventError> {
        progress::wait_reporting(cx, self.real(simulated), text).await
    }

    /// Gives the settings their new values, all or none.
    fn apply(&self, adjustments: &[&Adjustment]) -> Result<(), EventError> {
        let mut state = self.state();
        let mut settings = state.settings.clone();
        for adjustment in adjustments {
            let name = adjustment.setting_name.as_str();
            let setting = settings.iter_mut().find(|setting| setting.name() == name).ok_or_else(|| {
                EventError::adjustment_failed(format!("component '{}' has no setting '{name}'", self.config.component))
            })?;
            setting.assign(Some(&adjustment.value)).map_err(|problems| {
                EventError::adjustment_failed(format!("cannot adjust {}", adjustment.selector())).with_source(problems)
            })?;
        }
        state.settings = settings;
        Ok(())
    }

    /// The rejection of a service that is killed again and again.
    fn killed(&self, settings: &model::Settings) -> EventError {
        let name = &self.config.component;
        let working_set = self.service.working_set(settings);
        let message = format!(
            "Deployment {name} pod(s) crash restart detected: {name}-0 - {name} x1 (OOMKilled: the working set of \
             {working_set} GiB does not fit into {} GiB)",
            settings.mem
        );
        EventError::rejected(message, UNSTABLE)
    }

    /// Reads the service again and again for a time, and judges it on the way.
    async fn observe(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Vec<Reading>, EventError> {
        let control = &request.control;
        let duration = control.duration.max(Duration::ZERO);
        let truth = self.service.truth(&self.settings()).unwrap_or_else(|| self.service.dead());
        let level = truth.values().map(|value| value * self.factor(self.config.noise));
        let mut watch = Watch::begin(cx, control, &self.config.fast_fail, duration);
        let (progress, mut points) = (DurationProgress::start(self.real(duration)), vec![Vec::new(); level.len()]);
        for reading in 1..=READINGS {
            let due = self.real(duration).mul_f64(f64::from(reading) / f64::from(READINGS));
            cx.unless_cancelled(tokio::time::sleep(due.saturating_sub(progress.elapsed()))).await?;
            let time = UnixTime::now();
            for ((points, level), metric) in points.iter_mut().zip(level).zip(&self.metrics) {
                let value = level * self.factor(self.config.noise * JITTER);
                let highest = if metric.unit == Unit::Percentage { 100.0 } else { f64::MAX };
                points.push(Point::new(time, value.min(highest)));
            }
            let percent = 100.0 * f64::from(reading) / f64::from(READINGS);
            cx.progress(percent, &progress::describe("measuring the simulated service", percent, progress.elapsed()));
            let elapsed = Duration::from_micros(duration.as_micros() * i128::from(reading) / i128::from(READINGS));
            watch.offer(elapsed, || self.readings(&points, |_| true))?;
        }
        Ok(self.readings(&points, |name| request.wants(name)))
    }

    fn readings(&self, points: &[Vec<Point>], wants: impl Fn(&str) -> bool) -> Vec<Reading> {
        let series = self.metrics.iter().zip(points).filter(|(metric, _)| wants(&metric.name));
        series.map(|(metric, points)| TimeSeries::new(Arc::clone(metric), points.clone()).into()).collect()
    }

    /// A factor of this relative deviation whose mean is 1: log-normal, by the method of Box and Muller.
    fn factor(&self, deviation: f64) -> f64 {
        if deviation <= 0.0 {
            return 1.0;
        }
        let mut state = self.state();
        let radius = (-2.0 * (1.0 - state.noise.f64()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * state.noise.f64()).cos();
        (deviation * normal - deviation * deviation / 2.0).exp()
    }
}

impl Connector for SimulationConnector {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn as_describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }

    fn as_metrics(&self) -> Option<&dyn Metrics> {
        Some(self)
    }

    fn as_components(&self) -> Option<&dyn Components> {
        Some(self)
    }

    fn as_measure(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn as_adjust(&self) -> Option<&dyn Adjust> {
        Some(self)
    }
}

#[async_trait]
impl Describe for SimulationConnector {
    async fn describe(&self, _cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
        Ok(Description { components: vec![self.component()], metrics: self.metrics.clone() })
    }
}

#[async_trait]
impl Metrics for SimulationConnector {
    async fn metrics(&self, _cx: &EventContext) -> Result<Vec<Arc<Metric>>, EventError> {
        Ok(self.metrics.clone())
    }
}

#[async_trait]
impl Components for SimulationConnector {
    async fn components(&self, _cx: &EventContext) -> Result<Vec<Component>, EventError> {
        Ok(vec![self.component()])
    }
}

#[async_trait]
impl Measure for SimulationConnector {
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        let control = &request.control;
        self.pass(cx, control.delay + control.warmup, "warming up the simulated service").await?;
        let readings = self.observe(cx, request).await?;
        Measurement::new(readings, BTreeMap::new()).map_err(|error| EventError::measurement_failed(error.to_string()))
    }
}

#[async_trait]
impl Adjust for SimulationConnector {
    /// A service that is killed keeps its new settings, as a workload that is not rolled back does.
    async fn adjust(&self, cx: &EventContext, request: &AdjustRequest) -> Result<Description, EventError> {
        let is_own = |adjustment: &&Adjustment| adjustment.component_name == self.config.component;
        let own: Vec<&Adjustment> = request.adjustments.iter().filter(is_own).collect();
        if !own.is_empty() {
            self.apply(&own)?;
            let settlement = request.control.settlement.unwrap_or(Duration::ZERO);
            self.pass(cx, self.config.rollout + settlement, "rolling out the simulated service").await?;
            let settings = self.settings();
            if self.service.truth(&settings).is_none() {
                return Err(self.killed(&settings));
            }
        }
        Ok(Description { components: vec![self.component()], metrics: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{
        ErrorKind, Event, EventContextText, OptimizerIdentity, Phase, ProgressSender, Section, Services,
    };
    use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};
    use crate::types::{Control, Scalar};

    fn connector(section: &Value) -> SimulationConnector {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("simulation");
        let config = Decoder::run(&NoVariables, |cx| {
            Section { name: &name, node: &node, prefix: "SERVO_TESTED_" }.keys::<SimulationConfig>(cx)
        });
        SimulationConnector::new(name, config.unwrap_or_else(|problems| panic!("{problems}")))
    }

    fn context(event: Event, embedded: bool) -> EventContext {
        let optimizer = Some(OptimizerIdentity { id: "a.com/app".to_owned(), name: "app".to_owned(), embedded });
        EventContext::new(
            ConnectorName::new("simulation"),
            EventContextText(Phase::On, event),
            Arc::new(Services { optimizer, ..Services::default() }),
            ProgressSender::default(),
            CancellationToken::new(),
        )
    }

    fn request(control: &Value) -> MeasureRequest {
        let node = Node::from_json(control, &Origin::whole("control"));
        let control = Decoder::run(&NoVariables, |cx| Control::decode(&node, cx)).unwrap();
        MeasureRequest { metrics: Vec::new(), control }
    }

    async fn adjust(connector: &SimulationConnector, setting: &str, value: Scalar) -> Result<Description, EventError> {
        let adjustments =
            vec![Adjustment::new("service", setting, value), Adjustment::new("other", "cpu", Scalar::Integer(1))];
        let request = AdjustRequest { adjustments, control: Control::default() };
        connector.adjust(&context(Event::Adjust, false), &request).await
    }

    fn means(measurement: &Measurement) -> Vec<f64> {
        let series = measurement.readings.iter().filter_map(Reading::as_series);
        series.map(|series| series.points().iter().map(|point| point.value).sum::<f64>() / 10.0).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn time_runs_at_its_speed_and_readings_without_noise_are_the_truth() {
        let connector = connector(&json!({"noise": 0, "speed": 60}));
        let started_at = Instant::now();
        let request = request(&json!({"warmup": "1m", "duration": "5m"}));
        let measurement = connector.measure(&context(Event::Measure, false), &request).await.unwrap();
        assert_eq!(started_at.elapsed().as_millis(), 6_000);
        let truth = connector.service.truth(&connector.settings()).unwrap().values();
        for (mean, truth) in means(&measurement).into_iter().zip(truth) {
            assert!((mean - truth).abs() <= 1e-9 * truth, "{mean} is not {truth}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn noise_is_that_of_the_seed() {
        let mut found = Vec::new();
        for seed in [1, 1, 2] {
            let connector = connector(&json!({"seed": seed}));
            let measured = connector.measure(&context(Event::Measure, false), &request(&json!({"duration": 10}))).await;
            found.push(means(&measured.unwrap()));
        }
        assert_eq!(found[0], found[1]);
        assert_ne!(found[0], found[2]);
    }

    #[tokio::test(start_paused = true)]
    async fn too_little_memory_is_a_rejected_adjustment_that_stays() {
        let connector = connector(&json!({}));
        let error = adjust(&connector, "mem", Scalar::Float(0.25)).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Rejected, Some("unstable")));
        let measured = connector.measure(&context(Event::Measure, false), &request(&json!({"duration": 1}))).await;
        assert!(means(&measured.unwrap())[0].abs() < f64::EPSILON);
        let description = adjust(&connector, "mem", Scalar::Float(0.75)).await.unwrap();
        let value = description.setting("service.mem").unwrap().and_then(Setting::value);
        assert_eq!(value, Some(Scalar::Float(0.75)));
    }

    #[tokio::test(start_paused = true)]
    async fn values_outside_of_the_range_and_unknown_settings_fail() {
        let connector = connector(&json!({"replicas": {"pinned": true}}));
        for (setting, value) in [("cpu", 9), ("replicas", 3), ("disk", 1)] {
            let error = adjust(&connector, setting, Scalar::Integer(value)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AdjustmentFailed, "{setting}: {}", error.chain());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_embedded_optimizer_has_a_violated_objective_end_the_measurement() {
        let connector = connector(&json!({"speed": 60}));
        let condition = json!({"metric": "p99_latency", "threshold": 1});
        let request = request(&json!({"duration": "5m", "userdata": {"slo": {"conditions": [condition]}}}));
        assert!(connector.measure(&context(Event::Measure, false), &request).await.is_ok());
        let started_at = Instant::now();
        let error = connector.measure(&context(Event::Measure, true), &request).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Aborted, Some("slo-violation")));
        assert_eq!(started_at.elapsed().as_secs(), 1);
    }
}
