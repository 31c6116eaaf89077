//! What is written for people is true: every command is accepted and, where it can be, run; every configuration is valid;
//! every link, address and path leads somewhere; what is generated is current.
//!
//! A block whose commands need what is not here has a comment above it: `<!-- not run: needs a cluster -->`. They are
//! parsed all the same. All others are run in the order of the document, in a folder with a simulated service.

mod manual;
mod markdown;
mod pictures;
mod shell;

use std::path::Path;

use crate::support::servo_bin::{ServoBin, succeeded};
use markdown::{Block, Document};
use shell::Simple;

/// What the commands of the documents are run on; what is found in so many trials is confirmed.
const FIXTURE: &str = "\
optimizer:
  embedded: {slo: [{metric: p99_latency, threshold: 250}], trials: 20, measure: {warmup: 10s, duration: 1m}}
simulation: {component: web, speed: 100000}
";

/// An optimizer for the fragments that have none.
const OPTIMIZER: &str = "optimizer: {id: dev.example.com/app, token: t}\n";

/// What `servo run` logs when the fixture has been optimized; it goes on until a signal then.
const OPTIMIZED: &str = "the optimization is over";

/// Programs of others that a document may name.
const PROGRAMS: &[&str] = &[
    "cargo", "cd", "chmod", "cp", "curl", "docker", "git", "helm", "install", "kubectl", "man", "mkdir", "podman",
    "promtool", "source", "tar",
];

/// Where the paths of the repository begin, so that words in code can be told from others.
const FOLDERS: &[&str] = &[".ci", ".github", "benches", "deploy", "docs", "examples", "src", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Document {
    Document::parse(path, &std::fs::read_to_string(root().join(path)).unwrap())
}

fn documents() -> Vec<Document> {
    let entries = std::fs::read_dir(root().join("docs")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|extension| extension == "md"));
    let mut paths: Vec<String> =
        pages.map(|file| format!("docs/{}", file.file_name().unwrap().to_str().unwrap())).collect();
    paths.sort();
    paths.insert(0, "README.md".to_owned());
    assert!(paths.len() > 3, "{paths:?}");
    paths.iter().map(|path| read(path)).collect()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n  {}", problems.len(), problems.join("\n  "));
}

/// The commands of a document's blocks, each with the block that it stands in.
fn commands(document: &Document) -> Vec<(&Block, Simple)> {
    let blocks = document.blocks.iter().filter(|block| ["console", "sh"].contains(&block.language.as_str()));
    let lines =
        blocks.flat_map(|block| shell::lines(&block.language, &block.text).into_iter().map(move |line| (block, line)));
    lines.flat_map(|(block, line)| shell::commands(&line).into_iter().map(move |simple| (block, simple))).collect()
}

/// The arguments of a command that is servo.
fn arguments(words: &[String]) -> Option<&[String]> {
    match words {
        [program, arguments @ ..] if program == "servo" || program.ends_with("/servo") => Some(arguments),
        [cargo, run, rest @ ..] if cargo == "cargo" && run == "run" => {
            let start = rest.iter().position(|word| word == "--").map_or(rest.len(), |place| place + 1);
            Some(&rest[start..])
        }
        _ => None,
    }
}

/// What is wrong with the commands of a document, none of which is run.
fn wrong_commands(document: &Document) -> Vec<String> {
    let wrong = commands(document).into_iter().filter_map(|(block, simple)| {
        let problem = if let Some(arguments) = arguments(&simple.words) {
            let line = std::iter::once("servo").chain(arguments.iter().map(String::as_str));
            servox::internals::cli::check_arguments(servox::internals::connectors::CONNECTORS, line).err()
        } else {
            let program = &simple.words[0];
            let is_ours = program.contains('/') && root().join(program).is_file();
            (!is_ours && !PROGRAMS.contains(&program.as_str())).then(|| format!("no program is named {program}"))
        };
        Some(format!("{}:{}: {}: {}", document.path, block.line, simple.words.join(" "), problem?.trim()))
    });
    wrong.collect()
}

#[test]
fn every_command_is_accepted() {
    let documents = documents();
    let count: usize = documents.iter().map(|document| commands(document).len()).sum();
    assert!(count > 30, "only {count} commands were found");
    report(&documents.iter().flat_map(wrong_commands).collect::<Vec<_>>());
}

/// What is wrong with the commands of a document that are run, in their order.
async fn failing_commands(document: &Document) -> Vec<String> {
    let servo = ServoBin::configured(FIXTURE);
    let mut problems = Vec::new();
    for (block, simple) in commands(document) {
        let Some(arguments) = arguments(&simple.words).filter(|_| block.not_run.is_none()) else { continue };
        let finished = if arguments.first().is_some_and(|word| word == "run") {
            let running = servo.start_with(arguments);
            running.wait_for_error_text(OPTIMIZED).await;
            running.interrupt().await
        } else {
            servo.start_with(arguments).finish().await
        };
        if finished.code != Some(0) {
            problems.push(format!("{}:{}: {}: {finished:?}", document.path, block.line, simple.words.join(" ")));
        }
    }
    problems
}

#[tokio::test]
async fn every_command_that_can_be_run_here_succeeds() {
    let mut problems = Vec::new();
    for document in documents() {
        problems.extend(failing_commands(&document).await);
    }
    report(&problems);
}

/// What is wrong with the configurations of a document. Fragments get an optimizer.
async fn invalid_configurations(document: &Document) -> Vec<String> {
    let mut problems = Vec::new();
    let blocks = document.blocks.iter().filter(|block| block.language == "yaml" && block.not_run.is_none());
    for block in blocks.filter(|block| !block.text.lines().any(|line| line.starts_with("apiVersion:"))) {
        let is_complete = block.text.lines().any(|line| line.starts_with("optimizer:"));
        let text = if is_complete { block.text.clone() } else { format!("{}{OPTIMIZER}", block.text) };
        let finished = ServoBin::configured(&text).run("validate").await;
        if finished.code != Some(0) {
            problems.push(format!("{}:{}: {}", document.path, block.line, finished.stderr.trim()));
        }
    }
    problems
}

#[tokio::test]
async fn every_configuration_is_valid() {
    let mut problems = Vec::new();
    // The blocks of the reference are defaults of single keys.
    for document in documents().into_iter().filter(|document| document.path != manual::REFERENCE) {
        problems.extend(invalid_configurations(&document).await);
    }
    report(&problems);
}

/// Links that lead nowhere, and paths in code that are not there.
fn dead_ends(document: &Document) -> Vec<String> {
    let folder = Path::new(&document.path).parent().unwrap();
    let links = document.links().into_iter().filter(|(_, target)| !target.contains("://"));
    let broken = links.filter_map(|(line, target)| {
        let (path, anchor) =
            target.split_once('#').map_or((target.as_str(), None), |(path, anchor)| (path, Some(anchor)));
        let place = folder.join(path);
        let exists = path.is_empty() || root().join(&place).exists();
        let is_heading = !exists
            || anchor.is_none_or(|anchor| {
                let anchors =
                    if path.is_empty() { document.anchors() } else { read(&place.to_string_lossy()).anchors() };
                anchors.iter().any(|known| known == anchor)
            });
        (!exists || !is_heading).then(|| format!("{}:{line}: no such place: {target}", document.path))
    });
    let paths = document.words_in_code().into_iter().filter_map(|(line, word)| {
        let path = word.split([' ', ':']).next().unwrap_or_default();
        let is_ours = path.split_once('/').is_some_and(|(folder, _)| FOLDERS.contains(&folder));
        let is_pattern = path.contains(['*', '<', '{', '$']) || path.contains("NAME");
        (is_ours && !is_pattern && !root().join(path).exists())
            .then(|| format!("{}:{line}: no such file: {path}", document.path))
    });
    broken.chain(paths).collect()
}

#[test]
fn every_link_and_path_leads_somewhere() {
    let documents: Vec<Document> = documents().into_iter().chain([read("CHANGELOG.md")]).collect();
    let count: usize = documents.iter().map(|document| document.links().len()).sum();
    assert!(count > 30, "only {count} links were found");
    report(&documents.iter().flat_map(dead_ends).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_wrong_in_a_document_is_found() {
    let text = "\
[a](nowhere.md) [b](#nothing) `src/nothing.rs` [c](#d) `src/lib.rs`

# D

```console
$ servo mesure
$ servo describe --no-such-option
$ no-such-program
$ servo version
```

```sh
servo show components | no-such-filter
servo version no-such-connector
```

<!-- not run: needs a cluster -->
```sh
servo inject-sidecar
servo version no-such-connector
```

```yaml
wait: {measure: true}
```
";
    let document = Document::parse("docs/broken.md", text);
    let problems = wrong_commands(&document);
    let begins =
        ["5: servo mesure", "5: servo describe --no", "5: no-such-program", "12: no-such-filter", "18: servo inject"];
    assert_eq!(problems.len(), begins.len(), "{problems:#?}");
    for (problem, begin) in problems.iter().zip(begins) {
        let line = begin.split(':').next().unwrap().parse::<usize>().unwrap();
        let begin = begin.replacen(&line.to_string(), &(line + 1).to_string(), 1);
        assert!(problem.starts_with(&format!("docs/broken.md:{begin}")), "{begin} in {problem}");
    }
    let failed = failing_commands(&document).await;
    assert_eq!(failed.len(), 3, "{failed:#?}");
    assert!(failed[2].contains("no-such-connector"), "{failed:#?}");
    assert_eq!(invalid_configurations(&document).await.len(), 1);
    let dead_ends = dead_ends(&document);
    assert_eq!(dead_ends.len(), 3, "{dead_ends:#?}");
}

#[tokio::test]
async fn the_fixture_of_the_commands_is_valid() {
    succeeded(&ServoBin::configured(FIXTURE).run("validate").await);
}
