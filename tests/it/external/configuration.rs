//! What is found, what is executed for it, and how the sections of what is found are judged and shown.

use serde_json::{Value, json};

use super::{connector, no_orphans, pids, servo};
use crate::support::servo_bin::{Finished, ServoBin, succeeded, was_wrong};

const OPTIMIZER: &str = "optimizer: {id: dev.opsani.com/app, token: t}\n";

fn json(finished: &Finished) -> Value {
    serde_json::from_str(succeeded(finished)).unwrap()
}

#[tokio::test]
async fn one_is_mounted_under_a_name_of_ones_own() {
    let config = "connectors: {orders_db: toy}\norders_db: {level: 3}\n";
    let servo = servo(config, "");
    let described = json(&servo.run("describe --output json").await);
    let of_servo = &described[0]["descriptions"][0];
    assert_eq!(of_servo["connector"], "orders_db");
    assert_eq!(of_servo["components"], json!({"c": {"s": 5}}));
    let shown = json(&servo.run("show connectors --output json").await);
    let toy = shown[0]["connectors"].as_array().unwrap().iter().find(|found| found["name"] == "orders_db");
    assert_eq!(toy.unwrap()["version"], "1.2.3");
    no_orphans(servo.folder()).await;
}

#[tokio::test]
async fn the_folders_of_its_own_variable_come_before_path() {
    let servo = servo("toy: {}\n", "");
    let other = servo.folder().join("other");
    std::fs::create_dir(&other).unwrap();
    connector(&other, "toy", "announced=${announced/1.2.3/9.9.9}");
    let path = format!("{}:/usr/bin:/bin", other.display());
    let version = json(&servo.env("PATH", &path).run("version toy --format json").await);
    assert_eq!(version["version"], "1.2.3");
}

#[tokio::test]
async fn problems_of_a_section_are_told_with_line_and_key_path() {
    let servo = servo(&format!("{OPTIMIZER}toy:\n  level: none\n  levl: 2\n  token: [s3cr3t]\nwait: {{}}\n"), "");
    for arguments in ["validate", "config", "describe"] {
        let finished = servo.run(arguments).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        let file = if arguments == "validate" {
            "servo.yaml".to_owned()
        } else {
            servo.folder().join("servo.yaml").display().to_string()
        };
        for problem in [
            ":3:10: toy.level: value is not a valid integer (got \"none\")",
            ":4:3: toy.levl: extra fields not permitted; did you mean 'level'?",
            ":5:10: toy.token: text expected, not a list",
            ":6:7: wait.measure_enabled: field required",
        ] {
            assert!(finished.stderr.contains(&format!("{file}{problem}")), "{problem}\n{}", finished.stderr);
        }
        assert!(!finished.stderr.contains("s3cr3t"));
    }
}

#[tokio::test]
async fn an_identifier_without_an_executable_is_the_error_that_it_is() {
    let servo = servo("connectors: [nowhere]\nnowhere: {}\n", "");
    let said = servo.run("describe").await;
    assert!(was_wrong(&said).contains("no connector found for the identifier \"nowhere\"; known are "), "{said:?}");
}

#[tokio::test]
async fn nothing_is_executed_that_is_not_named() {
    let servo = servo("wait: {measure_enabled: true}\n", "");
    for arguments in
        ["describe", "show connectors", "config", "schema --all", "generate --quiet --file other.yaml", "list"]
    {
        succeeded(&servo.run(arguments).await);
    }
    assert!(pids(servo.folder()).is_empty());
}

#[tokio::test]
async fn secrets_are_redacted_wherever_the_section_is_shown() {
    let leaky = r#"on_configure() { echo "got $params" >&2; answer null; }"#;
    let servo = servo("toy: {token: s3cr3t}\n", leaky);
    let config = json(&servo.run("config toy --format json").await);
    assert_eq!(config, json!({"toy": {"token": "REDACTED"}}));
    let raw = json(&servo.run("config toy --format json --raw").await);
    assert_eq!(raw, json!({"toy": {"token": "s3cr3t"}}));
    let described = servo.run("describe").await;
    assert!(described.stderr.contains("toy") && described.stderr.contains("REDACTED"), "{}", described.stderr);
    assert!(!described.stderr.contains("s3cr3t"), "{}", described.stderr);
}

#[tokio::test]
async fn variables_fill_the_keys_of_a_section() {
    let servo = servo("toy: {}\n", "").env("SERVO_TOY_LEVEL", "7");
    assert_eq!(json(&servo.run("config toy --format json").await), json!({"toy": {"level": 7}}));
}

#[tokio::test]
async fn its_schema_is_part_of_that_of_the_file() {
    let servo = servo("toy: {}\n", "");
    let alone = json(&servo.run("schema toy").await);
    assert_eq!(alone["properties"]["level"]["env_names"], json!(["SERVO_TOY_LEVEL"]));
    let file = json(&servo.run("schema").await);
    let section = &file["properties"]["toy"]["anyOf"][0];
    assert_eq!(section["properties"]["level"]["minimum"], 1);
    let validator = jsonschema::validator_for(&file).unwrap();
    assert!(validator.is_valid(&json!({"optimizer": {"id": "dev.opsani.com/app", "token": "t"}, "toy": {"level": 2}})));
    assert!(
        !validator.is_valid(&json!({"optimizer": {"id": "dev.opsani.com/app", "token": "t"}, "toy": {"level": 0}}))
    );
}

#[tokio::test]
async fn what_is_generated_for_it_is_valid() {
    let servo = servo("{}", "");
    succeeded(&servo.run("generate --force store:toy wait").await);
    let written = std::fs::read_to_string(servo.folder().join("servo.yaml")).unwrap();
    assert!(written.contains("store: toy") && written.contains("level: 1"), "{written}");
    succeeded(&servo.run("validate").await);
}

#[tokio::test]
async fn found_connectors_are_listed_with_what_hides_them_and_what_is_wrong() {
    let servo = ServoBin::new();
    connector(servo.folder(), "toy", "");
    connector(servo.folder(), "vegeta", "");
    connector(servo.folder(), "broken", "on_initialize() { fail -32000 'not today' failed; }");
    let path = servo.folder().display().to_string();
    let servo = servo.env("SERVO_CONNECTOR_PATH", &path);
    let listed = json(&servo.run("connectors --output json").await);
    let found: Vec<&Value> = listed.as_array().unwrap().iter().filter(|one| one.get("executable").is_some()).collect();
    let facts: Vec<_> = found.iter().map(|one| (&one["name"], &one["version"], &one["hidden"])).collect();
    assert_eq!(
        facts,
        [
            (&json!("broken"), &Value::Null, &json!(false)),
            (&json!("toy"), &json!("1.2.3"), &json!(false)),
            (&json!("vegeta"), &json!("1.2.3"), &json!(true)),
        ]
    );
    let table = servo.run("connectors").await;
    let table = succeeded(&table);
    for text in [
        "not usable: it answered initialize by an error: not today",
        "servo-connector-toy",
        "(hidden by the built-in vegeta)",
    ] {
        assert!(table.contains(text), "{text:?} is not in\n{table}");
    }
    no_orphans(servo.folder()).await;
}

#[tokio::test]
async fn checks_that_were_not_asked_for_are_dropped() {
    let servo = servo(&format!("{OPTIMIZER}toy: {{}}\n"), "");
    let checked = servo.run("check toy --id b --output json").await;
    assert!(checked.stdout.contains("\"id\": \"b\"") && !checked.stdout.contains("\"id\": \"a\""), "{checked:?}");
}
