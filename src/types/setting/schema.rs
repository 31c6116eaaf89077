//! JSON Schema of the settings that configurations hold.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use super::range::{RangeKind, Ranged};
use super::step::Bound;
use super::{EnvironmentEnumSetting, EnvironmentRangeSetting, EnvironmentSetting};
use super::{KubernetesSetting, ResourceRequirement};
use crate::decode::words;
use crate::types::Number;

/// The properties of a mapping while they are put together.
struct Properties {
    map: Map<String, Json>,
    required: Vec<&'static str>,
}

impl Properties {
    /// Those that every setting has.
    fn common(generator: &mut SchemaGenerator, kind: &str, name: Option<&str>) -> Self {
        let mut properties = Self { map: Map::new(), required: Vec::new() };
        let description = "The name of the setting, on the wire too.";
        match name {
            Some(name) => properties.optional("name", description, &json!({ "const": name, "default": name })),
            None => properties.required("name", description, generator.subschema_for::<String>()),
        }
        properties.optional("type", "The kind of setting.", &json!({ "const": kind, "default": kind }));
        let pinned = with(generator.subschema_for::<bool>(), "default", &json!(false));
        properties.optional("pinned", "Whether the optimizer may not change the value.", pinned.as_value());
        properties.optional_of::<Option<String>>("unit", "The unit of its values, for people.", generator);
        properties
    }

    fn insert(&mut self, key: &str, description: &str, schema: &Json) {
        let mut schema = schema.clone();
        if let Json::Object(keywords) = &mut schema {
            keywords.insert("description".to_owned(), description.into());
        }
        self.map.insert(key.to_owned(), schema);
    }

    fn optional(&mut self, key: &str, description: &str, schema: &Json) {
        self.insert(key, description, schema);
    }

    fn optional_of<T: JsonSchema>(&mut self, key: &str, description: &str, generator: &mut SchemaGenerator) {
        self.insert(key, description, generator.subschema_for::<T>().as_value());
    }

    fn required(&mut self, key: &'static str, description: &str, schema: Schema) {
        self.insert(key, description, &schema.to_value());
        self.required.push(key);
    }

    fn finish(self, description: &str) -> Schema {
        let Self { map, required } = self;
        json_schema!({ "type": "object", "description": description, "properties": map, "required": required })
    }
}

fn with(mut schema: Schema, keyword: &str, value: &Json) -> Schema {
    schema.insert(keyword.to_owned(), value.clone());
    schema
}

/// The properties of a range; with a default step none need be given.
fn range<K: RangeKind>(step: Option<&K::Bound>, generator: &mut SchemaGenerator) -> Properties {
    let mut properties = Properties::common(generator, "range", K::NAME);
    let bound = K::bound_schema(generator);
    let nullable = json!({ "anyOf": [bound, { "type": "null" }] });
    properties.optional("value", "The value to begin with.", &nullable);
    properties.required("min", "The lowest value.", bound.clone());
    properties.required("max", "The highest value.", bound.clone());
    let description = "The distance of neighbouring values, which divides the range; 0 when there is only one.";
    match step {
        Some(step) => properties.optional("step", description, with(bound, "default", &step.dump()).as_value()),
        None => properties.required("step", description, bound),
    }
    properties
}

impl<K: RangeKind> JsonSchema for Ranged<K> {
    fn schema_name() -> Cow<'static, str> {
        K::CLASS.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        range::<K>(K::default_step().as_ref(), generator).finish("Numbers between bounds, in steps.")
    }
}

impl<K: RangeKind> KubernetesSetting<K> {
    /// The schema of a setting whose step may be left out.
    pub fn schema_with_step(step: &K::Bound, generator: &mut SchemaGenerator) -> Schema {
        Self::schema_stepped(Some(step), generator)
    }

    fn schema_stepped(step: Option<&K::Bound>, generator: &mut SchemaGenerator) -> Schema {
        let mut properties = range::<K>(step, generator);
        let bound = K::bound_schema(generator);
        let nullable = json!({ "anyOf": [bound, { "type": "null" }] });
        properties.optional("request", "The request of a container that has none.", &nullable);
        properties.optional("limit", "The limit of a container that has none.", &nullable);
        let both = ResourceRequirement::ALL.map(ResourceRequirement::as_str);
        let requirements = json!({ "type": "array", "items": words(both), "minItems": 1, "default": both });
        properties.optional("get", "Where the value is read from; the first that is there counts.", &requirements);
        properties.optional("set", "Where a new value is written to.", &requirements);
        properties.finish("A resource of a container: its bounds, and the requirements that it stands for.")
    }
}

impl<K: RangeKind> JsonSchema for KubernetesSetting<K> {
    fn schema_name() -> Cow<'static, str> {
        format!("Kubernetes{}", K::CLASS).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Self::schema_stepped(K::default_step().as_ref(), generator)
    }
}

impl JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

const LITERAL: &str = "The name of the variable in the container, when it is not the name of the setting.";

impl JsonSchema for EnvironmentRangeSetting {
    fn schema_name() -> Cow<'static, str> {
        "EnvironmentRangeSetting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = range::<super::environment::EnvironmentRange>(None, generator);
        let value = json!({ "type": ["number", "string", "boolean", "null"] });
        properties.optional("value", "The value to begin with.", &value);
        properties.optional_of::<Option<String>>("literal", LITERAL, generator);
        let value_type = json!({ "enum": ["int", "float", null] });
        properties.optional("value_type", "What the value of the variable is turned into.", &value_type);
        properties.required.push("type");
        properties.finish("A number in an environment variable.")
    }
}

impl JsonSchema for EnvironmentEnumSetting {
    fn schema_name() -> Cow<'static, str> {
        "EnvironmentEnumSetting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Properties::common(generator, "enum", None);
        properties.optional_of::<Option<String>>("value", "The value to begin with: one of the values.", generator);
        properties.optional_of::<Option<String>>("literal", LITERAL, generator);
        let values = with(generator.subschema_for::<Vec<String>>(), "minItems", &json!(1));
        properties.required("values", "The values that there are.", values);
        properties.required.push("type");
        properties.finish("A text in an environment variable.")
    }
}

impl JsonSchema for EnvironmentSetting {
    fn schema_name() -> Cow<'static, str> {
        "EnvironmentSetting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let range = generator.subschema_for::<EnvironmentRangeSetting>();
        let list = generator.subschema_for::<EnvironmentEnumSetting>();
        json_schema!({ "description": "A setting in an environment variable, told apart by its type.", "oneOf": [range, list] })
    }
}
