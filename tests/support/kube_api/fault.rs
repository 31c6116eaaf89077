//! What goes wrong, and when.

use std::time::Duration;

use serde_json::Value;

use super::call::Call;
use super::objects::Refusal;

/// What happens to a request instead of its answer.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// A `Status` with this code.
    Refuse(Refusal),
    /// Any answer.
    Answer(u16, Value),
    /// The connection is dropped without an answer.
    Drop,
    /// The usual effect and answer, after this time, whether or not the client still waits. It is recorded at once.
    Late(Duration),
    /// No answer for as long as the client waits.
    Hang,
    /// A watch says this error, then ends.
    WatchError(Refusal),
}

/// A fault of the requests that it matches.
pub(crate) struct Fault {
    matches: Box<dyn Fn(&Call) -> bool + Send>,
    skip: usize,
    times: usize,
    effect: Effect,
}

impl Fault {
    /// Of every request that matches.
    pub(crate) fn when(matches: impl Fn(&Call) -> bool + Send + 'static, effect: Effect) -> Self {
        Self { matches: Box::new(matches), skip: 0, times: usize::MAX, effect }
    }

    /// Of every request with this [summary](Call::summary).
    pub(crate) fn on(summary: &str, effect: Effect) -> Self {
        let summary = summary.to_owned();
        Self::when(move |call| call.summary() == summary, effect)
    }

    /// Of so many requests only.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Not of the first ones.
    pub(crate) fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// The effect on this request, which is counted.
    pub(super) fn strike(&mut self, call: &Call) -> Option<Effect> {
        if self.times == 0 || !(self.matches)(call) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.effect.clone())
    }
}
