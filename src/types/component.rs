//! Components: the parts of an application that have settings.

use serde_json::{Map, Value as Json, json};

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

    /// The wire form, `{"settings": {…}}`; of several settings of one name the last counts.
    pub fn to_wire(&self) -> Json {
        let settings: Map<String, Json> =
            self.settings.iter().map(|setting| (setting.name().to_owned(), setting.to_wire())).collect();
        json!({ "settings": settings })
    }
}
