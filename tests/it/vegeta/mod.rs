//! The vegeta connector with the real vegeta, and with programs in its place that do what it must not.

mod commands;
mod faults;
mod measurements;
mod wire;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use servox::internals::connector::{
    BuildContext, Connector, ConnectorName, Event, EventContext, EventContextText, EventError, MeasureRequest, Phase,
    ProgressSender, Section, Services,
};
use servox::internals::connectors::CONNECTORS;
use servox::internals::decode::{Decoder, NoVariables, Node, Origin};
use servox::internals::network::Network;
use servox::internals::subprocess::SearchPath;
use servox::internals::types::{Control, Duration as Span, Measurement, Reading};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::components::component;

/// A folder with a program called `vegeta`, and a connector that finds it there.
struct Bench {
    folder: TempDir,
    services: Arc<Services>,
    cancellation: CancellationToken,
}

impl Bench {
    /// With the real vegeta, when it can be had.
    fn real() -> Option<Self> {
        let program = component("vegeta")?;
        let bench = Self::empty();
        symlink(program, bench.program()).unwrap();
        Some(bench)
    }

    /// With shell scripts: what `attack` and what `report` does. `$0` is a text that only their processes have.
    fn fake(attack: &str, report: &str) -> Self {
        let bench = Self::empty();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fake_vegeta");
        symlink(program, bench.program()).unwrap();
        std::fs::write(bench.folder().join("vegeta.attack"), attack).unwrap();
        std::fs::write(bench.folder().join("vegeta.report"), report).unwrap();
        bench
    }

    /// Without a program.
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = SearchPath::new(folder.path().to_str());
        let services = Arc::new(Services { programs, ..Services::default() });
        Self { folder, services, cancellation: CancellationToken::new() }
    }

    fn program(&self) -> std::path::PathBuf {
        self.folder.path().join("vegeta")
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connector of this section.
    fn connector(section: &Value) -> Box<dyn Connector> {
        let factory = CONNECTORS.iter().find(|factory| factory.metadata().default_name == "vegeta").unwrap();
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("vegeta");
        let section = Section { name: &name, node: &node, prefix: "SERVO_VEGETA_" };
        let prepared = Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).unwrap();
        let context = BuildContext { optimizer: None, network: Network::default() };
        prepared.build(name.clone(), &context).unwrap()
    }

    fn context(&self, event: Event) -> EventContext {
        EventContext::new(
            ConnectorName::new("vegeta"),
            EventContextText(Phase::On, event),
            Arc::clone(&self.services),
            ProgressSender::default(),
            self.cancellation.clone(),
        )
    }

    /// Measures all metrics for a time.
    async fn measure(&self, section: &Value, duration: Span) -> Result<Measurement, EventError> {
        let control = Control { duration, ..Control::default() };
        let request = MeasureRequest { metrics: Vec::new(), control };
        let connector = Self::connector(section);
        connector.as_measure().unwrap().measure(&self.context(Event::Measure), &request).await
    }

    /// How many processes run the program of this folder.
    fn processes(&self) -> usize {
        processes_of(self.folder().to_str().unwrap()).len()
    }
}

/// The numbers of the processes whose command line contains a text.
fn processes_of(text: &str) -> Vec<i32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let runs = |number: &i32| {
        let command = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(text)
    };
    numbers.filter(runs).collect()
}

/// Waits for a state, with a bound.
async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reached).await.is_ok(), "{what} did not happen");
}

/// The section of a connector that requests this address.
fn section(url: &str, rate: &str) -> Value {
    json!({"rate": rate, "target": format!("GET {url}"), "reporting_interval": "200ms"})
}

/// The values of a metric.
fn values(measurement: &Measurement, metric: &str) -> Vec<f64> {
    let series = measurement.readings.iter().find(|reading| reading.metric().name == metric);
    match series {
        Some(Reading::TimeSeries(series)) => series.points().iter().map(|point| point.value).collect(),
        other => panic!("no series of {metric}: {other:?}"),
    }
}

/// The last value of a metric: that of the whole attack.
fn last(measurement: &Measurement, metric: &str) -> f64 {
    *values(measurement, metric).last().unwrap()
}

/// A report as vegeta prints it, in one line.
const REPORT: &str = concat!(
    r#"{"latencies":{"total":1,"mean":1,"50th":1,"90th":1,"95th":1,"99th":1,"max":1,"min":1},"#,
    r#""bytes_in":{"total":1,"mean":1},"bytes_out":{"total":0,"mean":0},"earliest":"2020-01-21T12:00:01Z","#,
    r#""latest":"2020-01-21T12:00:01Z","end":"2020-01-21T12:00:01Z","duration":1,"wait":1,"requests":1,"rate":1,"#,
    r#""throughput":2,"success":1,"status_codes":{"200":1},"errors":[]}"#
);
