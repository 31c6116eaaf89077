//! The wire, dump and text forms of settings, components, descriptions and metrics.

use std::sync::Arc;

use serde_json::{Value, json};
use servox::internals::types::{Component, Description, Metric, Setting};
use servox::internals::wire::description;

use crate::support::{decode, decoded, expect_equal, expect_problems, setting, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let output = &case["output"];
    if let Some(input) = input.get("metric") {
        return check_metric(case, input);
    }
    if let Some(input) = input.get("component") {
        let component = component(input)?;
        return expect_equal(
            "wire form",
            &output["opsani_repr"],
            &Value::Object(description::components(&[component])),
        );
    }
    if let Some(input) = input.get("description") {
        return expect_equal("wire form", &output["opsani_repr"], &description::encode(&described(input)?));
    }
    let class = text(input, "class").unwrap_or_default();
    let setting = setting(class, &input["args"]).map_err(|problems| problems.to_string())?;
    check_setting(output, &setting)
}

fn check_setting(expected: &Value, setting: &Setting) -> Result<(), String> {
    let wire = json!({ setting.name(): setting.to_wire() });
    expect_equal("wire form", &expected["opsani_repr"], &wire)?;
    let human = setting.human_readable_value();
    expect_equal("human readable value", &text(expected, "human_readable_value"), &Some(human.as_str()))?;
    expect_equal("summary", &text(expected, "summary"), &Some(setting.summary().as_str()))?;
    if let Some(dump) = expected.get("json") {
        expect_equal("dump", dump, &setting.dump())?;
    }
    if let Some(shown) = text(expected, "str") {
        expect_equal("text", &shown, &setting.to_string().as_str())?;
    }
    expect_equal("variable name", &text(expected, "variable_name"), &setting.variable_name())
}

fn check_metric(case: &Value, input: &Value) -> Result<(), String> {
    match (text(case, "error"), decode::<Metric>(input)) {
        (None, Ok(metric)) => {
            expect_equal("metric", &case["output"], &json!({ "name": metric.name, "unit": metric.unit }))
        }
        (Some(error), Err(problems)) => expect_problems(error, &problems),
        (_, other) => Err(format!("unexpected {other:?}")),
    }
}

fn component(input: &Value) -> Result<Component, String> {
    let settings = input["settings"].as_array().into_iter().flatten();
    let settings: Result<Vec<Setting>, _> =
        settings.map(|of| setting(text(of, "class").unwrap_or_default(), &of["args"])).collect();
    let settings = settings.map_err(|problems| problems.to_string())?;
    Ok(Component::new(text(input, "name").unwrap_or_default(), settings))
}

fn described(input: &Value) -> Result<Description, String> {
    let components = input["components"].as_array().into_iter().flatten().map(component);
    let metrics = input["metrics"].as_array().into_iter().flatten();
    let metrics: Result<Vec<Arc<Metric>>, String> = metrics.map(|metric| decoded(metric).map(Arc::new)).collect();
    Ok(Description { components: components.collect::<Result<_, _>>()?, metrics: metrics? })
}
