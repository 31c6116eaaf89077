//! What connectors that measure, and change nothing, have in common.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::checks::{Check, CheckRequest};
use crate::connector::{
    Checkable, Connector, ConnectorName, Describe, DescribeRequest, EventContext, EventError, Lifecycle, Measure,
    MeasureRequest, Metadata, Metrics,
};
use crate::types::{Description, Measurement, Metric, Reading};

/// What tells one meter from another.
#[async_trait]
pub(super) trait Meter: Send + Sync + 'static {
    /// What it can measure, in the order in which it is described.
    fn metrics(&self) -> Vec<Arc<Metric>>;

    /// As [`Measure::measure`].
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError>;

    /// As [`Checkable::check`].
    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError>;

    /// What it does when the servo starts and stops, if anything.
    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        None
    }
}

/// The connector around a meter.
pub(super) struct MeterConnector<M> {
    name: ConnectorName,
    metadata: &'static Metadata,
    meter: M,
}

impl<M: Meter> MeterConnector<M> {
    pub(super) fn boxed(name: ConnectorName, metadata: &'static Metadata, meter: M) -> Box<dyn Connector> {
        Box::new(Self { name, metadata, meter })
    }
}

/// The measurement that consists of these readings.
///
/// # Errors
/// The readings are of different kinds.
pub(super) fn measurement(
    readings: Vec<Reading>,
    annotations: BTreeMap<String, String>,
) -> Result<Measurement, EventError> {
    Measurement::new(readings, annotations).map_err(|error| EventError::measurement_failed(error.to_string()))
}

impl<M: Meter> Connector for MeterConnector<M> {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        self.metadata
    }

    fn as_describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }

    fn as_metrics(&self) -> Option<&dyn Metrics> {
        Some(self)
    }

    fn as_measure(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn as_check(&self) -> Option<&dyn Checkable> {
        Some(self)
    }

    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        self.meter.as_lifecycle()
    }
}

#[async_trait]
impl<M: Meter> Describe for MeterConnector<M> {
    async fn describe(&self, _cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
        Ok(Description { components: Vec::new(), metrics: self.meter.metrics() })
    }
}

#[async_trait]
impl<M: Meter> Metrics for MeterConnector<M> {
    async fn metrics(&self, _cx: &EventContext) -> Result<Vec<Arc<Metric>>, EventError> {
        Ok(self.meter.metrics())
    }
}

#[async_trait]
impl<M: Meter> Measure for MeterConnector<M> {
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        self.meter.measure(cx, request).await
    }
}

#[async_trait]
impl<M: Meter> Checkable for MeterConnector<M> {
    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        self.meter.check(cx, request).await
    }
}
