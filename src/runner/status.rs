//! What the optimizer is told of a failed event: one total match from the kind of error to the word on the wire.

use crate::connector::{ErrorKind, EventError};
use crate::types::{Status, StatusWord};

/// The status of a failed event. Its message is the error with everything underneath.
pub(super) fn of(error: &EventError) -> Status {
    Status { word: word(error.kind()), message: error.chain(), reason: error.reason().map(str::to_owned) }
}

pub fn word(kind: ErrorKind) -> StatusWord {
    match kind {
        ErrorKind::Failed | ErrorKind::MeasurementFailed | ErrorKind::AdjustmentFailed => StatusWord::Failed,
        ErrorKind::Rejected => StatusWord::Rejected,
        ErrorKind::Aborted => StatusWord::Aborted,
        ErrorKind::Cancelled => StatusWord::Cancelled,
    }
}
