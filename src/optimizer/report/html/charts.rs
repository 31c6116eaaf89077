//! The pictures of a report.

use super::axis::Axis;
use super::plot::{Mark, Plot, Size};
use crate::optimizer::embedded::{Outcome, Purpose};
use crate::optimizer::report::text::{last, number, settings, value, with_unit};
use crate::optimizer::report::{Effect, Report, TrialReport};

const LARGE: Size = Size { width: 460.0, height: 290.0 };

const SMALL: Size = Size { width: 250.0, height: 170.0 };

/// The values of the objective over the trials, with the best of them so far.
pub(super) fn trials(report: &Report) -> String {
    let objectives: Vec<f64> = report.trials.iter().filter_map(|trial| trial.objective).collect();
    let last = u32::try_from(report.trials.len()).map_or(f64::MAX, f64::from);
    let y = Axis::of(&objectives, LARGE.upwards(), 5, true);
    // What failed before it was measured has no value: it stands on the axis.
    let nowhere = if report.objective.maximize { f64::NEG_INFINITY } else { f64::INFINITY };
    let mut plot = Plot::new(LARGE, Axis::of_trials(last, LARGE.across()), y, "trial");
    let numbered = || (1_u32..).map(f64::from).zip(&report.trials);
    let best: Vec<(f64, f64)> = numbered().filter_map(|(x, trial)| Some((x, trial.best_so_far?))).collect();
    plot.stairs("best", &best);
    for (x, trial) in numbered() {
        plot.mark(mark(trial), (x, trial.objective.unwrap_or(nowhere)), &title(report, trial));
    }
    plot.finish(&format!("{} of each trial", report.objective.name))
}

/// The objective against the margin of the tightest condition, in percent.
pub(super) fn front(report: &Report) -> Option<String> {
    let points: Vec<(&TrialReport, f64, f64)> = report
        .trials
        .iter()
        .filter_map(|trial| Some((trial, trial.objective?, 100.0 * trial.margin?.max(-LOWEST))))
        .collect();
    let front: Vec<(f64, f64)> =
        report.front.iter().map(|point| (point.objective, 100.0 * point.margin.max(-LOWEST))).collect();
    if points.is_empty() {
        return None;
    }
    let xs: Vec<f64> = points.iter().map(|point| point.1).chain(front.iter().map(|point| point.0)).collect();
    let ys: Vec<f64> = points.iter().map(|point| point.2).chain(front.iter().map(|point| point.1)).collect();
    let x = Axis::of(&xs, LARGE.across(), 6, true);
    let y = Axis::of(&[ys.as_slice(), &[0.0]].concat(), LARGE.upwards(), 5, false);
    let mut plot = Plot::new(LARGE, x, y, &with_unit_name(&report.objective.name, &report.objective.unit));
    plot.level("limit", 0.0);
    plot.line("front", front);
    for (trial, x, y) in points {
        plot.mark(mark(trial), (x, y), &title(report, trial));
        if is_result(report, trial) {
            plot.mark(Mark::Chosen, (x, y), &title(report, trial));
        }
    }
    Some(plot.finish(&format!("{} against the margin of the tightest objective", report.objective.name)))
}

/// Violations beyond this share all look the same: how far beyond does not matter, and would hide the rest.
const LOWEST: f64 = 1.0;

fn is_result(report: &Report, trial: &TrialReport) -> bool {
    report.result.as_ref().is_some_and(|result| result.settings == trial.settings)
}

/// How a trial is drawn.
pub(super) fn mark(trial: &TrialReport) -> Mark {
    match trial.purpose {
        _ if !trial.feasible => Mark::Infeasible,
        Purpose::Baseline => Mark::Baseline,
        Purpose::Search => Mark::Feasible,
        Purpose::Confirmation => Mark::Confirmation,
    }
}

fn title(report: &Report, trial: &TrialReport) -> String {
    let mut parts = vec![format!("trial {} ({}): {}", trial.number, trial.purpose.as_str(), settings(&trial.settings))];
    if let Some(objective) = trial.objective {
        parts.push(format!("{} {}", report.objective.name, with_unit(objective, &report.objective.unit)));
    }
    match &trial.outcome {
        Outcome::Infeasible { word, .. } => parts.push(word.clone()),
        Outcome::Void { reason, .. } => parts.push(reason.clone()),
        Outcome::Measured { .. } => {
            let pairs = report.conditions.iter().zip(&trial.readings);
            parts.extend(pairs.filter_map(|(condition, reading)| {
                Some(format!("{} {}", condition.metric, with_unit((*reading)?.value, &condition.unit)))
            }));
        }
    }
    parts.join("; ")
}

/// A name with its unit behind it.
pub(super) fn with_unit_name(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name} ({unit})") }
}

/// Deviations below the mean are seen down to this part of it.
const MOST: f64 = 3.0;

/// The heights that all curves of a metric share, so that they can be compared.
pub(super) fn heights(effects: &[&Effect], threshold: Option<f64>) -> Vec<f64> {
    let points = effects.iter().flat_map(|effect| &effect.curve);
    let positive = points.clone().all(|point| point.mean > 0.0);
    // A deviation that reaches far down says nothing more, and would take all the room of a logarithmic axis.
    let low = |mean: f64, deviation: f64| {
        let low = mean - deviation;
        if positive { low.max(mean / MOST) } else { low }
    };
    let ends = points.flat_map(|point| [low(point.mean, point.deviation), point.mean + point.deviation]);
    ends.chain(threshold).collect()
}

/// What a setting does to a metric.
pub(super) fn effect(report: &Report, effect: &Effect, heights: &[f64]) -> String {
    let numbers: Option<Vec<f64>> = effect.curve.iter().map(|point| point.value.as_f64()).collect();
    let categories: Vec<String> = effect.curve.iter().map(|point| value(&point.value)).collect();
    let y = Axis::of(heights, SMALL.upwards(), 4, true);
    let setting = report.settings.iter().find(|setting| setting.name == effect.setting);
    let unit = setting.and_then(|setting| setting.unit.as_deref()).unwrap_or_default();
    let label = with_unit_name(last(&effect.setting), unit);
    let x = match &numbers {
        Some(numbers) => Axis::of(numbers, SMALL.across(), 6, false),
        None => Axis::of_categories(&categories, SMALL.across()),
    };
    let places: Vec<f64> = numbers.clone().unwrap_or_else(|| (0..effect.curve.len()).map(index).collect());
    let place = |wanted: &serde_json::Value| match &numbers {
        Some(_) => wanted.as_f64(),
        None => categories.iter().position(|known| *known == value(wanted)).map(index),
    };
    let mut plot = Plot::new(SMALL, x, y, &label);
    let curve = || places.iter().zip(&effect.curve);
    if effect.condition.is_some() || !report.objective.computed {
        let edges = curve().map(|(x, point)| (*x, point.mean - point.deviation, point.mean + point.deviation));
        plot.band(&edges.collect::<Vec<_>>());
    }
    if let Some(condition) = effect.condition.and_then(|index| report.conditions.get(index)) {
        plot.level("limit", condition.threshold);
    }
    if let Some(before) = setting.and_then(|setting| place(&setting.baseline)) {
        plot.upright("before", before);
    }
    if let Some(found) = report.result.as_ref().and_then(|result| place(result.settings.get(&effect.setting)?)) {
        plot.upright("found", found);
    }
    plot.line("curve", curve().map(|(x, point)| (*x, point.mean)));
    if curve().count() <= 12 {
        for (x, point) in curve() {
            let title = format!("{}: {} ± {}", value(&point.value), number(point.mean), number(point.deviation));
            plot.mark(Mark::Feasible, (*x, point.mean), &title);
        }
    }
    plot.finish(&format!("{} along {}", effect.metric, effect.setting))
}

fn index(at: usize) -> f64 {
    u32::try_from(at).map_or(f64::MAX, f64::from)
}
