//! The words of the domain: durations, metrics, readings, settings, what is described, adjusted and controlled,
//! and the wire form of each.
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
mod measurement_wire;
mod metric;
mod operation;
mod quantity;
mod reading;
mod scalar;
mod setting;
mod severity;
mod slo;
mod text;
mod time;

pub use adjustment::{Adjustment, AdjustmentError};
pub use component::Component;
pub use control::{Control, UserData};
pub use decimal::{decimal_text, parse_decimal};
pub use description::{Description, SettingNameError};
pub use duration::{Duration, DurationError};
pub use measurement::{Measurement, MeasurementError};
pub use measurement_wire::WireMetrics;
pub use metric::{Metric, Unit};
pub use operation::Operation;
pub use quantity::{ByteSize, Core, QuantityError};
pub use reading::{DataPoint, Point, Reading, TimeSeries};
pub use scalar::{Number, Scalar};
pub use setting::{
    Bound, CpuSetting, EnumSetting, EnvironmentEnumSetting, EnvironmentRangeSetting, EnvironmentSetting,
    InstanceTypeSetting, KubernetesCpuSetting, KubernetesMemorySetting, KubernetesSetting, MemorySetting, RangeKind,
    RangeSetting, Ranged, ReplicasSetting, ResourceRequirement, Setting, step_aligned, step_suggestions,
};
pub use severity::Severity;
pub use slo::{SloCondition, SloInput, SloKeep};
pub use text::{quoted, series_text};
pub use time::{TimeError, UnixTime};
