//! Components: the parts of an application that have settings.

use super::Setting;

/// A part of an application with what can be set on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// The name, on the wire too.
    pub name: String,
    pub settings: Vec<Setting>,
}

impl Component {
    /// A component of this name and settings.
    pub fn new(name: impl Into<String>, settings: Vec<Setting>) -> Self {
        Self { name: name.into(), settings }
    }

    /// The first setting of a name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name() == name)
    }
}
