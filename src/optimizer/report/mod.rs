//! The report of a campaign: what was tried and why, what was learned, what came of it.
//!
//! A [`Report`] is plain data that follows from a journal alone; its writers are [`Report::to_json`], [`markdown`] and
//! [`html`]. [`patch`] turns the winner into files that change a workload. Pure: nothing here reads, writes or applies.

mod build;
pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod patch;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::embedded::{Difference, Left, Outcome, Prediction, Purpose, Settings, Stop, Verdict};

pub(crate) use text::{number, settings as settings_text, value as value_text, verdict_of as verdict_text};

/// What a cost is in; prices have no currency.
const COST_UNIT: &str = "per hour";

/// A campaign for readers. Its keys are stable: later versions add some, and neither remove nor rename any.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
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
    /// The SLOs that the baseline violates on average.
    pub baseline_violations: Vec<Violation>,
    /// How many trials it may have.
    pub budget: usize,
    pub objective: ObjectiveReport,
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

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ObjectiveReport {
    pub name: String,
    /// The unit, for people; empty when none is known.
    pub unit: String,
    pub maximize: bool,
    /// Whether it is computed from the settings rather than measured.
    pub computed: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Violation {
    pub metric: String,
    /// The mean of the baseline's readings.
    pub value: f64,
    /// What it is compared with.
    pub threshold: f64,
    /// For people; empty if none is known.
    pub unit: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Condition {
    pub text: String,
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
pub(crate) struct Setting {
    pub name: String,
    pub unit: Option<String>,
    pub baseline: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TrialReport {
    pub number: usize,
    /// Why there was a trial.
    pub purpose: Purpose,
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
    pub outcome: Outcome,
    /// When it began, as RFC 3339.
    pub began: String,
    pub ended: String,
}

/// What was read for a condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct ConditionReading {
    pub value: f64,
    /// What it is compared with.
    pub threshold: f64,
    pub holds: bool,
}

/// A point of the front.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FrontPoint {
    pub settings: Settings,
    /// The objective that the model expects.
    pub objective: f64,
    /// The expected margin of the tightest condition, as a share of its threshold.
    pub margin: f64,
}

/// What a setting does to a metric, averaged over all other settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Effect {
    pub setting: String,
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
pub(crate) struct CurvePoint {
    /// The value of the setting.
    pub value: Value,
    /// The expected value of the metric.
    pub mean: f64,
    pub deviation: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ResultReport {
    pub settings: Settings,
    /// Whether they are the baseline settings.
    pub is_baseline: bool,
    /// Whether the verdict is that they are confirmed.
    pub confirmed: bool,
    /// What the confirmation says of them; `None` for the baseline, of which there is nothing to confirm.
    pub verdict: Option<Verdict>,
    /// How the price of an hour differs from the baseline's.
    pub cost: Difference,
    /// By how much a month of 730 hours is cheaper; negative if it is dearer.
    pub savings_per_month: f64,
    /// How the objective differs from that of the baseline.
    pub objective: Option<Difference>,
    /// How the metrics of the conditions differ.
    pub metrics: BTreeMap<String, Difference>,
    /// The settings that differ from the baseline.
    pub changes: Vec<Change>,
}

/// A setting that is to be changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    pub setting: String,
    pub from: Value,
    pub to: Value,
    pub unit: Option<String>,
}

impl Report {
    /// Whether everything was tried and nothing found; a search that stopped for want of readings goes on.
    fn is_over_without_result(&self) -> bool {
        self.ended.is_some() && self.result.is_none() && self.stop != Some(Stop::NotMeasured)
    }

    /// As indented JSON that ends with a line break.
    pub(crate) fn to_json(&self) -> String {
        // Texts, numbers and maps with text keys: none of them can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
