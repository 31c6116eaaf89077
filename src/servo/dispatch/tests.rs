//! The order of a dispatch: who runs, who is cancelled, and whose error is answered.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::connector::{Describe, Hooks, Metadata, Phase};
use crate::servo::{METADATA, test_servo};

/// What happened, in order: `b:before`.
type Log = Arc<Mutex<Vec<String>>>;

/// What a connector does when it is asked to describe.
#[derive(Clone, Copy)]
enum On {
    /// Answers after a time, in milliseconds.
    Answer(u64),
    /// Fails after a time, in milliseconds.
    Fail(ErrorKind, u64),
    /// Waits until it is cancelled, and takes a second to clean up.
    Wait,
}

struct Toy {
    name: ConnectorName,
    before: Option<ErrorKind>,
    on: On,
    log: Log,
}

impl Toy {
    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(format!("{}:{what}", self.name));
    }
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

    fn as_hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }
}

#[async_trait]
impl Describe for Toy {
    async fn describe(&self, cx: &EventContext, _request: &DescribeRequest) -> Result<Description, EventError> {
        self.note("on");
        match self.on {
            On::Answer(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            On::Fail(kind, millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                return Err(EventError::new(kind, self.name.as_str()));
            }
            On::Wait => {
                let cancelled = cx.cancelled().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.note("cleaned up");
                return Err(cancelled);
            }
        }
        self.note("answered");
        Ok(Description::default())
    }
}

#[async_trait]
impl Hooks for Toy {
    fn hooks(&self) -> Vec<(Phase, Event)> {
        vec![(Phase::Before, Event::Describe), (Phase::After, Event::Describe)]
    }

    async fn before(&self, _cx: &EventContext, _event: Event) -> Result<(), EventError> {
        self.note("before");
        self.before.map_or(Ok(()), |kind| Err(EventError::new(kind, self.name.as_str())))
    }

    async fn after(&self, _cx: &EventContext, _event: Event, _outcome: &Outcome<'_>) -> Result<(), EventError> {
        self.note("after");
        Ok(())
    }
}

/// Connectors a, b, c … that describe in these ways.
struct Toys {
    servo: Servo,
    log: Log,
}

impl Toys {
    fn new(toys: &[(Option<ErrorKind>, On)]) -> Self {
        let log = Log::default();
        let toy = |(index, (before, on)): (usize, &(Option<ErrorKind>, On))| {
            let name = ConnectorName::new(["a", "b", "c"][index]);
            Box::new(Toy { name, before: *before, on: *on, log: Arc::clone(&log) }) as Box<dyn Connector>
        };
        let servo = test_servo(toys.iter().enumerate().map(toy).collect());
        Self { servo, log }
    }

    /// The names of those that answered, or the kind and the connector of the error.
    async fn describe(&self, dispatch: &Dispatch) -> Result<Vec<String>, (ErrorKind, String)> {
        let described = self.servo.describe(&DescribeRequest::default(), dispatch).await;
        let names = described.map(|parts| parts.into_iter().map(|(name, _)| name.to_string()).collect());
        names.map_err(|error| (error.kind(), error.to_string()))
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn before_handlers_run_one_after_the_other_in_order_then_all_on_then_all_after() {
    let toys = Toys::new(&[(None, On::Answer(30)), (None, On::Answer(20)), (None, On::Answer(10))]);
    assert_eq!(
        toys.describe(&Dispatch::default()).await,
        Ok(names(&["a", "b", "c"])),
        "in the order of the connectors"
    );
    let expected = [
        "a:before",
        "b:before",
        "c:before",
        "a:on",
        "b:on",
        "c:on",
        "c:answered",
        "b:answered",
        "a:answered",
        "a:after",
        "b:after",
        "c:after",
    ];
    assert_eq!(toys.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_before_handler_that_cancels_calls_the_event_off() {
    let toys = Toys::new(&[(None, On::Answer(1)), (Some(ErrorKind::Cancelled), On::Answer(1)), (None, On::Answer(1))]);
    assert_eq!(toys.describe(&Dispatch::default()).await, Ok(names(&[])), "no results, and no error");
    assert_eq!(toys.log(), ["a:before", "b:before"]);
}

#[tokio::test(start_paused = true)]
async fn a_before_handler_that_fails_ends_the_event_with_its_error() {
    let toys = Toys::new(&[(Some(ErrorKind::Rejected), On::Answer(1)), (None, On::Answer(1))]);
    assert_eq!(toys.describe(&Dispatch::default()).await, Err((ErrorKind::Rejected, "a".to_owned())));
    assert_eq!(toys.log(), ["a:before"]);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_highest_kind_wins_and_of_equal_kinds_the_first_connector() {
    use ErrorKind::{Aborted, AdjustmentFailed, Cancelled, Failed, MeasurementFailed, Rejected};
    for (kinds, expected) in [
        ([Failed, Rejected, MeasurementFailed], (Rejected, "b")),
        ([Rejected, Failed, Aborted], (Aborted, "c")),
        ([Cancelled, Failed, Failed], (Failed, "b")),
        ([AdjustmentFailed, MeasurementFailed, AdjustmentFailed], (AdjustmentFailed, "a")),
    ] {
        // The last one fails first, and the others do not heed the cancellation.
        let failing =
            [(kinds[0], 30), (kinds[1], 20), (kinds[2], 10)].map(|(kind, millis)| (None, On::Fail(kind, millis)));
        let toys = Toys::new(&failing);
        let (kind, name) = expected;
        assert_eq!(toys.describe(&Dispatch::default()).await, Err((kind, name.to_owned())), "{kinds:?}");
        assert!(!toys.log().iter().any(|line| line.ends_with("after")), "{:?}", toys.log());
    }
}

#[tokio::test(start_paused = true)]
async fn siblings_of_a_failure_are_cancelled_and_awaited() {
    let toys = Toys::new(&[(None, On::Wait), (None, On::Fail(ErrorKind::Failed, 10)), (None, On::Wait)]);
    let dispatch = Dispatch::default();
    assert_eq!(toys.describe(&dispatch).await, Err((ErrorKind::Failed, "b".to_owned())));
    let cleaned = toys.log().iter().filter(|line| line.ends_with("cleaned up")).count();
    assert_eq!(cleaned, 2, "nothing of a command outlives it: {:?}", toys.log());
    assert!(!dispatch.cancellation.is_cancelled(), "only the siblings are cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_command_waits_for_its_handlers_to_end() {
    let toys = Toys::new(&[(None, On::Wait), (None, On::Wait)]);
    let cancellation = CancellationToken::new();
    let dispatch = Dispatch::new(ProgressSender::default(), cancellation.clone());
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        cancellation.cancel();
    };
    let (described, ()) = tokio::join!(toys.describe(&dispatch), cancel);
    assert_eq!(described.map_err(|(kind, _)| kind), Err(ErrorKind::Cancelled));
    assert_eq!(toys.log()[4..], ["a:cleaned up", "b:cleaned up"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_can_be_sent_to_some_connectors_only() {
    let toys = Toys::new(&[(None, On::Answer(1)), (None, On::Answer(1))]);
    let only = Dispatch::default().only(vec![ConnectorName::new("b"), ConnectorName::new("other")]);
    assert_eq!(toys.describe(&only).await, Ok(names(&["b"])));
    assert_eq!(toys.log(), ["b:before", "b:on", "b:answered", "b:after"]);
}
