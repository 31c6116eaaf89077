//! The section of a `wait` connector.

use crate::decode::keys;

keys! {
    /// Waits while something else measures.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct WaitConfig {
        /// Free text.
        pub(super) description: Option<String> = None,
        /// Whether a measurement is waited for. Required.
        pub(super) measure_enabled: bool,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connector::{ConnectorName, Section};
    use crate::decode::{Decoder, NoVariables, Node, Origin};

    fn check(section: &serde_json::Value, expected: Result<(Option<&str>, bool), &str>) {
        let node = Node::from_json(section, &Origin::whole("test"));
        let name = ConnectorName::new("wait");
        let parsed = Decoder::run(&NoVariables, |cx| {
            cx.within("wait", |cx| Section { name: &name, node: &node, prefix: "SERVO_WAIT_" }.keys::<WaitConfig>(cx))
        });
        let found = parsed.map(|config| (config.description, config.measure_enabled));
        let expected = expected.map(|(description, enabled)| (description.map(str::to_owned), enabled));
        assert_eq!(found.map_err(|problems| problems.to_string()), expected.map_err(str::to_owned), "{section}");
    }

    #[test]
    fn measure_enabled_is_required_and_unknown_keys_are_refused() {
        check(&json!({ "measure_enabled": true }), Ok((None, true)));
        check(&json!({ "measure_enabled": "no", "description": "d" }), Ok((Some("d"), false)));
        check(&json!({}), Err("test: wait.measure_enabled: field required"));
        check(
            &json!({ "measure_enabled": null, "extra": 1 }),
            Err(
                "test: wait.measure_enabled: none is not an allowed value\ntest: wait.extra: extra fields not permitted",
            ),
        );
        check(&json!([]), Err("test: wait: value is not a valid mapping"));
    }
}
