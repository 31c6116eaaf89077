//! Events: what a servo asks of its connectors, in which phase, and what came of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Check;
use crate::types::{Component, Description, Measurement, Metric, Operation};

/// Everything that can be dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A connector has been added to a servo.
    Attach,
    /// A connector leaves a servo.
    Detach,
    /// The servo begins to run.
    Startup,
    Shutdown,
    Metrics,
    Components,
    Measure,
    Check,
    Describe,
    Adjust,
    /// Promote a tested state; nothing dispatches it, scripts may name it.
    Promote,
}

impl Event {
    /// All events, in the order in which they are declared.
    pub const ALL: [Self; 11] = [
        Self::Attach,
        Self::Detach,
        Self::Startup,
        Self::Shutdown,
        Self::Metrics,
        Self::Components,
        Self::Measure,
        Self::Check,
        Self::Describe,
        Self::Adjust,
        Self::Promote,
    ];

    /// Its name in configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::Startup => "startup",
            Self::Shutdown => "shutdown",
            Self::Metrics => "metrics",
            Self::Components => "components",
            Self::Measure => "measure",
            Self::Check => "check",
            Self::Describe => "describe",
            Self::Adjust => "adjust",
            Self::Promote => "promote",
        }
    }

    /// The event's name on the wire, for those whose progress is reported.
    pub fn operation(self) -> Option<Operation> {
        match self {
            Self::Describe => Some(Operation::Description),
            Self::Measure => Some(Operation::Measurement),
            Self::Adjust => Some(Operation::Adjustment),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event {0:?}: the events are {list}", list = Event::ALL.map(Event::as_str).join(", "))]
pub struct UnknownEvent(String);

impl FromStr for Event {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.into_iter().find(|event| event.as_str() == text).ok_or_else(|| UnknownEvent(text.to_owned()))
    }
}

/// When a connector takes part in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// One connector after the other, before anything happens; may call the event off.
    Before,
    /// All connectors at once: the event itself.
    On,
    /// All connectors at once, with the results.
    After,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Before, Self::On, Self::After];

    /// Its name in configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::On => "on",
            Self::After => "after",
        }
    }
}

/// An event in a phase, as text: `measure`, `before:measure`, `after:measure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventContextText(pub Phase, pub Event);

impl fmt::Display for EventContextText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Phase::On => f.write_str(self.1.as_str()),
            phase => write!(f, "{}:{}", phase.as_str(), self.1),
        }
    }
}

impl FromStr for EventContextText {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let (phase, event) = match text.split_once(':') {
            None => (Phase::On, text),
            Some(("before", event)) => (Phase::Before, event),
            Some(("on", event)) => (Phase::On, event),
            Some(("after", event)) => (Phase::After, event),
            Some(_) => return Err(UnknownEvent(text.to_owned())),
        };
        event.parse().map(|event| Self(phase, event)).map_err(|_| UnknownEvent(text.to_owned()))
    }
}

/// What the connectors answered to an event, in their order.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The event has no results.
    Nothing,
    Metrics(&'a [Vec<Arc<Metric>>]),
    Components(&'a [Vec<Component>]),
    Checks(&'a [Vec<Check>]),
    Descriptions(&'a [Description]),
    Measurements(&'a [Measurement]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_context_reads_back_from_its_text() {
        for event in Event::ALL {
            for phase in Phase::ALL {
                let context = EventContextText(phase, event);
                assert_eq!(context.to_string().parse(), Ok(context));
            }
        }
        assert_eq!("on:measure".parse(), Ok(EventContextText(Phase::On, Event::Measure)));
    }

    #[test]
    fn unknown_events_and_phases_are_refused() {
        for text in ["", "Measure", "during:measure", "before:", "before:on:measure"] {
            assert!(text.parse::<EventContextText>().is_err(), "{text}");
        }
    }
}
