//! Adjustments: a new value for one setting of one component.

use std::fmt;

use bigdecimal::ToPrimitive;

use super::decimal::parse_decimal;
use super::{Core, QuantityError, Scalar};

/// A new value for a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjustment {
    pub component_name: String,
    pub setting_name: String,
    /// The new value, kept as given.
    pub value: Scalar,
}

/// Why a value cannot be given to a workload on Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdjustmentError {
    /// Not a number of cores.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// Finer than a thousandth of a core.
    #[error("Kubernetes does not support CPU precision lower than 1m (one millicore). Found {0}")]
    CpuPrecision(String),
    /// Not a number of replicas.
    #[error("could not read '{0}' as a number of replicas")]
    Replicas(String),
}

impl Adjustment {
    /// A new value for a setting of a component.
    pub fn new(component_name: impl Into<String>, setting_name: impl Into<String>, value: Scalar) -> Self {
        Self { component_name: component_name.into(), setting_name: setting_name.into(), value }
    }

    pub fn selector(&self) -> String {
        format!("{}.{}", self.component_name, self.setting_name)
    }

    /// The name and value as Kubernetes has them: memory in GiB where no unit is given, cores as quantity text,
    /// replicas as a whole number, everything else as it is.
    ///
    /// # Errors
    /// The value is no quantity, finer than a millicore, or no number of replicas.
    pub fn for_kubernetes(&self) -> Result<(&str, Scalar), AdjustmentError> {
        let value = match self.setting_name.as_str() {
            "mem" | "memory" => return Ok(("memory", memory(&self.value))),
            "cpu" => cpu(&self.value)?,
            "replicas" => replicas(&self.value)?,
            _ => self.value.clone(),
        };
        Ok((&self.setting_name, value))
    }
}

fn memory(value: &Scalar) -> Scalar {
    let text = value.to_string();
    let digits = text.replacen('.', "", 1);
    let bare = match value {
        Scalar::Integer(_) | Scalar::Float(_) => true,
        Scalar::Text(_) => !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()),
    };
    if bare { Scalar::Text(format!("{text}Gi")) } else { value.clone() }
}

fn cpu(value: &Scalar) -> Result<Scalar, AdjustmentError> {
    let core = Core::parse(&value.to_string())?;
    if core.is_whole_millis() {
        Ok(Scalar::Text(core.to_string()))
    } else {
        Err(AdjustmentError::CpuPrecision(value.to_string()))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounds are checked first")]
fn replicas(value: &Scalar) -> Result<Scalar, AdjustmentError> {
    let count = match value {
        Scalar::Integer(count) => return Ok(Scalar::Integer(*count)),
        Scalar::Float(count) => Some(*count),
        Scalar::Text(text) => parse_decimal(text).and_then(|count| count.to_f64()),
    };
    let count = count.filter(|count| count.abs() < i64::MAX as f64);
    count.map(|count| Scalar::Integer(count as i64)).ok_or_else(|| AdjustmentError::Replicas(value.to_string()))
}

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}={}", self.component_name, self.setting_name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_kubernetes_has_them() {
        let given = |setting: &str, value| {
            let adjustment = Adjustment::new("web", setting, value);
            adjustment.for_kubernetes().map(|(_, value)| value)
        };
        let text = |text: &str| Scalar::Text(text.to_owned());
        assert_eq!(given("replicas", text(" 5_5 ")), Ok(Scalar::Integer(55)));
        assert_eq!(given("replicas", Scalar::Float(2.9)), Ok(Scalar::Integer(2)));
        for value in [Scalar::Float(1e19), Scalar::Float(f64::NAN), text("many")] {
            assert!(matches!(given("replicas", value.clone()), Err(AdjustmentError::Replicas(_))), "{value:?}");
        }
        assert_eq!(given("cpu", text("9223372036854776")), Ok(text("9223372036854776")));
        assert!(matches!(given("cpu", text("0.0001")), Err(AdjustmentError::CpuPrecision(_))));
    }
}
