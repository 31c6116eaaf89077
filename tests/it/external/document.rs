//! The examples of `docs/connector-protocol.md` are one conversation: servo says its half of it, and understands the other.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use servox::internals::checks::CheckRequest;
use servox::internals::connector::{
    AdjustRequest, BuildContext, Connector, ConnectorName, DescribeRequest, ErasedFactory, ErrorKind, Event,
    EventContext, EventContextText, MeasureRequest, OptimizerIdentity, Outcome, Phase, ProgressSender, Section,
    Services,
};
use servox::internals::connectors::external::Found;
use servox::internals::connectors::external::conformance::RULES;
use servox::internals::decode::{Decoder, NoVariables, Node, Origin};
use servox::internals::types::{Adjustment, Control, Description, Duration, Metric, Scalar, Unit};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::executable;
use crate::support::http_server::BOUND;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connector-protocol.md");
    // The version in the examples may be an older one.
    std::fs::read_to_string(path).unwrap().replace("servox-rs/0.1.0", concat!("servox-rs/", env!("CARGO_PKG_VERSION")))
}

/// What servo writes, each with what the connector writes then.
fn conversation() -> Vec<(String, Vec<String>)> {
    let mut conversation: Vec<(String, Vec<String>)> = Vec::new();
    for line in document().lines() {
        if let Some(said) = line.strip_prefix("→ ") {
            conversation.push((said.to_owned(), Vec::new()));
        } else if let Some(said) = line.strip_prefix("← ") {
            conversation.last_mut().unwrap().1.push(said.to_owned());
        }
    }
    conversation
}

/// Notes what it reads, and answers the n-th line as the document does.
fn actor(folder: &Path) -> std::path::PathBuf {
    for (index, (_, answers)) in conversation().iter().enumerate() {
        std::fs::write(
            folder.join(format!("answer.{}", index + 1)),
            answers.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>(),
        )
        .unwrap();
    }
    let script = "#!/bin/bash\ncd \"$(dirname \"$0\")\"; : >heard; n=0\nwhile read -r line; do\n  echo \"$line\" >>heard\n  ((++n))\n\
                  [[ $n == 2 && $line == *shutdown* ]] && exit\n  cat answer.$n\n  [[ $line == *shutdown* ]] && exit\ndone\n";
    executable(&folder.join("servo-connector-cache"), script)
}

fn context(phase: Phase, event: Event, progress: ProgressSender, cancellation: &CancellationToken) -> EventContext {
    let optimizer =
        Some(OptimizerIdentity { id: "dev.opsani.com/app".to_owned(), name: "app".to_owned(), embedded: false });
    let services = Arc::new(Services { optimizer, ..Services::default() });
    EventContext::new(
        ConnectorName::new("cache"),
        EventContextText(phase, event),
        services,
        progress,
        cancellation.clone(),
    )
}

fn on(event: Event) -> EventContext {
    context(Phase::On, event, ProgressSender::default(), &CancellationToken::new())
}

async fn build(folder: &Path) -> Box<dyn Connector> {
    let factory = Found::at(&actor(folder)).ask().await.unwrap();
    let factory: &'static dyn ErasedFactory = Box::leak(Box::new(factory));
    assert_eq!(factory.sample(), json!({"host": "127.0.0.1"}));
    let name = ConnectorName::new("cache");
    let node = Node::from_json(&json!({"host": "127.0.0.1", "token": "s3cr3t"}), &Origin::whole("test"));
    let section = Section { name: &name, node: &node, prefix: "" };
    let prepared = Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).unwrap();
    let build = BuildContext { optimizer: None, network: servox::internals::network::Network::default() };
    prepared.build(name.clone(), &build).unwrap()
}

fn adjust_to(value: i64) -> AdjustRequest {
    let adjustments = vec![Adjustment::new("cache", "hz", Scalar::Integer(value))];
    AdjustRequest { adjustments, control: Control::default() }
}

#[tokio::test]
async fn servo_says_what_the_document_says_and_understands_the_answers() {
    let folder = tempfile::tempdir().unwrap();
    let connector = build(folder.path()).await;
    connector.as_lifecycle().unwrap().attach(&on(Event::Attach)).await.unwrap();
    let metrics = connector.as_metrics().unwrap().metrics(&on(Event::Metrics)).await.unwrap();
    assert_eq!(metrics, [Arc::new(Metric::new("throughput", Unit::RequestsPerSecond))]);
    let components = connector.as_components().unwrap().components(&on(Event::Components)).await.unwrap();
    assert_eq!(components[0].settings[0].value(), Some(Scalar::Integer(10)));
    let describe = DescribeRequest::default();
    let described = connector.as_describe().unwrap().describe(&on(Event::Describe), &describe).await.unwrap();
    assert_eq!(described.setting("cache.policy").unwrap().unwrap().value(), Some(Scalar::Text("lru".to_owned())));

    let (sender, mut reports) = mpsc::channel(1);
    let cx = context(Phase::On, Event::Measure, ProgressSender::new(sender), &CancellationToken::new());
    let control = Control { duration: Duration::from_secs(60), warmup: Duration::from_secs(5), ..Control::default() };
    let request = MeasureRequest { metrics: vec!["throughput".to_owned()], control };
    let measured = connector.as_measure().unwrap().measure(&cx, &request).await.unwrap();
    assert_eq!(measured.readings[0].as_series().unwrap().points()[0].value.to_string(), "1250.5");
    let report = reports.try_recv().unwrap();
    assert!(report.message.ends_with("half of it\n") && (report.progress - 50.0).abs() < 1e-9, "{report:?}");

    let adjusted = connector.as_adjust().unwrap().adjust(&on(Event::Adjust), &adjust_to(100)).await.unwrap();
    assert_eq!(adjusted.components[0].settings[0].value(), Some(Scalar::Integer(100)));
    let checks = connector.as_check().unwrap().check(&on(Event::Check), &CheckRequest::default()).await.unwrap();
    assert!(checks[0].success && checks[0].id == "check_ping");

    let hooks = connector.as_hooks().unwrap();
    assert_eq!(hooks.hooks(), [(Phase::Before, Event::Measure), (Phase::After, Event::Adjust)]);
    let cx = context(Phase::Before, Event::Measure, ProgressSender::default(), &CancellationToken::new());
    hooks.before(&cx, Event::Measure).await.unwrap();
    let cx = context(Phase::After, Event::Adjust, ProgressSender::default(), &CancellationToken::new());
    let parts = [Description { components: Vec::new(), metrics }];
    hooks.after(&cx, Event::Adjust, &Outcome::Descriptions(&parts)).await.unwrap();

    let cancellation = CancellationToken::new();
    let cx = context(Phase::On, Event::Measure, ProgressSender::default(), &cancellation);
    let control = Control { duration: Duration::from_secs(600), ..Control::default() };
    let request = MeasureRequest { metrics: Vec::new(), control };
    let heard = folder.path().join("heard");
    let (measured, ()) = tokio::join!(connector.as_measure().unwrap().measure(&cx, &request), async {
        let begun = async {
            while !std::fs::read_to_string(&heard).unwrap().contains("\"id\":11") {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let begun = tokio::time::timeout(BOUND, begun).await;
        cancellation.cancel();
        begun.unwrap();
    });
    assert_eq!(measured.unwrap_err().kind(), ErrorKind::Cancelled);

    let rejected = connector.as_adjust().unwrap().adjust(&on(Event::Adjust), &adjust_to(500)).await.unwrap_err();
    assert_eq!((rejected.kind(), rejected.reason()), (ErrorKind::Rejected, Some("start-failed")));
    connector.as_lifecycle().unwrap().detach(&on(Event::Detach)).await.unwrap();

    let heard = std::fs::read_to_string(heard).unwrap();
    let expected: Vec<String> = conversation().into_iter().map(|(said, _)| said).collect();
    assert_eq!(heard.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn the_document_names_every_rule_and_every_answer_has_the_id_of_its_request() {
    let document = document();
    for rule in RULES {
        assert!(document.contains(&format!("`{}`", rule.id)), "{}", rule.id);
    }
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let answers: Vec<Value> = conversation().iter().flat_map(|(_, answers)| answers).map(|line| read(line)).collect();
    let ids: Vec<u64> = answers.iter().filter_map(|answer| answer["id"].as_u64()).collect();
    assert_eq!(ids, (1..=13).collect::<Vec<_>>());
}
