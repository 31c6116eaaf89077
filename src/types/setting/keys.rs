//! Settings as keys of a configuration: a type for each kind that a section may have.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::amount::Amount;
use super::kind;
use super::role::Role;
use super::step::Bounds;
use super::{Domain, Setting, schema};
use crate::decode::{Decode, Decoder, Entry, Node, TextForm, Value};
use crate::types::{ByteSize, Core, Number};

/// Declares the type of a key: it decodes by the rules of its kind, and has the schema of its kind.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $key(Setting);

        impl Decode for $key {
            const TEXT_FORM: TextForm = TextForm::Json;

            fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
                Setting::decode(&kind::$kind, node, cx).map(Self)
            }
        }

        impl JsonSchema for $key {
            fn schema_name() -> Cow<'static, str> {
                kind::$kind.schema.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                schema::of(&kind::$kind, generator)
            }
        }

        conversions!($key);
    )*};
}

macro_rules! conversions {
    ($key:ident) => {
        impl $key {
            /// The setting that was read.
            pub fn setting(&self) -> &Setting {
                &self.0
            }
        }

        impl From<$key> for Setting {
            fn from(key: $key) -> Self {
                key.0
            }
        }

        /// All fields, as a configuration has them.
        impl Serialize for $key {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.dump().serialize(serializer)
            }
        }
    };
}

keys! {
    /// A number between bounds.
    RangeSetting = RANGE;
    /// One of several texts.
    EnumSetting = ENUM;
    /// Cores of a CPU: name `cpu`, unit `cores`, all numbers floats, the minimum above zero.
    CpuSetting = CPU;
    /// Memory: name `mem`, unit `GiB`, the minimum not zero.
    MemorySetting = MEMORY;
    /// A number of replicas: name `replicas`, all numbers integers, step 1 when none is given.
    ReplicasSetting = REPLICAS;
    /// A type of cloud instance: name `inst_type`, unit `ec2`.
    InstanceTypeSetting = INSTANCE_TYPE;
    /// Cores of a container, as quantities.
    KubernetesCpuSetting = KUBERNETES_CPU;
    /// Memory of a container, as quantities.
    KubernetesMemorySetting = KUBERNETES_MEMORY;
    /// A number in an environment variable.
    EnvironmentRangeSetting = ENVIRONMENT_RANGE;
    /// A text in an environment variable.
    EnvironmentEnumSetting = ENVIRONMENT_ENUM;
}

macro_rules! resources {
    ($($key:ident = $kind:ident of $quantity:ident;)*) => {$(
        impl $key {
            /// Reads a setting whose step may be left out.
            pub fn decode_with_step(step: $quantity, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
                Setting::decode_with_step(&kind::$kind, Some(step.into()), node, cx).map(Self)
            }

            /// The schema of a setting whose step may be left out.
            pub fn schema_with_step(step: $quantity, generator: &mut SchemaGenerator) -> Schema {
                schema::with_step(&kind::$kind, Some(&step.into()), generator)
            }

            /// The same setting, pinned or not; whatever its value is.
            #[must_use]
            pub fn with_pinned(self, pinned: bool) -> Self {
                Self(self.0.with_pinned(pinned))
            }
        }
    )*};
}

resources! {
    KubernetesCpuSetting = KUBERNETES_CPU of Core;
    KubernetesMemorySetting = KUBERNETES_MEMORY of ByteSize;
}

impl ReplicasSetting {
    /// From no replicas to this many, one by one, without a value.
    pub fn up_to(max: u32) -> Self {
        // A range of one value has no step.
        let step = i64::from(max > 0);
        let [min, max, step] = [0, max.into(), step].map(|count| Amount::Number(Number::Integer(count)));
        Self(Setting {
            kind: &kind::REPLICAS,
            name: "replicas".to_owned(),
            pinned: false,
            unit: None,
            domain: Domain::Range(Bounds { min, max, step }),
            value: None,
            role: Role::Connector,
        })
    }

    /// The same setting, pinned or not; whatever its value is.
    #[must_use]
    pub fn with_pinned(self, pinned: bool) -> Self {
        Self(self.0.with_pinned(pinned))
    }
}

/// A setting in an environment variable: its `type` says whether it is a number or a text.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentSetting(Setting);

conversions!(EnvironmentSetting);

impl EnvironmentSetting {
    /// The variable that holds it.
    pub fn variable_name(&self) -> &str {
        self.0.variable_name().unwrap_or(self.0.name())
    }
}

impl Decode for EnvironmentSetting {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            cx.invalid(node, "value is not a valid mapping");
            return None;
        };
        let Some(discriminator) = map.get("type").map(|entry| &entry.value) else {
            cx.invalid(node, "type is missing: use 'range' or 'enum'");
            return None;
        };
        let kind = match &discriminator.value {
            Value::Text(text) if text == "range" => &kind::ENVIRONMENT_RANGE,
            // The values of a variable are text: `on` is not `true`, and `010` not 8.
            Value::Text(text) if text == "enum" => {
                return Setting::decode(&kind::ENVIRONMENT_ENUM, &with_written_values(node), cx).map(Self);
            }
            _ => {
                cx.invalid(discriminator, "unexpected type; permitted: 'range', 'enum'");
                return None;
            }
        };
        Setting::decode(kind, node, cx).map(Self)
    }
}

/// The setting with its values as they were written.
fn with_written_values(node: &Node) -> Node {
    let Value::Map(map) = &node.value else { return node.clone() };
    let entries = map.iter().map(|entry| {
        let is_value = matches!(entry.key.as_str(), "value" | "values");
        if is_value { Entry { value: entry.value.as_written(), ..entry.clone() } } else { entry.clone() }
    });
    Node::new(Value::Map(entries.collect()), node.origin.clone())
}

impl JsonSchema for EnvironmentSetting {
    fn schema_name() -> Cow<'static, str> {
        "EnvironmentSetting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let range = generator.subschema_for::<EnvironmentRangeSetting>();
        let list = generator.subschema_for::<EnvironmentEnumSetting>();
        schemars::json_schema!({
            "description": "A setting in an environment variable, told apart by its type.", "oneOf": [range, list],
        })
    }
}
