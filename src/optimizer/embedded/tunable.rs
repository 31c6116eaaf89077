//! Settings as a campaign sees them: what an agent describes, as points of the search space and back.
//!
//! Everything is in the form and the units of the wire, which all agents speak. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::search::{Dimension, Point, Space};
use crate::types::{Adjustment, Description, Scalar};

/// Values by `component.setting`, those that may be changed only.
pub(crate) type Settings = Map<String, Value>;

/// Digits behind the point of a value: enough for a byte of a GiB, and few enough that 0.1 + 0.2 is 0.3.
const PRECISION: f64 = 1e12;

/// The setting that counts replicas.
const REPLICAS: &str = "replicas";

/// One setting of one component, as it was before the campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tunable {
    pub component: String,
    pub setting: String,
    /// The values that it can have.
    pub domain: Domain,
    pub unit: Option<String>,
    /// The value that it had.
    pub value: Value,
}

/// The values that a setting can have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Domain {
    /// Numbers from `min` to `max` in steps.
    Range {
        min: f64,
        max: f64,
        /// The distance of neighbours; 0 when there is only one.
        step: f64,
        /// Whether all are whole numbers.
        whole: bool,
    },
    Enum(Vec<String>),
    /// The one that it has: it is pinned.
    Pinned,
}

/// What an agent describes and no campaign can work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TunableError {
    #[error("nothing can be optimized: the description has no setting that is not pinned")]
    Nothing,
    #[error("two settings have the same name, component and setting together: rename one of the components")]
    Ambiguous,
    #[error("setting '{0}' has no value now: give it one, or pin it")]
    NoValue(String),
    #[error("setting '{name}' cannot be searched: {problem}")]
    Domain { name: String, problem: String },
}

impl Tunable {
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.component, self.setting)
    }

    /// Whether a value is the one that it has.
    pub(super) fn has(&self, value: &Value) -> bool {
        let is_close = |one: f64, other: f64| (one - other).abs() <= 1e-6 * one.abs().max(other.abs()) + 1e-9;
        match (self.domain.number(&self.value), self.domain.number(value)) {
            (Some(one), Some(other)) => is_close(one, other),
            _ => self.value == *value,
        }
    }

    /// Whether a value lies within its range.
    pub(super) fn contains(&self, value: &Value) -> bool {
        match (&self.domain, self.domain.number(value)) {
            (Domain::Range { min, max, .. }, Some(number)) => (min - 1e-9..=max + 1e-9).contains(&number),
            (Domain::Enum(_), Some(_)) => true,
            (Domain::Pinned, _) | (_, None) => false,
        }
    }

    /// Whether the campaign leaves it alone.
    pub(crate) fn is_pinned(&self) -> bool {
        self.domain == Domain::Pinned
    }

    fn read(component: &str, setting: &str, wire: &Value) -> Result<Self, TunableError> {
        let name = || format!("{component}.{setting}");
        let mut value = wire.get("value").cloned().unwrap_or(Value::Null);
        let pinned = wire.get("pinned").and_then(Value::as_bool).unwrap_or(false);
        let domain = if pinned {
            Domain::Pinned
        } else {
            let domain = Domain::read(wire).map_err(|problem| TunableError::Domain { name: name(), problem })?;
            if setting == REPLICAS && matches!(domain, Domain::Range { min, .. } if min < 1.0) {
                let problem = "no replica answers no request, and costs nothing: let 'min' be 1 or more, or pin it";
                return Err(TunableError::Domain { name: name(), problem: problem.to_owned() });
            }
            if value.is_null() {
                return Err(TunableError::NoValue(name()));
            }
            if domain.number(&value).is_none() {
                let problem = format!("its value {value} is none of those that it can have");
                return Err(TunableError::Domain { name: name(), problem });
            }
            value = domain.plain(value);
            domain
        };
        let unit = wire.get("unit").and_then(Value::as_str).filter(|unit| !unit.is_empty()).map(str::to_owned);
        Ok(Self { component: component.to_owned(), setting: setting.to_owned(), domain, unit, value })
    }
}

impl Domain {
    fn read(wire: &Value) -> Result<Self, String> {
        match wire.get("type").and_then(Value::as_str) {
            Some("enum") => {
                let values = wire.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let texts: Vec<String> = values.iter().map(text).collect();
                if texts.is_empty() { Err("its list of values is empty".to_owned()) } else { Ok(Self::Enum(texts)) }
            }
            // A description of older agents may leave the word out.
            Some("range") | None => {
                let bound = |key: &str| wire.get(key).and_then(Value::as_f64).filter(|bound| bound.is_finite());
                let [Some(min), Some(max), Some(step)] = ["min", "max", "step"].map(bound) else {
                    return Err("its min, max and step must be numbers".to_owned());
                };
                if min > max || step < 0.0 {
                    return Err(format!("there are no steps of {step} from {min} to {max}"));
                }
                let whole = ["min", "max", "step"].iter().all(|key| wire.get(*key).is_some_and(Value::is_i64));
                Ok(Self::Range { min, max, step, whole })
            }
            Some(other) => Err(format!("its type is {other:?}, not range or enum")),
        }
    }

    fn dimension(&self) -> Option<Dimension> {
        match self {
            Self::Range { min, max, step, .. } => Some(Dimension::Steps { min: *min, max: *max, step: *step }),
            Self::Enum(values) => Some(Dimension::Choice { values: values.len() }),
            Self::Pinned => None,
        }
    }

    /// A value as this domain writes it. Agents describe a count as 8.0, which an application that reads a count from
    /// its environment would refuse when it is put back.
    fn plain(&self, value: Value) -> Value {
        match (self, self.number(&value)) {
            (Self::Range { whole: true, .. }, Some(number)) if number.fract() == 0.0 => self.value(number),
            _ => value,
        }
    }

    /// The number of a value in the search space.
    fn number(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Range { .. } => value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|n| n.is_finite()),
            Self::Enum(values) => {
                let index = values.iter().position(|known| *known == text(value))?;
                u32::try_from(index).ok().map(f64::from)
            }
            Self::Pinned => None,
        }
    }

    /// The value of a number of the search space.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of the search are small")]
    fn value(&self, number: f64) -> Value {
        match self {
            Self::Range { whole: true, .. } => Value::from(number.round() as i64),
            Self::Range { .. } => Value::from((number * PRECISION).round() / PRECISION),
            Self::Enum(values) => values.get(number.max(0.0) as usize).map_or(Value::Null, |text| text.as_str().into()),
            Self::Pinned => Value::Null,
        }
    }
}

/// A scalar as the text that lists of values have.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The settings of a description, in its order.
///
/// # Errors
/// Something cannot be searched, or there is nothing to search.
pub(super) fn read(description: &Description) -> Result<Vec<Tunable>, TunableError> {
    let settings = description.components.iter().flat_map(|component| {
        component.settings.iter().map(|setting| Tunable::read(&component.name, setting.name(), &setting.to_wire()))
    });
    let tunables = settings.collect::<Result<Vec<_>, _>>()?;
    let names: BTreeSet<String> = tunables.iter().map(Tunable::name).collect();
    if names.len() < tunables.len() {
        return Err(TunableError::Ambiguous);
    }
    if tunables.iter().all(Tunable::is_pinned) { Err(TunableError::Nothing) } else { Ok(tunables) }
}

/// The dimensions of what may be changed, in order.
pub(super) fn space(tunables: &[Tunable]) -> Space {
    Space { dimensions: tunables.iter().filter_map(|tunable| tunable.domain.dimension()).collect() }
}

/// The values before the campaign.
pub(super) fn baseline(tunables: &[Tunable]) -> Settings {
    let free = tunables.iter().filter(|tunable| !tunable.is_pinned());
    free.map(|tunable| (tunable.name(), tunable.value.clone())).collect()
}

/// The adjustments that lead to these settings, in the order of the description.
pub(super) fn adjustments(tunables: &[Tunable], settings: &Settings) -> Vec<Adjustment> {
    let of = |tunable: &Tunable| {
        let value = scalar(settings.get(&tunable.name())?);
        Some(Adjustment::new(tunable.component.as_str(), tunable.setting.as_str(), value))
    };
    tunables.iter().filter_map(of).collect()
}

fn scalar(value: &Value) -> Scalar {
    match (value.as_i64(), value.as_f64()) {
        (Some(integer), _) => Scalar::Integer(integer),
        (None, Some(number)) => Scalar::Float(number),
        (None, None) => Scalar::Text(text(value)),
    }
}

/// The point of these settings; `None` when one is missing or is no value of its setting.
pub(super) fn point(tunables: &[Tunable], settings: &Settings) -> Option<Point> {
    let free = tunables.iter().filter(|tunable| !tunable.is_pinned());
    free.map(|tunable| tunable.domain.number(settings.get(&tunable.name())?)).collect()
}

/// The settings of a point. A baseline value is kept as it was described.
pub(super) fn settings(tunables: &[Tunable], point: &[f64]) -> Settings {
    let free = tunables.iter().filter(|tunable| !tunable.is_pinned());
    free.zip(point)
        .map(|(tunable, number)| {
            let value = tunable.domain.value(*number);
            let unchanged = tunable.domain.number(&tunable.value) == tunable.domain.number(&value);
            (tunable.name(), if unchanged { tunable.value.clone() } else { value })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::{self, Place};

    fn description(settings: &Value) -> Description {
        let body = json!({"application": {"components": {"web": {"settings": settings}}}});
        Place { origin: "test", key: "descriptor" }.read(&body, wire::description::decode).unwrap()
    }

    #[test]
    fn settings_become_points_and_back() {
        let described = description(&json!({
            "cpu": {"type": "range", "min": 0.1, "max": 1.0, "step": 0.1, "value": 0.5, "unit": "cores"},
            "replicas": {"type": "range", "min": 1, "max": 5, "step": 1, "value": 2},
            "gc": {"type": "enum", "values": ["serial", "parallel"], "value": "parallel", "unit": ""},
            "mem": {"type": "range", "min": 1, "max": 1, "step": 0, "pinned": true},
        }));
        let tunables = read(&described).unwrap();
        assert_eq!(space(&tunables).dimensions.len(), 3);
        assert_eq!(point(&tunables, &baseline(&tunables)), Some(vec![0.5, 2.0, 1.0]));
        let changed = settings(&tunables, &[0.1 + 0.2, 3.0, 0.0]);
        assert_eq!(Value::from(changed), json!({"web.cpu": 0.3, "web.replicas": 3, "web.gc": "serial"}));
    }

    #[test]
    fn a_count_is_put_back_as_a_count() {
        let range = |min: Value, value: f64| json!({"type": "range", "min": min, "max": 9, "step": 1, "value": value});
        let described = description(&json!({
            "workers": range(json!(1), 8.0), "between": range(json!(1), 8.5), "share": range(json!(1.0), 8.0),
        }));
        let before = baseline(&read(&described).unwrap());
        assert_eq!(Value::from(before).to_string(), r#"{"web.workers":8,"web.between":8.5,"web.share":8.0}"#);
    }

    #[test]
    fn what_cannot_be_searched_is_named() {
        for (settings, message) in [
            (
                json!({"cpu": {"type": "range", "min": 1, "max": 2, "step": 1, "value": 1, "pinned": true}}),
                "nothing can",
            ),
            (json!({"cpu": {"type": "range", "min": 1, "max": 2, "step": 1, "value": null}}), "'web.cpu' has no value"),
            (json!({"gc": {"type": "enum", "values": ["a"], "value": "b"}}), "\"b\" is none of those"),
        ] {
            let error = read(&description(&settings)).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
