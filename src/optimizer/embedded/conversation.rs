//! A conversation with one agent about one campaign: which command is next, and what its result means.
//!
//! What is decided follows from the journal; what is known here besides is only what the agent has been told since it
//! last said hello. A command that an agent did not answer is given again, and the settings of a trial in flight are
//! set again, as nobody knows what became of them. Nothing is handed out before what it follows from is on the disk.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::campaign::{Campaign, Next, ReplayError};
use super::error::CampaignError;
use super::journal::Journal;
use super::record::{Entry, FORMAT, Header, Left, Outcome, Plan, Purpose, SEARCH, Trial};
use super::tell;
use super::tunable::{self, Settings};
use crate::config::{CampaignConfig, Objective};
use crate::types::Operation;

/// How long an agent waits before it tries again, in seconds.
const IDLE: u32 = 60;

/// How long it waits when all is done, in seconds.
const DONE: u32 = 600;

/// How often the settings of before are measured again, with pauses, when that fails: as long as other requests are
/// repeated.
const BASELINE_TRIES: u32 = 10;

/// How long the settings of before are watched once they are back, in seconds.
const PARTING_SETTLEMENT: u32 = 1;

/// What an agent says came of a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    Described(Value),
    /// The value of each metric.
    Measured(BTreeMap<String, f64>),
    Adjusted,
    Failed {
        operation: Operation,
        /// The word of the agent, such as `rejected`.
        word: String,
        reason: Option<String>,
        /// What it says to people.
        message: String,
    },
}

impl Report {
    fn operation(&self) -> Operation {
        match self {
            Self::Described(_) => Operation::Description,
            Self::Measured(_) => Operation::Measurement,
            Self::Adjusted => Operation::Adjustment,
            Self::Failed { operation, .. } => *operation,
        }
    }
}

/// What is going on, for those who watch.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The campaign, once the application is described.
    pub campaign: Option<Campaign>,
    pub plan: Option<Plan>,
    /// What the agent is doing about it.
    pub doing: Option<Operation>,
}

/// What is to be done, and was not answered yet.
#[derive(Debug, Clone, PartialEq)]
enum Order {
    Describe,
    Adjust(Settings),
    Measure,
    Sleep(u32, &'static str),
}

/// What the work in hand is for.
#[derive(Debug, Clone)]
enum Work {
    Try { plan: Box<Plan>, began: String },
    Leave(Settings),
}

#[derive(Debug)]
pub(crate) struct Conversation {
    id: String,
    config: CampaignConfig,
    journal: Journal,
    campaign: Option<Campaign>,
    /// Whether the agent has described the application since it said hello.
    is_described: bool,
    /// The settings that the application certainly has.
    live: Option<Settings>,
    work: Option<Work>,
    order: Option<Order>,
    /// How often in a row the settings of before could not be measured.
    failures: u32,
}

impl Conversation {
    /// Opens the journal and goes on with what is in it.
    ///
    /// # Errors
    /// The journal cannot be used, or belongs to another campaign.
    pub(crate) fn open(id: &str, config: &CampaignConfig, journal: &Path) -> Result<Self, CampaignError> {
        let (journal, entries) = Journal::open(journal)?;
        let path = || journal.path().to_owned();
        let replayed = (!entries.is_empty()).then(|| Campaign::replay(entries)).transpose();
        let campaign = replayed.map_err(|source| CampaignError::Replay { path: path(), source })?;
        if let Some(campaign) = &campaign {
            // Settings are compared once they are described.
            let asked = Header { settings: campaign.header().settings.clone(), ..header(id, config) };
            if let Some(difference) = campaign.header().difference(&asked) {
                return Err(CampaignError::Other { path: path(), difference });
            }
            if campaign.header().search != SEARCH && campaign.left().is_none() {
                let version = campaign.header().version.clone();
                return Err(CampaignError::Search { path: path(), version });
            }
        }
        let (id, config) = (id.to_owned(), config.clone());
        let (is_described, live, work, order) = (false, None, None, None);
        Ok(Self { id, config, journal, campaign, is_described, live, work, order, failures: 0 })
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_over(&self) -> bool {
        self.campaign.as_ref().is_some_and(|campaign| campaign.left().is_some())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let plan = match &self.work {
            Some(Work::Try { plan, .. }) => Some((**plan).clone()),
            _ => None,
        };
        let doing = match &self.order {
            Some(Order::Describe) => Some(Operation::Description),
            Some(Order::Adjust(_)) => Some(Operation::Adjustment),
            Some(Order::Measure) => Some(Operation::Measurement),
            Some(Order::Sleep(..)) | None => None,
        };
        Snapshot { campaign: self.campaign.clone(), plan, doing }
    }

    /// The agent begins anew: whatever it was told before is forgotten.
    pub(crate) fn hello(&mut self) {
        self.is_described = false;
        self.live = None;
        self.work = None;
        self.order = None;
    }

    /// The next command, as the protocol has it. The same one until it is answered. May take as long as a suggestion.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn next_command(&mut self) -> Result<Value, CampaignError> {
        let order = match self.order.take() {
            Some(order) => order,
            None => self.order()?,
        };
        let command = self.command(&order);
        // A sleep is not answered, and over once it was given.
        self.order = Some(order).filter(|order| !matches!(order, Order::Sleep(..)));
        Ok(command)
    }

    /// The command that puts the settings of before back, for an agent that stops; none where they certainly are, and
    /// where the campaign is over. The conversation begins anew after it.
    pub(crate) fn parting(&mut self) -> Option<Value> {
        let baseline = self.campaign.as_ref().filter(|_| self.is_described && !self.is_over())?.baseline().clone();
        let is_changing = matches!(self.order, Some(Order::Adjust(_)));
        let is_live = self.live.as_ref() == Some(&baseline);
        self.hello();
        (is_changing || !is_live).then(|| {
            let mut command = self.command(&Order::Adjust(baseline));
            // It is enough that they are there: nobody looks at them afterwards.
            command["param"]["control"]["settlement"] = json!(PARTING_SETTLEMENT);
            command
        })
    }

    /// Takes the result of the command in hand. Says whether there was one for it.
    ///
    /// # Errors
    /// The campaign cannot go on.
    pub(crate) fn complete(&mut self, report: Report) -> Result<bool, CampaignError> {
        let is_expected = match &self.order {
            Some(Order::Describe) => report.operation() == Operation::Description,
            Some(Order::Adjust(_)) => report.operation() == Operation::Adjustment,
            Some(Order::Measure) => report.operation() == Operation::Measurement,
            Some(Order::Sleep(..)) | None => false,
        };
        if !is_expected {
            return Ok(false);
        }
        let order = self.order.take();
        match (order, report) {
            (_, Report::Described(descriptor)) => self.described(&descriptor)?,
            (Some(Order::Adjust(settings)), Report::Adjusted) => self.live = Some(settings),
            (_, Report::Measured(metrics)) => self.tried(Outcome::Measured { metrics })?,
            (_, Report::Failed { operation, word, reason, message }) => {
                self.failed(operation, word, reason, message)?;
            }
            (_, Report::Adjusted) => {}
        }
        Ok(true)
    }

    fn order(&mut self) -> Result<Order, CampaignError> {
        if !self.is_described {
            return Ok(Order::Describe);
        }
        loop {
            let Some(campaign) = &self.campaign else { return Ok(Order::Describe) };
            let work = match self.work.take() {
                Some(work) => work,
                None => match campaign.next(&now()) {
                    Next::Try(plan) => {
                        tell::plan(&plan, campaign.budget());
                        Work::Try { plan, began: now() }
                    }
                    Next::Finish(end) => {
                        self.write(Entry::End(end))?;
                        continue;
                    }
                    Next::Leave(settings) => Work::Leave(settings),
                    Next::Nothing => return Ok(Order::Sleep(DONE, "the optimization is over")),
                },
            };
            let settings = match &work {
                Work::Try { plan, .. } => &plan.settings,
                Work::Leave(settings) => settings,
            };
            let is_live = self.live.as_ref() == Some(settings);
            if let (Work::Leave(settings), true) = (&work, is_live) {
                let left = Left { settings: settings.clone(), problem: None };
                self.write(Entry::Left(left))?;
                continue;
            }
            let order = if is_live { Order::Measure } else { Order::Adjust(settings.clone()) };
            self.work = Some(work);
            return Ok(order);
        }
    }

    fn command(&self, order: &Order) -> Value {
        match order {
            Order::Describe => json!({ "cmd": "DESCRIBE", "param": {} }),
            Order::Adjust(settings) => json!({ "cmd": "ADJUST", "param": state(settings) }),
            Order::Measure => json!({ "cmd": "MEASURE", "param": self.measurement() }),
            Order::Sleep(seconds, reason) => json!({
                "cmd": "SLEEP",
                "param": { "duration": seconds, "data": { "reason": reason } },
            }),
        }
    }

    fn measurement(&self) -> Value {
        let metrics: Vec<&String> =
            self.campaign.iter().flat_map(|campaign| campaign.header().metrics.keys()).collect();
        let measure = &self.config.measure;
        let mut control = json!({
            "duration": measure.duration.as_secs_f64(),
            "warmup": measure.warmup.as_secs_f64(),
            "delay": 0,
        });
        // The settings of before are measured to the end whatever they violate: they are what is compared with.
        let is_baseline = self.live.as_ref() == self.campaign.as_ref().map(Campaign::baseline);
        if !self.config.slo.is_empty() && !is_baseline {
            control["userdata"] = json!({ "slo": self.config.slo_json() });
        }
        json!({ "metrics": metrics, "control": control })
    }

    fn described(&mut self, descriptor: &Value) -> Result<(), CampaignError> {
        let asked = Header {
            settings: tunable::read(descriptor)?,
            metrics: metrics(descriptor),
            ..header(&self.id, &self.config)
        };
        check_metrics(&self.config, &asked.metrics)?;
        if let Some(campaign) = &self.campaign {
            if let Some(difference) = campaign.header().difference(&asked) {
                return Err(CampaignError::Other { path: self.journal.path().to_owned(), difference });
            }
        } else {
            self.live = Some(tunable::baseline(&asked.settings));
            let path = self.journal.path().to_owned();
            let campaign = Campaign::new(asked.clone());
            self.campaign = Some(campaign.map_err(|source| CampaignError::Replay { path, source })?);
            self.journal.append(&Entry::Header(Box::new(asked)))?;
        }
        self.is_described = true;
        Ok(())
    }

    fn failed(
        &mut self,
        operation: Operation,
        word: String,
        reason: Option<String>,
        message: String,
    ) -> Result<(), CampaignError> {
        if operation == Operation::Adjustment {
            self.live = None;
        }
        if operation == Operation::Description {
            tracing::warn!(word, message, "the application could not be described: asking again");
            self.order = Some(Order::Sleep(IDLE, "waiting to describe the application again"));
            return Ok(());
        }
        if word == "cancelled" {
            // Nothing is known of the settings, so that the trial is made again.
            self.live = None;
            return Ok(());
        }
        match self.work.take() {
            Some(Work::Leave(settings)) => {
                tracing::error!(word, message, "the application could not be given the settings that it is left with");
                self.write(Entry::Left(Left { settings, problem: Some(message) }))
            }
            Some(Work::Try { plan, began }) if plan.purpose == Purpose::Baseline => {
                self.failures += 1;
                if self.failures >= BASELINE_TRIES {
                    return Err(CampaignError::Baseline(format!("{word}: {message}")));
                }
                tracing::warn!(word, message, "the settings of before could not be measured: trying again");
                self.work = Some(Work::Try { plan, began });
                self.order = Some(Order::Sleep(IDLE, "waiting to measure the settings of before again"));
                Ok(())
            }
            unfinished => {
                self.work = unfinished;
                let during = if operation == Operation::Adjustment { "adjustment" } else { "measurement" }.to_owned();
                self.tried(Outcome::Infeasible { during, word, reason, message })
            }
        }
    }

    fn tried(&mut self, outcome: Outcome) -> Result<(), CampaignError> {
        let Some(Work::Try { plan, began }) = self.work.take() else { return Ok(()) };
        self.failures = 0;
        tell::outcome(plan.number, &outcome);
        self.write(Entry::Trial(Box::new(Trial { plan: *plan, outcome, began, ended: now() })))
    }

    /// Writes an entry down, and acts on it only then.
    fn write(&mut self, entry: Entry) -> Result<(), CampaignError> {
        self.journal.append(&entry)?;
        tell::entry(&entry, self.journal.path());
        let added = self.campaign.as_mut().map_or(Ok(()), |campaign| campaign.add(entry));
        let path = self.journal.path().to_owned();
        added.map_err(|problem| CampaignError::Replay { path, source: ReplayError::Order { line: 0, problem } })
    }
}

fn header(id: &str, config: &CampaignConfig) -> Header {
    Header {
        format: FORMAT,
        search: SEARCH,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        began: now(),
        id: id.to_owned(),
        settings: Vec::new(),
        metrics: BTreeMap::new(),
        campaign: config.to_json(),
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// The metrics of a descriptor with their units.
fn metrics(descriptor: &Value) -> BTreeMap<String, String> {
    let metrics = descriptor["measurement"]["metrics"].as_object().into_iter().flatten();
    metrics.map(|(name, of)| (name.clone(), of["unit"].as_str().unwrap_or_default().to_owned())).collect()
}

fn check_metrics(config: &CampaignConfig, measured: &BTreeMap<String, String>) -> Result<(), CampaignError> {
    let objective = match &config.objective {
        Objective::Cost => None,
        Objective::Minimize(metric) | Objective::Maximize(metric) => Some(metric),
    };
    let of_conditions =
        config.slo.iter().flat_map(|condition| [Some(&condition.metric), condition.threshold_metric.as_ref()]);
    let mut wanted = objective.into_iter().chain(of_conditions.flatten());
    match wanted.find(|metric| !measured.contains_key(*metric)) {
        Some(metric) => {
            Err(CampaignError::Metric { metric: metric.clone(), measured: measured.keys().cloned().collect() })
        }
        None => Ok(()),
    }
}

/// The parameters of an ADJUST.
fn state(settings: &Settings) -> Value {
    let mut components: Map<String, Value> = Map::new();
    for (name, value) in settings {
        // Names of settings may have dots, those of components not.
        let Some((component, setting)) = name.split_once('.') else { continue };
        let component = components.entry(component.to_owned()).or_insert_with(|| json!({ "settings": {} }));
        component["settings"][setting] = json!({ "value": value });
    }
    json!({ "state": { "application": { "components": components } }, "control": {} })
}

#[cfg(test)]
mod tests;
