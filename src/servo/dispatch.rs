//! Fan-out of events over the connectors of a servo.
//!
//! **before** runs connector after connector and may call the event off. **on** runs all connectors at once; results
//! come in the connectors' order, whatever the order of completion. When one fails the others are cancelled and awaited,
//! so that nothing of a command outlives it, and of several errors the one of the highest kind is the answer. **after**
//! runs all connectors at once with the results.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::Servo;
use crate::checks::{Check, CheckRequest};
use crate::connector::{
    AdjustRequest, Connector, ConnectorName, DescribeRequest, ErrorKind, Event, EventContext, EventContextText,
    EventError, MeasureRequest, Outcome, Phase, ProgressSender,
};
use crate::types::{Component, Description, Measurement, Metric};

/// How to dispatch one event.
#[derive(Debug, Clone, Default)]
pub struct Dispatch {
    progress: ProgressSender,
    cancellation: CancellationToken,
    only: Option<Vec<ConnectorName>>,
}

impl Dispatch {
    /// To all connectors, with a taker of progress and a way to cancel.
    pub fn new(progress: ProgressSender, cancellation: CancellationToken) -> Self {
        Self { progress, cancellation, only: None }
    }

    /// To these connectors only; names that the servo does not have are ignored.
    #[must_use]
    pub fn only(mut self, connectors: Vec<ConnectorName>) -> Self {
        self.only = Some(connectors);
        self
    }
}

/// What each connector that answered said, in the order of the connectors.
pub(crate) type Answers<T> = Vec<(ConnectorName, T)>;

impl Servo {
    /// Asks for components with their settings, and metrics.
    ///
    /// # Errors
    /// That of a connector, a hook, or the cancellation.
    pub async fn describe(
        &self,
        request: &DescribeRequest,
        dispatch: &Dispatch,
    ) -> Result<Answers<Description>, EventError> {
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_describe() {
            Some(describe) => Some(describe.describe(cx, request).await),
            None => None,
        };
        self.dispatch(Event::Describe, dispatch, call, |parts| Outcome::Descriptions(parts)).await
    }

    /// Asks for the metrics that can be measured.
    ///
    /// # Errors
    /// That of a connector, a hook, or the cancellation.
    pub async fn metrics(&self, dispatch: &Dispatch) -> Result<Answers<Vec<Arc<Metric>>>, EventError> {
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_metrics() {
            Some(metrics) => Some(metrics.metrics(cx).await),
            None => None,
        };
        self.dispatch(Event::Metrics, dispatch, call, |parts| Outcome::Metrics(parts)).await
    }

    /// Asks for the components that can be adjusted.
    ///
    /// # Errors
    /// That of a connector, a hook, or the cancellation.
    pub async fn components(&self, dispatch: &Dispatch) -> Result<Answers<Vec<Component>>, EventError> {
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_components() {
            Some(components) => Some(components.components(cx).await),
            None => None,
        };
        self.dispatch(Event::Components, dispatch, call, |parts| Outcome::Components(parts)).await
    }

    /// Measures.
    ///
    /// # Errors
    /// That of a connector, a hook, or the cancellation.
    pub async fn measure(
        &self,
        request: &MeasureRequest,
        dispatch: &Dispatch,
    ) -> Result<Answers<Measurement>, EventError> {
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_measure() {
            Some(measure) => Some(measure.measure(cx, request).await),
            None => None,
        };
        self.dispatch(Event::Measure, dispatch, call, |parts| Outcome::Measurements(parts)).await
    }

    /// Adjusts.
    ///
    /// # Errors
    /// That of a connector, a hook, or the cancellation.
    pub async fn adjust(
        &self,
        request: &AdjustRequest,
        dispatch: &Dispatch,
    ) -> Result<Answers<Description>, EventError> {
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_adjust() {
            Some(adjust) => Some(adjust.adjust(cx, request).await),
            None => None,
        };
        self.dispatch(Event::Adjust, dispatch, call, |parts| Outcome::Descriptions(parts)).await
    }

    /// Runs checks. One connector's failure to run its checks is its answer and does not disturb the others.
    ///
    /// # Errors
    /// That of a hook, or the cancellation.
    pub async fn check(
        &self,
        request: &CheckRequest,
        dispatch: &Dispatch,
    ) -> Result<Answers<Result<Vec<Check>, EventError>>, EventError> {
        let call = async |connector: &dyn Connector, cx: &EventContext| match connector.as_check() {
            Some(check) => Some(Ok(check.check(cx, request).await)),
            None => None,
        };
        self.dispatch(Event::Check, dispatch, call, |_| Outcome::Nothing).await
    }

    /// The whole of a dispatch: before, on, after.
    pub(super) async fn dispatch<T>(
        &self,
        event: Event,
        dispatch: &Dispatch,
        call: impl AsyncFn(&dyn Connector, &EventContext) -> Option<Result<T, EventError>>,
        outcome: impl Fn(&[T]) -> Outcome<'_>,
    ) -> Result<Answers<T>, EventError> {
        let targets = self.targets(dispatch);
        if !self.before(event, &targets, dispatch).await? {
            return Ok(Vec::new());
        }
        if dispatch.cancellation.is_cancelled() {
            // A hook that took no notice must not let the event begin.
            return Err(EventError::cancelled(format!("{event} was cancelled")));
        }
        let answers = match self.on(event, &targets, dispatch, call).await {
            Ok(answers) => answers,
            Err(error) => return Err(self.explained(event, &targets, dispatch, error).await),
        };
        let (names, values): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        self.after(event, &targets, dispatch, &outcome(&values)).await?;
        Ok(names.into_iter().zip(values).collect())
    }

    fn targets(&self, dispatch: &Dispatch) -> Vec<&Arc<dyn Connector>> {
        let wanted =
            |connector: &&Arc<dyn Connector>| dispatch.only.as_ref().is_none_or(|only| only.contains(connector.name()));
        self.connectors().iter().filter(wanted).collect()
    }

    /// Whether the event goes on.
    async fn before(
        &self,
        event: Event,
        targets: &[&Arc<dyn Connector>],
        dispatch: &Dispatch,
    ) -> Result<bool, EventError> {
        for connector in targets {
            let Some(hooks) = connector.as_hooks().filter(|hooks| hooks.hooks().contains(&(Phase::Before, event)))
            else {
                continue;
            };
            let cx = self.context(connector, Phase::Before, event, dispatch, &dispatch.cancellation);
            match hooks.before(&cx, event).instrument(span(&cx)).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Cancelled && !dispatch.cancellation.is_cancelled() => {
                    tracing::warn!(connector = %connector.name(), %event, %error, "the event was called off");
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    pub(super) async fn on<T>(
        &self,
        event: Event,
        targets: &[&Arc<dyn Connector>],
        dispatch: &Dispatch,
        call: impl AsyncFn(&dyn Connector, &EventContext) -> Option<Result<T, EventError>>,
    ) -> Result<Answers<T>, EventError> {
        let cancellation = dispatch.cancellation.child_token();
        let runs = targets.iter().map(|connector| {
            let cx = self.context(connector, Phase::On, event, dispatch, &cancellation);
            let span = span(&cx);
            let (call, cancellation) = (&call, &cancellation);
            async move {
                let result = handle(connector.as_ref(), &cx, call).await;
                if result.is_err() {
                    cancellation.cancel();
                }
                result.map(|answer| answer.map(|answer| (connector.name().clone(), answer)))
            }
            .instrument(span)
        });
        Ok(gather(join_all(runs).await)?.into_iter().flatten().collect())
    }

    async fn after(
        &self,
        event: Event,
        targets: &[&Arc<dyn Connector>],
        dispatch: &Dispatch,
        outcome: &Outcome<'_>,
    ) -> Result<(), EventError> {
        let runs = targets.iter().filter_map(|connector| {
            let hooks = connector.as_hooks().filter(|hooks| hooks.hooks().contains(&(Phase::After, event)))?;
            let cx = self.context(connector, Phase::After, event, dispatch, &dispatch.cancellation);
            let span = span(&cx);
            Some(async move { hooks.after(&cx, event, outcome).await }.instrument(span))
        });
        gather(join_all(runs).await).map(drop)
    }

    /// The failure of an event, or what a hook knows better about it.
    async fn explained(
        &self,
        event: Event,
        targets: &[&Arc<dyn Connector>],
        dispatch: &Dispatch,
        error: EventError,
    ) -> EventError {
        if dispatch.cancellation.is_cancelled() {
            return error;
        }
        for connector in targets {
            let Some(hooks) = connector.as_hooks().filter(|hooks| hooks.hooks().contains(&(Phase::After, event)))
            else {
                continue;
            };
            let cx = self.context(connector, Phase::After, event, dispatch, &dispatch.cancellation);
            if let Some(explanation) = hooks.after_failure(&cx, event, &error).instrument(span(&cx)).await {
                return explanation;
            }
        }
        error
    }

    pub(super) fn context(
        &self,
        connector: &Arc<dyn Connector>,
        phase: Phase,
        event: Event,
        dispatch: &Dispatch,
        cancellation: &CancellationToken,
    ) -> EventContext {
        EventContext::new(
            connector.name().clone(),
            EventContextText(phase, event),
            Arc::clone(self.services()),
            dispatch.progress.clone(),
            cancellation.clone(),
        )
    }
}

/// One connector's part in the on phase: its capability, then its hooks.
async fn handle<T>(
    connector: &dyn Connector,
    cx: &EventContext,
    call: &impl AsyncFn(&dyn Connector, &EventContext) -> Option<Result<T, EventError>>,
) -> Result<Option<T>, EventError> {
    let answer = call(connector, cx).await.transpose()?;
    if let Some(hooks) = connector.as_hooks()
        && hooks.hooks().contains(&(Phase::On, cx.event()))
    {
        hooks.on(cx, cx.event()).await?;
    }
    Ok(answer)
}

/// All values, or of several errors the first one of the highest kind. The others are logged.
fn gather<T>(results: Vec<Result<T, EventError>>) -> Result<Vec<T>, EventError> {
    let (mut values, mut worst) = (Vec::with_capacity(results.len()), None::<EventError>);
    for result in results {
        match (result, &worst) {
            (Ok(value), _) => values.push(value),
            (Err(error), Some(known)) if error.kind() <= known.kind() => {
                tracing::debug!(%error, "another connector failed as well");
            }
            (Err(error), _) => worst = Some(error),
        }
    }
    worst.map_or(Ok(values), Err)
}

fn span(cx: &EventContext) -> tracing::Span {
    tracing::info_span!("event", connector = %cx.connector(), event = %EventContextText(cx.phase(), cx.event()))
}

#[cfg(test)]
mod tests;
