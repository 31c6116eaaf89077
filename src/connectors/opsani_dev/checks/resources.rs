//! Does the container have resources to begin with, and are they within the range that is optimized?
//!
//! What the configuration requests and limits counts as what the container has: the tuning pod gets it.

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::opsani_dev::OpsaniDevConfig;
use crate::connectors::opsani_dev::commands::kubectl;
use crate::connectors::opsani_dev::place::Place;
use crate::k8s::{Container, Resource, Workload, parse_bytes, parse_cores, quantity_text};
use crate::types::{Amount, Bounds, Setting};

/// What the configuration says of a resource.
struct Range<'a> {
    resource: Resource,
    /// The resource in messages.
    title: &'static str,
    setting: &'a Setting,
    bounds: &'a Bounds,
    parse: fn(&str) -> Option<Amount>,
}

fn memory(config: &OpsaniDevConfig) -> Option<Range<'_>> {
    let (resource, setting) = (Resource::Memory, config.memory.setting());
    let parse = |text: &str| parse_bytes(text).map(Amount::from);
    Some(Range { resource, title: "Memory", setting, bounds: setting.bounds()?, parse })
}

fn cpu(config: &OpsaniDevConfig) -> Option<Range<'_>> {
    let (resource, setting) = (Resource::Cpu, config.cpu.setting());
    let parse = |text: &str| parse_cores(text).map(Amount::from);
    Some(Range { resource, title: "CPU", setting, bounds: setting.bounds()?, parse })
}

impl Range<'_> {
    /// The value that an optimization begins with.
    fn value(&self, container: Container<'_>, place: &Place) -> Result<Amount, CheckFailure> {
        let value = self.setting.read_from().iter().find_map(|requirement| {
            let written = || container.resources().quantity(*requirement, self.resource).and_then(self.parse);
            self.setting.default_of(*requirement).cloned().or_else(written)
        });
        value.ok_or_else(|| self.undefined(place))
    }

    fn undefined(&self, place: &Place) -> CheckFailure {
        let keys: Vec<&str> = self.setting.read_from().iter().map(|requirement| requirement.resources_key()).collect();
        let resource = self.resource.as_str();
        let message = format!(
            "{} {} target container {} spec does not define the resource {resource}. At least one of the following \
             must be specified: {}",
            place.kind(),
            place.name(),
            place.config.container,
            keys.join(", ")
        );
        CheckFailure::new(message).with_hint(format!("such as: {}", self.command(place, &self.bounds.min)))
    }

    fn within(&self, container: Container<'_>, place: &Place) -> Result<(), CheckFailure> {
        let value = self.value(container, place)?;
        let (relation, bound) = if value < self.bounds.min {
            ("greater than optimizable minimum", &self.bounds.min)
        } else if value > self.bounds.max {
            ("less than optimizable maximum", &self.bounds.max)
        } else {
            return Ok(());
        };
        let (title, resource) = (self.title, self.resource.as_str());
        let message = format!("target container {title} value {} must be {relation} {}", value.human(), bound.human());
        let command = self.command(place, bound);
        Err(CheckFailure::new(message).with_hint(format!(
            "widen the range '{resource}' of the configuration, or change the container: {command}"
        )))
    }

    /// The command that gives the container this much.
    fn command(&self, place: &Place, quantity: &Amount) -> String {
        let key = self.setting.read_from().first().map_or("requests", |requirement| requirement.resources_key());
        let flag = format!("--{key}={}={}", self.resource.as_str(), quantity_text(quantity));
        let container = format!("--containers={}", place.config.container);
        kubectl(place.namespace(), &["set", "resources", &place.target(), &container, &flag])
    }
}

pub(super) async fn requirements(scope: Scope<'_>) -> CheckOutcome {
    let (place, workload) = (scope.place, scope.place.workload().await?);
    let container = container(place, &workload)?;
    for range in [memory(&place.config), cpu(&place.config)].into_iter().flatten() {
        range.value(container, place)?;
    }
    Ok(None)
}

pub(super) async fn within_limits(scope: Scope<'_>) -> CheckOutcome {
    let (place, workload) = (scope.place, scope.place.workload().await?);
    let container = container(place, &workload)?;
    for range in [cpu(&place.config), memory(&place.config)].into_iter().flatten() {
        range.within(container, place)?;
    }
    Ok(None)
}

fn container<'w>(place: &Place, workload: &'w Workload) -> Result<Container<'w>, CheckFailure> {
    let name = &place.config.container;
    let missing = || format!("there is no container '{name}' in {} '{}'", place.kind(), place.name());
    workload.container(name).ok_or_else(|| CheckFailure::new(missing()))
}
