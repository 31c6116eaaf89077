//! The manifests in `deploy`: they fit each other, the configuration in them, and what the servo asks for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::servo_bin::{ServoBin, succeeded};

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/base")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(base().join(file)).unwrap()
}

fn manifest(file: &str) -> Value {
    servox::internals::config::file::parse_documents(&text(file), file).unwrap().documents.remove(0).to_json()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Group, resource and verb of everything that a list of rules allows.
fn allowed(rules: &Value, groups: impl Fn(&Value) -> Vec<&str>) -> BTreeSet<[String; 3]> {
    let mut allowed = BTreeSet::new();
    for rule in rules.as_array().unwrap() {
        for group in groups(rule) {
            for resource in texts(&rule["resources"]) {
                allowed.extend(texts(&rule["verbs"]).iter().map(|verb| [group, resource, verb].map(str::to_owned)));
            }
        }
    }
    allowed
}

#[tokio::test]
async fn the_configuration_is_valid() {
    let servo = ServoBin::configured(&text("servo.yaml"))
        .env("OPSANI_TOKEN", "s3cr3t")
        .env("SERVO_KUBERNETES_NAMESPACE", "shop");
    assert_eq!(succeeded(&servo.run("validate -q").await), "");
    let shown = servo.run("config --format json").await;
    let shown: Value = serde_json::from_str(succeeded(&shown)).unwrap();
    assert_eq!(shown["kubernetes"]["deployments"][0]["namespace"], "shop");
}

#[test]
fn the_role_allows_what_the_checks_ask_for_and_no_more() {
    let section = manifest("servo.yaml")["kubernetes"].clone();
    let asked = allowed(&section["permissions"], |rule| vec![rule["group"].as_str().unwrap()]);
    let granted = allowed(&manifest("role.yaml")["rules"], |rule| texts(&rule["apiGroups"]));
    assert_eq!(asked, granted);
    // The check asks for more where these are used.
    assert_eq!((&section["stateful_sets"], &section["container_logs_in_error_status"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_manifests_name_each_other() {
    let kustomization = manifest("kustomization.yaml");
    let files = std::fs::read_dir(base()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let resources: BTreeSet<String> = texts(&kustomization["resources"]).into_iter().map(str::to_owned).collect();
    let rest: BTreeSet<String> = files.filter(|file| !resources.contains(file)).collect();
    assert_eq!(rest, ["kustomization.yaml", "servo.yaml"].map(str::to_owned).into());
    assert_eq!(kustomization["configMapGenerator"], json!([{"name": "servo-config", "files": ["servo.yaml"]}]));
    assert_eq!(kustomization["images"], json!([{"name": "servo", "newTag": env!("CARGO_PKG_VERSION")}]));
    let pod = &manifest("deployment.yaml")["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "servo-config");
    let account = &manifest("service-account.yaml")["metadata"]["name"];
    let binding = manifest("role-binding.yaml");
    assert_eq!([&pod["serviceAccountName"], &binding["subjects"][0]["name"]], [account; 2]);
    assert_eq!(binding["roleRef"]["name"], manifest("role.yaml")["metadata"]["name"]);
}

/// The compose file, with variables put in as compose does.
fn compose(variables: &[(&str, &str)]) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/compose.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let mut document =
        servox::internals::config::file::parse_documents(&text, "compose.yaml").unwrap().documents.remove(0).to_json();
    interpolate(&mut document, variables);
    document
}

fn interpolate(value: &mut Value, variables: &[(&str, &str)]) {
    match value {
        Value::Object(entries) => entries.values_mut().for_each(|value| interpolate(value, variables)),
        Value::Array(items) => items.iter_mut().for_each(|value| interpolate(value, variables)),
        Value::String(text) => *text = interpolated(text, variables),
        _ => {}
    }
}

/// `${A}`, `${A:-default}`, `${A:+instead}` and `${A:?required}`.
fn interpolated(text: &str, variables: &[(&str, &str)]) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (expression, after) = rest.split_once('}').unwrap();
    let (name, operator) = expression.split_once(':').unwrap_or((expression, "-"));
    let value =
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).filter(|value| !value.is_empty());
    let (kind, word) = operator.split_at(1);
    let value = match (kind, value) {
        ("+", Some(_)) => word,
        ("+", None) => "",
        ("?", None) => panic!("{name} {word}"),
        (_, Some(value)) => value,
        (_, None) => word,
    };
    format!("{before}{value}{}", interpolated(after, variables))
}

#[tokio::test]
async fn the_composed_servo_reads_its_token_from_the_environment_or_a_file() {
    const ID: (&str, &str) = ("OPSANI_OPTIMIZER", "dev.example.com/app");
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token").display().to_string();
    std::fs::write(&token, "s3cr3t").unwrap();
    for (variables, is_valid) in
        [(&[ID, ("OPSANI_TOKEN", "s3cr3t")][..], true), (&[ID, ("OPSANI_TOKEN_FILE", &token)], true), (&[ID], false)]
    {
        let service = compose(variables)["services"]["servo"].clone();
        let mounted = format!(
            "{}:/servo/opsani.token:ro",
            variables.iter().find(|(name, _)| *name == "OPSANI_TOKEN_FILE").map_or("/dev/null", |(_, path)| path)
        );
        assert!(texts(&service["volumes"]).contains(&mounted.as_str()), "{service:#}");
        let mut servo = ServoBin::configured("wait: {measure_enabled: true}\n");
        for (name, value) in service["environment"].as_object().unwrap() {
            // What is mounted in the container.
            let value = value.as_str().unwrap().replace("/servo/opsani.token", &token);
            servo = servo.env(name, &value);
        }
        let finished = servo.run("validate -q").await;
        assert_eq!(finished.code == Some(0), is_valid, "{variables:?}: {finished:?}");
    }
}

#[test]
#[should_panic(expected = "OPSANI_OPTIMIZER is the id of this servo at its optimizer")]
fn the_composed_servo_needs_an_id() {
    compose(&[]);
}

#[test]
fn there_is_one_servo_that_can_do_no_more_than_it_must() {
    let deployment = &manifest("deployment.yaml")["spec"];
    assert_eq!((&deployment["replicas"], &deployment["strategy"]), (&json!(1), &json!({"type": "Recreate"})));
    let pod = &deployment["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
    let servo = &pod["containers"][0];
    let confined = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(servo["securityContext"], confined);
    assert!(servo["resources"]["requests"].is_object() && servo["resources"]["limits"].is_object());
}
