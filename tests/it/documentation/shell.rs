//! The commands of a block, as a shell would take them apart.

/// A command of a pipe or a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Simple {
    pub(super) words: Vec<String>,
}

/// The lines of a block that are commands: in `console` those behind a prompt, in `sh` all but comments. A backslash at
/// the end of a line joins the next one.
pub(super) fn lines(language: &str, text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match language {
        "console" => lines.filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect(),
        _ => lines.map(str::to_owned).collect(),
    }
}

/// The commands of a line, without redirections, assignments before a command, and `sudo`.
pub(super) fn commands(line: &str) -> Vec<Simple> {
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut is_target = false;
    for token in tokens(line) {
        match token {
            Token::Separator => {
                is_target = false;
                commands.push(std::mem::take(&mut words));
            }
            Token::Redirection => is_target = true,
            Token::Word(_) if std::mem::take(&mut is_target) => {}
            Token::Word(word) => words.push(word),
        }
    }
    commands.push(words);
    commands.into_iter().map(without_assignments).filter(|simple| !simple.words.is_empty()).collect()
}

fn without_assignments(words: Vec<String>) -> Simple {
    let is_prefix = |word: &String| {
        word == "sudo"
            || word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    Simple { words: words.into_iter().skip_while(is_prefix).collect() }
}

enum Token {
    Word(String),
    /// `|`, `&&`, `;`, `&`, and the brackets of a substitution.
    Separator,
    Redirection,
}

fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | ';' | '&' | '>' | '<' | '(' | ')') => {
                tokens.extend(word.take().filter(|word| word != "$").map(Token::Word));
                match c {
                    ' ' => {}
                    '<' | '>' => tokens.push(Token::Redirection),
                    _ => tokens.push(Token::Separator),
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote is not closed: {line}");
    tokens.extend(word.map(Token::Word));
    tokens
}

#[test]
fn a_line_is_taken_apart() {
    for (line, expected) in [
        ("servo run  # until the end", vec![vec!["servo", "run"]]),
        ("TOKEN=x servo check && servo run", vec![vec!["servo", "check"], vec!["servo", "run"]]),
        ("servo man | man -l -", vec![vec!["servo", "man"], vec!["man", "-l", "-"]]),
        ("servo schema > 'a b.json'", vec![vec!["servo", "schema"]]),
        ("source <(servo completions bash)", vec![vec!["source"], vec!["servo", "completions", "bash"]]),
        ("servo check --name '/a b/' \"c d\"", vec![vec!["servo", "check", "--name", "/a b/", "c d"]]),
    ] {
        let found: Vec<Vec<String>> = commands(line).into_iter().map(|simple| simple.words).collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn only_lines_behind_a_prompt_are_commands_of_a_console() {
    let text = "$ servo a \\\n    b\noutput\n$ servo c\n";
    assert_eq!(lines("console", text), ["servo a      b", "servo c"]);
    assert_eq!(lines("sh", "# one\nservo a\n\nservo b\n"), ["servo a", "servo b"]);
}
