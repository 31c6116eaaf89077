//! Text from elsewhere as a terminal may show it: without characters that command it.

use std::borrow::Cow;

/// The text with its control characters escaped, except for newlines and tabs: it may come from a script, a server or a
/// file, and must not move the cursor, change colours or set the title.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let commands = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if commands(c) {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    Cow::Owned(printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_but_for_newlines_and_tabs() {
        assert_eq!(printable("red \x1b[31m\rtext\u{9b}\nnext\tline é"), "red \\u{1b}[31m\\rtext\\u{9b}\nnext\tline é");
        assert!(matches!(printable("plain\n"), Cow::Borrowed(_)));
    }
}
