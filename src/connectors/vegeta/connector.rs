//! The connector: what can be measured, measuring it, and checking that it can be.

use std::sync::Arc;

use async_trait::async_trait;

use super::attack::Attack;
use super::checks;
use super::config::{Targets, VegetaConfig};
use super::report::{self, Samples};
use crate::checks::{Check, CheckRequest};
use crate::connector::{EventContext, EventError, MeasureRequest, NOT_MEASURED};
use crate::connectors::meter::{Meter, measurement};
use crate::exchange::{ChannelName, Message};
use crate::fast_fail::{FastFailConfig, Watch};
use crate::progress::{DurationProgress, describe_first};
use crate::types::{Control, Duration, Measurement, Metric};

/// Where every report is published, as JSON, while it is measured.
pub const CHANNEL: ChannelName = ChannelName::from_static("loadgen.vegeta");

pub(super) struct VegetaMeter {
    config: VegetaConfig,
}

impl VegetaMeter {
    pub(super) fn new(config: VegetaConfig) -> Self {
        Self { config }
    }

    /// Attacks for a time and measures nothing. Reports are about all of an attack, so that what is not to be measured
    /// must be an attack of its own.
    async fn warm_up(&self, cx: &EventContext, duration: Duration) -> Result<(), EventError> {
        tracing::info!(%duration, "warming up");
        let on_report = |_| {
            tracing::debug!("discarded a report: still warming up");
            Ok(())
        };
        Ok(self.attack(duration).run(cx, on_report).await?)
    }

    /// Attacks for a time, and publishes and reports on the way.
    /// An objective that is violated on the way ends the attack. Returns the errors of requests besides.
    async fn observe(&self, cx: &EventContext, control: &Control) -> Result<(Samples, Option<String>), EventError> {
        // To vegeta, a negative duration is endless.
        let duration = control.duration.max(Duration::ZERO);
        let mut watch = Watch::begin(cx, control, &FastFailConfig::default(), duration);
        let (mut samples, mut last) = (Samples::default(), None);
        let target = self.config.shown_target();
        let progress = DurationProgress::start(duration.to_std());
        let on_report = |report: report::Report| {
            let exchange = &cx.services().exchange;
            if exchange.is_heard(&CHANNEL) {
                exchange.publish(&CHANNEL, &Message::json(&report.published()));
            }
            samples.push(&report);
            let summary = report.summary(&target, self.config.rate.as_str());
            let percent = progress.percent();
            cx.progress(percent, &describe_first(percent, progress.elapsed(), summary));
            last = Some(report);
            watch.offer(Duration::from_std(progress.elapsed()), || samples.latest())
        };
        self.attack(duration).run(cx, on_report).await?;
        let errors = last.as_ref().and_then(report::Report::error_set);
        match last {
            Some(report) if report.answered() == 0 => Err(unanswered(&report, errors.as_deref().unwrap_or("no error"))),
            _ => Ok((samples, errors)),
        }
    }

    fn attack(&self, duration: Duration) -> Attack<'_> {
        Attack { config: &self.config, duration, interval: self.config.reporting_interval }
    }

    /// What is about to be done, in a sentence; the text of the annotation.
    async fn load_profile(&self, control: &Control) -> Result<String, EventError> {
        let urls = match &self.config.targets {
            Targets::Text(_) => 1,
            Targets::File(file) => {
                let text = tokio::fs::read(file.as_path()).await.map_err(|error| {
                    let path = file.as_path().display();
                    EventError::measurement_failed(format!("cannot read the targets in '{path}'")).with_source(error)
                })?;
                String::from_utf8_lossy(&text).lines().count()
            }
        };
        let Control { duration, delay, warmup, .. } = control;
        let VegetaConfig { rate, reporting_interval, .. } = &self.config;
        Ok(format!(
            "Loading {urls} URL(s) for {duration} (delay of {delay}, warmup of {warmup}) at a rate of {} \
             (reporting every {reporting_interval})",
            rate.as_str()
        ))
    }
}

/// The failure of an attack that reached nobody: how fast that was says nothing of the application.
fn unanswered(report: &report::Report, errors: &str) -> EventError {
    let text = format!("none of {} requests was answered: {errors}", report.requests);
    EventError::measurement_failed(text).with_reason(NOT_MEASURED)
}

#[async_trait]
impl Meter for VegetaMeter {
    fn metrics(&self) -> Vec<Arc<Metric>> {
        report::metrics().into_iter().chain([report::delivered_rate()]).collect()
    }

    /// Attacks whatever metrics are asked for, as others may measure what the load does. The delay is only mentioned.
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        let control = &request.control;
        let profile = self.load_profile(control).await?;
        tracing::info!("{profile}");
        if control.warmup > Duration::ZERO {
            self.warm_up(cx, control.warmup).await?;
        }
        let (samples, errors) = self.observe(cx, control).await?;
        if let Some(errors) = errors {
            tracing::warn!("requests failed: {errors}");
        }
        let annotations = [("load_profile".to_owned(), profile)].into();
        let mut readings = samples.readings(|name| request.wants(name));
        if request.wants(&report::delivered_rate().name) {
            readings.push(samples.delivered());
        }
        measurement(readings, annotations)
    }

    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        checks::check(&self.config, cx, request).await
    }
}
