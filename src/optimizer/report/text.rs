//! Numbers, values and settings as people read them.

use serde_json::Value;

use super::{Report, ResultReport, Violation};
use crate::optimizer::embedded::{Difference, Settings, Verdict};

/// Digits of a fraction that times have, which are kept.
const MICROSECONDS: usize = 6;

/// Digits that are kept of a longer one.
const FRACTION: usize = 2;

/// A number with as many digits as people compare by.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        // Not 0.0000, which says nothing.
        tiny if tiny < 5e-5 => return format!("{value:.1e}"),
        large if large >= 100.0 => 0,
        middle if middle >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// A number with its unit, if there is one.
pub(super) fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() { number(value) } else { format!("{} {unit}", number(value)) }
}

/// A message of an agent with numbers that people can read: exact decimals may have dozens of digits.
pub(super) fn shortened(message: &str) -> String {
    let (mut shortened, mut rest) = (String::new(), message);
    while let Some(point) = rest.find('.') {
        let (before, after) = rest.split_at(point + 1);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let kept = if digits > MICROSECONDS { FRACTION } else { digits };
        shortened.push_str(before);
        shortened.push_str(&after[..kept]);
        rest = &after[digits..];
    }
    shortened + rest
}

/// A time of RFC 3339 without its fraction of a second.
pub(super) fn time(rfc3339: &str) -> String {
    let (whole, zone) = rfc3339.split_once('.').unwrap_or((rfc3339, ""));
    let zone = zone.trim_start_matches(|character: char| character.is_ascii_digit());
    format!("{}{}", whole.replace('T', " "), zone).replace('Z', " UTC")
}

/// A share as percent, with a sign.
pub(super) fn percent(share: f64) -> String {
    format!("{:+.1}%", 100.0 * share)
}

/// A scalar as text without quotation marks.
pub(crate) fn value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The settings as `cpu=2.0 mem=1.5`; component names only where there are several.
pub(crate) fn settings(settings: &Settings) -> String {
    let short = has_one_component(settings.keys().map(String::as_str));
    let shown = settings.iter().map(|(name, of)| format!("{}={}", if short { last(name) } else { name }, value(of)));
    shown.collect::<Vec<_>>().join(" ")
}

/// Whether all of these names, `component.setting`, are of one component.
pub(super) fn has_one_component<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let mut components = names.into_iter().map(|name| name.split_once('.').map_or("", |(component, _)| component));
    let first = components.next();
    components.all(|component| Some(component) == first)
}

/// What stands behind the component.
pub(super) fn last(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, setting)| setting)
}

/// The interval of a relative difference with the numbers of readings; `exactly` if it is computed; `None` with too few
/// measurements.
pub(super) fn interval(difference: &Difference) -> Option<String> {
    let [low, high] = difference.relative_interval()?;
    // A price is known, not measured.
    let is_exact = low.to_bits() == high.to_bits();
    Some(if is_exact {
        "exactly".to_owned()
    } else {
        format!("{} to {}{}", percent(low), percent(high), readings(difference))
    })
}

/// When the optimization ended, and why.
pub(super) fn ended(report: &Report) -> String {
    match (&report.ended, report.stop) {
        (Some(ended), Some(stop)) => format!("to {}, when {stop}", time(ended)),
        (Some(ended), None) => format!("to {}", time(ended)),
        (None, _) => "and not over".to_owned(),
    }
}

/// The SLOs that the baseline violates, in a sentence; `None` if it keeps them all.
pub(super) fn baseline_violations(report: &Report) -> Option<String> {
    let violations = report.baseline_violations.iter().map(|violation| {
        let Violation { metric, value, threshold, unit } = violation;
        format!("{metric} ({} against {})", number(*value), with_unit(*threshold, unit))
    });
    let violations: Vec<String> = violations.collect();
    (!violations.is_empty()).then(|| format!("The baseline settings violate {}.", violations.join(", ")))
}

/// What the change of the price is worth in a month, in a sentence; `None` if the price is the same.
pub(super) fn savings(result: &ResultReport) -> Option<String> {
    let (saved, per_month) = (result.savings_per_month, number(result.savings_per_month.abs()));
    let share = result.cost.relative().map_or_else(String::new, |share| format!(" ({})", percent(share)));
    let word = if saved > 0.0 { "saves" } else { "costs" };
    let more = if saved > 0.0 { "" } else { " more" };
    (saved != 0.0).then(|| format!("It {word} {per_month}{more} per month of 730 hours{share}."))
}

/// How many readings a difference is of, as a suffix; nothing if that is not known.
fn readings(difference: &Difference) -> String {
    let count = difference.readings.map(|[baseline, winner]| format!(" ({baseline} against {winner} readings)"));
    count.unwrap_or_default()
}

/// What the confirmation says of a result, in a few words.
pub(super) fn verdict(result: &ResultReport) -> String {
    if result.is_baseline {
        return "nothing better than the baseline settings".to_owned();
    }
    verdict_of(result.confirmed, result.verdict.as_ref())
}

/// A verdict in a few words; journals of older programs only say whether it is that something is confirmed.
pub(crate) fn verdict_of(confirmed: bool, verdict: Option<&Verdict>) -> String {
    match verdict {
        Some(verdict) => verdict.to_string(),
        None if confirmed => "confirmed".to_owned(),
        None => "NOT confirmed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_has_as_many_digits_as_people_compare_by() {
        for (value, text) in [
            (0.0, "0"),
            (1234.5, "1234"),
            (12.346, "12.35"),
            (0.12346, "0.1235"),
            (-0.1, "-0.1000"),
            (2.24e-6, "2.2e-6"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn components_are_named_only_where_there_are_several() {
        let of = |value: Value| settings(value.as_object().unwrap());
        assert_eq!(of(json!({"web.cpu": 0.5, "web.gc": "g1"})), "cpu=0.5 gc=g1");
        assert_eq!(of(json!({"web.cpu": 0.5, "db.cpu": 1})), "web.cpu=0.5 db.cpu=1");
        assert_eq!(of(json!({})), "");
    }

    #[test]
    fn long_fractions_are_cut_and_times_are_not() {
        let message = "at 12:00:01.302472 a value of 1715.877202234931 (not 250.0) failed. So it was ended...";
        let expected = "at 12:00:01.302472 a value of 1715.87 (not 250.0) failed. So it was ended...";
        assert_eq!(shortened(message), expected);
        assert_eq!(shortened("0.1234567"), "0.12");
    }

    #[test]
    fn an_interval_without_width_is_exact() {
        assert_eq!(interval(&Difference::exact(2.0, 1.0)).as_deref(), Some("exactly"));
        let measured = Difference { baseline: 10.0, winner: 9.0, interval: Some([-2.0, 0.5]), readings: None };
        assert_eq!(interval(&measured).as_deref(), Some("-20.0% to +5.0%"));
        assert_eq!(interval(&Difference { interval: None, ..measured }), None);
    }
}
