//! Settings: what can be set on a component, within which bounds, and to which value it is set.
//!
//! A [`Setting`] is data: its domain is a range of numbers or a list of texts, and what sets the kinds of settings apart
//! (the form of their numbers, names, defaults) is a row of a table in `kind`. A configuration names the kind of each
//! of its keys by one of the types in `keys`.
//!
//! A setting is valid once decoded and stays so: changes go through [`Setting::assign`]. [`Setting::safe_set`] alone
//! stores what lies outside, because a description must say what really is.

mod amount;
mod decode;
mod keys;
mod kind;
mod role;
mod schema;
mod step;

use std::fmt;

use serde_json::{Map, Value as Json};

pub(crate) use amount::Amount;
pub use keys::{
    CpuSetting, EnumSetting, EnvironmentEnumSetting, EnvironmentRangeSetting, EnvironmentSetting, InstanceTypeSetting,
    KubernetesCpuSetting, KubernetesMemorySetting, MemorySetting, RangeSetting, ReplicasSetting,
};
pub(crate) use role::ResourceRequirement;
pub(crate) use step::Bounds;
pub use step::{step_aligned, step_suggestions};

use self::kind::Kind;
use self::role::{Role, ValueType};
use super::Scalar;
use super::text::quoted;
use crate::decode::{Decoder, KeyPath, NoVariables, Node, Origin, Problem, Problems};

/// What can be set on a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    kind: &'static Kind,
    /// The name, on the wire too.
    name: String,
    /// Whether the value must not be changed.
    pinned: bool,
    unit: Option<String>,
    domain: Domain,
    value: Option<Held>,
    role: Role,
}

/// The values that a setting may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// Numbers between bounds, in steps.
    Range(Bounds),
    /// One of these texts; at least one.
    Values(Vec<String>),
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq)]
enum Held {
    /// A number of a range; outside the bounds only after [`Setting::safe_set`].
    Amount(Amount),
    /// A value of a list, or a live value of a range that is not a number.
    Scalar(Scalar),
}

impl Held {
    fn dump(&self) -> Json {
        match self {
            Self::Amount(amount) => amount.dump(),
            Self::Scalar(scalar) => scalar.to_json(),
        }
    }

    /// As the rule of pinned settings compares it: in the number that is stored.
    fn stored(&self) -> Scalar {
        match self {
            Self::Amount(amount) => amount.stored(),
            Self::Scalar(scalar) => scalar.clone(),
        }
    }
}

impl Setting {
    /// The name, on the wire too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the value must not be changed.
    pub fn pinned(&self) -> bool {
        self.pinned
    }

    /// The unit on the wire, for people.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The values that it may have.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The bounds; `None` if it has a list of values.
    pub fn bounds(&self) -> Option<&Bounds> {
        match &self.domain {
            Domain::Range(bounds) => Some(bounds),
            Domain::Values(_) => None,
        }
    }

    /// What it stands for in a container.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The requirements that the value is read from, the first that is there; none unless it is a container's resource.
    pub fn read_from(&self) -> &[ResourceRequirement] {
        match &self.role {
            Role::Resource { get, .. } => get,
            Role::Connector | Role::Variable { .. } => &[],
        }
    }

    /// The requirements that a new value is written to; none unless it is a container's resource.
    pub fn written_to(&self) -> &[ResourceRequirement] {
        match &self.role {
            Role::Resource { set, .. } => set,
            Role::Connector | Role::Variable { .. } => &[],
        }
    }

    /// What a container that does not have a requirement is given.
    pub fn default_of(&self, requirement: ResourceRequirement) -> Option<&Amount> {
        match (&self.role, requirement) {
            (Role::Resource { request, .. }, ResourceRequirement::Request) => request.as_ref(),
            (Role::Resource { limit, .. }, ResourceRequirement::Limit) => limit.as_ref(),
            (Role::Connector | Role::Variable { .. }, _) => None,
        }
    }

    /// The environment variable that holds it: the literal one if it is not empty, else the one of its name. `None` if
    /// no variable holds it.
    pub fn variable_name(&self) -> Option<&str> {
        match &self.role {
            Role::Variable { literal, .. } => {
                Some(literal.as_deref().filter(|literal| !literal.is_empty()).unwrap_or(&self.name))
            }
            Role::Connector | Role::Resource { .. } => None,
        }
    }

    /// A new value as the text of the environment variable, inside the bounds or not; `None` if it is not a number of
    /// the type that the variable holds.
    pub fn variable_text(&self, value: &Scalar) -> Option<String> {
        match &self.role {
            Role::Variable { value_type: Some(value_type), .. } => {
                let number = value_type.convert_live(value).number()?;
                number.as_f64().is_finite().then(|| number.to_string())
            }
            _ => Some(value.to_string()),
        }
    }

    /// The value as the optimizer sees it: cores and GiB as floats.
    pub fn value(&self) -> Option<Scalar> {
        self.value.as_ref().map(|value| match value {
            Held::Amount(amount) => amount.wire(),
            Held::Scalar(scalar) => scalar.clone(),
        })
    }

    /// The value as people read it, such as `250m` or `1.5Gi`; the word `None` if it has none.
    pub fn human_readable_value(&self) -> String {
        match &self.value {
            None => "None".to_owned(),
            Some(Held::Amount(amount)) => amount.human(),
            Some(Held::Scalar(scalar)) => scalar.to_string(),
        }
    }

    /// A line on its domain: `CPU(range=[125m..4], step=125m, unit=cores)`.
    pub fn summary(&self) -> String {
        let unit = self.unit.as_deref().unwrap_or("None");
        let class = self.kind.class;
        match &self.domain {
            Domain::Range(Bounds { min, max, step }) => {
                format!("{class}(range=[{}..{}], step={}, unit={unit})", min.human(), max.human(), step.human())
            }
            Domain::Values(values) => format!("{class}(values={}, unit={unit})", list(values)),
        }
    }

    /// The wire form without the name, which is its key in the component. What is not set is left out.
    pub fn to_wire(&self) -> Json {
        let mut wire = Map::new();
        wire.insert("type".to_owned(), self.kind.type_text().into());
        wire.insert("pinned".to_owned(), self.pinned.into());
        if let Some(unit) = &self.unit {
            wire.insert("unit".to_owned(), unit.as_str().into());
        }
        let missing = self.kind.sends_null().then_some(Json::Null);
        if let Some(value) = self.value().map(|value| value.to_json()).or(missing) {
            wire.insert("value".to_owned(), value);
        }
        self.insert_domain(&mut wire, |bound| bound.wire().to_json());
        Json::Object(wire)
    }

    /// All fields as a configuration has them; decodes to an equal setting.
    pub fn dump(&self) -> Json {
        Json::Object(self.fields())
    }

    fn fields(&self) -> Map<String, Json> {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), self.name.as_str().into());
        fields.insert("type".to_owned(), self.kind.type_text().into());
        fields.insert("pinned".to_owned(), self.pinned.into());
        fields.insert("unit".to_owned(), self.unit.as_deref().into());
        fields.insert("value".to_owned(), self.value.as_ref().map_or(Json::Null, Held::dump));
        self.insert_domain(&mut fields, Amount::dump);
        match &self.role {
            Role::Connector => {}
            Role::Resource { request, limit, get, set } => {
                for (field, amount) in [("request", request), ("limit", limit)] {
                    fields.insert(field.to_owned(), amount.as_ref().map_or(Json::Null, Amount::dump));
                }
                for (field, requirements) in [("get", get), ("set", set)] {
                    let texts: Vec<&str> = requirements.iter().map(|requirement| requirement.as_str()).collect();
                    fields.insert(field.to_owned(), Json::from(texts));
                }
            }
            Role::Variable { literal, value_type } => {
                fields.insert("literal".to_owned(), literal.as_deref().into());
                if self.bounds().is_some() {
                    fields.insert("value_type".to_owned(), value_type.map(ValueType::as_str).into());
                }
            }
        }
        fields
    }

    fn insert_domain(&self, fields: &mut Map<String, Json>, number: impl Fn(&Amount) -> Json) {
        match &self.domain {
            Domain::Range(Bounds { min, max, step }) => {
                for (field, bound) in [("min", min), ("max", max), ("step", step)] {
                    fields.insert(field.to_owned(), number(bound));
                }
            }
            Domain::Values(values) => {
                fields.insert("values".to_owned(), Json::from(values.clone()));
            }
        }
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
        let origin = Origin::whole(format!("setting {}", self.name));
        let problem = |rule: String| {
            let problem =
                Problem { origin: origin.clone(), path: KeyPath::new([field]), value: None, rule, hint: None };
            Err(Problems::from(problem))
        };
        let mut fields = self.fields();
        if !fields.contains_key(field) {
            return problem("a setting of this type has no such field".to_owned());
        }
        if field == "value"
            && self.pinned
            && let Some(stored) = self.value.as_ref().map(Held::stored)
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
        *self = Decoder::run(&NoVariables, |cx| Self::decode(self.kind, &node, cx))?;
        Ok(())
    }

    /// The same setting, pinned or not; whatever its value is.
    #[must_use]
    pub fn with_pinned(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }

    /// A copy with this value, inside the bounds or not, pinned or not: what is found on a live workload must be
    /// reported. A value that breaks a rule is logged.
    #[must_use]
    pub fn safe_set(&self, value: Option<&Scalar>) -> Self {
        let mut copy = self.clone();
        if let Err(problems) = copy.assign(value) {
            tracing::error!(setting = self.name, %problems, "a live value breaks the rules of its setting");
            copy.value = value.map(|value| self.held(value));
        }
        copy
    }

    /// A live value, whatever the rules say: a number where it can be one.
    fn held(&self, value: &Scalar) -> Held {
        if let Domain::Values(_) = &self.domain {
            return Held::Scalar(value.clone());
        }
        let live = match &self.role {
            Role::Variable { value_type: Some(value_type), .. } => value_type.convert_live(value),
            _ => value.clone(),
        };
        let amount = Amount::of_live(self.kind.form, &live);
        amount.map_or_else(|| Held::Scalar(Scalar::Text(live.to_string())), Held::Amount)
    }
}

/// `web (range 0-10, 1)`, or `gc ['serial', 'parallel']`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Domain::Range(bounds) => {
                write!(f, "{} (range {}, {})", self.name, bounds.range_text(), bounds.step.human())
            }
            Domain::Values(values) => write!(f, "{} {}", self.name, list(values)),
        }
    }
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
        Json::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// `['one', 'two']`.
fn list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::{Decode, Value};

    fn decoded<T: Decode>(fields: &Json) -> Result<T, Problems> {
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
        assert_eq!(decoded(&range.setting().dump()), Ok(range));
        // One decimal of a unit cannot say 1000003 bytes.
        let fields = json!({"min": 1_000_003, "max": 2_000_006, "step": 1_000_003, "get": ["limit"], "limit": "9Gi"});
        let memory: KubernetesMemorySetting = decoded(&fields).expect("the fields are valid");
        assert_eq!(decoded(&memory.setting().dump()), Ok(memory));
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

    #[test]
    fn a_range_of_replicas_up_to_a_count_is_the_one_that_decodes() {
        for (max, step) in [(0, 0), (1, 1), (99_999, 1)] {
            let fields = json!({"min": 0, "max": max, "step": step});
            assert_eq!(decoded::<ReplicasSetting>(&fields), Ok(ReplicasSetting::up_to(max)));
        }
    }
}
