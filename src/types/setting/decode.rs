//! Reading a setting by the rules of its kind.

use super::amount::Amount;
use super::kind::{Form, Kind, Minimum, Place};
use super::role::{Requirements, Role, ValueType};
use super::step::Bounds;
use super::{Domain, Held, Setting, list};
use crate::decode::{Decode, Decoder, Fields, Node, StrictInteger, TextForm, Value};
use crate::types::{ByteSize, Core, Number, Scalar};

/// What a minimum of no memory is told, here and for containers.
const ZERO_MIN: &str = "min must be greater than zero";

/// The only unit of cloud instances.
const INSTANCE_UNIT: &str = "ec2";

impl Setting {
    /// Reads a setting of a kind.
    pub(super) fn decode(kind: &'static Kind, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        Self::decode_with_step(kind, kind.step.map(Amount::from), node, cx)
    }

    /// Reads a setting of a kind whose step, if it has one, is this when it is left out.
    pub(super) fn decode_with_step(
        kind: &'static Kind,
        step: Option<Amount>,
        node: &Node,
        cx: &mut Decoder<'_>,
    ) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let unit_fits =
            if kind.place == Place::Instance { fields.or("unit", InstanceUnit).map(drop) } else { Some(()) };
        let variable = if kind.place == Place::Variable { variable_role(kind, &mut fields) } else { None };
        let common = common(kind, &mut fields);
        let valued = if kind.form == Form::Text {
            one_of_texts(&mut fields, common.is_some())
        } else {
            in_range(kind, step, &mut fields, common.as_ref().map(|common| common.name.as_str()))
        };
        let role = match kind.place {
            Place::Connector | Place::Instance => Some(Role::Connector),
            Place::Resources => resource_role(kind, &mut fields),
            Place::Variable => variable,
        };
        fields.ignore_unknown();
        unit_fits?;
        let (Common { name, pinned, unit }, (domain, mut value), role) = (common?, valued?, role?);
        if let (Some(Held::Amount(Amount::Number(number))), Role::Variable { value_type: Some(value_type), .. }) =
            (&mut value, &role)
        {
            *number = value_type.convert(*number);
        }
        Some(Self { kind, name, pinned, unit, domain, value, role })
    }
}

/// The fields that every kind has.
struct Common {
    name: String,
    pinned: bool,
    unit: Option<String>,
}

fn common(kind: &Kind, fields: &mut Fields<'_, '_, '_>) -> Option<Common> {
    let type_fits = check_constant(fields, "type", kind.type_text());
    let name = match kind.name {
        Some(fixed) => check_constant(fields, "name", fixed).map(|()| fixed.to_owned()),
        None => fields.required("name"),
    };
    let pinned = fields.or("pinned", false);
    let unit = fields.or("unit", kind.unit.map(str::to_owned));
    type_fits?;
    Some(Common { name: name?, pinned: pinned?, unit: unit? })
}

/// The rules that need more than one field are looked at only if the common fields are valid.
fn one_of_texts(fields: &mut Fields<'_, '_, '_>, is_valid: bool) -> Option<(Domain, Option<Held>)> {
    let values = fields.required("values");
    let value: Option<Option<Scalar>> = fields.or("value", None);
    let (Texts(values), value) = (values?, value?);
    if !is_valid {
        return None;
    }
    if let Some(value) = &value
        && !values.contains(&value.to_string())
    {
        fields.fail(format!("invalid value: {} is not in the values list {}", value.in_message(), list(&values)));
        return None;
    }
    Some((Domain::Values(values), value.map(Held::Scalar)))
}

/// `name` is `None` if the common fields are not valid.
fn in_range(
    kind: &Kind,
    default_step: Option<Amount>,
    fields: &mut Fields<'_, '_, '_>,
    name: Option<&str>,
) -> Option<(Domain, Option<Held>)> {
    let value = optional(fields, "value", |node, cx| decode_value(kind.form, node, cx));
    let ordered = min_and_max(kind, fields);
    let step = get(fields, "step", |node, cx| decode_amount(kind.form, node, cx)).and_then(|step| {
        step.or(default_step).or_else(|| {
            fields.fail_at("step", "field required");
            None
        })
    });
    let (name, value, (min, max)) = (name?, value?, ordered?);
    let bounds = Bounds { min, max, step: step? };
    if let Err(rule) = check(name, &bounds, value.as_ref(), kind.class) {
        fields.fail(rule);
        return None;
    }
    if bounds.step.as_f64() < 0.0 {
        fields.fail_at("step", "step must not be negative");
        return None;
    }
    Some((Domain::Range(bounds), value.map(Held::Amount)))
}

/// The rules that need more than one field; the first that is broken.
fn check(name: &str, bounds: &Bounds, value: Option<&Amount>, class: &str) -> Result<(), String> {
    bounds.check_kinds()?;
    if let Some(value) = value.filter(|value| !bounds.contain(value)) {
        return Err(format!("invalid value: {} is outside of the range {}", value.human(), bounds.range_text()));
    }
    bounds.check_step(class, name)
}

fn min_and_max(kind: &Kind, fields: &mut Fields<'_, '_, '_>) -> Option<(Amount, Amount)> {
    let min = required(fields, "min", |node, cx| decode_amount(kind.form, node, cx));
    let max = required(fields, "max", |node, cx| decode_amount(kind.form, node, cx));
    let min = min?;
    if let Some(problem) = minimum_problem(kind, &min) {
        fields.fail_at("min", problem);
        return None;
    }
    let max = max?;
    if min > max {
        fields.fail_at("max", format!("min cannot be greater than max ({} > {})", min.human(), max.human()));
        return None;
    }
    Some((min, max))
}

fn minimum_problem(kind: &Kind, min: &Amount) -> Option<&'static str> {
    match kind.minimum {
        Minimum::Any => None,
        Minimum::Positive => (min.as_f64() <= 0.0).then_some("ensure this value is greater than 0"),
        Minimum::NotZero => (min.as_f64() == 0.0).then_some(ZERO_MIN),
    }
}

fn decode_amount(form: Form, node: &Node, cx: &mut Decoder<'_>) -> Option<Amount> {
    match form {
        Form::Number | Form::TextNumber | Form::Text => Number::decode(node, cx).map(Amount::Number),
        Form::Float => finite_float(node, cx).map(|float| Amount::Number(Number::Float(float))),
        Form::Integer => {
            StrictInteger::decode(node, cx).map(|StrictInteger(count)| Amount::Number(Number::Integer(count)))
        }
        Form::Cores => Core::decode(node, cx).map(Amount::Cores),
        Form::Bytes => ByteSize::decode(node, cx).map(Amount::Bytes),
    }
}

/// Variables are text, so that text is a float as a value, though not as a bound.
fn decode_value(form: Form, node: &Node, cx: &mut Decoder<'_>) -> Option<Amount> {
    let is_number = matches!(&node.value, Value::Integer(_) | Value::Float(_) | Value::Null);
    let form = if form == Form::TextNumber && !is_number { Form::Float } else { form };
    decode_amount(form, node, cx)
}

fn finite_float(node: &Node, cx: &mut Decoder<'_>) -> Option<f64> {
    let float = f64::decode(node, cx)?;
    if !float.is_finite() {
        cx.invalid(node, "value is not a valid float: it must be finite");
        return None;
    }
    Some(float)
}

fn resource_role(kind: &Kind, fields: &mut Fields<'_, '_, '_>) -> Option<Role> {
    let request = optional(fields, "request", |node, cx| decode_amount(kind.form, node, cx));
    let limit = optional(fields, "limit", |node, cx| decode_amount(kind.form, node, cx));
    let get = fields.or("get", Requirements::default());
    let set = fields.or("set", Requirements::default());
    Some(Role::Resource { request: request?, limit: limit?, get: get?.0, set: set?.0 })
}

fn variable_role(kind: &Kind, fields: &mut Fields<'_, '_, '_>) -> Option<Role> {
    let literal = fields.or("literal", None);
    let value_type: Option<Option<ValueType>> =
        if kind.form == Form::Text { Some(None) } else { fields.or("value_type", None) };
    Some(Role::Variable { literal: literal?, value_type: value_type? })
}

/// As [`Fields::get`], with a decoder that depends on the kind.
#[expect(clippy::option_option, reason = "as `Fields::get`: a problem, an absent key, a value")]
fn get<T>(
    fields: &mut Fields<'_, '_, '_>,
    key: &str,
    decode: impl FnOnce(&Node, &mut Decoder<'_>) -> Option<T>,
) -> Option<Option<T>> {
    match fields.node(key, None, TextForm::Text)? {
        Some(node) => fields.decoder().within(key, |cx| decode(&node, cx)).map(Some),
        None => Some(None),
    }
}

/// As [`Fields::required`].
fn required<T>(
    fields: &mut Fields<'_, '_, '_>,
    key: &str,
    decode: impl FnOnce(&Node, &mut Decoder<'_>) -> Option<T>,
) -> Option<T> {
    let value = get(fields, key, decode)?;
    if value.is_none() {
        fields.fail_at(key, "field required");
    }
    value
}

/// A key that may be absent or null.
#[expect(clippy::option_option, reason = "a problem, an absent or null key, a value")]
fn optional<T>(
    fields: &mut Fields<'_, '_, '_>,
    key: &str,
    decode: impl FnOnce(&Node, &mut Decoder<'_>) -> Option<T>,
) -> Option<Option<T>> {
    let value = get(fields, key, |node, cx| if node.is_null() { Some(None) } else { decode(node, cx).map(Some) });
    value.map(Option::flatten)
}

/// A key that may be absent, but has one value only.
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

/// At least one text; numbers and booleans become text.
struct Texts(Vec<String>);

impl Decode for Texts {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            cx.invalid_unquoted(node, "ensure this value has at least 1 items");
            return None;
        }
        Vec::decode(node, cx).map(Self)
    }
}

#[derive(Clone, Copy)]
struct InstanceUnit;

impl Decode for InstanceUnit {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &[(INSTANCE_UNIT, Self)])
    }
}
