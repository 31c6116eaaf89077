//! Service level objectives that an optimizer sends with a measurement.

use std::fmt;

use bigdecimal::BigDecimal;

use super::decimal::decimal_text;
use crate::decode::{Decode, Decoder, Fields, Node};

/// The default of both minimums: values below it are noise.
const DEFAULT_MINIMUM: f64 = 0.25;

/// On which side of the threshold a metric is to stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SloKeep {
    Above,
    #[default]
    Below,
}

impl SloKeep {
    /// The text in requests and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

impl fmt::Display for SloKeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Decode for SloKeep {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &[("above", Self::Above), ("below", Self::Below)])
    }
}

/// What a metric must keep to. Exactly one of `threshold` and `threshold_metric` is given.
#[derive(Debug, Clone, PartialEq)]
pub struct SloCondition {
    pub description: Option<String>,
    pub metric: String,
    /// Values of the metric below this are not judged.
    pub slo_metric_minimum: f64,
    /// What the threshold is multiplied by.
    pub threshold_multiplier: BigDecimal,
    /// The side to stay on.
    pub keep: SloKeep,
    /// How many violations within the window are a failure; at least 1.
    pub trigger_count: i64,
    /// How many of the latest judgements count; at least `trigger_count`.
    pub trigger_window: i64,
    pub threshold: Option<BigDecimal>,
    /// The metric whose value is the threshold.
    pub threshold_metric: Option<String>,
    /// Values of the threshold metric below this are not judged.
    pub slo_threshold_minimum: f64,
}

/// `(latency below 150)`, `(latency below baseline -> description)`. The text identifies a condition.
impl fmt::Display for SloCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} {}", self.metric, self.keep)?;
        let threshold = self.threshold.as_ref().map(decimal_text).or_else(|| self.threshold_metric.clone());
        match threshold.as_deref() {
            None | Some("") => {}
            Some(threshold) => write!(f, " {threshold}")?,
        }
        if let Some(description) = &self.description {
            write!(f, " -> {description}")?;
        }
        f.write_str(")")
    }
}

/// A count of at least one.
struct Count(i64);

impl Decode for Count {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let count = i64::decode(node, cx)?;
        if count < 1 {
            cx.invalid(node, "ensure this value is greater than or equal to 1");
            return None;
        }
        Some(Self(count))
    }
}

impl Decode for SloCondition {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let description = fields.or("description", None);
        let metric = fields.required("metric");
        let slo_metric_minimum = fields.or("slo_metric_minimum", DEFAULT_MINIMUM);
        let threshold_multiplier = fields.or("threshold_multiplier", BigDecimal::from(1));
        let keep = fields.or("keep", SloKeep::Below);
        let window = decode_window(&mut fields);
        let threshold: Option<Option<BigDecimal>> = fields.or("threshold", None);
        let threshold_metric: Option<Option<String>> = fields.or("threshold_metric", None);
        let explicit_minimum = fields.has("slo_threshold_minimum");
        let slo_threshold_minimum = fields.or("slo_threshold_minimum", DEFAULT_MINIMUM);
        let one_threshold = check_thresholds(
            threshold.as_ref().is_some_and(Option::is_some),
            threshold_metric.as_ref().is_some_and(Option::is_some),
            &mut fields,
        );
        fields.finish();
        one_threshold?;
        let (trigger_count, trigger_window) = window?;
        let threshold = threshold?;
        if threshold.is_some() && explicit_minimum {
            tracing::warn!(
                "SLO Condition should not specify both static threshold and metric based threshold minimum. \
                 Please double check the Slo Conditions of the User Config"
            );
        }
        Some(Self {
            description: description?,
            metric: metric?,
            slo_metric_minimum: slo_metric_minimum?,
            threshold_multiplier: threshold_multiplier?,
            keep: keep?,
            trigger_count,
            trigger_window,
            threshold,
            threshold_metric: threshold_metric?,
            slo_threshold_minimum: slo_threshold_minimum?,
        })
    }
}

/// The trigger count and the window, which is as long when not given.
fn decode_window(fields: &mut Fields<'_, '_, '_>) -> Option<(i64, i64)> {
    let count = fields.or("trigger_count", Count(1));
    let window: Option<Option<Count>> = fields.or("trigger_window", None);
    let Count(count) = count?;
    let window = window?.map_or(count, |Count(window)| window);
    if count > window {
        fields.fail(format!("trigger_count cannot be greater than trigger_window ({count} > {window})"));
        return None;
    }
    Some((count, window))
}

/// A threshold that could not be read counts as not given.
fn check_thresholds(threshold: bool, threshold_metric: bool, fields: &mut Fields<'_, '_, '_>) -> Option<()> {
    match (threshold, threshold_metric) {
        (true, true) => fields.fail("SLO Condition cannot specify both threshold and threshold_metric"),
        (false, false) => fields.fail("SLO Condition must specify either threshold or threshold_metric"),
        (true, false) | (false, true) => return Some(()),
    }
    None
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct SloInput {
    /// The conditions, in the order given.
    pub conditions: Vec<SloCondition>,
}

impl Decode for SloInput {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let conditions: Option<Vec<SloCondition>> = fields.required("conditions");
        if let Some(conditions) = &conditions {
            let redundant = redundant(conditions);
            if !redundant.is_empty() {
                let texts = redundant.join(", ");
                fields.fail_at(
                    "conditions",
                    format!("Slo conditions must be unique. Redundant conditions found: {texts}"),
                );
            }
        }
        fields.finish();
        Some(Self { conditions: conditions? })
    }
}

/// The texts that more than one condition has, each once, in order.
fn redundant(conditions: &[SloCondition]) -> Vec<String> {
    let texts: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    let mut redundant = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        if texts[..index].contains(text) && !redundant.contains(text) {
            redundant.push(text.clone());
        }
    }
    redundant
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::{NoVariables, Origin, Problems};

    fn conditions(input: &serde_json::Value) -> Result<Vec<String>, Problems> {
        let node = Node::from_json(&json!({ "conditions": input }), &Origin::whole("test"));
        let slo = Decoder::run(&NoVariables, |cx| SloInput::decode(&node, cx))?;
        Ok(slo.conditions.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_threshold_of_zero_is_part_of_the_text() {
        let input = json!([{"metric": "a", "threshold": 0}, {"metric": "a", "threshold": "0.0", "keep": "above"}]);
        assert_eq!(conditions(&input), Ok(vec!["(a below 0)".to_owned(), "(a above 0.0)".to_owned()]));
    }

    #[test]
    fn all_problems_of_all_conditions_are_reported() {
        let input = json!([{"metric": "a", "threshold": "x", "bogus": 1}, {"threshold": 1, "trigger_count": 0}]);
        let problems = conditions(&input).expect_err("the conditions break rules");
        let mut paths: Vec<String> = problems.iter().map(|problem| problem.path.to_string()).collect();
        paths.sort();
        let expected = ["0", "0.bogus", "0.threshold", "1.metric", "1.trigger_count"];
        assert_eq!(paths, expected.map(|path| format!("conditions.{path}")));
    }
}
