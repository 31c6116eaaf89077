//! A servo's configuration as it is shown.

use serde_json::Value as Json;

use super::{PreparedServo, Route};
use crate::connector::Section;
use crate::decode::{Decoder, Dump, NoVariables, Secrets, shown_with};

impl PreparedServo {
    /// The whole configuration as it is shown.
    pub fn shown(&self, dump: Dump) -> Json {
        let sections = self.routes.iter().map(|route| (route.name.as_str().to_owned(), route.shown(dump)));
        self.config.to_json(dump, sections)
    }
}

impl Route {
    /// The section as it is shown.
    pub fn shown(&self, dump: Dump) -> Json {
        let read = |node: &_| {
            let section = Section { name: &self.name, node, prefix: "" };
            let parsed = Decoder::run(&NoVariables, |cx| self.factory.parse(section, cx));
            parsed.ok().map(|parsed| parsed.show(Secrets::Raw))
        };
        shown_with(|secrets| self.section.show(secrets), |generator| self.factory.schema(generator), read, dump)
    }
}
