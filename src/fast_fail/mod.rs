//! Fast fail: judges readings against service level objectives, so that a trial that hurts is ended early.
//!
//! An [`SloObserver`] holds what it judged during one measurement; a [`Schedule`] says when to look. All is pure: who
//! measures, waits and ends the measurement is the caller. Values are exact decimals, so that no mean or product
//! rounds what is shown; they are compared with thresholds as doubles, so that a reading of 0.1 keeps to 0.1.

mod config;
mod level;
mod watch;

use std::collections::VecDeque;
use std::fmt;

use jiff::civil::DateTime;

pub use config::{FastFailConfig, Schedule};
pub(crate) use level::{Level, level};
pub(crate) use watch::Watch;

use crate::types::{Reading, SloCondition, SloInput};

/// The reason that an optimizer gets for a measurement that was ended.
pub(crate) const SLO_VIOLATION: &str = "slo-violation";

/// What a check found of one condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The metric kept to its threshold.
    Passed,
    Failed {
        metric: Level,
        /// What it was compared with.
        threshold: Level,
    },
    /// The metric had no value.
    MissingMetric,
    /// The metric whose value is the threshold had none.
    MissingThreshold,
    /// The metric was too small to be judged.
    ZeroMetric(Level),
    /// The threshold was too small to be judged by.
    ZeroThreshold(Level),
}

impl Verdict {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::MissingMetric => "missing_metric",
            Self::MissingThreshold => "missing_threshold",
            Self::ZeroMetric(_) => "zero_metric",
            Self::ZeroThreshold(_) => "zero_threshold",
        }
    }

    /// Judges one condition by these readings.
    fn of(condition: &SloCondition, readings: &[Reading], treat_zero_as_missing: bool) -> Self {
        let present = |level: &Level| !(treat_zero_as_missing && level.is_zero());
        let Some(metric) = level(readings, &condition.metric, Some(condition.keep)).filter(present) else {
            return Self::MissingMetric;
        };
        let threshold = if let Some(threshold) = &condition.threshold {
            Level::Finite(threshold.clone()).times(&condition.threshold_multiplier)
        } else {
            let name = condition.threshold_metric.as_deref().unwrap_or_default();
            level(readings, name, None).and_then(|level| level.times(&condition.threshold_multiplier)).filter(present)
        };
        let Some(threshold) = threshold else { return Self::MissingThreshold };
        if condition.threshold.is_none() {
            if metric.is_near_zero(condition.slo_metric_minimum) {
                return Self::ZeroMetric(metric);
            }
            if threshold.is_near_zero(condition.slo_threshold_minimum) {
                return Self::ZeroThreshold(threshold);
            }
        }
        if metric.keeps(condition.keep, &threshold) { Self::Passed } else { Self::Failed { metric, threshold } }
    }

    /// The verdict on this condition as a sentence.
    fn text(&self, condition: &SloCondition) -> String {
        let metric = &condition.metric;
        match self {
            Self::Passed => "SLO passed".to_owned(),
            Self::Failed { metric, threshold } => {
                format!("SLO failed metric value {metric} was not {} threshold value {threshold}", condition.keep)
            }
            Self::MissingMetric => format!("Metric {metric} was not found in readings"),
            Self::MissingThreshold => {
                let threshold = condition.threshold_metric.as_deref().unwrap_or_default();
                format!("Threshold metric {threshold} was not found in readings")
            }
            Self::ZeroMetric(value) => format!("Skipping SLO {metric} due to near-zero metric value of {value}"),
            Self::ZeroThreshold(value) => {
                format!("Skipping SLO {metric} due to near-zero threshold value of {value}")
            }
        }
    }
}

/// A condition with what was found of it, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    condition: SloCondition,
    verdicts: VecDeque<(DateTime, Verdict)>,
}

impl Observed {
    pub fn condition(&self) -> &SloCondition {
        &self.condition
    }

    /// The verdicts that still count, oldest first, each with the local time of its check.
    pub fn verdicts(&self) -> impl Iterator<Item = &(DateTime, Verdict)> {
        self.verdicts.iter()
    }

    /// Adds a verdict and says whether the condition is violated. Only a judgement can violate, and only it makes the
    /// oldest verdicts go; those without a judgement take up places.
    fn push(&mut self, checked_at: DateTime, verdict: Verdict) -> bool {
        let judged = matches!(verdict, Verdict::Passed | Verdict::Failed { .. });
        self.verdicts.push_back((checked_at, verdict));
        if !judged {
            return false;
        }
        let window = usize::try_from(self.condition.trigger_window).unwrap_or(usize::MAX);
        let excess = self.verdicts.len().saturating_sub(window);
        self.verdicts.drain(..excess);
        let failed = self.verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Failed { .. })).count();
        i64::try_from(failed).unwrap_or(i64::MAX) >= self.condition.trigger_count
    }
}

/// `(latency below 5)[2023-06-15 12:01:00 SLO passed, …]`.
impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<String> = self
            .verdicts
            .iter()
            .map(|(checked_at, verdict)| format!("{} {}", time_text(*checked_at), verdict.text(&self.condition)))
            .collect();
        write!(f, "{}[{}]", self.condition, outcomes.join(", "))
    }
}

/// Microseconds only when there are any.
fn time_text(time: DateTime) -> String {
    let format = if time.subsec_nanosecond() < 1_000 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S.%6f" };
    time.strftime(format).to_string()
}

/// At least one objective was violated often enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SLO violation(s) observed: {0}")]
pub struct SloViolation(String);

/// The objectives of one measurement with what was found of them so far.
#[derive(Debug, Clone)]
pub struct SloObserver {
    observed: Vec<Observed>,
    treat_zero_as_missing: bool,
}

impl SloObserver {
    /// An observer that has seen nothing.
    pub fn new(slo: &SloInput, config: &FastFailConfig) -> Self {
        let conditions = slo.conditions.iter().cloned();
        let observed = conditions.map(|condition| Observed { condition, verdicts: VecDeque::new() }).collect();
        Self { observed, treat_zero_as_missing: config.treat_zero_as_missing }
    }

    /// What was found of each condition, in their order.
    pub fn observed(&self) -> &[Observed] {
        &self.observed
    }

    /// Judges all conditions by the readings of one check, made at this local time.
    ///
    /// # Errors
    /// When any is violated: names all that are, with their verdicts.
    pub fn check(&mut self, checked_at: DateTime, readings: &[Reading]) -> Result<(), SloViolation> {
        let mut violations = Vec::new();
        for observed in &mut self.observed {
            let verdict = Verdict::of(&observed.condition, readings, self.treat_zero_as_missing);
            if observed.push(checked_at, verdict) {
                violations.push(observed.to_string());
            }
        }
        tracing::info!("SLO statuses from last check: {}", self.summary());
        if violations.is_empty() { Ok(()) } else { Err(SloViolation(violations.join(", "))) }
    }

    /// The latest verdicts, counted: `x2 passed [(a below 1), (b below 2)], x1 failed [(c below 3)]`.
    fn summary(&self) -> String {
        let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
        for observed in &self.observed {
            let Some((_, verdict)) = observed.verdicts.back() else { continue };
            let condition = observed.condition.to_string();
            match groups.iter_mut().find(|(status, _)| *status == verdict.as_str()) {
                Some((_, conditions)) => conditions.push(condition),
                None => groups.push((verdict.as_str(), vec![condition])),
            }
        }
        let texts = groups
            .iter()
            .map(|(status, conditions)| format!("x{} {status} [{}]", conditions.len(), conditions.join(", ")));
        texts.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};
    use crate::types::{DataPoint, Metric, Unit, UnixTime};

    fn observer(condition: &serde_json::Value) -> SloObserver {
        let slo = serde_json::json!({ "conditions": [condition] });
        let node = Node::from_json(&slo, &Origin::whole("test"));
        let slo = Decoder::run(&NoVariables, |cx| SloInput::decode(&node, cx)).unwrap();
        SloObserver::new(&slo, &FastFailConfig::default())
    }

    fn point(name: &str, value: f64) -> Reading {
        DataPoint { metric: Arc::new(Metric::new(name, Unit::Float)), time: UnixTime(0), value }.into()
    }

    #[test]
    fn equal_doubles_keep_to_a_threshold_on_both_sides() {
        for keep in ["below", "above"] {
            let mut observer = observer(&serde_json::json!({"metric": "m", "threshold": "0.1", "keep": keep}));
            assert_eq!(observer.check(DateTime::default(), &[point("m", 0.1)]), Ok(()));
        }
    }

    #[test]
    fn missing_verdicts_take_up_places_and_trigger_nothing() {
        let condition = serde_json::json!({"metric": "m", "threshold": 1, "trigger_count": 2, "trigger_window": 3});
        let mut observer = observer(&condition);
        let at = "2023-06-15T12:01:00".parse().unwrap();
        assert!(observer.check(at, &[point("m", 2.0)]).is_ok());
        for _ in 0..3 {
            assert!(observer.check(at, &[]).is_ok());
        }
        assert_eq!(observer.observed()[0].verdicts().count(), 4);
        assert!(observer.check(at, &[point("m", 2.0)]).is_ok());
        assert_eq!(observer.observed()[0].verdicts().count(), 3);
        let violation = observer.check("2023-06-15T12:02:00.25".parse().unwrap(), &[point("m", 2.0)]).unwrap_err();
        assert_eq!(
            violation.to_string(),
            "SLO violation(s) observed: (m below 1)[2023-06-15 12:01:00 Metric m was not found in readings, \
             2023-06-15 12:01:00 SLO failed metric value 2 was not below threshold value 1, \
             2023-06-15 12:02:00.250000 SLO failed metric value 2 was not below threshold value 1]"
        );
    }

    #[test]
    fn an_infinite_threshold_times_zero_is_missing() {
        let condition = serde_json::json!({"metric": "m", "threshold_metric": "t", "threshold_multiplier": 0});
        let mut observer = observer(&condition);
        let readings = [point("m", 2.0), point("t", f64::INFINITY)];
        assert!(observer.check(DateTime::default(), &readings).is_ok());
        assert_eq!(observer.summary(), "x1 missing_threshold [(m below t)]");
    }
}
