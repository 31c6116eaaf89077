//! Memory, as plain numbers of GiB.

use super::range::{RangeKind, Ranged};
use crate::decode::{Decode, Decoder, Node};
use crate::types::Number;

/// What a minimum of no memory is told, here and for containers.
pub(super) const ZERO_MIN: &str = "min must be greater than zero";

/// An amount of memory: name `mem`, unit `GiB`, the minimum not zero.
pub type MemorySetting = Ranged<Memory>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory;

impl RangeKind for Memory {
    type Bound = Number;
    const CLASS: &'static str = "Memory";
    const NAME: Option<&'static str> = Some("mem");
    const UNIT: Option<&'static str> = Some("GiB");

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Number> {
        Number::decode(node, cx)
    }

    fn min_problem(min: &Number) -> Option<&'static str> {
        (min.as_f64() == 0.0).then_some(ZERO_MIN)
    }
}
