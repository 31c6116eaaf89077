//! What a container is given of a node's resources.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::types::ResourceRequirement;

/// A resource that is optimized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    Cpu,
    Memory,
}

impl Resource {
    /// The key of a container's requests and limits.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// A view on the `resources` of a container as the API server gave it; they may be null, or lack anything.
#[derive(Debug, Clone, Copy)]
pub struct Resources<'a>(&'a Json);

impl<'a> Resources<'a> {
    /// The `resources` of a container.
    pub fn new(resources: &'a Json) -> Self {
        Self(resources)
    }

    /// A quantity as text, when there is one.
    pub fn quantity(self, requirement: ResourceRequirement, resource: Resource) -> Option<&'a str> {
        self.0.get(requirement.resources_key())?.get(resource.as_str())?.as_str()
    }

    /// The first quantity that there is, by the order of the requirements.
    pub fn first(self, requirements: &[ResourceRequirement], resource: Resource) -> Option<&'a str> {
        requirements.iter().find_map(|requirement| self.quantity(*requirement, resource))
    }
}
