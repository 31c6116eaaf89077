//! The section of a `prometheus` connector.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;

use super::http_config::HttpConfig;
use super::known_target::KnownTarget;
use crate::decode::{Decode, Decoder, Fields, Flat, HttpUrl, IfSet, Node, Secrets, Show, Written, keys, words};
use crate::fast_fail::FastFailConfig;
use crate::types::{Duration, PositiveDuration, SeriesRule, Unit};

pub(crate) const DEFAULT_BASE_URL: &str = "http://prometheus:9090";

keys! {
    /// Measures by queries of PromQL.
    #[derive(Debug, Clone, PartialEq)]
    pub struct PrometheusConfig {
        /// Free text.
        pub description: Option<String> = None,
        /// Where the server is.
        pub base_url: BaseUrl = BaseUrl::parse(DEFAULT_BASE_URL).ok()?,
        /// How long an answer may take, in all; above zero, and 30 s when not said. What takes longer is asked again for
        /// as long as the measurement took, from 10 s to 1 m.
        pub timeout: Option<Duration> as IfSet = None,
        /// Credentials, TLS, headers and parameters of the requests.
        pub http: HttpConfig as Flat,
        /// Time between two publications of the present values; nothing is published when absent.
        pub streaming_interval: Option<Duration> as Option<PositiveDuration> = None,
        /// What is measured; names need not be unique.
        pub metrics: Vec<MetricConfig>,
        /// Accepted for old configurations, used by nothing.
        pub targets: Option<Vec<KnownTarget>> = None,
        /// How measurements are ended early.
        pub fast_fail: FastFailConfig = FastFailConfig::default(),
    }
    check: PrometheusConfig::check;
}

impl PrometheusConfig {
    fn check(self, fields: &mut Fields<'_, '_, '_>) -> Option<Self> {
        match self.http.credentials_key() {
            Some(key) if self.base_url.has_credentials() => {
                fields.fail_at(key, "'base_url' names a user already: a request carries one of the two");
                None
            }
            _ if self.timeout.is_some_and(|timeout| timeout <= Duration::ZERO) => {
                fields.fail_at("timeout", "a duration above zero is needed, such as 30s");
                None
            }
            _ => Some(self),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(30))
    }
}

keys! {
    /// A metric with the query that gives its values.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct MetricConfig {
        /// The name, on the wire too.
        pub name: String,
        /// What its values count: nothing, percent, milliseconds, bytes, GiB, cores, requests per minute or per second.
        pub unit: Unit = Unit::Float,
        /// PromQL, such as `sum(rate(http_requests_total[1m]))`. A metric without one loads, but cannot be measured.
        pub query: Option<String> = None,
        /// Time between two points; above zero, and no longer than the measurement. Prometheus resolves milliseconds. A
        /// measurement that is shorter than the default has ten points, at least a second apart.
        pub step: Step = Step::default(),
        /// What an empty result means: `ignore`, no readings; `zero`, the value 0; `warn`, no readings, and a warning
        /// when the metric does not exist; `fail`, a failed measurement when it does not exist, or is not a number at any
        /// time.
        pub absent: AbsentPolicy = AbsentPolicy::Ignore,
        /// Whether a metric of `absent: zero` may have an SLO to stay below a threshold: silence is health then, and a
        /// dead service keeps the SLO.
        pub zero_is_good: Option<bool> as IfSet = None,
        /// How the query is asked: `range`, for its values over the measurement, of which the mean counts; `instant`, for
        /// one value at its end, for queries over all of it. `$__range` in them is the length of the measurement, as in
        /// `histogram_quantile(0.99, sum by (le) (increase(h_bucket[$__range])))`. Not said, it is `range`.
        pub kind: Option<QueryKind> as IfSet = None,
        /// By which of several series an objective is judged: `worst`, each of them; `mean`, their mean; `sum`, their sum;
        /// `only`, and more than one is an error. Not said, it is `worst`.
        pub series: Option<SeriesRule> as IfSet = None,
        /// What an answer with warnings, or that is marked as partial, means: `fail`, a failed measurement; `warn`, a note.
        /// Not said, it is `fail` for a metric of an SLO, and `warn` for others. `fail` asks Thanos for all data or none.
        pub partial: Option<PartialPolicy> as IfSet = None,
    }
    // Old configurations carry keys of connectors that went before this one.
    unknown: ignored;
}

impl MetricConfig {
    /// A metric whose other keys have their defaults.
    pub fn new(name: impl Into<String>, unit: Unit, query: impl Into<String>, absent: AbsentPolicy) -> Self {
        Self {
            name: name.into(),
            unit,
            query: Some(query.into()),
            step: Step::default(),
            absent,
            zero_is_good: None,
            kind: None,
            series: None,
            partial: None,
        }
    }

    pub(super) fn kind(&self) -> QueryKind {
        self.kind.unwrap_or_default()
    }

    pub(super) fn series(&self) -> SeriesRule {
        self.series.unwrap_or(SeriesRule::Worst)
    }
}

/// The time between two points, and whether it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    duration: Duration,
    is_default: bool,
}

impl Default for Step {
    fn default() -> Self {
        Self { duration: Duration::from_secs(60), is_default: true }
    }
}

/// A measurement that is shorter than the default step has this many.
const POINTS: i128 = 10;

/// No scrape is more frequent in practice.
const LEAST_STEP: Duration = Duration::from_secs(1);

impl Step {
    pub fn new(duration: Duration) -> Self {
        Self { duration, is_default: false }
    }

    pub fn duration(self) -> Duration {
        self.duration
    }

    /// The length in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.duration.as_secs_f64()
    }

    /// The step of a measurement of this time. A longer one gives way if it is the default; if it was written, returns
    /// `None` if `is_strict`, else the step as it is: an optimizer of others gets the series that it knows.
    pub(super) fn within(self, time: Duration, is_strict: bool) -> Option<Duration> {
        if self.duration <= time {
            return Some(self.duration);
        }
        if !self.is_default {
            return (!is_strict).then_some(self.duration);
        }
        Some(Duration::from_micros(time.as_micros() / POINTS).max(LEAST_STEP).min(time))
    }
}

impl Decode for Step {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        PositiveDuration::decode(node, cx).map(|duration| Self::new(duration.value()))
    }
}

impl Show for Step {
    fn show(&self, secrets: Secrets) -> Json {
        self.duration.show(secrets)
    }
}

impl JsonSchema for Step {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PositiveDuration::json_schema(generator)
    }
}

words! {
    /// How a query is asked.
    #[derive(Default)]
    pub enum QueryKind {
        #[default]
        Range = "range",
        /// Once, at the end of the measurement.
        Instant = "instant",
    }
}

words! {
    /// What an answer that may lack something means.
    pub enum PartialPolicy {
        Fail = "fail",
        Warn = "warn",
    }
}

words! {
    /// What an empty result of a query means.
    #[derive(Default)]
    pub enum AbsentPolicy {
        /// Nothing: the metric has no readings.
        #[default]
        Ignore = "ignore",
        /// The value 0; Prometheus is asked to say so itself.
        Zero = "zero",
        /// No readings, and a warning when the metric does not exist.
        Warn = "warn",
        /// A failed measurement when the metric does not exist.
        Fail = "fail",
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

impl Show for BaseUrl {
    fn show(&self, secrets: Secrets) -> Json {
        match secrets {
            Secrets::Raw => self.address.as_str().into(),
            Secrets::Redacted if self.has_credentials() => self.shown.replacen("://", "://REDACTED@", 1).into(),
            Secrets::Redacted => self.as_str().into(),
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
    use crate::connector::{ConnectorName, Section};
    use crate::decode::{NoVariables, Origin};

    fn parse(section: &serde_json::Value) -> Result<PrometheusConfig, String> {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("prometheus");
        let section = Section { name: &name, node: &node, prefix: "SERVO_PROMETHEUS_" };
        Decoder::run(&NoVariables, |cx| cx.within("prometheus", |cx| section.keys::<PrometheusConfig>(cx)))
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
            config.show(Secrets::Redacted),
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
            (json!({"metrics": [], "timeouts": 1}), "timeouts"),
            (json!({"metrics": [], "timeout": 0}), "timeout"),
            (json!({"metrics": [{"name": "a", "series": "first"}]}), "metrics.0.series"),
            (json!({"metrics": [{"name": "a", "kind": "vector"}]}), "metrics.0.kind"),
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
            assert_eq!(base_url.show(Secrets::Redacted), dumped);
        }
        let problems = parse(&json!({"metrics": [], "base_url": "http://user:secret@a?b"})).unwrap_err();
        assert!(!problems.contains("secret"), "{problems}");
    }

    #[test]
    fn a_step_that_was_written_is_no_longer_than_the_measurement() {
        let seconds = Duration::from_secs;
        for (step, time, is_strict, expected) in [
            (Step::default(), 300, true, Some(60)),
            (Step::default(), 60, true, Some(60)),
            (Step::default(), 30, true, Some(3)),
            (Step::default(), 4, true, Some(1)),
            (Step::new(seconds(15)), 15, true, Some(15)),
            (Step::new(seconds(15)), 14, true, None),
            (Step::new(seconds(15)), 5, false, Some(15)),
        ] {
            assert_eq!(step.within(seconds(time), is_strict), expected.map(seconds), "{time}");
        }
    }
}
