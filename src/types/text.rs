//! Small text forms that several commands share.

/// Items as prose: `a`, `a and b`, `a, b, and c`; `conjunction` is the word before the last.
pub(crate) fn series_text<T: AsRef<str>>(items: &[T], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first, second] => format!("{} {conjunction} {}", first.as_ref(), second.as_ref()),
        [init @ .., last] => {
            let init: Vec<&str> = init.iter().map(AsRef::as_ref).collect();
            format!("{}, {conjunction} {}", init.join(", "), last.as_ref())
        }
    }
}

/// Text in quotes as messages show it: single ones, double ones around text that holds only single ones.
pub(crate) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == quote || c == '\\' => quoted.extend(['\\', c]),
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_reads_as_prose() {
        for (items, text) in
            [(&[] as &[&str], ""), (&["a"], "a"), (&["a", "b"], "a and b"), (&["a", "b", "c"], "a, b, and c")]
        {
            assert_eq!(series_text(items, "and"), text);
        }
        assert_eq!(series_text(&["a", "b", "c"], "or"), "a, b, or c");
    }

    #[test]
    fn quotes_are_chosen_by_the_text() {
        for (text, shown) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("q\"", "'q\"'"),
            ("it's \"q\"", "'it\\'s \"q\"'"),
            ("a\\b\n", "'a\\\\b\\n'"),
        ] {
            assert_eq!(quoted(text), shown);
        }
    }
}
