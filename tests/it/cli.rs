//! The command line, as the built program behaves.

use serde_json::Value;

use crate::support::http_server::{HttpServer, Reply};
use crate::support::servo_bin::{Finished, ServoBin, succeeded, was_wrong};

/// Runs in an empty folder.
async fn servo(arguments: &str) -> Finished {
    ServoBin::new().run(arguments).await
}

/// An address where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";

const TWO_SERVOS: &str = "
optimizer: {id: dev.opsani.com/one, token: t, url: 'http://127.0.0.1:9/'}
description: The first
wait: {measure_enabled: true}
---
name: two
optimizer: {id: dev.opsani.com/two, token: t, url: 'http://127.0.0.1:9/'}
wait: {measure_enabled: true}
";

const WITHOUT_SERVER: &str = "
prometheus:
  base_url: 'http://127.0.0.1:9'
  metrics: [{name: throughput, query: up}]
wait: {measure_enabled: true}
";

/// One servo, whose checks are run once and whose requests are not repeated.
fn config(optimizer: &str) -> String {
    format!(
        "optimizer: {{id: dev.opsani.com/app, token: s3cr3t, base_url: '{optimizer}'}}\n\
         checks: {{wait: ''}}\n\
         settings:\n\
         \x20 proxies: {{'http://proxied.example': 'http://user:p4ssword@127.0.0.1:9'}}\n\
         \x20 backoff: {{__default__: {{max_tries: 1}}, connect: {{max_tries: 1}}}}\n"
    )
}

#[tokio::test]
async fn without_arguments_the_help_is_printed() {
    let finished = servo("").await;
    let help = succeeded(&finished);
    assert_eq!(finished.stderr, "");
    for text in ["Usage: servo", "Commands:", "Examples:", "--config-file"] {
        assert!(help.contains(text), "{text} in {help}");
    }
}

#[tokio::test]
async fn help_needs_no_valid_configuration() {
    let servo = ServoBin::configured("}{").env("SERVO_LOG_LEVEL", "LOUD");
    for command in ["--help", "list --help", "run --help", "measure --help", "help adjust", "version --help"] {
        let finished = servo.run(command).await;
        assert!(succeeded(&finished).contains("Usage: servo"), "{command}: {finished:?}");
    }
    for command in [
        "list",
        "run",
        "describe",
        "measure",
        "adjust",
        "version",
        "connectors",
        "show",
        "show components",
        "show connectors",
        "show events",
        "show metrics",
        "check",
        "completions",
        "inject-sidecar",
        "eject-sidecar",
    ] {
        let finished = servo.run(&format!("{command} --help")).await;
        assert!(succeeded(&finished).contains("Example: servo "), "{command}: {finished:?}");
    }
}

#[tokio::test]
async fn the_version_is_text_or_json_and_long_or_short() {
    let version = env!("CARGO_PKG_VERSION");
    let long = servo("version").await;
    assert!(succeeded(&long).starts_with(&format!("Servo v{version} (Robust)\n")), "{long:?}");
    assert_eq!(succeeded(&servo("version --short").await), format!("Servo v{version}\n"));
    assert_eq!(succeeded(&servo("version wait -s").await), "Wait Connector v0.0.1\n");
    for format in ["version --format json", "version --output json"] {
        let finished = servo(format).await;
        let json: Value = serde_json::from_str(succeeded(&finished)).unwrap();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["name", "version", "cryptonym", "maturity", "description", "homepage", "license", "compatible_with"]
        );
        assert_eq!(json["version"], version);
    }
}

#[tokio::test]
async fn unknown_commands_options_and_connectors_are_usage_errors() {
    assert!(was_wrong(&servo("mesure").await).contains("'measure'"));
    assert!(was_wrong(&servo("list --no-such-option").await).contains("--no-such-option"));
    assert!(was_wrong(&servo("version nope").await).contains("'nope'"));
    assert!(was_wrong(&servo("adjust web.cpu").await).contains("component.setting=value"));
    assert!(was_wrong(&servo("measure --duration bogus").await).contains("bogus"));
}

#[tokio::test]
async fn a_bad_log_level_is_a_usage_error_wherever_it_comes_from() {
    assert!(was_wrong(&servo("--log-level LOUD version").await).contains("LOUD"));
    assert!(was_wrong(&servo("version --log-level LOUD").await).contains("TRACE"));
    let finished = ServoBin::new().env("SERVO_LOG_LEVEL", "LOUD").run("version").await;
    assert!(was_wrong(&finished).contains("SERVO_LOG_LEVEL"));
    succeeded(&servo("version --log-level debug").await);
}

#[tokio::test]
async fn no_color_may_be_anything_and_servo_no_color_only_a_yes_or_no() {
    succeeded(&ServoBin::new().env("NO_COLOR", "please").run("version").await);
    let finished = ServoBin::new().env("SERVO_NO_COLOR", "please").run("version").await;
    assert!(was_wrong(&finished).contains("SERVO_NO_COLOR"));
}

#[tokio::test]
async fn nothing_is_coloured_without_a_terminal() {
    for command in ["", "mesure", "list", "version"] {
        let finished = servo(command).await;
        assert!(!finished.stdout.contains('\x1b') && !finished.stderr.contains('\x1b'), "{command}: {finished:?}");
    }
}

#[tokio::test]
async fn a_closed_output_ends_the_program_quietly() {
    for command in ["", "--help", "version", "version --output json"] {
        let finished = ServoBin::new().run_with_closed_output(command).await;
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{command}");
    }
}

#[tokio::test]
async fn a_missing_configuration_file_is_named_with_its_path() {
    let servo = ServoBin::new();
    let path = servo.folder().canonicalize().unwrap().join("other.yaml").display().to_string();
    for arguments in ["-c other.yaml list", "list --config-file other.yaml"] {
        let finished = servo.run(arguments).await;
        assert!(was_wrong(&finished).contains(&path), "{finished:?}");
    }
    let finished = servo.run("list -c .").await;
    assert!(was_wrong(&finished).contains("is a directory"), "{finished:?}");
}

#[tokio::test]
async fn every_problem_of_a_configuration_is_reported() {
    let servo = ServoBin::configured("wait:\n  measure_enabled: maybe\n  nonsense: 1\nbogus: {}\n");
    for command in ["list", "describe", "measure"] {
        let finished = servo.run(command).await;
        let problems = was_wrong(&finished);
        for text in ["servo.yaml", "wait.measure_enabled", "wait.nonsense", "bogus"] {
            assert!(problems.contains(text), "{text} in {problems}");
        }
    }
}

#[tokio::test]
async fn dot_env_is_read_and_gives_way_to_the_environment() {
    let servo = ServoBin::new().file(".env", "SERVO_CONFIG_FILE=from-file.yaml\n");
    assert!(was_wrong(&servo.run("list").await).contains("from-file.yaml"));
    let servo = servo.env("SERVO_CONFIG_FILE", "from-environment.yaml");
    assert!(was_wrong(&servo.run("list").await).contains("from-environment.yaml"));
}

#[tokio::test]
async fn the_servos_of_a_file_are_listed() {
    let servo = ServoBin::configured(TWO_SERVOS);
    let finished = servo.run("list").await;
    assert_eq!(
        succeeded(&finished),
        "NAME                OPTIMIZER           DESCRIPTION\n\
         dev.opsani.com/one  dev.opsani.com/one  The first\n\
         two                 dev.opsani.com/two  Continuous Optimization Orchestrator\n"
    );
    let finished = servo.run("list --name two --output json").await;
    let json: Value = serde_json::from_str(succeeded(&finished)).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["optimizer"], "dev.opsani.com/two");
    assert!(was_wrong(&servo.run("list --name three").await).contains("three"));
}

#[tokio::test]
async fn each_servo_is_described_under_its_name() {
    let servo = ServoBin::configured(TWO_SERVOS);
    let finished = servo.run("describe").await;
    let table = "CONNECTOR    COMPONENTS    METRICS\nwait";
    assert_eq!(succeeded(&finished), format!("dev.opsani.com/one\n{table}\n\ntwo\n{table}\n"));
    let finished = servo.run("describe wait --output yaml").await;
    assert!(succeeded(&finished).contains("servo: two"), "{finished:?}");
    assert!(was_wrong(&servo.run("describe nope").await).contains("'nope'"));
}

#[tokio::test]
async fn one_servo_without_an_optimizer_can_be_asked() {
    let servo = ServoBin::configured("wait: {measure_enabled: true}\n");
    assert_eq!(succeeded(&servo.run("describe").await), "CONNECTOR    COMPONENTS    METRICS\nwait\n");
    assert_eq!(succeeded(&servo.run("measure -d 0.1s").await), "METRIC    UNIT    READINGS\n");
    let finished = servo.run("adjust web.cpu=1").await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("no connector handled the request"), "{finished:?}");
    assert!(was_wrong(&servo.run("measure nope").await).contains("'nope'"));
    assert!(was_wrong(&servo.run("run").await).contains("optimizer"));
}

#[tokio::test]
async fn a_run_that_cannot_connect_fails_after_telling_what_it_is() {
    let finished = ServoBin::configured(&config(NOWHERE)).env("SERVO_BANNER_FONT", "no such font").run("run").await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for text in
        ["connectors:  ", "wait-0.0.1", "optimizer:   dev.opsani.com/app\n", "base url:    http://127.0.0.1:9\n"]
    {
        assert!(finished.stdout.contains(text), "{text} in {finished:?}");
    }
    assert!(finished.stderr.contains("CRITICAL | servo - "), "{finished:?}");
}

#[tokio::test]
async fn an_interrupt_ends_an_ad_hoc_command_with_130() {
    let servo = ServoBin::configured("wait: {measure_enabled: true}\n");
    let agent = servo.start("measure -d 1h");
    agent.wait_for_error_text("wait[measure]").await;
    let finished = agent.interrupt().await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(130), ""), "{finished:?}");
}

#[tokio::test]
async fn the_end_of_input_declines_every_question_and_a_signal_ends_a_run_cleanly() {
    let servo = ServoBin::configured(&config(NOWHERE));
    let running = servo.start("run --interactive");
    running.wait_for_error_text("not connected to the optimizer").await;
    let finished = running.interrupt().await;
    assert!(succeeded(&finished).contains("Connect to the optimizer? [y/N]: "), "{finished:?}");
}

#[tokio::test]
async fn a_failing_connector_is_a_message_and_a_failure() {
    let servo = ServoBin::configured(WITHOUT_SERVER);
    for command in ["measure throughput -d 1ms", "prometheus targets"] {
        let finished = servo.run(command).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{command}: {finished:?}");
        let message = finished.stderr.lines().last().unwrap();
        assert!(message.starts_with("error: ") && message.contains("http://127.0.0.1:9/"), "{command}: {message}");
    }
}

#[tokio::test]
async fn metrics_are_measured_only_by_connectors_that_have_them() {
    let servo = ServoBin::configured(WITHOUT_SERVER);
    let finished = servo.run("measure throughput -d 1ms").await;
    assert!(!finished.stderr.contains("wait[measure]"), "{finished:?}");
    assert!(was_wrong(&servo.run("measure throughput -c wait").await).contains("'throughput': there is none"));
    let finished = servo.run("measure").await;
    assert!(finished.stderr.contains("--duration"), "{finished:?}");
}

#[tokio::test]
async fn connectors_of_one_type_are_told_apart_by_name() {
    let servo = ServoBin::configured(
        "connectors: {one: prometheus, two: prometheus}\n\
         one: {base_url: 'http://127.0.0.1:9', metrics: []}\n\
         two: {base_url: 'http://127.0.0.1:9/two', metrics: []}\n",
    );
    assert!(was_wrong(&servo.run("prometheus targets").await).contains("one, two"));
    assert!(was_wrong(&servo.run("prometheus -c nope targets").await).contains("one, two"));
    for command in ["prometheus -c two targets", "prometheus targets --connector two"] {
        let finished = servo.run(command).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("http://127.0.0.1:9/two/"), "{finished:?}");
    }
    let finished = ServoBin::configured(TWO_SERVOS).run("prometheus targets").await;
    assert!(was_wrong(&finished).contains("--name"));
}

#[tokio::test]
async fn only_a_run_writes_a_log_file_and_appends_to_it() {
    let servo = ServoBin::configured(&config(NOWHERE));
    succeeded(&servo.run("list --log-level trace").await);
    assert!(!servo.folder().join("logs").exists());

    let lines_after_a_run = async |servo: &ServoBin, path: &str| {
        assert_eq!(servo.run("run --dry-run").await.code, Some(1));
        std::fs::read_to_string(servo.folder().join(path)).unwrap().lines().count()
    };
    let first = lines_after_a_run(&servo, "logs/servo.log").await;
    assert!(first > 0);
    assert_eq!(lines_after_a_run(&servo, "logs/servo.log").await, 2 * first);
    let elsewhere = servo.env("SERVO_LOG_FILE", "other/place.log");
    assert_eq!(lines_after_a_run(&elsewhere, "other/place.log").await, first);
}

#[tokio::test]
async fn a_log_file_that_cannot_be_written_is_one_warning() {
    let servo = ServoBin::configured(&config(NOWHERE)).env("SERVO_LOG_FILE", "servo.yaml/servo.log");
    let finished = servo.run("run --dry-run").await;
    assert_eq!(finished.stderr.matches("servo.yaml/servo.log").count(), 1, "{finished:?}");
    assert!(finished.stderr.contains("Opsani API connectivity"), "{finished:?}");
}

#[tokio::test]
async fn log_lines_for_machines_are_json() {
    let finished = ServoBin::configured(&config(NOWHERE)).run("run --dry-run --log-format json --debug").await;
    assert!(!finished.stderr.is_empty());
    for line in finished.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["time"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn no_secret_is_logged_or_printed() {
    let servo = ServoBin::configured(&config(NOWHERE));
    for command in ["list --output json", "run --dry-run", "run"] {
        let finished = servo.run(&format!("{command} --log-level trace")).await;
        for secret in ["s3cr3t", "p4ssword"] {
            let shown = [&finished.stdout, &finished.stderr].into_iter().any(|text| text.contains(secret));
            assert!(!shown, "{secret} by servo {command}: {finished:?}");
        }
    }
}

#[tokio::test]
async fn tables_of_checks_are_printed_when_asked_for() {
    let servo = ServoBin::configured(&config(NOWHERE)).env("CHECKS_PROGRESSIVE", "false");
    let finished = servo.run("run --dry-run").await;
    assert_eq!(finished.code, Some(1));
    let mut lines = finished.stdout.lines();
    assert_eq!(lines.next(), Some("CONNECTOR           STATUS    ERRORS"), "{finished:?}");
    assert!(lines.next().is_some_and(|row| row.starts_with("dev.opsani.com/app  X FAILED  (1/1)")), "{finished:?}");
    let finished = servo.env("CHECKS_QUIET", "yes").run("run --dry-run").await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
}

#[tokio::test]
async fn a_dry_run_says_by_its_exit_code_whether_the_checks_pass() {
    let server = HttpServer::start(|_| Reply::ok()).await;
    let finished = ServoBin::configured(&config(&server.url())).run("run --dry-run").await;
    assert_eq!(succeeded(&finished), "", "no banner: nothing runs");
    assert!(finished.stderr.contains("SUCCESS  | ffd7e219 - "), "{finished:?}");

    let server = HttpServer::start(|_| Reply::Text(500, String::new())).await;
    let finished = ServoBin::configured(&config(&server.url())).run("run --dry-run").await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("Response status code: 500"), "{finished:?}");
}

#[tokio::test]
async fn what_stands_where_the_optimizer_belongs_is_never_repeated() {
    let text = ServoBin::configured("optimizer: s3cr3t\n");
    let variable =
        ServoBin::configured("wait: {measure_enabled: true}\n").env("SERVO_OPTIMIZER", "{\"token\":\"s3cr3t\"");
    let control = ServoBin::configured("optimizer: {id: dev.opsani.com/app, token: \"s3cr3t\\nx\"}\n");
    for servo in [text, variable, control] {
        for command in ["validate", "list", "config", "describe"] {
            let finished = servo.run(command).await;
            assert!(was_wrong(&finished).contains("optimizer"), "{command}: {finished:?}");
            assert!(!format!("{finished:?}").contains("s3cr3t"), "{command}: {finished:?}");
        }
    }
}

#[tokio::test]
async fn credentials_of_a_load_are_shown_only_when_asked_for() {
    let target = "GET http://u:s3cr3t@host/\\nAuthorization: Bearer s3cr3t";
    let servo = ServoBin::configured(&format!(
        "vegeta: {{rate: 1, target: \"{target}\"}}\noptimizer: {{id: a.com/b, token: t}}\n"
    ));
    assert!(!succeeded(&servo.run("config").await).contains("s3cr3t"));
    assert!(succeeded(&servo.run("config --raw").await).contains("s3cr3t"));
}

#[tokio::test]
async fn a_measurement_that_nothing_makes_is_a_failure() {
    let servo = ServoBin::configured("scripts: {before: {measure: [\"true\"]}}\n");
    let finished = servo.run("measure --duration 1s").await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("no connector handled the request"), "{finished:?}");
}

#[tokio::test]
async fn adjusting_a_component_that_there_is_not_changes_nothing_and_names_those_that_there_are() {
    let servo = ServoBin::configured("simulation: {speed: 10000}");
    let finished = servo.run("adjust service.cpu=1.0 web.cpu=1.0").await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    assert!(finished.stderr.contains("unknown component web; known components: service"), "{finished:?}");
    assert!(succeeded(&servo.run("adjust service.cpu=1.0").await).contains("cpu=1"));
}
