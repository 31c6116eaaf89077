//! A Deployment or StatefulSet to optimize, with its containers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::shared::{SharedKeys, SharedLayer, SharedSettings};
use super::strategy::{Strategy, StrategySetting};
use crate::config::variables::{CONTAINER_PREFIX, DEPLOYMENT_PREFIX, STATEFUL_SET_PREFIX};
use crate::decode::{Decode, Decoder, Node, TextForm, Value};
use crate::k8s::{ContainerName, DnsSubdomain};
use crate::types::{Core, EnvironmentSetting, KubernetesCpuSetting, KubernetesMemorySetting, ReplicasSetting};

/// A workload to optimize.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WorkloadConfig {
    /// Free text.
    pub description: Option<String>,
    /// What it says of the keys that it has in common with the section, or takes from there.
    #[serde(flatten)]
    #[schemars(with = "SharedKeys")]
    pub shared: SharedSettings,
    /// Its name. Required.
    pub name: DnsSubdomain,
    /// What is adjusted in its pods; the first one has the replicas. Required.
    pub containers: Vec<ContainerConfig>,
    /// How it is optimized: `default` adjusts all of its pods; `canary`, of a Deployment, a tuning pod beside them, whose
    /// component is named by `alias`.
    #[schemars(default)]
    pub strategy: StrategySetting,
    /// How many pods it may have. Required.
    pub replicas: ReplicasSetting,
}

/// A container to optimize.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ContainerConfig {
    /// Free text.
    pub description: Option<String>,
    /// Its name in the pod template. Required.
    pub name: ContainerName,
    /// The name of its component; without it, the names of workload and container.
    pub alias: Option<ContainerName>,
    /// Without effect; kept for configurations that have it.
    pub command: Option<String>,
    /// Its cores. Required.
    pub cpu: KubernetesCpuSetting,
    /// Its memory. Required.
    pub memory: KubernetesMemorySetting,
    /// What is adjusted in its environment.
    pub env: Option<Vec<EnvironmentSetting>>,
    /// Variables that its tuning pod has and the workload has not.
    pub static_environment_variables: Option<StaticVariables>,
}

/// Environment variables with fixed values, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticVariables(Vec<(String, String)>);

impl StaticVariables {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

crate::decode::show_serialized!(StaticVariables);

impl Serialize for StaticVariables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl JsonSchema for StaticVariables {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StaticVariables".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<BTreeMap<String, String>>()
    }
}

impl Decode for StaticVariables {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            cx.invalid(node, "value is not a valid mapping of names to values");
            return None;
        };
        let variables: Vec<_> = map
            .iter()
            .map(|entry| {
                let value = cx.within(&entry.key, |cx| String::decode(&entry.value, cx))?;
                Some((entry.key.clone(), value))
            })
            .collect();
        variables.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// Cores of a container in a configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContainerCpu(pub KubernetesCpuSetting);

impl ContainerCpu {
    /// Reads a setting whose step may be left out.
    pub(crate) fn decode_with_step(step: Core, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let cpu = KubernetesCpuSetting::decode_with_step(step, node, cx)?;
        Self::checked(cpu, node, cx)
    }

    /// Nothing runs without a share of a core, so that a minimum of none is a mistake.
    fn checked(cpu: KubernetesCpuSetting, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if cpu.setting().bounds().is_some_and(|bounds| bounds.min.as_f64() > 0.0) {
            return Some(Self(cpu));
        }
        cx.within("min", |cx| cx.invalid(member(node, "min"), "min must be greater than zero"));
        None
    }
}

impl Decode for ContainerCpu {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let cpu = KubernetesCpuSetting::decode(node, cx)?;
        Self::checked(cpu, node, cx)
    }
}

impl Decode for ContainerConfig {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?.with_environment(CONTAINER_PREFIX);
        let description = fields.or("description", None);
        let name = fields.required("name");
        let alias = fields.or("alias", None);
        let command = fields.or("command", None);
        let cpu = fields.required("cpu");
        let memory = fields.required("memory");
        let env = fields.or("env", None);
        let static_environment_variables = fields.or("static_environment_variables", None);
        fields.finish();
        let ContainerCpu(cpu) = cpu?;
        Some(Self {
            description: description?,
            name: name?,
            alias: alias?,
            command: command?,
            cpu,
            memory: memory?,
            env: env?,
            static_environment_variables: static_environment_variables?,
        })
    }
}

/// A workload as it is written, before it takes from the section what it does not say.
pub(crate) struct WorkloadLayer {
    description: Option<String>,
    shared: SharedLayer,
    name: DnsSubdomain,
    containers: Vec<ContainerConfig>,
    strategy: StrategySetting,
    replicas: ReplicasSetting,
}

impl WorkloadLayer {
    /// Reads an element; `prefix` is that of the variables that fill absent keys.
    fn read(prefix: &str, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?.with_environment(prefix);
        let description = fields.or("description", None);
        let shared = SharedLayer::read(&mut fields);
        let name = fields.required("name");
        let containers = fields.required("containers");
        let strategy = fields.or("strategy", StrategySetting::default());
        let replicas = fields.required("replicas");
        fields.finish();
        Some(Self {
            description: description?,
            shared: shared?,
            name: name?,
            containers: containers?,
            strategy: strategy?,
            replicas: replicas?,
        })
    }

    /// This workload, with what it does not say taken from the section.
    pub(crate) fn over(self, section: &SharedSettings) -> WorkloadConfig {
        WorkloadConfig {
            description: self.description,
            shared: self.shared.over(section),
            name: self.name,
            containers: self.containers,
            strategy: self.strategy,
            replicas: self.replicas,
        }
    }
}

pub(crate) struct Deployment(pub(crate) WorkloadLayer);

impl Decode for Deployment {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        WorkloadLayer::read(DEPLOYMENT_PREFIX, node, cx).map(Self)
    }
}

pub(crate) struct StatefulSet(pub(crate) WorkloadLayer);

impl JsonSchema for Deployment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Deployment".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<WorkloadConfig>()
    }
}

impl JsonSchema for StatefulSet {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StatefulSet".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<WorkloadConfig>()
    }
}

impl Decode for StatefulSet {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let layer = WorkloadLayer::read(STATEFUL_SET_PREFIX, node, cx)?;
        if *layer.strategy.strategy() == Strategy::Default {
            return Some(Self(layer));
        }
        let rule = "canary mode is not currently supported on StatefulSets";
        cx.within("strategy", |cx| cx.invalid_unquoted(member(node, "strategy"), rule));
        None
    }
}

/// The value of a key, or the mapping when it is absent: where a rule is broken.
fn member<'n>(node: &'n Node, key: &str) -> &'n Node {
    let Value::Map(map) = &node.value else { return node };
    map.get(key).map_or(node, |entry| &entry.value)
}
