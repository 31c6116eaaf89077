//! The connector, which this build lacks: a section can be read and checked, but nothing can be run by it yet.

use crate::connector::{BuildError, Connector, ConnectorName};

/// Refuses.
///
/// # Errors
/// Always.
pub(super) fn build(name: ConnectorName) -> Result<Box<dyn Connector>, BuildError> {
    let message = "this build reads opsani_dev sections, but has no opsani_dev connector yet: remove the section, or \
                   use a build that has one";
    Err(BuildError { connector: name, message: message.to_owned() })
}
