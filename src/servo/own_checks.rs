//! The servo's own check, as a connector like any other: whether the optimizer can be reached.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::checks::{Check, CheckRequest};
use crate::connector::{Checkable, Connector, ConnectorName, EventContext, EventError, License, Maturity, Metadata};
use crate::optimizer::Optimizer;
use crate::telemetry::SERVOX_VERSION;
use crate::types::Severity;

/// What the servo itself is, where connectors are listed.
pub(crate) static METADATA: LazyLock<Metadata> = LazyLock::new(|| Metadata {
    default_name: "servo".into(),
    class_name: "Servo".into(),
    full_name: "Servo".into(),
    version: SERVOX_VERSION.into(),
    description: Some("Continuous Optimization Orchestrator".into()),
    homepage: Some("https://opsani.com/".into()),
    license: Some(License::Apache2),
    maturity: Some(Maturity::Robust),
});

/// The check's name. Its id is computed from it.
const NAME: &str = "Opsani API connectivity";

pub(super) struct OwnChecks {
    name: ConnectorName,
    optimizer: Arc<dyn Optimizer>,
}

impl OwnChecks {
    pub(super) fn new(name: ConnectorName, optimizer: Arc<dyn Optimizer>) -> Self {
        Self { name, optimizer }
    }
}

impl Connector for OwnChecks {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn as_check(&self) -> Option<&dyn Checkable> {
        Some(self)
    }
}

#[async_trait]
impl Checkable for OwnChecks {
    /// The one check runs whatever the filter says: without an optimizer nothing else matters.
    async fn check(&self, cx: &EventContext, _request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        let started = Instant::now();
        let found = cx.unless_cancelled(self.optimizer.reachable()).await?;
        let mut check = Check::named(NAME, Severity::Common);
        check.success = found.is_ok();
        check.message = Some(found.unwrap_or_else(|problem| problem));
        check.runtime = started.elapsed();
        Ok(vec![check])
    }
}
