//! The requests that are sent to Prometheus: paths and parameters, without a server in sight.

use super::super::config::{AbsentPolicy, MetricConfig, PartialPolicy};
use crate::decode::plain_float;
use crate::types::{Duration, UnixTime};

/// Why no request can be made for a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The configuration has no query for it.
    #[error("it has no query: add the key 'query' with a PromQL expression to the metric")]
    NoQuery,
    /// A step that was written is longer than the measurement.
    #[error(
        "its step of {step} is longer than the measurement of {duration}, which would have a point before it begins and \
         none of its own: write a 'step' of {duration} or less, or measure longer"
    )]
    LongStep { step: Duration, duration: Duration },
    /// There is no time between start and end.
    #[error("the start time {start} must be earlier than the end time {end}: measure for longer than 0 seconds")]
    EmptyWindow { start: UnixTime, end: UnixTime },
}

/// The span of time that a query looks at; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    start: UnixTime,
    end: UnixTime,
}

impl Window {
    /// A span between two times.
    ///
    /// # Errors
    /// [`QueryError::EmptyWindow`] when the start is not the earlier one.
    pub fn new(start: UnixTime, end: UnixTime) -> Result<Self, QueryError> {
        if start < end { Ok(Self { start, end }) } else { Err(QueryError::EmptyWindow { start, end }) }
    }

    /// The part of the window that is not before a time.
    ///
    /// # Errors
    /// [`QueryError::EmptyWindow`] when all of it is.
    pub fn not_before(self, start: UnixTime) -> Result<Self, QueryError> {
        Self::new(self.start.max(start), self.end)
    }

    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }

    /// The last part of the window that is a whole number of steps, so that its last point is at its end; all of it if
    /// it is shorter than a step.
    fn aligned(self, step: Duration) -> Self {
        if step > self.length() {
            return self;
        }
        let steps = self.length().as_micros() / step.as_micros().max(1);
        Self { start: self.end.plus(-Duration::from_micros(steps * step.as_micros())), ..self }
    }

    /// The span before a time.
    ///
    /// # Errors
    /// [`QueryError::EmptyWindow`] when its length is not above zero.
    pub fn before(end: UnixTime, length: Duration) -> Result<Self, QueryError> {
        Self::new(end.plus(-length), end)
    }
}

/// A request to the HTTP API, always a GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// The path below the address of the server.
    pub path: &'static str,
    /// The parameters, not encoded, in order; those without a value are left out.
    pub parameters: Vec<(&'static str, String)>,
}

impl ApiRequest {
    /// The values of a metric over a span of time, at its step.
    ///
    /// # Errors
    /// [`QueryError::NoQuery`].
    pub fn range(metric: &MetricConfig, window: Window) -> Result<Self, QueryError> {
        Self::range_of(metric, window, metric.step.duration())
    }

    /// The same at this step, with the last point at the end of the window.
    ///
    /// # Errors
    /// [`QueryError::NoQuery`].
    pub(in crate::connectors::prometheus) fn aligned_range(
        metric: &MetricConfig,
        window: Window,
        step: Duration,
    ) -> Result<Self, QueryError> {
        Ok(Self::range_of(metric, window.aligned(step), step)?.complete(metric))
    }

    fn range_of(metric: &MetricConfig, window: Window, step: Duration) -> Result<Self, QueryError> {
        let mut request = Self::new("/api/v1/query_range", promql(metric)?);
        request.parameters.extend([
            ("start", plain_float(window.start.as_seconds_f64())),
            ("end", plain_float(window.end.as_seconds_f64())),
            ("step", duration_text(step)),
        ]);
        Ok(request)
    }

    /// One value of a metric for a whole window, at its end: `$__range` in its query is the length of the window.
    ///
    /// # Errors
    /// [`QueryError::NoQuery`].
    pub(in crate::connectors::prometheus) fn at_the_end(
        metric: &MetricConfig,
        window: Window,
    ) -> Result<Self, QueryError> {
        let mut request = Self::first_look(metric, window)?;
        request.parameters.push(("time", plain_float(window.end.as_seconds_f64())));
        Ok(request.complete(metric))
    }

    /// The value of a metric at present, as it would be for a window of this length.
    ///
    /// # Errors
    /// [`QueryError::NoQuery`].
    pub(in crate::connectors::prometheus) fn first_look(
        metric: &MetricConfig,
        window: Window,
    ) -> Result<Self, QueryError> {
        let query = promql(metric)?.replace("$__range", &duration_text(window.length()));
        Ok(Self::new("/api/v1/query", query))
    }

    /// Asks Thanos for all data or none, where the metric wants that.
    fn complete(mut self, metric: &MetricConfig) -> Self {
        if metric.partial == Some(PartialPolicy::Fail) {
            self.parameters.push(("partial_response", "false".to_owned()));
        }
        self
    }

    /// The names of all metrics.
    pub(in crate::connectors::prometheus) fn names() -> Self {
        Self { path: "/api/v1/label/__name__/values", parameters: Vec::new() }
    }

    /// The present value of a metric.
    ///
    /// # Errors
    /// [`QueryError::NoQuery`].
    pub fn instant(metric: &MetricConfig) -> Result<Self, QueryError> {
        Ok(Self::new("/api/v1/query", promql(metric)?))
    }

    /// Whether a metric is absent at present, whatever its policy.
    ///
    /// # Errors
    /// [`QueryError::NoQuery`].
    pub fn absence(metric: &MetricConfig) -> Result<Self, QueryError> {
        Ok(Self::new("/api/v1/query", format!("absent({})", query(metric)?)))
    }

    pub fn targets() -> Self {
        Self { path: "/api/v1/targets", parameters: Vec::new() }
    }

    /// The whole address on a server.
    pub fn url(&self, base: &url::Url) -> url::Url {
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), self.path));
        if !self.parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.parameters);
        }
        url
    }

    fn new(path: &'static str, query: String) -> Self {
        let parameters = if query.is_empty() { Vec::new() } else { vec![("query", query)] };
        Self { path, parameters }
    }
}

/// The name of the check that runs the query of a metric.
pub fn check_name(metric: &MetricConfig) -> String {
    format!("Run query \"{}\"", metric.query.as_deref().unwrap_or_default())
}

fn query(metric: &MetricConfig) -> Result<&str, QueryError> {
    metric.query.as_deref().ok_or(QueryError::NoQuery)
}

/// The query as it is sent, byte for byte as configured. `or` binds weakest, so that the value for an absent metric
/// needs no parentheses before it.
fn promql(metric: &MetricConfig) -> Result<String, QueryError> {
    let suffix = if metric.absent == AbsentPolicy::Zero { " or on() vector(0)" } else { "" };
    query(metric).map(|query| format!("{query}{suffix}"))
}

/// The text of a duration: the usual one where Prometheus reads it, else seconds.
fn duration_text(duration: Duration) -> String {
    let text = duration.to_string();
    if is_prometheus_duration(&text) {
        return text;
    }
    let (micros, second) = (duration.as_micros(), 1_000_000);
    let decimals = format!("{}.{:06}", micros / second, micros % second);
    decimals.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether Prometheus reads a duration: whole numbers with units, each unit at most once, the longest first.
fn is_prometheus_duration(text: &str) -> bool {
    let mut units = ["y", "w", "d", "h", "m", "s", "ms"].iter();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (term, after) = rest.split_at(digits + letters);
        if digits == 0 || !units.any(|unit| *unit == &term[digits..]) {
            return false;
        }
        rest = after;
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::super::config::Step;
    use super::*;
    use crate::types::Unit;

    fn metric(query: &str, step: &str) -> MetricConfig {
        let step = Step::new(step.parse().unwrap());
        MetricConfig { step, ..MetricConfig::new("m", Unit::Float, query, AbsentPolicy::Ignore) }
    }

    #[test]
    fn a_step_is_its_usual_text_where_prometheus_reads_it_and_seconds_elsewhere() {
        for (step, text) in [
            ("90s", "1m30s"),
            ("1w", "7d"),
            ("365d", "1y"),
            ("36h", "1d12h"),
            ("250ms", "250ms"),
            ("30d", "2592000"),
            ("400d", "34560000"),
            ("1.5s", "1.5"),
            ("1m0.5s", "60.5"),
            ("1001ms", "1.001"),
            ("1us", "0.000001"),
            ("13ms974us", "0.013974"),
        ] {
            assert_eq!(duration_text(step.parse().unwrap()), text, "{step}");
        }
    }

    #[test]
    fn prometheus_reads_whole_numbers_from_the_longest_unit_down() {
        for (text, read) in [
            ("1y2w3d4h5m6s7ms", true),
            ("5m", true),
            ("1s1m", false),
            ("1m1m", false),
            ("1mm", false),
            ("1.5s", false),
            ("-5s", false),
            ("5", false),
            ("s", false),
            ("", false),
        ] {
            assert_eq!(is_prometheus_duration(text), read, "{text}");
        }
    }

    #[test]
    fn a_path_of_the_server_is_a_prefix_and_parameters_decode_to_what_was_meant() {
        let base = url::Url::parse("http://user:pass@prom:9090/prefix").unwrap();
        let window = Window::new(UnixTime(1_577_836_800_123_456), UnixTime(1_577_836_860_000_000)).unwrap();
        let url = ApiRequest::range(&metric("a + b{c=~\"d|é\"}[5m]&%41", "1m"), window).unwrap().url(&base);
        assert_eq!(url.path(), "/prefix/api/v1/query_range");
        let pairs: Vec<_> = url.query_pairs().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            pairs,
            ["query=a + b{c=~\"d|é\"}[5m]&%41", "start=1577836800.123456", "end=1577836860.0", "step=1m"]
        );
        let targets = ApiRequest::targets().url(&url::Url::parse("http://prom").unwrap());
        assert_eq!(targets.as_str(), "http://prom/api/v1/targets");
    }

    #[test]
    fn a_window_has_its_start_before_its_end() {
        let at = UnixTime(5_000_000);
        assert!(Window::new(at, at).is_err());
        assert!(Window::before(at, Duration::ZERO).is_err());
        assert_eq!(Window::before(at, Duration::from_secs(5)), Window::new(UnixTime(0), at));
    }

    #[test]
    fn the_last_point_of_a_range_is_at_the_end_of_its_window() {
        let window = Window::new(UnixTime::from_seconds(100), UnixTime::from_seconds(125)).unwrap();
        let request = ApiRequest::aligned_range(&metric("up", "10s"), window, Duration::from_secs(10)).unwrap();
        let shown: Vec<_> = request.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["query=up", "start=105.0", "end=125.0", "step=10s"]);
    }

    #[test]
    fn an_instant_query_is_over_the_whole_window() {
        let window = Window::new(UnixTime::from_seconds(100), UnixTime::from_seconds(400)).unwrap();
        let mut metric = metric("increase(a[$__range])", "10s");
        metric.partial = Some(PartialPolicy::Fail);
        let request = ApiRequest::at_the_end(&metric, window).unwrap();
        let shown: Vec<_> = request.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["query=increase(a[5m])", "time=400.0", "partial_response=false"]);
    }
}
