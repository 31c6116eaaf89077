//! The points about events: each one that the executable announces is asked of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    ADJUST, Asked, CANCEL, CHECK, COMPONENTS, DESCRIBE, HOOKS, Judge, MEASURE, METRICS, Over, Rule, Session, Verdict,
};
use crate::connector::{AdjustRequest, DescribeRequest, Event, MeasureRequest, Outcome, Phase};
use crate::connectors::external::handshake::Handshake;
use crate::connectors::external::messages;
use crate::connectors::external::session::Request;
use crate::types::{Adjustment, Component, Control, Description, Duration as Span};

/// How long to measure: long enough for a tool that counts in seconds.
const SPAN: Span = Span::from_secs(1);
/// How long the measurement is that is cancelled.
const CANCELLED_SPAN: Span = Span::from_secs(120);
/// How long it runs before.
const UNTIL_CANCEL: Duration = Duration::from_millis(200);

impl Judge<'_> {
    pub(super) async fn events(&mut self, session: &mut Session, handshake: &Handshake) -> Result<(), Over> {
        let control = DescribeRequest::default();
        let described =
            self.event(DESCRIBE, session, handshake, &messages::describe(&control), messages::description).await?;
        let metrics = self.event(METRICS, session, handshake, &json!({}), messages::metrics).await?;
        let components = self.event(COMPONENTS, session, handshake, &json!({}), messages::components).await?;
        self.event(CHECK, session, handshake, &json!({}), messages::checks).await?;
        let named: Option<BTreeSet<String>> = (metrics.is_some() || described.is_some()).then(|| {
            let described = described.iter().flat_map(|description| &description.metrics);
            metrics.iter().flatten().chain(described).map(|metric| metric.name.clone()).collect()
        });
        self.measure(session, handshake, named).await?;
        let components = components.or_else(|| described.map(|description| description.components));
        self.adjust(session, handshake, components.unwrap_or_default()).await?;
        self.hooks(session, handshake).await?;
        self.cancel(session, handshake).await
    }

    /// Asks for the event that the rule is named after, and reads the result.
    async fn event<T>(
        &mut self,
        rule: Rule,
        session: &mut Session,
        handshake: &Handshake,
        params: &Json,
        read: impl FnOnce(&Json) -> Asked<T>,
    ) -> Result<Option<T>, Over> {
        let Some(event) = rule.id.parse::<Event>().ok().filter(|event| handshake.has(Phase::On, *event)) else {
            self.verdict(rule, Verdict::Skipped("it is not among its capabilities".to_owned()));
            return Ok(None);
        };
        let limit = handshake.limit(Phase::On, event) + SPAN.to_std();
        let answer = self.call(rule, session, event.as_str(), params, limit).await?;
        let result =
            answer.map_err(|error| format!("it answered by an error: {error}")).and_then(|result| read(&result));
        Ok(match result {
            Ok(value) => {
                self.point(rule, Ok(()));
                Some(value)
            }
            Err(problem) => {
                self.point(rule, Err(problem));
                None
            }
        })
    }

    async fn measure(
        &mut self,
        session: &mut Session,
        handshake: &Handshake,
        named: Option<BTreeSet<String>>,
    ) -> Result<(), Over> {
        let request = MeasureRequest { metrics: Vec::new(), control: control(SPAN) };
        let read = |result: &Json| {
            let measurement = messages::measurement(result)?;
            let Some(named) = named else { return Ok(()) };
            let mut measured = measurement.readings.iter().map(|reading| &reading.metric().name);
            measured
                .find(|metric| !named.contains(*metric))
                .map_or(Ok(()), |metric| Err(format!("metric '{metric}' is in no description and no list of metrics")))
        };
        self.event(MEASURE, session, handshake, &messages::measure(&request), read).await.map(drop)
    }

    async fn adjust(
        &mut self,
        session: &mut Session,
        handshake: &Handshake,
        components: Vec<Component>,
    ) -> Result<(), Over> {
        let adjustments: Vec<Adjustment> = components.iter().flat_map(present).collect();
        if handshake.has(Phase::On, Event::Adjust) && adjustments.is_empty() {
            self.point(
                ADJUST,
                Err("it describes no setting that has a value, so that there is nothing to adjust".to_owned()),
            );
            return Ok(());
        }
        let wanted: Vec<(String, Option<_>)> =
            adjustments.iter().map(|adjustment| (adjustment.selector(), Some(adjustment.value.clone()))).collect();
        let request = AdjustRequest { adjustments, control: Control::default() };
        let read = |result: &Json| {
            let description: Description = messages::description(result)?;
            let differs = |(name, value): &&(String, Option<_>)| {
                let found = description.setting(name).ok().flatten();
                found.is_none_or(|setting| setting.value() != *value)
            };
            wanted
                .iter()
                .find(differs)
                .map_or(Ok(()), |(name, _)| Err(format!("'{name}' has another value afterwards, or none")))
        };
        self.event(ADJUST, session, handshake, &messages::adjust(&request), read).await.map(drop)
    }

    async fn hooks(&mut self, session: &mut Session, handshake: &Handshake) -> Result<(), Over> {
        let hooks = handshake.hooks();
        if hooks.is_empty() {
            self.verdict(HOOKS, Verdict::Skipped("it has none".to_owned()));
        }
        for (phase, event) in hooks {
            let params = match phase {
                Phase::After => messages::after(event, &Outcome::Nothing),
                Phase::Before | Phase::On => messages::before(event),
            };
            let answer = self.call(HOOKS, session, phase.as_str(), &params, handshake.limit(phase, event)).await?;
            let kept = answer.map(drop).map_err(|error| format!("{} {event}: {error}", phase.as_str()));
            self.point(HOOKS, kept);
        }
        Ok(())
    }

    async fn cancel(&mut self, session: &mut Session, handshake: &Handshake) -> Result<(), Over> {
        if !handshake.has(Phase::On, Event::Measure) {
            self.verdict(CANCEL, Verdict::Skipped("it has nothing that takes long: it does not measure".to_owned()));
            return Ok(());
        }
        let request = MeasureRequest { metrics: Vec::new(), control: control(CANCELLED_SPAN) };
        let cancellation = CancellationToken::new();
        let limit = handshake.limit(Phase::On, Event::Measure) + CANCELLED_SPAN.to_std();
        let params = messages::measure(&request);
        let call = self.call_until(
            CANCEL,
            session,
            Request { method: "measure", params: &params, limit, cancellation: &cancellation },
        );
        let (answer, ()) = tokio::join!(call, async {
            sleep(UNTIL_CANCEL).await;
            cancellation.cancel();
        });
        let kept = match answer? {
            Ok(_) => Err("it answered by a result".to_owned()),
            Err(error) if error.status.as_deref() == Some("cancelled") => Ok(()),
            Err(error) => Err(format!("the status is {:?}", error.status.unwrap_or_default())),
        };
        self.point(CANCEL, kept);
        Ok(())
    }
}

fn control(duration: Span) -> Control {
    Control { duration, ..Control::default() }
}

/// The settings of a component as adjustments to what they are.
fn present(component: &Component) -> Vec<Adjustment> {
    let open = component.settings.iter().filter(|setting| !setting.pinned());
    let adjustment = |setting: &crate::types::Setting| {
        Some(Adjustment::new(component.name.as_str(), setting.name(), setting.value()?))
    };
    open.filter_map(adjustment).collect()
}
