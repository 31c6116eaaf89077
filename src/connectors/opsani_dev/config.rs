//! The section of an `opsani_dev` connector.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::connector::Section;
use crate::connectors::kubernetes::{ContainerCpu, DEFAULT_TIMEOUT, StaticVariables};
use crate::connectors::prometheus::HttpConfig;
use crate::decode::{Decode, Decoder, Fields, HttpUrl, Node, TextForm, Value, secrets_are_exposed};
use crate::k8s::{SpelledKind, WorkloadKind};
use crate::types::{ByteSize, Core, Duration, EnvironmentSetting, KubernetesCpuSetting, KubernetesMemorySetting};

/// Where Prometheus is when nothing is said: beside the servo, in the same pod.
pub(crate) const DEFAULT_PROMETHEUS: &str = "http://localhost:9090";

/// The image of the Envoy sidecar when none is given.
pub(crate) const DEFAULT_ENVOY_IMAGE: &str = "opsani/envoy-proxy:v1.24.0";

/// Optimizes a single service by a tuning instance and an Envoy sidecar.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = name_workload)]
pub struct OpsaniDevConfig {
    /// Free text.
    pub description: Option<String>,
    /// Namespace of the workload. Required.
    pub namespace: String,
    /// Name of the workload, also written `deployment`. Required.
    #[schemars(with = "Option<String>", transform = not_null)]
    pub workload_name: String,
    /// Kind of the workload; `Deployment` is all there is.
    #[schemars(schema_with = "deployment_kind", default = "SpelledKind::deployment")]
    pub workload_kind: SpelledKind,
    /// Name of the container that is optimized. Required.
    pub container: String,
    /// Name of the service that sends traffic to the workload. Required.
    pub service: String,
    /// Port of the service; needed where it has several.
    pub port: Option<ServicePort>,
    /// Cores of the container; the step is `125m` when none is given. Required.
    #[schemars(schema_with = "cpu_schema")]
    pub cpu: KubernetesCpuSetting,
    /// Memory of the container; the step is `128Mi` when none is given. Required.
    #[schemars(schema_with = "memory_schema")]
    pub memory: KubernetesMemorySetting,
    /// What is adjusted in the environment of the container.
    pub env: Option<Vec<EnvironmentSetting>>,
    /// Variables that the tuning pod has and the workload has not.
    pub static_environment_variables: Option<StaticVariables>,
    /// Where Prometheus is; default `http://localhost:9090`.
    #[schemars(with = "String", default = "default_prometheus")]
    pub prometheus_base_url: PrometheusAddress,
    /// Credentials, TLS, headers and parameters of the requests to Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus_http_config: Option<HttpConfig>,
    /// Image of the Envoy sidecar that a remedy adds.
    #[schemars(default = "default_envoy_image")]
    pub envoy_sidecar_image: String,
    /// How long the workload and its tuning pod may take to become ready; default `5m`.
    #[schemars(default = "default_timeout")]
    pub timeout: Duration,
    /// How long the tuning pod is watched after an adjustment, unless the optimizer says so; not at all when absent.
    pub settlement: Option<Duration>,
    /// Whether messages about a failure carry the logs of its containers; default false.
    #[schemars(default)]
    pub container_logs_in_error_status: bool,
    /// Whether a tuning pod is adjusted beside the workload; default true. Without one, nothing is adjusted.
    #[schemars(default = "on")]
    pub create_tuning_pod: bool,
}

const CPU_STEP_MILLIS: i64 = 125;

const MEMORY_STEP: ByteSize = ByteSize(128 << 20);

fn default_prometheus() -> &'static str {
    DEFAULT_PROMETHEUS
}

fn default_envoy_image() -> &'static str {
    DEFAULT_ENVOY_IMAGE
}

fn default_timeout() -> Duration {
    DEFAULT_TIMEOUT
}

fn on() -> bool {
    true
}

fn deployment_kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[Dd]eployment$" })
}

fn cpu_schema(generator: &mut SchemaGenerator) -> Schema {
    KubernetesCpuSetting::schema_with_step(&Core::from_millis(CPU_STEP_MILLIS), generator)
}

fn memory_schema(generator: &mut SchemaGenerator) -> Schema {
    KubernetesMemorySetting::schema_with_step(&MEMORY_STEP, generator)
}

fn not_null(schema: &mut Schema) {
    schema.insert("type".to_owned(), "string".into());
}

/// The name of the workload has two keys, of which one is needed.
fn name_workload(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) else { return };
    if let Some(name) = properties.get("workload_name").cloned() {
        properties.insert("deployment".to_owned(), name);
    }
    let either = serde_json::json!([{ "required": ["deployment"] }, { "required": ["workload_name"] }]);
    schema.insert("oneOf".to_owned(), either);
}

impl OpsaniDevConfig {
    pub fn parse(section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = section.fields(cx)?;
        let description = fields.or("description", None);
        let namespace = fields.required("namespace");
        let workload_name = workload_name(&mut fields);
        let workload_kind = fields.or("workload_kind", DeploymentKind(SpelledKind::deployment()));
        let container = fields.required("container");
        let service = fields.required("service");
        let port = fields.or("port", None);
        let cpu = fields.required("cpu");
        let memory = fields.required("memory");
        let env = fields.or("env", None);
        let static_environment_variables = fields.or("static_environment_variables", None);
        let prometheus_base_url = fields.or("prometheus_base_url", PrometheusAddress(DEFAULT_PROMETHEUS.to_owned()));
        let prometheus_http_config = fields.or("prometheus_http_config", None);
        let envoy_sidecar_image = fields.or("envoy_sidecar_image", DEFAULT_ENVOY_IMAGE.to_owned());
        let timeout = fields.or("timeout", DEFAULT_TIMEOUT);
        let settlement = fields.or("settlement", None);
        let container_logs_in_error_status = fields.or("container_logs_in_error_status", false);
        let create_tuning_pod = fields.or("create_tuning_pod", true);
        fields.finish();
        let (DeploymentKind(workload_kind), Cpu(cpu), Memory(memory)) = (workload_kind?, cpu?, memory?);
        Some(Self {
            description: description?,
            namespace: namespace?,
            workload_name: workload_name?,
            workload_kind,
            container: container?,
            service: service?,
            port: port?,
            cpu,
            memory,
            env: env?,
            static_environment_variables: static_environment_variables?,
            prometheus_base_url: prometheus_base_url?,
            prometheus_http_config: prometheus_http_config?,
            envoy_sidecar_image: envoy_sidecar_image?,
            timeout: timeout?,
            settlement: settlement?,
            container_logs_in_error_status: container_logs_in_error_status?,
            create_tuning_pod: create_tuning_pod?,
        })
    }
}

/// The name under either of its keys. A variable has it as `WORKLOAD_NAME` alone, because the other is a name that
/// anything in a pod may have.
fn workload_name(fields: &mut Fields<'_, '_, '_>) -> Option<String> {
    const KEY: &str = "workload_name";
    const SHORT: &str = "deployment";
    let is_written_twice = fields.has_written(SHORT) && fields.has_written(KEY);
    if fields.has_written(SHORT) {
        let name = fields.get_from(SHORT, None);
        fields.accept(KEY);
        if is_written_twice {
            fields.fail_at_with_hint(KEY, "extra fields not permitted", "'deployment' is the same key: write one");
            return None;
        }
        return name?;
    }
    fields.accept(SHORT);
    let name = fields.get(KEY)?;
    if name.is_none() {
        fields.fail_at(SHORT, "field required");
    }
    name
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

/// Cores, in steps of an eighth of one.
struct Cpu(KubernetesCpuSetting);

impl Decode for Cpu {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        ContainerCpu::decode_with_step(Core::from_millis(CPU_STEP_MILLIS), node, cx).map(|ContainerCpu(cpu)| Self(cpu))
    }
}

/// Memory, in steps of 128 MiB.
struct Memory(KubernetesMemorySetting);

impl Decode for Memory {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        KubernetesMemorySetting::decode_with_step(MEMORY_STEP, node, cx).map(Self)
    }
}

/// A port of a service. Text is a name, also when it is made of digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServicePort {
    Number(i64),
    Name(String),
}

impl Serialize for ServicePort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

impl JsonSchema for ServicePort {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
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

impl Serialize for PrometheusAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if secrets_are_exposed() { serializer.serialize_str(&self.0) } else { serializer.collect_str(self) }
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
        let shown = serde_json::to_value(&config).expect("plain data");
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
        assert_eq!((config.cpu.range().min(), config.timeout), (&Core::from_millis(1_000), Duration::from_secs(60)));
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
            assert_eq!(serde_json::to_value(&config).expect("plain data")["prometheus_base_url"], shown);
            assert_eq!(format!("{:?}", config.prometheus_base_url), shown);
            assert_eq!(config.prometheus_base_url.expose(), address);
        }
    }
}
