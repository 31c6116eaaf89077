//! One check with its result, and what selects it.

mod filter;
mod request;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use blake2::digest::consts::U4;
use blake2::{Blake2b, Digest};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::ser::{Serialize, SerializeStruct, Serializer};

pub(crate) use filter::CheckFilter;
pub use request::CheckRequest;

use super::ConnectorName;
use crate::types::{self, Severity};

/// Something that can be done about a failing check.
#[async_trait]
pub trait Remedy: Send + Sync {
    /// Does it. Dropped when it takes longer than 10 s.
    ///
    /// # Errors
    /// A message for people.
    async fn apply(&self) -> Result<(), String>;
}

/// A check that has run.
#[derive(Clone)]
pub struct Check {
    /// Its name, for people and filters.
    pub name: String,
    /// Its id, for programs and filters; unique within a connector.
    pub id: String,
    pub description: Option<String>,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// Words to select it by: lower-case letters, digits, `.` and `-`, at most 32.
    pub tags: BTreeSet<String>,
    pub success: bool,
    pub message: Option<String>,
    pub hint: Option<String>,
    /// What can be done by program.
    pub remedy: Option<Arc<dyn Remedy>>,
    pub run_at: Timestamp,
    pub runtime: Duration,
}

impl Check {
    /// A check that begins now and has not succeeded yet; its id is computed from its name.
    pub fn named(name: impl Into<String>, severity: Severity) -> Self {
        let name = name.into();
        Self::new(computed_id(&name), name, severity)
    }

    /// A check that begins now and has not succeeded yet.
    pub(crate) fn new(id: String, name: String, severity: Severity) -> Self {
        Self {
            name,
            id,
            description: None,
            severity,
            tags: BTreeSet::new(),
            success: false,
            message: None,
            hint: None,
            remedy: None,
            run_at: Timestamp::now(),
            runtime: Duration::ZERO,
        }
    }

    /// Whether it stands in nobody's way: it succeeded, or its failure is only a warning.
    pub fn passed(&self) -> bool {
        self.success || self.severity == Severity::Warning
    }

    /// Whether it keeps the servo from being ready.
    pub fn failed(&self) -> bool {
        !self.passed()
    }

    /// Its result in one word.
    pub fn status(&self) -> CheckStatus {
        match (self.success, self.severity) {
            (true, _) => CheckStatus::Passed,
            (false, Severity::Warning) => CheckStatus::Warning,
            (false, Severity::Common | Severity::Critical) => CheckStatus::Failed,
        }
    }
}

/// Everything but the remedy, which need not be printable.
impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("severity", &self.severity)
            .field("success", &self.success)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// The keys that programs know, in their order. `exception` is always null, and `created_at` is `run_at`: both are
/// there for readers that expect them. Times are local, without a zone.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let run_at = self.run_at.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        let mut record = serializer.serialize_struct("Check", 13)?;
        record.serialize_field("name", &self.name)?;
        record.serialize_field("id", &self.id)?;
        record.serialize_field("description", &self.description)?;
        record.serialize_field("severity", self.severity.as_str())?;
        record.serialize_field("tags", &(!self.tags.is_empty()).then_some(&self.tags))?;
        record.serialize_field("success", &self.success)?;
        record.serialize_field("message", &self.message)?;
        record.serialize_field("hint", &self.hint)?;
        record.serialize_field("remedy", &self.remedy.as_ref().map(|_| "available"))?;
        record.serialize_field("exception", &None::<&str>)?;
        record.serialize_field("created_at", &run_at)?;
        record.serialize_field("run_at", &run_at)?;
        record.serialize_field("runtime", &types::Duration::from_std(self.runtime))?;
        record.end()
    }
}

/// The BLAKE2b hash of four bytes of a name, as hexadecimal text.
fn computed_id(name: &str) -> String {
    let digest: [u8; 4] = Blake2b::<U4>::digest(name).into();
    format!("{:08x}", u32::from_be_bytes(digest))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckStatus {
    Passed,
    /// It did not succeed, which is only a warning.
    Warning,
    Failed,
}

impl CheckStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "√ PASSED",
            Self::Warning => "! WARNING",
            Self::Failed => "X FAILED",
        }
    }
}

impl fmt::Display for CheckStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The checks of one connector that ran, in order.
#[derive(Debug, Clone)]
pub(crate) struct ConnectorChecks {
    pub connector: ConnectorName,
    pub checks: Vec<Check>,
}

impl ConnectorChecks {
    /// Whether none of them keeps the servo from being ready.
    pub(crate) fn passed(&self) -> bool {
        self.checks.iter().all(Check::passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_ids_are_the_known_ones() {
        for (name, id) in [
            ("Test", "1bab7e8d"),
            ("Ensure adequate resources", "c272d5e0"),
            ("Opsani API connectivity", "ffd7e219"),
            ("two", "0b1c4a4d"),
            ("four", "31d68b28"),
            ("Check five", "b3f49d29"),
            ("Check throughput", "fae728a9"),
            ("Check error_rate", "09b17996"),
            ("✅ é", "7a30e958"),
            ("", "1271cf25"),
        ] {
            assert_eq!(Check::named(name, Severity::Common).id, id, "{name}");
        }
    }

    #[test]
    fn a_failing_warning_has_passed_and_says_so() {
        for (success, severity, passed, status) in [
            (true, Severity::Warning, true, "√ PASSED"),
            (true, Severity::Critical, true, "√ PASSED"),
            (false, Severity::Warning, true, "! WARNING"),
            (false, Severity::Common, false, "X FAILED"),
            (false, Severity::Critical, false, "X FAILED"),
        ] {
            let check = Check { success, ..Check::named("one", severity) };
            assert_eq!((check.passed(), check.failed()), (passed, !passed), "{check:?}");
            assert_eq!(check.status().to_string(), status);
        }
    }

    #[test]
    fn the_json_form_has_the_known_keys_in_their_order() {
        let mut check = Check::named("two", Severity::Common);
        check.tags = ["slow".to_owned(), "http".to_owned()].into();
        check.runtime = Duration::from_micros(1_500);
        let json = serde_json::to_value(&check).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys.join(","),
            "name,id,description,severity,tags,success,message,hint,remedy,exception,created_at,run_at,runtime"
        );
        assert_eq!(json["severity"], "common");
        assert_eq!(json["tags"], serde_json::json!(["http", "slow"]));
        assert_eq!(json["runtime"], "1ms500us");
        assert_eq!(json["run_at"].as_str().map(str::len), Some("2026-01-01T12:30:08.103000".len()));
    }

    #[test]
    fn no_tags_are_null() {
        assert!(serde_json::to_value(Check::named("two", Severity::Common)).unwrap()["tags"].is_null());
    }
}
