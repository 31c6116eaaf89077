//! A campaign: from what is written down to what to do next.
//!
//! Pure, without clock and I/O: the same entries lead to the same next step, so that one that was interrupted goes on
//! as if it had not been. The phases are in [`super::phases`]; after them the application is given its final settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cost;
use super::phases::{Chosen, Evidence, Phases, Purpose, Step, Stop, Verdict};
use super::problem::{decimal, problem};
use super::record::{Continued, End, Entry, Header, Left, Outcome, Plan, Trial, Winner};
use super::search::{self, Forecast, Observation, Point, Problem, Suggestion};
use super::statistics::{self, Difference};
use super::tunable::{self, Settings};
use crate::config::{CampaignConfig, Objective};
use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};
use crate::types::{SloCondition, SloKeep};

/// Why entries are no campaign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The first one is something else.
    #[error("it does not begin with a header")]
    NoHeader,
    /// It was written by a program whose journals differ.
    #[error("it has format {0}, and this program reads format {FORMAT}", FORMAT = super::record::FORMAT)]
    Format(u32),
    /// What was configured cannot be read.
    #[error("its header cannot be understood: {0}")]
    Header(String),
    /// An entry does not follow on those before it.
    #[error("line {line} does not follow on those before it: {problem}")]
    Order { line: usize, problem: &'static str },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next {
    Try(Box<Plan>),
    /// Write down that the search is over.
    Finish(Box<End>),
    /// Give the application these settings.
    Leave(Settings),
    Nothing,
}

/// Everything that is known of a campaign.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    header: Arc<Header>,
    config: Arc<CampaignConfig>,
    problem: Arc<Problem>,
    baseline: Settings,
    trials: Vec<Trial>,
    end: Option<End>,
    left: Option<Left>,
    /// The trials from here on count for `max_unmeasured`.
    continued_at: usize,
}

impl Campaign {
    /// A campaign that has not begun.
    ///
    /// # Errors
    /// The header makes no sense.
    pub(crate) fn new(header: Header) -> Result<Self, ReplayError> {
        if header.format != super::record::FORMAT {
            return Err(ReplayError::Format(header.format));
        }
        let config = config(&header.campaign).map_err(ReplayError::Header)?;
        let baseline = tunable::baseline(&header.settings);
        let point = tunable::point(&header.settings, &baseline);
        let point = point.ok_or_else(|| ReplayError::Header("the baseline settings have no values".to_owned()))?;
        let problem = Arc::new(problem(&header, &config, point));
        Ok(Self {
            header: Arc::new(header),
            config,
            problem,
            baseline,
            trials: Vec::new(),
            end: None,
            left: None,
            continued_at: 0,
        })
    }

    /// The campaign of these entries, in their order.
    ///
    /// # Errors
    /// They are none.
    pub(crate) fn replay(entries: impl IntoIterator<Item = Entry>) -> Result<Self, ReplayError> {
        let mut entries = entries.into_iter();
        let Some(Entry::Header(header)) = entries.next() else { return Err(ReplayError::NoHeader) };
        let mut campaign = Self::new(*header)?;
        for (index, entry) in entries.enumerate() {
            campaign.add(entry).map_err(|problem| ReplayError::Order { line: index + 2, problem })?;
        }
        Ok(campaign)
    }

    /// Adds what was written down.
    ///
    /// # Errors
    /// Why it does not follow on what is there.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), &'static str> {
        match entry {
            Entry::Header(_) => return Err("there is a header already"),
            Entry::Continued(continued) => return self.go_on(*continued),
            _ if self.left.is_some() => return Err("the campaign is over"),
            Entry::Trial(_) | Entry::End(_) if self.end.is_some() => return Err("the search is over"),
            Entry::Trial(trial) if trial.plan.number != self.trials.len() + 1 => return Err("a trial is missing"),
            Entry::Trial(trial) if self.point(&trial.plan.settings).is_none() => {
                return Err("its settings are not those of the header");
            }
            Entry::Trial(trial) => self.trials.push(*trial),
            Entry::End(end) => self.end = Some(*end),
            Entry::Left(_) if self.end.is_none() => return Err("the search is not over"),
            Entry::Left(left) => self.left = Some(left),
        }
        Ok(())
    }

    /// Goes on with another configuration: what was measured stays, what is computed is computed anew.
    fn go_on(&mut self, continued: Continued) -> Result<(), &'static str> {
        let Ok(config) = config(&continued.campaign) else { return Err("its configuration cannot be understood") };
        let header = Arc::make_mut(&mut self.header);
        header.campaign = continued.campaign;
        if let Some(settings) = continued.settings {
            header.settings = settings;
        }
        let holds = |settings: &Settings| {
            let mut free = self.header.settings.iter().filter(|tunable| !tunable.is_pinned());
            free.all(|tunable| settings.get(&tunable.name()).is_some_and(|value| tunable.contains(value)))
        };
        if !holds(&self.baseline) || !self.trials.iter().all(|trial| holds(&trial.plan.settings)) {
            return Err("ranges that do not hold all that was measured");
        }
        let Some(baseline) = tunable::point(&self.header.settings, &self.baseline) else {
            return Err("ranges that do not hold the baseline");
        };
        self.problem = Arc::new(problem(&self.header, &config, baseline));
        self.config = config;
        for trial in &mut self.trials {
            trial.plan.cost = cost::of(&self.header.settings, &trial.plan.settings, &self.config.prices);
        }
        (self.end, self.left, self.continued_at) = (None, None, self.trials.len());
        Ok(())
    }

    /// The metrics that every trial needs a finite reading of, and that has none here: those of the objective and of the
    /// conditions.
    pub(crate) fn missing(&self, metrics: &BTreeMap<String, f64>) -> Vec<String> {
        let objective = match &self.config.objective {
            Objective::Cost => None,
            Objective::Minimize(name) | Objective::Maximize(name) => {
                (!metrics.contains_key(name)).then(|| name.clone())
            }
        };
        let conditions = self.config.slo.iter().zip(self.constraints(metrics));
        let unread = conditions.filter(|(_, reading)| reading.is_none()).map(|(condition, _)| {
            let of_threshold = condition.threshold_metric.as_ref().filter(|_| metrics.contains_key(&condition.metric));
            of_threshold.unwrap_or(&condition.metric).clone()
        });
        let mut missing: Vec<String> = objective.into_iter().chain(unread).collect();
        missing.dedup();
        missing
    }

    /// How many measurements in a row, up to the last one, have said nothing about their settings.
    pub(crate) fn void_in_a_row(&self) -> u32 {
        let attempts = self.void_trials().map(|(_, attempts)| attempts);
        attempts.sum()
    }

    /// The latest trials that said nothing, from the last one back, with how often each was tried.
    fn void_trials(&self) -> impl Iterator<Item = (&Trial, u32)> {
        let attempts = |trial: &Trial| match trial.outcome {
            Outcome::Void { attempts, .. } => Some(attempts),
            Outcome::Measured { .. } | Outcome::Infeasible { .. } => None,
        };
        let latest = self.trials[self.continued_at..].iter().rev();
        latest.map_while(move |trial| Some((trial, attempts(trial)?)))
    }

    /// Why the search cannot go on, if so many measurements in a row have said nothing.
    fn obstacle(&self) -> Option<String> {
        let most = u32::try_from(self.config.max_unmeasured).unwrap_or(u32::MAX);
        if self.void_in_a_row() < most {
            return None;
        }
        let (first, last) = (self.void_trials().last()?.0, self.void_trials().next()?.0);
        let Outcome::Void { message, .. } = &last.outcome else { return None };
        Some(format!("{} measurements in a row said nothing since {}: {message}", self.void_in_a_row(), first.began))
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// What is optimized, and how.
    pub(crate) fn config(&self) -> &CampaignConfig {
        &self.config
    }

    /// The problem as the search sees it.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// All trials that are over, as the search sees them.
    pub(crate) fn history(&self) -> Vec<Observation> {
        self.trials.iter().filter_map(|trial| self.observation(trial)).collect()
    }

    pub(crate) fn baseline(&self) -> &Settings {
        &self.baseline
    }

    /// The settings of a point of the search space.
    pub(crate) fn settings(&self, point: &[f64]) -> Settings {
        tunable::settings(&self.header.settings, point)
    }

    /// The trials that are over.
    pub(crate) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The result, once the search is over.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What the application was left with, once everything is over.
    pub(crate) fn left(&self) -> Option<&Left> {
        self.left.as_ref()
    }

    pub(crate) fn budget(&self) -> usize {
        usize::try_from(self.config.trials).unwrap_or(usize::MAX)
    }

    /// The value of the objective in a trial, in its own unit.
    pub(crate) fn objective(&self, trial: &Trial) -> Option<f64> {
        match (&self.config.objective, &trial.outcome) {
            (Objective::Cost, _) => Some(trial.plan.cost),
            (Objective::Minimize(name) | Objective::Maximize(name), Outcome::Measured { metrics }) => {
                metrics.get(name).copied()
            }
            (_, Outcome::Infeasible { .. } | Outcome::Void { .. }) => None,
        }
    }

    /// Whether a trial was measured and kept all objectives.
    pub(crate) fn keeps_objectives(&self, trial: &Trial) -> bool {
        match self.observation(trial).map(|observation| observation.outcome) {
            Some(search::Outcome::Measured { constraints, .. }) => self.hold(&constraints),
            Some(search::Outcome::Infeasible | search::Outcome::Void) | None => false,
        }
    }

    /// The measured trial of the best objective among those that kept all objectives.
    pub(crate) fn best(&self) -> Option<&Trial> {
        let is_better =
            |a: f64, b: f64| if matches!(self.config.objective, Objective::Maximize(_)) { a > b } else { a < b };
        let feasible = self.trials.iter().filter(|trial| self.keeps_objectives(trial));
        let valued = feasible.filter_map(|trial| Some((trial, self.objective(trial)?)));
        valued.reduce(|best, other| if is_better(other.1, best.1) { other } else { best }).map(|(trial, _)| trial)
    }

    /// The value of a condition's metric, and what it is compared with.
    pub(crate) fn condition(condition: &SloCondition, metrics: &BTreeMap<String, f64>) -> Option<(f64, f64)> {
        let value = *metrics.get(&condition.metric)?;
        let multiplier = decimal(&condition.threshold_multiplier);
        let threshold = match (&condition.threshold, &condition.threshold_metric) {
            (Some(threshold), _) => decimal(threshold),
            (None, Some(metric)) => *metrics.get(metric)?,
            (None, None) => return None,
        };
        Some((value, threshold * multiplier))
    }

    /// What to do next. Takes as long as a suggestion does.
    pub(crate) fn next(&self, now: &str) -> Next {
        match (&self.end, &self.left) {
            (_, Some(_)) => return Next::Nothing,
            (Some(end), None) => return Next::Leave(self.settings_to_leave(end)),
            (None, None) => {}
        }
        if let Some(problem) = self.obstacle() {
            let (stop, ended) = (Stop::NotMeasured, now.to_owned());
            return Next::Finish(Box::new(End { stop, winner: None, problem: Some(problem), ended }));
        }
        match self.with_phases(|phases| phases.next()) {
            Step::Baseline => self.trial(Purpose::Baseline, self.baseline.clone(), "the baseline settings", None),
            Step::Search(suggestion) => self.suggestion(*suggestion),
            Step::Confirm(point, forecast) => {
                let why = "the best settings found, measured again to confirm them";
                self.trial(Purpose::Confirmation, self.settings(&point), why, Some(*forecast))
            }
            Step::ConfirmBaseline => {
                let why = "the baseline settings, to compare with at the same time";
                self.trial(Purpose::Confirmation, self.baseline.clone(), why, None)
            }
            Step::Finish(conclusion) => {
                let winner = conclusion.chosen.map(|chosen| self.winner(chosen));
                Next::Finish(Box::new(End { stop: conclusion.stop, winner, problem: None, ended: now.to_owned() }))
            }
        }
    }

    /// The metrics of the SLOs that the baseline violates on average, each with its mean reading and its threshold. Where
    /// the threshold is another metric, both are shares of it.
    pub(crate) fn baseline_violations(&self) -> Vec<(String, f64, f64)> {
        let violations = self.with_phases(|phases| phases.baseline_violations());
        let violations = violations.into_iter().map(|(index, mean)| {
            let condition = &self.config.slo[index];
            let sign = if condition.keep == SloKeep::Above { -1.0 } else { 1.0 };
            (condition.metric.clone(), sign * mean, sign * self.problem.constraints[index].threshold)
        });
        violations.collect()
    }

    fn with_phases<T>(&self, ask: impl FnOnce(Phases<'_>) -> T) -> T {
        let evidence: Vec<Evidence> = self.trials.iter().filter_map(|trial| self.evidence(trial)).collect();
        ask(Phases { problem: &self.problem, evidence: &evidence, continued_at: self.continued_at })
    }

    fn evidence(&self, trial: &Trial) -> Option<Evidence> {
        let observation = self.observation(trial)?;
        Some(Evidence { purpose: trial.plan.purpose, observation, potential: trial.plan.potential })
    }

    fn suggestion(&self, suggestion: Suggestion) -> Next {
        let mut plan = self.plan(Purpose::Search, self.settings(&suggestion.point), &suggestion.why.to_string());
        plan.forecast = suggestion.forecast;
        plan.expected_improvement = suggestion.expected_improvement.filter(|expected| expected.is_finite());
        plan.potential = suggestion.potential.filter(|potential| potential.is_finite());
        Next::Try(Box::new(plan))
    }

    fn winner(&self, chosen: Chosen) -> Winner {
        let settings = self.settings(&chosen.point);
        let is_baseline = self.is_same(&settings, &self.baseline);
        let of_baseline: Vec<&Trial> =
            self.trials.iter().filter(|trial| self.is_same(&trial.plan.settings, &self.baseline)).collect();
        let confirming: Vec<&Trial> = self.of(Purpose::Confirmation, &settings).collect();
        // Search trials are biased by selection, so prefer confirmation trials.
        let of_winner: Vec<&Trial> = if is_baseline {
            of_baseline.clone()
        } else if confirming.is_empty() {
            self.trials.iter().filter(|trial| self.is_same(&trial.plan.settings, &settings)).collect()
        } else {
            confirming
        };
        let compared = |metric: &str| {
            Difference::between(&readings(&of_baseline, metric), &readings(&of_winner, metric), statistics::ERROR)
        };
        let objective = match &self.config.objective {
            Objective::Cost => Some(Difference::exact(self.cost(&self.baseline), self.cost(&settings))),
            Objective::Minimize(metric) | Objective::Maximize(metric) => compared(metric),
        };
        let metrics = self.config.slo.iter().map(|condition| &condition.metric);
        let metrics = metrics.filter_map(|metric| Some((metric.clone(), compared(metric)?))).collect();
        Winner {
            settings,
            is_baseline,
            confirmed: chosen.verdict == Some(Verdict::Confirmed),
            verdict: chosen.verdict,
            forecast: Some(chosen.forecast),
            objective,
            metrics,
        }
    }

    fn settings_to_leave(&self, end: &End) -> Settings {
        let winner = end.winner.as_ref().filter(|winner| self.config.apply && winner.confirmed);
        winner.map_or_else(|| self.baseline.clone(), |winner| winner.settings.clone())
    }

    fn trial(&self, purpose: Purpose, settings: Settings, why: &str, forecast: Option<Forecast>) -> Next {
        let mut plan = self.plan(purpose, settings, why);
        plan.forecast = forecast;
        Next::Try(Box::new(plan))
    }

    fn plan(&self, purpose: Purpose, settings: Settings, why: &str) -> Plan {
        let cost = self.cost(&settings);
        let number = self.trials.len() + 1;
        Plan {
            number,
            purpose,
            settings,
            cost,
            why: why.to_owned(),
            forecast: None,
            expected_improvement: None,
            potential: None,
        }
    }

    /// The price of an hour with these settings.
    pub(crate) fn cost(&self, settings: &Settings) -> f64 {
        cost::of(&self.header.settings, settings, &self.config.prices)
    }

    fn of<'a>(&'a self, purpose: Purpose, settings: &'a Settings) -> impl Iterator<Item = &'a Trial> {
        let is_meant =
            move |trial: &&Trial| trial.plan.purpose == purpose && self.is_same(&trial.plan.settings, settings);
        self.trials.iter().filter(is_meant)
    }

    fn is_same(&self, one: &Settings, other: &Settings) -> bool {
        match (self.point(one), self.point(other)) {
            (Some(one), Some(other)) => self.problem.space.same(&one, &other),
            _ => false,
        }
    }

    fn point(&self, settings: &Settings) -> Option<Point> {
        tunable::point(&self.header.settings, settings)
    }

    fn observation(&self, trial: &Trial) -> Option<Observation> {
        let outcome = match &trial.outcome {
            Outcome::Measured { metrics } => {
                let sign = if matches!(self.config.objective, Objective::Maximize(_)) { -1.0 } else { 1.0 };
                let objective = self.objective(trial).map(|value| sign * value);
                search::Outcome::Measured { objective, constraints: self.constraints(metrics) }
            }
            Outcome::Infeasible { .. } => search::Outcome::Infeasible,
            Outcome::Void { .. } => search::Outcome::Void,
        };
        Some(Observation { point: self.point(&trial.plan.settings)?, outcome })
    }

    /// The readings of the conditions, in the form of the problem's constraints.
    fn constraints(&self, metrics: &BTreeMap<String, f64>) -> Vec<Option<f64>> {
        let reading = |condition: &SloCondition| {
            let (value, threshold) = Self::condition(condition, metrics)?;
            let value = if condition.threshold.is_some() { value } else { value / threshold };
            let value = if condition.keep == SloKeep::Above { -value } else { value };
            value.is_finite().then_some(value)
        };
        self.config.slo.iter().map(reading).collect()
    }

    fn hold(&self, constraints: &[Option<f64>]) -> bool {
        let mut pairs = constraints.iter().zip(&self.problem.constraints);
        pairs.all(|(reading, constraint)| reading.is_some_and(|reading| reading <= constraint.threshold))
    }
}

/// A configuration as a journal has it.
fn config(campaign: &serde_json::Value) -> Result<Arc<CampaignConfig>, String> {
    let node = Node::from_json(campaign, &Origin::whole("campaign"));
    let config = Decoder::run(&NoVariables, |cx| CampaignConfig::decode(&node, cx));
    config.map(Arc::new).map_err(|problems| problems.to_string())
}

fn readings(trials: &[&Trial], metric: &str) -> Vec<f64> {
    let value = |trial: &&Trial| match &trial.outcome {
        Outcome::Measured { metrics } => metrics.get(metric).copied(),
        Outcome::Infeasible { .. } | Outcome::Void { .. } => None,
    };
    trials.iter().filter_map(value).collect()
}
