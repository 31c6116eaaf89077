//! Where the executables are, and what they say of themselves. Only metadata is asked for, and nothing is left running.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ExternalFactory;
use super::handshake::greet;
use super::session::Session;
use crate::causes::chain;
use crate::subprocess::SearchPath;

/// What the name of an executable begins with; the rest is the type.
pub(crate) const PREFIX: &str = "servo-connector-";

/// The longest type, in characters.
const LONGEST_TYPE: usize = 64;

/// An executable that may be a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub type_name: String,
    pub program: PathBuf,
}

/// Why an executable is no connector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is no connector that can be used: {why}", .program.display())]
pub struct DiscoveryError {
    pub program: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Found {
    /// The executable of a type, if there is one.
    ///
    /// # Errors
    /// There is a file of its name, which is not executable.
    pub fn find(type_name: &str, path: &SearchPath) -> Result<Option<Self>, DiscoveryError> {
        if !is_type_name(type_name) {
            return Ok(None);
        }
        let program = format!("{PREFIX}{type_name}");
        if let Ok(program) = path.find(&program) {
            return Ok(Some(Self { type_name: type_name.to_owned(), program }));
        }
        path.find_not_executable(&program).map_or(Ok(None), |program| {
            Err(DiscoveryError { why: "the file is not executable: chmod +x makes it so".to_owned(), program })
        })
    }

    /// All executables that may be connectors, by type.
    pub fn list(path: &SearchPath) -> Vec<Self> {
        let found = path.beginning_with(PREFIX).into_iter().filter_map(|program| {
            let type_name = program.file_name()?.to_str()?.strip_prefix(PREFIX)?.to_owned();
            is_type_name(&type_name).then_some(Self { type_name, program })
        });
        found.collect()
    }

    /// An executable that is named by its path; its type is its name, without what connectors' names begin with.
    pub fn at(program: &Path) -> Self {
        let name = program.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let type_name = name.strip_prefix(PREFIX).unwrap_or(name);
        let type_name = if is_type_name(type_name) { type_name } else { "external" };
        Self { type_name: type_name.to_owned(), program: program.to_owned() }
    }

    /// Starts the executable, asks what it is, and ends it.
    ///
    /// # Errors
    /// It is no connector.
    pub async fn ask(&self) -> Result<ExternalFactory, DiscoveryError> {
        let failed = |error: &dyn Error| DiscoveryError { program: self.program.clone(), why: chain(error) };
        let mut session =
            Session::start(&self.program, &self.type_name, BTreeSet::new()).map_err(|fault| failed(&fault))?;
        let handshake = greet(&mut session, &self.type_name).await;
        if handshake.is_ok()
            && let Err(fault) = session.shut_down().await
        {
            tracing::warn!(connector = self.type_name, %fault, "the connector did not end as it should");
        }
        session.end().await;
        let handshake = handshake.map_err(|error| failed(&error))?;
        Ok(ExternalFactory { program: self.program.clone(), handshake: Arc::new(handshake) })
    }
}

/// Whether a text can be a type: a name without a way to another folder.
fn is_type_name(text: &str) -> bool {
    text.len() <= LONGEST_TYPE
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_name_and_no_path() {
        for (text, expected) in [
            ("redis", true),
            ("postgres-tuner", true),
            ("a_b.c1", true),
            ("", false),
            ("-x", false),
            ("../evil", false),
            ("a/b", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(is_type_name(text), expected, "{text}");
        }
        assert_eq!(Found::find("../evil", &SearchPath::default()), Ok(None));
    }

    #[test]
    fn the_type_of_a_path_is_its_name() {
        for (path, expected) in
            [("/x/servo-connector-redis", "redis"), ("examples/servo-connector-redis.py", "redis"), ("a b", "external")]
        {
            assert_eq!(Found::at(Path::new(path)).type_name, expected);
        }
    }
}
