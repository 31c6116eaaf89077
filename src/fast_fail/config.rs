//! How fast fail is configured, and when it checks.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use crate::decode::{
    DEFAULT_FROM, Decode, Decoder, Fields, Form, IfSet, Node, Properties, Secrets, Show, Written, keys,
};
use crate::types::Duration;

/// The least time between two checks: a period of 0 means "as often as possible", not "all the time".
const LEAST_PERIOD: Duration = Duration::from_micros(100_000);

const DEFAULT_PERIOD: Duration = Duration::from_secs(60);

keys! {
    /// When a measurement that violates an objective is ended early.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FastFailConfig {
        /// Whether nothing is judged; 0 or 1 in configuration.
        pub disabled: bool as ZeroOrOne = false,
        /// Time between two checks.
        pub period: Duration = DEFAULT_PERIOD,
        /// Length of the window that each check looks at; that of the period when not said.
        pub span: Duration as LikePeriod = DEFAULT_PERIOD,
        /// No check before this time has passed.
        pub skip: Duration = Duration::ZERO,
        /// Whether a value of exactly 0 counts as no value.
        pub treat_zero_as_missing: bool = false,
        /// Whether the warm-up of a measurement is judged too. Not said, it is not.
        pub judge_warmup: Option<bool> as IfSet = None,
    }
    default: all;
}

/// The form of a duration that is that of `period` when it is absent or null.
struct LikePeriod;

impl Form<Duration> for LikePeriod {
    fn read(key: &'static str, _: Option<Duration>, fields: &mut Fields<'_, '_, '_>) -> Option<Duration> {
        let period = fields.preview("period", DEFAULT_PERIOD);
        let span: Option<Duration> = fields.or(key, None)?;
        span.or(period)
    }

    fn show(key: &'static str, value: &Duration, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), value.show(secrets));
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&Duration>, properties: &mut Properties<'_>) {
        let mut schema = properties.generator().subschema_for::<Option<Duration>>();
        schema.insert(DEFAULT_FROM.to_owned(), "period".into());
        properties.add_schema(key, documentation, Some(Json::Null), schema);
    }
}

/// A switch that is written as a number.
struct ZeroOrOne(bool);

impl Decode for ZeroOrOne {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match i64::decode(node, cx)? {
            0 => Some(Self(false)),
            1 => Some(Self(true)),
            other => {
                let (order, bound) = if other < 0 { ("greater", 0) } else { ("less", 1) };
                cx.invalid(node, format!("ensure this value is {order} than or equal to {bound}"));
                None
            }
        }
    }
}

impl Written for ZeroOrOne {
    type Value = bool;

    fn value(self) -> bool {
        self.0
    }

    fn show(value: &bool, _: Secrets) -> Json {
        u8::from(*value).into()
    }
}

impl JsonSchema for ZeroOrOne {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ZeroOrOne".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<i64>();
        schema.insert("minimum".to_owned(), 0.into());
        schema.insert("maximum".to_owned(), 1.into());
        schema
    }
}

impl FastFailConfig {
    /// The first part of a measurement with this warm-up that is not judged.
    pub fn unjudged(&self, warmup: Duration) -> Duration {
        if self.judge_warmup == Some(true) { Duration::ZERO } else { warmup }
    }
}

/// When to check during one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    period: Duration,
    skip: Duration,
    total: Duration,
}

impl Schedule {
    /// The checks of a measurement that takes `total`, warmup included.
    pub fn new(config: &FastFailConfig, total: Duration) -> Self {
        Self { period: config.period.max(LEAST_PERIOD), skip: config.skip, total }
    }

    /// The same without the checks up to this time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        if time <= Duration::ZERO {
            return self;
        }
        Self { skip: self.skip.max(time + Duration::from_micros(1)), ..self }
    }

    /// When, counted from the start, the first check after `elapsed` is due: at the next whole period that is not
    /// skipped and not after the end. `None` when there is no further one.
    pub fn next_after(&self, elapsed: Duration) -> Option<Duration> {
        let period = self.period.as_micros();
        let after = elapsed.max(Duration::ZERO).as_micros() / period + 1;
        let unskipped = (self.skip.as_micros() + period - 1).div_euclid(period);
        let due = Duration::from_micros(period.saturating_mul(after.max(unskipped)));
        (due <= self.total).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{NoVariables, Origin};

    fn config(json: &serde_json::Value) -> Result<FastFailConfig, String> {
        let node = Node::from_json(json, &Origin::whole("test"));
        Decoder::run(&NoVariables, |cx| FastFailConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_span_is_the_period_unless_said() {
        for (json, period, span) in [
            (serde_json::json!({}), 60, 60),
            (serde_json::json!({"period": "5m"}), 300, 300),
            (serde_json::json!({"period": "5m", "span": null}), 300, 300),
            (serde_json::json!({"period": "5m", "span": 0}), 300, 0),
        ] {
            let config = config(&json).unwrap();
            assert_eq!((config.period, config.span), (Duration::from_secs(period), Duration::from_secs(span)));
        }
    }

    #[test]
    fn every_problem_of_the_section_is_named() {
        let json = serde_json::json!({"disabled": 2, "period": null, "skip": "soon", "Span": 1});
        let problems = config(&json).unwrap_err();
        for key in ["disabled", "period", "skip", "Span"] {
            assert!(problems.contains(&format!("{key}: ")), "{key} in {problems}");
        }
    }

    #[test]
    fn checks_are_due_at_whole_periods_after_the_skipped_time_and_not_after_the_end() {
        fn check(period: &str, skip: &str, total: &str, due: &[&str]) {
            let config = config(&serde_json::json!({"period": period, "skip": skip})).unwrap();
            let schedule = Schedule::new(&config, total.parse().unwrap());
            let next = |elapsed: &Duration| schedule.next_after(*elapsed);
            let all: Vec<_> = std::iter::successors(next(&Duration::ZERO), next).map(|at| at.to_string()).collect();
            assert_eq!(all, due, "{period} {skip} {total}");
        }
        check("300ms", "0", "900ms", &["300ms", "600ms", "900ms"]);
        check("300ms", "0", "1s", &["300ms", "600ms", "900ms"]);
        check("300ms", "500ms", "1s", &["600ms", "900ms"]);
        check("300ms", "600ms", "1s", &["600ms", "900ms"]);
        check("300ms", "-5s", "500ms", &["300ms"]);
        check("1m", "0", "2s", &[]);
        check("0", "0", "250ms", &["100ms", "200ms"]);
    }

    #[test]
    fn a_check_that_takes_long_skips_those_that_it_missed() {
        let schedule = Schedule::new(&FastFailConfig::default(), Duration::from_secs(600));
        assert_eq!(schedule.next_after(Duration::from_secs(130)), Some(Duration::from_secs(180)));
        assert_eq!(schedule.next_after(Duration::from_secs(180)), Some(Duration::from_secs(240)));
        assert_eq!(schedule.next_after(Duration::from_secs(600)), None);
    }

    #[test]
    fn the_warm_up_is_judged_only_if_that_is_asked_for() {
        let minute = Duration::from_secs(60);
        let checks = |config: &FastFailConfig| {
            Schedule::new(config, minute + minute).after(config.unjudged(minute)).next_after(Duration::ZERO)
        };
        assert_eq!(checks(&config(&serde_json::json!({})).unwrap()), Some(minute + minute));
        assert_eq!(checks(&config(&serde_json::json!({"judge_warmup": true})).unwrap()), Some(minute));
    }
}
