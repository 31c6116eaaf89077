//! The section of a `simulation` connector.

use std::marker::PhantomData;

use serde_json::{Map, Value as Json, json};

use super::model::{Ranges, Service, Steps};
use crate::decode::{
    Decode, Decoder, Fields, Form, NoVariables, Node, Origin, Properties, Secrets, Show, bounded, keys,
};
use crate::fast_fail::FastFailConfig;
use crate::types::{
    CpuSetting, Duration, MemorySetting, Number, PositiveDuration, RangeSetting, ReplicasSetting, Setting,
};

keys! {
    /// A simulated service.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) struct SimulationConfig {
        /// Free text.
        pub(super) description: Option<String> = None,
        /// The name of the component; `service` by default.
        pub(super) component: String = "service".to_owned(),
        /// Cores of a replica: bounds, step and the value to begin with; 0.25 to 4 in steps of 0.25 from 2 by default.
        pub(super) cpu: Range as RangeOf<CpuSetting> = Range::of([0.25, 4.0, 0.25, 2.0].map(Number::Float)),
        /// Memory of a replica in GiB; 0.25 to 4 in steps of 0.25 from 2 by default.
        pub(super) mem: Range as RangeOf<MemorySetting> = Range::of([0.25, 4.0, 0.25, 2.0].map(Number::Float)),
        /// Replicas; 2 to 8 in steps of 2 from 4 by default.
        pub(super) replicas: Range as RangeOf<ReplicasSetting> = Range::of([2, 8, 2, 4].map(Number::Integer)),
        /// Workers of a replica: requests that it answers at the same time; 1 to 16 from 6 by default.
        pub(super) workers: Range as RangeOf<RangeSetting> = Range::of([1, 16, 1, 6].map(Number::Integer)),
        /// Requests per second; 240 by default.
        pub(super) load: f64 as PositiveFactor = 240.0,
        /// Time of computing on one core that a request needs; 12 ms by default.
        pub(super) work: Duration as PositiveDuration = Duration::from_micros(12_000),
        /// Time that a request waits for others; 20 ms by default.
        pub(super) wait: Duration = Duration::from_micros(20_000),
        /// Time after which a request is given up; 2 s by default.
        pub(super) timeout: Duration as PositiveDuration = Duration::from_secs(2),
        /// Memory in GiB that a replica needs; 0.25 by default.
        pub(super) memory_base: f64 as Gibibytes = 0.25,
        /// Memory in GiB that each worker needs besides; 0.0625 by default.
        pub(super) memory_per_worker: f64 as Gibibytes = 0.0625,
        /// Relative deviation of readings from the truth, 0 to 1; 0.05 by default.
        pub(super) noise: f64 as Share = 0.05,
        /// Begins the generator of the noise; 1 by default.
        pub(super) seed: i64 = 1,
        /// Seconds of simulated time in a real one; 1 by default.
        pub(super) speed: f64 as PositiveFactor = 1.0,
        /// Simulated time that an adjustment takes; 30 s by default.
        pub(super) rollout: Duration = Duration::from_secs(30),
        /// When to end a measurement that violates objectives; only under an embedded optimizer.
        pub(super) fast_fail: FastFailConfig = FastFailConfig::default(),
    }
}

bounded! {
    PositiveFactor: f64 = 1e-3..=1e9;
    Gibibytes: f64 = 0.0..=1e6;
    Share: f64 = 0.0..=1.0;
}

/// The bounds of a setting, with the value to begin with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    min: Number,
    max: Number,
    step: Number,
    value: Number,
    pinned: bool,
}

keys! {
    /// The bounds of a setting; each key that is absent has its default.
    #[derive(Debug, Clone, Default)]
    struct WrittenRange {
        /// The lowest value.
        min: Option<Number> = None,
        /// The highest value.
        max: Option<Number> = None,
        /// The distance of neighbouring values, which divides the range; 0 when there is only one.
        step: Option<Number> = None,
        /// The value to begin with.
        value: Option<Number> = None,
        /// Whether the optimizer may not change the value.
        pinned: bool = false,
    }
}

impl Show for Range {
    fn show(&self, _: Secrets) -> Json {
        let [min, max, step, value] = [self.min, self.max, self.step, self.value].map(Number::to_json);
        json!({ "min": min, "max": max, "step": step, "value": value, "pinned": self.pinned })
    }
}

/// The form of a range that keeps to the rules of a setting of type `T`.
struct RangeOf<T>(PhantomData<T>);

impl<T: Decode + Into<Setting>> RangeOf<T> {
    /// The setting that a range makes.
    fn setting(name: &str, range: &Range, origin: &Origin, cx: &mut Decoder<'_>) -> Option<Setting> {
        let mut setting = range.show(Secrets::Raw);
        setting["name"] = name.into();
        T::decode(&Node::from_json(&setting, origin), cx).map(Into::into)
    }
}

impl<T: Decode + Into<Setting>> Form<Range> for RangeOf<T> {
    fn read(key: &'static str, default: Option<Range>, fields: &mut Fields<'_, '_, '_>) -> Option<Range> {
        let (default, written) = (default?, fields.or(key, WrittenRange::default())?);
        let range = Range {
            min: written.min.unwrap_or(default.min),
            max: written.max.unwrap_or(default.max),
            step: written.step.unwrap_or(default.step),
            value: written.value.unwrap_or(default.value),
            pinned: written.pinned,
        };
        let origin = fields.origin(key);
        fields.decoder().within(key, |cx| Self::setting(key, &range, &origin, cx)).map(|_| range)
    }

    fn show(key: &'static str, value: &Range, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), value.show(secrets));
    }

    fn describe(key: &'static str, documentation: &str, default: Option<&Range>, properties: &mut Properties<'_>) {
        properties.add::<WrittenRange>(key, documentation, default.map(|default| default.show(Secrets::Redacted)));
    }
}

impl Range {
    fn of([min, max, step, value]: [Number; 4]) -> Self {
        Self { min, max, step, value, pinned: false }
    }

    /// The values that a search may try: one only when it is pinned.
    fn steps(&self) -> Steps {
        if self.pinned {
            return Steps::only(self.value.as_f64());
        }
        Steps { min: self.min.as_f64(), max: self.max.as_f64(), step: self.step.as_f64() }
    }
}

impl SimulationConfig {
    /// The settings with their values to begin with.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let origin = Origin::whole("simulation");
        // The ranges have been checked, so that all of them are settings.
        let settings = Decoder::run(&NoVariables, |cx| {
            Some(vec![
                RangeOf::<CpuSetting>::setting("cpu", &self.cpu, &origin, cx)?,
                RangeOf::<MemorySetting>::setting("mem", &self.mem, &origin, cx)?,
                RangeOf::<ReplicasSetting>::setting("replicas", &self.replicas, &origin, cx)?,
                RangeOf::<RangeSetting>::setting("workers", &self.workers, &origin, cx)?,
            ])
        });
        settings.unwrap_or_default()
    }

    /// The service with its load.
    pub(crate) fn service(&self) -> Service {
        Service {
            load: self.load,
            work: self.work.as_secs_f64(),
            wait: self.wait.as_secs_f64(),
            timeout: self.timeout.as_secs_f64(),
            memory_base: self.memory_base,
            memory_per_worker: self.memory_per_worker,
        }
    }

    /// The values that a search may try.
    pub(crate) fn ranges(&self) -> Ranges {
        Ranges {
            cpu: self.cpu.steps(),
            mem: self.mem.steps(),
            replicas: self.replicas.steps(),
            workers: self.workers.steps(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::{ConnectorName, Section};

    fn parse(section: &serde_json::Value) -> Result<SimulationConfig, String> {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("simulation");
        let section = Section { name: &name, node: &node, prefix: "SERVO_SIMULATION_" };
        Decoder::run(&NoVariables, |cx| section.keys::<SimulationConfig>(cx)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn keys_of_a_range_that_are_absent_have_their_defaults() {
        let config = parse(&json!({"cpu": {"max": 3, "min": 0.5}, "replicas": {"pinned": true}})).unwrap();
        assert_eq!(config.ranges().cpu, Steps { min: 0.5, max: 3.0, step: 0.25 });
        assert_eq!(config.ranges().replicas, Steps::only(4.0));
        assert_eq!(config.settings()[2].value(), Some(crate::types::Scalar::Integer(4)));
    }

    #[test]
    fn every_problem_is_named_by_its_key() {
        let section = json!({"cpu": {"value": 9.0}, "mem": {"size": 1}, "replicas": {"max": 2.5}, "workers": 1,
            "noise": 2, "speed": 0, "work": "0s", "bogus": 1});
        let problems = parse(&section).unwrap_err();
        for key in ["cpu", "mem.size", "replicas.max", "workers", "noise", "speed", "work", "bogus"] {
            assert!(problems.contains(&format!("test: {key}: ")), "{key}: {problems}");
        }
    }
}
