//! Settings: what can be set on a component, within which bounds, and to which value it is set.
//!
//! There are two shapes, ranges ([`Ranged`]) and lists of texts ([`EnumSetting`]). The kinds of ranges differ in
//! their type of number, fixed name, defaults and wire form; each is a marker type in a file of its own. A setting
//! is valid once decoded and stays so: changes go through [`Setting::assign`]. [`Setting::safe_set`] alone stores
//! what lies outside, because a description must say what really is.

mod cpu;
mod enumeration;
mod environment;
mod instance_type;
mod kubernetes;
mod memory;
mod range;
mod replicas;
mod schema;
mod step;

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

pub use cpu::CpuSetting;
pub use enumeration::EnumSetting;
pub use environment::{EnvironmentEnumSetting, EnvironmentRangeSetting, EnvironmentSetting};
pub use instance_type::InstanceTypeSetting;
pub use kubernetes::{KubernetesCpuSetting, KubernetesMemorySetting};
pub(crate) use kubernetes::{KubernetesSetting, ResourceRequirement};
pub use memory::MemorySetting;
pub use range::RangeSetting;
pub use replicas::ReplicasSetting;
pub use step::{step_aligned, step_suggestions};

use super::Scalar;
use crate::decode::{Decode, Decoder, Fields, KeyPath, NoVariables, Node, Origin, Problem, Problems, Value};

/// What can be set on a component.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    Range(RangeSetting),
    Enum(EnumSetting),
    Cpu(CpuSetting),
    Memory(MemorySetting),
    Replicas(ReplicasSetting),
    /// A type of cloud instance.
    InstanceType(InstanceTypeSetting),
    KubernetesCpu(KubernetesCpuSetting),
    KubernetesMemory(KubernetesMemorySetting),
    /// A number in an environment variable.
    EnvironmentRange(EnvironmentRangeSetting),
    /// A text in an environment variable.
    EnvironmentEnum(EnvironmentEnumSetting),
}

/// Calls a method of whatever kind a setting is.
macro_rules! each_kind {
    ($setting:expr, $kind:ident => $body:expr) => {
        match $setting {
            Setting::Range($kind) => $body,
            Setting::Enum($kind) => $body,
            Setting::Cpu($kind) => $body,
            Setting::Memory($kind) => $body,
            Setting::Replicas($kind) => $body,
            Setting::InstanceType($kind) => $body,
            Setting::KubernetesCpu($kind) => $body,
            Setting::KubernetesMemory($kind) => $body,
            Setting::EnvironmentRange($kind) => $body,
            Setting::EnvironmentEnum($kind) => $body,
        }
    };
}

impl Setting {
    /// The name, on the wire too.
    pub fn name(&self) -> &str {
        each_kind!(self, kind => kind.name())
    }

    /// Whether the value must not be changed.
    pub fn pinned(&self) -> bool {
        each_kind!(self, kind => kind.pinned())
    }

    /// The value as the optimizer sees it: cores and GiB as floats.
    pub fn value(&self) -> Option<Scalar> {
        each_kind!(self, kind => kind.value())
    }

    /// The value as people read it, such as `250m` or `1.5Gi`; `None` when it has none.
    pub fn human_readable_value(&self) -> String {
        each_kind!(self, kind => kind.human_readable_value())
    }

    /// A line on its bounds: `CPU(range=[125m..4], step=125m, unit=cores)`.
    pub fn summary(&self) -> String {
        each_kind!(self, kind => kind.summary())
    }

    /// The wire form without the name, which is its key in the component.
    pub fn to_wire(&self) -> Json {
        Json::Object(each_kind!(self, kind => kind.to_wire()))
    }

    /// All fields as a configuration has them; decodes to an equal setting.
    pub fn dump(&self) -> Json {
        Json::Object(each_kind!(self, kind => kind.dump()))
    }

    /// Changes the value.
    ///
    /// # Errors
    /// The setting is pinned, or the value breaks a rule; nothing has changed then.
    pub fn assign(&mut self, value: Option<&Scalar>) -> Result<(), Problems> {
        self.assign_field("value", &value.map_or(Json::Null, Scalar::to_json))
    }

    /// Changes one field as the configuration would; all rules hold afterwards.
    ///
    /// # Errors
    /// The field does not exist, its value breaks a rule, or it is the value of a pinned setting; nothing has
    /// changed then.
    pub fn assign_field(&mut self, field: &str, value: &Json) -> Result<(), Problems> {
        each_kind!(self, kind => assign_field(kind, field, value))
    }

    /// The same setting, pinned or not; whatever its value is.
    #[must_use]
    pub fn with_pinned(mut self, pinned: bool) -> Self {
        each_kind!(&mut self, kind => kind.pin(pinned));
        self
    }

    /// A copy with this value, inside the bounds or not, pinned or not: what is found on a live workload must be
    /// reported. A value that breaks a rule is logged.
    #[must_use]
    pub fn safe_set(&self, value: Option<&Scalar>) -> Self {
        let mut copy = self.clone();
        if let Err(problems) = copy.assign(value) {
            tracing::error!(setting = self.name(), %problems, "a live value breaks the rules of its setting");
            each_kind!(&mut copy, kind => kind.store(value));
        }
        copy
    }
}

/// `web (range 0-10, 1)`, or `gc ['serial', 'parallel']`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_kind!(self, kind => kind.fmt(f))
    }
}

macro_rules! kinds {
    ($($variant:ident($kind:ty),)*) => {
        $(impl From<$kind> for Setting {
            fn from(kind: $kind) -> Self {
                Self::$variant(kind)
            }
        }

        /// All fields, as a configuration has them.
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.dump().serialize(serializer)
            }
        })*
    };
}

kinds! {
    Range(RangeSetting),
    Enum(EnumSetting),
    Cpu(CpuSetting),
    Memory(MemorySetting),
    Replicas(ReplicasSetting),
    InstanceType(InstanceTypeSetting),
    KubernetesCpu(KubernetesCpuSetting),
    KubernetesMemory(KubernetesMemorySetting),
    EnvironmentRange(EnvironmentRangeSetting),
    EnvironmentEnum(EnvironmentEnumSetting),
}

impl From<EnvironmentSetting> for Setting {
    fn from(setting: EnvironmentSetting) -> Self {
        match setting {
            EnvironmentSetting::Range(range) => Self::EnvironmentRange(range),
            EnvironmentSetting::Enum(list) => Self::EnvironmentEnum(list),
        }
    }
}

/// What every kind can do. The public face is [`Setting`].
pub(super) trait Kind: Decode + fmt::Display {
    fn name(&self) -> &str;
    fn pinned(&self) -> bool;
    /// The value as the optimizer sees it.
    fn value(&self) -> Option<Scalar>;
    /// The value as the pinned rule compares it: in the number that is stored.
    fn stored(&self) -> Option<Scalar>;
    fn human_readable_value(&self) -> String;
    fn summary(&self) -> String;
    fn to_wire(&self) -> Map<String, Json>;
    fn dump(&self) -> Map<String, Json>;
    fn pin(&mut self, pinned: bool);
    /// Takes a value without looking at the rules.
    fn store(&mut self, value: Option<&Scalar>);
}

fn assign_field<K: Kind>(kind: &mut K, field: &str, value: &Json) -> Result<(), Problems> {
    let origin = Origin::whole(format!("setting {}", kind.name()));
    let problem = |rule: String| {
        let problem = Problem { origin: origin.clone(), path: KeyPath::new([field]), value: None, rule, hint: None };
        Err(Problems::from(problem))
    };
    let mut fields = kind.dump();
    if !fields.contains_key(field) {
        return problem("a setting of this type has no such field".to_owned());
    }
    if field == "value"
        && kind.pinned()
        && let Some(stored) = kind.stored()
        && !same(&stored, value)
    {
        return problem(format!(
            "value of pinned settings cannot be changed: assigned value {} is not equal to existing value {}",
            shown(value),
            stored.in_message()
        ));
    }
    fields.insert(field.to_owned(), value.clone());
    let node = Node::from_json(&Json::Object(fields), &origin);
    *kind = Decoder::run(&NoVariables, |cx| K::decode(&node, cx))?;
    Ok(())
}

/// Numbers are equal by value; text never equals a number.
fn same(stored: &Scalar, assigned: &Json) -> bool {
    match (stored.number(), assigned) {
        (Some(stored), Json::Number(assigned)) => assigned.as_f64() == Some(stored.as_f64()),
        (None, Json::String(assigned)) => stored.to_string() == *assigned,
        _ => false,
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::String(text) => super::text::quoted(text),
        other => other.to_string(),
    }
}

/// The fields that every kind has.
#[derive(Debug, Clone, PartialEq)]
struct Common {
    name: String,
    pinned: bool,
    unit: Option<String>,
}

impl Common {
    /// Reads the fields; `kind` is the text of `type`, `name` the only name that there may be.
    fn decode(
        fields: &mut Fields<'_, '_, '_>,
        kind: &str,
        fixed_name: Option<&str>,
        unit: Option<&str>,
    ) -> Option<Self> {
        let type_fits = check_constant(fields, "type", kind);
        let name = match fixed_name {
            Some(fixed) => check_constant(fields, "name", fixed).map(|()| fixed.to_owned()),
            None => fields.required("name"),
        };
        let pinned = fields.or("pinned", false);
        let unit = fields.or("unit", unit.map(str::to_owned));
        type_fits?;
        Some(Self { name: name?, pinned: pinned?, unit: unit? })
    }

    /// The head of the wire form: what is not set is left out.
    fn to_wire(&self, kind: &str) -> Map<String, Json> {
        let mut wire = Map::new();
        wire.insert("type".to_owned(), kind.into());
        wire.insert("pinned".to_owned(), self.pinned.into());
        if let Some(unit) = &self.unit {
            wire.insert("unit".to_owned(), unit.as_str().into());
        }
        wire
    }

    /// The head of the dump.
    fn dump(&self, kind: &str) -> Map<String, Json> {
        let mut dump = Map::new();
        dump.insert("name".to_owned(), self.name.as_str().into());
        dump.insert("type".to_owned(), kind.into());
        dump.insert("pinned".to_owned(), self.pinned.into());
        dump.insert("unit".to_owned(), self.unit.as_deref().into());
        dump
    }

    fn unit_text(&self) -> &str {
        self.unit.as_deref().unwrap_or("None")
    }
}

/// A key that may be absent, but says nothing else when it is there.
fn check_constant(fields: &mut Fields<'_, '_, '_>, key: &str, constant: &str) -> Option<()> {
    match fields.get::<Constant>(key)? {
        None => Some(()),
        Some(Constant(Some(text))) if text == constant => Some(()),
        Some(_) => {
            fields.fail_at(key, format!("unexpected value; permitted: '{constant}'"));
            None
        }
    }
}

/// Text, or anything else, which equals no constant.
struct Constant(Option<String>);

impl Decode for Constant {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) => Some(Self(Some(text.clone()))),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                None
            }
            _ => Some(Self(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn decoded<T: Decode>(fields: &Json) -> Result<T, Problems> {
        let node = Node::from_json(fields, &Origin::whole("test"));
        Decoder::run(&NoVariables, |cx| T::decode(&node, cx))
    }

    fn memory() -> Setting {
        let fields = json!({"min": "128Mi", "max": "4Gi", "step": "128Mi", "value": "1Gi"});
        decoded::<KubernetesMemorySetting>(&fields).expect("the fields are valid").into()
    }

    fn paths(problems: &Problems) -> Vec<String> {
        problems.iter().map(|problem| problem.path.to_string()).collect()
    }

    #[test]
    fn a_dump_decodes_to_an_equal_setting() {
        let fields = json!({"name": "a", "min": 0.0, "max": 1.0, "step": 0.1, "value": 1, "unit": "x", "pinned": true});
        let range: RangeSetting = decoded(&fields).expect("the fields are valid");
        assert_eq!(decoded(&Json::Object(range.dump())), Ok(range));
        // One decimal of a unit cannot say 1000003 bytes.
        let fields = json!({"min": 1_000_003, "max": 2_000_006, "step": 1_000_003, "get": ["limit"], "limit": "9Gi"});
        let memory: KubernetesMemorySetting = decoded(&fields).expect("the fields are valid");
        assert_eq!(decoded(&Json::Object(memory.dump())), Ok(memory));
    }

    #[test]
    fn a_refused_change_leaves_the_setting_as_it_was() {
        let mut setting = memory();
        for (field, value, path) in [
            ("value", json!("8Gi"), ""),
            ("value", json!("much"), "value"),
            ("min", json!("8Gi"), "max"),
            ("bogus", json!(1), "bogus"),
        ] {
            let problems = setting.assign_field(field, &value).expect_err("the change breaks a rule");
            assert_eq!(paths(&problems), [path]);
            assert_eq!(setting, memory());
        }
        assert_eq!(setting.assign(Some(&Scalar::Float(2.0))), Ok(()));
        assert_eq!(setting.value(), Some(Scalar::Float(2.0)));
    }

    #[test]
    fn a_live_value_is_reported_wherever_it_lies() {
        let pinned = memory().with_pinned(true);
        for (live, wire, human) in [
            (Scalar::Text("8Gi".to_owned()), Scalar::Float(8.0), "8.0Gi"),
            (Scalar::Text("64Mi".to_owned()), Scalar::Float(0.0625), "64.0Mi"),
            (Scalar::Text("much".to_owned()), Scalar::Text("much".to_owned()), "much"),
        ] {
            let copy = pinned.safe_set(Some(&live));
            assert_eq!((copy.value(), copy.human_readable_value().as_str()), (Some(wire), human));
            assert!(copy.with_pinned(false).with_pinned(true).pinned());
        }
        assert_eq!(pinned.safe_set(None).value(), None);
        assert_eq!(pinned.value(), Some(Scalar::Float(1.0)));
    }

    #[test]
    fn a_range_has_finite_numbers_and_a_step_upward() {
        let number = |x: f64| Node::new(Value::Float(x), Origin::whole("test"));
        for (field, value, path) in [
            ("min", f64::NAN, "min"),
            ("max", f64::INFINITY, "max"),
            ("step", -0.5, "step"),
            ("value", f64::NAN, "value"),
        ] {
            let fields = json!({"name": "a", "min": 0.0, "max": 1.0, "step": 0.5});
            let mut node = Node::from_json(&fields, &Origin::whole("test"));
            if let Value::Map(map) = &mut node.value {
                let (key, key_origin) = (field.to_owned(), Origin::whole("test"));
                map.insert(crate::decode::Entry { key, key_origin, value: number(value) });
            }
            let problems = Decoder::run(&NoVariables, |cx| RangeSetting::decode(&node, cx)).expect_err(field);
            assert_eq!(paths(&problems), [path]);
        }
    }

    #[test]
    fn settings_of_variables_are_told_apart_by_their_type() {
        for (fields, path) in [
            (json!([{"name": "a"}]), "0"),
            (json!([{"name": "a", "type": "list"}]), "0"),
            (json!([1]), "0"),
            (json!([{"name": "a", "type": "enum"}]), "0.values"),
        ] {
            let problems = decoded::<Vec<EnvironmentSetting>>(&fields).expect_err("the list breaks a rule");
            assert_eq!(paths(&problems), [path]);
        }
    }
}
