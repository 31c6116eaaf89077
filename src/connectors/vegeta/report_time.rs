//! Times and time spans as reports have them.

use std::fmt;

use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};
use serde::{Serialize, Serializer};

use crate::decode::{Decode, Decoder, Node, Value};
use crate::types::UnixTime;

/// A point in time with the offset that it was written with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ReportTime {
    time: UnixTime,
    /// Without one it is UTC.
    offset: Option<Offset>,
}

impl ReportTime {
    pub(super) fn time(self) -> UnixTime {
        self.time
    }

    fn parse(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse() {
            return Some(Self::from_seconds(seconds));
        }
        let pieces = Pieces::parse(text).ok()?;
        let local = pieces.date().to_datetime(pieces.time()?);
        let offset = pieces.to_numeric_offset();
        let time = offset.unwrap_or(Offset::UTC).to_timestamp(local).ok()?;
        Some(Self { time: time.into(), offset })
    }

    fn from_seconds(seconds: f64) -> Self {
        Self { time: UnixTime::from_seconds_f64(seconds), offset: Some(Offset::UTC) }
    }
}

/// ISO 8601 with microseconds, when there are any, and the offset.
impl fmt::Display for ReportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.offset.unwrap_or(Offset::UTC).to_datetime(Timestamp::from(self.time));
        write!(f, "{}", local.strftime("%Y-%m-%dT%H:%M:%S"))?;
        let micros = self.time.0.rem_euclid(1_000_000);
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        let Some(offset) = self.offset else { return Ok(()) };
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

impl Serialize for ReportTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Decode for ReportTime {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let time = match &node.value {
            #[expect(clippy::cast_precision_loss, reason = "seconds of today are exact")]
            Value::Integer(seconds) => Some(Self::from_seconds(*seconds as f64)),
            Value::Float(seconds) => Some(Self::from_seconds(*seconds)),
            Value::Text(text) => Self::parse(text),
            _ => None,
        };
        if time.is_none() {
            cx.invalid(node, "value is not a time, such as 2020-01-21T12:00:01Z");
        }
        time
    }
}

/// A time span in nanoseconds, whatever their number: a day of them is no more than another number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Nanoseconds(f64);

impl Nanoseconds {
    pub(super) fn as_secs(self) -> f64 {
        self.0 / 1e9
    }
}

/// A number. Text of hours, minutes and seconds, or of ISO 8601, has always been read too, as a number of seconds,
/// though vegeta writes neither.
impl Decode for Nanoseconds {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let span = match &node.value {
            #[expect(clippy::cast_precision_loss, reason = "a double is what is published")]
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Text(text) => text.parse().ok().or_else(|| seconds_of(text)),
            _ => None,
        };
        if span.is_none() {
            cx.invalid(node, "value is not a number of nanoseconds");
        }
        span.map(Self)
    }
}

/// The seconds of `01:02:03.5` or `P1DT2H`; the units of `1s` were never known here.
fn seconds_of(text: &str) -> Option<f64> {
    let is_known = text.contains(':') || text.trim_start_matches(['+', '-']).starts_with('P');
    let span: Span = is_known.then(|| text.parse().ok())??;
    span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::decode::{NoVariables, Origin};

    fn decoded<T: Decode + Serialize>(value: &Json) -> Option<Json> {
        let node = Node::from_json(value, &Origin::whole("test"));
        let decoded = Decoder::run(&NoVariables, |cx| T::decode(&node, cx)).ok()?;
        Some(serde_json::to_value(decoded).expect("serializable"))
    }

    #[test]
    fn moments_keep_their_offset_and_microseconds() {
        for (value, text) in [
            (json!("2020-08-21T21:39:17.105919203-07:00"), "2020-08-21T21:39:17.105919-07:00"),
            (json!("2021-01-01 00:00:00Z"), "2021-01-01T00:00:00+00:00"),
            (json!("2021-01-01T00:00+05:30"), "2021-01-01T00:00:00+05:30"),
            (json!("2021-01-01T00:00:00"), "2021-01-01T00:00:00"),
            (json!("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00+00:00"),
            (json!(1_609_459_200.5), "2021-01-01T00:00:00.500000+00:00"),
            (json!("1609459200"), "2021-01-01T00:00:00+00:00"),
        ] {
            assert_eq!(decoded::<ReportTime>(&value), Some(json!(text)), "{value}");
        }
        for value in [json!("2021-01-01"), json!("bogus"), json!(null), json!([])] {
            assert_eq!(decoded::<ReportTime>(&value), None, "{value}");
        }
    }

    #[test]
    fn nanoseconds_are_numbers_of_any_size() {
        for (value, number) in [
            (json!(0), 0.0),
            (json!(1.5), 1.5),
            (json!(-1), -1.0),
            (json!(8_640_000_000_000_000_u64), 8.64e15),
            (json!("00:00:05"), 5.0),
            (json!("P1D"), 86_400.0),
        ] {
            assert_eq!(decoded::<Nanoseconds>(&value), Some(json!(number)), "{value}");
        }
        for value in [json!("1s"), json!(null), json!({})] {
            assert_eq!(decoded::<Nanoseconds>(&value), None, "{value}");
        }
    }
}
