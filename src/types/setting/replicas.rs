//! Numbers of replicas.

use super::range::{RangeKind, Ranged};
use crate::decode::{Decode, Decoder, Node, StrictInteger};
use crate::types::Number;

/// A number of replicas: name `replicas`, all numbers integers, step 1 when none is given.
pub type ReplicasSetting = Ranged<Replicas>;

/// The kind of [`ReplicasSetting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas;

impl RangeKind for Replicas {
    type Bound = Number;
    const CLASS: &'static str = "Replicas";
    const NAME: Option<&'static str> = Some("replicas");

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Number> {
        StrictInteger::decode(node, cx).map(|StrictInteger(count)| Number::Integer(count))
    }

    fn default_step() -> Option<Number> {
        Some(Number::Integer(1))
    }
}
