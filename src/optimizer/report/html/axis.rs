//! Axes: numbers or categories on a stretch of a picture, with the ticks that are worth a label.

use crate::optimizer::report::text::number;

/// A logarithmic axis is for values that differ by more than this factor.
const FACTOR: f64 = 20.0;

/// Room on both sides of the values, as a share of their range.
const ROOM: f64 = 0.06;

#[derive(Debug, Clone)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Where the low and the high end are.
    places: (f64, f64),
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that has room for these values. `wanted` ticks are aimed at.
    pub(super) fn of(values: &[f64], places: (f64, f64), wanted: u32, may_be_log: bool) -> Self {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let log = may_be_log && low > 0.0 && high / low > FACTOR;
        let scale = |value: f64| if log { value.log10() } else { value };
        let (bottom, top) = (scale(low), scale(high));
        let range = if top > bottom { top - bottom } else { bottom.abs().max(1.0) };
        let (bottom, top) = (bottom - ROOM * range, top + ROOM * range);
        let ticks = if log { decades(bottom, top, wanted) } else { steps(bottom, top, wanted) };
        Self { low: bottom, high: top, log, places, ticks }
    }

    /// An axis of trials, whole numbers from 1.
    pub(super) fn of_trials(last: f64, places: (f64, f64)) -> Self {
        let ticks = steps(0.5, last + 0.5, 6).into_iter().filter(|(tick, _)| tick.fract() == 0.0);
        Self { low: 0.5, high: last.max(1.0) + 0.5, log: false, places, ticks: ticks.collect() }
    }

    /// An axis of categories, at 0, 1, 2…
    pub(super) fn of_categories(names: &[String], places: (f64, f64)) -> Self {
        let ticks: Vec<(f64, String)> = (0_u32..).map(f64::from).zip(names.iter().cloned()).collect();
        let high = ticks.last().map_or(0.0, |(last, _)| *last) + 0.5;
        Self { low: -0.5, high, log: false, places, ticks }
    }

    /// Where a value is, at most at the end of the axis.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        self.ticks.iter().map(|(value, label)| (self.place(*value), label.as_str()))
    }

    /// Where it begins and ends.
    pub(super) fn places(&self) -> (f64, f64) {
        self.places
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn steps(low: f64, high: f64, wanted: u32) -> Vec<(f64, String)> {
    let rough = (high - low) / f64::from(wanted.max(1));
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|of| of * power).find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    let values = (0_u32..20).map(|index| (first + f64::from(index)) * step).take_while(|value| *value <= high);
    values.map(|value| (value, label(value, step))).collect()
}

/// Powers of ten, with their doubles and halves where there are few.
fn decades(low: f64, high: f64, wanted: u32) -> Vec<(f64, String)> {
    let parts: &[f64] = if high - low < f64::from(wanted) / 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = ((high - low) / f64::from(wanted.max(1))).round().max(1.0);
    let powers = (-30_i32..31).map(f64::from).filter(|power| (power / every).fract() == 0.0);
    let values = powers.flat_map(|power| parts.iter().map(move |part| part * 10_f64.powf(power)));
    let inside = values.filter(|value| (low..=high).contains(&value.log10()));
    // Many zeros would not fit beside the axis.
    let text = |value: f64| if value < 1e-3 { format!("{value:.0e}") } else { label(value, value) };
    inside.map(|value| (value, text(value))).collect()
}

/// As many digits as tell neighbours apart.
fn label(value: f64, step: f64) -> String {
    let value = if value.abs() < step / 1e6 { 0.0 } else { value };
    if value.abs() >= 1e6 {
        return format!("{value:.0e}");
    }
    let text = if step >= 1.0 { format!("{value:.0}") } else { format!("{value:.6}") };
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if short == "0" && value != 0.0 { number(value) } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let check = |values: &[f64], expected: &[&str]| {
            assert_eq!(labels(&Axis::of(values, (0.0, 100.0), 4, true)), expected, "{values:?}");
        };
        check(&[0.1, 0.4], &["0.1", "0.2", "0.3", "0.4"]);
        check(&[-10.0, 20.0], &["-10", "0", "10", "20"]);
        check(&[2.0, 9000.0], &["10", "100", "1000", "10000"]);
        check(&[1e-8, 1.0], &["1e-8", "1e-6", "1e-4", "0.01", "1"]);
        check(&[f64::NAN], &["0", "0.5", "1"]);
        check(&[3.0], &["2.9", "3", "3.1"]);
    }

    #[test]
    fn places_never_leave_the_picture() {
        let axis = Axis::of(&[1.0, 2.0], (10.0, 20.0), 4, false);
        assert!((axis.place(1e300) - 20.0).abs() < 1e-9 && (axis.place(-1e300) - 10.0).abs() < 1e-9);
        assert!(axis.place(f64::INFINITY) <= 20.0);
    }
}
