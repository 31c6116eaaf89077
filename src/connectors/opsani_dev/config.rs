//! The section of an `opsani_dev` connector.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json};

use crate::connector::Section;
use crate::connectors::kubernetes::{ContainerCpu, ContainerMemory, DEFAULT_TIMEOUT, StaticVariables};
use crate::connectors::prometheus::HttpConfig;
use crate::decode::{
    Decode, Decoder, Fields, Form, HttpUrl, IfSet, Node, Properties, Secrets, Show, TextForm, Value, Written, keys,
};
use crate::k8s::{SpelledKind, WorkloadKind};
use crate::types::{ByteSize, Core, Duration, EnvironmentSetting, KubernetesCpuSetting, KubernetesMemorySetting};

/// Where Prometheus is when nothing is said: beside the servo, in the same pod.
pub(crate) const DEFAULT_PROMETHEUS: &str = "http://localhost:9090";

/// The image of the Envoy sidecar when none is given.
pub(crate) const DEFAULT_ENVOY_IMAGE: &str = "opsani/envoy-proxy:v1.24.0";

const CPU_STEP_MILLIS: i64 = 125;

const MEMORY_STEP: ByteSize = ByteSize(128 << 20);

keys! {
    /// Optimizes a single service by a tuning instance and an Envoy sidecar.
    #[derive(Debug, Clone, PartialEq)]
    pub struct OpsaniDevConfig {
        /// Free text.
        pub description: Option<String> = None,
        /// Namespace of the workload. Required.
        pub namespace: String,
        /// Name of the workload, also written `deployment`. Required.
        pub workload_name: String as WorkloadName,
        /// Kind of the workload; `Deployment` is all there is.
        pub workload_kind: SpelledKind as DeploymentKind = SpelledKind::deployment(),
        /// Name of the container that is optimized. Required.
        pub container: String,
        /// Name of the service that sends traffic to the workload. Required.
        pub service: String,
        /// Port of the service; needed where it has several.
        pub port: Option<ServicePort> = None,
        /// Cores of the container; the step is `125m` when none is given. Required.
        pub cpu: KubernetesCpuSetting as Cpu,
        /// Memory of the container; the step is `128Mi` when none is given. Required.
        pub memory: KubernetesMemorySetting as Memory,
        /// What is adjusted in the environment of the container.
        pub env: Option<Vec<EnvironmentSetting>> = None,
        /// Variables that the tuning pod has and the workload has not.
        pub static_environment_variables: Option<StaticVariables> = None,
        /// Where Prometheus is; default `http://localhost:9090`.
        pub prometheus_base_url: PrometheusAddress = PrometheusAddress(DEFAULT_PROMETHEUS.to_owned()),
        /// Credentials, TLS, headers and parameters of the requests to Prometheus.
        pub prometheus_http_config: Option<HttpConfig> as IfSet = None,
        /// Image of the Envoy sidecar that a remedy adds.
        pub envoy_sidecar_image: String = DEFAULT_ENVOY_IMAGE.to_owned(),
        /// How long the workload and its tuning pod may take to become ready; default `5m`.
        pub timeout: Duration = DEFAULT_TIMEOUT,
        /// How long the tuning pod is watched after an adjustment, unless the optimizer says so; not at all when absent.
        pub settlement: Option<Duration> = None,
        /// Whether messages about a failure carry the logs of its containers; default false.
        pub container_logs_in_error_status: bool = false,
        /// Whether a tuning pod is adjusted beside the workload; default true. Without one, nothing is adjusted.
        pub create_tuning_pod: bool = true,
    }
}

impl OpsaniDevConfig {
    pub fn parse(section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Self> {
        section.keys(cx)
    }
}

/// The form of the workload's name, which has two keys. A variable has it as `WORKLOAD_NAME` alone, because the other
/// is a name that anything in a pod may have.
struct WorkloadName;

impl WorkloadName {
    const SHORT: &str = "deployment";
}

impl Form<String> for WorkloadName {
    fn read(key: &'static str, _: Option<String>, fields: &mut Fields<'_, '_, '_>) -> Option<String> {
        let is_written_twice = fields.has_written(Self::SHORT) && fields.has_written(key);
        if fields.has_written(Self::SHORT) {
            let name = fields.get_from(Self::SHORT, None);
            fields.accept(key);
            if is_written_twice {
                fields.fail_at_with_hint(key, "extra fields not permitted", "'deployment' is the same key: write one");
                return None;
            }
            return name?;
        }
        fields.accept(Self::SHORT);
        let name = fields.get(key)?;
        if name.is_none() {
            fields.fail_at(Self::SHORT, "field required");
        }
        name
    }

    fn show(key: &'static str, value: &String, secrets: Secrets, members: &mut Map<String, Json>) {
        members.insert(key.to_owned(), value.show(secrets));
    }

    fn describe(key: &'static str, documentation: &str, _: Option<&String>, properties: &mut Properties<'_>) {
        properties.add::<String>(key, documentation, Some(Json::Null));
        properties.add::<String>(Self::SHORT, documentation, Some(Json::Null));
        properties.require_one_of(&[Self::SHORT, key]);
    }
}

/// A deployment in its spelling.
struct DeploymentKind(SpelledKind);

impl Decode for DeploymentKind {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let kind = SpelledKind::decode(node, cx)?;
        if kind.kind() == WorkloadKind::Deployment {
            return Some(Self(kind));
        }
        cx.invalid(node, "a Deployment is all that this connector can optimize");
        None
    }
}

impl Written for DeploymentKind {
    type Value = SpelledKind;

    fn value(self) -> SpelledKind {
        self.0
    }
}

impl JsonSchema for DeploymentKind {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DeploymentKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[Dd]eployment$" })
    }
}

/// Cores, in steps of an eighth of one.
struct Cpu(KubernetesCpuSetting);

impl Decode for Cpu {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        ContainerCpu::decode_with_step(Core::from_millis(CPU_STEP_MILLIS), node, cx).map(|ContainerCpu(cpu)| Self(cpu))
    }
}

impl Written for Cpu {
    type Value = KubernetesCpuSetting;

    fn value(self) -> KubernetesCpuSetting {
        self.0
    }
}

impl JsonSchema for Cpu {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cpu".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        KubernetesCpuSetting::schema_with_step(Core::from_millis(CPU_STEP_MILLIS), generator)
    }
}

/// Memory, in steps of 128 MiB.
struct Memory(KubernetesMemorySetting);

impl Decode for Memory {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        ContainerMemory::decode_with_step(MEMORY_STEP, node, cx).map(|ContainerMemory(memory)| Self(memory))
    }
}

impl Written for Memory {
    type Value = KubernetesMemorySetting;

    fn value(self) -> KubernetesMemorySetting {
        self.0
    }
}

impl JsonSchema for Memory {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Memory".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        KubernetesMemorySetting::schema_with_step(MEMORY_STEP, generator)
    }
}

/// A port of a service. Text is a name, also when it is made of digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServicePort {
    Number(i64),
    Name(String),
}

impl Show for ServicePort {
    fn show(&self, secrets: Secrets) -> Json {
        match self {
            Self::Number(number) => number.show(secrets),
            Self::Name(name) => name.show(secrets),
        }
    }
}

impl JsonSchema for ServicePort {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ServicePort".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string", "number", "boolean"] })
    }
}

impl Decode for ServicePort {
    const TEXT_FORM: TextForm = TextForm::JsonOrText;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Integer(_) => i64::decode(node, cx).map(Self::Number),
            _ => String::decode(node, cx).map(Self::Name),
        }
    }
}

/// An address as it is written, checked when it is used. What may be a password in it is shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PrometheusAddress(String);

impl PrometheusAddress {
    /// The address itself; for those who make a client of it, and no other.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PrometheusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match HttpUrl::parse(&self.0) {
            Ok(url) => f.pad(&url.redacted()),
            // No address, but what stands before an `@` may still have been meant as a password.
            Err(_) if self.0.contains('@') => f.pad("REDACTED"),
            Err(_) => f.pad(&self.0),
        }
    }
}

impl fmt::Debug for PrometheusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for PrometheusAddress {
    fn show(&self, secrets: Secrets) -> Json {
        match secrets {
            Secrets::Raw => self.0.show(secrets),
            Secrets::Redacted => self.to_string().into(),
        }
    }
}

impl JsonSchema for PrometheusAddress {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PrometheusAddress".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<String>()
    }
}

impl Decode for PrometheusAddress {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.hiding(|cx| String::decode(node, cx)).map(Self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::config::Environment;
    use crate::connector::ConnectorName;
    use crate::decode::Origin;

    pub(in super::super) fn parse(section: &Json, variables: &[(&str, &str)]) -> Result<OpsaniDevConfig, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("opsani_dev");
        let section = Section { name: &name, node: &node, prefix: "SERVO_OPSANI_DEV_" };
        Decoder::run(&environment, |cx| cx.within("opsani_dev", |cx| OpsaniDevConfig::parse(section, cx)))
            .map_err(|problems| problems.to_string())
    }

    /// A section with these keys beside or instead of the usual ones; null removes one.
    pub(in super::super) fn section(keys: &Json) -> Json {
        let mut section = json!({
            "namespace": "shop", "deployment": "web", "container": "app", "service": "front",
            "cpu": { "min": "250m", "max": "4" }, "memory": { "min": "256Mi", "max": "4Gi" },
        });
        for (key, value) in keys.as_object().expect("keys are a mapping") {
            match value {
                Json::Null => drop(section.as_object_mut().and_then(|section| section.remove(key))),
                value => section[key] = value.clone(),
            }
        }
        section
    }

    fn check_fails(section: &Json, paths: &[&str]) {
        let problems = parse(section, &[]).expect_err(&section.to_string());
        let found: Vec<_> = problems.lines().filter_map(|line| line.split(": ").nth(1)).collect();
        let expected: Vec<_> = paths.iter().map(|path| format!("opsani_dev.{path}")).collect();
        assert_eq!(found, expected, "{problems}");
    }

    #[test]
    fn what_is_shown_loads_back_equal() {
        let keys = json!({
            "workload_kind": "deployment", "port": 80, "settlement": "1m", "create_tuning_pod": "no",
            "env": [{ "type": "range", "name": "R", "min": 0, "max": 3, "step": 1 }],
            "static_environment_variables": { "B": 1, "A": "x" },
        });
        let config = parse(&section(&keys), &[]).expect("valid");
        let shown = config.show(Secrets::Redacted);
        assert_eq!((&shown["workload_name"], &shown["workload_kind"]), (&json!("web"), &json!("deployment")));
        assert_eq!((&shown["cpu"]["step"], &shown["memory"]["step"]), (&json!("125m"), &json!("128.0Mi")));
        assert_eq!(parse(&shown, &[]), Ok(config));
    }

    #[test]
    fn a_workload_is_named_by_either_key_and_in_the_environment_by_one() {
        let name = |keys: &Json, variables: &[(&str, &str)]| {
            parse(&section(keys), variables).map(|config| config.workload_name)
        };
        let variable = [("SERVO_OPSANI_DEV_WORKLOAD_NAME", "there")];
        let other = [("SERVO_OPSANI_DEV_DEPLOYMENT", "there"), ("deployment", "there")];
        let (short, long) = (json!({}), json!({ "deployment": null, "workload_name": "web" }));
        let neither = json!({ "deployment": null });
        for (keys, variables, expected) in [
            (&short, &[][..], Some("web")),
            (&long, &[], Some("web")),
            (&short, &variable, Some("web")),
            (&long, &variable, Some("web")),
            (&neither, &variable, Some("there")),
            (&neither, &other, None),
        ] {
            assert_eq!(name(keys, variables).ok().as_deref(), expected, "{keys} {variables:?}");
        }
        check_fails(&section(&neither), &["deployment"]);
        check_fails(&section(&json!({ "workload_name": "web" })), &["workload_name"]);
    }

    #[test]
    fn a_port_of_digits_is_a_name_in_a_file_and_a_number_in_a_variable() {
        let port = |keys: &Json, variables: &[(&str, &str)]| parse(&section(keys), variables).ok()?.port;
        for (port_key, expected) in [
            (json!(80), ServicePort::Number(80)),
            (json!("80"), ServicePort::Name("80".to_owned())),
            (json!(80.5), ServicePort::Name("80.5".to_owned())),
            (json!(true), ServicePort::Name("True".to_owned())),
        ] {
            assert_eq!(port(&json!({ "port": port_key }), &[]), Some(expected));
        }
        let variable = |text| port(&json!({}), &[("SERVO_OPSANI_DEV_PORT", text)]);
        assert_eq!(variable("80"), Some(ServicePort::Number(80)));
        assert_eq!(variable("http"), Some(ServicePort::Name("http".to_owned())));
    }

    #[test]
    fn settings_can_be_json_in_variables() {
        let variables = [("SERVO_OPSANI_DEV_CPU", "{\"min\": 1, \"max\": 2}"), ("SERVO_OPSANI_DEV_TIMEOUT", "1m")];
        let config = parse(&section(&json!({ "cpu": null })), &variables).expect("valid");
        assert_eq!(
            (config.cpu.setting().bounds().map(|bounds| bounds.min.human()), config.timeout),
            (Some("1".to_owned()), Duration::from_secs(60))
        );
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        for (keys, path) in [
            (json!({ "workload_kind": "StatefulSet" }), "workload_kind"),
            (json!({ "workload_kind": "Deployment\n" }), "workload_kind"),
            (json!({ "cpu": { "min": 0, "max": 1, "step": 1 } }), "cpu.min"),
            (json!({ "memory": { "min": 0, "max": "1Gi" } }), "memory.min"),
            (json!({ "port": [80] }), "port"),
            (json!({ "static_environment_variables": { "A": null } }), "static_environment_variables.A"),
            (json!({ "static_environment_variables": ["A"] }), "static_environment_variables"),
            (json!({ "env": [{ "type": "enum", "name": "E", "values": [] }] }), "env.0.values"),
            (json!({ "kubeconfig": "x" }), "kubeconfig"),
        ] {
            check_fails(&section(&keys), &[path]);
        }
        check_fails(&json!({}), &["namespace", "deployment", "container", "service", "cpu", "memory"]);
    }

    #[test]
    fn a_password_in_the_address_of_prometheus_is_shown_by_nothing() {
        for (address, shown) in [
            ("http://user:s3cr3t@prom:9090/x", "http://REDACTED@prom:9090/x"),
            ("user:s3cr3t@prom", "REDACTED"),
            ("nonsense", "nonsense"),
        ] {
            let config = parse(&section(&json!({ "prometheus_base_url": address })), &[]).expect("valid");
            assert_eq!(config.show(Secrets::Redacted)["prometheus_base_url"], shown);
            assert_eq!(format!("{:?}", config.prometheus_base_url), shown);
            assert_eq!(config.prometheus_base_url.expose(), address);
        }
    }
}
