//! The chart in `deploy/helm/servo`, rendered by the real helm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The chart with the program that renders it.
pub(crate) struct Helm(PathBuf);

/// What a chart becomes.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) objects: Vec<Value>,
}

impl Helm {
    /// `None` where helm cannot be had.
    pub(crate) fn find() -> Option<Self> {
        crate::support::components::component("helm").map(Self)
    }

    /// Runs a command of helm on the chart with these values.
    #[expect(clippy::disallowed_methods, reason = "rendering takes a moment, in a test of its own")]
    pub(crate) fn run(&self, arguments: &[&str], values: &Value) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("values.json");
        std::fs::write(&file, values.to_string()).unwrap();
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/servo");
        let mut command = Command::new(&self.0);
        command.args(arguments).arg(chart).arg("--values").arg(&file);
        // Nothing of the user's own counts.
        command.env("HOME", folder.path()).env_remove("KUBECONFIG").output().unwrap()
    }

    /// The objects of a release.
    pub(crate) fn render(&self, release: &str, namespace: &str, values: &Value) -> Rendered {
        let output = self.run(&["template", release, "--namespace", namespace], values);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let documents = servox::internals::config::file::parse_documents(&text, "chart").unwrap().documents;
        let objects = documents.into_iter().map(|document| document.to_json()).filter(Value::is_object).collect();
        Rendered { text, objects }
    }

    /// What helm says to values that are wrong.
    pub(crate) fn refuse(&self, values: &Value) -> String {
        let output = self.run(&["template", "shop"], values);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Rendered {
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The only object of a kind.
    pub(crate) fn one(&self, kind: &str) -> &Value {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{kind}: {all:#?}");
        all[0]
    }

    /// The servo.yaml of the agent.
    pub(crate) fn servo_yaml(&self) -> &str {
        let with_it = self.all("ConfigMap").into_iter().find_map(|map| map["data"]["servo.yaml"].as_str());
        with_it.unwrap()
    }

    /// The pod of the agent.
    pub(crate) fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["spec"]
    }

    pub(crate) fn container(&self, name: &str) -> &Value {
        let containers = self.pod()["containers"].as_array().unwrap();
        containers.iter().find(|container| container["name"] == name).unwrap()
    }
}
