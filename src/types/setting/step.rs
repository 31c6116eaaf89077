//! Whether a step divides a range, and which bounds would fit if it does not.

use bigdecimal::{BigDecimal, Zero};

use super::amount::Amount;
use crate::types::decimal::decimal_of;
use crate::types::text::quoted;

/// How many candidates are tried before a suggestion is taken as it is; the first one nearly always fits.
const MOST_CANDIDATES: usize = 100;

/// Whether a value is a multiple of a step, by the decimals of their shortest texts, so that 0.3 is one of 0.1.
///
/// A zero step divides zero alone.
pub fn step_aligned(value: &Amount, step: &Amount) -> bool {
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
pub fn step_suggestions(difference: &Amount, step: &Amount) -> Option<(Amount, Amount)> {
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
fn usable(difference: &Amount, candidate: &BigDecimal, step: &BigDecimal) -> bool {
    let Some(number) = difference.like(candidate) else { return false };
    let remains = decimal_of(number.as_f64()).is_some_and(|decimal| divides(step, &decimal));
    remains && number.exact() != difference.exact()
}

/// The bounds of a range: from `min` to `max` in steps, which are zero if there is only one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    pub min: Amount,
    pub max: Amount,
    pub step: Amount,
}

impl Bounds {
    /// Whether a value lies within.
    pub(super) fn contain(&self, value: &Amount) -> bool {
        self.min <= *value && *value <= self.max
    }

    /// `0-10`.
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
            match groups.iter_mut().find(|(kind, _)| *kind == bound.number_type()) {
                Some((_, fields)) => fields.push(field),
                None => groups.push((bound.number_type(), vec![field])),
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

    fn misalignment(&self, difference: &Amount, class: &str, name: &str) -> String {
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
    use crate::types::Number;

    #[test]
    fn an_aligned_difference_is_its_own_lower_suggestion() {
        for (difference, step, expected) in [(6, 3, (6, 9)), (8, 3, (6, 9)), (1, 3, (3, 6)), (10, 20, (20, 40))] {
            let whole = |number: i64| Amount::Number(Number::Integer(number));
            let found = step_suggestions(&whole(difference), &whole(step));
            assert_eq!(found, Some((whole(expected.0), whole(expected.1))), "{difference}, {step}");
        }
    }
}
