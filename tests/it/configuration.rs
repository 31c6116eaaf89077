//! The commands on configuration files, through the built program: `config`, `validate`, `generate`, `schema`.

use serde_json::Value;

use crate::support::servo_bin::{Finished, ServoBin};

#[track_caller]
fn succeeded(finished: &Finished) -> &str {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    &finished.stdout
}

#[track_caller]
fn was_wrong(finished: &Finished) -> &str {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    &finished.stderr
}

const CONFIG: &str = "\
# mine
optimizer: {id: dev.opsani.com/app, token: s3cr3t}
wait: {measure_enabled: yes}
prometheus: {base_url: 'http://me:p4ss@prometheus:9090/', metrics: [{name: m, query: up, step: 60}]}
";

/// Every kind of mistake, one line each.
const WRONG: &str = "\
optimiser: {id: dev.opsani.com/app}
optimizer: {id: app, token: [s3cr3t]}
no_diagnostics: maybe
checks: {wait: soon, halt_no: critical}
prometheus:
  metrics:
  - {name: m, unit: rsp}
wait: {}
";

#[tokio::test]
async fn every_problem_of_a_file_is_told_at_once_with_its_place() {
    let servo = ServoBin::configured(WRONG);
    let finished = servo.run("validate").await;
    let expected = "\
X Invalid configuration in servo.yaml
servo.yaml:2:17: optimizer.id: an id is organization/name: 5 to 50 letters, digits, dots and hyphens, then 1 to 64 \
letters, digits, dots, hyphens and underscores (got \"app\")
servo.yaml:2:29: optimizer.token: text expected, not a list
servo.yaml:3:17: no_diagnostics: value could not be parsed to a boolean (got \"maybe\"); use true or false
servo.yaml:4:16: checks.wait: invalid duration 'soon': write a number with a unit, such as 5m or 1h30m
servo.yaml:4:22: checks.halt_no: extra fields not permitted; did you mean 'halt_on'?
servo.yaml:7:21: prometheus.metrics.0.unit: value is not a valid enumeration member; permitted: '', '%', 'ms', \
'bytes', 'GiB', 'cores', 'rpm', 'rps' (got \"rsp\")
servo.yaml:8:7: wait.measure_enabled: field required
servo.yaml:1:1: optimiser: extra fields not permitted; did you mean 'optimizer'?
";
    assert_eq!(was_wrong(&finished), expected);
    let finished = servo.run("list").await;
    let problems = expected.split_once('\n').map(|(_, problems)| problems).unwrap();
    for line in problems.lines() {
        let line = line.strip_prefix("servo.yaml").unwrap();
        assert!(was_wrong(&finished).contains(line), "{line} in {finished:?}");
    }
}

#[tokio::test]
async fn a_file_is_valid_when_it_loads() {
    let servo = ServoBin::configured(CONFIG);
    assert_eq!(succeeded(&servo.run("validate").await), "√ Valid configuration in servo.yaml\n");
    assert_eq!(succeeded(&servo.run("validate --quiet").await), "");
    assert_eq!(succeeded(&servo.run("validate wait PrometheusConnector -q").await), "");
    assert!(was_wrong(&servo.run("validate wait").await).contains("servo.yaml:4:13: prometheus: extra fields"));
    assert!(was_wrong(&servo.run("validate nope").await).contains("no connector found for identifier 'nope'"));
    assert!(was_wrong(&servo.run("validate -f other.yaml").await).contains("'other.yaml' does not exist"));
    assert!(was_wrong(&servo.run("validate -f .").await).contains("'.' is a directory"));
    let other =
        ServoBin::new().file("other.yaml", "wait: {}\n").file("aliased.yaml", &CONFIG.replace("wait:", "load:"));
    assert!(was_wrong(&other.run("--config-file other.yaml validate").await).contains("other.yaml:1:7: wait"));
    assert_eq!(was_wrong(&other.run("validate -q -f other.yaml").await), "");
    assert_eq!(succeeded(&other.run("validate -q -f aliased.yaml load:wait prometheus").await), "");
}

#[tokio::test]
async fn a_configuration_is_shown_without_defaults_and_secrets() {
    let servo = ServoBin::configured(CONFIG).env("SERVO_PROMETHEUS_STREAMING_INTERVAL", "10s");
    let expected = "\
optimizer:
  id: dev.opsani.com/app
  token: REDACTED
  url: https://api.opsani.com/accounts/dev.opsani.com/applications/app/
prometheus:
  base_url: http://REDACTED@prometheus:9090
  metrics:
  - name: m
    query: up
  streaming_interval: 10s
wait:
  measure_enabled: true

";
    assert_eq!(succeeded(&servo.run("config").await), expected);
    assert_eq!(succeeded(&servo.run("config --format text").await), expected);
    assert_eq!(succeeded(&servo.run("config wait unknown").await), "wait:\n  measure_enabled: true\n\n");
    assert_eq!(succeeded(&servo.run("config unknown").await), "{}\n\n");
    let json: Value = serde_json::from_str(succeeded(&servo.run("config -f json --raw").await)).unwrap();
    assert_eq!(json["optimizer"]["token"], "s3cr3t");
    assert_eq!(json["prometheus"]["base_url"], "http://me:p4ss@prometheus:9090");
    let dict = servo.run("config wait -f dict").await;
    assert_eq!(succeeded(&dict), "{\n    'wait': {\n        'measure_enabled': True,\n    },\n}\n\n");
}

#[tokio::test]
async fn what_is_shown_raw_is_a_file_that_shows_the_same() {
    let servo = ServoBin::configured(CONFIG);
    assert_eq!(succeeded(&servo.run("config --raw -o raw.yaml").await), "");
    let raw = std::fs::read_to_string(servo.folder().join("raw.yaml")).unwrap();
    let again = servo.run("--config-file raw.yaml config --raw").await;
    assert_eq!(succeeded(&again), format!("{raw}\n"));
    let finished = servo.run("config -o no/such/folder.yaml").await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
}

#[tokio::test]
async fn a_config_map_holds_the_file_without_its_optimizer() {
    let servo = ServoBin::configured(CONFIG);
    let finished = servo.run("config wait --format configmap").await;
    let text = succeeded(&finished);
    assert!(
        text.starts_with("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: opsani-servo-config\n"),
        "{text}"
    );
    assert!(text.ends_with("data:\n  servo.yaml: |\n    wait:\n      measure_enabled: true\n\n"), "{text}");
    assert!(!text.contains("optimizer") && text.contains("+00:00'\n"), "{text}");
}

#[tokio::test]
async fn what_is_generated_is_valid_and_asked_about_before_it_replaces_anything() {
    let servo = ServoBin::new();
    let finished = servo.run("generate").await;
    assert!(succeeded(&finished).ends_with("\n\nGenerated servo.yaml\n"), "{finished:?}");
    assert_eq!(succeeded(&servo.run("validate -q").await), "");
    let declined = servo.run("generate wait").await;
    assert_eq!((declined.code, declined.stderr.as_str()), (Some(1), "Aborted!\n"), "{declined:?}");
    assert!(declined.stdout.starts_with("File 'servo.yaml' already exists. Overwrite it? [y/N]: "), "{declined:?}");
    assert_eq!(succeeded(&servo.run("generate --defaults --force --quiet").await), "");
    assert_eq!(succeeded(&servo.run("validate -q").await), "");
    let commented = ServoBin::configured(CONFIG);
    assert_eq!(succeeded(&commented.run("generate a-b:wait --append -q").await), "");
    let appended = std::fs::read_to_string(commented.folder().join("servo.yaml")).unwrap();
    assert!(appended.starts_with(&format!("{CONFIG}---\noptimizer:\n")), "{appended}");
    assert_eq!(succeeded(&commented.run("validate -q").await), "");
}

#[tokio::test]
async fn names_that_cannot_be_generated_are_refused_before_anything_is_written() {
    let servo = ServoBin::new();
    for (arguments, problem) in [
        ("nope", "no connector found for identifier 'nope'"),
        ("a:b:c", "more than one colon"),
        ("ab:wait", "\"ab\" is not a valid connector name"),
        ("vegeta:wait", "reserved"),
        ("mine:wait --standalone", "--standalone"),
        ("wait --append --force", "cannot be used with"),
    ] {
        let finished = servo.run(&format!("generate {arguments}")).await;
        assert!(was_wrong(&finished).contains(problem), "{finished:?}");
    }
    assert!(!servo.folder().join("servo.yaml").exists());
}

#[tokio::test]
async fn schemas_are_printed_for_a_file_a_connector_or_everything() {
    let servo = ServoBin::configured("connectors: {mine: wait}\nmine: {measure_enabled: true}\n");
    let json =
        async |arguments: &str| -> Value { serde_json::from_str(succeeded(&servo.run(arguments).await)).unwrap() };
    let of_file = json("schema").await;
    assert_eq!(of_file["required"], serde_json::json!(["mine"]));
    let variable = &of_file["$defs"]["WaitConfig__mine"]["properties"]["measure_enabled"]["env_names"][0];
    assert_eq!(variable, "SERVO_MINE_MEASURE_ENABLED");
    let of_connector = json("schema WaitConnector").await;
    assert_eq!(of_connector["properties"]["measure_enabled"]["env_names"][0], "SERVO_WAIT_MEASURE_ENABLED");
    assert!(json("schema servo").await["properties"].get("wait").is_none());
    let definitions = json("schema --top-level").await;
    assert_eq!(definitions["$defs"].as_object().map(serde_json::Map::len), Some(1), "{definitions}");
    let text = servo.run("schema wait -f text").await;
    assert!(succeeded(&text).contains("\ntitle: Wait Connector configuration\n"), "{text:?}");
    assert!(was_wrong(&servo.run("schema nope").await).contains("no Connector type found for key 'nope'"));
    assert!(was_wrong(&servo.run("schema wait -f html").await).contains("not yet implemented"));
    let without_file = ServoBin::new();
    assert!(was_wrong(&without_file.run("schema").await).contains("servo.yaml"));
    assert_eq!(succeeded(&without_file.run("schema --all -o all.json").await), "");
    let closed = without_file.run_with_closed_output("schema --all").await;
    assert_eq!((closed.code, closed.stderr.as_str()), (Some(0), ""), "{closed:?}");
    let two = ServoBin::configured(&format!("{CONFIG}---\n{CONFIG}"));
    assert!(was_wrong(&two.run("schema").await).contains("single servo"));
    assert!(two.run("schema --top-level").await.code == Some(0));
}

#[tokio::test]
async fn the_example_of_a_configuration_is_valid_and_has_every_section() {
    let example = include_str!("../../servo.yaml.example");
    let servo = ServoBin::configured(example);
    assert_eq!(succeeded(&servo.run("validate -q").await), "");
    let schema: Value = serde_json::from_str(succeeded(&servo.run("schema --all").await)).unwrap();
    let document =
        servox::internals::config::file::parse_documents(example, "example").unwrap().documents.remove(0).to_json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&document), "{:?}", validator.iter_errors(&document).collect::<Vec<_>>());
    for key in schema["properties"].as_object().unwrap().keys() {
        let is_mentioned = example.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key}:")));
        assert!(is_mentioned, "{key} is missing");
    }
}
