//! Sections of `opsani_dev`, and the configurations that are made of them.

use serde_json::{Value, json};
use servox::internals::config::Secrets;
use servox::internals::connector::{ConnectorName, Section};
use servox::internals::connectors::opsani_dev::{OpsaniDevConfig, compose};
use servox::internals::decode::{Decoder, NoVariables, Node, Origin, Problems, Show};

use crate::settings_validation::check_problems;
use crate::support::{expect_equal, is_marked, is_validation_error, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    match (text(case, "error"), parse(input)) {
        (None, Ok(config)) => check_generated(case, &config),
        (Some(error), Err(problems)) if is_validation_error(error) => check_problems("CPU", error, &problems),
        // The reference cannot write what it has read.
        (Some(error), Ok(config)) if !is_validation_error(error) => check_round_trip(&config),
        (_, result) => Err(format!("unexpected {result:?}")),
    }
}

fn parse(section: &Value) -> Result<OpsaniDevConfig, Problems> {
    let node = Node::from_json(section, &Origin::whole("input"));
    let name = ConnectorName::new("opsani_dev");
    let section = Section { name: &name, node: &node, prefix: "SERVO_OPSANI_DEV_" };
    Decoder::run(&NoVariables, |cx| OpsaniDevConfig::parse(section, cx))
}

fn check_generated(case: &Value, config: &OpsaniDevConfig) -> Result<(), String> {
    let output = &case["output"];
    expect_equal("config", &output["config"], &config.show(Secrets::Raw))?;
    expect("kubernetes", &output["kubernetes"], compose::kubernetes(config))?;
    expect("kube_metrics", &output["kube_metrics"], compose::kube_metrics(config))?;
    let mut prometheus = output["prometheus"].clone();
    if is_marked(case) {
        // The address of the section is passed on, without a slash at its end.
        prometheus["base_url"] =
            json!(text(&case["input"], "prometheus_base_url").map(|url| url.trim_end_matches('/')));
    }
    expect("prometheus", &prometheus, compose::prometheus(config))
}

/// Compares what was made, or finds that nothing could be.
fn expect<T: Show>(what: &str, expected: &Value, got: Result<T, compose::ComposeError>) -> Result<(), String> {
    match (expected.get("error"), got) {
        (None, Ok(got)) => expect_equal(what, expected, &got.show(Secrets::Raw)),
        (Some(_), Err(_)) => Ok(()),
        (None, Err(error)) => Err(format!("{what}: {error}")),
        (Some(error), Ok(_)) => Err(format!("{what}: expected {error}")),
    }
}

fn check_round_trip(config: &OpsaniDevConfig) -> Result<(), String> {
    let again = parse(&config.show(Secrets::Raw)).map_err(|problems| problems.to_string())?;
    expect_equal("config", config, &again)
}
