//! The section of a `kubernetes` connector.

pub(super) mod failure_mode;
pub(super) mod shared;
pub(super) mod strategy;
pub(super) mod workload;

use self::shared::SharedSettings;
use self::workload::{Deployments, StatefulSets, WorkloadConfig};
use crate::decode::{Fields, Flat, keys};
use crate::k8s::WorkloadKind;

keys! {
    /// Adjusts Kubernetes workloads: at least one must be named.
    #[derive(Debug, Clone, PartialEq)]
    pub struct KubernetesConfig {
        /// Free text.
        pub description: Option<String> = None,
        /// What workloads take from here when they do not say it themselves.
        pub shared: SharedSettings as Flat,
        /// The access that is checked; what is written replaces the standard list as a whole.
        pub permissions: Vec<PermissionSet> = standard_permissions(),
        /// The stateful sets to optimize; they come after the deployments.
        pub stateful_sets: Option<Vec<WorkloadConfig>> as StatefulSets = None,
        /// The deployments to optimize.
        pub deployments: Option<Vec<WorkloadConfig>> as Deployments = None,
    }
    check: KubernetesConfig::check;
}

impl KubernetesConfig {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        if self.workloads().next().is_none() {
            fields.fail("No optimization target(s) were specified: add an element to deployments or stateful_sets");
            return None;
        }
        Some(self)
    }

    /// The workloads in their order everywhere: the deployments, then the stateful sets, as they are written.
    pub fn workloads(&self) -> impl Iterator<Item = (WorkloadKind, &WorkloadConfig)> {
        let deployments = self.deployments.iter().flatten().map(|config| (WorkloadKind::Deployment, config));
        deployments.chain(self.stateful_sets.iter().flatten().map(|config| (WorkloadKind::StatefulSet, config)))
    }
}

keys! {
    /// Verbs that are needed on resources of one API group.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PermissionSet {
        /// The API group; empty for the core group. Required.
        pub group: String,
        /// The resources. Required.
        pub resources: Vec<String>,
        /// The verbs that are needed on each of them. Required.
        pub verbs: Vec<String>,
    }
    // Old configurations may carry other keys here.
    unknown: ignored;
}

/// The access that both strategies need for deployments.
pub(crate) fn standard_permissions() -> Vec<PermissionSet> {
    const STANDARD: [(&str, &[&str], &[&str]); 3] = [
        ("apps", &["deployments", "replicasets"], &["get", "list", "watch", "update", "patch"]),
        ("", &["namespaces"], &["get"]),
        ("", &["pods", "pods/logs", "pods/status"], &["create", "delete", "get", "list", "watch"]),
    ];
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let set = |(group, resources, verbs): (&str, &[&str], &[&str])| PermissionSet {
        group: group.to_owned(),
        resources: texts(resources),
        verbs: texts(verbs),
    };
    STANDARD.into_iter().map(set).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::config::Environment;
    use crate::connector::{ConnectorName, Section};
    use crate::decode::{Decoder, Node, Origin, Secrets, Show as _};

    fn parse_with(section: &Json, variables: &[(&str, &str)]) -> Result<KubernetesConfig, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("kubernetes");
        let section = Section { name: &name, node: &node, prefix: "SERVO_KUBERNETES_" };
        Decoder::run(&environment, |cx| cx.within("kubernetes", |cx| section.keys::<KubernetesConfig>(cx)))
            .map_err(|problems| problems.to_string())
    }

    fn dump(section: &Json, variables: &[(&str, &str)]) -> Json {
        let config = parse_with(section, variables).unwrap_or_else(|problems| panic!("{section}: {problems}"));
        config.show(Secrets::Redacted)
    }

    /// A workload with these keys beside or instead of the usual ones.
    fn workload(keys: &Json) -> Json {
        let mut workload = json!({
            "name": "app",
            "containers": [{
                "name": "main",
                "cpu": { "min": "250m", "max": 4, "step": "125m" },
                "memory": { "min": "256Mi", "max": "4Gi", "step": "128Mi" },
            }],
            "replicas": { "min": 1, "max": 2 },
        });
        for (key, value) in keys.as_object().expect("keys are a mapping") {
            workload[key] = value.clone();
        }
        workload
    }

    /// Checks the paths of all problems.
    fn check_fails(section: &Json, paths: &[&str]) {
        let problems = parse_with(section, &[]).expect_err(&section.to_string());
        let found: Vec<_> = problems.lines().filter_map(|line| line.split(": ").nth(1)).collect();
        assert_eq!(found, paths, "{problems}");
    }

    #[test]
    fn a_workload_takes_what_it_does_not_say_from_the_section() {
        let section = json!({
            "context": "c", "namespace": "ns1", "settlement": "1m", "on_failure": "ignore", "timeout": "10m",
            "container_logs_in_error_status": true, "create_tuning_pod": false, "description": "mine",
            "deployments": [
                workload(&json!({})),
                workload(&json!({
                    "context": null, "namespace": "default", "settlement": null, "on_failure": "exception",
                    "timeout": "5m", "container_logs_in_error_status": false, "create_tuning_pod": true,
                })),
            ],
        });
        let dump = dump(&section, &[]);
        let keys = ["context", "namespace", "settlement", "on_failure", "timeout"];
        let shared = |of: &Json| keys.map(|key| of[key].clone());
        assert_eq!(shared(&dump["deployments"][0]), shared(&dump));
        let said = [Json::Null, json!("default"), Json::Null, json!("exception"), json!("5m")];
        assert_eq!(shared(&dump["deployments"][1]), said);
        assert_eq!(dump["deployments"][0]["container_logs_in_error_status"], true);
        assert_eq!(dump["deployments"][1]["container_logs_in_error_status"], false);
        assert_eq!(dump["deployments"][0]["create_tuning_pod"], false);
        assert_eq!(dump["deployments"][1]["create_tuning_pod"], true);
        assert_eq!(dump["deployments"][0]["description"], Json::Null);
    }

    #[test]
    fn variables_fill_absent_keys_of_section_workloads_and_containers() {
        let section = json!({
            "deployments": [workload(&json!({ "timeout": "2m" }))],
            "stateful_sets": [workload(&json!({}))],
        });
        let variables = [
            ("SERVO_KUBERNETES_NAMESPACE", "everywhere"),
            ("DEPLOYMENT_NAMESPACE", "deployed"),
            ("DEPLOYMENT_TIMEOUT", "1m"),
            ("DEPLOYMENT_STRATEGY", "{\"alias\": \"tuning\"}"),
            ("STATEFUL_SET_DESCRIPTION", "stateful"),
            ("CONTAINER_ALIAS", "web"),
        ];
        let dump = dump(&section, &variables);
        let (deployment, set) = (&dump["deployments"][0], &dump["stateful_sets"][0]);
        assert_eq!((&deployment["namespace"], &set["namespace"]), (&json!("deployed"), &json!("everywhere")));
        assert_eq!((&deployment["timeout"], &set["timeout"]), (&json!("2m"), &json!("5m")));
        assert_eq!(deployment["strategy"], json!({ "type": "canary", "alias": "tuning" }));
        assert_eq!(set["description"], "stateful");
        assert_eq!([deployment, set].map(|of| of["containers"][0]["alias"].clone()), [json!("web"), json!("web")]);
    }

    #[test]
    fn what_is_shown_loads_back_equal() {
        let container = json!({
            "name": "main",
            "cpu": { "min": 1, "max": 1, "step": 0, "request": "500m", "get": ["limit"], "pinned": true },
            "memory": { "min": 1_000_003, "max": 2_000_006, "step": 1_000_003, "limit": "1.3Gi", "value": 2_000_006 },
            "env": [
                { "type": "range", "name": "R", "min": 0, "max": 3, "step": 1, "value_type": "int", "literal": "r" },
                { "type": "enum", "name": "E", "values": ["a", "b"], "value": "b" },
            ],
            "static_environment_variables": { "Z": 1, "A": true },
        });
        let section = json!({
            "on_failure": "rollback",
            "settlement": "90s",
            "permissions": [],
            "deployments": [
                workload(&json!({ "strategy": "canary", "settlement": null, "containers": [container] })),
                workload(&json!({ "strategy": {}, "containers": [] })),
            ],
        });
        let config = parse_with(&section, &[]).expect("valid");
        let shown = config.show(Secrets::Redacted);
        assert_eq!(parse_with(&shown, &[]), Ok(config));
    }

    #[test]
    fn there_is_at_least_one_workload_and_the_lack_is_no_echo_of_other_problems() {
        for section in [json!({}), json!({ "deployments": [], "stateful_sets": null })] {
            check_fails(&section, &["kubernetes"]);
        }
        check_fails(
            &json!({ "deployments": [{}], "stateful_sets": [] }),
            &[
                "kubernetes.deployments.0.name",
                "kubernetes.deployments.0.containers",
                "kubernetes.deployments.0.replicas",
            ],
        );
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        let workload_with = |keys: Json| json!({ "deployments": [workload(&keys)] });
        for (keys, path) in [
            (json!({ "namespace": null }), "namespace"),
            (json!({ "timeout": null }), "timeout"),
            (json!({ "on_failure": "Exception" }), "on_failure"),
            (json!({ "name": "-bad" }), "name"),
            (json!({ "containers": null }), "containers"),
            (json!({ "replicas": { "min": "1", "max": 2 } }), "replicas.min"),
            (json!({ "permissions": [] }), "permissions"),
            (json!({ "containers": [{ "name": "a", "cpu": {}, "memory": null }] }), "containers.0.memory"),
        ] {
            let problems = parse_with(&workload_with(keys), &[]).expect_err(path);
            assert!(problems.contains(&format!("test: kubernetes.deployments.0.{path}: ")), "{path}: {problems}");
        }
        check_fails(
            &json!({ "stateful_sets": [workload(&json!({ "strategy": { "type": "canary" } }))] }),
            &["kubernetes.stateful_sets.0.strategy"],
        );
        check_fails(
            &json!({ "permissions": [{ "group": "apps", "other": 1 }], "deployments": [workload(&json!({}))] }),
            &["kubernetes.permissions.0.resources", "kubernetes.permissions.0.verbs"],
        );
    }

    #[test]
    fn a_container_needs_a_share_of_a_core() {
        for min in [json!(0), json!("-1"), json!("0m")] {
            let cpu = json!({ "min": min, "max": 1, "step": 1 });
            let memory = json!({ "min": "1Gi", "max": "1Gi", "step": 0 });
            let containers = json!([{ "name": "a", "cpu": cpu, "memory": memory }]);
            let section = json!({ "deployments": [workload(&json!({ "containers": containers }))] });
            check_fails(&section, &["kubernetes.deployments.0.containers.0.cpu.min"]);
        }
    }
}
