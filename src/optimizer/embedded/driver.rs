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
use super::phases::{Purpose, Stop};
use super::record::{Comparison, Continued, Entry, FORMAT, Header, Left, Outcome, Plan, SEARCH, Trial};
use super::tell;
use super::tunable::{self, Settings};
use super::values;
use crate::config::{CampaignConfig, Objective};
use crate::connector::{NOT_APPLIED, NOT_MEASURED, OVERWRITTEN};
use crate::types::{
    Adjustment, Command, CommandResult, Control, Description, Duration, Instruction, Mismatch, Operation, SloInput,
    Status, StatusWord, Task, UserData,
};

/// How long an agent waits before it tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// How long it waits when the optimization is over.
const IDLE_PAUSE: Duration = Duration::from_secs(600);

/// How often measuring the baseline is tried again, with pauses: about as long as other requests are repeated.
const BASELINE_TRIES: u32 = 10;

/// How often a trial that says nothing about its settings is tried.
const VOID_TRIES: u32 = 2;

/// The longest pause before it is tried again; it is as long as the measurement otherwise.
const LONGEST_VOID_PAUSE: Duration = Duration::from_secs(60);

/// How often the settings that the application is left with are tried: with the pauses in between for ten minutes.
const FINAL_TRIES: u32 = 8;

/// The pause in seconds after the first such try that fails; each one is twice as long as the one before.
const FINAL_PAUSE_SECONDS: i64 = 5;

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
    Try(Box<Attempt>),
    ApplyFinal {
        settings: Settings,
        /// Why each try so far has failed.
        problems: Vec<String>,
    },
}

/// A trial in progress.
#[derive(Debug, Clone)]
struct Attempt {
    plan: Plan,
    began: String,
    /// How often it was tried in vain.
    void: u32,
    /// What was measured, until it is known that the settings are still live.
    measured: Option<BTreeMap<String, f64>>,
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
    /// The settings that were applied, until they are seen in a description.
    unverified: Option<Settings>,
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
        let mut driver = Self {
            id: id.to_owned(),
            config: config.clone(),
            journal,
            campaign,
            is_described: false,
            live: None,
            unverified: None,
            work: None,
            pending: None,
            failures: 0,
        };
        driver.compare(|campaign| campaign.header().settings.clone())?;
        Ok(driver)
    }

    /// Compares the campaign of the journal with the one that is asked for, and continues it where that is possible.
    fn compare(&mut self, settings: impl FnOnce(&Campaign) -> Vec<tunable::Tunable>) -> Result<(), CampaignError> {
        let Some(campaign) = &self.campaign else { return Ok(()) };
        let path = || self.journal.path().to_owned();
        let asked = Header { settings: settings(campaign), ..header(&self.id, &self.config) };
        let has_ended_early = campaign.end().is_some_and(|end| end.stop == Stop::NotMeasured) && !self.is_described;
        let continued = match campaign.header().compare(&asked) {
            Comparison::Other(difference) => return Err(CampaignError::Other { path: path(), difference }),
            Comparison::Same if !has_ended_early => None,
            Comparison::Same | Comparison::Changed => {
                let ranges = campaign.header().with_ranges(&asked);
                let settings = (ranges != campaign.header().settings).then_some(ranges);
                Some(Continued { began: now(), campaign: self.config.to_json(), settings })
            }
        };
        if campaign.header().search != SEARCH && (continued.is_some() || campaign.left().is_none()) {
            let version = campaign.header().version.clone();
            return Err(CampaignError::Search { path: path(), version });
        }
        let Some(continued) = continued else { return Ok(()) };
        let entry = Entry::Continued(Box::new(continued));
        if let Err(problem) = campaign.clone().add(entry.clone()) {
            return Err(CampaignError::Other { path: path(), difference: problem.to_owned() });
        }
        self.write(entry)
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_over(&self) -> bool {
        self.campaign.as_ref().is_some_and(|campaign| campaign.left().is_some())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let plan = match &self.work {
            Some(Work::Try(attempt)) => Some(attempt.plan.clone()),
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
        self.unverified = None;
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
        let is_changing = matches!(self.pending, Some(Pending::Adjust(_))) || self.unverified.is_some();
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
            (_, CommandResult::Described(description)) if self.is_described => self.verify(&description)?,
            (_, CommandResult::Described(description)) => self.described(&description)?,
            (Some(Pending::Adjust(settings)), CommandResult::Adjusted(description)) => {
                self.live = None;
                self.unverified = Some(settings);
                // An agent may complete an adjustment without the state after it; then it is asked to describe it.
                if !description.components.is_empty() {
                    self.verify(&description)?;
                }
            }
            (_, CommandResult::Measured(measurement)) => self.measured(values::judged(&measurement, &self.config))?,
            (_, CommandResult::Failed { operation, status }) => self.failed(operation, status)?,
            (_, CommandResult::Adjusted(_)) => {}
        }
        Ok(true)
    }

    fn choose(&mut self) -> Result<Pending, CampaignError> {
        let is_measured = matches!(&self.work, Some(Work::Try(attempt)) if attempt.measured.is_some());
        if !self.is_described || self.unverified.is_some() || is_measured {
            return Ok(Pending::Describe);
        }
        loop {
            let Some(campaign) = &self.campaign else { return Ok(Pending::Describe) };
            let work = match self.work.take() {
                Some(work) => work,
                None => match campaign.next(&now()) {
                    Next::Try(plan) => {
                        tell::plan(&plan, campaign.budget());
                        Work::Try(Box::new(Attempt { plan: *plan, began: now(), void: 0, measured: None }))
                    }
                    Next::Finish(end) => {
                        self.write(Entry::End(end))?;
                        continue;
                    }
                    Next::Leave(settings) => Work::ApplyFinal { settings, problems: Vec::new() },
                    Next::Nothing => return Ok(Pending::Sleep(IDLE_PAUSE, "the optimization is over")),
                },
            };
            let settings = match &work {
                Work::Try(attempt) => &attempt.plan.settings,
                Work::ApplyFinal { settings, .. } => settings,
            };
            let is_live = self.live.as_ref() == Some(settings);
            if let (Work::ApplyFinal { settings, .. }, true) = (&work, is_live) {
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
        Task::Adjust { adjustments: self.adjustments(settings), control }
    }

    fn adjustments(&self, settings: &Settings) -> Vec<Adjustment> {
        let tunables = self.campaign.as_ref().map(|campaign| campaign.header().settings.as_slice()).unwrap_or_default();
        tunable::adjustments(tunables, settings)
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
            warmup: measure.warmup + self.pause(),
            userdata: is_judged.then(|| UserData { slo: Some(slo()), ..UserData::default() }),
            ..Control::default()
        };
        Task::Measure { metrics, control }
    }

    /// The pause before a measurement that said nothing is tried again. The warmup has it, which every agent waits for.
    fn pause(&self) -> Duration {
        match &self.work {
            Some(Work::Try(attempt)) if attempt.void > 0 => self.config.measure.duration.min(LONGEST_VOID_PAUSE),
            _ => Duration::ZERO,
        }
    }

    fn described(&mut self, description: &Description) -> Result<(), CampaignError> {
        let asked = Header {
            settings: tunable::read(description)?,
            metrics: metrics(description),
            ..header(&self.id, &self.config)
        };
        check_metrics(&self.config, &asked.metrics)?;
        if self.campaign.is_some() {
            let settings = asked.settings.clone();
            self.compare(|_| settings)?;
            self.check_present(&asked.settings)?;
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

    /// Refuses to go on if somebody has changed the application since: each setting must have its value of the baseline,
    /// of the last trial, or of the one in flight.
    fn check_present(&self, present: &[tunable::Tunable]) -> Result<(), CampaignError> {
        let Some(campaign) = self.campaign.as_ref().filter(|campaign| campaign.left().is_none()) else { return Ok(()) };
        let in_flight = match campaign.next("") {
            Next::Try(plan) => Some(plan.settings),
            Next::Leave(settings) => Some(settings),
            Next::Finish(_) | Next::Nothing => None,
        };
        let last = campaign.trials().last().map(|trial| &trial.plan.settings);
        let known = || [Some(campaign.baseline()), last, in_flight.as_ref()].into_iter().flatten();
        let changed = present.iter().filter(|tunable| !tunable.is_pinned()).find(|tunable| {
            let is_present =
                |settings: &Settings| settings.get(&tunable.name()).is_some_and(|value| tunable.has(value));
            !known().any(is_present)
        });
        let Some(tunable) = changed else { return Ok(()) };
        let baseline = campaign.baseline().get(&tunable.name()).cloned().unwrap_or_default();
        Err(CampaignError::Changed {
            path: self.journal.path().to_owned(),
            setting: tunable.name(),
            present: tunable.value.to_string(),
            baseline: baseline.to_string(),
        })
    }

    /// Compares a description with what was asked for: after an adjustment, and again after a measurement.
    fn verify(&mut self, description: &Description) -> Result<(), CampaignError> {
        if let Some(settings) = self.unverified.take() {
            let mismatches = description.mismatches(&self.adjustments(&settings));
            if mismatches.is_empty() {
                self.live = Some(settings);
                return Ok(());
            }
            let message = texts(&mismatches);
            return match &self.work {
                Some(Work::ApplyFinal { .. }) => self.final_failed(format!("{message} after the adjustment")),
                _ => self.void(NOT_APPLIED, format!("{message} after the adjustment")),
            };
        }
        let Some(Work::Try(attempt)) = &mut self.work else { return Ok(()) };
        let Some(metrics) = attempt.measured.take() else { return Ok(()) };
        let settings = attempt.plan.settings.clone();
        let mismatches = description.mismatches(&self.adjustments(&settings));
        if mismatches.is_empty() {
            self.tried(Outcome::Measured { metrics })
        } else {
            self.void(OVERWRITTEN, format!("{} after the measurement", texts(&mismatches)))
        }
    }

    fn measured(&mut self, metrics: BTreeMap<String, f64>) -> Result<(), CampaignError> {
        let missing = self.campaign.as_ref().map(|campaign| campaign.missing(&metrics)).unwrap_or_default();
        if !missing.is_empty() {
            return self.void(NOT_MEASURED, format!("no reading of {}", missing.join(", ")));
        }
        if let Some(Work::Try(attempt)) = &mut self.work {
            attempt.measured = Some(metrics);
        }
        Ok(())
    }

    /// A try that says nothing about the settings: it is repeated once, and then left out.
    fn void(&mut self, reason: &str, message: String) -> Result<(), CampaignError> {
        if reason != NOT_MEASURED {
            self.live = None;
        }
        let Some(Work::Try(attempt)) = &mut self.work else { return Ok(()) };
        attempt.void += 1;
        attempt.measured = None;
        let attempts = attempt.void;
        let most = u32::try_from(self.config.max_unmeasured).unwrap_or(u32::MAX);
        let in_a_row = attempts + self.campaign.as_ref().map_or(0, Campaign::void_in_a_row);
        if attempts < VOID_TRIES && in_a_row < most {
            tracing::warn!(
                trial = attempt.plan.number,
                reason,
                cause = message,
                "the trial says nothing: trying it again"
            );
            return Ok(());
        }
        self.tried(Outcome::Void { reason: reason.to_owned(), message, attempts })
    }

    fn final_failed(&mut self, problem: String) -> Result<(), CampaignError> {
        self.live = None;
        let Some(Work::ApplyFinal { settings, problems }) = &mut self.work else { return Ok(()) };
        problems.push(problem.clone());
        let tries = u32::try_from(problems.len()).unwrap_or(FINAL_TRIES);
        if tries >= FINAL_TRIES {
            let left = Left { settings: std::mem::take(settings), problem: Some(problem) };
            self.work = None;
            return self.write(Entry::Left(left));
        }
        let pause = Duration::from_secs(FINAL_PAUSE_SECONDS << (tries - 1));
        tracing::error!(problem, ?pause, "the final settings could not be applied: trying again after a pause");
        self.pending = Some(Pending::Sleep(pause, "waiting to apply the final settings again"));
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
            tracing::warn!(word, cause = message, "the application could not be described: asking again");
            self.pending = Some(Pending::Sleep(RETRY_PAUSE, "waiting to describe the application again"));
            return Ok(());
        }
        if is_cancelled {
            // The state of the settings is unknown, so the trial is made again.
            self.live = None;
            return Ok(());
        }
        let void = [NOT_APPLIED, OVERWRITTEN, NOT_MEASURED].into_iter().find(|void| reason.as_deref() == Some(void));
        if let (Some(Work::Try(_)), Some(reason)) = (&self.work, void) {
            return self.void(reason, message);
        }
        match &self.work {
            Some(Work::ApplyFinal { .. }) => self.final_failed(message),
            Some(Work::Try(attempt)) if attempt.plan.purpose == Purpose::Baseline => {
                self.failures += 1;
                if self.failures >= BASELINE_TRIES {
                    return Err(CampaignError::Baseline(format!("{word}: {message}")));
                }
                tracing::warn!(word, cause = message, "the baseline could not be measured: trying again");
                self.pending = Some(Pending::Sleep(RETRY_PAUSE, "waiting to measure the baseline again"));
                Ok(())
            }
            _ => {
                let during = if operation == Operation::Adjustment { "adjustment" } else { "measurement" }.to_owned();
                self.tried(Outcome::Infeasible { during, word, reason, message })
            }
        }
    }

    fn tried(&mut self, outcome: Outcome) -> Result<(), CampaignError> {
        let Some(Work::Try(attempt)) = self.work.take() else { return Ok(()) };
        let Attempt { plan, began, .. } = *attempt;
        self.failures = 0;
        tell::outcome(plan.number, &outcome);
        self.write(Entry::Trial(Box::new(Trial { plan, outcome, began, ended: now() })))
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

fn texts(mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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
