//! The contract between a servo and its connectors.
//!
//! A [`Connector`] is a trait object that names itself and exposes its capabilities: each `as_…` method returns a
//! view of the connector as one small trait, or nothing. "Responds to" can so never drift from what is
//! implemented, and a dispatch needs no downcast.
//!
//! For authors of a connector:
//! - A capability takes its [`EventContext`] for everything that surrounds the event: cancellation, progress,
//!   telemetry, the exchange. A connector never holds the servo.
//! - Cancellation is a request. When `cx.cancelled()` resolves, finish or undo the critical step, clean up, and
//!   return [`EventError::cancelled`]. What an event started must not outlive it.
//! - Every failure is an [`EventError`]; its kind decides the status that the optimizer gets.
//! - A composite returns the connectors that it adds from [`Lifecycle::attach`]; the servo adopts them.
//!
//! This module does no I/O and knows no connector.

mod check;
mod context;
mod error;
mod event;
mod factory;
mod metadata;

use std::sync::Arc;

use async_trait::async_trait;

pub use check::{Check, CheckRequest};
pub(crate) use check::{CheckFilter, CheckStatus, ConnectorChecks, Remedy};
pub(crate) use context::ProgressReport;
pub use context::{EventContext, OptimizerIdentity, ProgressSender, Services};
pub use error::{ErrorKind, EventError};
pub(crate) use error::{NOT_APPLIED, NOT_MEASURED, OVERWRITTEN};
pub use event::{Event, EventContextText, Outcome, Phase};
pub use factory::{BuildContext, BuildError, ConnectorFactory, ErasedFactory, Section};
pub(crate) use factory::{CommandContext, CommandOutput, Prepared};
pub use metadata::{ConnectorName, Metadata};
pub(crate) use metadata::{License, Maturity};

use crate::types::{Adjustment, Component, Control, Description, Measurement, Metric};

/// Something that describes, measures, adjusts or checks a part of the application.
pub trait Connector: Send + Sync {
    /// The name under which it is mounted; unique within a servo.
    fn name(&self) -> &ConnectorName;

    /// What kind of connector it is.
    fn metadata(&self) -> &Metadata;

    fn as_describe(&self) -> Option<&dyn Describe> {
        None
    }

    fn as_metrics(&self) -> Option<&dyn Metrics> {
        None
    }

    fn as_components(&self) -> Option<&dyn Components> {
        None
    }

    fn as_measure(&self) -> Option<&dyn Measure> {
        None
    }

    fn as_adjust(&self) -> Option<&dyn Adjust> {
        None
    }

    fn as_check(&self) -> Option<&dyn Checkable> {
        None
    }

    /// Its view on `attach`, `detach`, `startup` and `shutdown`.
    fn as_lifecycle(&self) -> Option<&dyn Lifecycle> {
        None
    }

    /// What it does around the events of others.
    fn as_hooks(&self) -> Option<&dyn Hooks> {
        None
    }
}

/// What a DESCRIBE asks for.
#[derive(Debug, Clone, Default)]
pub struct DescribeRequest {
    pub control: Control,
}

/// What a MEASURE asks for.
#[derive(Debug, Clone, Default)]
pub struct MeasureRequest {
    /// Names of the metrics wanted; empty means all. Unknown names are ignored.
    pub metrics: Vec<String>,
    /// How long, after which warmup, with which load and conditions.
    pub control: Control,
}

impl MeasureRequest {
    /// Whether a metric of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.metrics.is_empty() || self.metrics.iter().any(|wanted| wanted == name)
    }
}

/// What an ADJUST asks for.
#[derive(Debug, Clone, Default)]
pub struct AdjustRequest {
    /// All adjustments of the command, in its order; also those for other connectors.
    pub adjustments: Vec<Adjustment>,
    pub control: Control,
}

/// Reports components with their settings, and the metrics that can be measured.
#[async_trait]
pub trait Describe: Send + Sync {
    /// The present state of what the connector optimizes.
    async fn describe(&self, cx: &EventContext, request: &DescribeRequest) -> Result<Description, EventError>;
}

/// Lists metrics without touching the application.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// The metrics that a measurement of this connector can have.
    async fn metrics(&self, cx: &EventContext) -> Result<Vec<Arc<Metric>>, EventError>;
}

#[async_trait]
pub trait Components: Send + Sync {
    /// The components that can be adjusted, with their present settings.
    async fn components(&self, cx: &EventContext) -> Result<Vec<Component>, EventError>;
}

#[async_trait]
pub trait Measure: Send + Sync {
    /// Readings of the wanted metrics over `control.duration`, after `control.warmup`.
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError>;
}

#[async_trait]
pub trait Adjust: Send + Sync {
    /// Applies those adjustments that are its own and describes the result.
    async fn adjust(&self, cx: &EventContext, request: &AdjustRequest) -> Result<Description, EventError>;

    /// Whether what it has adjusted stays when the run ends; false where its shutdown takes all of it away.
    fn outlives_the_run(&self) -> bool {
        true
    }
}

#[async_trait]
pub trait Checkable: Send + Sync {
    /// Runs the checks that the request selects and returns those that ran, in order.
    async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError>;
}

/// Takes part in the life of the servo.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// The servo has been assembled, or this connector has just been added. Returns connectors to add.
    async fn attach(&self, _cx: &EventContext) -> Result<Vec<Box<dyn Connector>>, EventError> {
        Ok(Vec::new())
    }

    /// The servo begins to run. Background work that is spawned here ends with [`Self::shutdown`].
    async fn startup(&self, _cx: &EventContext) -> Result<(), EventError> {
        Ok(())
    }

    async fn shutdown(&self, _cx: &EventContext) -> Result<(), EventError> {
        Ok(())
    }

    /// The connector leaves the servo.
    async fn detach(&self, _cx: &EventContext) -> Result<(), EventError> {
        Ok(())
    }
}

/// Work before, during and after events, its own and those of other connectors.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// The phases and events that it takes part in, in the order of declaration.
    fn hooks(&self) -> Vec<(Phase, Event)>;

    /// Runs before any connector handles the event. [`EventError::cancelled`] calls the event off.
    async fn before(&self, _cx: &EventContext, _event: Event) -> Result<(), EventError> {
        Ok(())
    }

    /// Runs beside the connectors that handle the event and contributes nothing to the result.
    async fn on(&self, _cx: &EventContext, _event: Event) -> Result<(), EventError> {
        Ok(())
    }

    /// Runs instead of [`Self::after`] when a connector has failed the event. Returns what explains the failure better than
    /// the error itself, such as that the pods that were measured have crashed.
    async fn after_failure(&self, _cx: &EventContext, _event: Event, _error: &EventError) -> Option<EventError> {
        None
    }

    /// Runs when all connectors have handled the event.
    async fn after(&self, _cx: &EventContext, _event: Event, _outcome: &Outcome<'_>) -> Result<(), EventError> {
        Ok(())
    }
}

/// Whether a connector takes part in an event in this phase.
pub(crate) fn responds(connector: &dyn Connector, phase: Phase, event: Event) -> bool {
    let hooked = connector.as_hooks().is_some_and(|hooks| hooks.hooks().contains(&(phase, event)));
    let handled = phase == Phase::On
        && match event {
            Event::Describe => connector.as_describe().is_some(),
            Event::Metrics => connector.as_metrics().is_some(),
            Event::Components => connector.as_components().is_some(),
            Event::Measure => connector.as_measure().is_some(),
            Event::Adjust => connector.as_adjust().is_some(),
            Event::Check => connector.as_check().is_some(),
            Event::Attach | Event::Detach | Event::Startup | Event::Shutdown => connector.as_lifecycle().is_some(),
            Event::Promote => false,
        };
    hooked || handled
}
