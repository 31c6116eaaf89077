//! What of a workload is optimized: its configured containers, each with its component's name.

use std::collections::BTreeMap;

use crate::connector::EventError;
use crate::connectors::kubernetes::config::strategy::Strategy;
use crate::connectors::kubernetes::config::workload::{ContainerConfig, WorkloadConfig};
use crate::k8s::Container;
use crate::types::series_text;

/// Why a workload cannot be optimized as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("workload \"{0}\" has no container to optimize: add one to its containers")]
    NoContainer(String),
    /// Only one container can be optimized beside a workload.
    #[error(
        "workload \"{workload}\" has {count} containers, and strategy canary optimizes one: leave one in its containers"
    )]
    ManyContainers { workload: String, count: usize },
    /// A container is not in the pods of the workload.
    #[error("no container named \"{name}\" exists in the Pod (found {found})")]
    NoSuchContainer { name: String, found: String },
    /// Two components would have one name.
    #[error(
        "containers \"{first}\" and \"{second}\" of workload \"{workload}\" both have the component \"{component}\": \
             give one of them another alias"
    )]
    SameComponent { workload: String, component: String, first: String, second: String },
    /// The tuning pod's component would have the name of the workload's.
    #[error(
        "the tuning pod and the workload \"{workload}\" both have the component \"{component}\": give one of them \
             another alias"
    )]
    SameTuningComponent { workload: String, component: String },
    /// Fixed variables need a pod of their own.
    #[error(
        "container \"{0}\" has static_environment_variables, which only a tuning pod can have: use strategy canary, \
             or remove them"
    )]
    StaticVariables(String),
}

impl From<TargetError> for EventError {
    fn from(error: TargetError) -> Self {
        Self::adjustment_failed(error.to_string())
    }
}

/// A container that is optimized.
#[derive(Debug, Clone)]
pub(crate) struct Target<'a> {
    /// The name of its component.
    pub component: String,
    /// What the configuration says of it.
    pub config: &'a ContainerConfig,
}

/// The name of a container's component.
pub(crate) fn component_name(workload: &WorkloadConfig, container: &ContainerConfig) -> String {
    let given = container.alias.as_ref().map(ToString::to_string);
    given.unwrap_or_else(|| format!("{}/{}", workload.name, container.name))
}

/// The containers of a workload that is optimized by itself, in the order of the configuration.
///
/// # Errors
/// There is none, two components have one name, or one has what only a tuning pod can have.
pub(crate) fn targets(workload: &WorkloadConfig) -> Result<Vec<Target<'_>>, TargetError> {
    if workload.containers.is_empty() {
        return Err(TargetError::NoContainer(workload.name.to_string()));
    }
    let mut owners = BTreeMap::new();
    let mut targets = Vec::new();
    for config in &workload.containers {
        if config.static_environment_variables.as_ref().is_some_and(|variables| variables.iter().next().is_some()) {
            return Err(TargetError::StaticVariables(config.name.to_string()));
        }
        let component = component_name(workload, config);
        if let Some(first) = owners.insert(component.clone(), &config.name) {
            let (workload, first) = (workload.name.to_string(), first.to_string());
            return Err(TargetError::SameComponent { workload, component, first, second: config.name.to_string() });
        }
        targets.push(Target { component, config });
    }
    Ok(targets)
}

/// The names of the components of a workload with a tuning pod.
#[derive(Debug, Clone)]
pub(crate) struct Canary<'a> {
    /// The container that is optimized.
    pub config: &'a ContainerConfig,
    /// The component of the workload itself.
    pub main: String,
    /// The component of the tuning pod.
    pub tuning: String,
}

impl<'a> Canary<'a> {
    /// The names for a workload.
    ///
    /// # Errors
    /// Not one container is configured, or both components have one name.
    pub(crate) fn of(workload: &'a WorkloadConfig) -> Result<Self, TargetError> {
        let name = || workload.name.to_string();
        let config = match workload.containers.as_slice() {
            [] => return Err(TargetError::NoContainer(name())),
            [only] => only,
            many => return Err(TargetError::ManyContainers { workload: name(), count: many.len() }),
        };
        let main = component_name(workload, config);
        let alias = match workload.strategy.strategy() {
            Strategy::Canary { alias } => alias.as_ref().map(ToString::to_string),
            Strategy::Default => None,
        };
        let tuning = alias.unwrap_or_else(|| format!("{}/{}-tuning", workload.name, config.name));
        if main == tuning {
            return Err(TargetError::SameTuningComponent { workload: name(), component: main });
        }
        Ok(Self { config, main, tuning })
    }
}

/// A container in a pod's `spec`.
///
/// # Errors
/// It is not there; of init containers only native sidecars count.
pub(crate) fn find_container<'a>(spec: &'a serde_json::Value, name: &str) -> Result<Container<'a>, TargetError> {
    Container::find(spec, name).ok_or_else(|| {
        let found: Vec<&str> = Container::all(spec).chain(Container::sidecars(spec)).map(Container::name).collect();
        TargetError::NoSuchContainer { name: name.to_owned(), found: series_text(&found, "and") }
    })
}
