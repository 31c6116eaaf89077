//! Words on the lines of a screen.

/// What follows the first line of a text is indented by so much more.
const INDENT: usize = 2;

/// The narrowest column that words are wrapped to.
const NARROWEST: usize = 20;

/// The words of a text on lines of a screen, indented, and further from the second line on. A longer word stays whole.
pub(crate) fn wrapped(text: &str, indent: usize, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let width = columns.max(indent + INDENT + NARROWEST);
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            last => {
                let indent = if last.is_some() { indent + INDENT } else { indent };
                lines.push(format!("{:indent$}{word}", ""));
            }
        }
    }
    lines
}

/// The lines, each of them no wider than the screen where its words allow that. Lines that fit stay as they are.
pub(crate) fn fitted(lines: &str, columns: usize) -> String {
    let fit = |line: &str| {
        if line.chars().count() <= columns {
            return vec![line.to_owned()];
        }
        let indent = line.chars().take_while(|c| *c == ' ').count().min(4);
        wrapped(line, indent, columns)
    };
    lines.lines().flat_map(fit).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_to_the_screen() {
        let line = "trial  1/12 baseline     cpu=2.0\n            cost 0.5000  latency 50.00 ≤ 100 ms, rate 3.00 ≥ 0.5";
        assert!(fitted(line, 40).lines().all(|line| line.chars().count() <= 40), "{}", fitted(line, 40));
        assert_eq!(fitted(line, 100), line);
    }
}
