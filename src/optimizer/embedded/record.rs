//! What a campaign writes down, one line each: its definition, every trial, its end.
//!
//! Together these are a whole campaign: what to do next follows from them, and a report needs nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::phases::{Purpose, Stop, Verdict};
use super::search::Forecast;
use super::statistics::Difference;
use super::tunable::{Settings, Tunable};

/// The form of a journal; changes when old ones can no longer be read.
pub(super) const FORMAT: u32 = 2;

/// The version of the search; changes when it would go on from an older journal in another way than that one began.
pub(super) const SEARCH: u32 = 3;

/// The version of the search of journals that do not name it.
fn first_search() -> u32 {
    1
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
    Header(Box<Header>),
    /// A trial that is over.
    Trial(Box<Trial>),
    End(Box<End>),
    /// The application has the settings that it is left with.
    Left(Left),
    /// The campaign goes on with a changed configuration, or after an end that was not final.
    Continued(Box<Continued>),
}

/// From where on another configuration counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Continued {
    /// When, as RFC 3339.
    pub began: String,
    /// What is optimized and how, as it is configured now.
    pub campaign: Value,
    /// The settings with their changed ranges; `None` if they are as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Vec<Tunable>>,
}

/// What the campaign is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The number of the format of the file.
    pub format: u32,
    /// The version of the search that chooses the trials.
    #[serde(default = "first_search")]
    pub search: u32,
    /// The version of the program that began it.
    pub version: String,
    /// When it began, as RFC 3339.
    pub began: String,
    pub id: String,
    /// Settings with their baseline values.
    pub settings: Vec<Tunable>,
    /// Metrics that are measured, with their units.
    pub metrics: BTreeMap<String, String>,
    /// What is optimized and how, as it is configured.
    pub campaign: Value,
}

impl Header {
    /// Compares the campaign of a journal, whose header this is, with the one that is asked for.
    pub(super) fn compare(&self, asked: &Self) -> Comparison {
        if self.id != asked.id {
            return Comparison::Other(format!("the optimizer ('{}' there, '{}' here)", self.id, asked.id));
        }
        let mut is_changed = false;
        for (key, value) in asked.campaign.as_object().into_iter().flatten() {
            let there = self.campaign.get(key);
            // A key that an older program did not know changes nothing that was measured.
            let is_fixed = FIXED.contains(&key.as_str());
            match there {
                Some(there) if there != value && is_fixed => {
                    return Comparison::Other(format!("{key} ({there} there, {value} here)"));
                }
                Some(there) => is_changed |= there != value,
                None => is_changed = true,
            }
        }
        match self.differing_settings(asked) {
            (Some(difference), _) => Comparison::Other(difference),
            (None, is_range_changed) if is_changed || is_range_changed => Comparison::Changed,
            (None, _) => Comparison::Same,
        }
    }

    /// The settings with the ranges that are asked for, and their baseline values.
    pub(super) fn with_ranges(&self, asked: &Self) -> Vec<Tunable> {
        let domain = |there: &Tunable| asked.settings.iter().find(|here| here.name() == there.name());
        let with = |there: &Tunable| {
            let domain = domain(there).map_or_else(|| there.domain.clone(), |here| here.domain.clone());
            Tunable { domain, ..there.clone() }
        };
        self.settings.iter().map(with).collect()
    }

    /// The first difference that no campaign can be continued over, and whether a range has changed. Values do not count:
    /// an interrupted campaign has changed them.
    fn differing_settings(&self, asked: &Self) -> (Option<String>, bool) {
        let mut is_range_changed = false;
        for tunable in &asked.settings {
            let name = tunable.name();
            let Some(there) = self.settings.iter().find(|there| there.name() == name) else {
                return (Some(format!("setting '{name}' (only here)")), false);
            };
            if there.is_pinned() != tunable.is_pinned() {
                let where_pinned = if tunable.is_pinned() { "here" } else { "there" };
                return (Some(format!("setting '{name}' (pinned {where_pinned} only)")), false);
            }
            if tunable.is_pinned() && there.value != tunable.value {
                let difference = format!("the pinned setting '{name}' ({} there, {} here)", there.value, tunable.value);
                return (Some(difference), false);
            }
            is_range_changed |= there.domain != tunable.domain;
        }
        let is_gone = |there: &&Tunable| asked.settings.iter().all(|here| here.name() != there.name());
        let gone = self.settings.iter().find(is_gone);
        (gone.map(|there| format!("setting '{}' (only there)", there.name())), is_range_changed)
    }
}

/// The keys of a configuration that decide what was measured, and how the next trial is chosen.
const FIXED: [&str; 4] = ["objective", "measure", "algorithm", "seed"];

/// How the campaign of a journal and the one that is asked for compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comparison {
    Same,
    /// They differ in what is computed from the measurements: the journal goes on.
    Changed,
    /// In what they differ that what was measured does not hold for.
    Other(String),
}

/// What is about to be tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub number: usize,
    pub purpose: Purpose,
    /// The values of what may be changed.
    pub settings: Settings,
    /// Their price of an hour.
    pub cost: f64,
    pub why: String,
    /// What the model expected; none without a model.
    pub forecast: Option<Forecast>,
    /// How much better than the best one known it was expected to be, in the unit of the objective.
    pub expected_improvement: Option<f64>,
    /// The expected improvement of the best setting that was not measured, as a share of the incumbent's objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub potential: Option<f64>,
}

/// A trial that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trial {
    #[serde(flatten)]
    pub plan: Plan,
    pub outcome: Outcome,
    /// When it began, as RFC 3339.
    pub began: String,
    pub ended: String,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was measured to its end.
    Measured {
        /// The value of each metric.
        metrics: BTreeMap<String, f64>,
    },
    /// The application refused it, something failed, or it was ended for the sake of an objective.
    Infeasible {
        during: String,
        /// The word of the agent, such as `rejected`.
        word: String,
        /// Its reason for programs, such as `unstable`.
        reason: Option<String>,
        /// What it says to people.
        message: String,
    },
    /// It says nothing about the settings: they were not live, or could not be measured.
    Void {
        /// `not-applied`, `overwritten` or `not-measured`.
        reason: String,
        message: String,
        /// How often it was tried.
        attempts: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    /// Why the search is over.
    pub stop: Stop,
    /// The recommended settings; `None` if none are known that keep the SLOs.
    pub winner: Option<Winner>,
    /// What made a search end that could not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it was over, as RFC 3339.
    pub ended: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Winner {
    /// The values of what may be changed.
    pub settings: Settings,
    /// Whether they are the baseline settings.
    pub is_baseline: bool,
    /// Whether the verdict is that they are confirmed.
    pub confirmed: bool,
    /// What the confirmation says of them; `None` for the baseline, of which there is nothing to confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What the model expects of them.
    pub forecast: Option<Forecast>,
    /// How the objective differs from the baseline's.
    pub objective: Option<Difference>,
    /// How the metrics of the SLOs differ.
    pub metrics: BTreeMap<String, Difference>,
}

/// What the application is left with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub settings: Settings,
    /// What went wrong when they were to be set.
    pub problem: Option<String>,
}
