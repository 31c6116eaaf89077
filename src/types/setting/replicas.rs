//! Numbers of replicas.

use schemars::{Schema, SchemaGenerator};

use super::range::{RangeKind, Ranged};
use super::step::Bounds;
use crate::decode::{Decode, Decoder, Node, StrictInteger};
use crate::types::Number;

/// A number of replicas: name `replicas`, all numbers integers, step 1 when none is given.
pub type ReplicasSetting = Ranged<Replicas>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas;

impl RangeKind for Replicas {
    type Bound = Number;
    const CLASS: &'static str = "Replicas";
    const NAME: Option<&'static str> = Some("replicas");

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Number> {
        StrictInteger::decode(node, cx).map(|StrictInteger(count)| Number::Integer(count))
    }

    fn bound_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<StrictInteger>()
    }

    fn default_step() -> Option<Number> {
        Some(Number::Integer(1))
    }
}

impl Ranged<Replicas> {
    /// From no replicas to this many, one by one, without a value.
    pub fn up_to(max: u32) -> Self {
        // A range of one value has no step.
        let step = i64::from(max > 0);
        let [min, max, step] = [0, max.into(), step].map(Number::Integer);
        Self::unset("replicas", Bounds { min, max, step })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::setting::tests::decoded;

    #[test]
    fn a_range_up_to_a_count_is_the_one_that_decodes() {
        for (max, step) in [(0, 0), (1, 1), (99_999, 1)] {
            let fields = json!({"min": 0, "max": max, "step": step});
            assert_eq!(decoded::<ReplicasSetting>(&fields), Ok(ReplicasSetting::up_to(max)));
        }
    }
}
