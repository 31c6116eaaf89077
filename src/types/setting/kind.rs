//! The kinds of settings: a table of what sets each apart.

use crate::types::Number;

/// What sets one kind of setting apart from the others.
#[derive(Debug, PartialEq)]
pub(super) struct Kind {
    /// The name in summaries and messages.
    pub(super) class: &'static str,
    /// The name of its JSON Schema.
    pub(super) schema: &'static str,
    /// The only name that a setting of this kind may have, if any.
    pub(super) name: Option<&'static str>,
    /// The unit when none is given.
    pub(super) unit: Option<&'static str>,
    pub(super) form: Form,
    /// The rule for a range's minimum.
    pub(super) minimum: Minimum,
    /// The step when none is given; a range without one requires it.
    pub(super) step: Option<Number>,
    pub(super) place: Place,
}

/// What the values of a setting are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Integers or floats, as written.
    Number,
    /// Floats; integers become floats.
    Float,
    /// Whole numbers.
    Integer,
    /// Numbers; a value that is text is read as a float.
    TextNumber,
    /// Quantities of CPU.
    Cores,
    /// Quantities of memory.
    Bytes,
    /// One of a list of texts.
    Text,
}

/// The rule for a range's minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Minimum {
    Any,
    /// Greater than zero.
    Positive,
    NotZero,
}

/// Where the value of a setting lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Wherever its connector has it.
    Connector,
    /// The resources of a container.
    Resources,
    /// An environment variable of a container.
    Variable,
    /// A cloud instance, whose unit cannot be changed.
    Instance,
}

const PLAIN: Kind = Kind {
    class: "",
    schema: "",
    name: None,
    unit: None,
    form: Form::Number,
    minimum: Minimum::Any,
    step: None,
    place: Place::Connector,
};

pub(super) static RANGE: Kind = Kind { class: "RangeSetting", schema: "RangeSetting", ..PLAIN };

pub(super) static ENUM: Kind = Kind { class: "EnumSetting", schema: "EnumSetting", form: Form::Text, ..PLAIN };

pub(super) static CPU: Kind = Kind {
    class: "CPU",
    schema: "CPU",
    name: Some("cpu"),
    unit: Some("cores"),
    form: Form::Float,
    minimum: Minimum::Positive,
    // An eighth of a core.
    step: Some(Number::Float(0.125)),
    ..PLAIN
};

pub(super) static MEMORY: Kind = Kind {
    class: "Memory",
    schema: "Memory",
    name: Some("mem"),
    unit: Some("GiB"),
    minimum: Minimum::NotZero,
    ..PLAIN
};

pub(super) static REPLICAS: Kind = Kind {
    class: "Replicas",
    schema: "Replicas",
    name: Some("replicas"),
    form: Form::Integer,
    step: Some(Number::Integer(1)),
    ..PLAIN
};

/// No connector has settings of this kind yet; the configuration of one may.
pub(super) static INSTANCE_TYPE: Kind = Kind {
    class: "InstanceType",
    schema: "InstanceType",
    name: Some("inst_type"),
    unit: Some("ec2"),
    form: Form::Text,
    place: Place::Instance,
    ..PLAIN
};

pub(super) static KUBERNETES_CPU: Kind = Kind {
    class: "CPU",
    schema: "KubernetesCPU",
    name: Some("cpu"),
    unit: Some("cores"),
    form: Form::Cores,
    place: Place::Resources,
    ..PLAIN
};

pub(super) static KUBERNETES_MEMORY: Kind = Kind {
    class: "Memory",
    schema: "KubernetesMemory",
    name: Some("mem"),
    unit: Some("GiB"),
    form: Form::Bytes,
    minimum: Minimum::NotZero,
    place: Place::Resources,
    ..PLAIN
};

pub(super) static ENVIRONMENT_RANGE: Kind = Kind {
    class: "EnvironmentRangeSetting",
    schema: "EnvironmentRangeSetting",
    form: Form::TextNumber,
    place: Place::Variable,
    ..PLAIN
};

pub(super) static ENVIRONMENT_ENUM: Kind = Kind {
    class: "EnvironmentEnumSetting",
    schema: "EnvironmentEnumSetting",
    form: Form::Text,
    place: Place::Variable,
    ..PLAIN
};

impl Kind {
    /// The text of the key `type`.
    pub(super) fn type_text(&self) -> &'static str {
        if self.form == Form::Text { "enum" } else { "range" }
    }

    /// Whether a missing value is null on the wire rather than left out.
    pub(super) fn sends_null(&self) -> bool {
        self.place == Place::Resources
    }
}
