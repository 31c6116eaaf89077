//! JSON Schema of the settings that configurations hold.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use super::amount::Amount;
use super::kind::{Form, Kind, Place};
use super::role::ResourceRequirement;
use crate::decode::{StrictInteger, words};
use crate::types::{ByteSize, Core, Number};

/// The schema of a kind of setting.
pub(super) fn of(kind: &Kind, generator: &mut SchemaGenerator) -> Schema {
    with_step(kind, kind.step.map(Amount::from).as_ref(), generator)
}

/// The schema of a kind of setting; the step need not be given when there is a default one.
pub(super) fn with_step(kind: &Kind, step: Option<&Amount>, generator: &mut SchemaGenerator) -> Schema {
    let mut properties = if kind.form == Form::Text { texts(kind, generator) } else { range(kind, step, generator) };
    match kind.place {
        Place::Connector | Place::Instance => {}
        Place::Resources => resource(kind, &mut properties, generator),
        Place::Variable => variable(kind, &mut properties, generator),
    }
    properties.finish(match (kind.place, kind.form) {
        (Place::Resources, _) => "A resource of a container: its bounds, and the requirements that it stands for.",
        (Place::Variable, Form::Text) => "A text in an environment variable.",
        (Place::Variable, _) => "A number in an environment variable.",
        (_, Form::Text) => "One of several texts.",
        (_, _) => "Numbers between bounds, in steps.",
    })
}

fn range(kind: &Kind, step: Option<&Amount>, generator: &mut SchemaGenerator) -> Properties {
    let mut properties = Properties::common(generator, kind);
    let bound = bound(kind.form, generator);
    let nullable = json!({ "anyOf": [bound, { "type": "null" }] });
    properties.optional("value", "The value to begin with.", &nullable);
    properties.required("min", "The lowest value.", bound.clone());
    properties.required("max", "The highest value.", bound.clone());
    let description = "The distance between neighbouring values, which divides the range; 0 when there is only one.";
    match step {
        Some(step) => properties.optional("step", description, with(bound, "default", &step.dump()).as_value()),
        None => properties.required("step", description, bound),
    }
    properties
}

fn texts(kind: &Kind, generator: &mut SchemaGenerator) -> Properties {
    let mut properties = Properties::common(generator, kind);
    properties.optional_of::<Option<String>>("value", "The value to begin with: one of the values.", generator);
    let values = with(generator.subschema_for::<Vec<String>>(), "minItems", &json!(1));
    properties.required("values", "The possible values.", values);
    properties
}

fn resource(kind: &Kind, properties: &mut Properties, generator: &mut SchemaGenerator) {
    let nullable = json!({ "anyOf": [bound(kind.form, generator), { "type": "null" }] });
    properties.optional("request", "The request of a container that has none.", &nullable);
    properties.optional("limit", "The limit of a container that has none.", &nullable);
    let both = ResourceRequirement::ALL.map(ResourceRequirement::as_str);
    let requirements = json!({ "type": "array", "items": words(both), "minItems": 1, "default": both });
    properties.optional("get", "Where the value is read from; the first that is there counts.", &requirements);
    properties.optional("set", "Where a new value is written to.", &requirements);
}

fn variable(kind: &Kind, properties: &mut Properties, generator: &mut SchemaGenerator) {
    let literal = "The name of the variable in the container, when it is not the name of the setting.";
    properties.optional_of::<Option<String>>("literal", literal, generator);
    if kind.form != Form::Text {
        let value = json!({ "type": ["number", "string", "boolean", "null"] });
        properties.optional("value", "The value to begin with.", &value);
        let value_type = json!({ "enum": ["int", "float", null] });
        properties.optional("value_type", "What the value of the variable is turned into.", &value_type);
    }
    properties.required.push("type");
}

fn bound(form: Form, generator: &mut SchemaGenerator) -> Schema {
    match form {
        Form::Number | Form::Float | Form::TextNumber | Form::Text => generator.subschema_for::<Number>(),
        Form::Integer => generator.subschema_for::<StrictInteger>(),
        Form::Cores => generator.subschema_for::<Core>(),
        Form::Bytes => generator.subschema_for::<ByteSize>(),
    }
}

/// The properties of a mapping while they are put together.
struct Properties {
    map: Map<String, Json>,
    required: Vec<&'static str>,
}

impl Properties {
    /// Those that every setting has.
    fn common(generator: &mut SchemaGenerator, kind: &Kind) -> Self {
        let mut properties = Self { map: Map::new(), required: Vec::new() };
        let description = "The name of the setting, on the wire too.";
        match kind.name {
            Some(name) => properties.optional("name", description, &json!({ "const": name, "default": name })),
            None => properties.required("name", description, generator.subschema_for::<String>()),
        }
        let type_text = kind.type_text();
        properties.optional("type", "The kind of setting.", &json!({ "const": type_text, "default": type_text }));
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
