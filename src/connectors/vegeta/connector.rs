//! The connector: what can be measured.

use std::sync::Arc;

use async_trait::async_trait;

use super::{METADATA, report};
use crate::connector::{
    Connector, ConnectorName, Describe, DescribeRequest, EventContext, EventError, Metadata, Metrics,
};
use crate::types::{Description, Metric};

pub(super) struct VegetaConnector {
    name: ConnectorName,
}

impl VegetaConnector {
    pub(super) fn new(name: ConnectorName) -> Self {
        Self { name }
    }
}

impl Connector for VegetaConnector {
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
}

#[async_trait]
impl Describe for VegetaConnector {
    async fn describe(&self, _cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
        Ok(Description { components: Vec::new(), metrics: report::metrics() })
    }
}

#[async_trait]
impl Metrics for VegetaConnector {
    async fn metrics(&self, _cx: &EventContext) -> Result<Vec<Arc<Metric>>, EventError> {
        Ok(report::metrics())
    }
}
