//! The form in which configuration is shown: as JSON, with or without its secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

/// Whether secrets are among what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// They read `REDACTED`.
    Redacted,
    /// They are shown, so that the output loads back equal. Never for logs, telemetry or diagnostics.
    Raw,
}

/// Which keys are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Those whose value is not the default; this is what loads back.
    Set,
    /// All of them.
    Full,
}

/// How to show configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dump {
    pub secrets: Secrets,
    pub detail: Detail,
}

/// A value of the configuration that can be shown.
pub trait Show {
    /// The value as it would be written in a file.
    fn show(&self, secrets: Secrets) -> Json;
}

impl<T: Show> Show for Option<T> {
    fn show(&self, secrets: Secrets) -> Json {
        self.as_ref().map_or(Json::Null, |value| value.show(secrets))
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self, secrets: Secrets) -> Json {
        self.iter().map(|value| value.show(secrets)).collect()
    }
}

impl<T: Show> Show for BTreeMap<String, T> {
    fn show(&self, secrets: Secrets) -> Json {
        Json::Object(self.iter().map(|(key, value)| (key.clone(), value.show(secrets))).collect())
    }
}

impl Show for PathBuf {
    fn show(&self, _: Secrets) -> Json {
        self.to_string_lossy().into()
    }
}

/// Types without secrets, which are shown as `serde` writes them.
macro_rules! show_serialized {
    ($($kind:ty),* $(,)?) => {
        $(impl $crate::decode::Show for $kind {
            fn show(&self, _: $crate::decode::Secrets) -> serde_json::Value {
                // Texts, numbers, and lists and maps of them: none can fail to serialize.
                serde_json::to_value(self).unwrap_or_default()
            }
        })*
    };
}

show_serialized!(String, bool, i64, u64, f64);

pub(crate) use show_serialized;
