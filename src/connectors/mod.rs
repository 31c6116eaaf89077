//! The connectors that are built in, one folder each.
//!
//! The order of the registry is data: it is the order in which the connectors of a configuration without a
//! `connectors` key are dispatched to, and in which they are listed. A folder knows neither the others nor the servo,
//! but for the composite `opsani_dev`, which knows the configurations that it makes. Those of `external` are found at run
//! time and are in no registry.

mod built_in;
pub(crate) mod external;
pub(crate) mod kube_metrics;
pub(crate) mod kubernetes;
mod meter;
pub(crate) mod opsani_dev;
pub(crate) mod prometheus;
mod scripts;
pub(crate) mod simulation;
pub(crate) mod vegeta;
mod wait;

use crate::connector::ErasedFactory;

/// THE REGISTRY: every built-in type of connector, in dispatch order.
pub static CONNECTORS: &[&dyn ErasedFactory] = &[
    &kubernetes::FACTORY,
    &prometheus::FACTORY,
    &vegeta::FACTORY,
    &kube_metrics::FACTORY,
    &opsani_dev::FACTORY,
    &wait::FACTORY,
    &scripts::FACTORY,
    &simulation::FACTORY,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::assembly::schema::of_connector;
    use crate::connector::{ConnectorName, Prepared, Section};
    use crate::decode::{Decoder, NoVariables, Node, Origin, Secrets};

    #[test]
    fn default_and_class_names_are_unique_and_agree() {
        let mut names = BTreeSet::new();
        for factory in CONNECTORS {
            let metadata = factory.metadata();
            let plain = |name: &str| name.replace('_', "").to_lowercase();
            assert_eq!(plain(&metadata.default_name), plain(metadata.display_name()));
            assert_eq!(metadata.full_name, format!("{} Connector", metadata.display_name()));
            assert!(names.insert(&metadata.default_name), "{} is there twice", metadata.default_name);
        }
    }

    #[test]
    fn every_sample_is_valid_and_is_shown_with_all_that_it_says() {
        for factory in CONNECTORS {
            let name = ConnectorName::new(&*factory.metadata().default_name);
            let sample = factory.sample();
            let node = Node::from_json(&sample, &Origin::whole("sample"));
            let section = Section { name: &name, node: &node, prefix: "SERVO_TESTED_" };
            let prepared = Decoder::run(&NoVariables, |cx| factory.parse(section, cx));
            let dump = prepared.unwrap_or_else(|problems| panic!("{name}: {problems}")).show(Secrets::Redacted);
            let shown = under_shown_names(sample);
            assert!(says(&dump, &shown), "{name}: {shown} is shown as {dump}");
        }
    }

    /// A sample in which keys of two names have the one that is shown.
    fn under_shown_names(mut sample: Value) -> Value {
        if let Some(name) = sample.as_object_mut().and_then(|keys| keys.remove("deployment")) {
            sample["workload_name"] = name;
        }
        sample
    }

    #[test]
    fn schemas_and_decoders_know_the_same_keys_defaults_and_needs() {
        for factory in CONNECTORS {
            let name = &factory.metadata().default_name;
            let schema = of_connector(*factory);
            let properties = schema["properties"].as_object().expect("a schema has properties");
            let sample = factory.sample();
            let shown = parse(*factory, &sample)
                .unwrap_or_else(|problems| panic!("{name}: {problems}"))
                .show(Secrets::Redacted);
            for key in shown.as_object().expect("a section is a mapping").keys() {
                assert!(properties.contains_key(key), "{name}.{key} is shown, and not in the schema");
            }
            for (key, property) in properties {
                assert!(property["description"].is_string(), "{name}.{key} has no description");
                let problems = problems_with(*factory, &sample, key, Value::Null);
                let refusal = format!("{key}: extra fields not permitted");
                let is_unknown = |line: &str| line.contains(&refusal) && !line.contains("is the same key");
                assert!(!problems.lines().any(is_unknown), "{name}.{key} is not read: {problems}");
                if let Some(default) = property.get("default") {
                    assert!(says(&shown[key], default), "{name}.{key} is {}, not {default}", shown[key]);
                }
            }
            let unknown = problems_with(*factory, &sample, "no_such_key", Value::Null);
            assert!(unknown.contains("no_such_key: extra fields"), "{name}: {unknown}");
            for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let mut without = sample.clone();
                without.as_object_mut().and_then(|section| section.remove(key));
                let problems = parse(*factory, &without).err().unwrap_or_default();
                assert!(problems.contains(&format!("{key}: field required")), "{name}.{key}: {problems}");
            }
            let validator = jsonschema::validator_for(&schema).expect("a schema is valid");
            assert!(validator.is_valid(&sample) && validator.is_valid(&shown), "{name}: {sample} {shown}");
        }
    }

    fn parse(factory: &'static dyn ErasedFactory, section: &Value) -> Result<Box<dyn Prepared>, String> {
        let name = ConnectorName::new(&*factory.metadata().default_name);
        let node = Node::from_json(section, &Origin::whole("test"));
        let section = Section { name: &name, node: &node, prefix: "SERVO_TESTED_" };
        Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).map_err(|problems| problems.to_string())
    }

    /// What is wrong with a section that says this besides.
    fn problems_with(factory: &'static dyn ErasedFactory, section: &Value, key: &str, value: Value) -> String {
        let mut section = section.clone();
        section[key] = value;
        parse(factory, &section).err().unwrap_or_default()
    }

    /// Whether a value has all that a part of it says; members of objects may be missing in the part.
    fn says(whole: &Value, part: &Value) -> bool {
        match (whole, part) {
            (Value::Object(whole), Value::Object(part)) => {
                part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| says(whole, part)))
            }
            (Value::Array(whole), Value::Array(part)) => {
                whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| says(whole, part))
            }
            _ => whole == part,
        }
    }
}
