//! YAML in and out: the text of a file becomes one value tree per document, and a value becomes text again.
//!
//! It does not know what the keys mean.

use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;

use crate::decode::{KeyPath, Map, Node, Origin, Problem, Problems, Value};
use crate::yaml;

pub use crate::yaml::to_yaml;

/// The longest file that is read, in bytes; a servo.yaml has a few thousand.
const LONGEST: usize = 16 << 20;

/// The documents of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedFile {
    /// At least one; every one is a mapping.
    pub documents: Vec<Node>,
    /// Complete sentences with positions, about what is legal but hardly meant.
    pub warnings: Vec<String>,
}

/// Reads and parses a file.
///
/// # Errors
/// The file cannot be read, or as [`parse_bytes`].
pub(crate) async fn read_file(path: &Path) -> Result<ParsedFile, Problems> {
    let source = path.display().to_string();
    let bytes = read_at_most(path, LONGEST + 1)
        .await
        .map_err(|error| whole(&Origin::whole(source.as_str()), format!("cannot read the file: {error}")))?;
    parse_bytes(&bytes, &source)
}

async fn read_at_most(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(limit as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Parses the content of the file called `source`.
///
/// # Errors
/// The content is longer than 16 MiB or not UTF-8, or as [`parse_documents`].
pub fn parse_bytes(bytes: &[u8], source: &str) -> Result<ParsedFile, Problems> {
    if bytes.len() > LONGEST {
        let rule = format!("the file is longer than {} MiB", LONGEST >> 20);
        return Err(whole(&Origin::whole(source), rule));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = valid.matches('\n').count() + 1;
        let column = valid.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        whole(&Origin::at(source.into(), line, column), "the file is not UTF-8 text")
    })?;
    parse_documents(text, source)
}

/// Parses the text of the file called `source`. A text without any document counts as one empty mapping.
///
/// # Errors
/// The first error of syntax, with its position; or every document that is not a mapping.
pub fn parse_documents(text: &str, source: &str) -> Result<ParsedFile, Problems> {
    let source: Arc<str> = source.into();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut documents, warnings) = yaml::documents(text, &source)?;
    if documents.is_empty() {
        documents.push(Node::new(Value::Map(Map::default()), Origin::at(source, 1, 1)));
    }
    let mut problems = Problems::default();
    for document in &documents {
        match &document.value {
            Value::Map(_) => {}
            Value::Null => problems.append(whole(&document.origin, "the document is empty: it must be a mapping")),
            other => problems
                .append(whole(&document.origin, format!("a document must be a mapping, found {}", other.kind()))),
        }
    }
    if problems.is_empty() { Ok(ParsedFile { documents, warnings }) } else { Err(problems) }
}

fn whole(origin: &Origin, rule: impl Into<String>) -> Problems {
    Problem { origin: origin.clone(), path: KeyPath::default(), value: None, rule: rule.into(), hint: None }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_fails(bytes: &[u8], messages: &[&str]) {
        let problems = parse_bytes(bytes, "f").expect_err("the file is accepted");
        assert_eq!(problems.to_string(), messages.join("\n"));
    }

    #[test]
    fn a_text_without_documents_is_one_empty_mapping() {
        for text in ["", "# comment\n", "\u{feff}\n", "%YAML 1.1\n---\n{}\n"] {
            let parsed = parse_documents(text, "f").unwrap();
            assert_eq!(parsed.documents, [Node::new(Value::Map(Map::default()), Origin::whole("f"))], "{text:?}");
        }
    }

    #[test]
    fn every_document_that_is_no_mapping_is_reported() {
        let null = "the document is empty: it must be a mapping";
        check_fails(b"---\n", &[&format!("f:2:1: {null}")]);
        check_fails(
            b"a: 1\n---\n- b\n---\n42\n---\n",
            &[
                "f:3:1: a document must be a mapping, found list",
                "f:5:1: a document must be a mapping, found integer",
                &format!("f:7:1: {null}"),
            ],
        );
    }

    #[test]
    fn documents_keep_their_order() {
        let parsed = parse_documents("a: 1\n---\na: 2\n...\n", "f").unwrap();
        assert_eq!(
            parsed.documents.iter().map(Node::to_json).collect::<serde_json::Value>().to_string(),
            r#"[{"a":1},{"a":2}]"#
        );
    }

    #[test]
    fn what_is_not_utf_8_or_too_long_is_refused() {
        check_fails(b"a: 1\nb: \xc3\xa9\xff\n", &["f:2:5: the file is not UTF-8 text"]);
        check_fails(&vec![b'#'; LONGEST + 1], &["f: the file is longer than 16 MiB"]);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_a_problem_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servo.yaml");
        let problems = read_file(&path).await.expect_err("there is no file");
        assert!(problems.to_string().starts_with(&format!("{}: cannot read the file: ", path.display())), "{problems}");
        std::fs::write(&path, "a: 1\n").unwrap();
        assert_eq!(read_file(&path).await.unwrap().documents[0].origin.to_string(), format!("{}:1:1", path.display()));
    }
}
