//! What a servo can set and measure.

use std::sync::Arc;

use super::{Component, Metric, Setting};

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
}
