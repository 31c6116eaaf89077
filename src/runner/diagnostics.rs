//! The diagnostics loop: once a minute it asks whether the optimizer's operators want configuration and recent log, and
//! sends them. Off unless `no_diagnostics: false`. Secrets are never sent.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::optimizer::{Diagnostics, DiagnosticsRequest, Optimizer, OptimizerError};
use crate::servo::Servo;

const INTERVAL: Duration = Duration::from_mins(1);

/// Something that has the recent log: whole lines, oldest first, as they were written.
pub(crate) trait LogSource: Send + Sync {
    fn recent(&self) -> String;
}

/// Asks once a minute, first at once, until told to stop. Failures are logged and do not end it.
pub(super) async fn poll(servo: &Servo, optimizer: &dyn Optimizer, log: Option<&dyn LogSource>) {
    let Some(diagnostics) = optimizer.diagnostics() else { return };
    if servo.config().no_diagnostics {
        tracing::info!("diagnostics are disabled");
        return;
    }
    loop {
        match turn(servo, diagnostics, log).await {
            Ok(DiagnosticsRequest::Stop) => {
                tracing::info!("the optimizer asked to stop diagnostics");
                return;
            }
            Ok(DiagnosticsRequest::Withhold | DiagnosticsRequest::Send) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a round of diagnostics failed");
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn turn(
    servo: &Servo,
    diagnostics: &dyn Diagnostics,
    log: Option<&dyn LogSource>,
) -> Result<DiagnosticsRequest, OptimizerError> {
    let request = diagnostics.poll().await?;
    if request == DiagnosticsRequest::Send {
        let lines = log.map(LogSource::recent).unwrap_or_default();
        diagnostics.send(&json!({"configmap": servo.redacted_config(), "logs": by_time(&lines)})).await?;
    }
    Ok(request)
}

/// Log lines as a map from their time to the rest. Lines without a time continue the one before; lines of the same time
/// are joined.
fn by_time(lines: &str) -> Value {
    let mut entries = Map::new();
    let mut last: Option<String> = None;
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let (time, text) = match (line.split_once(" | "), last.take()) {
            (Some((time, text)), _) => (time.to_owned(), text),
            (None, Some(time)) => (time, line),
            // The beginning of its entry is no longer there.
            (None, None) => continue,
        };
        match entries.get_mut(&time) {
            Some(Value::String(entry)) => {
                entry.push('\n');
                entry.push_str(text);
            }
            _ => {
                entries.insert(time.clone(), text.into());
            }
        }
        last = Some(time);
    }
    Value::Object(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_of_one_time_are_joined_and_continuations_appended() {
        let lines = "cut off\n2026-01-01 00:00:00.001 | INFO | a\nmore\n2026-01-01 00:00:00.001 | INFO | b\n\n2026-01-01 00:00:00.002 | INFO | c\n";
        let expected = json!({
            "2026-01-01 00:00:00.001": "INFO | a\nmore\nINFO | b",
            "2026-01-01 00:00:00.002": "INFO | c",
        });
        assert_eq!(by_time(lines), expected);
    }
}
