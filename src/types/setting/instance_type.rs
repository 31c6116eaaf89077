//! Types of cloud instances. No connector uses them yet; the configuration of one may.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::{EnumSetting, Kind};
use crate::decode::{Decode, Decoder, Node};
use crate::types::Scalar;

const NAME: &str = "inst_type";
const UNIT: &str = "ec2";

/// One of several types of instances: name `inst_type`, unit `ec2`.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceTypeSetting(EnumSetting);

impl InstanceTypeSetting {
    /// The types that there are.
    pub fn values(&self) -> &[String] {
        self.0.values()
    }
}

#[derive(Clone, Copy)]
struct Ec2;

impl Decode for Ec2 {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &[(UNIT, Self)])
    }
}

impl Decode for InstanceTypeSetting {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let unit_fits = fields.or("unit", Ec2);
        let common = EnumSetting::decode_common(&mut fields, Some(NAME), Some(UNIT));
        let list = EnumSetting::decode_fields(&mut fields, common);
        fields.ignore_unknown();
        unit_fits?;
        list.map(Self)
    }
}

impl Kind for InstanceTypeSetting {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn pinned(&self) -> bool {
        self.0.pinned()
    }

    fn value(&self) -> Option<Scalar> {
        self.0.value()
    }

    fn stored(&self) -> Option<Scalar> {
        self.0.stored()
    }

    fn human_readable_value(&self) -> String {
        self.0.human_readable_value()
    }

    fn summary(&self) -> String {
        self.0.summary_as("InstanceType")
    }

    fn to_wire(&self) -> Map<String, Json> {
        self.0.to_wire()
    }

    fn dump(&self) -> Map<String, Json> {
        self.0.dump()
    }

    fn pin(&mut self, pinned: bool) {
        self.0.pin(pinned);
    }

    fn store(&mut self, value: Option<&Scalar>) {
        self.0.store(value);
    }
}

impl fmt::Display for InstanceTypeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
