//! The command lines of attacks, and what is wrong with configurations that have none.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use servox::internals::config::Secrets;
use servox::internals::connector::{ConnectorName, Section};
use servox::internals::connectors::vegeta::{AttackCommand, VegetaConfig};
use servox::internals::decode::Show as _;
use servox::internals::decode::{Decoder, NoVariables, Node, Origin, Problems};
use servox::internals::types::Duration;

use crate::support::{decoded, expect_equal, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let parsed = parse(&case["input"], folder.path())?;
    let expected = Expected::of(case);
    match (&expected, &parsed) {
        (Expected::Refused(paths), Err(problems)) => expect_equal("paths", paths, &paths_of(problems)),
        (Expected::Anything, Err(_)) | (Expected::Valid, Ok(_)) => Ok(()),
        (Expected::Endless, Ok(config)) => match command(&case["input"], config)? {
            Ok(command) => Err(format!("an attack of no duration: {:?}", command.attack)),
            Err(_) => Ok(()),
        },
        (Expected::Anything | Expected::Command, Ok(config)) => {
            let command = command(&case["input"], config)?.map_err(|error| error.to_string())?;
            check_config(&case["output"]["config"], config, folder.path())?;
            check_command(&case["output"], &command, folder.path())
        }
        (_, Ok(_)) => Err(format!("expected {expected:?}, got a valid configuration")),
        (_, Err(problems)) => Err(format!("expected {expected:?}, got {problems}")),
    }
}

/// What is to come of a case.
#[derive(Debug)]
enum Expected {
    /// The command line of the output.
    Command,
    /// Problems at these paths, and no others.
    Refused(BTreeSet<String>),
    /// A valid configuration, whatever the output.
    Valid,
    /// A valid configuration without a command.
    Endless,
    /// The command line of the output, or any problem.
    Anything,
}

impl Expected {
    fn of(case: &Value) -> Self {
        match (text(case, "defect"), text(case, "error")) {
            _ if case["lenient"] == true => Self::Anything,
            // vegeta itself refuses a rate without limits.
            (Some("V11"), _) => Self::Refused(BTreeSet::from(["rate".to_owned()])),
            // Colons in headers and several JSON targets are fine.
            (Some("V4" | "V10"), Some(_)) => Self::Valid,
            (_, Some(error)) if error.contains("duration must be set") => Self::Endless,
            (_, Some(error)) => Self::Refused(reported_paths(error)),
            (_, None) => Self::Command,
        }
    }
}

/// The paths of `ValidationError: path: message; path: message`.
fn reported_paths(error: &str) -> BTreeSet<String> {
    let error = error.trim_start_matches("ValidationError: ");
    let is_path = |word: &str| word != "permitted" && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let paths = error.split("; ").filter_map(|part| part.split_once(": ")).map(|(path, _)| path);
    paths.filter(|path| is_path(path)).map(|path| path.replace("__root__", "")).collect()
}

fn paths_of(problems: &Problems) -> BTreeSet<String> {
    problems.iter().map(|problem| problem.path.to_string()).collect()
}

/// Parses the configuration of a case. Its files are in the folder, as is what it says of files.
fn parse(input: &Value, folder: &Path) -> Result<Result<VegetaConfig, Problems>, String> {
    for (name, content) in input["files"].as_object().into_iter().flatten() {
        let content = content.as_str().ok_or("a file is text")?;
        std::fs::write(folder.join(name), content).map_err(|error| error.to_string())?;
    }
    let mut config = input["config"].clone();
    if let Some(path) = text(&config, "targets") {
        config["targets"] = format!("{}/{path}", folder.display()).into();
    }
    let node = Node::from_json(&config, &Origin::whole("input"));
    let name = ConnectorName::new("vegeta");
    let section = Section { name: &name, node: &node, prefix: "SERVO_VEGETA_" };
    Ok(Decoder::run(&NoVariables, |cx| VegetaConfig::parse(section, cx)))
}

fn command(
    input: &Value,
    config: &VegetaConfig,
) -> Result<Result<AttackCommand, impl std::error::Error + use<>>, String> {
    let duration = match &input["duration"] {
        Value::Null => Duration::ZERO,
        duration => decoded(duration)?,
    };
    let dump = config.show(Secrets::Raw);
    Ok(AttackCommand::new(config, duration, decoded(&dump["reporting_interval"])?))
}

fn check_config(expected: &Value, config: &VegetaConfig, folder: &Path) -> Result<(), String> {
    let dump = config.show(Secrets::Raw);
    for (key, expected) in expected.as_object().into_iter().flatten() {
        let got = match &dump[key] {
            Value::String(text) if key == "targets" => below(folder, text).into(),
            other => other.clone(),
        };
        expect_equal(key, expected, &got)?;
    }
    Ok(())
}

fn below(folder: &Path, path: &str) -> String {
    path.replace(&format!("{}/", folder.display()), "")
}

/// Compares the words of a command. Those that the reference writes in a way that ends vegeta's options are compared
/// with what the configuration says.
fn check_command(output: &Value, command: &AttackCommand, folder: &Path) -> Result<(), String> {
    let config = &output["config"];
    let switches = ["http2", "keepalive", "insecure"].map(|switch| format!("-{switch}={}", config[switch]));
    for switch in &switches {
        expect_equal(switch, &1, &command.attack.iter().filter(|word| *word == switch).count())?;
    }
    let valued: Vec<String> = command.attack.iter().filter(|word| !switches.contains(word)).cloned().collect();
    let got: Vec<_> = options(&valued).into_iter().map(|(name, value)| (name, below(folder, &value))).collect();
    // The words of the reference are split at blanks, also those within a value.
    let mut expected = options(&words(&output["attack_argv"])?);
    expected.retain(|(name, _)| !switches.iter().any(|switch| switch.starts_with(name.as_str())));
    expect_options(&expected, &got)?;
    expect_options(&options(&words(&output["report_argv"])?), &options(&command.report))?;
    check_input(output, command)
}

fn words(list: &Value) -> Result<Vec<String>, String> {
    // Without the name of the program, which is the same in both.
    decoded::<Vec<String>>(list).map(|words| words.into_iter().skip(1).collect())
}

/// The command's name and then its options, each with its value, which may be of several words or begin with a sign.
fn options(words: &[String]) -> Vec<(String, String)> {
    let is_option = |word: &str| word.strip_prefix('-').is_some_and(|name| name.starts_with(char::is_alphabetic));
    let mut options: Vec<(String, String)> = Vec::new();
    for word in words {
        match options.last_mut() {
            Some((_, value)) if !is_option(word) => {
                value.push_str(if value.is_empty() { "" } else { " " });
                value.push_str(word);
            }
            _ => options.push((word.clone(), String::new())),
        }
    }
    options
}

fn expect_options(expected: &[(String, String)], got: &[(String, String)]) -> Result<(), String> {
    let sorted = |options: &[(String, String)]| options.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    expect_equal("options", &sorted(expected), &sorted(got))?;
    for (name, value) in got {
        let expected = &expected.iter().find(|(other, _)| other == name).ok_or("the names agree")?.1;
        if ["-duration", "-every"].contains(&name.as_str()) {
            // Days, months and years are foreign to vegeta.
            expect_equal("units", &false, &value.contains(['d', 'y', 'w']))?;
            expect_equal(name, &Duration::parse(expected), &Duration::parse(value))?;
        } else {
            expect_equal(name, expected, value)?;
        }
    }
    Ok(())
}

/// Compares what an attack reads: the targets, as they were written.
fn check_input(output: &Value, command: &AttackCommand) -> Result<(), String> {
    let input = String::from_utf8(command.input.clone()).map_err(|error| error.to_string())?;
    let Some(target) = text(output, "target") else { return expect_equal("input", &String::new(), &input) };
    if output["config"]["format"] == "json" {
        let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
        expect_equal("lines", &1, &input.lines().count())?;
        return expect_equal("input", &json(target)?, &json(&input)?);
    }
    expect_equal("input", &format!("{target}\n"), &input)
}
