//! A conversation with one agent about one campaign: which command is next, and what its result means.
//!
//! What is decided follows from the journal; what is known here besides is only what the agent has been told since it
//! last said hello. A command that an agent did not answer is given again, and the settings of a trial in flight are
//! set again, as nobody knows what became of them. Nothing is handed out before what it follows from is on the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::campaign::{self, Campaign, Next, ReplayError};
use super::journal::{Journal, JournalError};
use super::record::{Entry, FORMAT, Header, Left, Outcome, Plan, Purpose, SEARCH, Trial};
use super::tunable::{self, Settings, TunableError};
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

/// Why a campaign cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its entries make no campaign.
    #[error("the journal '{}' cannot be used", path.display())]
    Replay {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReplayError,
    },
    /// It belongs to another campaign.
    #[error(
        "the journal '{}' is of another optimization, and differs in {difference}: name another journal, or remove it",
        path.display()
    )]
    Other {
        /// Which file.
        path: PathBuf,
        /// In what.
        difference: String,
    },
    /// It is not finished, and the search that goes on is not the one that began it.
    #[error(
        "the journal '{}' was begun by servo {version}, whose search would go on in another way: finish it with that \
         version, or name another journal",
        path.display()
    )]
    Search {
        /// Which file.
        path: PathBuf,
        /// Who began it.
        version: String,
    },
    /// What the agent describes cannot be optimized.
    #[error(transparent)]
    Settings(#[from] TunableError),
    /// A metric that is asked for is not measured.
    #[error("the metric '{metric}' is not measured: {}", known(.measured))]
    Metric {
        /// Which one.
        metric: String,
        /// Those that are.
        measured: Vec<String>,
    },
    /// Without a baseline there is nothing to compare with.
    #[error("the settings of before cannot be measured: {0}")]
    Baseline(String),
}

fn known(metrics: &[String]) -> String {
    if metrics.is_empty() { "there are none".to_owned() } else { format!("there are {}", metrics.join(", ")) }
}

impl CampaignError {
    /// Whether the configuration, or the journal that it names, has to change.
    pub fn is_of_configuration(&self) -> bool {
        match self {
            Self::Journal(error) => !matches!(error, JournalError::File { .. }),
            Self::Replay { .. }
            | Self::Other { .. }
            | Self::Search { .. }
            | Self::Settings(_)
            | Self::Metric { .. } => true,
            Self::Baseline(_) => false,
        }
    }
}

/// What an agent says came of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// The descriptor.
    Described(Value),
    /// The value of each metric.
    Measured(BTreeMap<String, f64>),
    /// Done.
    Adjusted,
    /// Not done.
    Failed {
        /// What was running.
        operation: Operation,
        /// The word of the agent, such as `rejected`.
        word: String,
        /// Its reason for programs.
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
    /// What is being tried.
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

/// A conversation.
#[derive(Debug)]
pub struct Conversation {
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
    /// Why the agent waits before the next command.
    pause: Option<&'static str>,
    /// How often in a row the settings of before could not be measured.
    failures: u32,
}

impl Conversation {
    /// Opens the journal and goes on with what is in it.
    ///
    /// # Errors
    /// The journal cannot be used, or belongs to another campaign.
    pub fn open(id: &str, config: &CampaignConfig, journal: &Path) -> Result<Self, CampaignError> {
        let (journal, entries) = Journal::open(journal)?;
        let path = || journal.path().to_owned();
        let replayed = (!entries.is_empty()).then(|| Campaign::replay(entries)).transpose();
        let campaign = replayed.map_err(|source| CampaignError::Replay { path: path(), source })?;
        if let Some(campaign) = &campaign {
            // Settings are compared once they are described.
            let asked = Header { settings: campaign.header().settings.clone(), ..header(id, config) };
            if let Some(difference) = campaign::difference(campaign.header(), &asked) {
                return Err(CampaignError::Other { path: path(), difference });
            }
            if campaign.header().search != SEARCH && campaign.left().is_none() {
                let version = campaign.header().version.clone();
                return Err(CampaignError::Search { path: path(), version });
            }
        }
        let (id, config) = (id.to_owned(), config.clone());
        let (is_described, live, work, order, pause) = (false, None, None, None, None);
        Ok(Self { id, config, journal, campaign, is_described, live, work, order, pause, failures: 0 })
    }

    /// The journal's path.
    pub fn journal(&self) -> &Path {
        self.journal.path()
    }

    /// Whether nothing is left to be done.
    pub fn is_over(&self) -> bool {
        self.campaign.as_ref().is_some_and(|campaign| campaign.left().is_some())
    }

    /// What is going on.
    pub fn snapshot(&self) -> Snapshot {
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
    pub fn hello(&mut self) {
        self.is_described = false;
        self.live = None;
        self.work = None;
        self.order = None;
        self.pause = None;
    }

    /// The next command, as the protocol has it. The same one until it is answered. May take as long as a suggestion.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn next_command(&mut self) -> Result<Value, CampaignError> {
        let order = match (self.pause.take(), self.order.take()) {
            (Some(reason), _) => Order::Sleep(IDLE, reason),
            // A sleep is not answered.
            (None, Some(order)) if !matches!(order, Order::Sleep(..)) => order,
            _ => self.order()?,
        };
        let command = self.command(&order);
        self.order = Some(order);
        Ok(command)
    }

    /// The command that puts the settings of before back, for an agent that stops; none where they certainly are, and
    /// where the campaign is over. The conversation begins anew after it.
    pub fn parting(&mut self) -> Option<Value> {
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
    pub fn complete(&mut self, report: Report) -> Result<bool, CampaignError> {
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
                        tell_plan(&plan, campaign.budget());
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
            if let Some(difference) = campaign::difference(campaign.header(), &asked) {
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
            self.pause = Some("waiting to describe the application again");
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
                self.pause = Some("waiting to measure the settings of before again");
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
        tell_outcome(plan.number, &outcome);
        self.write(Entry::Trial(Box::new(Trial { plan: *plan, outcome, began, ended: now() })))
    }

    /// Writes an entry down, and acts on it only then.
    fn write(&mut self, entry: Entry) -> Result<(), CampaignError> {
        self.journal.append(&entry)?;
        tell_entry(&entry, self.journal.path());
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

fn tell_plan(plan: &Plan, of: usize) {
    let (trial, purpose, settings) = (plan.number, plan.purpose.as_str(), pairs(&plan.settings));
    tracing::info!(trial, of, purpose, settings, why = plan.why, "the next trial");
}

fn tell_outcome(trial: usize, outcome: &Outcome) {
    match outcome {
        Outcome::Measured { metrics } => tracing::info!(trial, metrics = pairs(metrics), "the trial was measured"),
        Outcome::Infeasible { during, word, reason, message } => {
            tracing::info!(trial, during, word, reason, message, "the trial counts as infeasible");
        }
    }
}

fn tell_entry(entry: &Entry, journal: &Path) {
    let journal = journal.display();
    match entry {
        Entry::End(end) => match &end.winner {
            Some(winner) if !winner.is_baseline && !winner.confirmed => tracing::warn!(
                settings = pairs(&winner.settings),
                "settings were found that look better, and were NOT confirmed: 'servo optimizer report {journal}' says why"
            ),
            Some(winner) if !winner.is_baseline => tracing::info!(
                settings = pairs(&winner.settings),
                "better settings were found: 'servo optimizer report {journal}' says how much better, \
                 'servo optimizer recommend {journal}' writes a patch"
            ),
            _ => tracing::info!("nothing better was found: 'servo optimizer report {journal}' says what was tried"),
        },
        Entry::Left(left) => tracing::info!(settings = pairs(&left.settings), "the application is left with these"),
        Entry::Header(_) | Entry::Trial(_) => {}
    }
}

/// As `cpu=2.0 mem=1.5`.
fn pairs<'a, V: std::fmt::Display + 'a>(values: impl IntoIterator<Item = (&'a String, V)>) -> String {
    values.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
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
mod tests {
    use super::*;
    use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};

    /// An application whose latency falls and whose price grows with its cores, and that is not stable below a size.
    struct Toy {
        cpu: f64,
        served: usize,
    }

    impl Toy {
        fn new() -> Self {
            Self { cpu: 2.0, served: 0 }
        }

        fn latency(&self) -> f64 {
            // Noise that depends on nothing but the settings, so that every history of the same settings is the same.
            100.0 / self.cpu * (1.0 + 0.02 * (self.cpu * 37.0).sin())
        }

        fn answer(&mut self, command: &Value) -> Option<Report> {
            self.served += 1;
            match command["cmd"].as_str().unwrap_or_default() {
                "DESCRIBE" => Some(Report::Described(self.descriptor())),
                "ADJUST" => {
                    let settings = &command["param"]["state"]["application"]["components"]["web"]["settings"];
                    self.cpu = settings["cpu"]["value"].as_f64().unwrap_or(f64::NAN);
                    Some(if self.cpu < 0.4 { failure("rejected", Operation::Adjustment) } else { Report::Adjusted })
                }
                "MEASURE" => Some(Report::Measured(BTreeMap::from([("latency".to_owned(), self.latency())]))),
                _ => None,
            }
        }

        fn descriptor(&self) -> Value {
            let cpu = json!({"type": "range", "min": 0.2, "max": 4.0, "step": 0.2, "value": self.cpu, "unit": "cores"});
            json!({"application": {"components": {"web": {"settings": {"cpu": cpu}}}},
                "measurement": {"metrics": {"latency": {"unit": "ms"}}}})
        }
    }

    fn failure(word: &str, operation: Operation) -> Report {
        let reason = Some("unstable".to_owned());
        Report::Failed { operation, word: word.to_owned(), reason, message: "it crashed".to_owned() }
    }

    fn config(changes: &Value) -> CampaignConfig {
        let mut config = json!({"slo": [{"metric": "latency", "threshold": 150}], "trials": 10, "algorithm": "sobol"});
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let node = Node::from_json(&config, &Origin::whole("test"));
        Decoder::run(&NoVariables, |cx| CampaignConfig::decode(&node, cx))
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn open(changes: &Value, journal: &Path) -> Result<Conversation, CampaignError> {
        Conversation::open("embedded.local/toy", &config(changes), journal)
    }

    /// Talks until there is nothing more to do, and returns the commands.
    fn talk(conversation: &mut Conversation, toy: &mut Toy) -> Vec<Value> {
        let mut commands = Vec::new();
        loop {
            let command = conversation.next_command().unwrap();
            let Some(report) = toy.answer(&command) else { return commands };
            commands.push(command);
            assert!(conversation.complete(report).unwrap());
        }
    }

    fn names(commands: &[Value]) -> Vec<&str> {
        commands.iter().map(|command| command["cmd"].as_str().unwrap()).collect()
    }

    /// A journal without its times, which no two runs have in common.
    fn entries(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        let mut entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for entry in &mut entries {
            for key in ["began", "ended"] {
                entry.as_object_mut().unwrap().remove(key);
            }
        }
        entries
    }

    #[test]
    fn a_campaign_measures_searches_confirms_and_puts_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let (mut conversation, mut toy) = (open(&json!({}), &path).unwrap(), Toy::new());
        let commands = talk(&mut conversation, &mut toy);
        assert_eq!(names(&commands)[..6], ["DESCRIBE", "MEASURE", "MEASURE", "MEASURE", "ADJUST", "MEASURE"]);
        assert!(conversation.is_over());
        let campaign = conversation.snapshot().campaign.unwrap();
        let purposes: Vec<&str> = campaign.trials().iter().map(|trial| trial.plan.purpose.as_str()).collect();
        assert_eq!(purposes[..3], ["baseline"; 3]);
        assert_eq!(purposes[3..8], ["search"; 5]);
        assert_eq!(purposes[8..], ["confirmation"; 2]);
        let winner = campaign.end().unwrap().winner.as_ref().unwrap();
        assert!(winner.confirmed && !winner.is_baseline, "{winner:?}");
        assert!(winner.objective.as_ref().unwrap().winner < winner.objective.as_ref().unwrap().baseline);
        assert!((toy.cpu - 2.0).abs() < 1e-9, "the settings of before are back");
        // The settings of before are measured whatever they violate; everything else is watched.
        assert!(commands[1]["param"]["control"].get("userdata").is_none());
        assert_eq!(commands[5]["param"]["control"]["userdata"]["slo"]["conditions"][0]["metric"], "latency");
    }

    #[test]
    fn what_was_found_stays_when_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (mut conversation, mut toy) =
            (open(&json!({"apply": true}), &folder.path().join("j")).unwrap(), Toy::new());
        talk(&mut conversation, &mut toy);
        let campaign = conversation.snapshot().campaign.unwrap();
        let winner = &campaign.end().unwrap().winner.as_ref().unwrap().settings;
        assert_eq!(winner["web.cpu"], json!(toy.cpu));
        assert_eq!(&campaign.left().unwrap().settings, winner);
    }

    /// A whole campaign: its bytes, and the number of bytes after which each line is whole but for its end.
    fn whole(path: &Path, algorithm: &str) -> (Vec<u8>, Vec<usize>) {
        talk(&mut open(&json!({ "algorithm": algorithm }), path).unwrap(), &mut Toy::new());
        let bytes = std::fs::read(path).unwrap();
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        (bytes, ends)
    }

    #[test]
    fn a_journal_cut_at_any_byte_leads_to_the_same_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let (bytes, ends) = whole(&path, "gaussian_process");
        let all = super::super::journal::entries(&bytes, &path).unwrap();
        // With all lines up to one, the next step is what the line after it says.
        let next = |entries: &[Entry]| Campaign::replay(entries.to_vec()).unwrap().next("");
        for (index, pair) in all.windows(2).enumerate() {
            match (&pair[1], next(&all[..=index])) {
                (Entry::Trial(trial), Next::Try(plan)) => assert_eq!(trial.plan, *plan),
                (Entry::End(end), Next::Finish(found)) => assert_eq!(end.winner, found.winner),
                (Entry::Left(left), Next::Leave(settings)) => assert_eq!(left.settings, settings),
                (entry, next) => panic!("{entry:?} is not {next:?}"),
            }
        }
        for length in 0..=bytes.len() {
            // A line counts as soon as it is whole, also without its end; never before, and never another.
            let kept = ends.iter().filter(|end| length >= **end).count();
            assert_eq!(
                super::super::journal::entries(&bytes[..length], &path).unwrap(),
                all[..kept],
                "cut at {length}"
            );
        }
    }

    #[test]
    fn an_interrupted_campaign_goes_on_and_repeats_only_the_trial_in_flight() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let (bytes, ends) = whole(&path, "sobol");
        let expected = entries(&path);
        for (kept, end) in ends.iter().enumerate() {
            // In the middle of the line, before its end, and after it.
            for (length, kept) in [(end - 30, kept), (*end, kept + 1), (end + 1, kept + 1)] {
                std::fs::write(&path, &bytes[..length]).unwrap();
                let commands = talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
                assert_eq!(entries(&path), expected, "cut at {length}");
                let trials = expected.iter().skip(kept).filter(|entry| entry["entry"] == "trial");
                let measured = trials.filter(|entry| entry["outcome"]["status"] == "measured").count();
                let repeated = names(&commands).into_iter().filter(|name| *name == "MEASURE").count();
                assert_eq!(repeated, measured, "cut at {length}");
            }
        }
    }

    #[test]
    fn a_finished_journal_is_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
        let before = std::fs::read(&path).unwrap();
        assert_eq!(names(&talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new())), ["DESCRIBE"]);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_journal_of_another_search_is_read_and_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
        let text = std::fs::read_to_string(&path).unwrap();
        let older = text.replacen(&format!("\"search\":{SEARCH},"), "", 1);
        assert_ne!(older, text);
        std::fs::write(&path, &older).unwrap();
        assert!(open(&json!({}), &path).unwrap().is_over());
        let half: String = older.split_inclusive('\n').take(4).collect();
        std::fs::write(&path, &half).unwrap();
        let error = open(&json!({}), &path).unwrap_err();
        assert!(error.is_of_configuration() && error.to_string().contains("finish it with that version"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), half);
    }

    #[test]
    fn a_journal_of_another_campaign_is_refused_with_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
        for (changes, named) in [
            (json!({"slo": [{"metric": "latency", "threshold": 151}]}), "slo ("),
            (json!({"prices": {"cpu": 1}}), "prices ("),
            (json!({"objective": {"minimize": "latency"}}), "objective ("),
            (json!({"seed": 2}), "seed ("),
        ] {
            let error = open(&changes, &path).unwrap_err();
            assert!(error.is_of_configuration() && error.to_string().contains(named), "{error}");
        }
        let mut conversation = open(&json!({}), &path).unwrap();
        conversation.next_command().unwrap();
        let mut descriptor = Toy::new().descriptor();
        descriptor["application"]["components"]["web"]["settings"]["cpu"]["max"] = json!(8.0);
        let error = conversation.complete(Report::Described(descriptor)).unwrap_err();
        assert!(error.is_of_configuration() && error.to_string().contains("the range of setting 'web.cpu'"), "{error}");
    }

    #[test]
    fn rejected_trials_are_data_and_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let changes = json!({"trials": 40, "slo": [{"metric": "latency", "threshold": 5000}]});
        let mut conversation = open(&changes, &path).unwrap();
        talk(&mut conversation, &mut Toy::new());
        let campaign = conversation.snapshot().campaign.unwrap();
        let rejected: Vec<_> =
            campaign.trials().iter().filter(|trial| matches!(trial.outcome, Outcome::Infeasible { .. })).collect();
        assert_eq!(rejected.len(), 1, "{rejected:?}");
        let Outcome::Infeasible { during, word, reason, .. } = &rejected[0].outcome else { panic!("measured") };
        assert_eq!((during.as_str(), word.as_str(), reason.as_deref()), ("adjustment", "rejected", Some("unstable")));
        assert!(!campaign.keeps_objectives(rejected[0]));
    }

    #[test]
    fn a_command_is_given_again_until_it_is_answered_and_a_hello_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (mut conversation, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
        for _ in 0..5 {
            let command = conversation.next_command().unwrap();
            let report = toy.answer(&command).unwrap();
            conversation.complete(report).unwrap();
        }
        let command = conversation.next_command().unwrap();
        assert_eq!(conversation.next_command().unwrap(), command);
        assert!(!conversation.complete(Report::Adjusted).unwrap(), "it was not asked for");
        conversation.hello();
        assert_eq!(conversation.next_command().unwrap()["cmd"], "DESCRIBE");
        conversation.complete(Report::Described(toy.descriptor())).unwrap();
        // What the application has by now is not known, so that the trial in flight begins with its adjustment.
        let again = conversation.next_command().unwrap();
        assert_eq!(again["cmd"], "ADJUST");
        conversation.complete(Report::Adjusted).unwrap();
        assert_eq!(conversation.next_command().unwrap(), command);
    }

    #[test]
    fn a_cancelled_trial_is_made_again_and_a_baseline_that_goes_on_failing_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut conversation, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
        let describe = conversation.next_command().unwrap();
        conversation.complete(toy.answer(&describe).unwrap()).unwrap();
        assert_eq!(conversation.next_command().unwrap()["cmd"], "MEASURE");
        conversation.complete(failure("cancelled", Operation::Measurement)).unwrap();
        assert_eq!(conversation.next_command().unwrap()["cmd"], "ADJUST");
        conversation.complete(Report::Adjusted).unwrap();
        for _ in 1..BASELINE_TRIES {
            assert_eq!(conversation.next_command().unwrap()["cmd"], "MEASURE");
            conversation.complete(failure("failed", Operation::Measurement)).unwrap();
            assert_eq!(conversation.next_command().unwrap()["cmd"], "SLEEP");
        }
        conversation.next_command().unwrap();
        let error = conversation.complete(failure("failed", Operation::Measurement)).unwrap_err();
        assert!(!error.is_of_configuration() && error.to_string().contains("it crashed"), "{error}");
        assert_eq!(conversation.snapshot().campaign.unwrap().trials().len(), 0);
    }

    #[test]
    fn an_agent_that_stops_puts_the_settings_of_before_back_unless_they_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (mut conversation, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
        assert_eq!(conversation.parting(), None, "nothing is known yet");
        let mut do_next = |conversation: &mut Conversation| {
            let command = conversation.next_command().unwrap();
            conversation.complete(toy.answer(&command).unwrap()).unwrap();
            command["cmd"].as_str().unwrap().to_owned()
        };
        while do_next(&mut conversation) != "ADJUST" {}
        let back = conversation.parting().expect("another setting is live");
        let component = &back["param"]["state"]["application"]["components"]["web"];
        assert_eq!((&back["cmd"], &component["settings"]["cpu"]["value"]), (&json!("ADJUST"), &json!(2.0)));
        // In the middle of an adjustment nobody knows.
        assert_eq!(do_next(&mut conversation), "DESCRIBE");
        assert_eq!(conversation.next_command().unwrap()["cmd"], "ADJUST");
        assert!(conversation.parting().is_some());
        talk(&mut conversation, &mut Toy::new());
        assert_eq!(conversation.parting(), None, "it is over");
    }

    #[test]
    fn a_description_that_failed_is_asked_for_again_after_a_pause() {
        let folder = tempfile::tempdir().unwrap();
        let mut conversation = open(&json!({}), &folder.path().join("j")).unwrap();
        for _ in 0..3 {
            assert_eq!(conversation.next_command().unwrap()["cmd"], "DESCRIBE");
            assert!(conversation.complete(failure("failed", Operation::Description)).unwrap());
            let pause = conversation.next_command().unwrap();
            assert_eq!((&pause["cmd"], &pause["param"]["duration"]), (&json!("SLEEP"), &json!(IDLE)));
        }
        conversation.next_command().unwrap();
        conversation.complete(failure("failed", Operation::Description)).unwrap();
        conversation.hello();
        assert_eq!(conversation.next_command().unwrap()["cmd"], "DESCRIBE", "an agent that begins anew does not wait");
    }

    #[test]
    fn metrics_that_are_not_measured_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let changes = json!({"objective": {"minimize": "errors"}});
        let mut conversation = open(&changes, &folder.path().join("j")).unwrap();
        conversation.next_command().unwrap();
        let error = conversation.complete(Report::Described(Toy::new().descriptor())).unwrap_err();
        assert_eq!(error.to_string(), "the metric 'errors' is not measured: there are latency");
    }
}
