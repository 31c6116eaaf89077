//! What is optimized, and how: the campaign of an embedded optimizer, or of one that is served.

use bigdecimal::One as _;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::dump::Members;
use crate::decode::{Decode, Decoder, Fields, Node, TextForm, Value, words};
use crate::types::{Duration, SloCondition, decimal_text};

/// The least budget: the baseline three times, and one trial.
const LEAST_TRIALS: i64 = 4;

/// The greatest budget: beyond it a suggestion takes longer than a trial.
const MOST_TRIALS: i64 = 1_000;

/// What is optimized, and how.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct CampaignConfig {
    /// What is to be as small or as large as possible: `cost`, or a metric; the cost by default.
    #[schemars(default)]
    pub objective: Objective,
    /// What the resources cost.
    #[schemars(default)]
    pub prices: Prices,
    /// What must hold, as optimizers send it in `userdata.slo`. Required to minimize the cost.
    #[schemars(schema_with = "conditions_schema")]
    pub slo: Vec<SloCondition>,
    /// How many measurements there are, those of the baseline and of the confirmation included: 4 to 1000; 30 by
    /// default.
    #[schemars(default = "default_trials", range(min = 4, max = 1000))]
    pub trials: i64,
    /// How each trial is measured.
    #[schemars(default)]
    pub measure: MeasureConfig,
    /// How bold trials may be: `explore`, the default, under generated load or on an isolated canary; `safe` under live
    /// traffic.
    #[schemars(default)]
    pub mode: CampaignMode,
    /// Who chooses the settings: `gaussian_process`, the default, or `random` or `sobol` to compare with.
    #[schemars(default)]
    pub algorithm: SearchAlgorithm,
    /// Fixes every random choice; 1 by default.
    #[schemars(default = "default_seed")]
    pub seed: i64,
    /// Whether the settings that were found stay in the end, if they are confirmed; by default those of before are put
    /// back. Less than 10 trials leave no room for a confirmation, and the search alone has to do.
    #[schemars(default)]
    pub apply: bool,
}

fn default_trials() -> i64 {
    30
}

fn default_seed() -> i64 {
    1
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

impl Serialize for Objective {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            Self::Cost => json!({ "minimize": COST }),
            Self::Minimize(metric) => json!({ "minimize": metric }),
            Self::Maximize(metric) => json!({ "maximize": metric }),
        };
        value.serialize(serializer)
    }
}

impl JsonSchema for Objective {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
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

/// What resources cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub struct Prices {
    /// Price of a core for an hour, in any currency; 0.0316 by default.
    pub cpu: f64,
    /// Price of a GiB of memory for an hour, in the same; 0.0042 by default.
    pub memory: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { cpu: 0.0316, memory: 0.0042 }
    }
}

impl Decode for Prices {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = cx.fields(node)?;
        let cpu = price("cpu", default.cpu, &mut fields);
        let memory = price("memory", default.memory, &mut fields);
        fields.finish();
        Some(Self { cpu: cpu?, memory: memory? })
    }
}

fn price(key: &str, default: f64, fields: &mut Fields<'_, '_, '_>) -> Option<f64> {
    let price = fields.or(key, default)?;
    if price.is_finite() && price >= 0.0 {
        return Some(price);
    }
    fields.fail_at(key, "a price is a number that is not negative");
    None
}

/// How each trial is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub struct MeasureConfig {
    /// How much of the beginning is left out; 1 m by default.
    pub warmup: Duration,
    /// How long is measured; 5 m by default.
    pub duration: Duration,
}

impl Default for MeasureConfig {
    fn default() -> Self {
        Self { warmup: Duration::from_secs(60), duration: Duration::from_secs(300) }
    }
}

impl Decode for MeasureConfig {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = cx.fields(node)?;
        let warmup = fields.or("warmup", default.warmup);
        let duration = fields.or("duration", default.duration);
        fields.finish();
        let (warmup, duration) = (warmup?, duration?);
        if warmup < Duration::ZERO || duration <= Duration::ZERO {
            cx.invalid_unquoted(node, "the duration must be longer than zero, and the warmup not negative");
            return None;
        }
        Some(Self { warmup, duration })
    }
}

/// How bold trials may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignMode {
    /// Generated load or an isolated canary: some trials may violate objectives.
    #[default]
    Explore,
    /// Live traffic: only what probably keeps all objectives.
    Safe,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchAlgorithm {
    #[default]
    GaussianProcess,
    Random,
    /// A sequence that covers the range evenly.
    Sobol,
}

macro_rules! words_of {
    ($kind:ident: $($word:literal => $variant:ident),*) => {
        impl Decode for $kind {
            fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
                cx.member(node, &[$(($word, Self::$variant)),*])
            }
        }

        impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                words([$($word),*])
            }
        }
    };
}

words_of!(CampaignMode: "explore" => Explore, "safe" => Safe);
words_of!(SearchAlgorithm: "gaussian_process" => GaussianProcess, "random" => Random, "sobol" => Sobol);

impl CampaignConfig {
    /// Reads its keys among others, which the caller reads; all problems are recorded before giving up.
    pub fn read(fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        let objective = fields.or("objective", Objective::Cost);
        let prices = fields.or("prices", Prices::default());
        let slo = conditions(fields);
        let trials = fields.or("trials", default_trials());
        let measure = fields.or("measure", MeasureConfig::default());
        let mode = fields.or("mode", CampaignMode::default());
        let algorithm = fields.or("algorithm", SearchAlgorithm::default());
        let seed = fields.or("seed", default_seed());
        let apply = fields.or("apply", false);
        let (objective, slo, trials) = (objective?, slo?, trials?);
        if objective == Objective::Cost && slo.is_empty() {
            let hint = "nothing is cheapest; say what must hold";
            fields.fail_at_with_hint("slo", "field required to minimize the cost", hint);
        }
        if !(LEAST_TRIALS..=MOST_TRIALS).contains(&trials) {
            fields.fail_at("trials", format!("it must be from {LEAST_TRIALS} to {MOST_TRIALS}, and is {trials}"));
        }
        Some(Self {
            objective,
            prices: prices?,
            slo,
            trials,
            measure: measure?,
            mode: mode?,
            algorithm: algorithm?,
            seed: seed?,
            apply: apply?,
        })
    }

    /// The objectives as `userdata.slo` has them.
    pub fn slo_json(&self) -> Json {
        json!({ "conditions": self.slo.iter().map(condition_json).collect::<Vec<_>>() })
    }

    /// Every key with its value.
    pub fn to_json(&self) -> Json {
        json!({
            "objective": self.objective,
            "prices": self.prices,
            "slo": self.slo.iter().map(condition_json).collect::<Vec<_>>(),
            "trials": self.trials,
            "measure": self.measure,
            "mode": self.mode,
            "algorithm": self.algorithm,
            "seed": self.seed,
            "apply": self.apply,
        })
    }

    pub(super) fn show(&self, members: &mut Members) {
        let objective = self.objective == Objective::Cost;
        members.unless_default("objective", &self.objective, objective);
        members.unless_default("prices", self.prices, self.prices == Prices::default());
        let conditions: Vec<Json> = self.slo.iter().map(condition_json).collect();
        members.unless_default("slo", &conditions, conditions.is_empty());
        members.unless_default("trials", self.trials, self.trials == default_trials());
        members.unless_default("measure", self.measure, self.measure == MeasureConfig::default());
        members.unless_default("mode", self.mode, self.mode == CampaignMode::default());
        members.unless_default("algorithm", self.algorithm, self.algorithm == SearchAlgorithm::default());
        members.unless_default("seed", self.seed, self.seed == default_seed());
        members.unless_default("apply", self.apply, !self.apply);
    }
}

/// All keys are kept when a campaign is read back.
impl Decode for CampaignConfig {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let campaign = Self::read(&mut fields);
        fields.finish();
        campaign
    }
}

/// The conditions, by the rules of `userdata.slo`.
fn conditions(fields: &mut Fields<'_, '_, '_>) -> Option<Vec<SloCondition>> {
    let conditions = fields.or::<Vec<SloCondition>>("slo", Vec::new())?;
    let texts: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    let redundant = texts.iter().enumerate().find(|(index, text)| texts[..*index].contains(text));
    if let Some((_, text)) = redundant {
        fields.fail_at("slo", format!("conditions must be unique, and {text} is there twice"));
        return None;
    }
    Some(conditions)
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
