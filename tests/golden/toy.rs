//! The connector of the recorded conversations, compiled into this test only, and a `servo` that knows it.

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use servox::internals::config::Secrets;
use servox::internals::connector::{
    Adjust, AdjustRequest, BuildContext, BuildError, Connector, ConnectorFactory, ConnectorName, Describe,
    DescribeRequest, ErasedFactory, EventContext, EventError, Measure, MeasureRequest, Metadata, Section,
};
use servox::internals::decode::{Decode, Decoder, NoVariables, Node, Origin, Show};
use servox::internals::types::{
    Component, Control, CpuSetting, Description, EnumSetting, Measurement, MemorySetting, Metric, Point, Reading,
    ReplicasSetting, Setting, TimeSeries, Unit, UnixTime,
};

/// Set for a process of this program that is to be a `servo`.
pub(crate) const AS_SERVO: &str = "GOLDEN_AS_SERVO";

/// Whether this process is to be a `servo`.
#[expect(clippy::disallowed_methods, reason = "a test program has no `cli` that reads it")]
pub(crate) fn is_servo() -> bool {
    std::env::var_os(AS_SERVO).is_some()
}

/// Runs as `servo` with the toy among its connectors.
pub(crate) fn servo_main() -> ExitCode {
    let mut registry: Vec<&'static dyn ErasedFactory> = servox::internals::connectors::CONNECTORS.to_vec();
    registry.push(&FACTORY);
    servox::internals::cli::main(registry.leak())
}

static FACTORY: ToyFactory = ToyFactory;

static METADATA: LazyLock<Metadata> = LazyLock::new(|| Metadata {
    default_name: "toy".into(),
    class_name: "ToyConnector".into(),
    full_name: "Toy Connector".into(),
    version: "0.0.1".into(),
    description: None,
    homepage: None,
    license: None,
    maturity: None,
});

struct ToyFactory;

struct ToyConfig {}

impl Show for ToyConfig {
    fn show(&self, _: Secrets) -> Value {
        json!({})
    }
}

impl ConnectorFactory for ToyFactory {
    type Config = ToyConfig;

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn parse(&self, section: Section<'_>, cx: &mut Decoder<'_>) -> Option<ToyConfig> {
        section.fields(cx)?.finish();
        Some(ToyConfig {})
    }

    fn build(
        &self,
        name: ConnectorName,
        _config: ToyConfig,
        _cx: &BuildContext,
    ) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(Toy { name }))
    }

    fn sample(&self) -> Value {
        json!({})
    }
}

struct Toy {
    name: ConnectorName,
}

impl Connector for Toy {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn metadata(&self) -> &Metadata {
        &METADATA
    }

    fn as_describe(&self) -> Option<&dyn Describe> {
        Some(self)
    }

    fn as_measure(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn as_adjust(&self) -> Option<&dyn Adjust> {
        Some(self)
    }
}

fn userdata(control: &Control, key: &str) -> Value {
    control.userdata.as_ref().and_then(|userdata| userdata.other.get(key)).cloned().unwrap_or_default()
}

/// Reports progress every 0.3 s, as often as the command asks for; `percent` of tick i of n.
async fn tick(
    cx: &EventContext,
    control: &Control,
    text: &str,
    percent: fn(u32, u32) -> f64,
) -> Result<(), EventError> {
    let ticks = userdata(control, "ticks").as_u64().and_then(|ticks| u32::try_from(ticks).ok()).unwrap_or(0);
    for i in 0..ticks {
        tokio::select! {
            cancelled = cx.cancelled() => return Err(cancelled),
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
        }
        cx.progress(percent(i, ticks), &format!("{text} {} of {ticks}", i + 1));
    }
    Ok(())
}

fn share(i: u32, ticks: u32) -> f64 {
    100.0 * f64::from(i + 1) / f64::from(ticks + 1)
}

fn metrics() -> Vec<Arc<Metric>> {
    let metric = |name: &str, unit| Arc::new(Metric::new(name, unit));
    vec![metric("throughput", Unit::RequestsPerMinute), metric("error_rate", Unit::Percentage)]
}

fn setting<T: Decode>(config: &Value) -> T {
    let node = Node::from_json(config, &Origin::whole("toy"));
    Decoder::run(&NoVariables, |cx| T::decode(&node, cx)).expect("a valid setting")
}

fn components() -> Vec<Component> {
    let settings = vec![
        Setting::from(setting::<CpuSetting>(&json!({"min": 0.25, "max": 4.0, "step": 0.125, "value": 1.0}))),
        Setting::from(setting::<MemorySetting>(&json!({"min": 0.25, "max": 8.0, "step": 0.25, "value": 2.0}))),
        Setting::from(setting::<ReplicasSetting>(&json!({"min": 1, "max": 10, "step": 1, "value": 2}))),
        Setting::from(setting::<EnumSetting>(&json!({"name": "gc", "values": ["G1", "ZGC"], "value": "G1"}))),
    ];
    vec![Component { name: "main".to_owned(), settings }]
}

#[async_trait]
impl Describe for Toy {
    async fn describe(&self, _cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
        Ok(Description { components: components(), metrics: metrics() })
    }
}

#[async_trait]
impl Measure for Toy {
    async fn measure(&self, cx: &EventContext, request: &MeasureRequest) -> Result<Measurement, EventError> {
        tick(cx, &request.control, "tick", share).await?;
        match userdata(&request.control, "toy").as_str() {
            Some("fail") => {
                return Err(EventError::measurement_failed("toy measurement failed").with_reason("toy-reason"));
            }
            Some("fail_noreason") => return Err(EventError::measurement_failed("toy measurement failed")),
            Some("abort") => return Err(EventError::aborted("toy aborted", "slo-violation")),
            Some("event_error") => return Err(EventError::failed("toy event error")),
            Some("crash") => return Err(EventError::failed("toy crashed")),
            Some("cancel") => return Err(EventError::cancelled("toy cancelled")),
            _ => {}
        }
        let points: Vec<_> = [(1_686_830_400.0, 10.5), (1_686_830_460.0, 20.0), (1_686_830_520.0, 30.25)]
            .map(|(seconds, value)| Point { time: UnixTime::from_seconds_f64(seconds), value })
            .to_vec();
        let readings = metrics()
            .into_iter()
            .filter(|metric| request.wants(&metric.name))
            .map(|metric| Reading::TimeSeries(TimeSeries::new(metric, points.clone()).with_id("toy-1")))
            .collect();
        let annotations = [("toy".to_owned(), "yes".to_owned())].into_iter().collect();
        Measurement::new(readings, annotations).map_err(|error| EventError::failed(error.to_string()))
    }
}

#[async_trait]
impl Adjust for Toy {
    async fn adjust(&self, cx: &EventContext, request: &AdjustRequest) -> Result<Description, EventError> {
        tick(cx, &request.control, "adjust tick", |i, ticks| share(i, ticks).floor()).await?;
        match userdata(&request.control, "toy").as_str() {
            Some("reject") => return Err(EventError::rejected("toy rejected", "start-failed")),
            Some("fail") => return Err(EventError::adjustment_failed("toy adjust failed")),
            Some("abort") => return Err(EventError::aborted("toy aborted", "slo-violation")),
            Some("crash") => return Err(EventError::failed("toy crashed")),
            _ => {}
        }
        let mut components = components();
        for adjustment in &request.adjustments {
            let component = components.iter_mut().find(|component| component.name == adjustment.component_name);
            let setting = component
                .and_then(|component| component.settings.iter_mut().find(|s| s.name() == adjustment.setting_name));
            if let Some(setting) = setting {
                setting
                    .assign(Some(&adjustment.value))
                    .map_err(|problems| EventError::adjustment_failed(problems.to_string()))?;
            }
        }
        Ok(Description { components, metrics: Vec::new() })
    }
}
