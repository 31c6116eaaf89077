//! The answers to what an agent reports, and the words that they have.

use serde_json::Value as Json;

use super::command;
use crate::types::Answer;

/// The status words of the protocol.
const STATUS_WORDS: [&str; 8] =
    ["ok", "invalid", "unexpected-event", "cancel", "failed", "rejected", "aborted", "cancelled"];

/// How much of a text of the optimizer's is shown: a few lines of a terminal.
const LONGEST_QUOTE: usize = 300;

/// Why a body is not a command.
pub(super) fn not_a_command(body: &Json) -> String {
    match (status_word(body), body.get("cmd")) {
        (Some(word), _) => {
            let detail = ["reason", "message"].iter().find_map(|key| body.get(*key).and_then(Json::as_str));
            format!(
                "a command was expected, not the status {word:?}{}",
                detail.map_or(String::new(), |d| format!(" ({d})"))
            )
        }
        (None, Some(cmd)) => format!("unknown command {cmd}"),
        (None, None) => "it has neither 'cmd' nor 'status'".to_owned(),
    }
}

fn status_word(body: &Json) -> Option<&str> {
    body.get("status").and_then(Json::as_str).filter(|word| STATUS_WORDS.contains(word))
}

/// Reads the body of the answer to HELLO or GOODBYE: any word of the protocol is accepted.
///
/// # Errors
/// Why it is not an answer of the protocol.
pub(crate) fn decode_greeting(body: &Json) -> Result<(), String> {
    command::decode(body).map(drop).or_else(|problem| status_word(body).map(drop).ok_or(problem))
}

/// Reads the body of the answer to a progress report or a completion.
///
/// # Errors
/// Why it is not an answer of the protocol.
pub(crate) fn decode(body: &Json) -> Result<Answer, String> {
    if command::decode(body).is_ok() {
        return Ok(Answer::Invalid { text: "a command where a status was expected".to_owned() });
    }
    let word = status_word(body).ok_or_else(|| not_a_command(body))?;
    let reason = body.get("reason").and_then(Json::as_str).map(str::to_owned);
    Ok(match word {
        "ok" => Answer::Ok,
        "cancel" => Answer::Cancel { reason },
        "unexpected-event" => Answer::UnexpectedEvent { reason },
        "invalid" if reason.as_deref() == Some("unexpected cmd_uid") => Answer::StaleCommand,
        _ => Answer::Invalid { text: body.to_string().chars().take(LONGEST_QUOTE).collect() },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let answer = |body: Json| decode(&body).expect("an answer");
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
}
