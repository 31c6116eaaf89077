//! The problem that a campaign poses to the search.

use std::sync::Arc;

use super::record::Header;
use super::search::{Constraint, ObjectiveSource, Point, Problem, Scale};
use super::{cost, tunable};
use crate::config::{CampaignConfig, Objective};
use crate::types::{SloCondition, SloKeep};

/// The share of the trials that may violate an SLO in explore mode.
const RISK: f64 = 0.2;

pub(super) fn decimal(number: &bigdecimal::BigDecimal) -> f64 {
    crate::types::decimal_text(number).parse().unwrap_or(f64::NAN)
}

pub(super) fn problem(header: &Header, config: &CampaignConfig, baseline: Point) -> Problem {
    Problem {
        space: tunable::space(&header.settings),
        baseline,
        objective: objective(header, config),
        constraints: config.slo.iter().map(|condition| constraint(condition, header)).collect(),
        mode: config.mode,
        risk: RISK,
        algorithm: config.algorithm,
        seed: config.seed.cast_unsigned(),
        trials: usize::try_from(config.trials).unwrap_or(usize::MAX),
    }
}

fn objective(header: &Header, config: &CampaignConfig) -> ObjectiveSource {
    match &config.objective {
        Objective::Cost => {
            let (tunables, prices) = (header.settings.clone(), config.prices);
            ObjectiveSource::Computed(Arc::new(move |point: &[f64]| {
                cost::of(&tunables, &tunable::settings(&tunables, point), &prices)
            }))
        }
        Objective::Minimize(metric) => ObjectiveSource::Measured { scale: scale(header, metric) },
        Objective::Maximize(_) => ObjectiveSource::Measured { scale: Scale::Linear },
    }
}

/// At most a threshold; what is kept above one is negated, and what is compared with another metric is the quotient.
fn constraint(condition: &SloCondition, header: &Header) -> Constraint {
    let threshold = match &condition.threshold {
        Some(threshold) => decimal(threshold) * decimal(&condition.threshold_multiplier),
        None => 1.0,
    };
    let name = condition.metric.clone();
    match condition.keep {
        SloKeep::Above => Constraint { name, threshold: -threshold, scale: Scale::Linear },
        SloKeep::Below => Constraint { name, threshold, scale: scale(header, &condition.metric) },
    }
}

/// Latencies differ by factors, everything else by amounts.
fn scale(header: &Header, metric: &str) -> Scale {
    let unit = header.metrics.get(metric).map(String::as_str);
    if unit == Some(crate::types::Unit::Milliseconds.as_str()) { Scale::Log } else { Scale::Linear }
}
