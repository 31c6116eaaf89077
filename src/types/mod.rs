//! The words of the domain: durations, metrics, readings, settings, what is described, adjusted and controlled, and
//! the messages between an agent and its optimizer. Their JSON is in [`crate::wire`].
//!
//! Values are valid once built: they come out of [`crate::decode`] or of a fallible constructor. This module does no
//! I/O and imports nothing of ours but `decode`.

mod adjustment;
mod component;
mod control;
mod decimal;
mod description;
mod duration;
mod measurement;
mod message;
mod metric;
mod quantity;
mod reading;
mod scalar;
mod setting;
mod severity;
mod slo;
mod text;
mod time;

pub use adjustment::Adjustment;
pub(crate) use adjustment::AdjustmentError;
pub use component::Component;
pub use control::Control;
pub(crate) use control::UserData;
pub(crate) use decimal::decimal_text;
pub use decimal::parse_decimal;
pub use description::Description;
pub(crate) use description::Mismatch;
pub use duration::Duration;
pub(crate) use duration::{DurationError, PositiveDuration};
pub use measurement::Measurement;
pub use message::StatusWord;
pub(crate) use message::{Answer, Command, CommandResult, Completion, Instruction, Operation, Progress, Status, Task};
pub(crate) use metric::SeriesRule;
pub use metric::{Metric, Unit};
pub(crate) use quantity::QuantityError;
pub use quantity::{ByteSize, Core};
pub use reading::{DataPoint, Point, Reading, TimeSeries};
pub use scalar::{Number, Scalar};
pub(crate) use setting::{Amount, Bounds, ResourceRequirement};
pub use setting::{
    CpuSetting, EnumSetting, EnvironmentEnumSetting, EnvironmentRangeSetting, EnvironmentSetting, InstanceTypeSetting,
    KubernetesCpuSetting, KubernetesMemorySetting, MemorySetting, RangeSetting, ReplicasSetting, Setting, step_aligned,
    step_suggestions,
};
pub use severity::Severity;
pub(crate) use slo::SloKeep;
pub use slo::{SloCondition, SloInput};
pub(crate) use text::{quoted, series_text};
pub use time::UnixTime;

crate::decode::show_serialized!(
    ByteSize,
    Core,
    Duration,
    EnvironmentSetting,
    KubernetesCpuSetting,
    KubernetesMemorySetting,
    ReplicasSetting,
    Severity,
    Unit,
);
