//! The problem that a campaign poses to the search.

use std::sync::Arc;

use super::record::Header;
use super::search::{Algorithm, Constraint, Mode, Objective, Point, Problem, Scale};
use super::{cost, tunable};
use crate::config::{CampaignConfig, CampaignMode, Objective as Goal, SearchAlgorithm};
use crate::types::{SloCondition, SloKeep};

pub(super) fn decimal(number: &bigdecimal::BigDecimal) -> f64 {
    crate::types::decimal_text(number).parse().unwrap_or(f64::NAN)
}

pub(super) fn problem(header: &Header, config: &CampaignConfig, baseline: Point) -> Problem {
    Problem {
        space: tunable::space(&header.settings),
        baseline,
        objective: objective(header, config),
        constraints: config.slo.iter().map(|condition| constraint(condition, header)).collect(),
        mode: match config.mode {
            CampaignMode::Explore => Mode::Explore,
            CampaignMode::Safe => Mode::Safe,
        },
        algorithm: match config.algorithm {
            SearchAlgorithm::GaussianProcess => Algorithm::GaussianProcess,
            SearchAlgorithm::Random => Algorithm::Random,
            SearchAlgorithm::Sobol => Algorithm::Sobol,
        },
        seed: config.seed.cast_unsigned(),
        trials: usize::try_from(config.trials).unwrap_or(usize::MAX),
    }
}

fn objective(header: &Header, config: &CampaignConfig) -> Objective {
    match &config.objective {
        Goal::Cost => {
            let (tunables, prices) = (header.settings.clone(), config.prices);
            Objective::Computed(Arc::new(move |point: &[f64]| {
                cost::of(&tunables, &tunable::settings(&tunables, point), &prices)
            }))
        }
        Goal::Minimize(metric) => Objective::Measured { scale: scale(header, metric) },
        Goal::Maximize(_) => Objective::Measured { scale: Scale::Linear },
    }
}

/// At most a threshold; what is kept above one is negated, and what is compared with another metric is the quotient.
fn constraint(condition: &SloCondition, header: &Header) -> Constraint {
    let threshold = match &condition.threshold {
        Some(threshold) => decimal(threshold) * decimal(&condition.threshold_multiplier),
        None => 1.0,
    };
    let name = condition.to_string();
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
