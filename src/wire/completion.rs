//! Completions: what an agent posts when a command is over.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::request::{envelope, with_uid};
use super::{Place, description, measurement};
use crate::decode::Problems;
use crate::types::{CommandResult, Completion, Operation, Status, StatusWord, UnixTime};

/// The name under which a completion is posted, and what is posted. `now` becomes the id of single series.
pub(crate) fn encode(completion: &Completion, now: UnixTime, servo_uid: Option<&str>) -> (Operation, Bytes) {
    let uid = completion.uid.as_ref();
    let (operation, param) = match &completion.result {
        CommandResult::Measured(measurement) => {
            let param = Measured {
                metrics: measurement::Metrics::new(&measurement.readings, now),
                annotations: &measurement.annotations,
                cmd_uid: uid,
            };
            return (Operation::Measurement, envelope(Operation::Measurement.as_str(), &param, servo_uid));
        }
        CommandResult::Described(found) => (Operation::Description, success("descriptor", description::encode(found))),
        CommandResult::Adjusted(found) => (Operation::Adjustment, success("state", description::encode(found))),
        CommandResult::Failed { operation, status } => {
            let mut param = Map::new();
            param.insert("status".to_owned(), status.word.as_str().into());
            param.insert("message".to_owned(), status.message.as_str().into());
            param.insert("reason".to_owned(), status.reason.as_deref().into());
            (*operation, param)
        }
    };
    (operation, envelope(operation.as_str(), &with_uid(param, uid), servo_uid))
}

/// A successful measurement carries no status, as optimizers of 2.2.5 expect.
#[derive(Serialize)]
struct Measured<'a> {
    metrics: measurement::Metrics<'a>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd_uid: Option<&'a Json>,
}

fn success(key: &str, body: Json) -> Map<String, Json> {
    let mut param = Map::new();
    param.insert("status".to_owned(), "ok".into());
    param.insert("message".to_owned(), Json::Null);
    param.insert("reason".to_owned(), "success".into());
    param.insert(key.to_owned(), body);
    param
}

/// Reads the parameters of a completion. A measurement that succeeded may come without a status.
///
/// # Errors
/// Everything that is wrong with it, with key paths.
pub(crate) fn decode(operation: Operation, param: &Json) -> Result<CommandResult, Problems> {
    let word = param.get("status").and_then(Json::as_str);
    if let Some(word) = word.filter(|word| *word != "ok") {
        return Ok(CommandResult::Failed { operation, status: status(word, param) });
    }
    let place = |key| Place { origin: operation.as_str(), key };
    match operation {
        Operation::Description => match param.get("descriptor") {
            Some(descriptor) => place("param.descriptor").read(descriptor, description::decode),
            // Agents of older versions post the descriptor itself.
            None => place("param").read(param, |fields| {
                if !fields.has("application") {
                    fields.fail_at("descriptor", "field required");
                    return None;
                }
                description::decode(fields)
            }),
        }
        .map(CommandResult::Described),
        Operation::Measurement => place("param").read(param, measurement::decode).map(CommandResult::Measured),
        Operation::Adjustment => match param.get("state") {
            Some(state) if !state.is_null() => place("param.state").read(state, description::decode),
            // The state is optional: who needs it asks for a description. Some agents post it without its key.
            _ => place("param").read(param, description::decode),
        }
        .map(CommandResult::Adjusted),
    }
}

/// A word that the protocol does not have is a failure, and is quoted in its message.
fn status(word: &str, param: &Json) -> Status {
    let text = |key: &str| param.get(key).and_then(Json::as_str).map(str::to_owned);
    let (message, reason) = (text("message").unwrap_or_default(), text("reason"));
    match StatusWord::ALL.into_iter().find(|known| known.as_str() == word) {
        Some(known) => Status { word: known, message, reason },
        None => Status { word: StatusWord::Failed, message: format!("{word}: {message}"), reason },
    }
}
