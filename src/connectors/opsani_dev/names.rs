//! Forms of a text that Kubernetes takes as the value of a label, and as the name of an object.

/// The longest value of a label.
const LONGEST_LABEL: usize = 63;

/// The longest name of an object.
const LONGEST_NAME: usize = 253;

/// A text as the value of a label.
pub(super) fn label_value(text: &str) -> String {
    let kept = text.chars().map(|c| replaced(c, '_')).filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c));
    with_ends(kept.take(LONGEST_LABEL).collect(), LONGEST_LABEL)
}

/// A text as the name of an object, as far as replacing characters can make it one.
pub(super) fn object_name(text: &str) -> String {
    let kept = text.chars().flat_map(char::to_lowercase).map(|c| replaced(c, '.'));
    with_ends(kept.take(LONGEST_NAME).collect(), LONGEST_NAME)
}

fn replaced(c: char, slash: char) -> char {
    match c {
        '/' => slash,
        c if c.is_whitespace() => '-',
        c => c,
    }
}

/// With a letter or digit at both ends.
fn with_ends(mut text: String, longest: usize) -> String {
    let cut = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    if text.chars().next().is_some_and(|first| !first.is_alphanumeric()) {
        text = cut(&format!("0-{text}"), longest);
    }
    if text.chars().next_back().is_some_and(|last| !last.is_alphanumeric()) {
        text = format!("{}-1", cut(&text, longest - 2));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_the_characters_that_labels_have() {
        for (text, expected) in [
            ("test.com/foo", "test.com_foo"),
            ("tenant - opt id", "tenant---opt-id"),
            ("a+b=c", "abc"),
            ("-a-", "0--a--1"),
            ("", ""),
            (&"x".repeat(70), &"x".repeat(63)),
            (&format!("{}--", "x".repeat(62)), &format!("{}-1", "x".repeat(61))),
            (&format!("_{}", "x".repeat(62)), &format!("0-_{}", "x".repeat(60))),
        ] {
            assert_eq!(label_value(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_in_lower_case_and_keeps_the_rest() {
        for (text, expected) in
            [("My App/One", "my-app.one"), ("opt_id", "opt_id"), ("-a", "0--a"), (&"x".repeat(300), &"x".repeat(253))]
        {
            assert_eq!(object_name(text), expected, "{text}");
        }
    }
}
