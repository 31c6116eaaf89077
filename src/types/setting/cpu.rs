//! Cores of a CPU, as plain numbers.

use super::range::{RangeKind, Ranged};
use crate::decode::{Decode, Decoder, Node};
use crate::types::Number;

/// The step when none is given: an eighth of a core.
const STEP: f64 = 0.125;

/// A number of cores: name `cpu`, unit `cores`, all numbers floats, the minimum above zero.
pub type CpuSetting = Ranged<Cpu>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu;

impl RangeKind for Cpu {
    type Bound = Number;
    const CLASS: &'static str = "CPU";
    const NAME: Option<&'static str> = Some("cpu");
    const UNIT: Option<&'static str> = Some("cores");

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Number> {
        let cores = f64::decode(node, cx)?;
        if !cores.is_finite() {
            cx.invalid(node, "value is not a valid float: it must be finite");
            return None;
        }
        Some(Number::Float(cores))
    }

    fn default_step() -> Option<Number> {
        Some(Number::Float(STEP))
    }

    fn min_problem(min: &Number) -> Option<&'static str> {
        (min.as_f64() <= 0.0).then_some("ensure this value is greater than 0")
    }
}
