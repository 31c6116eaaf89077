//! A Markdown file as far as the tests need it: fenced blocks, headings, links, words in code.

use regex::Regex;

/// A fenced block.
pub(super) struct Block {
    /// Of its first line; the file's first line is 1.
    pub(super) line: usize,
    /// What stands behind the fence, such as `yaml`.
    pub(super) language: String,
    pub(super) text: String,
    /// What a comment `<!-- not run: … -->` above it says.
    pub(super) not_run: Option<String>,
}

/// A file, taken apart.
pub(super) struct Document {
    /// Below the repository, such as `docs/output.md`.
    pub(super) path: String,
    pub(super) blocks: Vec<Block>,
    /// Everything outside of blocks, with the numbers of the lines.
    prose: Vec<(usize, String)>,
}

impl Document {
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let mut document = Self { path: path.to_owned(), blocks: Vec::new(), prose: Vec::new() };
        let mut not_run = None;
        let mut open: Option<(Block, usize)> = None;
        for (index, line) in text.lines().enumerate() {
            let stripped = line.trim_start();
            match open.take() {
                Some((block, _)) if stripped.starts_with("```") => document.blocks.push(block),
                Some((mut block, indent)) => {
                    block.text += line.get(indent..).unwrap_or(stripped);
                    block.text.push('\n');
                    open = Some((block, indent));
                }
                None => {
                    if let Some(language) = stripped.strip_prefix("```") {
                        let language = language.trim().to_owned();
                        let block = Block { line: index + 2, language, text: String::new(), not_run: not_run.take() };
                        open = Some((block, line.len() - stripped.len()));
                    } else {
                        let comment = stripped.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix("-->"));
                        if !stripped.is_empty() {
                            not_run = comment.map(|reason| reason.trim().to_owned());
                        }
                        document.prose.push((index + 1, line.to_owned()));
                    }
                }
            }
        }
        assert!(open.is_none(), "{path}: a block is not closed");
        document
    }

    /// The addresses of its headings, as GitHub makes them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = self.prose.iter().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The targets of links and pictures.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
        self.found(&link, without_code)
    }

    /// What stands between backquotes.
    pub(super) fn words_in_code(&self) -> Vec<(usize, String)> {
        self.found(&Regex::new("`([^`]+)`").unwrap(), str::to_owned)
    }

    fn found(&self, pattern: &Regex, prepared: impl Fn(&str) -> String) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in &self.prose {
            let line = prepared(line);
            found.extend(pattern.captures_iter(&line).map(|captures| (*number, captures[1].to_owned())));
        }
        found
    }
}

fn without_code(line: &str) -> String {
    // The text of a link may be code, and stays.
    Regex::new("`[^`]*`").unwrap().replace_all(line, "code").into_owned()
}

fn anchor(heading: &str) -> String {
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let text = link.replace_all(heading, "$1").to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn blocks_have_their_lines_and_what_stands_above_them() {
    let text = "a\n<!-- not run: needs a cluster -->\n```console\n$ servo run\n```\n\n1. b\n\n   ```yaml\n   x:\n     y: 1\n   ```\n";
    let blocks = Document::parse("a.md", text).blocks;
    let blocks: Vec<_> = blocks
        .iter()
        .map(|block| (block.line, block.language.as_str(), block.text.as_str(), block.not_run.as_deref()))
        .collect();
    let expected = [(4, "console", "$ servo run\n", Some("needs a cluster")), (10, "yaml", "x:\n  y: 1\n", None)];
    assert_eq!(blocks, expected);
}

#[test]
fn headings_have_the_addresses_of_their_host() {
    for (heading, expected) in [
        ("Build and test", "build-and-test"),
        ("kubernetes.deployments[].containers[]", "kubernetesdeploymentscontainers"),
        ("`servo run`: signals", "servo-run-signals"),
        ("A [link](x.md) here", "a-link-here"),
    ] {
        assert_eq!(anchor(heading), expected);
    }
}
