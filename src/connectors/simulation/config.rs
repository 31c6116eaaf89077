//! The section of a `simulation` connector.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::model::{Ranges, Service, Steps};
use crate::connector::Section;
use crate::decode::{Decode, Decoder, Fields, Node, TextForm};
use crate::fast_fail::FastFailConfig;
use crate::types::{CpuSetting, Duration, MemorySetting, Number, RangeSetting, ReplicasSetting, Setting};

/// How much faster than real time runs, at most.
const FASTEST: f64 = 1e9;

/// A simulated service.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SimulationConfig {
    /// Free text.
    pub(super) description: Option<String>,
    /// The name of the component; `service` by default.
    #[schemars(default = "default_component")]
    pub(super) component: String,
    /// Cores of a replica: bounds, step and the value to begin with; 0.25 to 4 in steps of 0.25 from 2 by default.
    #[schemars(default = "Range::cpu")]
    pub(super) cpu: Range,
    /// Memory of a replica in GiB; 0.25 to 4 in steps of 0.25 from 2 by default.
    #[schemars(default = "Range::mem")]
    pub(super) mem: Range,
    /// Replicas; 2 to 8 in steps of 2 from 4 by default.
    #[schemars(default = "Range::replicas")]
    pub(super) replicas: Range,
    /// Workers of a replica: requests that it answers at the same time; 1 to 16 from 6 by default.
    #[schemars(default = "Range::workers")]
    pub(super) workers: Range,
    /// Requests per second; 240 by default.
    #[schemars(default = "default_load")]
    pub(super) load: f64,
    /// Time of computing on one core that a request needs; 12 ms by default.
    #[schemars(default = "default_work")]
    pub(super) work: Duration,
    /// Time that a request waits for others; 20 ms by default.
    #[schemars(default = "default_wait")]
    pub(super) wait: Duration,
    /// Time after which a request is given up; 2 s by default.
    #[schemars(default = "default_timeout")]
    pub(super) timeout: Duration,
    /// Memory in GiB that a replica needs; 0.25 by default.
    #[schemars(default = "default_memory_base")]
    pub(super) memory_base: f64,
    /// Memory in GiB that each worker needs besides; 0.0625 by default.
    #[schemars(default = "default_memory_per_worker")]
    pub(super) memory_per_worker: f64,
    /// Relative deviation of readings from the truth, 0 to 1; 0.05 by default.
    #[schemars(default = "default_noise")]
    pub(super) noise: f64,
    /// Begins the generator of the noise; 1 by default.
    #[schemars(default = "default_seed")]
    pub(super) seed: i64,
    /// Seconds of simulated time in a real one; 1 by default.
    #[schemars(default = "default_speed")]
    pub(super) speed: f64,
    /// Simulated time that an adjustment takes; 30 s by default.
    #[schemars(default = "default_rollout")]
    pub(super) rollout: Duration,
    /// When to end a measurement that violates objectives; only under an embedded optimizer.
    #[schemars(default)]
    pub(super) fast_fail: FastFailConfig,
    /// The settings with their values to begin with, valid.
    #[serde(skip)]
    #[schemars(skip)]
    pub(super) settings: Vec<Setting>,
}

fn default_component() -> &'static str {
    "service"
}

fn default_load() -> f64 {
    240.0
}

fn default_work() -> Duration {
    Duration::from_micros(12_000)
}

fn default_wait() -> Duration {
    Duration::from_micros(20_000)
}

fn default_timeout() -> Duration {
    Duration::from_secs(2)
}

fn default_memory_base() -> f64 {
    0.25
}

fn default_memory_per_worker() -> f64 {
    0.0625
}

fn default_noise() -> f64 {
    0.05
}

fn default_seed() -> i64 {
    1
}

fn default_speed() -> f64 {
    1.0
}

fn default_rollout() -> Duration {
    Duration::from_secs(30)
}

/// The bounds of a setting; each key that is absent has its default.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Range {
    /// The lowest value.
    #[serde(serialize_with = "number")]
    #[schemars(with = "Option<Number>")]
    min: Number,
    /// The highest value.
    #[serde(serialize_with = "number")]
    #[schemars(with = "Option<Number>")]
    max: Number,
    /// The distance of neighbouring values, which divides the range; 0 when there is only one.
    #[serde(serialize_with = "number")]
    #[schemars(with = "Option<Number>")]
    step: Number,
    /// The value to begin with.
    #[serde(serialize_with = "number")]
    #[schemars(with = "Option<Number>")]
    value: Number,
    /// Whether the optimizer may not change the value.
    #[schemars(default)]
    pinned: bool,
}

fn number<S: serde::Serializer>(number: &Number, serializer: S) -> Result<S::Ok, S::Error> {
    number.to_json().serialize(serializer)
}

impl Range {
    fn cpu() -> Self {
        Self::of([0.25, 4.0, 0.25, 2.0].map(Number::Float))
    }

    fn mem() -> Self {
        Self::cpu()
    }

    fn replicas() -> Self {
        Self::of([2, 8, 2, 4].map(Number::Integer))
    }

    fn workers() -> Self {
        Self::of([1, 16, 1, 6].map(Number::Integer))
    }

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

    /// Reads the key, and checks it by the rules of the setting that it makes.
    fn read<T: Decode + Into<Setting>>(
        name: &str,
        default: &Self,
        fields: &mut Fields<'_, '_, '_>,
    ) -> Option<(Self, Setting)> {
        let written = fields.or(name, Written::default())?;
        let range = Self {
            min: written.min.unwrap_or(default.min),
            max: written.max.unwrap_or(default.max),
            step: written.step.unwrap_or(default.step),
            value: written.value.unwrap_or(default.value),
            pinned: written.pinned,
        };
        let node = Node::from_json(&range.to_setting(name), &fields.origin(name));
        let setting = fields.decoder().within(name, |cx| T::decode(&node, cx))?;
        Some((range, setting.into()))
    }

    /// The setting as a configuration has it.
    fn to_setting(&self, name: &str) -> serde_json::Value {
        let [min, max, step, value] = [self.min, self.max, self.step, self.value].map(Number::to_json);
        json!({ "name": name, "min": min, "max": max, "step": step, "value": value, "pinned": self.pinned })
    }
}

/// What is written of a range.
#[derive(Default)]
struct Written {
    min: Option<Number>,
    max: Option<Number>,
    step: Option<Number>,
    value: Option<Number>,
    pinned: bool,
}

impl Decode for Written {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let min = fields.or("min", None);
        let max = fields.or("max", None);
        let step = fields.or("step", None);
        let value = fields.or("value", None);
        let pinned = fields.or("pinned", false);
        fields.finish();
        Some(Self { min: min?, max: max?, step: step?, value: value?, pinned: pinned? })
    }
}

impl SimulationConfig {
    /// Reads and validates a section.
    pub(crate) fn parse(section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = section.fields(cx)?;
        let description = fields.or("description", None);
        let component = fields.or("component", default_component().to_owned());
        let cpu = Range::read::<CpuSetting>("cpu", &Range::cpu(), &mut fields);
        let mem = Range::read::<MemorySetting>("mem", &Range::mem(), &mut fields);
        let replicas = Range::read::<ReplicasSetting>("replicas", &Range::replicas(), &mut fields);
        let workers = Range::read::<RangeSetting>("workers", &Range::workers(), &mut fields);
        let load = within("load", default_load(), 1e-3..=1e9, &mut fields);
        let work = positive("work", default_work(), &mut fields);
        let wait = fields.or("wait", default_wait());
        let timeout = positive("timeout", default_timeout(), &mut fields);
        let memory_base = within("memory_base", default_memory_base(), 0.0..=1e6, &mut fields);
        let memory_per_worker = within("memory_per_worker", default_memory_per_worker(), 0.0..=1e6, &mut fields);
        let noise = within("noise", default_noise(), 0.0..=1.0, &mut fields);
        let seed = fields.or("seed", default_seed());
        let pace = within("speed", default_speed(), 1e-3..=FASTEST, &mut fields);
        let rollout = fields.or("rollout", default_rollout());
        let fast_fail = fields.or("fast_fail", FastFailConfig::default());
        fields.finish();
        let ((cpu, cpu_setting), (mem, mem_setting)) = (cpu?, mem?);
        let ((replicas, replicas_setting), (workers, workers_setting)) = (replicas?, workers?);
        Some(Self {
            description: description?,
            component: component?,
            cpu,
            mem,
            replicas,
            workers,
            load: load?,
            work: work?,
            wait: wait?,
            timeout: timeout?,
            memory_base: memory_base?,
            memory_per_worker: memory_per_worker?,
            noise: noise?,
            seed: seed?,
            speed: pace?,
            rollout: rollout?,
            fast_fail: fast_fail?,
            settings: vec![cpu_setting, mem_setting, replicas_setting, workers_setting],
        })
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

fn within(key: &str, default: f64, bounds: RangeInclusive<f64>, fields: &mut Fields<'_, '_, '_>) -> Option<f64> {
    let number = fields.or(key, default)?;
    if bounds.contains(&number) {
        return Some(number);
    }
    fields.fail_at(key, format!("it must be from {} to {}, and is {number}", bounds.start(), bounds.end()));
    None
}

fn positive(key: &str, default: Duration, fields: &mut Fields<'_, '_, '_>) -> Option<Duration> {
    let duration = fields.or(key, default)?;
    if duration > Duration::ZERO {
        return Some(duration);
    }
    fields.fail_at(key, "it must be longer than zero");
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::ConnectorName;
    use crate::decode::{NoVariables, Origin};

    fn parse(section: &serde_json::Value) -> Result<SimulationConfig, String> {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("simulation");
        let section = Section { name: &name, node: &node, prefix: "SERVO_SIMULATION_" };
        Decoder::run(&NoVariables, |cx| SimulationConfig::parse(section, cx)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn keys_of_a_range_that_are_absent_have_their_defaults() {
        let config = parse(&json!({"cpu": {"max": 3, "min": 0.5}, "replicas": {"pinned": true}})).unwrap();
        assert_eq!(config.ranges().cpu, Steps { min: 0.5, max: 3.0, step: 0.25 });
        assert_eq!(config.ranges().replicas, Steps::only(4.0));
        assert_eq!(config.settings[2].value(), Some(crate::types::Scalar::Integer(4)));
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
