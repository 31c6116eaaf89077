//! From a campaign to its report.

use super::text::{number, with_unit};
use super::{
    COST_UNIT, Change, Condition, ConditionReading, CurvePoint, Effect, FrontPoint, ObjectiveReport, Report,
    ResultReport, Setting, TrialReport, Violation,
};
use crate::config;
use crate::optimizer::embedded::search::{self, DimensionExplanation, Explanation};
use crate::optimizer::embedded::{Campaign, Difference, Outcome, Prediction, Trial, Tunable, Winner};
use crate::types::{SloCondition, SloKeep};

/// A twelfth of a year, as cloud providers count.
const HOURS_PER_MONTH: f64 = 730.0;

impl Report {
    /// The report of a campaign, also of one that is not over. Takes as long as a suggestion does.
    pub(crate) fn of(campaign: &Campaign) -> Self {
        let header = campaign.header();
        let objective = objective(campaign);
        let conditions: Vec<Condition> = campaign.config().slo.iter().map(|slo| condition(slo, campaign)).collect();
        let free = header.settings.iter().filter(|tunable| !tunable.is_pinned());
        let settings: Vec<Setting> = free
            .map(|tunable| Setting {
                name: tunable.name(),
                unit: tunable.unit.clone(),
                baseline: tunable.value.clone(),
            })
            .collect();
        let explanation = search::explain(campaign.problem(), &campaign.history());
        let sign = sign(&objective);
        let front = explanation.front.iter().map(|point| FrontPoint {
            settings: campaign.settings(&point.point),
            objective: sign * point.objective,
            margin: point.margin,
        });
        Self {
            optimizer: header.id.clone(),
            version: header.version.clone(),
            began: header.began.clone(),
            ended: campaign.end().map(|end| end.ended.clone()),
            stop: campaign.end().map(|end| end.stop),
            baseline_violations: baseline_violations(campaign),
            budget: campaign.budget(),
            pinned: pinned(&header.settings),
            trials: trials(campaign, &objective, &conditions),
            best: campaign.best().map(|trial| trial.plan.number),
            front: front.filter(|point| point.objective.is_finite() && point.margin.is_finite()).collect(),
            effects: effects(campaign, &explanation, &objective, &conditions, &settings),
            result: campaign
                .end()
                .and_then(|end| end.winner.as_ref())
                .map(|winner| result(campaign, winner, &settings)),
            left: campaign.left().cloned(),
            objective,
            conditions,
            settings,
        }
    }
}

fn baseline_violations(campaign: &Campaign) -> Vec<Violation> {
    let unit = |metric: &str| campaign.header().metrics.get(metric).cloned().unwrap_or_default();
    let violations = campaign.baseline_violations().into_iter();
    violations.map(|(metric, value, threshold)| Violation { value, threshold, unit: unit(&metric), metric }).collect()
}

fn pinned(tunables: &[Tunable]) -> Vec<String> {
    let is_free = |component: &str| tunables.iter().any(|of| of.component == component && !of.is_pinned());
    let mut pinned: Vec<String> =
        tunables.iter().map(|of| of.component.clone()).filter(|component| !is_free(component)).collect();
    pinned.dedup();
    pinned
}

fn objective(campaign: &Campaign) -> ObjectiveReport {
    let unit = |metric: &str| campaign.header().metrics.get(metric).cloned().unwrap_or_default();
    let of = |metric: &str, maximize| ObjectiveReport {
        name: metric.to_owned(),
        unit: unit(metric),
        maximize,
        computed: false,
    };
    match &campaign.config().objective {
        config::Objective::Cost => {
            ObjectiveReport { name: "cost".to_owned(), unit: COST_UNIT.to_owned(), maximize: false, computed: true }
        }
        config::Objective::Minimize(metric) => of(metric, false),
        config::Objective::Maximize(metric) => of(metric, true),
    }
}

/// The search minimizes, so that what is maximized is negated there.
fn sign(objective: &ObjectiveReport) -> f64 {
    if objective.maximize { -1.0 } else { 1.0 }
}

fn condition(slo: &SloCondition, campaign: &Campaign) -> Condition {
    let relative = if slo.threshold.is_some() { None } else { slo.threshold_metric.clone() };
    // Of a plain threshold its product with the multiplier, which needs no metrics.
    let plain = Campaign::condition(slo, &[(slo.metric.clone(), 0.0)].into());
    let threshold = plain.filter(|_| relative.is_none()).map_or(1.0, |(_, threshold)| threshold);
    let unit = if relative.is_some() { None } else { campaign.header().metrics.get(&slo.metric) };
    Condition {
        text: slo.to_string().trim_matches(['(', ')']).to_owned(),
        metric: slo.metric.clone(),
        unit: unit.cloned().unwrap_or_default(),
        keep_below: slo.keep == SloKeep::Below,
        threshold,
        relative,
    }
}

impl Condition {
    /// The search keeps everything below, so that what is to be above is negated there.
    fn sign(&self) -> f64 {
        if self.keep_below { 1.0 } else { -1.0 }
    }

    fn reading(&self, value: f64, threshold: f64) -> ConditionReading {
        let holds = if self.keep_below { value <= threshold } else { value >= threshold };
        ConditionReading { value, threshold, holds }
    }

    /// How far a reading is within its threshold, as a share of it.
    fn margin(&self, reading: ConditionReading) -> Option<f64> {
        let share = self.sign() * (reading.threshold - reading.value) / reading.threshold.abs();
        share.is_finite().then_some(share)
    }
}

fn signed(sign: f64, prediction: Prediction) -> Prediction {
    Prediction { mean: sign * prediction.mean, ..prediction }
}

fn trials(campaign: &Campaign, objective: &ObjectiveReport, conditions: &[Condition]) -> Vec<TrialReport> {
    let mut best: Option<f64> = None;
    let of = |trial: &Trial| {
        let mut report = trial_report(campaign, trial, objective, conditions);
        if report.feasible
            && let Some(value) = report.objective
        {
            let better = if objective.maximize { f64::max } else { f64::min };
            best = Some(best.map_or(value, |best| better(best, value)));
        }
        report.best_so_far = best;
        report
    };
    campaign.trials().iter().map(of).collect()
}

fn trial_report(
    campaign: &Campaign,
    trial: &Trial,
    objective: &ObjectiveReport,
    conditions: &[Condition],
) -> TrialReport {
    let plan = &trial.plan;
    let readings = readings(campaign, trial, conditions);
    let margins = conditions.iter().zip(&readings).filter_map(|(condition, reading)| condition.margin((*reading)?));
    let forecast = plan.forecast.as_ref();
    let expected = conditions.iter().enumerate().map(|(index, condition)| {
        let prediction = forecast.and_then(|forecast| forecast.constraints.get(index).copied().flatten());
        prediction.map(|prediction| signed(condition.sign(), prediction))
    });
    let mut report = TrialReport {
        number: plan.number,
        purpose: plan.purpose,
        settings: plan.settings.clone(),
        cost: plan.cost,
        objective: campaign.objective(trial),
        feasible: campaign.keeps_objectives(trial),
        best_so_far: None,
        margin: margins.reduce(f64::min),
        why: plan.why.clone(),
        expected: expected.collect(),
        expected_objective: forecast.and_then(|of| of.objective).map(|expected| signed(sign(objective), expected)),
        probability_feasible: forecast.and_then(|forecast| forecast.probability_feasible),
        expected_improvement: plan.expected_improvement,
        explanation: String::new(),
        outcome: trial.outcome.clone(),
        began: trial.began.clone(),
        ended: trial.ended.clone(),
        readings,
    };
    report.explanation = explanation(&report, objective, conditions);
    report
}

fn readings(campaign: &Campaign, trial: &Trial, conditions: &[Condition]) -> Vec<Option<ConditionReading>> {
    let Outcome::Measured { metrics } = &trial.outcome else { return vec![None; conditions.len()] };
    let pairs = campaign.config().slo.iter().zip(conditions);
    pairs
        .map(|(slo, condition)| {
            Campaign::condition(slo, metrics).map(|(value, threshold)| condition.reading(value, threshold))
        })
        .collect()
}

/// Why a trial was made and what was expected of it, in a sentence.
fn explanation(trial: &TrialReport, objective: &ObjectiveReport, conditions: &[Condition]) -> String {
    let mut parts = Vec::new();
    let around = |name: &str, unit: &str, prediction: &Prediction| {
        format!("{name} {} ± {}", with_unit(prediction.mean, unit), number(prediction.deviation))
    };
    if let Some(prediction) = trial.expected_objective.as_ref().filter(|_| !objective.computed) {
        parts.push(around(&objective.name, &objective.unit, prediction));
    }
    for (condition, prediction) in conditions.iter().zip(&trial.expected) {
        parts.extend(prediction.as_ref().map(|prediction| around(&condition.metric, &condition.unit, prediction)));
    }
    if let Some(probability) = trial.probability_feasible {
        parts.push(format!("{:.0}% likely to keep all objectives", 100.0 * probability));
    }
    if let Some(gain) = trial.expected_improvement {
        parts.push(format!("improvement {}", with_unit(gain, &objective.unit)));
    }
    if parts.is_empty() { trial.why.clone() } else { format!("{}; expected: {}", trial.why, parts.join(", ")) }
}

fn effects(
    campaign: &Campaign,
    explanation: &Explanation,
    objective: &ObjectiveReport,
    conditions: &[Condition],
    settings: &[Setting],
) -> Vec<Effect> {
    let of_objective = std::iter::once((None, objective.name.as_str(), sign(objective)));
    let of_conditions = conditions.iter().enumerate().map(|(at, of)| (Some(at), of.metric.as_str(), of.sign()));
    let metrics = of_objective.chain(of_conditions);
    metrics
        .flat_map(|(condition, metric, sign)| {
            let share = move |of: &DimensionExplanation| match condition {
                None => of.sensitivity.objective,
                Some(index) => of.sensitivity.constraints[index],
            };
            // Equal shares are what a search says when nothing matters.
            let first = explanation.dimensions.first().and_then(share);
            let matters = settings.len() == 1 || explanation.dimensions.iter().any(|of| share(of) != first);
            settings.iter().zip(&explanation.dimensions).enumerate().map(move |(dimension, (setting, found))| {
                let share = share(found);
                let curve = condition.map_or(&found.objective, |index| &found.constraints[index]);
                let curve = curve.iter().filter(|(_, at)| at.mean.is_finite() && at.deviation.is_finite());
                let curve = curve.map(|(number, at)| {
                    let mut point = campaign.problem().baseline.clone();
                    point[dimension] = *number;
                    let value = campaign.settings(&point).get(&setting.name).cloned().unwrap_or_default();
                    CurvePoint { value, mean: sign * at.mean, deviation: at.deviation }
                });
                Effect {
                    setting: setting.name.clone(),
                    metric: metric.to_owned(),
                    condition,
                    share: share.filter(|share| matters && share.is_finite()),
                    curve: curve.collect(),
                }
            })
        })
        .filter(|effect| effect.curve.len() > 1)
        .collect()
}

fn result(campaign: &Campaign, winner: &Winner, settings: &[Setting]) -> ResultReport {
    let cost = Difference::exact(campaign.cost(campaign.baseline()), campaign.cost(&winner.settings));
    let changes = settings.iter().filter_map(|setting| {
        let to = winner.settings.get(&setting.name)?;
        (*to != setting.baseline).then(|| Change {
            setting: setting.name.clone(),
            from: setting.baseline.clone(),
            to: to.clone(),
            unit: setting.unit.clone(),
        })
    });
    ResultReport {
        settings: winner.settings.clone(),
        is_baseline: winner.is_baseline,
        confirmed: winner.confirmed,
        verdict: winner.verdict.clone(),
        savings_per_month: HOURS_PER_MONTH * (cost.baseline - cost.winner),
        cost,
        objective: winner.objective.clone(),
        metrics: winner.metrics.clone(),
        changes: changes.collect(),
    }
}
