//! A campaign: from what is written down to what to do next.
//!
//! Pure, without clock and I/O: the same entries lead to the same next step, so that one that was interrupted goes on
//! as if it had not been. The phases are the baseline, three times; the search, until the budget or the hope is used
//! up; the confirmation of the winner against the baseline, in turns; and what the application is left with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::problem::{decimal, problem};
use super::record::{Continued, End, Entry, Forecast, Header, Left, Outcome, Plan, Purpose, Stop, Trial, Winner};
use super::search::{self, Observation, Point, Problem};
use super::statistics::Difference;
use super::tunable::{self, Settings};
use super::{cost, values};
use crate::config::{CampaignConfig, Objective as Goal};
use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};
use crate::types::{SloCondition, SloKeep};

/// How often the baseline is measured first: a mean and a notion of the noise.
const REPLICATES: usize = 3;

/// How often, at most, the winner is measured beside the baseline.
const MOST_PAIRS: usize = 3;

/// For each so many trials of the budget there is one such pair.
const TRIALS_PER_PAIR: usize = 10;

/// So many trials in a row must promise little for the search to end.
const HOPELESS: usize = 5;

/// What counts as little, as a share of the baseline's objective.
const LITTLE: f64 = 0.01;

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
        let point = point.ok_or_else(|| ReplayError::Header("the settings of before have no values".to_owned()))?;
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
            Goal::Cost => None,
            Goal::Minimize(name) | Goal::Maximize(name) => (!metrics.contains_key(name)).then(|| name.clone()),
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
            (Goal::Cost, _) => Some(trial.plan.cost),
            (Goal::Minimize(name) | Goal::Maximize(name), Outcome::Measured { metrics }) => metrics.get(name).copied(),
            (_, Outcome::Infeasible { .. } | Outcome::Void { .. }) => None,
        }
    }

    /// Whether a trial was measured and kept all objectives.
    pub(crate) fn keeps_objectives(&self, trial: &Trial) -> bool {
        match self.observation(trial).map(|observation| observation.outcome) {
            Some(search::Outcome::Measured { constraints, .. }) => self.hold(&constraints),
            Some(search::Outcome::Infeasible) | None => false,
        }
    }

    /// The measured trial of the best objective among those that kept all objectives.
    pub(crate) fn best(&self) -> Option<&Trial> {
        let is_better = |a: f64, b: f64| if matches!(self.config.objective, Goal::Maximize(_)) { a > b } else { a < b };
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
        let baselines = self.trials.iter().filter(|trial| trial.plan.purpose == Purpose::Baseline);
        if baselines.filter(|trial| !trial.is_void()).count() < REPLICATES {
            return self.trial(Purpose::Baseline, self.baseline.clone(), "the settings of before", None);
        }
        if self.confirmations() == 0 && self.stop().is_none() {
            return self.suggestion();
        }
        self.confirmation(now)
    }

    fn suggestion(&self) -> Next {
        let suggestion = search::suggest(&self.problem, &self.history_with_void());
        let settings = tunable::settings(&self.header.settings, &suggestion.point);
        let mut plan = self.plan(Purpose::Search, settings, &suggestion.why.to_string());
        plan.forecast = suggestion.forecast.map(Forecast::from);
        plan.expected_improvement = suggestion.expected_improvement.filter(|expected| expected.is_finite());
        Next::Try(Box::new(plan))
    }

    /// The winner and the baseline in turns, as often as the budget has room for; then the end.
    fn confirmation(&self, now: &str) -> Next {
        let recommendation = search::recommend(&self.problem, &self.history());
        let winner = recommendation
            .map(|found| (tunable::settings(&self.header.settings, &found.point), Forecast::from(found.forecast)));
        if let Some((settings, forecast)) = &winner
            && !self.is_same(settings, &self.baseline)
            && self.trials.len() < self.budget()
        {
            let [of_winner, of_baseline] =
                [settings, &self.baseline].map(|settings| self.of(Purpose::Confirmation, settings).count());
            let why = "what was found, against what was before";
            if of_winner < self.pairs() && of_winner <= of_baseline {
                return self.trial(Purpose::Confirmation, settings.clone(), why, Some(forecast.clone()));
            }
            if of_baseline < of_winner {
                return self.trial(Purpose::Confirmation, self.baseline.clone(), why, None);
            }
        }
        let stop = self.stop().unwrap_or(Stop::Budget);
        let winner = winner.map(|(settings, forecast)| self.winner(settings, forecast));
        Next::Finish(Box::new(End { stop, winner, problem: None, ended: now.to_owned() }))
    }

    fn winner(&self, settings: Settings, forecast: Forecast) -> Winner {
        let is_baseline = self.is_same(&settings, &self.baseline);
        let before: Vec<&Trial> =
            self.trials.iter().filter(|trial| self.is_same(&trial.plan.settings, &self.baseline)).collect();
        let confirming: Vec<&Trial> = self.of(Purpose::Confirmation, &settings).collect();
        // What a trial was chosen for flatters it, so that those of the confirmation alone count where there are any.
        let of_winner: Vec<&Trial> = if is_baseline {
            before.clone()
        } else if confirming.is_empty() {
            self.trials.iter().filter(|trial| self.is_same(&trial.plan.settings, &settings)).collect()
        } else {
            confirming.clone()
        };
        let objective = match &self.config.objective {
            Goal::Cost => Some(Difference::exact(self.cost(&self.baseline), self.cost(&settings))),
            Goal::Minimize(metric) | Goal::Maximize(metric) => {
                Difference::welch(&readings(&before, metric), &readings(&of_winner, metric))
            }
        };
        let compared = self.config.slo.iter().filter_map(|condition| {
            let metric = &condition.metric;
            let difference = Difference::welch(&readings(&before, metric), &readings(&of_winner, metric))?;
            Some((metric.clone(), difference))
        });
        let metrics = compared.collect();
        let confirmed = !is_baseline && !confirming.is_empty() && self.is_confirmed(&confirming);
        Winner { settings, is_baseline, confirmed, forecast: Some(forecast), objective, metrics }
    }

    /// Whether all of these were measured, and their means keep the objectives.
    fn is_confirmed(&self, trials: &[&Trial]) -> bool {
        let measured: Option<Vec<&BTreeMap<String, f64>>> = trials
            .iter()
            .map(|trial| match &trial.outcome {
                Outcome::Measured { metrics } => Some(metrics),
                Outcome::Infeasible { .. } | Outcome::Void { .. } => None,
            })
            .collect();
        let Some(measured) = measured else { return false };
        let mut means = BTreeMap::new();
        for metric in measured.iter().flat_map(|metrics| metrics.keys()) {
            let of_metric: Vec<f64> = measured.iter().filter_map(|metrics| metrics.get(metric).copied()).collect();
            means.extend(values::mean(&of_metric).map(|mean| (metric.clone(), mean)));
        }
        self.hold(&self.constraints(&means))
    }

    fn settings_to_leave(&self, end: &End) -> Settings {
        // Without room for a confirmation, the trial of the search has to do.
        let is_known = |winner: &&Winner| winner.confirmed || self.pairs() == 0;
        let winner = end.winner.as_ref().filter(|_| self.config.apply).filter(is_known);
        winner.map_or_else(|| self.baseline.clone(), |winner| winner.settings.clone())
    }

    /// Why the search is over; `None` while it is not.
    fn stop(&self) -> Option<Stop> {
        if self.trials.len() + 2 * self.pairs() >= self.budget() + self.confirmations() {
            return Some(Stop::Budget);
        }
        let first = self.trials.first().and_then(|trial| self.objective(trial))?;
        let little = LITTLE * first.abs();
        let searched: Vec<&Trial> = self.trials.iter().filter(|trial| trial.plan.purpose == Purpose::Search).collect();
        let latest = searched.len().checked_sub(HOPELESS).map(|start| &searched[start..])?;
        let is_hopeless = |trial: &&Trial| trial.plan.expected_improvement.is_some_and(|expected| expected < little);
        latest.iter().all(is_hopeless).then_some(Stop::NoImprovement)
    }

    fn pairs(&self) -> usize {
        (self.budget() / TRIALS_PER_PAIR).min(MOST_PAIRS)
    }

    fn trial(&self, purpose: Purpose, settings: Settings, why: &str, forecast: Option<Forecast>) -> Next {
        let mut plan = self.plan(purpose, settings, why);
        plan.forecast = forecast;
        Next::Try(Box::new(plan))
    }

    fn plan(&self, purpose: Purpose, settings: Settings, why: &str) -> Plan {
        let cost = self.cost(&settings);
        let number = self.trials.len() + 1;
        Plan { number, purpose, settings, cost, why: why.to_owned(), forecast: None, expected_improvement: None }
    }

    fn cost(&self, settings: &Settings) -> f64 {
        cost::of(&self.header.settings, settings, &self.config.prices)
    }

    /// The confirmations since the campaign was last continued: a larger budget is searched before it is confirmed again.
    fn confirmations(&self) -> usize {
        let since = &self.trials[self.continued_at..];
        since.iter().filter(|trial| trial.plan.purpose == Purpose::Confirmation).count()
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
                let sign = if matches!(self.config.objective, Goal::Maximize(_)) { -1.0 } else { 1.0 };
                let objective = self.objective(trial).map(|value| sign * value);
                search::Outcome::Measured { objective, constraints: self.constraints(metrics) }
            }
            Outcome::Infeasible { .. } => search::Outcome::Infeasible,
            Outcome::Void { .. } => return None,
        };
        Some(Observation { point: self.point(&trial.plan.settings)?, outcome })
    }

    /// The history in which a trial that said nothing is as the model expected it, so that it teaches nothing and is not
    /// suggested again.
    fn history_with_void(&self) -> Vec<Observation> {
        let expected = |trial: &Trial| {
            let forecast = trial.plan.forecast.as_ref();
            let mean = |prediction: Option<super::record::Prediction>| prediction.map(|prediction| prediction.mean);
            let of = |index| forecast.and_then(|forecast| mean(forecast.constraints.get(index).copied().flatten()));
            let outcome = search::Outcome::Measured {
                objective: forecast.and_then(|forecast| mean(forecast.objective)),
                constraints: (0..self.problem.constraints.len()).map(of).collect(),
            };
            Some(Observation { point: self.point(&trial.plan.settings)?, outcome })
        };
        let of = |trial| self.observation(trial).or_else(|| expected(trial));
        self.trials
            .iter()
            .filter(|trial| !trial.is_void() || trial.plan.purpose == Purpose::Search)
            .filter_map(of)
            .collect()
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
