//! The section of a `prometheus` connector.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::http_config::HttpConfig;
use super::known_target::KnownTarget;
use crate::connector::Section;
use crate::decode::{Decode, Decoder, HttpUrl, Node, TextForm, Value, secrets_are_exposed, words};
use crate::fast_fail::FastFailConfig;
use crate::types::{Duration, Unit};

/// Where Prometheus is when nothing is said.
pub(crate) const DEFAULT_BASE_URL: &str = "http://prometheus:9090";

/// The step of a query when nothing is said.
const DEFAULT_STEP: Duration = Duration::from_secs(60);

/// Measures by queries of PromQL.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PrometheusConfig {
    /// Free text.
    pub description: Option<String>,
    /// Where the server is.
    #[schemars(default = "BaseUrl::default_address")]
    pub base_url: BaseUrl,
    /// Credentials, TLS, headers and parameters of the requests.
    #[serde(flatten)]
    pub http: HttpConfig,
    /// Time between two publications of the present values; nothing is published when absent.
    pub streaming_interval: Option<Duration>,
    /// What is measured; names need not be unique.
    pub metrics: Vec<MetricConfig>,
    /// Accepted for old configurations, used by nothing.
    pub targets: Option<Vec<KnownTarget>>,
    /// How measurements are ended early.
    #[schemars(default)]
    pub fast_fail: FastFailConfig,
}

impl PrometheusConfig {
    pub(super) fn parse(section: Section<'_>, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = section.fields(cx)?;
        let description = fields.or("description", None);
        let base_url: Option<Option<BaseUrl>> = fields.get("base_url");
        let http = HttpConfig::read(&mut fields);
        if let (Some(Some(address)), Some(key)) = (&base_url, http.as_ref().and_then(HttpConfig::credentials_key))
            && address.has_credentials()
        {
            fields.fail_at(key, "'base_url' names a user already: a request carries one of the two");
        }
        let streaming_interval: Option<Option<Positive>> = fields.or("streaming_interval", None);
        let metrics = fields.required("metrics");
        let targets = fields.or("targets", None);
        let fast_fail = fields.or("fast_fail", FastFailConfig::default());
        fields.finish();
        Some(Self {
            description: description?,
            base_url: base_url?.map_or_else(BaseUrl::default_address, Some)?,
            http: http?,
            streaming_interval: streaming_interval?.map(|Positive(interval)| interval),
            metrics: metrics?,
            targets: targets?,
            fast_fail: fast_fail?,
        })
    }
}

/// A metric with the query that gives its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MetricConfig {
    /// The name, on the wire too.
    pub name: String,
    /// What its values count: nothing, percent, milliseconds, bytes, GiB, cores, requests per minute or per second.
    #[schemars(default)]
    pub unit: Unit,
    /// PromQL, such as `sum(rate(http_requests_total[1m]))`. A metric without one loads, but cannot be measured.
    pub query: Option<String>,
    /// Time between two points; above zero. Prometheus resolves milliseconds.
    #[schemars(default = "default_step")]
    pub step: Duration,
    /// What an empty result means: `ignore`, no readings; `zero`, the value 0; `warn`, no readings, and a warning when
    /// the metric does not exist; `fail`, a failed measurement when it does not exist.
    #[schemars(default)]
    pub absent: AbsentPolicy,
}

impl Decode for MetricConfig {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let name = fields.required("name");
        let unit = fields.or("unit", Unit::Float);
        let query = fields.or("query", None);
        let step = fields.or("step", Positive(default_step()));
        let absent = fields.or("absent", AbsentPolicy::Ignore);
        // Old configurations carry keys of connectors that went before this one.
        fields.ignore_unknown();
        Some(Self { name: name?, unit: unit?, query: query?, step: step?.0, absent: absent? })
    }
}

struct Positive(Duration);

impl Decode for Positive {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let duration = Duration::decode(node, cx)?;
        if duration <= Duration::ZERO {
            cx.invalid(node, "a duration above zero is needed, such as 1m");
            return None;
        }
        Some(Self(duration))
    }
}

fn default_step() -> Duration {
    DEFAULT_STEP
}

/// What an empty result of a query means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AbsentPolicy {
    /// Nothing: the metric has no readings.
    #[default]
    Ignore,
    /// The value 0; Prometheus is asked to say so itself.
    Zero,
    /// No readings, and a warning when the metric does not exist.
    Warn,
    /// A failed measurement when the metric does not exist.
    Fail,
}

impl JsonSchema for AbsentPolicy {
    fn schema_name() -> Cow<'static, str> {
        "AbsentPolicy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(["ignore", "zero", "warn", "fail"])
    }
}

impl Decode for AbsentPolicy {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let word = match &node.value {
            Value::Text(text) => text.as_str(),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            _ => "",
        };
        match word {
            "ignore" => Some(Self::Ignore),
            "zero" => Some(Self::Zero),
            "warn" => Some(Self::Warn),
            "fail" => Some(Self::Fail),
            _ => {
                let permitted = "permitted: 'ignore', 'zero', 'warn', 'fail'";
                cx.invalid(node, format!("value is not a valid enumeration member; {permitted}"));
                None
            }
        }
    }
}

/// The address of a Prometheus server: no slash at the end, no query, no fragment. User and password in it are sent
/// as Basic credentials and shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    address: HttpUrl,
    /// The address without user and password.
    shown: String,
}

impl BaseUrl {
    /// Checks an address.
    ///
    /// # Errors
    /// The rule that it breaks, as a sentence fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::new(&HttpUrl::parse(text)?)
    }

    fn new(address: &HttpUrl) -> Result<Self, String> {
        if address.url().query().is_some() || address.url().fragment().is_some() {
            return Err(
                "the address of Prometheus has no query and no fragment: remove what begins with '?' or '#'".to_owned()
            );
        }
        let address = address.without_trailing_slashes()?;
        let shown = without_userinfo(address.as_str());
        Ok(Self { address, shown })
    }

    fn default_address() -> Option<Self> {
        Self::parse(DEFAULT_BASE_URL).ok()
    }

    /// The address with user and password; for the place that sends requests, and no other.
    pub(super) fn expose(&self) -> &url::Url {
        self.address.url()
    }

    /// The address without user and password.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    fn has_credentials(&self) -> bool {
        self.shown != self.address.as_str()
    }
}

/// The text without what stands before `@` in its authority.
fn without_userinfo(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => address.to_owned(),
    }
}

impl std::fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The address, with `REDACTED` for user and password unless secrets are exposed.
impl Serialize for BaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if secrets_are_exposed() {
            serializer.serialize_str(self.address.as_str())
        } else if self.has_credentials() {
            serializer.serialize_str(&self.shown.replacen("://", "://REDACTED@", 1))
        } else {
            serializer.serialize_str(&self.shown)
        }
    }
}

impl JsonSchema for BaseUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BaseUrl".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        HttpUrl::json_schema(generator)
    }
}

impl Decode for BaseUrl {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let address = HttpUrl::decode(node, cx)?;
        // The address may carry a password, so it is not repeated.
        Self::new(&address).map_err(|rule| cx.invalid_unquoted(node, rule)).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::ConnectorName;
    use crate::decode::{NoVariables, Origin};

    fn parse(section: &serde_json::Value) -> Result<PrometheusConfig, String> {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("prometheus");
        let section = Section { name: &name, node: &node, prefix: "SERVO_PROMETHEUS_" };
        Decoder::run(&NoVariables, |cx| cx.within("prometheus", |cx| PrometheusConfig::parse(section, cx)))
            .map_err(|problems| problems.to_string())
    }

    #[track_caller]
    fn refused(section: &serde_json::Value, path: &str) {
        let problems = parse(section).unwrap_err();
        assert_eq!(problems.lines().count(), 1, "{problems}");
        assert!(problems.contains(&format!("test: prometheus.{path}: ")), "{path} in {problems}");
    }

    #[test]
    fn only_the_metrics_are_required() {
        let config = parse(&json!({"metrics": [{"name": "a"}]})).unwrap();
        assert_eq!(
            serde_json::to_value(config).unwrap(),
            json!({
                "description": null,
                "base_url": "http://prometheus:9090",
                "streaming_interval": null,
                "metrics": [{"name": "a", "unit": "", "query": null, "step": "1m", "absent": "ignore"}],
                "targets": null,
                "fast_fail":
                    {"disabled": 0, "period": "1m", "span": "1m", "skip": "0", "treat_zero_as_missing": false},
            })
        );
    }

    #[test]
    fn problems_are_named_by_their_paths() {
        for (section, path) in [
            (json!({}), "metrics"),
            (json!({"metrics": null}), "metrics"),
            (json!({"metrics": [{"unit": "rps"}]}), "metrics.0.name"),
            (json!({"metrics": ["a"]}), "metrics.0"),
            (json!({"metrics": [{"name": "a", "unit": "count"}]}), "metrics.0.unit"),
            (json!({"metrics": [{"name": "a", "unit": null}]}), "metrics.0.unit"),
            (json!({"metrics": [{"name": "a", "step": "nope"}]}), "metrics.0.step"),
            (json!({"metrics": [{"name": "a", "step": 0}]}), "metrics.0.step"),
            (json!({"metrics": [{"name": "a", "step": "-5s"}]}), "metrics.0.step"),
            (json!({"metrics": [{"name": "a", "absent": "Zero"}]}), "metrics.0.absent"),
            (json!({"metrics": [{"name": "a", "absent": null}]}), "metrics.0.absent"),
            (json!({"metrics": [], "streaming_interval": 0}), "streaming_interval"),
            (json!({"metrics": [], "base_url": null}), "base_url"),
            (json!({"metrics": [], "base_url": "ftp://a"}), "base_url"),
            (json!({"metrics": [], "base_url": "http://a?b=c"}), "base_url"),
            (json!({"metrics": [], "base_url": "http://a/#b"}), "base_url"),
            (json!({"metrics": [], "fast_fail": null}), "fast_fail"),
            (json!({"metrics": [], "fast_fail": {"periods": 1}}), "fast_fail.periods"),
            (json!({"metrics": [], "timeout": 1}), "timeout"),
        ] {
            refused(&section, path);
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = parse(&json!({"metrics": [{"step": "x", "absent": "y"}], "base_url": 1})).unwrap_err();
        assert_eq!(problems.lines().count(), 4, "{problems}");
    }

    #[test]
    fn unknown_keys_of_a_metric_are_ignored() {
        let config = parse(&json!({"metrics": [{"name": "a", "eval": "x"}]})).unwrap();
        assert_eq!(config.metrics.len(), 1);
    }

    #[test]
    fn an_address_loses_its_last_slashes_and_keeps_its_path() {
        for (text, address) in [
            (" http://prom:9090/ ", "http://prom:9090"),
            ("http://prom:9090/prefix//", "http://prom:9090/prefix"),
            ("https://[::1]:9/a/b", "https://[::1]:9/a/b"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().as_str(), address);
        }
    }

    #[test]
    fn credentials_of_an_address_are_shown_by_nothing() {
        for (text, shown, dumped) in [
            ("http://user:p%40ss@prom:9090/x@y", "http://prom:9090/x@y", "http://REDACTED@prom:9090/x@y"),
            ("http://token@prom/", "http://prom", "http://REDACTED@prom"),
            ("http://a:b@c@prom", "http://prom", "http://REDACTED@prom"),
        ] {
            let base_url = BaseUrl::parse(text).unwrap();
            assert_eq!(base_url.as_str(), shown);
            assert_eq!(format!("{base_url:?}"), shown);
            assert_eq!(serde_json::to_value(&base_url).unwrap(), dumped);
        }
        let problems = parse(&json!({"metrics": [], "base_url": "http://user:secret@a?b"})).unwrap_err();
        assert!(!problems.contains("secret"), "{problems}");
    }
}
