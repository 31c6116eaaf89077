//! What an optimizer says about how to measure and adjust.

use serde_json::{Map, Value as Json};

use super::{Duration, SloInput};
use crate::decode::{Decode, Decoder, Fields, Node, TextForm, Value};

/// How to measure and adjust, as a command asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// How long to measure; 1 s when not said.
    pub duration: Duration,
    /// How long to wait first; zero when not said.
    pub delay: Duration,
    /// How much of the beginning to leave out of the measurement; zero when not said.
    pub warmup: Duration,
    /// How long to wait after an adjustment for it to show.
    pub settlement: Option<Duration>,
    pub load: Option<Map<String, Json>>,
    /// What the user of the optimizer said.
    pub userdata: Option<UserData>,
    /// What the environment is to be.
    pub environment: Option<Map<String, Json>>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(1),
            delay: Duration::ZERO,
            warmup: Duration::ZERO,
            settlement: None,
            load: None,
            userdata: None,
            environment: None,
        }
    }
}

/// What the user of an optimizer said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserData {
    pub slo: Option<SloInput>,
    pub other: Map<String, Json>,
}

/// A duration whose empty values, null and empty text, mean zero.
struct OrZero(Duration);

impl Decode for OrZero {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Null => Some(Self(Duration::ZERO)),
            Value::Text(text) if text.is_empty() => Some(Self(Duration::ZERO)),
            _ => Duration::decode(node, cx).map(Self),
        }
    }
}

struct Object(Map<String, Json>);

impl Decode for Object {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if let Json::Object(members) = node.to_json() {
            Some(Self(members))
        } else {
            cx.invalid(node, "value is not a valid mapping");
            None
        }
    }
}

impl Decode for Control {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = cx.fields(node)?;
        let duration = fields.or("duration", OrZero(default.duration));
        let delay = decode_delay(&mut fields);
        let warmup = fields.or("warmup", OrZero(default.warmup));
        let settlement = fields.or("settlement", None);
        let load: Option<Option<Object>> = fields.or("load", None);
        let userdata = fields.or("userdata", None);
        let environment: Option<Option<Object>> = fields.or("environment", None);
        fields.ignore_unknown();
        Some(Self {
            duration: duration?.0,
            delay: delay?,
            warmup: warmup?.0,
            settlement: settlement?,
            load: load?.map(|load| load.0),
            userdata: userdata?,
            environment: environment?.map(|environment| environment.0),
        })
    }
}

/// The delay, which may also be called `past`; both must mean the same.
fn decode_delay(fields: &mut Fields<'_, '_, '_>) -> Option<Duration> {
    let delay: Option<Option<OrZero>> = fields.get("delay");
    let past = match fields.node("past", None, TextForm::Text)? {
        // Reported as a problem of the delay, which is what an optimizer knows it as.
        Some(node) => fields.decoder().within("delay", |cx| OrZero::decode(&node, cx)).map(Some),
        None => Some(None),
    };
    let (delay, past) = (delay?, past?);
    if let (Some(OrZero(delay)), Some(OrZero(past))) = (&delay, &past)
        && delay != past
    {
        fields.fail("past and delay attributes must be equal");
        return None;
    }
    Some(delay.or(past).map_or(Duration::ZERO, |OrZero(delay)| delay))
}

impl Decode for UserData {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Object(mut other) = Object::decode(node, cx)?;
        other.shift_remove("slo");
        let mut fields = cx.fields(node)?;
        let slo = fields.or("slo", None);
        fields.ignore_unknown();
        Some(Self { slo: slo?, other })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::{NoVariables, Origin, Problems};

    fn control(fields: &Json) -> Result<Control, Problems> {
        let node = Node::from_json(fields, &Origin::whole("test"));
        Decoder::run(&NoVariables, |cx| Control::decode(&node, cx))
    }

    #[test]
    fn nothing_said_is_the_default() {
        assert_eq!(control(&json!({})), Ok(Control::default()));
    }

    #[test]
    fn past_is_the_delay_in_any_spelling_of_the_same_time() {
        for fields in [json!({"past": "5m"}), json!({"past": "5m", "delay": 300}), json!({"past": 300, "delay": "5m"})]
        {
            assert_eq!(control(&fields).map(|control| control.delay), Ok(Duration::from_secs(300)));
        }
        assert!(control(&json!({"past": "5m", "delay": "4m"})).is_err());
    }
}
