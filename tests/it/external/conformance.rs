//! `servo connector test`: the examples conform, and for each rule there is a connector that breaks it alone.

use std::path::Path;

use serde_json::Value;
use servox::internals::connectors::external::conformance::RULES;

use super::{connector, executable, no_orphans};
use crate::support::servo_bin::ServoBin;

/// The rules of a result, as names.
async fn judged(servo: &ServoBin, program: &Path, options: &str) -> (Option<i32>, Vec<(String, String, String)>) {
    let finished = servo.run(&format!("connector test {} --output json {options}", program.display())).await;
    let points: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    let text = |point: &Value, key: &str| point[key].as_str().unwrap_or_default().to_owned();
    let points = points.as_array().unwrap().iter();
    (finished.code, points.map(|point| (text(point, "rule"), text(point, "result"), text(point, "why"))).collect())
}

/// Connectors that break one rule each.
fn broken() -> Vec<(&'static str, &'static str)> {
    vec![
        ("initialize", "on_initialize() { fail -32000 'not today' failed; }"),
        ("protocol", r#"announced=${announced/\"protocol\":1/\"protocol\":2}"#),
        ("metadata", r#"announced=${announced/\"version\":\"1.2.3\",/}"#),
        ("schema", r#"announced=${announced/\"minimum\":1/\"patternProperties\":1}"#),
        ("sample", r#"announced=${announced/\"schema\"/\"sample\":[],\"schema\"}"#),
        ("capabilities", "announced=${announced/before:describe/before:lunch}"),
        ("timeouts", r#"announced=${announced/\"schema\"/\"timeouts\":\{\"adjust\":-1\},\"schema\"}"#),
        ("configuration", r#"announced=${announced/\"schema\"/\"sample\":\{\"level\":0\},\"schema\"}"#),
        ("configure", "on_configure() { fail -32000 'no database' failed; }"),
        ("unknown-method", "on_unknown() { answer null; }"),
        (
            "describe",
            r#"on_describe() { answer '{"application":{"components":{"c":{}}}}'; }
            on_adjust() { answer '{"application":'"$components"'}'; }"#,
        ),
        ("metrics", "on_metrics() { answer '{}'; }"),
        ("components", "on_components() { answer '{\"components\":[]}'; }"),
        (
            "check",
            r#"on_check() { answer '{"checks":[{"id":"a","name":"A","success":true},{"id":"a","name":"B","success":true}]}'; }"#,
        ),
        ("measure", r#"metrics='{"metrics":{"other":{"unit":""}}}'"#),
        ("adjust", r#"on_adjust() { answer '{"application":'"${components/5/6}"'}'; }"#),
        ("hooks", "on_before() { fail -32000 'not now' failed; }"),
        (
            "cancel",
            r#"on_measure() { [[ $params == *120* ]] && { read -r message; }; answer '{"metrics":{"m":{"value":7}}}'; }"#,
        ),
        ("messages", "on_check() { echo 'checking ...'; }"),
        ("answers", "on_check() { answer '{\"checks\":[]}'; answer '{\"checks\":[]}'; }"),
        ("alive", "on_check() { exit 0; }"),
        (
            "secrets",
            r#"announced=${announced/\"schema\"/\"sample\":\{\"token\":\"s3cr3t\"\},\"schema\"}
            on_configure() { echo "$params" >&2; answer null; }"#,
        ),
        ("shutdown", "on_shutdown() { answer null; exit 1; }"),
        ("end-of-input", "on_end() { while :; do sleep 1; done; }"),
    ]
}

#[tokio::test]
async fn each_rule_is_broken_by_the_connector_that_breaks_it_and_no_other() {
    let servo = ServoBin::new();
    let program = connector(servo.folder(), "good", "");
    let (code, points) = judged(&servo, &program, "").await;
    assert_eq!(code, Some(0), "{points:?}");
    for (rule, result, why) in points {
        assert_eq!(result, "kept", "{rule}: {why}");
    }
    for (rule, functions) in broken() {
        let program = connector(servo.folder(), &format!("breaks-{rule}"), functions);
        let (code, points) = judged(&servo, &program, "").await;
        let broken: Vec<&str> =
            points.iter().filter(|(_, result, _)| result == "broken").map(|(rule, _, _)| rule.as_str()).collect();
        assert_eq!((code, broken), (Some(1), vec![rule]), "{points:?}");
    }
    no_orphans(servo.folder()).await;
}

#[tokio::test]
async fn an_executable_that_does_not_start_breaks_the_first_rule() {
    let servo = ServoBin::new();
    let program = executable(&servo.folder().join("none"), "#!/no/such/interpreter\n");
    let (code, points) = judged(&servo, &program, "").await;
    assert_eq!((code, points[0].0.as_str(), points[0].1.as_str()), (Some(1), "start", "broken"));
    assert!(points[1..].iter().all(|(_, result, _)| result == "skipped"), "{points:?}");
}

#[test]
fn there_is_a_broken_connector_for_every_rule() {
    let tested: Vec<&str> = ["start"].into_iter().chain(broken().into_iter().map(|(rule, _)| rule)).collect();
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(tested, rules);
}

#[tokio::test]
async fn the_shell_example_conforms_and_is_short() {
    let servo = ServoBin::new();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servo-connector-load");
    assert!(std::fs::read_to_string(&program).unwrap().lines().count() <= 40);
    let (code, points) = judged(&servo, &program, "").await;
    assert_eq!(code, Some(0), "{points:?}");
}

#[tokio::test]
async fn a_configuration_is_read_from_a_file() {
    let servo = ServoBin::new().file("section.yaml", "level: 0\n");
    let program = connector(servo.folder(), "toy", "");
    let (code, points) = judged(&servo, &program, "--config section.yaml").await;
    let (rule, result, why) = points.iter().find(|(rule, _, _)| rule == "configuration").unwrap();
    assert_eq!((code, rule.as_str(), result.as_str()), (Some(1), "configuration", "broken"));
    assert!(why.contains("section.yaml:1:8: level: ensure this value is greater than or equal to 1"), "{why}");
}
