//! What a servo can set and measure.

use std::fmt;
use std::sync::Arc;

use super::{Adjustment, ByteSize, Component, Core, Metric, Scalar, Setting};

/// Components with their settings, and metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    pub components: Vec<Component>,
    pub metrics: Vec<Arc<Metric>>,
}

/// A name that is no `component.setting`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting name '{0}' must include component name and setting name, such as web.cpu")]
pub struct SettingNameError(String);

/// A setting that does not have the value that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mismatch {
    pub asked: Adjustment,
    /// `None` if the setting is not described, or has no value.
    pub found: Option<Scalar>,
}

/// `web.cpu is 0.05 instead of 0.4`.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (setting, asked) = (self.asked.selector(), &self.asked.value);
        match &self.found {
            Some(found) => write!(f, "{setting} is {found} instead of {asked}"),
            None => write!(f, "{setting} is not described, so that {asked} cannot be verified"),
        }
    }
}

fn agree(asked: &Scalar, found: &Scalar) -> bool {
    asked.to_string() == found.to_string()
        || numbers(asked).iter().any(|asked| {
            numbers(found).iter().any(|found| (asked - found).abs() <= 1e-6 * asked.abs().max(found.abs()) + 1e-9)
        })
}

/// What a value may mean as a number: itself, cores, or GiB.
fn numbers(value: &Scalar) -> Vec<f64> {
    match value {
        Scalar::Integer(_) | Scalar::Float(_) => value.as_f64().into_iter().collect(),
        Scalar::Text(text) => {
            let plain = text.trim().parse::<f64>().ok();
            if plain.is_some() {
                return plain.into_iter().collect();
            }
            let (cores, size) = (Core::parse(text).ok(), ByteSize::parse(text).ok());
            [cores.map(|cores| cores.as_f64()), size.map(ByteSize::as_gib)].into_iter().flatten().collect()
        }
    }
}

impl Description {
    /// Adds what another connector describes.
    pub fn merge(&mut self, other: Self) {
        self.components.extend(other.components);
        self.metrics.extend(other.metrics);
    }

    /// The descriptions of several connectors as one.
    pub fn merged(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        parts.into_iter().for_each(|part| whole.merge(part));
        whole
    }

    /// The adjustments whose settings do not have the value that was asked for. Numbers are compared as applications
    /// round them, by a millionth.
    pub(crate) fn mismatches(&self, asked: &[Adjustment]) -> Vec<Mismatch> {
        let found = |adjustment: &Adjustment| {
            let component = self.component(&adjustment.component_name)?;
            component.setting(&adjustment.setting_name)?.value()
        };
        let differs = |adjustment: &Adjustment| {
            let found = found(adjustment);
            let is_same = found.as_ref().is_some_and(|found| agree(&adjustment.value, found));
            (!is_same).then(|| Mismatch { asked: adjustment.clone(), found })
        };
        asked.iter().filter_map(differs).collect()
    }

    /// The first component of a name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.name == name)
    }

    /// The setting called `component.setting`, split at the first dot; `None` when there is none.
    ///
    /// # Errors
    /// The name has no dot.
    pub fn setting(&self, name: &str) -> Result<Option<&Setting>, SettingNameError> {
        let (component, setting) = name.split_once('.').ok_or_else(|| SettingNameError(name.to_owned()))?;
        Ok(self.component(component).and_then(|component| component.setting(setting)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Decode as _, Decoder, NoVariables, Node, Origin};
    use crate::types::ReplicasSetting;

    fn component(name: &str, max: u32) -> Component {
        Component::new(name, vec![ReplicasSetting::up_to(max).into()])
    }

    #[test]
    fn a_setting_is_found_by_component_and_name_the_first_of_several() {
        let mut description = Description { components: vec![component("web", 2)], metrics: Vec::new() };
        description
            .merge(Description { components: vec![component("web", 9), component("db", 3)], metrics: Vec::new() });
        let found = |name: &str| description.setting(name).map(|setting| setting.map(Setting::summary));
        let summary = |max: u32| Some(Setting::from(ReplicasSetting::up_to(max)).summary());
        assert_eq!(found("web.replicas"), Ok(summary(2)));
        assert_eq!(found("db.replicas"), Ok(summary(3)));
        assert_eq!(found("web.cpu"), Ok(None));
        assert_eq!(found("cache.replicas"), Ok(None));
        assert_eq!(found("web"), Err(SettingNameError("web".to_owned())));
    }

    #[test]
    fn values_agree_whatever_their_unit_and_others_are_named_with_both() {
        let range = |name: &str, value: Scalar| {
            let fields = serde_json::json!({"name": name, "min": 0.0, "max": 9.0, "step": 0.5});
            let node = Node::from_json(&fields, &Origin::whole("test"));
            let range = Decoder::run(&NoVariables, |cx| crate::types::RangeSetting::decode(&node, cx)).unwrap();
            Setting::from(range).safe_set(Some(&value))
        };
        let settings = vec![range("cpu", Scalar::Float(0.25)), range("mem", Scalar::Float(0.099_999_999_6))];
        let description = Description { components: vec![Component::new("web.v1", settings)], metrics: Vec::new() };
        let text = |text: &str| Scalar::Text(text.to_owned());
        for (setting, value) in
            [("cpu", text("250m")), ("cpu", text("0.25")), ("cpu", Scalar::Float(0.25)), ("mem", Scalar::Float(0.1))]
        {
            let asked = [Adjustment::new("web.v1", setting, value.clone())];
            assert_eq!(description.mismatches(&asked), [], "{value}");
        }
        let asked = [
            Adjustment::new("web.v1", "cpu", text("400m")),
            Adjustment::new("web", "v1.cpu", text("250m")),
            Adjustment::new("web.v1", "mem", Scalar::Integer(1)),
        ];
        let texts: Vec<String> = description.mismatches(&asked).iter().map(ToString::to_string).collect();
        assert_eq!(texts[0], "web.v1.cpu is 0.25 instead of 400m");
        assert!(texts[1].contains("is not described") && texts.len() == 3, "{texts:?}");
    }
}
