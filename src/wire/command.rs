//! Commands: what an optimizer answers to the question for the next one.

use serde_json::{Value as Json, json};

use super::adjustment::{self, State};
use super::{answer, control};
use crate::decode::{Decode, Decoder, Fields, Map, NoVariables, Node, Origin, Value};
use crate::types::{Command, Control, Duration, Instruction, Operation, Task};

/// How long to sleep when a SLEEP does not say.
const DEFAULT_SLEEP: Duration = Duration::from_secs(120);

/// A command as it is sent. One that is malformed has no form: it is known by what an agent answers.
pub(crate) fn encode(command: &Command) -> Json {
    let mut body = match &command.instruction {
        Instruction::Perform(task) => task_body(task),
        Instruction::Sleep { duration, reason } => {
            json!({ "cmd": "SLEEP", "param": { "duration": control::seconds(*duration), "data": { "reason": reason } } })
        }
        Instruction::Malformed { .. } => json!({}),
    };
    if let Some(uid) = &command.uid {
        body["cmd_uid"] = uid.clone();
    }
    body
}

fn task_body(task: &Task) -> Json {
    match task {
        Task::Describe { control } => json!({ "cmd": "DESCRIBE", "param": { "control": unless_default(control) } }),
        Task::Measure { metrics, control } => {
            json!({ "cmd": "MEASURE", "param": { "metrics": metrics, "control": control::encode(control) } })
        }
        Task::Adjust { adjustments, control } => json!({
            "cmd": "ADJUST",
            "param": { "state": adjustment::encode(adjustments), "control": unless_default(control) },
        }),
    }
}

/// The control object of a command that need not have one: empty if it asks for nothing.
fn unless_default(control: &Control) -> Json {
    if *control == Control::default() { json!({}) } else { control::encode(control) }
}

/// Reads the body of an answer that should be a command.
///
/// # Errors
/// Why it is not one, as a sentence fragment.
pub(crate) fn decode(body: &Json) -> Result<Command, String> {
    let instruction = match body.get("cmd").and_then(Json::as_str) {
        Some("DESCRIBE") => describe(body),
        Some("MEASURE") => measure(body),
        Some("ADJUST") => adjust(body),
        Some("SLEEP") => sleep(body),
        _ => return Err(answer::not_a_command(body)),
    };
    let uid = body.get("cmd_uid").filter(|uid| !uid.is_null()).cloned();
    Ok(Command { uid, instruction })
}

/// Decodes the parameters of a command; one that cannot be understood becomes an instruction to answer so.
fn parameters(
    body: &Json,
    operation: Operation,
    decode: impl FnOnce(&mut Fields<'_, '_, '_>) -> Option<Task>,
) -> Instruction {
    let origin = Origin::whole("command");
    let param = match body.get("param") {
        None | Some(Json::Null) => Node::new(Value::Map(Map::default()), origin),
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
fn control_of(fields: &mut Fields<'_, '_, '_>) -> Option<Control> {
    Some(fields.or::<Option<Control>>("control", None)?.unwrap_or_default())
}

fn describe(body: &Json) -> Instruction {
    parameters(body, Operation::Description, |fields| Some(Task::Describe { control: control_of(fields)? }))
}

fn measure(body: &Json) -> Instruction {
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
            Value::Map(map) => Some(Self(map.iter().map(|entry| entry.key.clone()).collect())),
            _ => Vec::decode(node, cx).map(Self),
        }
    }
}

fn adjust(body: &Json) -> Instruction {
    parameters(body, Operation::Adjustment, |fields| {
        let state = fields.required::<State>("state");
        let control = control_of(fields);
        Some(Task::Adjust { adjustments: state?.0, control: control? })
    })
}

/// SLEEP never fails: whatever is wrong with it, sleeping the default time is right.
fn sleep(body: &Json) -> Instruction {
    let param = body.get("param");
    let duration = match param.and_then(|param| param.get("duration")) {
        None => DEFAULT_SLEEP,
        Some(Json::Null) => Duration::ZERO,
        Some(value) => {
            let node = Node::from_json(value, &Origin::whole("command"));
            Decoder::run(&NoVariables, |cx| Duration::decode(&node, cx)).unwrap_or_else(|problems| {
                tracing::warn!(%problems, "the duration of a SLEEP is not valid: sleeping 2m");
                DEFAULT_SLEEP
            })
        }
    };
    let data = param.and_then(|param| param.get("data"));
    let text = |key: &str| data.and_then(|data| data.get(key)).and_then(Json::as_str);
    let reason = text("reason").unwrap_or("unknown reason");
    let reason = text("status").map_or_else(|| reason.to_owned(), |status| format!("{status}: {reason}"));
    Instruction::Sleep { duration, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(body: &Json) -> Instruction {
        decode(body).expect("a command").instruction
    }

    fn task(body: &Json) -> Task {
        match instruction(body) {
            Instruction::Perform(task) => *task,
            other => panic!("{other:?} is not a task"),
        }
    }

    fn paths(body: &Json) -> Vec<String> {
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
        assert!(decode(&json!({"cmd": "DESCRIBE", "status": "ok"})).is_ok());
        let problem = decode(&json!({"cmd": "describe", "status": "ok"})).expect_err("a status");
        assert!(problem.contains("status \"ok\""), "{problem}");
        for nothing in [json!({}), json!([]), json!(null), json!({"status": "fine"}), json!({"cmd": "REBOOT"})] {
            assert!(decode(&nothing).is_err() && answer::decode(&nothing).is_err(), "{nothing}");
        }
    }
}
