//! The messages between servo and an executable, as lines: JSON-RPC 2.0, one message a line. Pure.
//!
//! What the messages say is in `docs/connector-protocol.md`; the bodies of events are in [`wire`](crate::wire).

use serde_json::{Value as Json, json};

/// The version of the protocol that this program speaks.
pub(super) const VERSION: u64 = 1;

/// A number that no method has: the code of JSON-RPC for a method that is not known.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;

/// A request, as a line.
pub(super) fn request(id: u64, method: &str, params: &Json) -> String {
    format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

/// The notification that a request is to end early, as a line.
pub(super) fn cancel(id: u64) -> String {
    format!("{}\n", json!({ "jsonrpc": "2.0", "method": "cancel", "params": { "id": id } }))
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// The answer to a request.
    Answer { id: u64, result: Result<Json, RemoteError> },
    /// How far a request has come.
    Progress {
        id: u64,
        percent: f64,
        /// For people; may be empty.
        message: String,
    },
}

/// The error in an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(super) struct RemoteError {
    /// The code of JSON-RPC; says nothing about events.
    pub(super) code: i64,
    pub(super) message: String,
    /// `failed`, `rejected`, `aborted` or `cancelled`.
    pub(super) status: Option<String>,
    pub(super) reason: Option<String>,
}

/// Reads a line.
///
/// # Errors
/// Why it is no message, as a fragment that follows "a line that".
pub(super) fn parse(line: &str) -> Result<Message, String> {
    let message: Json = serde_json::from_str(line).map_err(|error| format!("is no JSON ({error})"))?;
    if message.get("jsonrpc") != Some(&json!("2.0")) {
        return Err("is no message of JSON-RPC 2.0: it needs \"jsonrpc\": \"2.0\"".to_owned());
    }
    match (message.get("method"), message.get("id")) {
        (Some(_), Some(_)) => Err("is a request, which connectors do not make".to_owned()),
        (Some(Json::String(method)), None) if method == "progress" => progress(&message["params"]),
        (Some(method), None) => Err(format!("is a notification {method}, which is not known")),
        (None, _) => answer(&message),
    }
}

fn progress(params: &Json) -> Result<Message, String> {
    let id = params["id"].as_u64().ok_or("is progress without the \"id\" of a request")?;
    let percent = params["progress"].as_f64().ok_or("is progress whose \"progress\" is no number")?;
    let message = match &params["message"] {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        _ => return Err("is progress whose \"message\" is no text".to_owned()),
    };
    Ok(Message::Progress { id, percent, message })
}

fn answer(message: &Json) -> Result<Message, String> {
    let id = message["id"].as_u64().ok_or("is an answer without the \"id\" of a request")?;
    let result = match (message.get("result"), message.get("error")) {
        (Some(result), None) => Ok(result.clone()),
        (None, Some(error)) => Err(remote_error(error)?),
        _ => return Err("is an answer that does not have one of \"result\" and \"error\"".to_owned()),
    };
    Ok(Message::Answer { id, result })
}

fn remote_error(error: &Json) -> Result<RemoteError, String> {
    let code = error["code"].as_i64().ok_or("is an error whose \"code\" is no whole number")?;
    let message = error["message"].as_str().ok_or("is an error whose \"message\" is no text")?.to_owned();
    let text = |key: &str| match &error["data"][key] {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.clone())),
        _ => Err(format!("is an error whose \"{key}\" is no text")),
    };
    Ok(RemoteError { code, message, status: text("status")?, reason: text("reason")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        let error = RemoteError {
            code: -32000,
            message: "m".to_owned(),
            status: Some("rejected".to_owned()),
            reason: Some("unstable".to_owned()),
        };
        for (line, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, Message::Answer { id: 1, result: Ok(Json::Null) }),
            (
                r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"m","data":{"status":"rejected","reason":"unstable"}}}"#,
                Message::Answer { id: 2, result: Err(error) },
            ),
            (
                r#"{"jsonrpc":"2.0","method":"progress","params":{"id":3,"progress":50}}"#,
                Message::Progress { id: 3, percent: 50.0, message: String::new() },
            ),
        ] {
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_message_is_told_why() {
        for (line, why) in [
            ("hello", "is no JSON"),
            (r#"{"id":1,"result":null}"#, "is no message of JSON-RPC 2.0"),
            ("[]", "is no message of JSON-RPC 2.0"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#, "is a request"),
            (r#"{"jsonrpc":"2.0","method":"x"}"#, "is a notification \"x\""),
            (r#"{"jsonrpc":"2.0","method":"progress","params":{"id":1}}"#, "is progress whose"),
            (r#"{"jsonrpc":"2.0","result":null}"#, "is an answer without"),
            (r#"{"jsonrpc":"2.0","id":"1","result":null}"#, "is an answer without"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "is an answer that does not have one of"),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "is an answer that does not have one of"),
            (r#"{"jsonrpc":"2.0","id":1,"error":"e"}"#, "is an error whose \"code\""),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, "is an error whose \"message\""),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","data":{"status":1}}}"#,
                "is an error whose \"status\"",
            ),
        ] {
            let problem = parse(line).expect_err(line);
            assert!(problem.starts_with(why), "{line}: {problem}");
        }
    }
}
