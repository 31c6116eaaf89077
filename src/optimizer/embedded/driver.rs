//! Drives a campaign with one agent: which command is next, and what its result means.
//!
//! What is decided follows from the journal; beyond that a driver only knows what happened since the agent last said
//! hello. A command that the agent did not answer is given again, and the settings of a trial in flight are set again,
//! as their state is unknown. Nothing is handed out before the entry that it follows from is on the disk.

use std::collections::BTreeMap;
use std::path::Path;

use super::campaign::{Campaign, Next, ReplayError};
use super::error::CampaignError;
use super::journal::Journal;
use super::record::{Entry, FORMAT, Header, Left, Outcome, Plan, Purpose, SEARCH, Trial};
use super::tell;
use super::tunable::{self, Settings};
use super::values;
use crate::config::{CampaignConfig, Objective};
use crate::types::{
    Command, CommandResult, Control, Description, Duration, Instruction, Operation, SloInput, Status, StatusWord, Task,
    UserData,
};

/// How long an agent waits before it tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// How long it waits when the optimization is over.
const IDLE_PAUSE: Duration = Duration::from_secs(600);

/// How often measuring the baseline is tried again, with pauses: about as long as other requests are repeated.
const BASELINE_TRIES: u32 = 10;

/// How long the baseline settings are watched once an agent that stops has put them back.
const RESTORE_SETTLEMENT: Duration = Duration::from_secs(1);

/// The state of a campaign, for views of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// The campaign, once the application is described.
    pub campaign: Option<Campaign>,
    /// The trial in progress.
    pub plan: Option<Plan>,
    /// The command of it that the agent is executing.
    pub doing: Option<Operation>,
}

/// A command that is not answered yet.
#[derive(Debug, Clone, PartialEq)]
enum Pending {
    Describe,
    Adjust(Settings),
    Measure,
    Sleep(Duration, &'static str),
}

/// What the pending command is for.
#[derive(Debug, Clone)]
enum Work {
    Try { plan: Box<Plan>, began: String },
    ApplyFinal(Settings),
}

#[derive(Debug)]
pub(crate) struct Driver {
    id: String,
    config: CampaignConfig,
    journal: Journal,
    campaign: Option<Campaign>,
    /// Whether the agent has described the application since it said hello.
    is_described: bool,
    /// The settings that the application is known to have.
    live: Option<Settings>,
    work: Option<Work>,
    pending: Option<Pending>,
    /// How often in a row measuring the baseline has failed.
    failures: u32,
}

impl Driver {
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
        let (is_described, live, work, pending) = (false, None, None, None);
        Ok(Self { id, config, journal, campaign, is_described, live, work, pending, failures: 0 })
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
        let doing = match &self.pending {
            Some(Pending::Describe) => Some(Operation::Description),
            Some(Pending::Adjust(_)) => Some(Operation::Adjustment),
            Some(Pending::Measure) => Some(Operation::Measurement),
            Some(Pending::Sleep(..)) | None => None,
        };
        Snapshot { campaign: self.campaign.clone(), plan, doing }
    }

    /// The agent begins anew: whatever it was asked to do before is forgotten.
    pub(crate) fn hello(&mut self) {
        self.is_described = false;
        self.live = None;
        self.work = None;
        self.pending = None;
    }

    /// The next command; the same one until it is answered. May take as long as a suggestion.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn next_command(&mut self) -> Result<Command, CampaignError> {
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => self.choose()?,
        };
        let instruction = self.instruction(&pending);
        // A sleep is not answered: it is over once it was given.
        self.pending = Some(pending).filter(|pending| !matches!(pending, Pending::Sleep(..)));
        Ok(Command { uid: None, instruction })
    }

    /// The command that puts the baseline settings back, for an agent that stops; `None` if they are known to be live,
    /// and if the campaign is over. The agent is expected to begin anew after it.
    pub(crate) fn restore_command(&mut self) -> Option<Task> {
        let baseline = self.campaign.as_ref().filter(|_| self.is_described && !self.is_over())?.baseline().clone();
        let is_changing = matches!(self.pending, Some(Pending::Adjust(_)));
        let is_live = self.live.as_ref() == Some(&baseline);
        self.hello();
        // Setting them is enough: nobody measures them afterwards.
        let control = Control { settlement: Some(RESTORE_SETTLEMENT), ..Control::default() };
        (is_changing || !is_live).then(|| self.adjustment(&baseline, control))
    }

    /// Takes the result of the pending command. Returns whether a result of this kind was expected.
    ///
    /// # Errors
    /// The campaign cannot go on.
    pub(crate) fn complete(&mut self, result: CommandResult) -> Result<bool, CampaignError> {
        let expected = match &self.pending {
            Some(Pending::Describe) => Operation::Description,
            Some(Pending::Adjust(_)) => Operation::Adjustment,
            Some(Pending::Measure) => Operation::Measurement,
            Some(Pending::Sleep(..)) | None => return Ok(false),
        };
        if result.operation() != expected {
            return Ok(false);
        }
        let pending = self.pending.take();
        match (pending, result) {
            (_, CommandResult::Described(description)) => self.described(&description)?,
            (Some(Pending::Adjust(settings)), CommandResult::Adjusted(_)) => self.live = Some(settings),
            (_, CommandResult::Measured(measurement)) => {
                self.tried(Outcome::Measured { metrics: values::judged(&measurement, &self.config) })?;
            }
            (_, CommandResult::Failed { operation, status }) => self.failed(operation, status)?,
            (_, CommandResult::Adjusted(_)) => {}
        }
        Ok(true)
    }

    fn choose(&mut self) -> Result<Pending, CampaignError> {
        if !self.is_described {
            return Ok(Pending::Describe);
        }
        loop {
            let Some(campaign) = &self.campaign else { return Ok(Pending::Describe) };
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
                    Next::Leave(settings) => Work::ApplyFinal(settings),
                    Next::Nothing => return Ok(Pending::Sleep(IDLE_PAUSE, "the optimization is over")),
                },
            };
            let settings = match &work {
                Work::Try { plan, .. } => &plan.settings,
                Work::ApplyFinal(settings) => settings,
            };
            let is_live = self.live.as_ref() == Some(settings);
            if let (Work::ApplyFinal(settings), true) = (&work, is_live) {
                let left = Left { settings: settings.clone(), problem: None };
                self.write(Entry::Left(left))?;
                continue;
            }
            let pending = if is_live { Pending::Measure } else { Pending::Adjust(settings.clone()) };
            self.work = Some(work);
            return Ok(pending);
        }
    }

    fn instruction(&self, pending: &Pending) -> Instruction {
        let task = match pending {
            Pending::Describe => Task::Describe { control: Control::default() },
            Pending::Adjust(settings) => self.adjustment(settings, Control::default()),
            Pending::Measure => self.measurement(),
            Pending::Sleep(duration, reason) => {
                return Instruction::Sleep { duration: *duration, reason: (*reason).to_owned() };
            }
        };
        Instruction::Perform(Box::new(task))
    }

    fn adjustment(&self, settings: &Settings, control: Control) -> Task {
        let tunables = self.campaign.as_ref().map(|campaign| campaign.header().settings.as_slice()).unwrap_or_default();
        Task::Adjust { adjustments: tunable::adjustments(tunables, settings), control }
    }

    fn measurement(&self) -> Task {
        let metrics = self.campaign.iter().flat_map(|campaign| campaign.header().metrics.keys().cloned()).collect();
        let measure = &self.config.measure;
        // The baseline is measured to the end whatever it violates: everything else is compared with it.
        let is_baseline = self.live.as_ref() == self.campaign.as_ref().map(Campaign::baseline);
        let is_judged = !self.config.slo.is_empty() && !is_baseline;
        let slo = || SloInput { conditions: self.config.slo.clone() };
        let control = Control {
            duration: measure.duration,
            warmup: measure.warmup,
            userdata: is_judged.then(|| UserData { slo: Some(slo()), ..UserData::default() }),
            ..Control::default()
        };
        Task::Measure { metrics, control }
    }

    fn described(&mut self, description: &Description) -> Result<(), CampaignError> {
        let asked = Header {
            settings: tunable::read(description)?,
            metrics: metrics(description),
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

    fn failed(&mut self, operation: Operation, status: Status) -> Result<(), CampaignError> {
        let Status { word, message, reason } = status;
        let is_cancelled = word == StatusWord::Cancelled;
        let word = word.as_str().to_owned();
        if operation == Operation::Adjustment {
            self.live = None;
        }
        if operation == Operation::Description {
            tracing::warn!(word, message, "the application could not be described: asking again");
            self.pending = Some(Pending::Sleep(RETRY_PAUSE, "waiting to describe the application again"));
            return Ok(());
        }
        if is_cancelled {
            // The state of the settings is unknown, so the trial is made again.
            self.live = None;
            return Ok(());
        }
        match self.work.take() {
            Some(Work::ApplyFinal(settings)) => {
                tracing::error!(word, message, "the final settings could not be applied");
                self.write(Entry::Left(Left { settings, problem: Some(message) }))
            }
            Some(Work::Try { plan, began }) if plan.purpose == Purpose::Baseline => {
                self.failures += 1;
                if self.failures >= BASELINE_TRIES {
                    return Err(CampaignError::Baseline(format!("{word}: {message}")));
                }
                tracing::warn!(word, message, "the baseline could not be measured: trying again");
                self.work = Some(Work::Try { plan, began });
                self.pending = Some(Pending::Sleep(RETRY_PAUSE, "waiting to measure the baseline again"));
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

/// The metrics of a description with their units.
fn metrics(description: &Description) -> BTreeMap<String, String> {
    description.metrics.iter().map(|metric| (metric.name.clone(), metric.unit.as_str().to_owned())).collect()
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

#[cfg(test)]
mod tests;
