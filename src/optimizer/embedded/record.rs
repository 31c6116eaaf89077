//! What a campaign writes down, one line each: its definition, every trial, its end.
//!
//! Together these are a whole campaign: what to do next follows from them, and a report needs nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::search;
use super::statistics::Difference;
use super::tunable::{Settings, Tunable};

/// The form of a journal; changes when old ones can no longer be read.
pub(super) const FORMAT: u32 = 2;

/// The version of the search; changes when it would go on from an older journal in another way than that one began.
pub(super) const SEARCH: u32 = 2;

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
    /// Settings with their values of before.
    pub settings: Vec<Tunable>,
    /// Metrics that are measured, with their units.
    pub metrics: BTreeMap<String, String>,
    /// What is optimized and how, as it is configured.
    pub campaign: Value,
}

impl Header {
    /// What differs between the campaign of a journal, which this is of, and the one that is asked for, as a sentence;
    /// `None` when nothing does.
    pub(super) fn difference(&self, asked: &Self) -> Option<String> {
        let mut differing = Vec::new();
        if self.id != asked.id {
            differing.push(format!("the optimizer ('{}' there, '{}' here)", self.id, asked.id));
        }
        for (key, value) in asked.campaign.as_object().into_iter().flatten() {
            let there = self.campaign.get(key).unwrap_or(&Value::Null);
            if there != value {
                differing.push(format!("{key} ({there} there, {value} here)"));
            }
        }
        differing.extend(self.differing_settings(asked));
        (!differing.is_empty()).then(|| differing.join(", "))
    }

    /// Values do not count: an interrupted campaign has changed them.
    fn differing_settings(&self, asked: &Self) -> Vec<String> {
        let mut differing = Vec::new();
        for tunable in &asked.settings {
            let name = tunable.name();
            match self.settings.iter().find(|there| there.name() == name) {
                None => differing.push(format!("setting '{name}' (only here)")),
                Some(there) if there.domain != tunable.domain => {
                    differing.push(format!(
                        "the range of setting '{name}' ({:?} there, {:?} here)",
                        there.domain, tunable.domain
                    ));
                }
                Some(there) if tunable.is_pinned() && there.value != tunable.value => {
                    differing
                        .push(format!("the pinned setting '{name}' ({} there, {} here)", there.value, tunable.value));
                }
                Some(_) => {}
            }
        }
        let is_gone = |there: &&Tunable| asked.settings.iter().all(|here| here.name() != there.name());
        differing.extend(
            self.settings.iter().filter(is_gone).map(|there| format!("setting '{}' (only there)", there.name())),
        );
        differing
    }
}

/// Why a trial was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To know how it was before, and how noisy.
    Baseline,
    Search,
    /// To confirm what was found: the winner and the baseline in turns.
    Confirmation,
}

impl Purpose {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Search => "search",
            Self::Confirmation => "confirmation",
        }
    }
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
}

/// What a model expects of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forecast {
    /// Of the objective, negated when it is maximized.
    pub objective: Option<Prediction>,
    /// Of the service level objectives, in their order.
    pub constraints: Vec<Option<Prediction>>,
    /// That all of them hold.
    pub probability_feasible: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prediction {
    pub mean: f64,
    pub deviation: f64,
}

impl Prediction {
    /// JSON has no word for what is not finite.
    fn of(prediction: search::Prediction) -> Option<Self> {
        let search::Prediction { mean, deviation } = prediction;
        (mean.is_finite() && deviation.is_finite()).then_some(Self { mean, deviation })
    }
}

impl From<search::Forecast> for Forecast {
    fn from(forecast: search::Forecast) -> Self {
        Self {
            objective: forecast.objective.and_then(Prediction::of),
            constraints: forecast.constraints.into_iter().map(|of| of.and_then(Prediction::of)).collect(),
            probability_feasible: Some(forecast.probability_feasible).filter(|share| share.is_finite()),
        }
    }
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
}

/// Why the search is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    /// The budget is used up.
    Budget,
    /// Nothing better is to be expected.
    NoImprovement,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    /// Why the search is over.
    pub stop: Stop,
    /// The best settings; none when none is known that keeps the objectives.
    pub winner: Option<Winner>,
    /// When it was over, as RFC 3339.
    pub ended: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Winner {
    /// The values of what may be changed.
    pub settings: Settings,
    /// Whether they are those of before.
    pub is_baseline: bool,
    /// Whether measurements beside the baseline's have shown that they keep all objectives.
    pub confirmed: bool,
    /// What the model expects of them.
    pub forecast: Option<Forecast>,
    /// How the objective differs from that of before.
    pub objective: Option<Difference>,
    /// How the metrics of the service level objectives differ.
    pub metrics: BTreeMap<String, Difference>,
}

/// What the application is left with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub settings: Settings,
    /// What went wrong when they were to be set.
    pub problem: Option<String>,
}
