//! How configuration is shown: which keys, and whether secrets are among them.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::decode::{HttpUrl, Secret};

/// What becomes of secrets when configuration is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Redacted,
    /// They are shown, so that the output loads back equal. Never for logs, telemetry or diagnostics.
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Those whose value is not the default; this is what loads back.
    Set,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dump {
    pub secrets: Secrets,
    pub detail: Detail,
}

/// The members of a mapping that is being shown.
pub(super) struct Members {
    dump: Dump,
    map: Map<String, Value>,
}

impl Members {
    pub(super) fn new(dump: Dump) -> Self {
        Self { dump, map: Map::new() }
    }

    /// A key that is always shown.
    pub(super) fn always(&mut self, key: &str, value: impl Serialize) {
        // Only texts, numbers, lists and maps with text keys are shown; none can fail to serialize.
        self.map.insert(key.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    /// A key that is shown unless it has its default value.
    pub(super) fn unless_default(&mut self, key: &str, value: impl Serialize, is_default: bool) {
        if !is_default || self.dump.detail == Detail::Full {
            self.always(key, value);
        }
    }

    /// A key whose default is null.
    pub(super) fn optional<T: Serialize>(&mut self, key: &str, value: Option<T>) {
        let is_default = value.is_none();
        self.unless_default(key, value, is_default);
    }

    /// A secret whose default is null.
    pub(super) fn secret(&mut self, key: &str, value: Option<&Secret>) {
        match self.dump.secrets {
            Secrets::Redacted => self.optional(key, value),
            Secrets::Raw => self.optional(key, value.map(Secret::expose)),
        }
    }

    pub(super) fn finish(self) -> Value {
        Value::Object(self.map)
    }
}

impl Dump {
    /// An address, which may hold a password.
    pub(super) fn address(self, url: &HttpUrl) -> String {
        match self.secrets {
            Secrets::Redacted => url.redacted(),
            Secrets::Raw => url.as_str().to_owned(),
        }
    }
}
