//! What an agent posts besides completions: the envelope of every event, HELLO, and progress.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::types::Progress;

/// An event with its parameters, as it is posted.
pub(crate) fn envelope(event: &str, param: &impl Serialize, servo_uid: Option<&str>) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a, P> {
        event: &'a str,
        param: &'a P,
        #[serde(skip_serializing_if = "Option::is_none")]
        servo_uid: Option<&'a str>,
    }
    // Texts, numbers and maps with text keys: none of them can fail to be written.
    serde_json::to_vec(&Envelope { event, param, servo_uid }).unwrap_or_default().into()
}

/// The parameters of HELLO.
pub(crate) fn hello(agent: &str, telemetry: &BTreeMap<String, String>) -> Json {
    json!({ "agent": agent, "telemetry": telemetry })
}

/// The parameters of a progress report.
pub(crate) fn progress(progress: &Progress) -> Json {
    let mut param = Map::new();
    param.insert("progress".to_owned(), progress.percent.into());
    param.insert("runtime".to_owned(), progress.runtime.as_secs_f64().into());
    param.insert("message".to_owned(), progress.message.as_str().into());
    with_uid(param, progress.uid.as_ref())
}

pub(super) fn with_uid(mut param: Map<String, Json>, uid: Option<&Json>) -> Json {
    if let Some(uid) = uid {
        param.insert("cmd_uid".to_owned(), uid.clone());
    }
    Json::Object(param)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Operation;

    #[test]
    fn ids_are_sent_only_when_there_are_any() {
        assert_eq!(envelope("HELLO", &Json::Null, None), r#"{"event":"HELLO","param":null}"#);
        assert_eq!(envelope("HELLO", &Json::Null, Some("u")), r#"{"event":"HELLO","param":null,"servo_uid":"u"}"#);
        let param = progress(&Progress {
            operation: Operation::Measurement,
            uid: Some(json!(7)),
            percent: 25.0,
            runtime: std::time::Duration::from_millis(1500),
            message: "m\n".to_owned(),
        });
        assert_eq!(param, json!({"progress": 25.0, "runtime": 1.5, "message": "m\n", "cmd_uid": 7}));
    }
}
