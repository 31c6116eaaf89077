//! The report of a campaign: what was tried and why, what was learned, what came of it.
//!
//! A [`Report`] is plain data that follows from a journal alone; its writers are [`Report::to_json`], [`markdown`] and
//! [`html`]. [`patch`] turns the winner into files that change a workload. Pure: nothing here reads, writes or applies.

mod build;
pub mod html;
pub mod markdown;
pub mod patch;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::embedded::{Difference, Left, Outcome, Prediction, Purpose, Settings, Stop};

pub use text::{number, settings as settings_text, value as value_text};

/// A campaign for readers. Its keys are stable: later versions add some, and neither remove nor rename any.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The id of the optimizer.
    pub optimizer: String,
    /// The version of the program that began the campaign.
    pub version: String,
    /// When it began, as RFC 3339.
    pub began: String,
    /// When its search was over; `None` while it is not.
    pub ended: Option<String>,
    /// Why its search is over.
    pub stop: Option<Stop>,
    /// How many trials it may have.
    pub budget: usize,
    /// What is optimized.
    pub objective: Goal,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// The settings that may be changed.
    pub settings: Vec<Setting>,
    /// Components in which nothing may be changed.
    pub pinned: Vec<String>,
    /// The trials that are over.
    pub trials: Vec<TrialReport>,
    /// The number of the best feasible trial, by its single reading.
    pub best: Option<usize>,
    /// The tried settings that no other one beats in both the objective and the tightest margin, as the model sees them.
    pub front: Vec<FrontPoint>,
    /// What each setting does to each metric, as the model sees it.
    pub effects: Vec<Effect>,
    /// The result; `None` while there is none, and when nothing keeps the conditions.
    pub result: Option<ResultReport>,
    /// What the application was left with.
    pub left: Option<Left>,
}

/// What is optimized.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Goal {
    /// `cost`, or a metric.
    pub name: String,
    /// The unit, for people; empty when none is known.
    pub unit: String,
    /// Whether more is better.
    pub maximize: bool,
    /// Whether it is computed from the settings rather than measured.
    pub computed: bool,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Condition {
    /// In words.
    pub text: String,
    /// The metric.
    pub metric: String,
    /// Its unit, for people; empty when none is known.
    pub unit: String,
    /// Whether the metric must be below the threshold, rather than above.
    pub keep_below: bool,
    /// The threshold; 1 when `relative`.
    pub threshold: f64,
    /// The metric whose value is the threshold, where that is so: readings are then shares of it.
    pub relative: Option<String>,
}

/// A setting that may be changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// `component.setting`.
    pub name: String,
    /// The unit, for people.
    pub unit: Option<String>,
    /// The value of before.
    pub baseline: Value,
}

/// A trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialReport {
    /// Counts from 1.
    pub number: usize,
    /// Why there was a trial.
    pub purpose: Purpose,
    /// What was tried.
    pub settings: Settings,
    /// Its price of an hour.
    pub cost: f64,
    /// The objective; `None` when it was not measured.
    pub objective: Option<f64>,
    /// Whether it was measured and kept all conditions.
    pub feasible: bool,
    /// The objective of the best feasible trial up to this one.
    pub best_so_far: Option<f64>,
    /// How far the reading of the tightest condition is within its threshold, as a share of it; negative when violated.
    pub margin: Option<f64>,
    /// Each condition's reading with whether it holds, in their order; `None` without a reading.
    pub readings: Vec<Option<ConditionReading>>,
    /// Why these settings, for people.
    pub why: String,
    /// What the model expected of the conditions, in their order and units.
    pub expected: Vec<Option<Prediction>>,
    /// What the model expected of the objective.
    pub expected_objective: Option<Prediction>,
    /// How probable it was that all conditions hold.
    pub probability_feasible: Option<f64>,
    /// By how much it was expected to be better than the best one known, in the unit of the objective.
    pub expected_improvement: Option<f64>,
    /// All of that in a sentence.
    pub explanation: String,
    /// What came of it.
    pub outcome: Outcome,
    /// When it began, as RFC 3339.
    pub began: String,
    /// When it was over.
    pub ended: String,
}

/// What was read for a condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConditionReading {
    /// The value.
    pub value: f64,
    /// What it is compared with.
    pub threshold: f64,
    /// Whether the condition holds.
    pub holds: bool,
}

/// A point of the front.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrontPoint {
    /// Settings that were tried.
    pub settings: Settings,
    /// The objective that the model expects.
    pub objective: f64,
    /// The expected margin of the tightest condition, as a share of its threshold.
    pub margin: f64,
}

/// What a setting does to a metric, averaged over all other settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// `component.setting`.
    pub setting: String,
    /// The metric, or `cost`.
    pub metric: String,
    /// The condition that it is of, as an index; `None` for the objective.
    pub condition: Option<usize>,
    /// The setting's share of what all settings do; `None` for what is computed.
    pub share: Option<f64>,
    /// The metric along the setting.
    pub curve: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The value of the setting.
    pub value: Value,
    /// The expected value of the metric.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultReport {
    /// The best settings.
    pub settings: Settings,
    /// Whether they are those of before.
    pub is_baseline: bool,
    /// Whether measurements beside the baseline's have shown that they keep all conditions.
    pub confirmed: bool,
    /// How the objective differs from that of before.
    pub objective: Option<Difference>,
    /// How the metrics of the conditions differ.
    pub metrics: BTreeMap<String, Difference>,
    /// The settings that differ from those of before.
    pub changes: Vec<Change>,
}

/// A setting that is to be changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// `component.setting`.
    pub setting: String,
    /// The value of before.
    pub from: Value,
    /// The value to apply.
    pub to: Value,
    /// The unit, for people.
    pub unit: Option<String>,
}

impl Report {
    /// As indented JSON that ends with a line break.
    pub fn to_json(&self) -> String {
        // Texts, numbers and maps with text keys: none of them can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
