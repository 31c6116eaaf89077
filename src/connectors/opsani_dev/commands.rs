//! Commands that a person can paste into a shell: what a remedy does, said with kubectl.

use std::borrow::Cow;

use serde_json::Value as Json;

/// A command of kubectl in a namespace.
pub(super) fn kubectl(namespace: &str, words: &[&str]) -> String {
    let all = ["kubectl", "--namespace", namespace].into_iter().chain(words.iter().copied());
    all.map(word).collect::<Vec<_>>().join(" ")
}

/// The command that patches an object, such as `deployment/web`, as the API client does.
pub(super) fn patch(namespace: &str, object: &str, patch: &Json) -> String {
    kubectl(namespace, &["patch", object, "--type", "strategic", "--patch", &patch.to_string()])
}

/// The command that sends a port of a workload about 50 requests.
pub(super) fn traffic(namespace: &str, target: &str, port: u16) -> String {
    let forward = kubectl(namespace, &["port-forward", target, &port.to_string()]);
    let request = format!("curl --silent --output /dev/null http://localhost:{port}/");
    format!("{forward} & sleep 2; for i in $(seq 50); do {request}; sleep 0.2; done; kill $!")
}

/// A word that a shell reads as it is.
fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    // Nothing is special between single quotes but the quote itself.
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        for (text, expected) in [
            ("deployment/web", "deployment/web"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(rm -rf)", "'$(rm -rf)'"),
            ("it's", r"'it'\''s'"),
            ("a\"b", "'a\"b'"),
            ("~", "'~'"),
        ] {
            assert_eq!(word(text), expected);
        }
    }

    #[test]
    fn a_patch_is_one_word() {
        let command = patch("shop", "deployment/web", &json!({ "a": "it's" }));
        let expected = r#"kubectl --namespace shop patch deployment/web --type strategic --patch '{"a":"it'\''s"}'"#;
        assert_eq!(command, expected);
    }
}
