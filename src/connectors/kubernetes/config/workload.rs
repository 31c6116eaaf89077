//! A Deployment or StatefulSet to optimize, with its containers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use super::shared::{InWorkload, SharedLayer, SharedSettings};
use super::strategy::{Strategy, StrategySetting};
use crate::config::variables::{CONTAINER_PREFIX, DEPLOYMENT_PREFIX, STATEFUL_SET_PREFIX};
use crate::decode::{Decode, Decoder, Fields, Form, Node, Properties, Secrets, Show, TextForm, Value, Written, keys};
use crate::k8s::{ContainerName, DnsSubdomain};
use crate::types::{
    Amount, ByteSize, Core, EnvironmentSetting, KubernetesCpuSetting, KubernetesMemorySetting, ReplicasSetting,
};

keys! {
    /// A workload to optimize.
    #[derive(Debug, Clone, PartialEq)]
    pub struct WorkloadConfig {
        /// Free text.
        pub description: Option<String> = None,
        /// What it says of the keys that it has in common with the section, or takes from there.
        pub shared: SharedSettings as InWorkload,
        /// Its name. Required.
        pub name: DnsSubdomain,
        /// What is adjusted in its pods; the first one has the replicas. Required.
        pub containers: Vec<ContainerConfig>,
        /// How it is optimized: `default` adjusts all of its pods; `canary`, of a Deployment, a tuning pod beside them,
        /// whose component is named by `alias`.
        pub strategy: StrategySetting = StrategySetting::default(),
        /// How many pods it may have. Required.
        pub replicas: ReplicasSetting,
    }
}

keys! {
    /// A container to optimize.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ContainerConfig {
        /// Free text.
        pub description: Option<String> = None,
        /// Its name in the pod template. Required.
        pub name: ContainerName,
        /// The name of its component; without it, the names of workload and container.
        pub alias: Option<ContainerName> = None,
        /// Without effect; kept for configurations that have it.
        pub command: Option<String> = None,
        /// Its cores. Required.
        pub cpu: KubernetesCpuSetting as ContainerCpu,
        /// Its memory, in bytes unless a unit such as `Gi` is written. Required.
        pub memory: KubernetesMemorySetting as ContainerMemory,
        /// What is adjusted in its environment.
        pub env: Option<Vec<EnvironmentSetting>> = None,
        /// Variables that its tuning pod has and the workload has not.
        pub static_environment_variables: Option<StaticVariables> = None,
    }
    variables: CONTAINER_PREFIX;
}

/// Environment variables with fixed values, in the order and the spelling in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticVariables(Vec<(String, String)>);

impl StaticVariables {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Show for StaticVariables {
    fn show(&self, _: Secrets) -> Json {
        self.iter().collect()
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
                let value = cx.within(&entry.key, |cx| String::decode(&entry.value.as_written(), cx))?;
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

impl Written for ContainerCpu {
    type Value = KubernetesCpuSetting;

    fn value(self) -> KubernetesCpuSetting {
        self.0
    }
}

impl JsonSchema for ContainerCpu {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ContainerCpu".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<KubernetesCpuSetting>()
    }
}

/// The least memory of a container: anything below it lacks a unit.
pub(crate) const LEAST_MEMORY: ByteSize = ByteSize(1_000_000);

/// Memory of a container in a configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContainerMemory(pub(crate) KubernetesMemorySetting);

impl ContainerMemory {
    /// Reads a setting whose step may be left out.
    pub(crate) fn decode_with_step(step: ByteSize, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let memory = KubernetesMemorySetting::decode_with_step(step, node, cx)?;
        Self::checked(memory, node, cx)
    }

    /// Nothing runs in a few bytes, so that a minimum of few is one without its unit.
    fn checked(memory: KubernetesMemorySetting, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Some(Amount::Bytes(ByteSize(bytes))) = memory.setting().bounds().map(|bounds| &bounds.min) else {
            return Some(Self(memory));
        };
        if *bytes >= LEAST_MEMORY.0 {
            return Some(Self(memory));
        }
        let rule = format!("{bytes} bytes of memory are less than any process needs");
        let hint = "a number without a unit counts bytes: write one, such as 128Mi or 1Gi";
        cx.within("min", |cx| cx.invalid_with_hint(member(node, "min"), rule, hint));
        None
    }
}

impl Decode for ContainerMemory {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let memory = KubernetesMemorySetting::decode(node, cx)?;
        Self::checked(memory, node, cx)
    }
}

impl Written for ContainerMemory {
    type Value = KubernetesMemorySetting;

    fn value(self) -> KubernetesMemorySetting {
        self.0
    }
}

impl JsonSchema for ContainerMemory {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ContainerMemory".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<KubernetesMemorySetting>()
    }
}

/// A workload as it is written, before it takes from the section what it does not say.
struct Layered {
    workload: WorkloadConfig,
    shared: SharedLayer,
}

impl Layered {
    /// Reads an element; `prefix` is that of the variables that fill absent keys.
    fn read(prefix: &str, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?.with_environment(prefix);
        let shared = SharedLayer::read(&mut fields);
        let workload = fields.into_keys();
        Some(Self { workload: workload?, shared: shared? })
    }
}

/// An element of `deployments`.
struct Deployment(Layered);

impl Decode for Deployment {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        Layered::read(DEPLOYMENT_PREFIX, node, cx).map(Self)
    }
}

/// An element of `stateful_sets`.
struct StatefulSet(Layered);

impl Decode for StatefulSet {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let layered = Layered::read(STATEFUL_SET_PREFIX, node, cx)?;
        if *layered.workload.strategy.strategy() == Strategy::Default {
            return Some(Self(layered));
        }
        let rule = "canary mode is not currently supported on StatefulSets";
        cx.within("strategy", |cx| cx.invalid_unquoted(member(node, "strategy"), rule));
        None
    }
}

/// The forms of the lists of workloads, which take from the section around them what they do not say.
macro_rules! workload_lists {
    ($($form:ident of $element:ident;)*) => {
        $(pub(super) struct $form;

        impl Form<Option<Vec<WorkloadConfig>>> for $form {
            fn read(
                key: &'static str,
                _: Option<Option<Vec<WorkloadConfig>>>,
                fields: &mut Fields<'_, '_, '_>,
            ) -> Option<Option<Vec<WorkloadConfig>>> {
                let written: Option<Vec<$element>> = fields.or(key, None)?;
                let section: SharedSettings = fields.preview_keys()?;
                let resolved = |$element(Layered { workload, shared }): $element| WorkloadConfig {
                    shared: shared.over(&section),
                    ..workload
                };
                Some(written.map(|workloads| workloads.into_iter().map(resolved).collect()))
            }

            fn show(
                key: &'static str,
                value: &Option<Vec<WorkloadConfig>>,
                secrets: Secrets,
                members: &mut Map<String, Json>,
            ) {
                members.insert(key.to_owned(), value.show(secrets));
            }

            fn describe(
                key: &'static str,
                documentation: &str,
                _: Option<&Option<Vec<WorkloadConfig>>>,
                properties: &mut Properties<'_>,
            ) {
                properties.add::<Option<Vec<WorkloadConfig>>>(key, documentation, Some(Json::Null));
            }
        })*
    };
}

workload_lists! {
    Deployments of Deployment;
    StatefulSets of StatefulSet;
}

/// The value of a key, or the mapping when it is absent: where a rule is broken.
fn member<'n>(node: &'n Node, key: &str) -> &'n Node {
    let Value::Map(map) = &node.value else { return node };
    map.get(key).map_or(node, |entry| &entry.value)
}
