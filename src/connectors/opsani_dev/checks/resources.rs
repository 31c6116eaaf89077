//! Does the container have resources to begin with, and are they within the range that is optimized?
//!
//! What the configuration requests and limits counts as what the container has: the tuning pod gets it.

use super::Scope;
use crate::checks::{CheckFailure, CheckOutcome};
use crate::connectors::opsani_dev::OpsaniDevConfig;
use crate::connectors::opsani_dev::commands::kubectl;
use crate::connectors::opsani_dev::place::Place;
use crate::k8s::{Container, Resource, Workload, bytes_text, parse_bytes, parse_cores};
use crate::types::{ByteSize, Core, ResourceRequirement};

/// What the configuration says of a resource.
struct Range<'a, B> {
    resource: Resource,
    title: &'static str,
    get: &'a [ResourceRequirement],
    request: Option<&'a B>,
    limit: Option<&'a B>,
    min: &'a B,
    max: &'a B,
    parse: fn(&str) -> Option<B>,
    show: fn(&B) -> String,
    /// A quantity for a cluster.
    text: fn(&B) -> String,
}

fn memory(config: &OpsaniDevConfig) -> Range<'_, ByteSize> {
    let setting = &config.memory;
    Range {
        resource: Resource::Memory,
        title: "Memory",
        get: setting.get(),
        request: setting.request(),
        limit: setting.limit(),
        min: setting.range().min(),
        max: setting.range().max(),
        parse: parse_bytes,
        show: |size| size.human(),
        text: |size| bytes_text(*size),
    }
}

fn cpu(config: &OpsaniDevConfig) -> Range<'_, Core> {
    let setting = &config.cpu;
    Range {
        resource: Resource::Cpu,
        title: "CPU",
        get: setting.get(),
        request: setting.request(),
        limit: setting.limit(),
        min: setting.range().min(),
        max: setting.range().max(),
        parse: parse_cores,
        show: ToString::to_string,
        text: ToString::to_string,
    }
}

impl<B: Clone + PartialOrd> Range<'_, B> {
    /// The value that an optimization begins with.
    fn value(&self, container: Container<'_>, place: &Place) -> Result<B, CheckFailure> {
        let configured = |requirement: ResourceRequirement| match requirement {
            ResourceRequirement::Request => self.request,
            ResourceRequirement::Limit => self.limit,
        };
        let value = self.get.iter().find_map(|requirement| {
            let written = || container.resources().quantity(*requirement, self.resource).and_then(self.parse);
            configured(*requirement).cloned().or_else(written)
        });
        value.ok_or_else(|| self.undefined(place))
    }

    fn undefined(&self, place: &Place) -> CheckFailure {
        let keys: Vec<&str> = self.get.iter().map(|requirement| requirement.resources_key()).collect();
        let resource = self.resource.as_str();
        let message = format!(
            "{} {} target container {} spec does not define the resource {resource}. At least one of the following \
             must be specified: {}",
            place.kind(),
            place.name(),
            place.config.container,
            keys.join(", ")
        );
        CheckFailure::new(message).with_hint(format!("such as: {}", self.command(place, self.min)))
    }

    fn within(&self, container: Container<'_>, place: &Place) -> Result<(), CheckFailure> {
        let value = self.value(container, place)?;
        let (relation, bound) = if value < *self.min {
            ("greater than optimizable minimum", self.min)
        } else if value > *self.max {
            ("less than optimizable maximum", self.max)
        } else {
            return Ok(());
        };
        let (title, resource) = (self.title, self.resource.as_str());
        let message =
            format!("target container {title} value {} must be {relation} {}", (self.show)(&value), (self.show)(bound));
        let command = self.command(place, bound);
        Err(CheckFailure::new(message).with_hint(format!(
            "widen the range '{resource}' of the configuration, or change the container: {command}"
        )))
    }

    /// The command that gives the container this much.
    fn command(&self, place: &Place, quantity: &B) -> String {
        let key = self.get.first().map_or("requests", |requirement| requirement.resources_key());
        let flag = format!("--{key}={}={}", self.resource.as_str(), (self.text)(quantity));
        let container = format!("--containers={}", place.config.container);
        kubectl(place.namespace(), &["set", "resources", &place.target(), &container, &flag])
    }
}

pub(super) async fn requirements(scope: Scope<'_>) -> CheckOutcome {
    let (place, workload) = (scope.place, scope.place.workload().await?);
    let container = container(place, &workload)?;
    memory(&place.config).value(container, place)?;
    cpu(&place.config).value(container, place)?;
    Ok(None)
}

pub(super) async fn within_limits(scope: Scope<'_>) -> CheckOutcome {
    let (place, workload) = (scope.place, scope.place.workload().await?);
    let container = container(place, &workload)?;
    cpu(&place.config).within(container, place)?;
    memory(&place.config).within(container, place)?;
    Ok(None)
}

fn container<'w>(place: &Place, workload: &'w Workload) -> Result<Container<'w>, CheckFailure> {
    let name = &place.config.container;
    let missing = || format!("there is no container '{name}' in {} '{}'", place.kind(), place.name());
    workload.container(name).ok_or_else(|| CheckFailure::new(missing()))
}
