//! What `servo connectors`, `servo show` and the completion commands print.

use serde_json::Value;

use crate::support::servo_bin::{Finished, ServoBin, keys, succeeded, was_wrong};

const CONFIG: &str = "
optimizer: {id: dev.opsani.com/app, token: t, url: 'http://127.0.0.1:9/'}
connectors: {wait: wait, metrics: prometheus, more: prometheus}
wait: {measure_enabled: true}
metrics: {base_url: 'http://127.0.0.1:9', metrics: [{name: throughput, query: up, unit: rps}]}
more: {base_url: 'http://127.0.0.1:9', metrics: [{name: errors, query: up}, {name: throughput, query: up, unit: rpm}]}
";

fn json(finished: &Finished) -> Value {
    serde_json::from_str(succeeded(finished)).unwrap()
}

#[tokio::test]
async fn connector_types_are_listed_without_a_configuration_the_servo_last() {
    let servo = ServoBin::configured("}{");
    let table = servo.run("connectors").await;
    let lines: Vec<&str> = succeeded(&table).lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[0].ends_with("VERSION    DESCRIPTION"), "{table:?}");
    assert!(lines.iter().any(|line| line.starts_with("wait ") && line.contains("0.0.1")), "{table:?}");
    assert!(lines.last().unwrap().starts_with("servo "), "{table:?}");
    assert!(lines.iter().all(|line| !line.ends_with(' ')), "{table:?}");
    let verbose = servo.run("connectors --verbose").await;
    assert!(
        succeeded(&verbose)
            .lines()
            .next()
            .unwrap()
            .ends_with("HOMEPAGE                                         MATURITY    LICENSE")
            || succeeded(&verbose).contains("MATURITY"),
        "{verbose:?}"
    );
    let json = json(&servo.run("connectors --output json").await);
    assert_eq!(keys(&json[0]), ["name", "version", "description", "homepage", "maturity", "license"]);
    assert!(succeeded(&servo.run("connectors --output yaml").await).contains("- name: servo\n"));
}

#[tokio::test]
async fn a_reader_that_has_gone_is_no_error() {
    for command in ["connectors", "show connectors", "show events", "completions bash"] {
        let finished = ServoBin::configured(CONFIG).run_with_closed_output(command).await;
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{command}");
    }
}

#[tokio::test]
async fn active_connectors_of_one_type_stand_together_behind_the_servo() {
    let servo = ServoBin::configured(CONFIG);
    let table = servo.run("show connectors").await;
    let names: Vec<&str> = succeeded(&table).lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(names, ["NAME", "dev.opsani.com/app", "wait", "metrics", "more"], "{table:?}");
    assert!(table.stdout.lines().nth(4).unwrap().trim() == "more", "one row for both: {table:?}");
    let json = json(&servo.run("show connectors --output json").await);
    assert_eq!(json[0]["servo"], "dev.opsani.com/app");
    assert_eq!(json[0]["connectors"][0]["type"], "Servo");
    assert_eq!(json[0]["connectors"][3]["name"], "more");
}

#[tokio::test]
async fn events_are_listed_by_event_or_by_connector() {
    let servo = ServoBin::configured(CONFIG);
    let by_event = servo.run("show events").await;
    let text = succeeded(&by_event);
    assert!(text.contains("check     Prometheus\n          Servo\n"), "{text}");
    assert!(text.contains("measure   Prometheus\n          Wait\n"), "{text}");
    let by_connector = servo.run("show events -c").await;
    assert!(succeeded(&by_connector).contains("\nServo        check\n"), "{by_connector:?}");
    let json = json(&servo.run("show events --output json").await);
    assert_eq!(keys(&json[0]["events"][0]), ["event", "phase", "connectors"]);
    let none = servo.run("show events --before").await;
    assert_eq!(succeeded(&none), "EVENT    CONNECTORS\n");
    let all = ServoBin::new().run("show events --all --by-connector").await;
    assert!(succeeded(&all).contains("\nScripts "), "{all:?}");
}

#[tokio::test]
async fn a_metric_of_several_connectors_has_one_row_and_the_unit_of_the_first() {
    let servo = ServoBin::configured(CONFIG);
    assert_eq!(
        succeeded(&servo.run("show metrics").await),
        "METRIC      UNIT                       CONNECTORS\n\
         errors      float ()                   Prometheus\n\
         throughput  requests_per_second (rps)  Prometheus\n"
    );
    let json = json(&servo.run("show metrics --output json").await);
    assert_eq!(keys(&json[0]["metrics"][0]), ["name", "unit", "unit_name", "connectors"]);
}

#[tokio::test]
async fn without_components_only_the_header_is_left() {
    let servo = ServoBin::configured("wait: {measure_enabled: true}\n");
    assert_eq!(succeeded(&servo.run("show components").await), "COMPONENT    SETTINGS    CONNECTOR\n");
}

#[tokio::test]
async fn show_needs_a_subject_and_takes_global_options_everywhere() {
    let nothing = ServoBin::new().run("show").await;
    assert!(was_wrong(&nothing).contains("Usage: servo show"), "{nothing:?}");
    let servo = ServoBin::new().file("other.yaml", CONFIG);
    for command in [
        "-c other.yaml show metrics",
        "show -c other.yaml metrics",
        "show metrics -c other.yaml",
        "show metrics -l info -c other.yaml",
    ] {
        succeeded(&servo.run(command).await);
    }
    assert!(was_wrong(&servo.run("show metrics").await).contains("servo.yaml"));
}

#[tokio::test]
async fn two_servos_are_shown_under_their_names() {
    let config = format!("name: one\n{CONFIG}---\nname: two\n{CONFIG}");
    let finished = ServoBin::configured(&config).run("show metrics").await;
    assert!(succeeded(&finished).starts_with("one\nMETRIC"), "{finished:?}");
    assert!(finished.stdout.contains("\n\ntwo\nMETRIC"), "{finished:?}");
}

#[tokio::test]
async fn completion_scripts_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "pwsh"] {
        let script = ServoBin::configured("}{").run(&format!("completions {shell}")).await;
        assert!(succeeded(&script).contains("servo"), "{shell}");
        let shown = ServoBin::new().run(&format!("--show-completion {shell}")).await;
        assert_eq!(shown.stdout, script.stdout);
    }
    assert!(was_wrong(&ServoBin::new().run("completions tcsh").await).contains("tcsh"));
    was_wrong(&ServoBin::new().run("--install-completion").await);
}

#[tokio::test]
async fn completions_are_installed_once() {
    let servo = ServoBin::new().file(".bashrc", "alias x=y");
    for _ in 0..2 {
        let finished = servo.run("--install-completion bash").await;
        assert_eq!(succeeded(&finished).lines().count(), 2, "{finished:?}");
    }
    let script = servo.folder().join(".bash_completions/servo.sh");
    assert!(std::fs::read_to_string(&script).unwrap().contains("servo"));
    let startup = std::fs::read_to_string(servo.folder().join(".bashrc")).unwrap();
    assert_eq!(startup, format!("alias x=y\nsource '{}'\n", script.display()));
}

#[tokio::test]
async fn sidecars_need_a_deployment_and_a_port_and_no_configuration() {
    for (arguments, said) in [
        ("inject-sidecar web --image x --port 80", "invalid target 'web'"),
        ("inject-sidecar pod/web --image x --port 80", "pod sidecar injection is not yet implemented"),
        ("inject-sidecar deploy/web --image x", "service or port must be given"),
        ("inject-sidecar deploy/web", "--image"),
        ("eject-sidecar pod/web", "not yet implemented"),
        ("eject-sidecar", "TARGET"),
    ] {
        assert!(was_wrong(&ServoBin::new().run(arguments).await).contains(said), "{arguments}");
    }
}
