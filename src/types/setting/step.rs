//! Numbers that bound a range, whether a step divides it, and which bounds would fit.

use std::fmt;

use bigdecimal::{BigDecimal, ToPrimitive, Zero};
use schemars::JsonSchema;
use serde_json::Value as Json;

use crate::types::decimal::decimal_of;
use crate::types::text::quoted;
use crate::types::{ByteSize, Core, Number, Scalar};

/// How many candidates are tried before a suggestion is taken as it is; the first one nearly always fits.
const MOST_CANDIDATES: usize = 100;

/// A number that bounds a range.
pub trait Bound: fmt::Debug + Clone + PartialEq + PartialOrd + JsonSchema {
    /// The number as a double.
    fn as_f64(&self) -> f64;
    /// The exact text, where messages speak of differences.
    fn exact(&self) -> String;
    fn human(&self) -> String;
    /// The form of a configuration dump.
    fn dump(&self) -> Json;
    /// The number on the wire.
    fn wire(&self) -> Scalar;
    /// The number as it is stored, which is what a new value is compared with.
    fn stored(&self) -> Scalar;
    /// The sum, in this type's own arithmetic; `None` when it does not fit.
    fn plus(&self, other: &Self) -> Option<Self>;
    /// The difference, in this type's own arithmetic; `None` when it does not fit.
    fn minus(&self, other: &Self) -> Option<Self>;
    /// A decimal as a number of this one's kind; `None` when it does not fit.
    fn like(&self, decimal: &BigDecimal) -> Option<Self>;
    /// A live value as such a number, when it can be one.
    fn from_scalar(value: &Scalar) -> Option<Self>;
    /// The kind of number: those of one range must be the same.
    fn kind(&self) -> &'static str {
        ""
    }
}

impl Bound for Number {
    fn as_f64(&self) -> f64 {
        Self::as_f64(*self)
    }

    fn exact(&self) -> String {
        self.to_string()
    }

    fn human(&self) -> String {
        self.to_string()
    }

    fn dump(&self) -> Json {
        self.to_json()
    }

    fn wire(&self) -> Scalar {
        Scalar::from(*self)
    }

    fn stored(&self) -> Scalar {
        Scalar::from(*self)
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.checked_add(*b).map(Self::Integer),
            _ => Some(Self::Float(Self::as_f64(*self) + Self::as_f64(*other))),
        }
    }

    fn minus(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.checked_sub(*b).map(Self::Integer),
            _ => Some(Self::Float(Self::as_f64(*self) - Self::as_f64(*other))),
        }
    }

    fn like(&self, decimal: &BigDecimal) -> Option<Self> {
        match self {
            Self::Integer(_) => decimal.to_i64().map(Self::Integer),
            Self::Float(_) => decimal.to_f64().map(Self::Float),
        }
    }

    fn from_scalar(value: &Scalar) -> Option<Self> {
        let finite = |number: &Self| Self::as_f64(*number).is_finite();
        match value {
            Scalar::Integer(i) => Some(Self::Integer(*i)),
            Scalar::Float(x) => Some(Self::Float(*x)).filter(finite),
            Scalar::Text(text) => {
                let text = text.trim();
                let integer = text.parse().map(Self::Integer).ok();
                integer.or_else(|| text.parse().map(Self::Float).ok()).filter(finite)
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Integer(_) => "int",
            Self::Float(_) => "float",
        }
    }
}

impl Bound for Core {
    fn as_f64(&self) -> f64 {
        Self::as_f64(self)
    }

    fn exact(&self) -> String {
        self.to_string()
    }

    fn human(&self) -> String {
        self.to_string()
    }

    fn dump(&self) -> Json {
        Json::from(self.to_string())
    }

    fn wire(&self) -> Scalar {
        Scalar::Float(Self::as_f64(self))
    }

    fn stored(&self) -> Scalar {
        Scalar::Float(Self::as_f64(self))
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        Some(Self::new(self.cores() + other.cores()))
    }

    fn minus(&self, other: &Self) -> Option<Self> {
        Some(Self::new(self.cores() - other.cores()))
    }

    fn like(&self, decimal: &BigDecimal) -> Option<Self> {
        Some(Self::new(decimal.clone()))
    }

    fn from_scalar(value: &Scalar) -> Option<Self> {
        Self::parse(&value.to_string()).ok()
    }
}

impl Bound for ByteSize {
    #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
    fn as_f64(&self) -> f64 {
        self.bytes() as f64
    }

    fn exact(&self) -> String {
        self.to_string()
    }

    fn human(&self) -> String {
        Self::human(*self)
    }

    fn dump(&self) -> Json {
        Json::from(Self::dump(*self))
    }

    fn wire(&self) -> Scalar {
        Scalar::Float(self.as_gib())
    }

    fn stored(&self) -> Scalar {
        Scalar::Integer(self.bytes())
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        self.bytes().checked_add(other.bytes()).map(Self)
    }

    fn minus(&self, other: &Self) -> Option<Self> {
        self.bytes().checked_sub(other.bytes()).map(Self)
    }

    fn like(&self, decimal: &BigDecimal) -> Option<Self> {
        decimal.to_i64().map(Self)
    }

    fn from_scalar(value: &Scalar) -> Option<Self> {
        match value {
            Scalar::Integer(bytes) => Some(Self(*bytes)),
            Scalar::Float(gib) => Self::from_gib(*gib),
            Scalar::Text(text) => Self::parse(text).ok(),
        }
    }
}

/// Whether a value is a multiple of a step, by the decimals of their shortest texts, so that 0.3 is one of 0.1.
///
/// A zero step divides zero alone.
pub fn step_aligned<B: Bound>(value: &B, step: &B) -> bool {
    let (value, step) = (value.as_f64(), step.as_f64());
    match (decimal_of(value), decimal_of(step)) {
        (Some(value), Some(step)) => divides(&step, &value),
        (None, _) | (_, None) => false,
    }
}

fn divides(step: &BigDecimal, value: &BigDecimal) -> bool {
    value == step || (!step.is_zero() && (value % step).is_zero())
}

/// The nearest multiples of the step below and above a difference, never less than one step.
pub fn step_suggestions<B: Bound>(difference: &B, step: &B) -> Option<(B, B)> {
    let (diff, size) = (decimal_of(difference.as_f64())?, decimal_of(step.as_f64())?);
    if size.is_zero() {
        return None;
    }
    let whole = if diff < size { &diff + &size } else { diff.clone() };
    let rest = whole % &size;
    // A difference that is aligned is as good as one below it.
    let may_be_equal = rest.is_zero();
    let mut lower = &diff - rest;
    for _ in 0..MOST_CANDIDATES {
        if lower <= size || usable(difference, &lower, &size) || (may_be_equal && lower == diff) {
            break;
        }
        lower -= &size;
    }
    let lower = lower.max(size.clone());
    let mut upper = &lower + &size;
    for _ in 0..MOST_CANDIDATES {
        if usable(difference, &upper, &size) {
            break;
        }
        upper += &size;
    }
    Some((difference.like(&lower)?, difference.like(&upper)?))
}

/// Whether a multiple of the step is still one as a number of the range's kind, and another than the difference.
fn usable<B: Bound>(difference: &B, candidate: &BigDecimal, step: &BigDecimal) -> bool {
    let Some(number) = difference.like(candidate) else { return false };
    let remains = decimal_of(number.as_f64()).is_some_and(|decimal| divides(step, &decimal));
    remains && number.exact() != difference.exact()
}

/// The bounds of a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds<B> {
    pub(super) min: B,
    pub(super) max: B,
    pub(super) step: B,
}

impl<B: Bound> Bounds<B> {
    /// Whether a value lies within.
    pub(super) fn contain(&self, value: &B) -> bool {
        self.min <= *value && *value <= self.max
    }

    pub(super) fn range_text(&self) -> String {
        format!("{}-{}", self.min.human(), self.max.human())
    }

    /// Checks that all bounds are numbers of one kind.
    ///
    /// # Errors
    /// The rule that is broken.
    pub(super) fn check_kinds(&self) -> Result<(), String> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for (field, bound) in [("min", &self.min), ("max", &self.max), ("step", &self.step)] {
            match groups.iter_mut().find(|(kind, _)| *kind == bound.kind()) {
                Some((_, fields)) => fields.push(field),
                None => groups.push((bound.kind(), vec![field])),
            }
        }
        if groups.len() == 1 {
            return Ok(());
        }
        let groups: Vec<String> =
            groups.iter().map(|(kind, fields)| format!("{kind}: {}.", fields.join(", "))).collect();
        let groups = groups.join(" ");
        Err(format!("invalid range: min, max, and step must all be of the same Numeric type ({groups})"))
    }

    /// Checks that the step divides the range; `class` and `name` are those of the setting.
    ///
    /// # Errors
    /// The rule that is broken, with bounds that would fit.
    pub(super) fn check_step(&self, class: &str, name: &str) -> Result<(), String> {
        let Self { min, max, step } = self;
        let zero_step = step.as_f64() == 0.0;
        if min == max {
            let (step, min, max) = (step.exact(), min.exact(), max.exact());
            return if zero_step {
                Ok(())
            } else {
                Err(format!(
                    "step must be zero when min equals max: step {step} cannot step from {min} to {max} (consider \
                     using the pinned attribute of settings if you have a value you don't want changed)"
                ))
            };
        }
        if zero_step {
            return Err("step cannot be zero".to_owned());
        }
        match max.minus(min) {
            Some(difference) if step_aligned(&difference, step) => Ok(()),
            Some(difference) => Err(self.misalignment(&difference, class, name)),
            None => Err("the difference of min and max is out of range".to_owned()),
        }
    }

    fn misalignment(&self, difference: &B, class: &str, name: &str) -> String {
        let Self { min, max, step } = self;
        format!(
            "{class}({} {}, {}) min/max difference is not step aligned: {} is not a multiple of {}{}.",
            quoted(name),
            self.range_text(),
            step.human(),
            difference.exact(),
            step.exact(),
            step_suggestions(difference, step)
                .and_then(|(lower, upper)| {
                    let mins = (max.minus(&lower)?.exact(), max.minus(&upper)?.exact());
                    let maxs = (min.plus(&lower)?.exact(), min.plus(&upper)?.exact());
                    Some(format!(" (consider min {} or {}, max {} or {})", mins.0, mins.1, maxs.0, maxs.1))
                })
                .unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aligned_difference_is_its_own_lower_suggestion() {
        for (difference, step, expected) in [(6, 3, (6, 9)), (8, 3, (6, 9)), (1, 3, (3, 6)), (10, 20, (20, 40))] {
            let whole = |number: i64| Number::Integer(number);
            let found = step_suggestions(&whole(difference), &whole(step));
            assert_eq!(found, Some((whole(expected.0), whole(expected.1))), "{difference}, {step}");
        }
    }
}
