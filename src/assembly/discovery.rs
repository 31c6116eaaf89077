//! Connector types that are not built in: found by name where somebody names them, and asked what they are.
//!
//! What is found stands in a longer registry, so that everything else treats it as built in. Nothing is executed but what
//! a configuration or a command line names, [`everything`] aside.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::Registry;
use crate::config::file::ParsedFile;
use crate::config::{Environment, named_types, variables};
use crate::connector::{ErasedFactory, Metadata};
use crate::connectors::external::{DiscoveryError, ExternalFactory, Found};
use crate::decode::{Problem, Problems, Variables as _};
use crate::subprocess::SearchPath;

pub(crate) use crate::connectors::external::conformance;

/// Where connectors are looked for: the folders of `SERVO_CONNECTOR_PATH`, then those of `PATH`.
pub(crate) fn search_path(environment: &Environment) -> SearchPath {
    SearchPath::new(environment.get("PATH")).after(environment.get(variables::SERVO_CONNECTOR_PATH))
}

/// The registry with the types that the documents of a file name and that it lacks. Names for which there is no
/// executable are left to whoever validates the file.
///
/// # Errors
/// An executable that a document names is no connector that can be used.
pub(crate) async fn with_named_in(
    file: &ParsedFile,
    registry: Registry,
    environment: &Environment,
) -> Result<Registry, Problems> {
    let named = file.documents.iter().flat_map(|document| named_types(document, environment));
    let mut seen = BTreeSet::new();
    let named: Vec<_> = named
        .filter(|named| is_unknown(&named.identifier, registry) && seen.insert(named.identifier.clone()))
        .collect();
    let path = search_path(environment);
    let asked = join_all(named.iter().map(|named| find(&named.identifier, &path))).await;
    let (mut types, mut problems) = (Vec::new(), Problems::default());
    for (named, asked) in named.into_iter().zip(asked) {
        match asked {
            Ok(found) => types.extend(found),
            Err(error) => problems.push(Problem {
                origin: named.origin,
                path: named.path,
                value: None,
                rule: error.to_string(),
                hint: Some(format!("try servo connector test {}", error.program.display())),
            }),
        }
    }
    if problems.is_empty() { Ok(extended(registry, types)) } else { Err(problems) }
}

/// The registry with the types that these identifiers name and that it lacks. Those for which there is no executable are
/// left to whoever looks them up.
///
/// # Errors
/// An executable of such a name is no connector that can be used.
pub(crate) async fn with_named(
    identifiers: impl IntoIterator<Item = &str>,
    registry: Registry,
    environment: &Environment,
) -> Result<Registry, DiscoveryError> {
    let path = search_path(environment);
    let unknown: BTreeSet<&str> =
        identifiers.into_iter().filter(|identifier| is_unknown(identifier, registry)).collect();
    let asked = join_all(unknown.into_iter().map(|identifier| find(identifier, &path))).await;
    Ok(extended(registry, asked.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()))
}

/// An executable that may be a connector, and what it says of itself.
pub(crate) struct Listed {
    pub found: Found,
    /// The built-in type that hides it.
    pub hidden_by: Option<&'static Metadata>,
    /// What it says, or why it is no connector.
    pub asked: Result<Metadata, DiscoveryError>,
}

/// Every executable that may be a connector, whether or not anybody names it.
pub(crate) async fn everything(registry: Registry, environment: &Environment) -> Vec<Listed> {
    let found = Found::list(&search_path(environment));
    join_all(found.into_iter().map(async |found| {
        let asked = found.ask().await.map(|factory| ErasedFactory::metadata(&factory).clone());
        let known = registry.iter().map(|factory| factory.metadata());
        let hidden_by = known.into_iter().find(|metadata| metadata.is_named(&found.type_name));
        Listed { found, hidden_by, asked }
    }))
    .await
}

fn is_unknown(identifier: &str, registry: Registry) -> bool {
    !registry.iter().any(|factory| factory.metadata().is_named(identifier))
}

async fn find(identifier: &str, path: &SearchPath) -> Result<Option<ExternalFactory>, DiscoveryError> {
    match Found::find(identifier, path)? {
        Some(found) => found.ask().await.map(Some),
        None => Ok(None),
    }
}

/// The registry with more types. They live as long as the program, as the built-in ones do: there are as many as it has
/// arguments and documents that name one.
fn extended(registry: Registry, types: Vec<ExternalFactory>) -> Registry {
    if types.is_empty() {
        return registry;
    }
    let types = types.into_iter().map(|factory| -> &'static dyn ErasedFactory { Box::leak(Box::new(factory)) });
    let longer: Vec<&'static dyn ErasedFactory> = registry.iter().copied().chain(types).collect();
    Box::leak(longer.into_boxed_slice())
}
