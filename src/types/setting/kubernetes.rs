//! Cores and memory of a container, as quantities, with the requirements they are read from and written to.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::Kind;
use super::memory::ZERO_MIN;
use super::range::{RangeKind, Ranged};
use super::step::Bound;
use crate::decode::{Decode, Decoder, Node, TextForm, Value};
use crate::types::{ByteSize, Core, Scalar};

/// One of the two requirements of a container's resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceRequirement {
    /// What is set aside for it.
    Request,
    /// What it may use at most.
    Limit,
}

impl ResourceRequirement {
    /// Both, in the order they are looked at.
    pub const ALL: [Self; 2] = [Self::Request, Self::Limit];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Limit => "limit",
        }
    }

    /// The key of a container's resources.
    pub fn resources_key(self) -> &'static str {
        match self {
            Self::Request => "requests",
            Self::Limit => "limits",
        }
    }
}

impl Decode for ResourceRequirement {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.member(node, &Self::ALL.map(|requirement| (requirement.as_str(), requirement)))
    }
}

pub type KubernetesCpuSetting = KubernetesSetting<KubernetesCpu>;

pub type KubernetesMemorySetting = KubernetesSetting<KubernetesMemory>;

/// The kind of the range in [`KubernetesCpuSetting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubernetesCpu;

impl RangeKind for KubernetesCpu {
    type Bound = Core;
    const CLASS: &'static str = "CPU";
    const NAME: Option<&'static str> = Some("cpu");
    const UNIT: Option<&'static str> = Some("cores");
    const SENDS_NULL: bool = true;

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<Core> {
        Core::decode(node, cx)
    }
}

/// The kind of the range in [`KubernetesMemorySetting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubernetesMemory;

impl RangeKind for KubernetesMemory {
    type Bound = ByteSize;
    const CLASS: &'static str = "Memory";
    const NAME: Option<&'static str> = Some("mem");
    const UNIT: Option<&'static str> = Some("GiB");
    const SENDS_NULL: bool = true;

    fn decode_bound(node: &Node, cx: &mut Decoder<'_>) -> Option<ByteSize> {
        ByteSize::decode(node, cx)
    }

    fn min_problem(min: &ByteSize) -> Option<&'static str> {
        (min.bytes() == 0).then_some(ZERO_MIN)
    }
}

/// A resource of a container: the range, and the requirements that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct KubernetesSetting<K: RangeKind> {
    range: Ranged<K>,
    request: Option<K::Bound>,
    limit: Option<K::Bound>,
    get: Vec<ResourceRequirement>,
    set: Vec<ResourceRequirement>,
}

impl<K: RangeKind> KubernetesSetting<K>
where
    K::Bound: Decode,
{
    /// Reads a setting whose step may be left out.
    pub fn decode_with_step(step: K::Bound, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        Self::decode_stepped(Some(step), node, cx)
    }

    fn decode_stepped(step: Option<K::Bound>, node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let range = Ranged::decode_fields(&mut fields, step);
        let request = fields.or("request", None);
        let limit = fields.or("limit", None);
        let get = fields.or("get", Requirements::default());
        let set = fields.or("set", Requirements::default());
        fields.ignore_unknown();
        Some(Self { range: range?, request: request?, limit: limit?, get: get?.0, set: set?.0 })
    }
}

impl<K: RangeKind> KubernetesSetting<K> {
    pub fn range(&self) -> &Ranged<K> {
        &self.range
    }

    /// The same setting, pinned or not; whatever its value is.
    #[must_use]
    pub fn with_pinned(mut self, pinned: bool) -> Self {
        self.range = self.range.with_pinned(pinned);
        self
    }

    /// The request of a container that has none.
    pub fn request(&self) -> Option<&K::Bound> {
        self.request.as_ref()
    }

    /// The limit of a container that has none.
    pub fn limit(&self) -> Option<&K::Bound> {
        self.limit.as_ref()
    }

    /// The requirements that the value is read from: the first that is there counts.
    pub fn get(&self) -> &[ResourceRequirement] {
        &self.get
    }

    /// The requirements that a new value is written to.
    pub fn set(&self) -> &[ResourceRequirement] {
        &self.set
    }
}

/// At least one requirement; both when none is given.
struct Requirements(Vec<ResourceRequirement>);

impl Default for Requirements {
    fn default() -> Self {
        Self(ResourceRequirement::ALL.to_vec())
    }
}

impl Decode for Requirements {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            cx.invalid_unquoted(node, "ensure this value has at least 1 items");
            return None;
        }
        Vec::decode(node, cx).map(Self)
    }
}

impl<K: RangeKind> Decode for KubernetesSetting<K>
where
    K::Bound: Decode,
{
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        Self::decode_stepped(K::default_step(), node, cx)
    }
}

impl<K: RangeKind> Kind for KubernetesSetting<K>
where
    K::Bound: Decode,
{
    fn name(&self) -> &str {
        self.range.name()
    }

    fn pinned(&self) -> bool {
        self.range.pinned()
    }

    fn value(&self) -> Option<Scalar> {
        self.range.value()
    }

    fn stored(&self) -> Option<Scalar> {
        self.range.stored()
    }

    fn human_readable_value(&self) -> String {
        self.range.human_readable_value()
    }

    fn summary(&self) -> String {
        self.range.summary()
    }

    fn to_wire(&self) -> Map<String, Json> {
        self.range.to_wire()
    }

    fn dump(&self) -> Map<String, Json> {
        let mut dump = self.range.dump();
        for (field, bound) in [("request", &self.request), ("limit", &self.limit)] {
            dump.insert(field.to_owned(), bound.as_ref().map_or(Json::Null, Bound::dump));
        }
        for (field, requirements) in [("get", &self.get), ("set", &self.set)] {
            let texts: Vec<&str> = requirements.iter().map(|requirement| requirement.as_str()).collect();
            dump.insert(field.to_owned(), Json::from(texts));
        }
        dump
    }

    fn pin(&mut self, pinned: bool) {
        self.range.pin(pinned);
    }

    fn store(&mut self, value: Option<&Scalar>) {
        self.range.store(value);
    }
}

impl<K: RangeKind> fmt::Display for KubernetesSetting<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.range.fmt(f)
    }
}
