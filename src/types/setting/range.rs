//! Ranges: numbers between bounds, in steps.

use std::fmt;

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use super::step::{Bound, Bounds};
use super::{Common, Kind};
use crate::decode::{Decode, Decoder, Fields, Node, TextForm};
use crate::types::{Number, Scalar};

const TYPE: &str = "range";

/// What sets one kind of range apart from the others.
pub trait RangeKind: fmt::Debug + Clone + PartialEq {
    /// The number of its bounds and of its value.
    type Bound: Bound;
    /// The name of the kind in messages and summaries.
    const CLASS: &'static str;
    /// The only name there may be, if any.
    const NAME: Option<&'static str> = None;
    /// The unit when none is given.
    const UNIT: Option<&'static str> = None;
    /// Whether a missing value is null on the wire rather than left out.
    const SENDS_NULL: bool = false;

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Self::Bound>;

    /// The JSON Schema of a bound.
    fn bound_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self::Bound>()
    }

    fn decode_value(node: &Node, cx: &mut Decoder<'_>) -> Option<Self::Bound> {
        Self::decode_bound(node, cx)
    }

    /// The step when none is given; without one it is required.
    fn default_step() -> Option<Self::Bound> {
        None
    }

    /// The rule that a minimum breaks by itself, if any.
    fn min_problem(_min: &Self::Bound) -> Option<&'static str> {
        None
    }
}

pub type RangeSetting = Ranged<Plain>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain;

impl RangeKind for Plain {
    type Bound = Number;
    const CLASS: &'static str = "RangeSetting";

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Number> {
        Number::decode(node, cx)
    }
}

/// A setting whose value is a number between bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranged<K: RangeKind> {
    common: Common,
    bounds: Bounds<K::Bound>,
    pub(super) value: Option<Held<K::Bound>>,
}

/// The value of a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Held<B> {
    /// A number; outside the bounds only after [`super::Setting::safe_set`].
    Number(B),
    /// A live value that is no number.
    Text(String),
}

impl<B: Bound> Held<B> {
    /// A live value: a number where it can be one.
    pub(super) fn live(value: &Scalar) -> Self {
        B::from_scalar(value).map_or_else(|| Self::Text(value.to_string()), Self::Number)
    }

    fn scalar(&self, of: impl FnOnce(&B) -> Scalar) -> Scalar {
        match self {
            Self::Number(number) => of(number),
            Self::Text(text) => Scalar::Text(text.clone()),
        }
    }

    fn human(&self) -> String {
        match self {
            Self::Number(number) => number.human(),
            Self::Text(text) => text.clone(),
        }
    }

    fn dump(&self) -> Json {
        match self {
            Self::Number(number) => number.dump(),
            Self::Text(text) => Json::from(text.as_str()),
        }
    }
}

impl<K: RangeKind> Ranged<K> {
    pub fn min(&self) -> &K::Bound {
        &self.bounds.min
    }

    pub fn max(&self) -> &K::Bound {
        &self.bounds.max
    }

    /// The distance of neighbouring values; zero when there is only one.
    pub fn step(&self) -> &K::Bound {
        &self.bounds.step
    }

    /// The unit on the wire.
    pub fn unit(&self) -> Option<&str> {
        self.common.unit.as_deref()
    }

    /// The value, unless there is none or it is no number.
    pub fn number(&self) -> Option<&K::Bound> {
        match &self.value {
            Some(Held::Number(number)) => Some(number),
            Some(Held::Text(_)) | None => None,
        }
    }

    /// The same setting, pinned or not; whatever its value is.
    #[must_use]
    pub fn with_pinned(mut self, pinned: bool) -> Self {
        self.common.pinned = pinned;
        self
    }

    /// A range without a value; the bounds must keep the rules.
    pub(super) fn unset(name: &str, bounds: Bounds<K::Bound>) -> Self {
        let common = Common { name: name.to_owned(), pinned: false, unit: K::UNIT.map(str::to_owned) };
        Self { common, bounds, value: None }
    }

    /// Reads the fields of every range; `default_step` is taken when none is given.
    pub(super) fn decode_fields(fields: &mut Fields<'_, '_, '_>, default_step: Option<K::Bound>) -> Option<Self> {
        let common = Common::decode(fields, TYPE, K::NAME, K::UNIT);
        let value = fields.or::<Option<ValueOf<K>>>("value", None);
        let ordered = decode_min_and_max::<K>(fields);
        let step = match default_step {
            Some(step) => fields.or("step", BoundOf::<K>(step)),
            None => fields.required("step"),
        };
        let (common, value, (min, max)) = (common?, value?.map(|value| value.0), ordered?);
        let bounds = Bounds { min, max, step: step?.0 };
        if let Err(rule) = check(&common, &bounds, value.as_ref(), K::CLASS) {
            fields.fail(rule);
            return None;
        }
        if bounds.step.as_f64() < 0.0 {
            fields.fail_at("step", "step must not be negative");
            return None;
        }
        Some(Self { common, bounds, value: value.map(Held::Number) })
    }
}

/// The rules that need more than one field; the first that is broken.
fn check<B: Bound>(common: &Common, bounds: &Bounds<B>, value: Option<&B>, class: &str) -> Result<(), String> {
    bounds.check_kinds()?;
    if let Some(value) = value.filter(|value| !bounds.contain(value)) {
        return Err(format!("invalid value: {} is outside of the range {}", value.human(), bounds.range_text()));
    }
    bounds.check_step(class, &common.name)
}

fn decode_min_and_max<K: RangeKind>(fields: &mut Fields<'_, '_, '_>) -> Option<(K::Bound, K::Bound)> {
    let min = fields.required::<BoundOf<K>>("min").map(|min| min.0);
    let max = fields.required::<BoundOf<K>>("max").map(|max| max.0);
    let min = min?;
    if let Some(problem) = K::min_problem(&min) {
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

/// A bound, decoded as its kind of range has it.
struct BoundOf<K: RangeKind>(K::Bound);

impl<K: RangeKind> Decode for BoundOf<K> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        K::decode_bound(node, cx).map(Self)
    }
}

/// A value, decoded as its kind of range has it.
struct ValueOf<K: RangeKind>(K::Bound);

impl<K: RangeKind> Decode for ValueOf<K> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        K::decode_value(node, cx).map(Self)
    }
}

impl<K: RangeKind> Decode for Ranged<K> {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let range = Self::decode_fields(&mut fields, K::default_step());
        fields.ignore_unknown();
        range
    }
}

impl<K: RangeKind> Kind for Ranged<K> {
    fn name(&self) -> &str {
        &self.common.name
    }

    fn pinned(&self) -> bool {
        self.common.pinned
    }

    fn value(&self) -> Option<Scalar> {
        self.value.as_ref().map(|value| value.scalar(Bound::wire))
    }

    fn stored(&self) -> Option<Scalar> {
        self.value.as_ref().map(|value| value.scalar(Bound::stored))
    }

    fn human_readable_value(&self) -> String {
        self.value.as_ref().map_or_else(|| "None".to_owned(), Held::human)
    }

    fn summary(&self) -> String {
        let Bounds { min, max, step } = &self.bounds;
        format!(
            "{}(range=[{}..{}], step={}, unit={})",
            K::CLASS,
            min.human(),
            max.human(),
            step.human(),
            self.common.unit_text()
        )
    }

    fn to_wire(&self) -> Map<String, Json> {
        let mut wire = self.common.to_wire(TYPE);
        let missing = K::SENDS_NULL.then_some(Json::Null);
        if let Some(value) = self.value().map(|value| value.to_json()).or(missing) {
            wire.insert("value".to_owned(), value);
        }
        let Bounds { min, max, step } = &self.bounds;
        for (field, bound) in [("min", min), ("max", max), ("step", step)] {
            wire.insert(field.to_owned(), bound.wire().to_json());
        }
        wire
    }

    fn dump(&self) -> Map<String, Json> {
        let mut dump = self.common.dump(TYPE);
        dump.insert("value".to_owned(), self.value.as_ref().map_or(Json::Null, Held::dump));
        let Bounds { min, max, step } = &self.bounds;
        for (field, bound) in [("min", min), ("max", max), ("step", step)] {
            dump.insert(field.to_owned(), bound.dump());
        }
        dump
    }

    fn pin(&mut self, pinned: bool) {
        self.common.pinned = pinned;
    }

    fn store(&mut self, value: Option<&Scalar>) {
        self.value = value.map(Held::live);
    }
}

impl<K: RangeKind> fmt::Display for Ranged<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (range {}, {})", self.common.name, self.bounds.range_text(), self.bounds.step.human())
    }
}
