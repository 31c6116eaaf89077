//! What can be measured: nine quantities of a tuning pod, and the same of the pods of the workload.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::decode::{Decode, Decoder, Node};
use crate::types::Unit;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Tuning,
    /// That of each pod of the workload.
    Main,
}

impl Role {
    /// Both, in the order of the metrics.
    pub const ALL: [Self; 2] = [Self::Tuning, Self::Main];

    fn as_str(self) -> &'static str {
        match self {
            Self::Tuning => "tuning",
            Self::Main => "main",
        }
    }
}

/// What is measured of a container, or of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    CpuUsage,
    /// Cores that are set aside for it.
    CpuRequest,
    /// Cores that it may use.
    CpuLimit,
    /// Used cores in hundredths of those that are set aside.
    CpuSaturation,
    MemoryUsage,
    /// GiB that are set aside for it.
    MemoryRequest,
    /// GiB that it may use.
    MemoryLimit,
    /// Used memory in hundredths of what is set aside.
    MemorySaturation,
    /// How often the containers of the pod were restarted.
    RestartCount,
}

impl Quantity {
    /// All, in the order of the metrics.
    pub const ALL: [Self; 9] = [
        Self::CpuUsage,
        Self::CpuRequest,
        Self::CpuLimit,
        Self::CpuSaturation,
        Self::MemoryUsage,
        Self::MemoryRequest,
        Self::MemoryLimit,
        Self::MemorySaturation,
        Self::RestartCount,
    ];

    /// Whether it takes the metrics API to know it. The others but the restart count are read from objects, yet only for
    /// the pods that the metrics API knows.
    pub fn needs_usage(self) -> bool {
        matches!(self, Self::CpuUsage | Self::CpuSaturation | Self::MemoryUsage | Self::MemorySaturation)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::CpuUsage => "cpu_usage",
            Self::CpuRequest => "cpu_request",
            Self::CpuLimit => "cpu_limit",
            Self::CpuSaturation => "cpu_saturation",
            Self::MemoryUsage => "mem_usage",
            Self::MemoryRequest => "mem_request",
            Self::MemoryLimit => "mem_limit",
            Self::MemorySaturation => "mem_saturation",
            Self::RestartCount => "pod_restart_count",
        }
    }
}

/// A metric of this connector. Its text is its name: `main_cpu_usage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KubeMetric {
    pub role: Role,
    pub quantity: Quantity,
}

impl KubeMetric {
    /// All metrics: first those of the tuning pod.
    pub fn all() -> impl Iterator<Item = Self> {
        Role::ALL.into_iter().flat_map(|role| Quantity::ALL.map(|quantity| Self { role, quantity }))
    }

    /// What its values count. Cores and GiB are plain numbers on the wire.
    pub fn unit(self) -> Unit {
        match self.quantity {
            Quantity::CpuSaturation | Quantity::MemorySaturation => Unit::Percentage,
            Quantity::CpuUsage
            | Quantity::CpuRequest
            | Quantity::CpuLimit
            | Quantity::MemoryUsage
            | Quantity::MemoryRequest
            | Quantity::MemoryLimit
            | Quantity::RestartCount => Unit::Float,
        }
    }
}

impl fmt::Display for KubeMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}_{}", self.role.as_str(), self.quantity.as_str()))
    }
}

crate::decode::show_serialized!(KubeMetric);

impl Serialize for KubeMetric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for KubeMetric {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KubeMetric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = Self::all().map(|metric| metric.to_string()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl Decode for KubeMetric {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let names: Vec<(String, Self)> = Self::all().map(|metric| (metric.to_string(), metric)).collect();
        let members: Vec<(&str, Self)> = names.iter().map(|(name, metric)| (name.as_str(), *metric)).collect();
        cx.member(node, &members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_units_are_those_of_the_protocol() {
        let quantities = ["cpu_usage", "cpu_request", "cpu_limit", "cpu_saturation"].into_iter().chain([
            "mem_usage",
            "mem_request",
            "mem_limit",
            "mem_saturation",
            "pod_restart_count",
        ]);
        let expected: Vec<String> = ["tuning", "main"]
            .into_iter()
            .flat_map(|role| quantities.clone().map(move |quantity| format!("{role}_{quantity}")))
            .collect();
        assert_eq!(KubeMetric::all().map(|metric| metric.to_string()).collect::<Vec<_>>(), expected);
        for metric in KubeMetric::all() {
            let unit = if metric.to_string().ends_with("_saturation") { "%" } else { "" };
            assert_eq!(metric.unit().as_str(), unit, "{metric}");
        }
    }
}
