//! The syntax of `.env` files: `NAME=value`, `export NAME='value'`, quotes over several lines, comments, `${NAME}`.
//!
//! Written here because the reader at hand expands `$NAME` and reads backslashes in unquoted values, which breaks
//! tokens that existing files hold, and looks into the process environment on its own.

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Names and values in order, references not yet expanded.
    pub(super) assignments: Vec<(String, String)>,
    /// One sentence for every line that is ignored because it cannot be read; it does not repeat the line.
    pub(super) warnings: Vec<String>,
}

pub(super) fn parse(text: &str, source: &str) -> Parsed {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text) };
    let mut parsed = Parsed::default();
    loop {
        reader.rest = reader.rest.trim_start();
        if reader.rest.is_empty() {
            return parsed;
        }
        let line = text[..text.len() - reader.rest.len()].matches('\n').count() + 1;
        match reader.statement() {
            Some(Statement::Assignment(name, value)) => parsed.assignments.push((name, value)),
            Some(Statement::Nothing) => {}
            None => {
                parsed.warnings.push(format!("{source}:{line}: ignored, as it is not of the form NAME=value"));
                reader.line();
            }
        }
    }
}

/// Replaces `${NAME}` by the variable's value, nothing when it has none, and `${NAME:-text}` by the text then.
pub(super) fn expand<'v>(value: &str, variable: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        expanded.push_str(before);
        let Some((inner, after)) = reference[2..].split_once('}') else {
            rest = reference;
            break;
        };
        let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
        if name.contains(':') {
            expanded.push_str(&reference[..inner.len() + 3]);
        } else {
            expanded.push_str(variable(name).unwrap_or(default));
        }
        rest = after;
    }
    expanded + rest
}

enum Statement {
    Assignment(String, String),
    /// A comment, or a name without a value.
    Nothing,
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    /// Reads one statement to the end of its last line; `None` when it is none.
    fn statement(&mut self) -> Option<Statement> {
        if self.rest.starts_with('#') {
            self.line();
            return Some(Statement::Nothing);
        }
        if let Some(after) = self.rest.strip_prefix("export").filter(|after| after.starts_with([' ', '\t'])) {
            self.rest = after;
            self.blanks();
        }
        let name = self.name()?;
        self.blanks();
        let statement = if self.take('=') {
            self.blanks();
            Statement::Assignment(name, self.value()?)
        } else {
            Statement::Nothing
        };
        self.blanks();
        let end = self.line();
        (end.is_empty() || end.starts_with('#')).then_some(statement)
    }

    fn name(&mut self) -> Option<String> {
        if self.take('\'') {
            let (name, after) = self.rest.split_once('\'')?;
            self.rest = after;
            return (!name.is_empty()).then(|| name.to_owned());
        }
        let end = self.rest.find(|c: char| matches!(c, '=' | '#') || c.is_whitespace()).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(end);
        self.rest = after;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn value(&mut self) -> Option<String> {
        if self.take('\'') {
            self.quoted('\'', |c| matches!(c, '\\' | '\'').then_some(c))
        } else if self.take('"') {
            self.quoted('"', |c| match c {
                '\\' | '\'' | '"' => Some(c),
                'a' => Some('\u{7}'),
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'v' => Some('\u{b}'),
                _ => None,
            })
        } else {
            Some(without_comment(self.line()).trim_end().to_owned())
        }
    }

    /// Reads to the closing quote. A backslash before a character that `escape` does not know stands for itself.
    fn quoted(&mut self, quote: char, escape: impl Fn(char) -> Option<char>) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            if c == quote {
                self.rest = chars.as_str();
                return Some(value);
            }
            let escaped = if c == '\\' { chars.clone().next().and_then(&escape) } else { None };
            value.push(escaped.unwrap_or(c));
            if escaped.is_some() {
                chars.next();
            }
        }
        None
    }

    fn take(&mut self, c: char) -> bool {
        let after = self.rest.strip_prefix(c);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() && !matches!(c, '\n' | '\r'));
    }

    /// Takes what is left of the line.
    fn line(&mut self) -> &'t str {
        let (line, after) = self.rest.split_at(self.rest.find(['\n', '\r']).unwrap_or(self.rest.len()));
        self.rest = after;
        line
    }
}

/// An unquoted value up to a `#` after a blank; a `#` inside a word belongs to it.
fn without_comment(value: &str) -> &str {
    let comment = value.char_indices().find(|(at, c)| *c == '#' && value[..*at].ends_with(char::is_whitespace));
    comment.map_or(value, |(at, _)| &value[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, assignments: &[(&str, &str)]) {
        let expected = assignments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse(text, ".env"), Parsed { assignments: expected, warnings: Vec::new() }, "{text:?}");
    }

    #[test]
    fn names_and_values_are_read_in_every_usual_form() {
        check("A=1", &[("A", "1")]);
        check("\u{feff}A=1\r\nB=2\r\n", &[("A", "1"), ("B", "2")]);
        check("export A = 1\n  B=2  \n", &[("A", "1"), ("B", "2")]);
        check("# comment\n\nA=1 # comment\nB=1#2\n", &[("A", "1"), ("B", "1#2")]);
        check("A=\nB=''\nC=\"\"\nD\n", &[("A", ""), ("B", ""), ("C", "")]);
        check("A=two words\nB='x' # c\nC=\"a#b\"\n", &[("A", "two words"), ("B", "x"), ("C", "a#b")]);
        check("A=$x\\n\nB='$x\\n'\nC=\"$x\\n\"\n", &[("A", "$x\\n"), ("B", "$x\\n"), ("C", "$x\n")]);
        check("A='it\\'s'\nB=\"say \\\"hi\\\"\\q\"\n", &[("A", "it's"), ("B", "say \"hi\"\\q")]);
        check("A='{\n  \"b\": 1\n}'\nC=1\n", &[("A", "{\n  \"b\": 1\n}"), ("C", "1")]);
        check("exported=1\n'quoted'=2\n", &[("exported", "1"), ("quoted", "2")]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_reported_by_its_number_only() {
        let parsed = parse("A=1\n\nB='s3cr3t' x\nC=\"open\n=1\nD=2\n", ".env");
        assert_eq!(parsed.assignments, [("A".to_owned(), "1".to_owned()), ("D".to_owned(), "2".to_owned())]);
        let lines: Vec<_> = parsed.warnings.iter().map(|warning| &warning[..7]).collect();
        assert_eq!(lines, [".env:3:", ".env:4:", ".env:5:"]);
        assert!(!parsed.warnings.join("").contains("s3cr3t"));
    }

    #[test]
    fn references_have_braces_and_may_have_a_default() {
        let variable = |name: &str| (name == "X").then_some("1");
        for (value, expanded) in [
            ("${X}", "1"),
            ("a${X}b${X}", "a1b1"),
            ("${Y}", ""),
            ("${Y:-d}", "d"),
            ("${X:-d}", "1"),
            ("$X", "$X"),
            ("${X", "${X"),
            ("${a:b}", "${a:b}"),
            ("$${X}", "$1"),
        ] {
            assert_eq!(expand(value, variable), expanded);
        }
    }
}
