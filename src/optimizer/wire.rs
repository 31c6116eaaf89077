//! The protocol's JSON: requests from what the agent says, commands and answers from what it gets.
//!
//! Pure: nothing here sends or waits.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Answer, Command, CommandResult, Completion, Instruction, Report, Task};
use crate::decode::{Decode, Decoder, Entry, Fields, NoVariables, Node, Origin, Value as Tree};
use crate::telemetry::USER_AGENT;
use crate::types::{Adjustment, Control, Duration, Operation, Scalar, UnixTime, WireMetrics};

/// How long to sleep when a SLEEP does not say.
const DEFAULT_SLEEP: Duration = Duration::from_secs(120);

/// An event with its parameters, as it is posted.
pub(crate) fn request(event: &str, param: &impl Serialize, servo_uid: Option<&str>) -> Bytes {
    #[derive(Serialize)]
    struct Request<'a, P> {
        event: &'a str,
        param: &'a P,
        #[serde(skip_serializing_if = "Option::is_none")]
        servo_uid: Option<&'a str>,
    }
    // Texts, numbers and maps with text keys: none of them can fail to be written.
    serde_json::to_vec(&Request { event, param, servo_uid }).unwrap_or_default().into()
}

pub(crate) fn hello(telemetry: &BTreeMap<String, String>) -> Value {
    json!({"agent": USER_AGENT, "telemetry": telemetry})
}

/// The parameters of a progress report.
pub(crate) fn report(report: &Report) -> Value {
    let mut param = Map::new();
    param.insert("progress".to_owned(), report.progress.into());
    param.insert("runtime".to_owned(), report.runtime.as_secs_f64().into());
    param.insert("message".to_owned(), report.message.as_str().into());
    with_uid(param, report.uid.as_ref())
}

/// The name under which a completion is posted, and what is posted. `now` becomes the id of single series.
pub(crate) fn completion(completion: &Completion, now: UnixTime, servo_uid: Option<&str>) -> (Operation, Bytes) {
    let uid = completion.uid.as_ref();
    let (operation, param) = match &completion.result {
        CommandResult::Measured(measurement) => {
            let param = Measured {
                metrics: measurement.wire_metrics(now),
                annotations: &measurement.annotations,
                cmd_uid: uid,
            };
            return (Operation::Measurement, request(Operation::Measurement.as_str(), &param, servo_uid));
        }
        CommandResult::Described(description) => (Operation::Description, success("descriptor", description.to_wire())),
        CommandResult::Adjusted(description) => (Operation::Adjustment, success("state", description.to_wire())),
        CommandResult::Failed { operation, status } => {
            let mut param = Map::new();
            param.insert("status".to_owned(), status.word.as_str().into());
            param.insert("message".to_owned(), status.message.as_str().into());
            param.insert("reason".to_owned(), status.reason.as_deref().into());
            (*operation, param)
        }
    };
    (operation, request(operation.as_str(), &with_uid(param, uid), servo_uid))
}

/// A successful measurement carries no status, as optimizers of 2.2.5 expect.
#[derive(Serialize)]
struct Measured<'a> {
    metrics: WireMetrics<'a>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd_uid: Option<&'a Value>,
}

fn success(key: &str, body: Value) -> Map<String, Value> {
    let mut param = Map::new();
    param.insert("status".to_owned(), "ok".into());
    param.insert("message".to_owned(), Value::Null);
    param.insert("reason".to_owned(), "success".into());
    param.insert(key.to_owned(), body);
    param
}

fn with_uid(mut param: Map<String, Value>, uid: Option<&Value>) -> Value {
    if let Some(uid) = uid {
        param.insert("cmd_uid".to_owned(), uid.clone());
    }
    Value::Object(param)
}

/// The words of the protocol that say how things stand.
const STATUS_WORDS: [&str; 8] =
    ["ok", "invalid", "unexpected-event", "cancel", "failed", "rejected", "aborted", "cancelled"];

/// Reads the body of an answer that should be a command.
///
/// # Errors
/// Why it is none, as a sentence fragment.
pub(crate) fn parse_command(body: &Value) -> Result<Command, String> {
    let instruction = match body.get("cmd").and_then(Value::as_str) {
        Some("DESCRIBE") => describe(body),
        Some("MEASURE") => measure(body),
        Some("ADJUST") => adjust(body),
        Some("SLEEP") => sleep(body),
        _ => return Err(not_a_command(body)),
    };
    let uid = body.get("cmd_uid").filter(|uid| !uid.is_null()).cloned();
    Ok(Command { uid, instruction })
}

fn not_a_command(body: &Value) -> String {
    match (status_word(body), body.get("cmd")) {
        (Some(word), _) => {
            let detail = ["reason", "message"].iter().find_map(|key| body.get(*key).and_then(Value::as_str));
            format!(
                "a command was expected, not the status {word:?}{}",
                detail.map_or(String::new(), |d| format!(" ({d})"))
            )
        }
        (None, Some(cmd)) => format!("unknown command {cmd}"),
        (None, None) => "it has neither 'cmd' nor 'status'".to_owned(),
    }
}

/// The beginning of a text of the optimizer's, for messages.
fn shortened(text: &str) -> String {
    // A few lines of a terminal.
    const LONGEST: usize = 300;
    text.chars().take(LONGEST).collect()
}

fn status_word(body: &Value) -> Option<&str> {
    body.get("status").and_then(Value::as_str).filter(|word| STATUS_WORDS.contains(word))
}

/// Reads the body of the answer to HELLO or GOODBYE: any word of the protocol will do.
///
/// # Errors
/// Why it is no answer of the protocol.
pub(crate) fn parse_greeting(body: &Value) -> Result<(), String> {
    parse_command(body).map(drop).or_else(|problem| status_word(body).map(drop).ok_or(problem))
}

/// Reads the body of the answer to a report or a completion.
///
/// # Errors
/// Why it is no answer of the protocol.
pub(crate) fn parse_answer(body: &Value) -> Result<Answer, String> {
    if parse_command(body).is_ok() {
        return Ok(Answer::Invalid { text: "a command where a status was expected".to_owned() });
    }
    let word = status_word(body).ok_or_else(|| not_a_command(body))?;
    let reason = body.get("reason").and_then(Value::as_str).map(str::to_owned);
    Ok(match word {
        "ok" => Answer::Ok,
        "cancel" => Answer::Cancel { reason },
        "unexpected-event" => Answer::UnexpectedEvent { reason },
        "invalid" if reason.as_deref() == Some("unexpected cmd_uid") => Answer::StaleCommand,
        _ => Answer::Invalid { text: shortened(&body.to_string()) },
    })
}

/// Decodes the parameters of a command; what cannot be understood becomes an instruction to answer so.
fn parameters(
    body: &Value,
    operation: Operation,
    decode: impl FnOnce(&mut Fields<'_, '_, '_>) -> Option<Task>,
) -> Instruction {
    let origin = Origin::whole("command");
    let param = match body.get("param") {
        None | Some(Value::Null) => Node::new(Tree::Map(crate::decode::Map::default()), origin),
        Some(param) => Node::from_json(param, &origin),
    };
    let decoded = Decoder::run(&NoVariables, |cx| {
        cx.within("param", |cx| {
            let mut fields = cx.fields(&param)?;
            let task = decode(&mut fields);
            fields.ignore_unknown();
            task
        })
    });
    match decoded {
        Ok(task) => Instruction::Perform(Box::new(task)),
        Err(problems) => Instruction::Malformed { operation, problems },
    }
}

/// The `control` of a command; absent and null are the default.
fn control(fields: &mut Fields<'_, '_, '_>) -> Option<Control> {
    Some(fields.or::<Option<Control>>("control", None)?.unwrap_or_default())
}

fn describe(body: &Value) -> Instruction {
    parameters(body, Operation::Description, |fields| Some(Task::Describe { control: control(fields)? }))
}

fn measure(body: &Value) -> Instruction {
    parameters(body, Operation::Measurement, |fields| {
        let metrics = fields.required::<MetricNames>("metrics");
        let control = fields.required::<Control>("control");
        Some(Task::Measure { metrics: metrics?.0, control: control? })
    })
}

/// Names of metrics: a list, or a mapping of which only the keys count.
struct MetricNames(Vec<String>);

impl Decode for MetricNames {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Tree::Map(map) => Some(Self(map.iter().map(|entry| entry.key.clone()).collect())),
            _ => Vec::decode(node, cx).map(Self),
        }
    }
}

fn adjust(body: &Value) -> Instruction {
    parameters(body, Operation::Adjustment, |fields| {
        let state = fields.required::<State>("state");
        let control = control(fields);
        Some(Task::Adjust { adjustments: state?.0, control: control? })
    })
}

/// The adjustments in a state, `application.components.*.settings.*.value`, in document order.
struct State(Vec<Adjustment>);

impl Decode for State {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let application = step(node, "application", cx)?;
        let components = cx.within("application", |cx| step(application, "components", cx))?;
        cx.within("application", |cx| cx.within("components", |cx| each(components, cx, component))).map(Self)
    }
}

fn component(component: &Entry, cx: &mut Decoder<'_>) -> Option<Vec<Adjustment>> {
    let settings = step(&component.value, "settings", cx)?;
    cx.within("settings", |cx| {
        each(settings, cx, |setting, cx| {
            let value = step(&setting.value, "value", cx)?;
            let value = cx.within("value", |cx| Scalar::decode(value, cx))?;
            let component_name = component.key.clone();
            Some(vec![Adjustment { component_name, setting_name: setting.key.clone(), value }])
        })
    })
}

/// The adjustments below each key of a mapping; all problems are recorded before giving up.
fn each(
    node: &Node,
    cx: &mut Decoder<'_>,
    mut decode: impl FnMut(&Entry, &mut Decoder<'_>) -> Option<Vec<Adjustment>>,
) -> Option<Vec<Adjustment>> {
    let decoded: Vec<_> =
        entries(node, cx)?.iter().map(|entry| cx.within(entry.key.as_str(), |cx| decode(entry, cx))).collect();
    Some(decoded.into_iter().collect::<Option<Vec<_>>>()?.concat())
}

/// The value of a key that a mapping must have.
fn step<'n>(node: &'n Node, key: &str, cx: &mut Decoder<'_>) -> Option<&'n Node> {
    let map = entries(node, cx)?;
    let found = map.get(key).map(|entry| &entry.value);
    if found.is_none() {
        cx.within(key, |cx| cx.invalid_unquoted(node, "field required"));
    }
    found
}

fn entries<'n>(node: &'n Node, cx: &mut Decoder<'_>) -> Option<&'n crate::decode::Map> {
    if let Tree::Map(map) = &node.value {
        return Some(map);
    }
    cx.invalid(node, "value is not a valid mapping");
    None
}

/// SLEEP never fails: whatever is wrong with it, sleeping the default time is right.
fn sleep(body: &Value) -> Instruction {
    let param = body.get("param");
    let duration = match param.and_then(|param| param.get("duration")) {
        None => DEFAULT_SLEEP,
        Some(Value::Null) => Duration::ZERO,
        Some(value) => {
            let node = Node::from_json(value, &Origin::whole("command"));
            Decoder::run(&NoVariables, |cx| Duration::decode(&node, cx)).unwrap_or_else(|problems| {
                tracing::warn!(%problems, "the duration of a SLEEP cannot be understood: sleeping 2m");
                DEFAULT_SLEEP
            })
        }
    };
    let data = param.and_then(|param| param.get("data"));
    let text = |key: &str| data.and_then(|data| data.get(key)).and_then(Value::as_str);
    let reason = text("reason").unwrap_or("unknown reason");
    let reason = text("status").map_or_else(|| reason.to_owned(), |status| format!("{status}: {reason}"));
    Instruction::Sleep { duration, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(body: &Value) -> Instruction {
        parse_command(body).expect("a command").instruction
    }

    fn task(body: &Value) -> Task {
        match instruction(body) {
            Instruction::Perform(task) => *task,
            other => panic!("{other:?} is no task"),
        }
    }

    fn paths(body: &Value) -> Vec<String> {
        match instruction(body) {
            Instruction::Malformed { problems, .. } => problems.iter().map(|p| p.path.to_string()).collect(),
            other => panic!("{other:?} is well formed"),
        }
    }

    #[test]
    fn a_sleep_without_parameters_lasts_two_minutes() {
        for body in [
            json!({"cmd": "SLEEP"}),
            json!({"cmd": "SLEEP", "param": null}),
            json!({"cmd": "SLEEP", "param": {"duration": "soon", "data": null}}),
        ] {
            let expected = Instruction::Sleep { duration: DEFAULT_SLEEP, reason: "unknown reason".to_owned() };
            assert_eq!(instruction(&body), expected);
        }
    }

    #[test]
    fn a_sleep_of_null_is_no_sleep_and_names_status_and_reason() {
        let body = json!({"cmd": "SLEEP", "param": {"duration": null, "data": {"status": "idle", "reason": "done"}}});
        assert_eq!(
            instruction(&body),
            Instruction::Sleep { duration: Duration::ZERO, reason: "idle: done".to_owned() }
        );
    }

    #[test]
    fn adjustments_come_in_document_order_with_their_kinds() {
        let body = json!({"cmd": "ADJUST", "param": {"state": {"application": {"components": {
            "web": {"settings": {"mem": {"value": 1.0, "unit": "GiB"}, "replicas": {"value": 3}}},
            "db": {"settings": {"gc": {"value": "ZGC"}}}}}}, "control": null, "metrics": {}}});
        let Task::Adjust { adjustments, control } = task(&body) else { panic!("no ADJUST") };
        let texts: Vec<_> = adjustments.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["web.mem=1.0", "web.replicas=3", "db.gc=ZGC"]);
        assert_eq!(control, Control::default());
    }

    #[test]
    fn everything_wrong_with_an_adjustment_is_named() {
        let settings = json!({"cpu": {}, "mem": {"value": null}, "gc": {"value": [1]}});
        let body = json!({"cmd": "ADJUST", "param": {"state": {"application": {"components": {"web": {"settings": settings}}}}}});
        let base = "param.state.application.components.web.settings";
        assert_eq!(paths(&body), ["cpu", "mem", "gc"].map(|setting| format!("{base}.{setting}.value")));
        assert_eq!(paths(&json!({"cmd": "ADJUST"})), ["param.state"]);
    }

    #[test]
    fn a_measure_needs_metrics_and_control() {
        assert_eq!(paths(&json!({"cmd": "MEASURE", "param": {}})), ["param.metrics", "param.control"]);
        let body = json!({"cmd": "MEASURE", "param": {"metrics": ["a", 1], "control": {"duration": 5}}});
        let Task::Measure { metrics, control } = task(&body) else { panic!("no MEASURE") };
        assert_eq!((metrics, control.duration), (vec!["a".to_owned(), "1".to_owned()], Duration::from_secs(5)));
    }

    #[test]
    fn a_valid_command_beats_a_status_and_a_status_is_no_command() {
        assert!(parse_command(&json!({"cmd": "DESCRIBE", "status": "ok"})).is_ok());
        let problem = parse_command(&json!({"cmd": "describe", "status": "ok"})).expect_err("a status");
        assert!(problem.contains("status \"ok\""), "{problem}");
        for nothing in [json!({}), json!([]), json!(null), json!({"status": "fine"}), json!({"cmd": "REBOOT"})] {
            assert!(parse_command(&nothing).is_err() && parse_answer(&nothing).is_err(), "{nothing}");
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let answer = |body: Value| parse_answer(&body).expect("an answer");
        assert_eq!(answer(json!({"status": "ok"})), Answer::Ok);
        assert_eq!(
            answer(json!({"status": "cancel", "reason": "user"})),
            Answer::Cancel { reason: Some("user".to_owned()) }
        );
        assert_eq!(answer(json!({"status": "unexpected-event"})), Answer::UnexpectedEvent { reason: None });
        assert_eq!(answer(json!({"status": "invalid", "reason": "unexpected cmd_uid"})), Answer::StaleCommand);
        assert!(matches!(answer(json!({"status": "invalid"})), Answer::Invalid { .. }));
        assert!(matches!(answer(json!({"cmd": "SLEEP"})), Answer::Invalid { .. }));
    }

    #[test]
    fn ids_are_sent_only_when_there_are_any() {
        assert_eq!(request("HELLO", &Value::Null, None), r#"{"event":"HELLO","param":null}"#);
        assert_eq!(request("HELLO", &Value::Null, Some("u")), r#"{"event":"HELLO","param":null,"servo_uid":"u"}"#);
        let param = report(&Report {
            operation: Operation::Measurement,
            uid: Some(json!(7)),
            progress: 25.0,
            runtime: std::time::Duration::from_millis(1500),
            message: "m\n".to_owned(),
        });
        assert_eq!(param, json!({"progress": 25.0, "runtime": 1.5, "message": "m\n", "cmd_uid": 7}));
    }
}
