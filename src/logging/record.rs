//! One log entry, collected from a `tracing` event and the spans around it.

use std::error::Error;
use std::fmt;

use crate::causes;

use jiff::Zoned;
use serde_json::Value;
use tracing::field::{Field, Visit};

use super::LogLevel;

/// Where an entry comes from. Spans carry a part of it each; the innermost one that has a part decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The id of the servo's optimizer; only set when there are several.
    pub(super) servo: Option<String>,
    pub(super) connector: Option<String>,
    /// The event, with its phase.
    pub(super) event: Option<String>,
    /// What to show in place of the connector.
    pub(super) component: Option<String>,
}

impl Origin {
    /// Takes over what is still unknown.
    pub(super) fn inherit(&mut self, outer: &Self) {
        fn fill(part: &mut Option<String>, outer: Option<&String>) {
            if part.is_none() {
                *part = outer.cloned();
            }
        }
        fill(&mut self.servo, outer.servo.as_ref());
        fill(&mut self.connector, outer.connector.as_ref());
        fill(&mut self.event, outer.event.as_ref());
        fill(&mut self.component, outer.component.as_ref());
    }

    fn set(&mut self, name: &str, value: &Value) -> bool {
        let part = match name {
            "servo" => &mut self.servo,
            "connector" => &mut self.connector,
            "event" => &mut self.event,
            "component" => &mut self.component,
            _ => return false,
        };
        *part = Some(plain(value));
        true
    }
}

/// `component[event]`, behind the optimizer's id when there are several servos.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let component = self.component.as_ref().or(self.connector.as_ref()).map_or("servo", String::as_str);
        let event = self.event.as_ref().map(|event| format!("[{event}]")).unwrap_or_default();
        match &self.servo {
            Some(servo) => write!(f, "{servo}({component}{event})"),
            None => write!(f, "{component}{event}"),
        }
    }
}

/// Collects the origin of a span; its other fields are not shown.
impl Visit for Origin {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), &Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), &Value::from(format!("{value:?}")));
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) time: Zoned,
    pub(super) level: LogLevel,
    pub(super) origin: Origin,
    pub(super) message: String,
    pub(super) progress: Option<f64>,
    /// Everything else, in the order in which it was written.
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Record {
    pub(super) fn new(time: Zoned, level: LogLevel) -> Self {
        Self { time, level, origin: Origin::default(), message: String::new(), progress: None, fields: Vec::new() }
    }

    fn set(&mut self, field: &Field, value: Value) {
        if self.origin.set(field.name(), &value) {
            return;
        }
        match (field.name(), &value, self.level) {
            ("message", ..) => self.message = plain(&value),
            ("progress", Value::Number(number), _) => self.progress = number.as_f64(),
            ("success", Value::Bool(true), LogLevel::Info) => self.level = LogLevel::Success,
            ("critical", Value::Bool(true), LogLevel::Error) => self.level = LogLevel::Critical,
            (name, ..) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Record {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities; as text they are at least seen.
        let value = if value.is_finite() { Value::from(value) } else { Value::from(value.to_string()) };
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::from(value));
    }

    /// An error is written with those underneath it.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field, Value::from(causes::chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::from(format!("{value:?}")));
    }
}

/// A value as text, without the quotes of JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_named_with_its_event_and_servo() {
        let origin = |servo: Option<&str>, connector: Option<&str>, event: Option<&str>, component: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let (servo, connector) = (owned(servo), owned(connector));
            Origin { servo, connector, event: owned(event), component: owned(component) }.to_string()
        };
        assert_eq!(origin(None, None, None, None), "servo");
        assert_eq!(origin(None, Some("prometheus"), Some("measure"), None), "prometheus[measure]");
        assert_eq!(origin(None, Some("prometheus"), None, Some("check-1")), "check-1");
        assert_eq!(origin(Some("o.org/app"), None, Some("startup"), None), "o.org/app(servo[startup])");
    }

    #[test]
    fn the_inner_origin_wins() {
        let mut origin = Origin { connector: Some("inner".to_owned()), ..Origin::default() };
        origin.inherit(&Origin {
            connector: Some("outer".to_owned()),
            event: Some("adjust".to_owned()),
            ..Origin::default()
        });
        assert_eq!(origin.to_string(), "inner[adjust]");
    }
}
