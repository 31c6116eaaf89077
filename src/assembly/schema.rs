//! JSON Schema of configurations: of one connector's section, of a whole servo.yaml, of all types there are.
//!
//! The rules come from the types that are decoded. What is added here is where a section stands, and which
//! environment variable fills a key that is absent (`env_names`).

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use super::Registry;
use crate::config::ServoConfig;
use crate::config::variables::{
    APPD_PREFIX, CHECKS_PREFIX, COMMON_PREFIX, OPSANI_BASE_URL, OPSANI_OPTIMIZER, OPSANI_TOKEN, OPSANI_URL,
    SERVO_PREFIX, SERVO_UID,
};
use crate::connector::ErasedFactory;
use crate::decode::schema_generator;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The names that a connector may be given.
const ALIAS_PATTERN: &str = "^[0-9a-zA-Z_/.-]{3,128}$";

/// A connector type with the name of its section.
#[derive(Clone, Copy)]
pub struct Mount<'a> {
    /// The key of the section.
    pub name: &'a str,
    pub factory: &'a dyn ErasedFactory,
}

impl<'a> Mount<'a> {
    /// A type under its default name.
    pub fn default_of(factory: &'a dyn ErasedFactory) -> Self {
        Self { name: &factory.metadata().default_name, factory }
    }
}

/// Which sections a configuration may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sections {
    /// Those of the mounts, as far as they are wanted.
    Open,
    /// All of the mounts, which `connectors` lists.
    Closed,
    /// Those of the mounts, and others that `connectors` may name.
    Any,
}

/// The schema of a connector type's section under its default name.
pub fn of_connector(factory: &dyn ErasedFactory) -> Json {
    let mut generator = schema_generator();
    let section = factory.schema(&mut generator);
    let mut definitions = generator.take_definitions(true);
    let mut section = resolved(&section, &mut definitions);
    name_variables(&mut section, &prefix(&factory.metadata().default_name));
    let title = format!("{} configuration", factory.metadata().full_name);
    root(&title, factory.metadata().description.as_deref(), section, definitions)
}

/// The schema of the servo's own keys.
pub fn of_servo() -> Json {
    of_configuration(&[], Sections::Open)
}

/// The schema of a document with these sections.
pub fn of_configuration(mounts: &[Mount<'_>], sections: Sections) -> Json {
    let mut generator = schema_generator();
    let base = base(&mut generator);
    let mounted: Vec<Mounted<'_>> = mounts.iter().map(|mount| Mounted::new(*mount, &mut generator)).collect();
    let mut definitions = generator.take_definitions(true);
    let mut document = resolved(&base, &mut definitions);
    name_base_variables(&mut document, &mut definitions);
    let mut required = Vec::new();
    for mounted in mounted {
        let name = mounted.mount.name;
        let reference = mounted.define(&mut definitions);
        let section = match sections {
            Sections::Closed => reference,
            Sections::Open | Sections::Any => json!({ "anyOf": [reference, { "type": "null" }] }),
        };
        let variable = variable(name);
        insert(&mut document, &["properties", name], described(section, mounted.mount, &variable));
        required.push(name);
    }
    match sections {
        Sections::Closed => insert(&mut document, &["required"], json!(required)),
        Sections::Open => {}
        Sections::Any => allow_named_sections(&mut document),
    }
    let types: Vec<String> = mounts.iter().map(|mount| title_of(mount.factory)).collect();
    let description = match types.as_slice() {
        [] => "Configuration of a servo.".to_owned(),
        types => format!("Configuration of a servo with {}.", types.join(", ")),
    };
    root("Servo configuration", Some(&description), document, definitions)
}

/// The definitions of these connector types alone, and of the servo's own keys where they are wanted too.
pub fn definitions<'a>(factories: impl IntoIterator<Item = &'a dyn ErasedFactory>, with_servo: bool) -> Json {
    let mut generator = schema_generator();
    for factory in factories {
        factory.schema(&mut generator);
    }
    if with_servo {
        generator.subschema_for::<ServoConfig>();
    }
    let definitions = generator.take_definitions(true);
    let mut schema = json!({ "$schema": DRAFT, "title": "Definitions of servo configurations" });
    if !definitions.is_empty() {
        insert(&mut schema, &["$defs"], Json::Object(definitions));
    }
    schema
}

/// The schema that every configuration of these types passes, whatever names it gives its connectors.
pub fn of_everything(registry: Registry) -> Json {
    let mounts: Vec<Mount<'_>> = registry.iter().map(|factory| Mount::default_of(*factory)).collect();
    of_configuration(&mounts, Sections::Any)
}

fn base(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ServoConfig>()
}

/// A mount whose schema has been generated.
struct Mounted<'a> {
    mount: Mount<'a>,
    section: Schema,
}

impl<'a> Mounted<'a> {
    fn new(mount: Mount<'a>, generator: &mut SchemaGenerator) -> Self {
        Self { mount, section: mount.factory.schema(generator) }
    }

    /// Defines the section with the variables of its name, and refers to it.
    fn define(&self, definitions: &mut Map<String, Json>) -> Json {
        let Mount { name, factory } = self.mount;
        let Some(type_name) = reference(self.section.as_value()) else {
            let mut section = self.section.clone().to_value();
            name_variables(&mut section, &prefix(name));
            return section;
        };
        let is_default = factory.metadata().default_name == name;
        let own_name = if is_default { type_name.to_owned() } else { format!("{type_name}__{}", plain(name)) };
        let mut section = definitions.get(type_name).cloned().unwrap_or_default();
        name_variables(&mut section, &prefix(name));
        let reference = json!({ "$ref": format!("#/$defs/{own_name}") });
        definitions.insert(own_name, section);
        reference
    }
}

/// The name with what may not stand in a reference replaced.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect()
}

/// The name of the definition that a schema refers to.
fn reference(schema: &Json) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// The schema itself in place of a reference to it.
fn resolved(schema: &Schema, definitions: &mut Map<String, Json>) -> Json {
    match reference(schema.as_value()) {
        Some(name) => definitions.remove(name).unwrap_or_default(),
        None => schema.clone().to_value(),
    }
}

fn root(title: &str, description: Option<&str>, schema: Json, definitions: Map<String, Json>) -> Json {
    let mut root = Map::from_iter([("$schema".to_owned(), json!(DRAFT)), ("title".to_owned(), json!(title))]);
    if let Json::Object(schema) = schema {
        root.extend(schema);
    }
    if let Some(description) = description {
        root.insert("description".to_owned(), json!(description));
    }
    if !definitions.is_empty() {
        root.insert("$defs".to_owned(), Json::Object(definitions));
    }
    Json::Object(root)
}

fn title_of(factory: &dyn ErasedFactory) -> String {
    let metadata = factory.metadata();
    format!("{} v{}", metadata.full_name, metadata.version)
}

fn described(mut section: Json, mount: Mount<'_>, variable: &str) -> Json {
    insert(&mut section, &["description"], json!(format!("The section of a {}.", title_of(mount.factory))));
    insert(&mut section, &["env_names"], json!([variable]));
    section
}

/// Allows other sections where `connectors` gives names.
fn allow_named_sections(document: &mut Json) {
    let Json::Object(keywords) = document else { return };
    keywords.remove("additionalProperties");
    keywords.insert("unevaluatedProperties".to_owned(), json!(false));
    let is_mapping = json!({ "type": "object", "minProperties": 1 });
    let is_text = json!({ "type": "string" });
    keywords.insert(
        "if".to_owned(),
        json!({ "properties": { "connectors": { "anyOf": [is_mapping, is_text] } }, "required": ["connectors"] }),
    );
    keywords.insert("then".to_owned(), json!({ "patternProperties": { (ALIAS_PATTERN): { "type": ["object", "array", "string", "number", "boolean", "null"] } } }));
}

fn variable(key: &str) -> String {
    format!("{SERVO_PREFIX}{}", key.to_uppercase())
}

/// The prefix of the variables that fill the keys of a section.
fn prefix(section: &str) -> String {
    format!("{}_", variable(section))
}

/// Names the variable of every key: the prefix and the key in upper case.
fn name_variables(schema: &mut Json, prefix: &str) {
    name_each(schema, |key| Some(format!("{prefix}{}", key.to_uppercase())));
}

fn name_each(schema: &mut Json, variable: impl Fn(&str) -> Option<String>) {
    let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) else { return };
    for (key, property) in properties {
        if let Some(variable) = variable(key) {
            insert(property, &["env_names"], json!([variable]));
        }
    }
}

fn name_base_variables(document: &mut Json, definitions: &mut Map<String, Json>) {
    name_each(document, |key| Some(if key == "servo_uid" { SERVO_UID.to_owned() } else { variable(key) }));
    for (definition, prefix) in
        [("CommonConfig", COMMON_PREFIX), ("ChecksConfig", CHECKS_PREFIX), ("AppDynamicsOptimizer", APPD_PREFIX)]
    {
        if let Some(schema) = definitions.get_mut(definition) {
            name_variables(schema, prefix);
        }
    }
    if let Some(opsani) = definitions.get_mut("OpsaniOptimizer") {
        let variables =
            [("id", OPSANI_OPTIMIZER), ("token", OPSANI_TOKEN), ("base_url", OPSANI_BASE_URL), ("url", OPSANI_URL)];
        name_each(opsani, |key| variables.iter().find(|(name, _)| *name == key).map(|(_, name)| (*name).to_owned()));
    }
}

/// Puts a value where a path leads, as far as there are mappings on the way.
fn insert(schema: &mut Json, path: &[&str], value: Json) {
    let Some((last, way)) = path.split_last() else { return };
    let place = way.iter().try_fold(schema, |schema, key| schema.get_mut(*key)).and_then(Json::as_object_mut);
    if let Some(place) = place {
        place.insert((*last).to_owned(), value);
    }
}
