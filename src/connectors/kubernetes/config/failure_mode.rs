//! What becomes of a workload whose adjustment fails.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;

use crate::decode::{Decode, Decoder, Node, Secrets, Show, Value, words};

/// What becomes of a workload whose adjustment fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailureMode {
    /// The failure is reported, and the workload stays as it failed.
    #[default]
    Exception,
    /// The failure is logged, and the adjustment counts as done.
    Ignore,
    /// The failure is reported, and the workload is scaled to zero or its tuning pod is made anew.
    Shutdown,
    /// The failure is reported, and the workload is given its old values again.
    Rollback,
}

/// The old name of [`FailureMode::Shutdown`].
const DESTROY: &str = "destroy";

const NAMES: [(&str, FailureMode); 5] = [
    ("exception", FailureMode::Exception),
    ("ignore", FailureMode::Ignore),
    ("shutdown", FailureMode::Shutdown),
    ("rollback", FailureMode::Rollback),
    (DESTROY, FailureMode::Shutdown),
];

impl FailureMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exception => "exception",
            Self::Ignore => "ignore",
            Self::Shutdown => "shutdown",
            Self::Rollback => "rollback",
        }
    }
}

impl Show for FailureMode {
    fn show(&self, _: Secrets) -> Json {
        self.as_str().into()
    }
}

impl JsonSchema for FailureMode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FailureMode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(NAMES.map(|(name, _)| name))
    }
}

impl Decode for FailureMode {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mode = cx.member(node, &NAMES)?;
        if matches!(&node.value, Value::Text(text) if text == DESTROY) {
            cx.warn(node, "'destroy' is an old name: write 'shutdown'");
        }
        Some(mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{NoVariables, Origin};

    fn decode(text: &str) -> (Option<FailureMode>, Vec<String>) {
        let node = Node::new(Value::Text(text.to_owned()), Origin::whole("test"));
        let mut cx = Decoder::new(&NoVariables);
        let mode = cx.within("on_failure", |cx| FailureMode::decode(&node, cx));
        let warnings = cx.take_warnings();
        (cx.finish(mode).ok(), warnings)
    }

    #[test]
    fn a_mode_has_its_name_and_the_old_one_of_shutdown_is_noted() {
        for (name, mode) in NAMES.into_iter().filter(|(name, _)| *name != DESTROY) {
            assert_eq!(decode(name), (Some(mode), Vec::new()));
            assert_eq!(mode.as_str(), name);
        }
        let warning = "test: on_failure: 'destroy' is an old name: write 'shutdown'".to_owned();
        assert_eq!(decode(DESTROY), (Some(FailureMode::Shutdown), vec![warning]));
        assert_eq!(decode("Shutdown"), (None, Vec::new()));
    }
}
