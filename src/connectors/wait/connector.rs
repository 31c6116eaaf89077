//! The connector: describes nothing, measures nothing, and takes its time for it.

use async_trait::async_trait;

use super::METADATA;
use super::config::WaitConfig;
use crate::connector::{
    Connector, ConnectorName, Describe, DescribeRequest, EventContext, EventError, Measure, MeasureRequest, Metadata,
};
use crate::progress;
use crate::types::{Description, Measurement};

pub(super) struct WaitConnector {
    name: ConnectorName,
    config: WaitConfig,
}

impl WaitConnector {
    pub(super) fn new(name: ConnectorName, config: WaitConfig) -> Self {
        Self { name, config }
    }
}

impl Connector for WaitConnector {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn as_describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }

    fn as_measure(&self) -> Option<&dyn Measure> {
        Some(self)
    }
}

#[async_trait]
impl Describe for WaitConnector {
    async fn describe(&self, _cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
        Ok(Description::default())
    }
}

#[async_trait]
impl Measure for WaitConnector {
    /// Waits for warmup, duration and delay, whatever metrics are asked for.
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        if self.config.measure_enabled {
            let control = &request.control;
            let total = control.warmup + control.duration + control.delay;
            let text = format!("Waiting for {total} for external measurement to complete");
            tracing::info!("{text}");
            progress::wait_reporting(cx, total.to_std(), &text).await?;
        }
        Ok(Measurement::default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{ErrorKind, Event, EventContextText, Phase, ProgressSender};
    use crate::types::{Control, Duration as Span};

    fn connector(measure_enabled: bool) -> WaitConnector {
        WaitConnector::new(ConnectorName::new("wait"), WaitConfig { description: None, measure_enabled })
    }

    fn context(event: Event, progress: ProgressSender, cancellation: &CancellationToken) -> EventContext {
        let event = EventContextText(Phase::On, event);
        EventContext::new(ConnectorName::new("wait"), event, Arc::default(), progress, cancellation.clone())
    }

    fn request(warmup: i64, duration: i64, delay: i64) -> MeasureRequest {
        let control = Control {
            warmup: Span::from_secs(warmup),
            duration: Span::from_secs(duration),
            delay: Span::from_secs(delay),
            ..Control::default()
        };
        MeasureRequest { metrics: vec!["unknown".to_owned()], control }
    }

    /// Measures and returns the seconds that it took and the percents that were reported.
    async fn measure(connector: &WaitConnector, request: &MeasureRequest) -> (u64, Vec<String>) {
        let (sender, mut reports) = mpsc::channel(100);
        let cx = context(Event::Measure, ProgressSender::new(sender), &CancellationToken::new());
        let started_at = Instant::now();
        let measurement = connector.measure(&cx, request).await.expect("nobody cancels");
        assert!(measurement.readings.is_empty() && measurement.annotations.is_empty());
        drop(cx);
        let mut percents = Vec::new();
        while let Some(report) = reports.recv().await {
            let text = report.message.trim_end().rsplit(" - ").next().unwrap_or_default().to_owned();
            percents.push(format!("{:.2}: {text}", report.progress));
        }
        (started_at.elapsed().as_secs(), percents)
    }

    #[tokio::test(start_paused = true)]
    async fn a_measurement_takes_warmup_duration_and_delay() {
        assert_eq!(measure(&connector(true), &request(1, 1, 1)).await, (3, Vec::new()));
        assert_eq!(measure(&connector(true), &request(0, 0, 0)).await, (0, Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_measurement_of_62_seconds_takes_62_seconds_and_reports_after_60() {
        let report = "96.77: Waiting for 1m2s for external measurement to complete (96.77% complete, 1m elapsed)";
        assert_eq!(measure(&connector(true), &request(10, 50, 2)).await, (62, vec![report.to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_disabled_measurement_is_over_at_once() {
        assert_eq!(measure(&connector(false), &request(60, 60, 60)).await, (0, Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_measurement_is_over_at_once() {
        let cancellation = CancellationToken::new();
        let cx = context(Event::Measure, ProgressSender::default(), &cancellation);
        let started_at = Instant::now();
        let (connector, request) = (connector(true), request(0, 600, 0));
        let (result, ()) = tokio::join!(connector.measure(&cx, &request), async {
            sleep(Duration::from_secs(90)).await;
            cancellation.cancel();
        });
        assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled);
        assert_eq!(started_at.elapsed().as_secs(), 90);
    }

    #[tokio::test]
    async fn nothing_is_described() {
        let cx = context(Event::Describe, ProgressSender::default(), &CancellationToken::new());
        let description = connector(true).describe(&cx, &DescribeRequest::default()).await.expect("nothing can fail");
        assert_eq!(description, Description::default());
    }
}
