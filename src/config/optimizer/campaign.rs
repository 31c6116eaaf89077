//! What is optimized, and how: the campaign of an embedded optimizer, or of one that is served.

use std::borrow::Cow;

use bigdecimal::One as _;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};

use crate::decode::{Decode, Decoder, Fields, Node, Secrets, Show, TextForm, Value, Written, bounded, keys, words};
use crate::types::{Duration, SloCondition, decimal_text};

keys! {
    /// What is optimized, and how.
    #[derive(Debug, Clone, PartialEq)]
    pub struct CampaignConfig {
        /// What is to be as small or as large as possible: `cost`, or a metric; the cost by default.
        pub objective: Objective = Objective::Cost,
        /// What the resources cost.
        pub prices: Prices = Prices::default(),
        /// What must hold, as optimizers send it in `userdata.slo`. Required to minimize the cost.
        pub slo: Vec<SloCondition> as Conditions = Vec::new(),
        /// How many measurements there are, those of the baseline and of the confirmation included: 4 to 1000; 30 by
        /// default.
        pub trials: i64 as Budget = 30,
        /// How each trial is measured.
        pub measure: MeasureConfig = MeasureConfig::default(),
        /// How bold trials may be: `explore`, the default, under generated load or on an isolated canary; `safe` under
        /// live traffic.
        pub mode: CampaignMode = CampaignMode::default(),
        /// Who chooses the settings: `gaussian_process`, the default, or `random` or `sobol` to compare with.
        pub algorithm: SearchAlgorithm = SearchAlgorithm::default(),
        /// Fixes every random choice; 1 by default.
        pub seed: i64 = 1,
        /// Whether the settings that were found stay in the end, if they are confirmed; by default the baseline settings
        /// are put back. With less than 6 trials nothing can be confirmed.
        pub apply: bool = false,
        /// How many measurements in a row may say nothing about their settings, for want of a reading or because
        /// somebody else changed the settings, before the optimization stops; 3 by default.
        pub max_unmeasured: i64 as Patience = 3,
    }
    check: CampaignConfig::check;
}

bounded! {
    /// At least the baseline three times, and one trial. Beyond the greatest budget a suggestion takes longer than a
    /// trial.
    Budget: i64 = 4..=1_000;
    /// Several hours of trials.
    Patience: i64 = 1..=1_000;
    Price: f64 = 0.0..=f64::MAX, "a price is a number that is not negative";
}

impl CampaignConfig {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.objective == Objective::Cost && self.slo.is_empty() {
            let hint = "minimizing cost needs at least one SLO";
            fields.fail_at_with_hint("slo", "field required to minimize the cost", hint);
            return None;
        }
        Some(self)
    }

    /// Every key with its value.
    pub fn to_json(&self) -> Json {
        self.show(Secrets::Raw)
    }
}

/// The form of the objectives: those of `userdata.slo`, each once.
struct Conditions(Vec<SloCondition>);

impl Decode for Conditions {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let conditions = Vec::<SloCondition>::decode(node, cx)?;
        let texts: Vec<String> = conditions.iter().map(ToString::to_string).collect();
        if let Some((_, text)) = texts.iter().enumerate().find(|(index, text)| texts[..*index].contains(text)) {
            cx.invalid_unquoted(node, format!("conditions must be unique, and {text} is there twice"));
            return None;
        }
        Some(Self(conditions))
    }
}

impl Written for Conditions {
    type Value = Vec<SloCondition>;

    fn value(self) -> Self::Value {
        self.0
    }
}

impl JsonSchema for Conditions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Conditions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        conditions_schema(generator)
    }
}

impl Show for SloCondition {
    fn show(&self, _: Secrets) -> Json {
        condition_json(self)
    }
}

fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    let described = |text| json!({ "type": ["number", "string"], "description": text });
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "description": { "type": ["string", "null"], "description": "Free text." },
                "metric": { "type": "string", "description": "The metric that must keep to the threshold." },
                "threshold": described("The value to keep to, in the unit of the metric. Either this or `threshold_metric` is required."),
                "threshold_metric": { "type": "string", "description": "The metric whose value is the threshold, as measured at the same time." },
                "threshold_multiplier": described("What the threshold is multiplied by; 1 by default."),
                "keep": { "enum": ["above", "below"], "default": "below", "description": "The side of the threshold to stay on; the threshold itself is on both." },
                "slo_metric_minimum": described("With a `threshold_metric`: values of the metric below this are not judged; 0.25 by default."),
                "slo_threshold_minimum": described("Values of the `threshold_metric` below this are not judged; 0.25 by default."),
                "trigger_count": { "type": "integer", "minimum": 1, "description": "How many violations among the latest judgements end a measurement early; 1 by default." },
                "trigger_window": { "type": ["integer", "null"], "minimum": 1, "description": "How many of the latest judgements count; as many as `trigger_count` by default." },
            },
            "required": ["metric"],
            "additionalProperties": false,
            "description": "What a metric must keep to.",
        },
    })
}

/// What is to be as small or as large as possible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Objective {
    /// The cost of the settings, as small as possible.
    #[default]
    Cost,
    /// A metric, as small as possible.
    Minimize(String),
    /// A metric, as large as possible.
    Maximize(String),
}

/// The word that means the cost of the settings.
const COST: &str = "cost";

impl Show for Objective {
    fn show(&self, _: Secrets) -> Json {
        match self {
            Self::Cost => json!({ "minimize": COST }),
            Self::Minimize(metric) => json!({ "minimize": metric }),
            Self::Maximize(metric) => json!({ "maximize": metric }),
        }
    }
}

impl JsonSchema for Objective {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Objective".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let only = |key: &str| {
            json!({
                "type": "object",
                "properties": { (key): { "type": "string", "minLength": 1 } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({ "anyOf": [{ "const": COST }, only("minimize"), only("maximize")] })
    }
}

impl Decode for Objective {
    const TEXT_FORM: TextForm = TextForm::JsonOrText;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        const FORM: &str = "write cost, {minimize: METRIC} or {maximize: METRIC}";
        if matches!(&node.value, Value::Text(text) if text == COST) {
            return Some(Self::Cost);
        }
        if !matches!(&node.value, Value::Map(_)) {
            cx.invalid_with_hint(node, "an objective expected", FORM);
            return None;
        }
        let mut fields = cx.fields(node)?;
        let minimize: Option<Option<String>> = fields.or("minimize", None);
        let maximize: Option<Option<String>> = fields.or("maximize", None);
        fields.finish();
        match (minimize?, maximize?) {
            (Some(what), None) if what == COST => Some(Self::Cost),
            (Some(metric), None) if !metric.is_empty() => Some(Self::Minimize(metric)),
            (None, Some(metric)) if !metric.is_empty() && metric != COST => Some(Self::Maximize(metric)),
            _ => {
                cx.invalid_with_hint(
                    node,
                    "an objective names one metric to minimize or to maximize, or the cost",
                    FORM,
                );
                None
            }
        }
    }
}

keys! {
    /// What resources cost.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Prices {
        /// Price of a core for an hour, in any currency; 0.0316 by default.
        pub cpu: f64 as Price = 0.0316,
        /// Price of a GiB of memory for an hour, in the same; 0.0042 by default.
        pub memory: f64 as Price = 0.0042,
    }
    default: all;
}

keys! {
    /// How each trial is measured.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct MeasureConfig {
        /// How much of the beginning is left out; 1 m by default.
        pub warmup: Duration = Duration::from_secs(60),
        /// How long is measured; 5 m by default.
        pub duration: Duration = Duration::from_secs(300),
    }
    default: all;
    check: MeasureConfig::check;
}

impl MeasureConfig {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.warmup < Duration::ZERO || self.duration <= Duration::ZERO {
            fields.fail("the duration must be longer than zero, and the warmup not negative");
            return None;
        }
        Some(self)
    }
}

words! {
    /// How bold trials may be.
    #[derive(Default)]
    pub enum CampaignMode {
        /// Generated load or an isolated canary: some trials may violate objectives.
        #[default]
        Explore = "explore",
        /// Live traffic: only what probably keeps all objectives.
        Safe = "safe",
    }
}

words! {
    /// Who chooses the settings.
    #[derive(Default)]
    pub enum SearchAlgorithm {
        #[default]
        GaussianProcess = "gaussian_process",
        Random = "random",
        /// A sequence that covers the range evenly.
        Sobol = "sobol",
    }
}

/// A condition as it is written; what has its default is left out.
fn condition_json(condition: &SloCondition) -> Json {
    let mut json = json!({ "metric": condition.metric, "keep": condition.keep.as_str() });
    let mut set = |key: &str, value: Json| json[key] = value;
    if let Some(description) = &condition.description {
        set("description", description.as_str().into());
    }
    if let Some(threshold) = &condition.threshold {
        set("threshold", number(&decimal_text(threshold)));
    }
    if let Some(metric) = &condition.threshold_metric {
        set("threshold_metric", metric.as_str().into());
        set("slo_metric_minimum", condition.slo_metric_minimum.into());
        set("slo_threshold_minimum", condition.slo_threshold_minimum.into());
    }
    if !condition.threshold_multiplier.is_one() {
        set("threshold_multiplier", number(&decimal_text(&condition.threshold_multiplier)));
    }
    if (condition.trigger_count, condition.trigger_window) != (1, 1) {
        set("trigger_count", condition.trigger_count.into());
        set("trigger_window", condition.trigger_window.into());
    }
    json
}

/// A decimal as a JSON number where that has the same value, else as text.
fn number(text: &str) -> Json {
    let number: Option<f64> = text.parse().ok();
    number.filter(|number| number.is_finite()).map_or_else(|| text.into(), Json::from)
}
